//! What keeps a boot from reaching its command.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use super::own::OwnError;
#[cfg(feature = "requirements")]
use super::requirements::RequirementsError;
#[cfg(feature = "templates")]
use super::template::TemplateError;
#[cfg(feature = "checks")]
use super::wait::WaitError;
use crate::error::{Error, reason};

/// Why the command was not started, or why it failed to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error(transparent)]
    Command(#[from] Error),
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
    #[error(transparent)]
    Own(#[from] OwnError),
    #[cfg(feature = "checks")]
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[cfg(feature = "templates")]
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[cfg(feature = "requirements")]
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    /// An error of a step that was done in a child.
    #[error("{message}")]
    Told { message: String, hint: Option<String>, code: u8 },
    #[error("step {step} ended without a word, with exit code {code}")]
    Died { step: String, code: u8 },
}

impl BootError {
    /// The code that this process exits with because of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Command(error) => error.exit_code(),
            Self::Own(error) => error.exit_code(),
            #[cfg(feature = "checks")]
            Self::Wait(error) => error.exit_code(),
            #[cfg(feature = "templates")]
            Self::Template(error) => error.exit_code(),
            #[cfg(feature = "requirements")]
            Self::Requirements(error) => error.exit_code(),
            Self::StepFailed { code, .. } | Self::Told { code, .. } => *code,
            Self::Died { .. } => 1,
            Self::StepTimedOut { .. } => 124,
            Self::NoPython { .. } => 127,
            Self::Venv { .. } | Self::EnvFile { .. } | Self::EnvFileLine { .. } => 2,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Command(error) => return error.hint(),
            Self::Own(error) => return error.hint(),
            #[cfg(feature = "checks")]
            Self::Wait(error) => return error.hint(),
            #[cfg(feature = "templates")]
            Self::Template(error) => return error.hint(),
            #[cfg(feature = "requirements")]
            Self::Requirements(error) => error.hint(),
            Self::Told { hint, .. } => return hint.clone(),
            Self::EnvFile { .. } => {
                "let the container read it: its mode, its owner, its mount".into()
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
            Self::Died { .. } => {
                "a code from 128 on is a signal: 137 may be the container's limit on memory".into()
            }
        })
    }
}
