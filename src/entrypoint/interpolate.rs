//! `${…}` in the values of the file, as Docker Compose has it.
//!
//! | written | means |
//! | --- | --- |
//! | `${NAME}` | its value; one that is not set is an error (Compose takes it for empty) |
//! | `${NAME:-text}` | the text if it is not set or empty |
//! | `${NAME-text}` | the text if it is not set |
//! | `${NAME:?text}`, `${NAME?text}` | the same, as an error that says the text |
//! | `${NAME:+text}`, `${NAME+text}` | the text if it is set, else nothing |
//! | `$$` | `$` |
//!
//! The text may have `${…}` in it. Anything else behind a `$` is an error: it was meant for a shell,
//! and none is there to see it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// How deep `${A:-${B:-…}}` may go.
const DEEPEST: usize = 32;

/// A value with nothing left to parse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, then: Then },
}

/// What is done with the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Then {
    Plain,
    Default(Empty, Pattern),
    Required(Empty, Pattern),
    Other(Empty, Pattern),
}

/// What a variable counts as that is set and empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    Set,
    Unset,
}

impl Empty {
    fn judge(self, value: Option<OsString>) -> Option<OsString> {
        value.filter(|value| self == Self::Set || !value.is_empty())
    }
}

/// What a name stands for.
pub(super) enum Found {
    Value(OsString),
    Unset,
    /// Something is wrong with it that has been told already.
    Faulty,
}

/// Where values come from, and where to tell what is wrong.
pub(super) trait Variables {
    fn look_up(&mut self, name: &str) -> Found;
    fn fault(&mut self, what: String);
}

impl Pattern {
    /// Parses `text`, or says why it cannot be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let pattern = sequence(&mut rest, 0)?;
        Ok(pattern)
    }

    /// The value, in bytes. `None` if there is none, and then `variables` was told why; what comes
    /// after a fault is looked at all the same.
    pub fn evaluate(&self, variables: &mut dyn Variables) -> Option<OsString> {
        let mut bytes = Vec::new();
        let mut whole = true;
        for part in &self.parts {
            match part {
                Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                Part::Variable { name, then } => match then.value(name, variables) {
                    Some(value) => bytes.extend_from_slice(value.as_bytes()),
                    None => whole = false,
                },
            }
        }
        whole.then(|| OsString::from_vec(bytes))
    }

    /// The variables that it may ask for.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for part in &self.parts {
            if let Part::Variable { name, then } = part {
                names.push(name.clone());
                match then {
                    Then::Plain => {}
                    Then::Default(_, text) | Then::Required(_, text) | Then::Other(_, text) => {
                        names.extend(text.names());
                    }
                }
            }
        }
        names
    }

    /// Splits a command line as a shell does, before anything is replaced: a value with a blank in
    /// it stays one word.
    pub fn split(self) -> Result<Vec<Self>, String> {
        // A stand-in for each variable. There is no NUL in the file's strings.
        let mut line = String::new();
        let mut variables = Vec::new();
        for part in self.parts {
            match part {
                Part::Text(text) => line.push_str(&text),
                variable @ Part::Variable { .. } => {
                    line.push('\0');
                    line.push_str(&variables.len().to_string());
                    line.push('\0');
                    variables.push(variable);
                }
            }
        }
        let words = shell_words::split(&line)
            .map_err(|_| "a quote is not closed, or nothing follows a backslash".to_owned())?;
        Ok(words.iter().map(|word| restore(word, &variables)).collect())
    }
}

/// Text and stand-ins take turns between the NULs.
fn restore(word: &str, variables: &[Part]) -> Pattern {
    let mut parts = Vec::new();
    for (index, piece) in word.split('\0').enumerate() {
        if index % 2 == 0 {
            if !piece.is_empty() {
                parts.push(Part::Text(piece.to_owned()));
            }
        } else if let Some(part) = piece.parse().ok().and_then(|at: usize| variables.get(at)) {
            parts.push(part.clone());
        }
    }
    Pattern { parts }
}

