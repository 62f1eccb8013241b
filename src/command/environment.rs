//! An environment as a value: bytes, in order, malformed entries included.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::sys;

/// The environment of a process: entries `NAME=value`, in order.
///
/// Names and values are bytes. An entry without `=`, which the kernel allows, has no name; it can
/// only be passed on or cleared.
///
/// ```
/// use pydexec::Environment;
///
/// let mut environment = Environment::from_iter([("PORT", "8080")]);
/// environment.set("HOST", "::1");
/// environment.remove("PORT");
/// assert_eq!(environment.entries(), ["HOST=::1"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    entries: Vec<OsString>,
}

impl Environment {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// This process's own, as it is now.
    pub fn current() -> Self {
        Self { entries: sys::args::environment() }
    }

    /// The value of the variable `name`: that of the first entry, as getenv(3) has it.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref().as_bytes();
        self.entries.iter().find_map(|entry| value_of(entry, name))
    }

    /// Sets `name` to `value`: in its place if there is such an entry, else at the end.
    pub fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        let name = name.as_ref();
        let entry = OsString::from_vec([name.as_bytes(), b"=", value.as_ref().as_bytes()].concat());
        let mut entry = Some(entry);
        self.entries.retain_mut(|old| {
            if value_of(old, name.as_bytes()).is_none() {
                return true;
            }
            // The first of that name is replaced, any further one dropped.
            entry.take().map(|new| *old = new).is_some()
        });
        self.entries.extend(entry);
    }

    /// Removes every entry of that name; one that is not there is no error.
    pub fn remove(&mut self, name: impl AsRef<OsStr>) {
        let name = name.as_ref().as_bytes();
        self.entries.retain(|entry| value_of(entry, name).is_none());
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Removes the entries that have no name.
    pub(crate) fn remove_nameless(&mut self) {
        self.entries.retain(|entry| entry.as_bytes().iter().skip(1).any(|byte| *byte == b'='));
    }

    /// Names and values, of all entries that have both.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.entries.iter().filter_map(|entry| {
            let entry = entry.as_bytes();
            let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
            let (name, value) = entry.split_at(at);
            Some((OsStr::from_bytes(name), OsStr::from_bytes(value.get(1..)?)))
        })
    }

    /// All entries, each `NAME=value`.
    pub fn entries(&self) -> &[OsString] {
        &self.entries
    }
}

fn value_of<'a>(entry: &'a OsStr, name: &[u8]) -> Option<&'a OsStr> {
    // The `=` first: it is seldom where the name's length would have it.
    let (start, value) = entry.as_bytes().split_at_checked(name.len())?;
    let value = value.strip_prefix(b"=")?;
    (start == name).then(|| OsStr::from_bytes(value))
}

impl<N: AsRef<OsStr>, V: AsRef<OsStr>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::new();
        for (name, value) in variables {
            environment.set(name, value);
        }
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[&[u8]]) -> Environment {
        let entries = entries.iter().map(|entry| OsString::from_vec(entry.to_vec()));
        Environment { entries: entries.collect() }
    }

    #[test]
    fn setting_replaces_the_first_entry_and_drops_the_others() {
        let mut environment = raw(&[b"A=1", b"B=2", b"A=3"]);
        environment.set("A", "4");
        assert_eq!(environment, raw(&[b"A=4", b"B=2"]));
        environment.set("C", "");
        assert_eq!(environment.get("C"), Some(OsStr::new("")));
    }

    #[test]
    fn a_name_that_begins_another_is_not_that_one() {
        let mut environment = raw(&[b"PATHS=x", b"PATH=y"]);
        assert_eq!(environment.get("PATH"), Some(OsStr::new("y")));
        environment.remove("PATH");
        assert_eq!(environment, raw(&[b"PATHS=x"]));
    }

    #[test]
    fn what_is_not_utf_8_or_has_no_equals_sign_is_passed_on() {
        let mut environment = raw(&[b"\xff=\xfe", b"odd", b"=x"]);
        environment.set("A", "1");
        environment.remove("odd");
        assert_eq!(environment, raw(&[b"\xff=\xfe", b"odd", b"=x", b"A=1"]));
    }
}
