//! From the file, the environment and the words of the command to a boot plan.
//!
//! Everything is looked up and checked here, and nothing is changed. What is wrong is collected, and
//! what comes after it is looked at all the same.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::faults::{At, Faults, nearest};
use super::interpolate::Pattern;
use super::mask::Mask;
use super::schema::{
    ArgItem, ArgTable, CommandTable, File, InstallerName, Line, OwnTable, RequirementsTable,
    RunTable, StepName, StopTable, TemplateTable, Time, WaitTable,
};
use super::shape::{Read, Text};
use super::variables::{Prepared, Variables};
use crate::boot::{
    Absent, Boot, Failure, Installer, Own, Owner, Rendered, Requirements, RequirementsOptions, Run,
    RunStep, Step, Template, Venv, Wait, duration, wait,
};
use crate::command::{Command, EnvArg, Environment, ExecPlan};
use crate::error::Error;
use crate::init::{Limits, Policy, Target};
use crate::sys::ids;
use crate::sys::signal::Signal;
use crate::user::{Credentials, Database, UserSpec};

/// What a file comes to, here and now.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub boot: Boot,
    /// Which of its commands it is, for people.
    pub chosen: String,
    pub mask: Mask,
}

/// Why there is no plan.
pub(super) enum Refusal {
    Faults(Faults, Mask),
    /// All is well with the file, and the program that was named instead is not there.
    Program(Error),
}

/// Which command of the file the words mean.
enum Choice<'a> {
    /// `[exec]`, or one by its name.
    Table(&'a CommandTable, String, &'a [OsString]),
    /// A program of the user's own.
    AsIs(&'a [OsString]),
    /// None that there is.
    Nothing,
}

/// Makes the plan, or says all that is wrong.
pub(super) fn lower(
    file: &File,
    words: &[OsString],
    ours: &Environment,
    mut faults: Faults,
) -> Result<Lowered, Refusal> {
    let choice = choose(file, words, &mut faults);
    let table = match choice {
        Choice::Table(table, ..) => Some(table),
        _ => None,
    };
    let mut variables = Variables::new(ours, faults);
    for env in [&file.env, table.map_or(&None, |table| &table.env)].into_iter().flatten() {
        variables.add(env);
    }
    for secrets in
        [&file.secrets, table.map_or(&None, |table| &table.secrets)].into_iter().flatten()
    {
        variables.add_secrets(secrets);
    }
    check_syntax(file, &mut variables.faults);
    let prepared = variables.finish();
    let users = BTreeMap::new();
    let mut lowering = Lowering { variables, prepared, base: Base::default(), users };
    lowering.base(file, table);
    let policy =
        lowering.policy(table.and_then(|table| table.stop.as_ref()).or(file.stop.as_ref()));
    let mut steps = lowering.steps(file, &choice, policy);
    let (command, chosen) = match &choice {
        Choice::Table(table, name, rest) => (lowering.command(table, name, rest), name.clone()),
        Choice::AsIs(words) => (lowering.as_is(words, file), "a command of its own".to_owned()),
        Choice::Nothing => (None, String::new()),
    };
    let brought = steps.iter().any(|step| step.brings);
    let mut program = Ok(());
    match (&command, table) {
        (Some(command), Some(table)) => lowering.look_up(command, &table.cmd.0.at(), brought),
        (Some(command), None) if !brought => program = command.looked_up(),
        _ => {}
    }
    let Variables { faults, mask, .. } = lowering.variables;
    match (command, program) {
        (_, Err(error)) if faults.is_empty() => Err(Refusal::Program(error)),
        (Some(command), Ok(())) if faults.is_empty() => {
            let steps = steps.drain(..).map(|step| step.step).collect();
            let boot = Boot { steps, command, run: Run::AsInit(policy) };
            Ok(Lowered { boot, chosen, mask })
        }
        _ => Err(Refusal::Faults(faults, mask)),
    }
}

