//! What keeps a boot from reaching its command.

use std::io;
use std::path::PathBuf;

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
    #[error("cannot start a Python prompt: neither python nor python3 is in PATH ({path})")]
    NoPython { path: String },
}

impl BootError {
    /// The code that this process exits with because of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Command(error) => error.exit_code(),
            Self::InstallFailed { code, .. } => *code,
            Self::NoPython { .. } | Self::NoInstaller { .. } => 127,
            Self::RequirementsFile { .. }
            | Self::RequirementsDirectory { .. }
            | Self::Venv { .. }
            | Self::EnvFile { .. }
            | Self::EnvFileLine { .. } => 2,
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
            Self::Venv { directory, .. } => {
                format!("make it in the image: python3 -m venv {}", directory.display())
            }
            Self::EnvFileLine { .. } => {
                "a line is NAME=value, NAME alone, empty, or a comment that begins with #".into()
            }
            Self::NoPython { .. } => {
                "name a command behind --, or the venv that has a python (--venv)".into()
            }
        })
    }
}
