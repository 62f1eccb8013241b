//! The variables that a file works with: the container's own, and what the file makes of them.
//!
//! Each is resolved when it is first asked for, so that `set` may refer to `set` in any order, and a
//! loop is found as what it is. What the child is given is decided at the end ([`Variables::finish`]).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::cgroup;
use super::faults::{At, Faults};
use super::interpolate::{self, Found, Pattern};
use super::mask::Mask;
use super::schema::{EnvTable, SecretTable};
use super::shape::{Names, Text, Word};
use crate::boot::secrets::{self, LONGEST, Must};
use crate::command::Environment;

/// How many variables one value may lead through.
const DEEPEST: usize = 100;

/// What the file says of the environment, the top first, then the command's own.
pub(super) struct Variables<'a> {
    ours: &'a Environment,
    clear: bool,
    unset: Vec<Word>,
    required: Vec<Word>,
    set: BTreeMap<String, Text>,
    default: BTreeMap<String, Text>,
    secrets: BTreeMap<String, (At, SecretTable)>,
    known: BTreeMap<String, Known>,
    /// Those that are being resolved, to find a loop.
    open: Vec<String>,
    /// Where what is wrong at this moment is to be told.
    at: At,
    pub faults: Faults,
    pub mask: Mask,
}

/// What has been found out about a variable.
#[derive(Clone)]
enum Known {
    Value(OsString, Origin),
    Unset,
    Faulty,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The container was started with it.
    Ours,
    /// The file says so.
    File,
}

/// What the steps and the command see, and what the child is not given of it.
pub(super) struct Prepared {
    /// All that `${…}` and `args` can refer to.
    pub all: Environment,
    /// Names of `all` that are not passed on.
    dropped: Vec<OsString>,
    cleared: bool,
    /// Whether the file sets HOME, which otherwise follows the user.
    pub home: Option<OsString>,
}

impl Prepared {
    /// Takes out what is not passed on.
    pub fn drop_from(&self, environment: &mut Environment) {
        for name in &self.dropped {
            environment.remove(name);
        }
        if self.cleared {
            environment.remove_nameless();
        }
    }
}

impl<'a> Variables<'a> {
    pub fn new(ours: &'a Environment, faults: Faults) -> Self {
        Self {
            ours,
            clear: false,
            unset: Vec::new(),
            required: Vec::new(),
            set: BTreeMap::new(),
            default: BTreeMap::new(),
            secrets: BTreeMap::new(),
            known: BTreeMap::new(),
            open: Vec::new(),
            at: At::default(),
            faults,
            mask: Mask::of(ours),
        }
    }

    /// Adds an `[env]`. What it sets or defaults replaces what was there of that name.
    pub fn add(&mut self, env: &EnvTable) {
        self.clear = env.clear.unwrap_or(self.clear);
        self.unset.extend(env.unset.iter().flatten().cloned());
        self.required.extend(env.required.iter().flatten().cloned());
        for name in env.required.iter().flatten() {
            self.check_name(&name.text, &name.at);
        }
        for (from, to) in [(&env.default, &mut self.default), (&env.set, &mut self.set)] {
            for (name, (_, text)) in from.iter().flatten() {
                to.insert(name.clone(), text.clone());
            }
        }
        for (name, (at, _)) in env.default.iter().chain(&env.set).flatten() {
            self.check_name(name, at);
        }
    }

    pub fn add_secrets(&mut self, secrets: &Names<SecretTable>) {
        for (name, (at, secret)) in secrets {
            self.check_name(name, at);
            self.secrets.insert(name.clone(), (at.clone(), secret.clone()));
        }
    }

    fn check_name(&mut self, name: &str, at: &At) {
        if name.is_empty() || name.contains('=') {
            let what = format!("{name:?} cannot be the name of an environment variable");
            self.faults.add(at, what);
        }
    }

