//! Installing the mounted requirements before the command starts.
//!
//! By `uv` when there is one in PATH, else by the interpreter's own pip, as the user of the command:
//! building a package runs its code. The interpreter is that of the venv, else the first `python`
//! in PATH.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::BootError;
use super::killed_by;
use crate::command::{ExecPlan, lookup};
use crate::init::{Stage, Supervisor, Target};

/// Where people mount it (as `polytope/python` does).
pub(crate) const USUAL_FILE: &str = "/requirements.txt";

/// What is to be installed, and by which program.
#[derive(Debug)]
pub(crate) struct Requirements {
    files: Vec<PathBuf>,
    installer: &'static str,
    plan: ExecPlan,
}

impl Requirements {
    /// Plans to install `files`, or the usual file if it is there and none was named.
    pub fn plan(files: &[PathBuf], command: &ExecPlan) -> Result<Option<Self>, BootError> {
        let files = if files.is_empty() {
            match fs::symlink_metadata(USUAL_FILE) {
                Ok(_) => vec![PathBuf::from(USUAL_FILE)],
                Err(_) => return Ok(None),
            }
        } else {
            files.to_vec()
        };
        for file in &files {
            check(file)?;
        }
        let (installer, plan) = installation(&files, command)?;
        Ok(Some(Self { files, installer, plan }))
    }

    /// Takes what is installed from this directory, and asks for nothing on the network.
    pub fn with_wheelhouse(mut self, directory: &Path) -> Self {
        self.plan.arguments.extend(["--no-index".into(), "--find-links".into(), directory.into()]);
        self
    }

    /// The installer's command.
    pub fn command(&self) -> &ExecPlan {
        &self.plan
    }

    /// Installs them. `Some` is the exit code with which the boot ends here, because somebody asked
    /// the container to end meanwhile.
    pub fn install(self, supervisor: &mut Supervisor) -> Result<Option<u8>, BootError> {
        if let Some(signal) = supervisor.asked_to_end()? {
            return Ok(Some(killed_by(signal)));
        }
        // To the group: a build has children of its own that must go too.
        let ended = supervisor.run(&self.plan, Target::Group, Stage::Step)?;
        match (ended.status.code(), ended.asked_to_end) {
            (0, None) => Ok(None),
            (0, Some(signal)) => Ok(Some(killed_by(signal))),
            (code, Some(_)) => Ok(Some(code)),
            (code, None) => Err(BootError::InstallFailed {
                files: list(&self.files),
                installer: self.installer,
                code,
            }),
        }
    }
}

/// Opens the file, so that one that cannot be read is told before anything is done.
fn check(file: &Path) -> Result<(), BootError> {
    let refuse = |source: io::Error| BootError::RequirementsFile { file: file.to_owned(), source };
    let metadata = fs::metadata(file).map_err(refuse)?;
    if metadata.is_dir() {
        return Err(BootError::RequirementsDirectory { file: file.to_owned() });
    }
    if metadata.is_file() {
        // A fifo is left to the installer: it can be read but once.
        fs::File::open(file).map_err(refuse)?;
    }
    Ok(())
}

fn installation(
    files: &[PathBuf],
    command: &ExecPlan,
) -> Result<(&'static str, ExecPlan), BootError> {
    let mut plan = command.clone();
    let path = lookup::search_path(&plan.environment).to_owned();
    let python = lookup::find("python", &path).or_else(|| lookup::find("python3", &path));
    let uv = lookup::find("uv", &path);
    let installer = match (uv, python) {
        (Some(uv), python) => {
            plan.program = uv.into();
            plan.arguments = words(&["pip", "install"]);
            match python {
                Some(python) => plan.arguments.extend(["--python".into(), python.into()]),
                None => plan.arguments.push("--system".into()),
            }
            quiet_unless_set(&mut plan, "UV_NO_CACHE", "UV_CACHE_DIR", "1");
            "uv"
        }
        (None, Some(python)) => {
            plan.program = python.into();
            plan.arguments = words(&["-m", "pip", "install"]);
            quiet_unless_set(&mut plan, "PIP_NO_CACHE_DIR", "PIP_CACHE_DIR", "1");
            for name in ["PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_INPUT"] {
                quiet_unless_set(&mut plan, name, name, "1");
            }
            let name = "PIP_ROOT_USER_ACTION";
            quiet_unless_set(&mut plan, name, name, "ignore");
            "pip"
        }
        (None, None) => {
            return Err(BootError::NoInstaller {
                files: list(files),
                path: path.to_string_lossy().into_owned(),
            });
        }
    };
    for file in files {
        plan.arguments.extend(["--requirement".into(), file.into()]);
    }
    Ok((installer, plan))
}

/// Sets a variable of the installer's, where the user has set neither it nor the other.
fn quiet_unless_set(plan: &mut ExecPlan, name: &str, other: &str, value: &str) {
    let environment = &mut plan.environment;
    if environment.get(name).is_none() && environment.get(other).is_none() {
        environment.set(name, value);
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn list(files: &[PathBuf]) -> String {
    let files: Vec<_> = files.iter().map(|file| OsStr::to_string_lossy(file.as_os_str())).collect();
    files.join(", ")
}
