//! Finding a program in PATH, for what has to be decided before anything is executed.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::environment::Environment;

/// Where a program is looked for when there is no `PATH`: what Docker gives to a container.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The directories that are searched for a program with this environment.
pub(crate) fn search_path(environment: &Environment) -> &OsStr {
    environment.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH))
}

/// Where `name` would be, in each directory of `path`; an empty one is the working directory.
pub(crate) fn candidates(name: impl AsRef<Path>, path: &OsStr) -> impl Iterator<Item = PathBuf> {
    path.as_bytes()
        .split(|byte| *byte == b':')
        .map(move |directory| Path::new(OsStr::from_bytes(directory)).join(name.as_ref()))
}

/// The first program called `name` in `path`.
pub(crate) fn find(name: impl AsRef<Path>, path: &OsStr) -> Option<PathBuf> {
    candidates(name, path).find(|file| fs::metadata(file).is_ok_and(|file| is_program(&file)))
}

/// A regular file with a run bit.
pub(crate) fn is_program(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}