    /// Resolves every variable of the file, and says what becomes of the container's own.
    pub fn finish(&mut self) -> Prepared {
        let names: Vec<String> =
            [self.set.keys(), self.default.keys()].into_iter().flatten().cloned().collect();
        let secrets: Vec<String> = self.secrets.keys().cloned().collect();
        let mut all = self.ours.clone();
        let mut from_file = Vec::new();
        for name in names.iter().chain(&secrets) {
            if let Known::Value(value, origin) = self.resolve(name) {
                if origin == Origin::File {
                    all.set(name, value);
                    from_file.push(name.clone());
                }
            }
        }
        for name in &secrets {
            all.remove(format!("{name}_FILE"));
        }
        for word in std::mem::take(&mut self.required) {
            if !matches!(self.resolve(&word.text), Known::Value(value, _) if !value.is_empty()) {
                let what = format!("the variable {} is required, and it is not set", word.text);
                self.faults.add(&word.at, what);
            }
        }
        let dropped = self.ours.variables().map(|(name, _)| name.to_owned());
        let dropped = dropped.filter(|name| {
            let unset = |word: &Word| matches_glob(word.text.as_bytes(), name.as_bytes());
            let secret = secrets.iter().any(|secret| name == secret.as_str());
            (self.clear && !secret || self.unset.iter().any(unset))
                && !from_file.iter().any(|file| name == file.as_str())
        });
        let home = from_file.iter().find(|name| *name == "HOME").and_then(|_| all.get("HOME"));
        let (dropped, home) = (dropped.collect(), home.map(OsStr::to_owned));
        Prepared { all, dropped, cleared: self.clear, home }
    }

    /// The value of `text`. `None` after a fault, which was told.
    pub fn text(&mut self, text: &Text) -> Option<OsString> {
        let pattern = self.parse(text)?;
        self.pattern(&pattern, &text.at)
    }

    /// The value of `text` where it must be one that people read: a URL, a number.
    pub fn string(&mut self, text: &Text) -> Option<String> {
        let pattern = self.parse(text)?;
        let value = self.pattern(&pattern, &text.at)?;
        match interpolate::text(&value) {
            Some(value) => Some(value.to_owned()),
            None => {
                let names = self.not_utf_8(&pattern);
                self.faults.add(&text.at, format!("{names} must be text here, and is not UTF-8"));
                None
            }
        }
    }

    /// The value of `text` as a path.
    pub fn path(&mut self, text: &Text) -> Option<PathBuf> {
        let value = self.text(text)?;
        if value.is_empty() {
            self.faults.add(&text.at, "it is empty");
            return None;
        }
        Some(value.into())
    }

    pub fn parse(&mut self, text: &Text) -> Option<Pattern> {
        Pattern::parse(&text.raw).map_err(|why| self.faults.add(&text.at, why)).ok()
    }

    pub fn pattern(&mut self, pattern: &Pattern, at: &At) -> Option<OsString> {
        let before = std::mem::replace(&mut self.at, at.clone());
        let value = pattern.evaluate(self);
        self.at = before;
        let value = value?;
        if value.len() > LONGEST {
            let what = format!("it is longer than an argument can be ({LONGEST} bytes)");
            self.faults.add(at, what);
            return None;
        }
        Some(value)
    }

