//! `pydexec [OPTIONS] -- COMMAND`: from options to a boot plan, and off.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::failure::Failure;
use super::inline;
use super::options::{Options, Parsed, print};
use super::plain;
#[cfg(feature = "requirements")]
use super::requirements;
#[cfg(feature = "templates")]
use super::templates;
#[cfg(feature = "checks")]
use super::wait;
use crate::boot::{Boot, BootError, EnvFile, Own, OwnError, Owner, Run, Step, Venv};
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
    match read(args)? {
        Read::Boot(boot, log) => Ok(unboxed(boot).run(start, log)?),
        Read::Done(code) => Ok(code),
    }
}

/// The box is gone when this returns, and not when its variable is.
fn unboxed(boot: Box<Boot>) -> Boot {
    *boot
}

/// What came of reading the command line.
enum Read {
    Boot(Box<Boot>, Log),
    /// There was nothing to be done but to tell something; the exit code.
    Done(u8),
}

/// Not inlined: what the command line was read with is gone when it returns, and not there for as long as
/// the command runs.
#[inline(never)]
fn read(args: Args) -> Result<Read, Failure> {
    let environment = Environment::current();
    let options = match Options::read(args.from(1), &environment)? {
        Parsed::Options(options) => options,
        Parsed::Text(text) => return print(&text).map(Read::Done),
    };
    let log = if options.verbose { Log::Steps } else { Log::Silent };
    let boot = lower(&options, &environment)?;
    #[cfg(feature = "requirements")]
    if options.requirements_check {
        return requirements::report(&boot).map(Read::Done);
    }
    Ok(Read::Boot(Box::new(boot), log))
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
    // Looked at in the order in which faults are told, which is not that of the steps.
    #[cfg(feature = "checks")]
    let wait = wait::step(options)?;
    #[cfg(feature = "requirements")]
    let requirements = requirements::step(options, &before)?;
    let run = match (options.exec, options.group) {
        (true, _) => Run::Exec,
        (false, true) => Run::AsInit(Policy::ours(Target::Group)),
        (false, false) => Run::AsInit(Policy::ours(Target::Child)),
    };
    let mut steps = Vec::new();
    #[cfg(feature = "checks")]
    steps.extend(wait);
    #[cfg(feature = "templates")]
    steps.extend(templates::step(options, &before)?);
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
    #[cfg(feature = "requirements")]
    steps.extend(requirements);
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

/// Whose files are that are made for the command.
pub(super) fn owner(plan: &ExecPlan) -> Option<Owner> {
    plan.credentials().map(|user| Owner { uid: user.uid(), gid: user.gid() })
}

/// Cleared first, then files, then single variables, then removals: each can correct those before.
fn variables(command: &mut Command, options: &Options, ours: &Environment) -> Result<(), Failure> {
    for twin in Options::twins().filter(|twin| ours.get(twin).is_some()) {
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
