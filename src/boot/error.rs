//! What keeps a boot from reaching its command.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::own::OwnError;
use super::template::TemplateError;
use super::wait::{TargetError, Unanswered};
use crate::error::{Error, reason};

/// Why the command was not started, or why it failed to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error(transparent)]
    Command(#[from] Error),
    #[error("cannot read requirements file {file:?}: {}", reason(.source))]
    RequirementsFile { file: PathBuf, source: io::Error },
    #[error("requirements file {file:?} is a directory")]
    RequirementsDirectory { file: PathBuf },
    #[error("{}:{line}: {why}", file.display())]
    RequirementsLine { file: PathBuf, line: usize, why: String },
    #[error("{}: {why}", file.display())]
    Project { file: PathBuf, why: String },
    #[error("cannot read wheelhouse {directory:?}: {}", reason(.source))]
    Wheelhouse { directory: PathBuf, source: io::Error },
    #[error("cannot install {subject}: there is neither python nor python3 in PATH")]
    NoInterpreter { subject: String },
    #[error("cannot install {subject}: {python:?} does not say where it has its packages")]
    Interpreter { subject: String, python: PathBuf },
    #[error("cannot install {subject}: there is no {} for {python:?}", asked_for.unwrap_or("uv, and no pip"))]
    NoInstaller { subject: String, asked_for: Option<&'static str>, python: PathBuf },
    #[error("cannot install: user {user} can write to none of {}", list(.tried))]
    NoPlace { tried: Vec<PathBuf>, user: u32 },
    #[error("cannot install: another has held the lock {file:?} for {}", duration::shown(*.waited))]
    Locked { file: PathBuf, waited: Duration },
    #[error("cannot {what} {path:?} to install packages: {}", reason(.source))]
    Install { what: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot install {subject}: {installer} ended with exit code {code}")]
    InstallFailed { subject: String, installer: &'static str, code: u8, advice: String },
    #[error("cannot activate venv {directory:?}: {why}")]
    Venv { directory: PathBuf, why: String },
    #[error("cannot read environment file {file:?}: {}", reason(.source))]
    EnvFile { file: PathBuf, source: io::Error },
    #[error("{}:{line}: {why}", file.display())]
    EnvFileLine { file: PathBuf, line: usize, why: String },
    #[error("step {program:?} failed with exit code {code}")]
    StepFailed { program: OsString, code: u8 },
    #[error("step {program:?} did not end within {timeout}")]
    StepTimedOut { program: OsString, timeout: String },
    #[error("cannot start a Python prompt: neither python nor python3 is in PATH ({path})")]
    NoPython { path: String },
    #[error("{}", lines(.0))]
    Targets(Vec<TargetError>),
    #[error("{}", lines(.0))]
    Unanswered(Vec<Unanswered>),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Own(#[from] OwnError),
    #[error("--template {text:?} is not SRC:DEST")]
    TemplateOption { text: String },
    #[error("{option} {text:?} is no duration")]
    Duration { option: String, text: String },
    /// An error of a step that was done in a child.
    #[error("{message}")]
    Told { message: String, hint: Option<String>, code: u8 },
    #[error("step {step} ended without a word, with exit code {code}")]
    Died { step: String, code: u8 },
}

/// Several faults, a line each.
fn lines<T: ToString>(faults: &[T]) -> String {
    let lines: Vec<String> = faults.iter().map(T::to_string).collect();
    lines.join("\n")
}

impl BootError {
    /// The code that this process exits with because of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Command(error) => error.exit_code(),
            Self::InstallFailed { code, .. } | Self::StepFailed { code, .. } => *code,
            Self::Template(error) => error.exit_code(),
            Self::Own(error) => error.exit_code(),
            Self::Told { code, .. } => *code,
            Self::Died { .. } => 1,
            Self::StepTimedOut { .. } | Self::Unanswered(_) => 124,
            Self::NoPython { .. } | Self::NoInterpreter { .. } | Self::NoInstaller { .. } => 127,
            Self::Locked { .. } => 124,
            Self::Interpreter { .. } | Self::NoPlace { .. } | Self::Install { .. } => 1,
            Self::RequirementsLine { .. }
            | Self::Project { .. }
            | Self::Wheelhouse { .. }
            | Self::RequirementsFile { .. }
            | Self::RequirementsDirectory { .. }
            | Self::Venv { .. }
            | Self::EnvFile { .. }
            | Self::EnvFileLine { .. }
            | Self::Targets(_)
            | Self::TemplateOption { .. }
            | Self::Duration { .. } => 2,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Command(error) => return error.hint(),
            Self::RequirementsFile { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "mount it (docker run -v ./requirements.txt:/requirements.txt:ro) \
                 or correct --requirements"
                    .into()
            }
            Self::RequirementsFile { .. } | Self::EnvFile { .. } => {
                "let the container read it: its mode, its owner, its mount".into()
            }
            Self::RequirementsDirectory { .. } => {
                "Docker makes a directory where the mounted file does not exist on the host: \
                 correct the path before the colon"
                    .into()
            }
            Self::RequirementsLine { .. } => {
                "correct that line; the command was not started".into()
            }
            Self::Project { .. } => "correct it, or --project and --extras".into(),
            Self::Wheelhouse { .. } => {
                "mount it (docker run -v ./wheelhouse:/wheelhouse:ro) or correct --wheelhouse"
                    .into()
            }
            Self::NoInterpreter { .. } => {
                "add python3 to the image, or name the venv that has it (--venv)".into()
            }
            Self::Interpreter { python, .. } => {
                format!("see what it says: {} -c 'import sysconfig'", python.display())
            }
            Self::NoInstaller { asked_for, .. } => match asked_for {
                Some("uv") => "add its one file to the image, as /usr/local/bin/uv".into(),
                _ => "add one to the image: python3-pip of its distribution, or uv's one file as \
                      /usr/local/bin/uv"
                    .into(),
            },
            Self::NoPlace { tried, user, .. } => match tried.as_slice() {
                [directory] => format!("mount {directory:?} so that user {user} can write to it"),
                _ => "mount something to write to: -v packages:/var/cache/pydexec, or \
                      --tmpfs /tmp:exec"
                    .into(),
            },
            Self::Locked { .. } => {
                "see what the other does, or wait longer (--requirements-timeout)".into()
            }
            Self::Install { source, .. } => match source.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT) => {
                    "there is no space left: give it a larger volume or tmpfs".into()
                }
                _ => "let the installing user write there, or name another place (--site)".into(),
            },
            Self::InstallFailed { advice, .. } => advice.clone(),
            Self::StepFailed { .. } => "the command was not started".into(),
            Self::StepTimedOut { .. } => {
                "give it more time (timeout), or see what it waits for; the command was not started"
                    .into()
            }
            Self::Venv { directory, .. } => {
                format!("make it in the image: python3 -m venv {}", directory.display())
            }
            Self::EnvFileLine { .. } => {
                "a line is NAME=value, NAME alone, empty, or a comment that begins with #".into()
            }
            Self::NoPython { .. } => {
                "name a command behind --, or the venv that has a python (--venv)".into()
            }
            Self::Template(error) => return error.hint(),
            Self::Own(error) => return error.hint(),
            Self::TemplateOption { .. } => {
                "as in --template /etc/app/settings.ini.j2:/run/app/settings.ini".into()
            }
            Self::Targets(errors) => errors.first()?.hint(),
            Self::Duration { .. } => format!("a duration is {}", duration::FORMS),
            Self::Unanswered(_) => {
                "see whether it runs and is named right, or give it a longer timeout".into()
            }
            Self::Told { hint, .. } => return hint.clone(),
            Self::Died { .. } => {
                "a code from 128 on is a signal: 137 may be the container's limit on memory".into()
            }
        })
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    paths.join(", ")
}