impl Then {
    fn value(&self, name: &str, variables: &mut dyn Variables) -> Option<OsString> {
        let value = match variables.look_up(name) {
            Found::Value(value) => Some(value),
            Found::Unset => None,
            Found::Faulty => return None,
        };
        match self {
            Self::Plain => value.or_else(|| {
                variables.fault(format!(
                    "the variable {name} is not set; write ${{{name}:-}} if it may be missing"
                ));
                None
            }),
            Self::Default(empty, text) => empty.judge(value).or_else(|| text.evaluate(variables)),
            Self::Required(empty, text) => empty.judge(value).or_else(|| {
                let said = text.evaluate(variables)?;
                let said = said.to_string_lossy();
                let why = if said.is_empty() { "is required".into() } else { said };
                variables.fault(format!("the variable {name} is not set: {why}"));
                None
            }),
            Self::Other(empty, text) => match empty.judge(value) {
                Some(_) => text.evaluate(variables),
                None => Some(OsString::new()),
            },
        }
    }
}

/// Parts up to the end, or inside of `${…}` up to the `}`, which is left.
fn sequence(rest: &mut &str, depth: usize) -> Result<Pattern, String> {
    if depth > DEEPEST {
        return Err(format!("${{…}} is nested more than {DEEPEST} times"));
    }
    let mut parts = Vec::new();
    let mut text = String::new();
    loop {
        let stop = |letter: char| letter == '$' || (depth > 0 && letter == '}');
        let at = rest.find(stop).unwrap_or(rest.len());
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        *rest = after;
        if let Some(after) = rest.strip_prefix("$$") {
            text.push('$');
            *rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            *rest = after;
            parts.push(variable(rest, depth)?);
        } else if let Some(after) = rest.strip_prefix('$') {
            return Err(lone_dollar(after));
        } else {
            break;
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(Pattern { parts })
}

/// What stands behind `${`, with its `}`.
fn variable(rest: &mut &str, depth: usize) -> Result<Part, String> {
    let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err("there is no name of a variable behind ${".into());
    }
    let name = name.to_owned();
    *rest = after;
    let colon = rest.strip_prefix(':');
    let empty = if colon.is_some() { Empty::Unset } else { Empty::Set };
    let operator = colon.unwrap_or(rest);
    let mut letters = operator.chars();
    let make: fn(Empty, Pattern) -> Then = match letters.next() {
        Some('-') => Then::Default,
        Some('?') => Then::Required,
        Some('+') => Then::Other,
        Some('}') if colon.is_none() => {
            *rest = letters.as_str();
            return Ok(Part::Variable { name, then: Then::Plain });
        }
        None => return Err(format!("${{{name} has no closing brace")),
        Some(_) => {
            return Err(format!(
                "behind ${{{name} there may stand }}, or one of :- - :? ? :+ + and a text"
            ));
        }
    };
    *rest = letters.as_str();
    let text = sequence(rest, depth + 1)?;
    *rest = rest.strip_prefix('}').ok_or_else(|| format!("${{{name} has no closing brace"))?;
    Ok(Part::Variable { name, then: make(empty, text) })
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn lone_dollar(after: &str) -> String {
    let name: String = after.chars().take_while(|letter| is_name(*letter)).take(64).collect();
    if name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        format!("${name} has no braces: write ${{{name}}} for its value, or $${name} for the text")
    } else {
        "a $ stands alone: write $$ for it".into()
    }
}

/// The value as text, where it must be one.
pub(super) fn text(value: &OsStr) -> Option<&str> {
    value.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given<'a>(&'a [(&'a str, &'a str)], Vec<String>);

    impl Variables for Given<'_> {
        fn look_up(&mut self, name: &str) -> Found {
            match self.0.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => Found::Value(value.into()),
                None => Found::Unset,
            }
        }

        fn fault(&mut self, what: String) {
            self.1.push(what);
        }
    }

    const GIVEN: &[(&str, &str)] = &[("A", "1"), ("EMPTY", ""), ("B", "x y")];

    fn value(text: &str) -> Result<String, String> {
        let mut given = Given(GIVEN, Vec::new());
        let value = Pattern::parse(text)?.evaluate(&mut given);
        value.map(|value| value.to_string_lossy().into_owned()).ok_or_else(|| given.1.join("; "))
    }

    #[test]
    fn every_form_means_what_it_means_in_compose() {
        for (text, expected) in [
            ("", ""),
            ("plain }{ text", "plain }{ text"),
            ("${A}", "1"),
            ("<${A}${B}>", "<1x y>"),
            ("${EMPTY}", ""),
            ("${NONE:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${NONE-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${A:-d}", "1"),
            ("${NONE:-}", ""),
            ("${NONE:-${OTHER:-${A}}}", "1"),
            ("${NONE:-a${A}b}c}", "a1bc}"),
            ("${A:+other}", "other"),
            ("${EMPTY:+other}", ""),
            ("${EMPTY+other}", "other"),
            ("${NONE+other}", ""),
            ("${A:+${B}}", "x y"),
            ("${A:?why}", "1"),
            ("${EMPTY?why}", ""),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$$$$A", "$$A"),
            ("${NONE:-$$}", "$"),
            ("${A:--}", "1"),
            ("${NONE:--}", "-"),
        ] {
            assert_eq!(value(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_told_by_name_and_all_of_it() {
        assert!(value("${NONE}").unwrap_err().contains("the variable NONE is not set"));
        assert!(
            value("${NONE:?set it to ${A}}").unwrap_err().ends_with("NONE is not set: set it to 1")
        );
        assert!(value("${EMPTY:?}").unwrap_err().contains("EMPTY is not set: is required"));
        let both = value("${X} ${Y}").unwrap_err();
        assert!(both.contains("variable X") && both.contains("variable Y"), "{both}");
    }

    #[test]
    fn what_is_no_form_is_refused_with_what_to_write() {
        for (text, said) in [
            ("$A", "write ${A} for its value, or $$A for the text"),
            ("$", "write $$"),
            ("a$ b", "write $$"),
            ("$1", "write $$"),
            ("$(date)", "write $$"),
            ("${}", "no name"),
            ("${1}", "no name"),
            ("${", "no name"),
            ("${A", "no closing brace"),
            ("${A:-x", "no closing brace"),
            ("${A:-${B}", "no closing brace"),
            ("${A:}", "there may stand"),
            ("${A!x}", "there may stand"),
            ("${A.b}", "there may stand"),
            ("${A }", "there may stand"),
        ] {
            let error = value(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "${A:-".repeat(200_000);
        assert!(Pattern::parse(&deep).unwrap_err().contains("nested more than"));
        let fine = format!("{}x{}", "${N:-".repeat(DEEPEST), "}".repeat(DEEPEST));
        assert_eq!(value(&fine), Ok("x".into()));
    }

    #[test]
    fn a_command_is_split_before_anything_is_replaced() {
        let split = |text: &str| {
            let words = Pattern::parse(text)?.split()?;
            let mut given = Given(GIVEN, Vec::new());
            Ok::<_, String>(
                words
                    .iter()
                    .map(|word| word.evaluate(&mut given).unwrap().into_string().unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            split("p 'a b' \"c d\" e\\ f"),
            Ok(vec!["p".into(), "a b".into(), "c d".into(), "e f".into()])
        );
        assert_eq!(split("p --x=${B} ${EMPTY}"), Ok(vec!["p".into(), "--x=x y".into(), "".into()]));
        assert_eq!(
            split("p ${NONE:-a b} '${B}'"),
            Ok(vec!["p".into(), "a b".into(), "x y".into()])
        );
        assert_eq!(split(" \t\n"), Ok(vec![]));
        assert!(split("p 'a").is_err());
    }
}