/// No word, or one that begins with a dash: `[exec]`. Else a name of the file's, else a program.
fn choose<'a>(file: &'a File, words: &'a [OsString], faults: &mut Faults) -> Choice<'a> {
    match words.split_first() {
        Some((first, rest)) if !first.as_bytes().starts_with(b"-") => {
            let named = first.to_str().and_then(|name| file.command.as_ref()?.get(name));
            match named {
                Some((_, table)) => {
                    Choice::Table(table, format!("command.{}", first.to_string_lossy()), rest)
                }
                None if first.is_empty() => {
                    faults.add_elsewhere("the first word of the command is empty");
                    Choice::Nothing
                }
                None => Choice::AsIs(words),
            }
        }
        _ => match &file.exec {
            Some(table) => Choice::Table(table, "exec".to_owned(), words),
            None => {
                let names: Vec<&str> =
                    file.command.iter().flatten().map(|(name, _)| name.as_str()).collect();
                let named = match names.is_empty() {
                    true => String::new(),
                    false => format!(", or name one of its commands: {}", names.join(", ")),
                };
                faults.add_elsewhere(format!(
                    "no command was given, and the file has no [exec]; give it one with cmd{named}"
                ));
                Choice::Nothing
            }
        },
    }
}

/// Every `${…}` is looked at, also in the commands that are not the one chosen.
fn check_syntax(file: &File, faults: &mut Faults) {
    let mut check = |text: &Text| {
        if let Err(why) = Pattern::parse(&text.raw) {
            faults.add(&text.at, why);
        }
    };
    file.each_text(&mut check);
}

/// Who and where, for every step that says nothing else.
#[derive(Default)]
struct Base {
    user: Option<Credentials>,
    workdir: Option<PathBuf>,
    venv: Option<Venv>,
}

/// A step, and whether it may bring programs that are not there yet.
struct Planned {
    step: Step,
    brings: bool,
}

struct Lowering<'a> {
    variables: Variables<'a>,
    prepared: Prepared,
    base: Base,
    /// Those that were looked up, by their spec.
    users: BTreeMap<OsString, Credentials>,
}

