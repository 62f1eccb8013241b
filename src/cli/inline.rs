//! What the entrypoint file has, on the command line, so that one-liners need no file: `--secret`,
//! `--opt-from-env`, `--arg-from-env`, `--run`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::failure::Failure;
use super::options::Options;
use crate::boot::secrets::{self, Found, Must};
use crate::boot::{Failure as StepFailure, RunStep, Step};
use crate::command::{Command, EnvArg, Environment, ExecPlan};
use crate::init::{Policy, Target};

/// `NAME`, or `NAME=FILE` for where it is when neither NAME nor NAME_FILE is set.
pub(super) fn secrets(
    command: &mut Command,
    options: &Options,
    ours: &Environment,
) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for secret in &options.secret {
        let (name, file) = split_at(secret, b'=');
        let Some(name) = name.to_str().filter(|name| !name.is_empty()) else {
            faults.push("option --secret: there is no name before the =".to_owned());
            continue;
        };
        match secrets::find(name, ours, file.map(Path::new), Must::BeThere) {
            Ok(Found::Given(value) | Found::Read(value)) => {
                command.env(name, value);
                command.env_remove(format!("{name}_FILE"));
            }
            Ok(Found::Nowhere) => faults.push(format!("the secret {name} is not set or empty")),
            Err(why) => faults.push(format!("the secret {name}: {why}")),
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(
            faults.join("\n"),
            Some("set NAME, or NAME_FILE to the path of a file that can be read".into()),
        )),
    }
}

/// Options first, then arguments, each in the order they were given.
pub(super) fn arguments(command: &mut Command, options: &Options) -> Result<(), Failure> {
    for word in &options.opt_from_env {
        let wrong = || usage("--opt-from-env", "--opt-from-env '--bind= BIND:-0.0.0.0:8000'");
        let bytes = word.as_bytes();
        let at = bytes.iter().position(u8::is_ascii_whitespace).ok_or_else(wrong)?;
        let (option, variable) = bytes.split_at(at);
        let variable = EnvArg::written(OsStr::from_bytes(variable.trim_ascii()));
        command.opt_from_env(OsStr::from_bytes(option), variable.ok_or_else(wrong)?);
    }
    for word in &options.arg_from_env {
        let wrong = || usage("--arg-from-env", "--arg-from-env 'APP_MODULE:-app:app'");
        command.arg_from_env(EnvArg::written(word).ok_or_else(wrong)?);
    }
    Ok(())
}

fn usage(option: &str, example: &str) -> Failure {
    Failure::usage(
        format!("option {option} is not of its form"),
        Some(format!("as in {example}; :- stands before a default, and :? makes it required")),
    )
}

impl EnvArg {
    /// `NAME`, `NAME:-DEFAULT` or `NAME:?`.
    fn written(text: &OsStr) -> Option<Self> {
        let bytes = text.as_bytes();
        let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
        let (name, rest) = bytes.split_at(end);
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.is_empty() || !name.iter().all(letter) {
            return None;
        }
        let variable = Self::new(OsStr::from_bytes(name));
        match rest {
            b"" => Some(variable),
            b":?" => Some(variable.required()),
            _ => rest.strip_prefix(b":-").map(|value| variable.default(OsStr::from_bytes(value))),
        }
    }
}

/// Each as its own program, with environment, user and directory of `plan`.
pub(super) fn runs(options: &Options, plan: &ExecPlan) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for line in &options.run {
        let wrong = |why: &str| {
            Failure::usage(
                format!("option --run {why}"),
                Some("as in --run 'python manage.py migrate --noinput'".into()),
            )
        };
        let text = line.to_str().ok_or_else(|| wrong("is not UTF-8"))?;
        let words =
            shell_words::split(text).map_err(|_| wrong("has a quote that is not closed"))?;
        let mut words = words.into_iter().map(OsString::from);
        let program = words.next().ok_or_else(|| wrong("names no program"))?;
        let plan = ExecPlan { program, arguments: words.collect(), ..plan.clone() };
        let policy = Policy::ours(Target::Group);
        steps.push(Step::Run(Box::new(RunStep { plan, policy, failure: StepFailure::Ends })));
    }
    Ok(steps)
}

fn split_at(text: &OsStr, byte: u8) -> (&OsStr, Option<&OsStr>) {
    let mut parts = text.as_bytes().splitn(2, |found| *found == byte).map(OsStr::from_bytes);
    (parts.next().unwrap_or_default(), parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_written_as_in_a_shell() {
        let plan = |text: &str, environment: &[(&str, &str)]| {
            let variable = EnvArg::written(text.as_ref())?;
            let mut command = Command::new("p");
            command.arg_from_env(variable);
            let environment = environment.iter().copied().collect();
            Some(command.plan(&environment).map(|plan| plan.arguments().to_vec()))
        };
        assert_eq!(plan("A", &[("A", "1")]).unwrap().unwrap(), ["1"]);
        assert!(plan("A", &[]).unwrap().unwrap().is_empty());
        assert_eq!(plan("A:-x:-y", &[]).unwrap().unwrap(), ["x:-y"]);
        assert!(plan("A:?", &[]).unwrap().is_err());
        for text in ["", ":-x", "A B", "A=1", "A:x", "${A}", "A:"] {
            assert!(EnvArg::written(text.as_ref()).is_none(), "{text}");
        }
    }
}
