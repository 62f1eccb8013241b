//! What an installation came from, so that the next start can tell that nothing has changed.
//!
//! An [`Origin`] stands for the bytes of every file that was read, the options, the interpreter and
//! the wheelhouse. It is written beside an installation, or is the name of it.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::installed::records;

/// What is hashed is laid out otherwise since.
const LAYOUT: u8 = 1;

/// 128 bits that stand for all that an installation depends on.
///
/// By the standard library's SipHash: not for ever the same, and a stamp that another version of
/// this program wrote only means to look more closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin(u64, u64);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

/// Collects what an origin depends on.
#[derive(Debug)]
pub(super) struct Ingredients(DefaultHasher, DefaultHasher);

impl Ingredients {
    pub fn new() -> Self {
        let (mut one, mut other) = (DefaultHasher::new(), DefaultHasher::new());
        (LAYOUT, 1u8).hash(&mut one);
        (LAYOUT, 2u8).hash(&mut other);
        Self(one, other)
    }

    /// Something by its name; lengths are hashed too, so that no two lists look alike.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        for hasher in [&mut self.0, &mut self.1] {
            name.hash(hasher);
            value.hash(hasher);
        }
    }

    /// A file by its size and time, not by its bytes: a wheel may be large.
    pub fn add_file(&mut self, path: &Path) {
        let (size, seconds, nanoseconds) = match fs::metadata(path) {
            Ok(file) => (file.size(), file.mtime(), file.mtime_nsec()),
            Err(_) => (0, 0, 0),
        };
        self.add("file", path.as_os_str().as_bytes());
        self.add("state", format!("{size} {seconds} {nanoseconds}").as_bytes());
    }

    /// Every file in a directory.
    pub fn add_directory(&mut self, directory: &Path) {
        let entries = fs::read_dir(directory).into_iter().flatten();
        let mut files: Vec<PathBuf> =
            entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        files.sort_unstable();
        self.add("directory", directory.as_os_str().as_bytes());
        for file in files {
            self.add_file(&file);
        }
    }

    pub fn origin(&self) -> Origin {
        Origin(self.0.finish(), self.1.finish())
    }
}

/// What is written beside packages that were installed in place: their origin, and which packages
/// there were then. Somebody's `pip uninstall` makes it void.
pub(super) fn text(origin: Origin, site: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    for record in records(site) {
        OsStr::as_bytes(&record).hash(&mut hasher);
    }
    format!("pydexec {origin} {:016x}\n", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(parts: &[(&str, &str)]) -> String {
        let mut ingredients = Ingredients::new();
        for (name, value) in parts {
            ingredients.add(name, value.as_bytes());
        }
        ingredients.origin().to_string()
    }

    #[test]
    fn the_same_makes_the_same_and_anything_else_another() {
        let base = origin(&[("a", "x"), ("b", "")]);
        assert_eq!(base, origin(&[("a", "x"), ("b", "")]));
        assert_eq!(base.len(), 32);
        for other in [
            &[("a", "x")][..],
            &[("a", "xb"), ("", "")],
            &[("b", ""), ("a", "x")],
            &[("ax", ""), ("b", "")],
            &[],
        ] {
            assert_ne!(base, origin(other), "{other:?}");
        }
    }

    #[test]
    fn a_changed_file_and_a_new_one_in_a_directory_are_seen() {
        let directory = std::env::temp_dir().join(format!("pydexec-stamp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let origin = || {
            let mut ingredients = Ingredients::new();
            ingredients.add_directory(&directory);
            ingredients.origin()
        };
        let empty = origin();
        fs::write(directory.join("a"), "1").unwrap();
        let one = origin();
        fs::write(directory.join("a"), "22").unwrap();
        let changed = origin();
        assert!(empty != one && one != changed);
        assert_eq!(changed, origin());
        let packages = text(changed, &directory);
        fs::write(directory.join("__pycache__"), "").unwrap();
        assert_eq!(text(changed, &directory), packages, "what Python leaves is no package");
        fs::create_dir(directory.join("a-1.dist-info")).unwrap();
        assert_ne!(text(changed, &directory), packages);
        fs::remove_dir_all(&directory).unwrap();
    }
}