impl Lowering<'_> {
    fn base(&mut self, file: &File, table: Option<&CommandTable>) {
        let user = table.and_then(|table| table.user.as_ref()).or(file.user.as_ref());
        let workdir = table.and_then(|table| table.workdir.as_ref()).or(file.workdir.as_ref());
        let venv = table.and_then(|table| table.venv.as_ref()).or(file.venv.as_ref());
        self.base.user = user.and_then(|user| self.user(user));
        self.base.workdir = workdir.and_then(|workdir| self.variables.path(workdir));
        self.base.venv = venv.and_then(|text| {
            let directory = self.variables.path(text)?;
            self.told(&text.at, Venv::find(&directory))
        });
    }

    /// The result, or its error as a fault.
    fn told<T, E: std::fmt::Display>(&mut self, at: &At, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| {
                for line in error.to_string().lines() {
                    self.variables.faults.add(at, line);
                }
            })
            .ok()
    }

    /// A user that has a meaning here. Each spec is looked up once.
    fn user(&mut self, text: &Text) -> Option<Credentials> {
        let spec = self.variables.text(text)?;
        if let Some(known) = self.users.get(&spec) {
            return Some(known.clone());
        }
        let caller = ids::Identity::current();
        let resolved = UserSpec::new(&spec).resolve(&Database::system(), caller.uid, caller.gid);
        let user = self.told(&text.at, resolved)?;
        self.users.insert(spec, user.clone());
        Some(user)
    }

    fn time(&mut self, time: &Time) -> Option<Duration> {
        let text = self.variables.string(&time.0)?;
        let parsed = duration::parse(&text);
        if parsed.is_none() {
            let what = format!("it is no duration: {}", duration::FORMS);
            self.variables.faults.add(&time.0.at, what);
        }
        parsed
    }

    /// How the command is watched and ended.
    fn policy(&mut self, stop: Option<&StopTable>) -> Policy {
        let mut policy = Policy::ours(Target::Child);
        let Some(stop) = stop else {
            return policy;
        };
        let signal = stop.signal.as_ref().and_then(|text| {
            let name = self.variables.string(text)?;
            let signal = Signal::named(&name);
            if signal.is_none() {
                let what = "it is no signal: as in TERM, SIGINT, RTMIN+3, or a number from 1 to 64";
                self.variables.faults.add(&text.at, what);
            }
            signal
        });
        policy.limits.grace = stop.timeout.as_ref().and_then(|time| self.time(time));
        policy.ending_by(signal)
    }

    /// A command of this directory and user, as every step and the command are made.
    fn start(
        &self,
        program: &OsStr,
        user: Option<&Credentials>,
        workdir: Option<&Path>,
    ) -> Command {
        let mut command = Command::new(program);
        if let Some(user) = user.or(self.base.user.as_ref()) {
            command.known_user(user.clone());
        }
        if let Some(workdir) = workdir.or(self.base.workdir.as_deref()) {
            command.workdir(workdir);
        }
        if let Some(home) = &self.prepared.home {
            command.env("HOME", home);
        }
        command
    }

    /// The environment of the command, as far as the top of the file decides it: what templates see.
    fn environment(&self) -> Environment {
        let plan = self.start(OsStr::new(""), None, None).plan(&self.prepared.all);
        // A user that is nobody is told where it stands.
        let mut environment =
            plan.map_or_else(|_| self.prepared.all.clone(), |plan| plan.environment);
        self.pass_on(&mut environment);
        environment
    }

    /// Takes out what is not passed on, and activates the venv.
    fn pass_on(&self, environment: &mut Environment) {
        self.prepared.drop_from(environment);
        if let Some(venv) = &self.base.venv {
            venv.activate(environment);
        }
    }

    /// The plan, with what is not passed on taken out and the venv activated.
    fn plan(&mut self, command: &Command, at: &At) -> Option<ExecPlan> {
        let mut plan = match command.plan(&self.prepared.all) {
            Ok(plan) => plan,
            Err(error) => {
                let told: Result<(), Error> = Err(error);
                self.told(at, told);
                return None;
            }
        };
        self.pass_on(&mut plan.environment);
        self.told(at, plan.check_workdir())?;
        Some(plan)
    }

    /// Program and arguments of a `cmd`.
    fn line(&mut self, line: &Line) -> Option<(OsString, Vec<OsString>)> {
        let at = line.at();
        let patterns = match line {
            Line::Text(text) => {
                let words = self.variables.parse(text)?.split();
                let words = self.told(&at, words)?;
                words.into_iter().map(|word| (word, at.clone())).collect()
            }
            Line::List(_, texts) => {
                let parsed: Vec<_> = texts
                    .iter()
                    .map(|text| Some((self.variables.parse(text)?, text.at.clone())))
                    .collect();
                parsed.into_iter().collect::<Option<Vec<_>>>()?
            }
        };
        let values: Vec<_> =
            patterns.iter().map(|(pattern, at)| self.variables.pattern(pattern, at)).collect();
        let mut words = values.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
        match words.next().filter(|program| !program.is_empty()) {
            Some(program) => Some((program, words.collect())),
            None => {
                self.variables.faults.add(&at, "there is no program in it");
                None
            }
        }
    }

    fn steps(&mut self, file: &File, choice: &Choice<'_>, policy: Policy) -> Vec<Planned> {
        let table = match choice {
            Choice::Table(table, ..) => Some(*table),
            _ => None,
        };
        let skipped = |name: StepName| {
            let by_table = table.and_then(|table| table.skip.as_ref());
            let as_is = matches!(choice, Choice::AsIs(_) | Choice::Nothing)
                && [StepName::Wait, StepName::Run].contains(&name);
            as_is || by_table.is_some_and(|skip| skip.contains(&name))
        };
        let mut steps = Vec::new();
        if !skipped(StepName::Wait) {
            let waits = table.and_then(|table| table.wait.as_ref()).or(file.wait.as_ref());
            let waits: Vec<_> = waits.into_iter().flatten().map(|wait| self.wait(wait)).collect();
            let waits: Vec<Wait> = waits.into_iter().flatten().collect();
            if !waits.is_empty() {
                steps.push(Planned { step: Step::Wait(waits), brings: false });
            }
        }
        if !skipped(StepName::Template) {
            let templates =
                table.and_then(|table| table.template.as_ref()).or(file.template.as_ref());
            let rendered: Vec<_> =
                templates.into_iter().flatten().map(|table| self.template(table)).collect();
            let files: Vec<Rendered> = rendered.into_iter().flatten().flatten().collect();
            if !files.is_empty() {
                steps.push(Planned { step: Step::Write(files), brings: false });
            }
        }
        if !skipped(StepName::Own) {
            let trees = table.and_then(|table| table.own.as_ref()).or(file.own.as_ref());
            let owns: Vec<_> = trees.into_iter().flatten().map(|table| self.own(table)).collect();
            let owns: Vec<Own> = owns.into_iter().flatten().collect();
            if !owns.is_empty() {
                steps.push(Planned { step: Step::Own(owns), brings: false });
            }
        }
        if !skipped(StepName::Requirements) {
            let requirements = table.and_then(|table| table.requirements.as_ref());
            if let Some(requirements) = requirements.or(file.requirements.as_ref()) {
                steps.extend(self.requirements(requirements));
            }
        }
        if !skipped(StepName::Run) {
            let runs = table.and_then(|table| table.run.as_ref()).or(file.run.as_ref());
            for run in runs.into_iter().flatten() {
                let brought = steps.iter().any(|step: &Planned| step.brings);
                steps.extend(self.run(run, policy, brought));
            }
        }
        steps
    }

    fn wait(&mut self, table: &WaitTable) -> Option<Wait> {
        let mut targets = Vec::new();
        for text in &table.targets.0 {
            if let Some(address) = self.variables.string(text) {
                match wait::Target::parse(&address) {
                    Ok(target) => targets.push(target),
                    Err(error) => {
                        let what = format!("{error}; {}", error.hint());
                        self.variables.faults.add(&text.at, what);
                    }
                }
            }
        }
        let mut wait = Wait::new(targets);
        if let Some(time) = &table.timeout {
            wait.timeout = self.time(time)?;
        }
        Some(wait)
    }

    fn template(&mut self, table: &TemplateTable) -> Option<Vec<Rendered>> {
        let src = self.variables.path(&table.src.0);
        let dest = self.variables.path(&table.dest.0);
        let mode = table.mode.as_ref().map(|text| self.mode(text));
        let owner = self.owner(table.user.as_ref());
        let template = Template {
            src: src?,
            dest: dest?,
            mode: mode.map_or(Some(None), |mode| mode.map(Some))?,
            owner: owner?,
            parents: table.parents.unwrap_or(false),
        };
        self.told(&table.src.0.at, template.render(&self.environment()))
    }

    fn own(&mut self, table: &OwnTable) -> Option<Own> {
        let path = self.variables.path(&table.path.0);
        let owner = self.owner(table.user.as_ref())?;
        if owner.is_none() {
            let what = "there is no user to give it to: say user here, or at the top of the file";
            self.variables.faults.add(&table.at, what);
        }
        Some(Own { path: path?, owner: owner? })
    }

    fn mode(&mut self, text: &Text) -> Option<u32> {
        let value = self.variables.string(text)?;
        let octal = value.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mode = u32::from_str_radix(&value, 8).ok().filter(|mode| octal && *mode <= 0o7777);
        if mode.is_none() {
            self.variables.faults.add(&text.at, "it is no mode: as in \"0640\", in octal");
        }
        mode
    }

    /// Who a file is given to: the user who is named, or that of the command.
    fn owner(&mut self, text: Option<&Text>) -> Option<Option<Owner>> {
        let user = match text {
            Some(text) => Some(self.user(text)?),
            None => self.base.user.clone(),
        };
        Some(user.map(|user| Owner { uid: user.uid(), gid: user.gid() }))
    }

    fn requirements(&mut self, table: &RequirementsTable) -> Option<Planned> {
        let files: Option<Vec<PathBuf>> = match &table.file {
            Some(files) => {
                let files: Vec<_> = files.0.iter().map(|file| self.variables.path(file)).collect();
                Some(files.into_iter().collect::<Option<Vec<_>>>()?)
            }
            None => None,
        };
        let mut path = |text: &Option<Text>| match text {
            Some(text) => self.variables.path(text).map(Some),
            None => Some(None),
        };
        let (project, wheelhouse) = (path(&table.project), path(&table.wheelhouse));
        let site = path(&table.site);
        let install_user = match &table.install_user {
            Some(text) => {
                self.user(text)?;
                Some(self.variables.text(text)?)
            }
            None => None,
        };
        let timeout = match &table.timeout {
            Some(time) => Some(self.time(time)?),
            None => None,
        };
        let extras = table.extras.iter().flatten();
        if let (None, Some(extra)) = (&table.project, extras.clone().next()) {
            self.variables
                .faults
                .add(&extra.at, "extras are those of a project, and there is none");
        }
        let absent = |why: &str| {
            let step = Step::Skipped { what: "requirements".to_owned(), why: why.to_owned() };
            Some(Planned { step, brings: false })
        };
        let why = match files {
            Some(_) => "there is no such file",
            None => "there is no file /requirements.txt",
        };
        let options = RequirementsOptions {
            files: files.unwrap_or_default(),
            absent: Absent::Skipped,
            skip: false,
            project: project?,
            extras: extras.map(|extra| extra.text.clone()).collect(),
            wheelhouse: wheelhouse?,
            site: site?,
            installer: table.installer.as_ref().map(|installer| match installer {
                InstallerName::Uv => Installer::Uv,
                InstallerName::Pip => Installer::Pip,
            }),
            install_user,
            keep_cache: table.keep_cache.unwrap_or(false),
            timeout,
            quiet: table.quiet.unwrap_or(false),
        };
        let command = self.start(OsStr::new("python"), None, None);
        let plan = self.plan(&command, &table.at)?;
        let requirements = Requirements::plan(&options, &plan);
        match self.told(&table.at, requirements)? {
            Some(requirements) => {
                let step = Step::Requirements(Box::new(requirements));
                Some(Planned { step, brings: true })
            }
            None => absent(why),
        }
    }

    fn run(&mut self, table: &RunTable, policy: Policy, brought: bool) -> Option<Planned> {
        let line = self.line(&table.cmd.0);
        let timeout = table.timeout.as_ref().map(|time| self.time(time));
        let own: Vec<(&String, Option<OsString>)> = table
            .env
            .iter()
            .flatten()
            .map(|(name, (_, text))| (name, self.variables.text(text)))
            .collect();
        if let Some(why) = self.reason_to_skip(table) {
            let what = match &line {
                Some((program, _)) => format!("run {:?}", program.to_string_lossy()),
                None => "run".to_owned(),
            };
            return Some(Planned { step: Step::Skipped { what, why }, brings: false });
        }
        let user = table.user.as_ref().map(|user| self.user(user));
        let workdir = table.workdir.as_ref().map(|workdir| self.variables.path(workdir));
        let (program, arguments) = line?;
        // What was asked for and has no value is a fault that was told.
        let user = user.map_or(Some(None), |user| user.map(Some))?;
        let workdir = workdir.map_or(Some(None), |workdir| workdir.map(Some))?;
        let timeout = timeout.map_or(Some(None), |timeout| timeout.map(Some))?;
        let mut command = self.start(&program, user.as_ref(), workdir.as_deref());
        command.args(arguments);
        for (name, value) in own {
            command.env(name, value?);
        }
        let plan = self.plan(&command, &table.at)?;
        self.look_up(&plan, &table.cmd.0.at(), brought);
        let failure = match table.allow_failure {
            Some(true) => Failure::Told,
            _ => Failure::Ends,
        };
        // To the group: what the step has started must go with it.
        let limits = Limits { time: timeout, ..policy.limits };
        let policy = Policy { target: Target::Group, limits, ..policy };
        let step = Step::Run(Box::new(RunStep { plan, policy, failure }));
        Some(Planned { step, brings: table.installs.unwrap_or(false) })
    }

    fn reason_to_skip(&mut self, table: &RunTable) -> Option<String> {
        let [_, effective, _] = ids::user_ids();
        if table.when.is_some() && effective != 0 {
            return Some("the container does not run as root".to_owned());
        }
        if let Some(word) = &table.if_env {
            if self.variables.given(&word.text).is_none() {
                return Some(format!("{} is not set", word.text));
            }
        }
        let word = table.unless_env.as_ref()?;
        self.variables.given(&word.text)?;
        Some(format!("{} is set", word.text))
    }

    fn command(&mut self, table: &CommandTable, name: &str, rest: &[OsString]) -> Option<ExecPlan> {
        let line = self.line(&table.cmd.0);
        let program = match &line {
            Some((program, _)) => program.clone(),
            None => OsString::from(name),
        };
        let mut command = self.start(&program, None, None);
        command.args(line.iter().flat_map(|(_, arguments)| arguments));
        for item in table.args.iter().flatten() {
            self.argument(&mut command, item);
        }
        command.args(rest);
        line?;
        self.plan(&command, &table.at)
    }

    fn argument(&mut self, command: &mut Command, item: &ArgItem) {
        let table = match item {
            ArgItem::Plain(text) => {
                if let Some(value) = self.variables.text(text) {
                    command.arg(value);
                }
                return;
            }
            ArgItem::FromEnv(table) => table,
        };
        let Some(variable) = self.variable(table) else {
            return;
        };
        let add = |command: &mut Command, name: &Option<(bool, OsString)>, variable: EnvArg| {
            match name {
                Some((true, flag)) => command.flag_from_env(flag, variable),
                Some((false, option)) => command.opt_from_env(option, variable),
                None => command.arg_from_env(variable),
            };
        };
        let name = match (&table.opt, &table.flag) {
            (Some(_), Some(_)) => {
                let what = "an argument has opt or flag, not both";
                self.variables.faults.add(&table.at, what);
                return;
            }
            (Some(text), None) => self.variables.text(text).map(|option| Some((false, option))),
            (None, Some(text)) => self.variables.text(text).map(|flag| Some((true, flag))),
            (None, None) => Some(None),
        };
        let Some(name) = name else {
            return;
        };
        add(command, &name, variable);
        // Told here, where its place is known, and not by the plan.
        let tried = command.try_last(&self.prepared.all);
        self.told(&table.at, tried);
    }

    fn variable(&mut self, table: &ArgTable) -> Option<EnvArg> {
        let name = &table.env.0;
        if name.text.is_empty() || name.text.contains('=') {
            let what = format!("{:?} cannot be the name of an environment variable", name.text);
            self.variables.faults.add(&name.at, what);
            return None;
        }
        let mut variable = EnvArg::new(&name.text);
        let default = table.default.as_ref().map(|text| self.variables.text(text));
        let format = table.format.as_ref().map(|text| (self.variables.text(text), &text.at));
        if let Some(default) = default {
            variable = variable.default(default?);
        }
        if let Some((format, at)) = format {
            let format = format?;
            if !format.as_bytes().windows(2).any(|pair| pair == b"{}") {
                self.variables.faults.add(at, "there is no {} in it for the value");
                return None;
            }
            variable = variable.format(format);
        }
        if table.flag.is_some() && (table.split.is_some() || table.format.is_some()) {
            self.variables.faults.add(&table.at, "a flag has no value to split or to format");
            return None;
        }
        if table.required == Some(true) {
            variable = variable.required();
        }
        if table.keep == Some(true) {
            variable = variable.keep();
        }
        if table.split == Some(true) {
            variable = variable.split();
        }
        Some(variable)
    }

    /// A program of the user's own, with environment, venv and user of the file.
    fn as_is(&mut self, words: &[OsString], file: &File) -> Option<ExecPlan> {
        let (program, rest) = words.split_first()?;
        let mut command = self.start(program, None, None);
        command.args(rest);
        let plan = self.plan(&command, &file.at)?;
        // A misspelt name of a command ends up here.
        if plan.looked_up().is_err() {
            let name = program.to_string_lossy();
            let names = file.command.iter().flatten().map(|(name, _)| name.as_str());
            if let Some(nearest) = nearest(&name, names) {
                let what = format!(
                    "there is neither a command nor a program {name:?}; did you mean {nearest:?}?"
                );
                self.variables.faults.add_elsewhere(what);
            }
        }
        Some(plan)
    }

    /// A program that is not there is told before anything is done, unless a step may bring it.
    fn look_up(&mut self, plan: &ExecPlan, at: &At, brought: bool) {
        if brought {
            return;
        }
        if let Err(error) = plan.looked_up() {
            let hint = "; if a [[run]] before it brings it, say installs = true there";
            self.variables.faults.add(at, format!("{error}{hint}"));
        }
    }
}
