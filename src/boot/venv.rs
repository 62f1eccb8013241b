//! Activating a virtual environment as its script `activate` would, without a shell.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::BootError;
use crate::command::{Environment, lookup};

/// A virtual environment that has an interpreter.
#[derive(Debug)]
pub(crate) struct Venv {
    directory: PathBuf,
}

impl Venv {
    /// Takes `directory`, made absolute as `activate` has it.
    ///
    /// Errors: it holds no interpreter that can be run.
    pub fn find(directory: &Path) -> Result<Self, BootError> {
        let refuse = |why: String| BootError::Venv { directory: directory.to_owned(), why };
        let absolute =
            std::path::absolute(directory).map_err(|error| refuse(crate::error::reason(&error)))?;
        let interpreter = absolute.join("bin/python");
        match fs::metadata(&interpreter) {
            Ok(metadata) if lookup::is_program(&metadata) => Ok(Self { directory: absolute }),
            Ok(_) => Err(refuse(format!("{interpreter:?} is not executable"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(refuse(absent(&absolute, &interpreter)))
            }
            Err(error) => Err(refuse(format!("{interpreter:?}: {}", crate::error::reason(&error)))),
        }
    }

    /// `VIRTUAL_ENV` set, its `bin` first in `PATH`, `PYTHONHOME` unset.
    pub fn activate(&self, environment: &mut Environment) {
        environment.set("VIRTUAL_ENV", &self.directory);
        environment.remove("PYTHONHOME");
        let mut path = OsString::from(self.directory.join("bin"));
        path.push(":");
        path.push(lookup::search_path(environment));
        environment.set("PATH", path);
    }
}

fn absent(directory: &Path, interpreter: &Path) -> String {
    if !directory.exists() {
        return "no such directory".to_owned();
    }
    match fs::read_link(interpreter) {
        Ok(_) => match dangling_end(interpreter) {
            // A venv that was copied from a build stage with another Python.
            Some(end) => {
                format!("its interpreter {interpreter:?} leads to {end:?}, which does not exist")
            }
            None => format!("its interpreter {interpreter:?} is a link that leads nowhere"),
        },
        Err(_) => format!("there is no interpreter {interpreter:?}"),
    }
}

/// Where a chain of links ends that leads nowhere; bounded, as it may be a loop.
fn dangling_end(link: &Path) -> Option<PathBuf> {
    let mut here = link.to_owned();
    for _ in 0..40 {
        match fs::read_link(&here) {
            Ok(to) => here = here.parent()?.join(to),
            Err(_) => return Some(here),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activating_does_what_the_script_does() {
        let venv = Venv { directory: "/appenv".into() };
        let mut environment =
            Environment::from_iter([("PATH", "/bin"), ("PYTHONHOME", "/x"), ("A", "1")]);
        venv.activate(&mut environment);
        assert_eq!(environment.entries(), ["PATH=/appenv/bin:/bin", "A=1", "VIRTUAL_ENV=/appenv"]);
    }

    #[test]
    fn without_a_path_the_default_one_follows() {
        let venv = Venv { directory: "/v".into() };
        let mut environment = Environment::new();
        venv.activate(&mut environment);
        let path = environment.get("PATH").unwrap().to_str().unwrap();
        assert!(path.starts_with("/v/bin:/usr/local/sbin:"), "{path}");
    }

    #[test]
    fn a_directory_without_interpreter_is_refused_by_name() {
        let error = Venv::find(Path::new("/nonexistent/venv")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("/nonexistent/venv"), "{error}");
        let error = Venv::find(Path::new("/usr/share")).unwrap_err().to_string();
        assert!(error.contains("there is no interpreter \"/usr/share/bin/python\""), "{error}");
    }
}
