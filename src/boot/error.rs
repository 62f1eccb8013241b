//! What keeps a boot from reaching its command.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

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
    #[error("cannot install {files}: no python, python3 or uv found in PATH ({path})")]
    NoInstaller { files: String, path: String },
    #[error("cannot install {files}: {installer} ended with exit code {code}")]
    InstallFailed { files: String, installer: &'static str, code: u8 },
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
            Self::NoPython { .. } | Self::NoInstaller { .. } => 127,
            Self::RequirementsFile { .. }
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
            Self::NoInstaller { .. } => {
                "add python3 with pip, or uv, to the image, or name the venv that has it (--venv)"
                    .into()
            }
            Self::InstallFailed { .. } => {
                "the command was not started; the installer's own words are above".into()
            }
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
