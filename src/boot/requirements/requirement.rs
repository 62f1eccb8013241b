//! One requirement, such as `flask[async]>=3,<4; python_version > "3.8"` (PEP 508).

use super::marker::Marker;
use super::version::{Clause, NoClause};

/// A requirement that can be judged by what is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    /// Normalized: `zope.interface` is `zope-interface`.
    pub name: String,
    /// Normalized.
    pub extras: Vec<String>,
    pub clauses: Vec<Clause>,
    pub marker: Option<Marker>,
}

/// What a text is that should be a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Requirement(Requirement),
    /// Something for the installer: a URL, a path, a version of no known form. Why.
    Unjudged(&'static str),
    /// No requirement. Why.
    Wrong(String),
}

impl Parsed {
    /// Reads `text`, which has no comment in it and no options behind it.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        if is_path_or_url(text) {
            return Self::Unjudged("a path or a URL");
        }
        let (name, rest) = split_name(text);
        if !is_name(name) {
            return Self::Wrong("it does not begin with the name of a package".into());
        }
        let (extras, rest) = match rest.trim_start().strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((extras, rest)) => (extras, rest.trim_start()),
                None => return Self::Wrong("the [ behind the name is not closed".into()),
            },
            None => ("", rest.trim_start()),
        };
        let extras: Vec<&str> = match extras.trim() {
            "" => Vec::new(),
            extras => extras.split(',').map(str::trim).collect(),
        };
        if !extras.iter().all(|extra| is_name(extra)) {
            return Self::Wrong("between [ and ] stand names of extras with , between".into());
        }
        if rest.starts_with('@') {
            return Self::Unjudged("a direct reference");
        }
        let (specifiers, marker) = match rest.split_once(';') {
            Some((specifiers, marker)) => (specifiers, Some(marker)),
            None => (rest, None),
        };
        let clauses = match clauses(specifiers) {
            Ok(clauses) => clauses,
            Err(Trouble::Unjudged(what)) => return Self::Unjudged(what),
            Err(Trouble::Wrong(why)) => return Self::Wrong(why),
        };
        let marker = match marker.map(|marker| (marker.trim(), Marker::parse(marker))) {
            None => None,
            Some((_, Some(marker))) => Some(marker),
            Some(("", _)) => return Self::Wrong("there is nothing behind the ;".into()),
            Some(_) => return Self::Unjudged("a marker of no known form"),
        };
        let extras = extras.into_iter().map(normalize).collect();
        Self::Requirement(Requirement { name: normalize(name), extras, clauses, marker })
    }
}

enum Trouble {
    Unjudged(&'static str),
    Wrong(String),
}

fn clauses(specifiers: &str) -> Result<Vec<Clause>, Trouble> {
    let specifiers = specifiers.trim();
    let specifiers = match specifiers.strip_prefix('(') {
        Some(inner) => {
            inner.strip_suffix(')').ok_or_else(|| Trouble::Wrong("the ( is not closed".into()))?
        }
        None => specifiers,
    };
    let specifiers = specifiers.trim().trim_end_matches(',');
    if specifiers.is_empty() {
        return Ok(Vec::new());
    }
    let mut clauses = Vec::new();
    let mut unjudged = None;
    for clause in specifiers.split(',') {
        match clause.parse() {
            Ok(clause) => clauses.push(clause),
            Err(NoClause::Version) => unjudged = Some("a version of no known form"),
            Err(NoClause::Operator) => return Err(Trouble::Wrong(no_operator(clause))),
        }
    }
    match unjudged {
        Some(why) => Err(Trouble::Unjudged(why)),
        None => Ok(clauses),
    }
}

fn no_operator(clause: &str) -> String {
    let clause = clause.trim();
    if clause.starts_with('=') {
        "a version is asked for by ==, not by =".into()
    } else if clause.starts_with('#') {
        "a comment needs a blank before its #".into()
    } else {
        "behind the name stands neither a version (==, >=, ~=, ...) nor a marker (;)".into()
    }
}

/// The longest text from the start that may be a name, and the rest.
fn split_name(text: &str) -> (&str, &str) {
    let in_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let end = text.find(|letter| !in_name(letter)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_name(name: &str) -> bool {
    let is_end = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let in_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    is_end(name.chars().next()) && is_end(name.chars().last()) && name.chars().all(in_name)
}

/// As pip tells them: what has a slash, a scheme, or the ending of an archive.
fn is_path_or_url(text: &str) -> bool {
    let what = text.split([';', '@', ' ']).next().unwrap_or_default();
    let what = what.split('[').next().unwrap_or_default();
    let archive = [".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz", ".tbz"];
    what.contains('/')
        || what.starts_with('.')
        || what.starts_with('~')
        || what.contains("://")
        || what.starts_with("file:")
        || archive.iter().any(|ending| what.to_ascii_lowercase().ends_with(ending))
}

/// A name as all its spellings have it (PEP 503).
pub(super) fn normalize(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.trim().chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            letter => normal.push(letter.to_ascii_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_a_name_extras_versions_and_a_marker() {
        let text = "Zope.Interface[Foo_Bar, x] >=5,!=5.1 ; python_version > '3.8'";
        let Parsed::Requirement(found) = Parsed::of(text) else { panic!("{text}") };
        assert_eq!(found.name, "zope-interface");
        assert_eq!(found.extras, ["foo-bar", "x"]);
        let clauses: Vec<&str> = found.clauses.iter().map(Clause::text).collect();
        assert_eq!(clauses, [">=5", "!=5.1"]);
        assert!(found.marker.is_some());
        for text in ["a", "a (>=1)", "a (>=1,<2,)", "a[]", "A-b.c_d==1.*", "a;os_name=='posix'"] {
            assert!(matches!(Parsed::of(text), Parsed::Requirement(_)), "{text}");
        }
    }

    #[test]
    fn what_only_the_installer_can_judge_is_left_to_it() {
        for text in [
            "./here",
            ".",
            "/wheels/a-1.0-py3-none-any.whl",
            "a-1.0.tar.gz",
            "https://example.com/a.whl",
            "git+https://example.com/a@main#egg=a",
            "a @ file:///x",
            "a[b]@https://x",
            "a===1.0",
            "a==dog",
            "a; bogus",
        ] {
            assert!(
                matches!(Parsed::of(text), Parsed::Unjudged(_)),
                "{text}: {:?}",
                Parsed::of(text)
            );
        }
    }

    #[test]
    fn what_is_no_requirement_is_told() {
        for text in ["flask=1.0", "???", "a b", "a[", "a[b c]", "a (>1", "-x", "a;", "a=>1", "=="] {
            assert!(matches!(Parsed::of(text), Parsed::Wrong(_)), "{text}: {:?}", Parsed::of(text));
        }
    }

    #[test]
    fn names_are_normalized_as_pep_503_has_it() {
        assert_eq!(normalize("A__b.-C"), "a-b-c");
    }
}
