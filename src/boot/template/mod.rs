//! Configuration files made from templates, in Jinja2's syntax.
//!
//! A template is rendered while the boot is planned, so that a name that is not defined is told
//! before anything is waited for; writing the results is a step.

mod engine;
mod error;
mod plain;
mod replace;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::BootError;
use super::in_child;
use super::killed_by;
use super::own::Owner;
use crate::command::Environment;
use crate::init::Supervisor;
use crate::log::Log;

pub(crate) use error::TemplateError;
pub(crate) use replace::Rendered;

/// What is dropped from the names of files in a directory of templates.
const SUFFIX: &[u8] = b".j2";

/// A template, or a directory of them, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// A file; or a directory, of which every file is rendered, those below it too.
    pub src: PathBuf,
    /// The file that is written; for a directory, the directory that the results are written to,
    /// by the same names without `.j2`.
    pub dest: PathBuf,
    /// The permissions of the results; `None` leaves those of a file that is there, or takes 0644.
    pub mode: Option<u32>,
    /// The owner of the results; `None` leaves that of a file that is there.
    pub owner: Option<Owner>,
    /// Whether directories above `dest` that are not there are made.
    pub parents: bool,
}

impl Template {
    /// Renders it with the variables of `environment` as `env`. Reads files, and changes nothing.
    pub fn render(&self, environment: &Environment) -> Result<Vec<Rendered>, TemplateError> {
        let unreadable = |source| TemplateError::Read { file: self.src.clone(), source };
        let metadata = fs::metadata(&self.src).map_err(unreadable)?;
        let (directory, files) = if metadata.is_dir() {
            (self.src.as_path(), files_below(&self.src)?)
        } else {
            let name = self.src.file_name().unwrap_or_default();
            // Beside a single file, others may lie that it includes.
            let directory = self.src.parent().unwrap_or(Path::new(""));
            (directory, BTreeMap::from([(PathBuf::new(), PathBuf::from(name))]))
        };
        let contents = engine::render(directory, files.values(), environment)?;
        let results = files.into_keys().zip(contents);
        Ok(results.map(|(name, content)| self.rendered(&name, content)).collect())
    }

    fn rendered(&self, name: &Path, content: Vec<u8>) -> Rendered {
        let Self { mode, owner, parents, .. } = *self;
        // Joining an empty name would end the path in a slash.
        let dest = match name.as_os_str().is_empty() {
            true => self.dest.clone(),
            false => self.dest.join(name),
        };
        Rendered { dest, content, mode, owner, parents }
    }
}

/// Writes the results, in a child where that may take a while. `Some` is the exit code with which the
/// boot ends here, because somebody asked it to end meanwhile.
pub(crate) fn write(
    rendered: &[Rendered],
    supervisor: &mut Supervisor,
    log: Log,
) -> Result<Option<u8>, BootError> {
    if rendered.is_empty() {
        return Ok(None);
    }
    // With -v a step is told with its child and its time. Many files are many chances for a signal.
    let few = rendered.len() <= 8;
    if few && log == Log::Silent && rendered.iter().all(Rendered::is_quick) {
        if let Some(signal) = supervisor.asked_to_end()? {
            return Ok(Some(killed_by(signal)));
        }
        rendered.iter().try_for_each(Rendered::write)?;
        return Ok(None);
    }
    in_child::run(supervisor, "template", || {
        rendered.iter().try_for_each(Rendered::write).map_err(BootError::from)
    })
}

/// From the name of each result to the name of its template, both relative to `directory`.
///
/// Links to files are followed, links to directories are not. Names that begin with `..` are passed
/// over: Kubernetes keeps the files of a ConfigMap below such ones, and has links to them.
fn files_below(directory: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, TemplateError> {
    let mut files = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        let here = directory.join(&below);
        let unreadable = |source: io::Error| TemplateError::Read { file: here.clone(), source };
        for entry in fs::read_dir(&here).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(b"..") {
                continue;
            }
            let path = below.join(&name);
            let kind = entry.file_type().map_err(unreadable)?;
            let leads_to_a_file =
                || fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file());
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() || kind.is_symlink() && leads_to_a_file() {
                let result = below.join(result_name(&name));
                if let Some(other) = files.insert(result.clone(), path.clone()) {
                    let [one, other] = [path, other].map(|path| directory.join(path));
                    return Err(TemplateError::SameResult { one, other, result });
                }
            }
        }
    }
    Ok(files)
}

fn result_name(name: &OsStr) -> OsString {
    let bytes = name.as_bytes();
    let stem = bytes.strip_suffix(SUFFIX).filter(|stem| !stem.is_empty());
    OsStr::from_bytes(stem.unwrap_or(bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_suffix_is_dropped() {
        for (name, result) in
            [("a.ini.j2", "a.ini"), ("a", "a"), (".j2", ".j2"), ("a.j2.j2", "a.j2")]
        {
            assert_eq!(result_name(OsStr::new(name)), result);
        }
    }
}
