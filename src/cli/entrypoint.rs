//! `pydexec [OPTIONS] -- COMMAND`: from options to a boot plan, and off.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::failure::Failure;
use super::inline;
use super::options::{Options, Parsed, print};
use super::plain;
use super::wait::{parse_duration, targets};
use crate::boot::{
    Boot, BootError, EnvFile, Installer, Own, OwnError, Owner, Report, Requirements,
    RequirementsOptions, Run, Step, Template, Venv, Wait,
};
use crate::command::{Command, Environment, ExecPlan, lookup};
use crate::init::{Policy, Start, Target};
use crate::log::Log;
use crate::sys::Args;

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    match plain::run(args, start)? {
        Some(code) => Ok(code),
        None => by_options(args, start),
    }
}

/// Not inlined: its code and its frame are many times those of the plain way.
#[inline(never)]
fn by_options(args: Args, start: Start) -> Result<u8, Failure> {
    let environment = Environment::current();
    let options = match Options::read(args.from(1), &environment)? {
        Parsed::Options(options) => options,
        Parsed::Text(text) => return print(&text),
    };
    let log = if options.verbose { Log::Steps } else { Log::Silent };
    let boot = lower(&options, &environment)?;
    if options.requirements_check {
        let report = boot.steps.iter().find_map(|step| match step {
            Step::Requirements(requirements) => Some(requirements.report()),
            _ => None,
        });
        let report = report.unwrap_or_else(Report::nothing);
        print(&report.to_string())?;
        return Ok(if report.is_there { 0 } else { 1 });
    }
    Ok(boot.run(start, log)?)
}

/// The options that are about requirements, checked.
fn requirements(options: &Options) -> Result<RequirementsOptions, Failure> {
    let installer = match &options.installer {
        None => None,
        Some(name) => Some(name.to_str().and_then(Installer::named).ok_or_else(|| {
            let why = format!("option --installer is neither uv nor pip: {name:?}");
            Failure::usage(why, Some("leave it out for uv if it is there, else pip".into()))
        })?),
    };
    let timeout = match &options.requirements_timeout {
        None => None,
        Some(text) => Some(parse_duration("--requirements-timeout", text)?),
    };
    if options.project.is_none() && !options.extras.is_empty() {
        let why = "option --extras is about a project, and there is no --project";
        return Err(Failure::usage(why, Some("name its directory: --project DIR".into())));
    }
    // As a twin has it: with commas between them.
    let extras = options.extras.iter().flat_map(|list| {
        let list = list.to_string_lossy().into_owned();
        let words: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
        words
    });
    Ok(RequirementsOptions {
        files: options.requirements.clone(),
        skip: options.no_requirements,
        project: options.project.clone(),
        extras: extras.filter(|extra| !extra.is_empty()).collect(),
        wheelhouse: options.wheelhouse.clone(),
        site: options.site.clone(),
        installer,
        install_user: options.install_user.clone(),
        keep_cache: options.keep_cache,
        timeout,
        quiet: options.quiet,
        ..RequirementsOptions::default()
    })
}

