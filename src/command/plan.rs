//! What a command resolves to.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::diagnose;
use super::environment::Environment;
use crate::error::Error;
use crate::user::Credentials;

/// A command with nothing left to decide: what it executes, with which arguments and environment,
/// as whom, and where.
///
/// Made by [`Command::plan`](super::Command::plan); a plain value that can be looked at and
/// compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlan {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Environment,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) workdir: Option<PathBuf>,
}

impl ExecPlan {
    /// The program: a path if there is a slash in it, else a name that is looked up in the `PATH`
    /// of [`environment`](Self::environment).
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments, without the program's name.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The whole environment of the command.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The user and groups; `None` leaves those of the caller.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The working directory; `None` leaves that of the caller.
    pub fn workdir(&self) -> Option<&Path> {
        self.workdir.as_deref()
    }

    /// Tells a program that is not there, or cannot be executed, before anything is done.
    pub(crate) fn looked_up(&self) -> Result<(), Error> {
        diagnose::look_up(self)
    }

    /// Tells a working directory that is not there before anything is done. Whether the user may
    /// enter it is for the kernel to say, when it is entered as that user.
    pub(crate) fn check_workdir(&self) -> Result<(), Error> {
        let Some(directory) = &self.workdir else {
            return Ok(());
        };
        let refuse = |source| Error::Workdir {
            directory: directory.clone(),
            spec: self.credentials.as_ref().map(|user| user.spec().to_owned()),
            source,
        };
        match fs::metadata(directory) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(refuse(io::Error::from_raw_os_error(libc::ENOTDIR))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(refuse(error)),
            Err(_) => Ok(()),
        }
    }
}
