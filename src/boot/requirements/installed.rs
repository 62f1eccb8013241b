//! What is installed, read from the `*.dist-info` directories as `importlib.metadata` does.
//!
//! The listing of a directory gives names; a `METADATA` file is opened only for a package that
//! somebody asks for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep440_rs::Version;

use super::requirement::{Parsed, Requirement, normalize};

/// The packages in some directories of a Python path, the first of a name first.
#[derive(Debug, Default)]
pub(super) struct Installed {
    found: HashMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    /// Its `dist-info`, or an `egg-info` of older days.
    At(PathBuf),
    /// Two of a name in one directory: a broken installation.
    Twice,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Distribution {
    pub version: Version,
    pub requires: Vec<Requirement>,
}

/// What is known of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Package(Distribution),
    /// Something is there that we cannot read.
    Unreadable(&'static str),
}

impl Installed {
    /// Lists `directories`; one that is not there is empty.
    pub fn list<'a>(directories: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut found: HashMap<String, Entry> = HashMap::new();
        for directory in directories {
            let mut here: HashMap<String, Entry> = HashMap::new();
            for entry in names(directory) {
                let Some(name) = entry.to_str().and_then(distribution_name) else {
                    continue;
                };
                let entry = Entry::At(directory.join(&entry));
                if here.insert(name.clone(), entry).is_some() {
                    here.insert(name, Entry::Twice);
                }
            }
            for (name, entry) in here {
                found.entry(name).or_insert(entry);
            }
        }
        Self { found }
    }

    /// The package of this normalized name.
    pub fn get(&self, name: &str) -> Found {
        match self.found.get(name) {
            None => Found::Nothing,
            Some(Entry::Twice) => Found::Unreadable("it is there twice"),
            Some(Entry::At(directory)) => match read(directory) {
                Ok(distribution) => Found::Package(distribution),
                Err(why) => Found::Unreadable(why),
            },
        }
    }
}

/// The names of all that tells of an installed package in `directory`, sorted.
pub(super) fn records(directory: &Path) -> Vec<OsString> {
    let mut records: Vec<OsString> = names(directory)
        .filter(|name| name.to_str().and_then(distribution_name).is_some())
        .collect();
    records.sort_unstable();
    records
}

fn names(directory: &Path) -> impl Iterator<Item = OsString> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
}

/// `Flask-3.0.dist-info` is flask; so is what an old Debian package leaves, `flask.egg-info`.
fn distribution_name(entry: &str) -> Option<String> {
    let stem = entry.strip_suffix(".dist-info").or_else(|| entry.strip_suffix(".egg-info"))?;
    let name = stem.split('-').next().unwrap_or(stem);
    // pip renames what it is about to remove to a name that begins so.
    (!name.is_empty() && !name.starts_with('~')).then(|| normalize(name))
}

fn read(directory: &Path) -> Result<Distribution, &'static str> {
    let egg = directory.extension().is_some_and(|ending| ending == "egg-info");
    let file = match (egg, egg && directory.is_file()) {
        (true, true) => directory.to_owned(),
        (true, false) => directory.join("PKG-INFO"),
        (false, _) => directory.join("METADATA"),
    };
    if egg && fs::metadata(directory.join("requires.txt")).is_ok_and(|file| file.len() > 1) {
        return Err("it is in the old form (egg-info)");
    }
    let bytes = fs::read(file).map_err(|_| "it has no METADATA")?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(metadata: &str) -> Result<Distribution, &'static str> {
    let mut version = None;
    let mut requires = Vec::new();
    for line in headers(metadata) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("Version") {
            version = Version::from_str(value.trim()).ok();
        } else if name.eq_ignore_ascii_case("Requires-Dist") {
            match Parsed::of(value) {
                Parsed::Requirement(requirement) => requires.push(requirement),
                _ => return Err("it requires something of no known form"),
            }
        }
    }
    match version {
        Some(version) => Ok(Distribution { version, requires }),
        None => Err("it has no version of a known form"),
    }
}

/// The lines above the first empty one, each with those that continue it.
fn headers(metadata: &str) -> Vec<String> {
    let mut headers: Vec<String> = Vec::new();
    for line in metadata.lines().take_while(|line| !line.trim_end().is_empty()) {
        match headers.last_mut() {
            Some(before) if line.starts_with([' ', '\t']) => before.push_str(line),
            _ => headers.push(line.to_owned()),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_package_is_in_that_of_its_record() {
        for (entry, name) in [
            ("Flask-3.1.3.dist-info", Some("flask")),
            ("zope.interface-5.0.dist-info", Some("zope-interface")),
            ("typing_extensions-4.0.dist-info", Some("typing-extensions")),
            ("six-1.16.0.egg-info", Some("six")),
            ("setuptools.egg-info", Some("setuptools")),
            ("~lask-3.1.3.dist-info", None),
            ("flask", None),
            (".dist-info", None),
        ] {
            assert_eq!(distribution_name(entry).as_deref(), name, "{entry}");
        }
    }

    #[test]
    fn a_package_is_its_version_and_what_it_requires() {
        let found = parse(
            "Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist: b>=1;\n \
             python_version > '3'\nrequires-dist: C[x]\n\nRequires-Dist: not this\n",
        )
        .unwrap();
        assert_eq!(found.version, Version::new([1, 0]));
        let names: Vec<&str> = found.requires.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
        assert!(found.requires[0].marker.is_some());
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in ["Name: a\n", "Version: dog\n", "Version: 1\nRequires-Dist: b @ file:///b\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
