//! How a command comes to see what a step has installed for it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command::{Environment, lookup};

/// A directory of packages, told by a variable, and that of their programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(super) variable: &'static str,
    pub(super) value: OsString,
    pub(super) programs: PathBuf,
}

impl Exposure {
    /// Lets a command with this environment see it.
    pub fn apply(&self, environment: &mut Environment) {
        environment.set(self.variable, &self.value);
        let mut path = OsString::from(&self.programs);
        path.push(":");
        path.push(lookup::search_path(environment));
        environment.set("PATH", path);
    }
}
