//! What is wrong with an entrypoint file: all of it at once, each fault with its place.
//!
//! Whoever reads the file goes on after a fault, so that one look is enough to mend them all.

use std::fmt;
use std::path::Path;

/// A place in the file: the key, as a person would write it, and where its value begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    /// `command.worker.args[2].opt`; empty for the file as a whole.
    pub key: String,
    /// The byte at which it begins.
    pub start: usize,
}

impl At {
    /// The place of `name` in the table that is here.
    pub fn child(&self, name: &str, start: usize) -> Self {
        // Not by format!, which takes longer than all else that is done for a key.
        let mut key = String::with_capacity(self.key.len() + 1 + name.len());
        key.push_str(&self.key);
        if !self.key.is_empty() {
            key.push('.');
        }
        match is_bare(name) {
            true => key.push_str(name),
            false => key.push_str(&format!("{name:?}")),
        }
        Self { key, start }
    }

    /// The place of an element of the list that is here.
    pub fn element(&self, index: usize, start: usize) -> Self {
        Self { key: format!("{}[{index}]", self.key), start }
    }
}

/// Whether TOML has the key without quotes.
fn is_bare(name: &str) -> bool {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(bare)
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// `None` for what is not in the file: the words of the command.
    at: Option<At>,
    what: String,
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds what is wrong at this place. The same twice is told once.
    pub fn add(&mut self, at: &At, what: impl Into<String>) {
        self.push(Fault { at: Some(at.clone()), what: what.into() });
    }

    /// Adds what is wrong with something that the file does not say.
    pub fn add_elsewhere(&mut self, what: impl Into<String>) {
        self.push(Fault { at: None, what: what.into() });
    }

    fn push(&mut self, fault: Fault) {
        // Of a flood, comparing each with all would take minutes.
        if self.0.len() > 1000 || !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives each its line and column, in the order of the file.
    pub fn locate(self, file: &Path, text: &str, mask: impl Fn(&str) -> String) -> BadFile {
        let mut faults = self.0;
        faults.sort_by_key(|fault| fault.at.as_ref().map_or(usize::MAX, |at| at.start));
        let more = faults.len().saturating_sub(MOST);
        faults.truncate(MOST);
        let lines = faults.into_iter().map(|fault| {
            let what = mask(&fault.what);
            match fault.at {
                Some(At { key, start }) => {
                    let (line, column) = position(text, start);
                    let key = if key.is_empty() { key } else { format!("{key}: ") };
                    format!("{}:{line}:{column}: {key}{what}", file.display())
                }
                None => format!("{}: {what}", file.display()),
            }
        });
        let mut lines: Vec<String> = lines.collect();
        if more > 0 {
            lines.push(format!("{}: and {more} faults more", file.display()));
        }
        BadFile { lines }
    }
}

/// Line and column of a byte, both from 1, the column in characters as editors count it.
pub(super) fn position(text: &str, start: usize) -> (usize, usize) {
    let mut end = start.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(begin..).unwrap_or_default().chars().count() + 1)
}

/// How many faults are told: nobody reads a thousand, and PID 1 should not print them.
const MOST: usize = 50;

/// A file that is not carried out, and everything that is wrong with it, a line each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFile {
    pub lines: Vec<String>,
}

impl BadFile {
    /// A file that could not even be read.
    pub fn whole(file: &Path, what: impl fmt::Display) -> Self {
        Self { lines: vec![format!("{}: {what}", file.display())] }
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for BadFile {}

/// The known name that a misspelt one is probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What is longer than any key is no slip of the keyboard, and the comparison is quadratic.
    if name.len() > 64 {
        return None;
    }
    let folded = name.to_ascii_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|known| {
            let distance = strsim::osa_distance(&folded, &known.to_ascii_lowercase());
            (distance, known)
        })
        // `usr` is `user`, and `foo` is not `for`.
        .filter(|(distance, known)| *distance <= (known.len().min(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_begin_with_one_and_count_characters() {
        let text = "a = 1\nü = 2\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 6), (2, 1));
        // After the two bytes of ü, and in the middle of them.
        assert_eq!(position(text, 8), (2, 2));
        assert_eq!(position(text, 7), (2, 1));
        assert_eq!(position(text, 999), (3, 1));
    }

    #[test]
    fn a_slip_of_the_keyboard_is_found_and_another_word_is_not() {
        let known = ["user", "workdir", "unless-env", "if-env", "env"];
        assert_eq!(nearest("usr", known), Some("user"));
        assert_eq!(nearest("unless_env", known), Some("unless-env"));
        assert_eq!(nearest("WORKDIR", known), Some("workdir"));
        assert_eq!(nearest("workidr", known), Some("workdir"));
        assert_eq!(nearest("volumes", known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }

    #[test]
    fn keys_that_need_quotes_have_them() {
        let top = At::default();
        assert_eq!(top.child("env", 0).child("a b", 0).key, "env.\"a b\"");
        assert_eq!(top.child("run", 0).element(1, 0).child("cmd", 0).key, "run[1].cmd");
    }

    #[test]
    fn faults_come_in_the_order_of_the_file_and_once() {
        let mut faults = Faults::default();
        let at = |start| At { key: "k".into(), start };
        faults.add_elsewhere("not in it");
        faults.add(&at(2), "second");
        faults.add(&at(0), "first");
        faults.add(&at(2), "second");
        let bad = faults.locate(Path::new("f"), "x\ny", str::to_owned);
        assert_eq!(bad.lines, ["f:1:1: k: first", "f:2:1: k: second", "f: not in it"]);
    }
}