/// Everything is read, resolved and checked here; nothing is started or changed.
fn lower(options: &Options, environment: &Environment) -> Result<Boot, Failure> {
    let mut words = options.command.iter();
    let program = words.next();
    let mut command = Command::new(program.map_or(OsStr::new("python"), OsString::as_os_str));
    command.args(words);
    variables(&mut command, options, environment)?;
    // The steps before the command see the variables that become its arguments.
    let mut before = None;
    if !options.opt_from_env.is_empty() || !options.arg_from_env.is_empty() {
        before = Some(command.clone());
        inline::arguments(&mut command, options)?;
    }
    let mut plan = plan(&mut command, options, environment)?;
    let before = match &mut before {
        Some(command) => self::plan(command, options, environment)?,
        None => plan.clone(),
    };
    if program.is_none() {
        plan.program = prompt(&plan.environment)?;
    }
    let mut wait = Wait::new(targets(options.wait.iter().cloned())?);
    if let Some(timeout) = &options.wait_timeout {
        wait.timeout = parse_duration("--wait-timeout", timeout)?;
    }
    let requirements = Requirements::plan(&requirements(options)?, &before)?;
    let run = match (options.exec, options.group) {
        (true, _) => Run::Exec,
        (false, true) => Run::AsInit(Policy::ours(Target::Group)),
        (false, false) => Run::AsInit(Policy::ours(Target::Child)),
    };
    let mut steps = Vec::new();
    if !wait.targets.is_empty() {
        steps.push(Step::Wait(vec![wait]));
    }
    let mut files = Vec::new();
    for text in &options.template {
        let template = template(text, &before)?;
        files.extend(template.render(&before.environment).map_err(BootError::from)?);
    }
    if !files.is_empty() {
        steps.push(Step::Write(files));
    }
    let owner = owner(&before);
    let own = |path: &PathBuf| {
        let owner = owner.ok_or_else(|| OwnError::Nobody { path: path.clone() })?;
        Ok(Own { path: path.clone(), owner })
    };
    let owns: Result<Vec<Own>, OwnError> = options.own.iter().map(own).collect();
    let owns = owns.map_err(BootError::from)?;
    if !owns.is_empty() {
        steps.push(Step::Own(owns));
    }
    steps.extend(requirements.map(Box::new).map(Step::Requirements));
    steps.extend(inline::runs(options, &before)?);
    Ok(Boot { steps, command: plan, run })
}

/// The command's plan, as the user and in the directory and venv that were asked for.
fn plan(
    command: &mut Command,
    options: &Options,
    environment: &Environment,
) -> Result<ExecPlan, BootError> {
    if let Some(user) = &options.user {
        command.user(user);
    }
    if let Some(workdir) = &options.workdir {
        command.workdir(workdir);
    }
    let mut plan = command.plan(environment)?;
    plan.check_workdir()?;
    if let Some(directory) = &options.venv {
        Venv::find(directory)?.activate(&mut plan.environment);
    }
    Ok(plan)
}

/// `SRC:DEST`. The result belongs to the user of the command.
fn template(text: &OsStr, plan: &ExecPlan) -> Result<Template, BootError> {
    let bytes = text.as_bytes();
    let wrong = || BootError::TemplateOption { text: text.to_string_lossy().into_owned() };
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or_else(wrong)?;
    let (src, dest) = (&bytes[..colon], &bytes[colon + 1..]);
    if src.is_empty() || dest.is_empty() {
        return Err(wrong());
    }
    let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
    let (src, dest) = (path(src), path(dest));
    Ok(Template { src, dest, mode: None, owner: owner(plan), parents: false })
}

/// Whose files are that are made for the command.
fn owner(plan: &ExecPlan) -> Option<Owner> {
    plan.credentials().map(|user| Owner { uid: user.uid(), gid: user.gid() })
}

/// Cleared first, then files, then single variables, then removals: each can correct those before.
fn variables(command: &mut Command, options: &Options, ours: &Environment) -> Result<(), Failure> {
    for twin in Options::twins() {
        command.env_remove(twin);
    }
    if options.env_clear {
        command.env_clear();
    }
    inline::secrets(command, options, ours)?;
    for file in &options.env_file {
        for (name, value) in EnvFile::read(file)?.variables {
            set(command, &name, value.as_deref(), ours);
        }
    }
    for variable in &options.env {
        let bytes = variable.as_bytes();
        match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, value) = (&bytes[..at], &bytes[at + 1..]);
                command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
            }
            None => set(command, variable, None, ours),
        }
    }
    for name in &options.env_remove {
        command.env_remove(name);
    }
    Ok(())
}

/// A name without a value passes our own on, if there is one, as `docker run -e NAME` does.
fn set(command: &mut Command, name: &OsStr, value: Option<&OsStr>, ours: &Environment) {
    if let Some(value) = value.or_else(|| ours.get(name)) {
        command.env(name, value);
    }
}

/// Python's own prompt, for a container that is started without a command.
fn prompt(environment: &Environment) -> Result<OsString, BootError> {
    let path = lookup::search_path(environment);
    lookup::find("python", path)
        .or_else(|| lookup::find("python3", path))
        .map(OsString::from)
        .ok_or_else(|| BootError::NoPython { path: path.to_string_lossy().into_owned() })
}