    /// The value of a variable, if it has one that is not empty.
    pub fn given(&mut self, name: &str) -> Option<OsString> {
        match self.resolve(name) {
            Known::Value(value, _) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// Which of its variables are to blame, by name.
    fn not_utf_8(&mut self, pattern: &Pattern) -> String {
        let names = pattern.names();
        let guilty = |name: &&String| match self.resolve(name) {
            Known::Value(value, _) => value.to_str().is_none(),
            _ => false,
        };
        let guilty: Vec<String> = names.iter().filter(guilty).cloned().collect();
        match guilty.as_slice() {
            [] => "it".to_owned(),
            [one] => format!("the variable {one}"),
            several => format!("the variables {}", several.join(", ")),
        }
    }

    fn resolve(&mut self, name: &str) -> Known {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        if let Some(at) = self.open.iter().position(|open| open == name) {
            return self.again(name, at);
        }
        if self.open.len() >= DEEPEST {
            self.fault_here(format!("one variable leads to more than {DEEPEST} others"));
            return Known::Faulty;
        }
        self.open.push(name.to_owned());
        let known = self.find(name);
        self.open.pop();
        self.known.insert(name.to_owned(), known.clone());
        known
    }

    /// A variable that is met while it is being resolved. One that is set from itself means what
    /// the container was given: `PATH = "/x:${PATH}"`.
    fn again(&mut self, name: &str, at: usize) -> Known {
        let alone = at + 1 == self.open.len();
        if let Some(ours) = self.ours.get(name).filter(|_| alone) {
            return Known::Value(ours.to_owned(), Origin::Ours);
        }
        // `${A:-x}` of itself has its answer; a longer way round has none.
        if alone {
            return Known::Unset;
        }
        let turn = self.open.iter().skip(at).map(String::as_str).chain([name]);
        let turn: Vec<&str> = turn.collect();
        self.fault_here(format!(
            "these variables refer to each other in a loop: {}",
            turn.join(" -> ")
        ));
        Known::Faulty
    }

    fn find(&mut self, name: &str) -> Known {
        match name {
            "cpus" => return Known::Value(cgroup::cpus().to_string().into(), Origin::Ours),
            "memory" => {
                return match cgroup::memory() {
                    Some(bytes) => Known::Value(bytes.to_string().into(), Origin::Ours),
                    None => Known::Unset,
                };
            }
            _ => {}
        }
        if let Some(text) = self.set.get(name).cloned() {
            return self.of_file(&text);
        }
        if let Some((at, secret)) = self.secrets.get(name).cloned() {
            match self.secret(name, &at, &secret) {
                Known::Unset => {}
                known => return known,
            }
        } else if let Some(value) = self.ours.get(name).filter(|value| !value.is_empty()) {
            return Known::Value(value.to_owned(), Origin::Ours);
        }
        match (self.default.get(name).cloned(), self.ours.get(name)) {
            (Some(text), _) => self.of_file(&text),
            (None, Some(empty)) => Known::Value(empty.to_owned(), Origin::Ours),
            (None, None) => Known::Unset,
        }
    }

    fn of_file(&mut self, text: &Text) -> Known {
        match self.text(text) {
            Some(value) => {
                if let Some(name) = self.open.last() {
                    if super::mask::is_secret(name.as_ref()) {
                        self.mask.hide(&value);
                    }
                }
                Known::Value(value, Origin::File)
            }
            None => Known::Faulty,
        }
    }

    fn secret(&mut self, name: &str, at: &At, secret: &SecretTable) -> Known {
        let file = match &secret.file {
            Some(file) => match self.path(file) {
                Some(file) => Some(file),
                None => return Known::Faulty,
            },
            None => None,
        };
        let required = secret.required.unwrap_or(file.is_some());
        let must = if required { Must::BeThere } else { Must::BeThereOrNot };
        match secrets::find(name, self.ours, file.as_deref(), must) {
            Ok(secrets::Found::Given(value)) => {
                self.mask.hide(&value);
                Known::Value(value, Origin::Ours)
            }
            Ok(secrets::Found::Read(value)) => {
                self.mask.hide(&value);
                Known::Value(value, Origin::File)
            }
            Ok(secrets::Found::Nowhere) if required && !self.default.contains_key(name) => {
                let what = format!(
                    "the secret {name} is required, and it is not set or empty; \
                     set {name}, or {name}_FILE to the path of a file"
                );
                self.faults.add(at, what);
                Known::Faulty
            }
            Ok(secrets::Found::Nowhere) => Known::Unset,
            Err(why) => {
                self.faults.add(at, why);
                Known::Faulty
            }
        }
    }

    fn fault_here(&mut self, what: String) {
        self.faults.add(&self.at.clone(), what);
    }
}

impl interpolate::Variables for Variables<'_> {
    fn look_up(&mut self, name: &str) -> Found {
        match self.resolve(name) {
            Known::Value(value, _) => Found::Value(value),
            Known::Unset => Found::Unset,
            Known::Faulty => Found::Faulty,
        }
    }

    fn fault(&mut self, what: String) {
        self.fault_here(what);
    }
}

/// `*` stands for any bytes, `?` for one.
fn matches_glob(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last `*` was, and what it stood for: only that one is ever tried again.
    let (mut at, mut here, mut star) = (0, 0, None);
    while let Some(byte) = name.get(here) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                here += 1;
            }
            _ => match star {
                Some((back, from)) => {
                    star = Some((back, from + 1));
                    at = back + 1;
                    here = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, matches) in [
            ("PIP_*", "PIP_INDEX_URL", true),
            ("PIP_*", "PIP_", true),
            ("PIP_*", "XPIP_A", false),
            ("*_URL", "A_URL_B_URL", true),
            ("A?C", "ABC", true),
            ("A?C", "AC", false),
            ("A", "AB", false),
            ("*", "", true),
            ("", "", true),
            ("", "A", false),
            ("*A*B*", "xxAyyBzz", true),
            ("*A*B*", "xxByyAzz", false),
        ] {
            assert_eq!(
                matches_glob(pattern.as_bytes(), name.as_bytes()),
                matches,
                "{pattern} {name}"
            );
        }
    }
}
