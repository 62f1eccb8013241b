//! What keeps requirements from being there.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::boot::duration;
use crate::error::reason;

/// Why they were not read, not judged, or not installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequirementsError {
    #[error("cannot read requirements file {file:?}: {}", reason(.source))]
    File { file: PathBuf, source: io::Error },
    #[error("requirements file {file:?} is a directory")]
    Directory { file: PathBuf },
    #[error("{}:{line}: {why}", file.display())]
    Line { file: PathBuf, line: usize, why: String },
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
    Failed { subject: String, installer: &'static str, code: u8, advice: String },
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    paths.join(", ")
}

impl RequirementsError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { code, .. } => *code,
            Self::NoInterpreter { .. } | Self::NoInstaller { .. } => 127,
            Self::Locked { .. } => 124,
            Self::Interpreter { .. } | Self::NoPlace { .. } | Self::Install { .. } => 1,
            Self::File { .. }
            | Self::Directory { .. }
            | Self::Line { .. }
            | Self::Project { .. }
            | Self::Wheelhouse { .. } => 2,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "mount it (docker run -v ./requirements.txt:/requirements.txt:ro) \
                 or correct --requirements"
                    .into()
            }
            Self::File { .. } => "let the container read it: its mode, its owner, its mount".into(),
            Self::Directory { .. } => {
                "Docker makes a directory where the mounted file does not exist on the host: \
                 correct the path before the colon"
                    .into()
            }
            Self::Line { .. } => "correct that line; the command was not started".into(),
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
            Self::Failed { advice, .. } => advice.clone(),
        }
    }
}
