//! What must not be seen in a plan or a message: secrets, and what looks like one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::command::Environment;

/// What stands for what is hidden.
const HIDDEN: &str = "***";

/// A shorter value is hidden only where it stands alone: every `1` would be gone otherwise.
const SHORT: usize = 4;

/// The values that are hidden wherever they occur.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    /// The longest first: one may be part of another.
    values: Vec<Vec<u8>>,
}

impl Mask {
    /// Hides the values of these variables' names that say so.
    pub fn of(environment: &Environment) -> Self {
        let mut mask = Self::default();
        for (name, value) in environment.variables() {
            if is_secret(name) {
                mask.hide(value);
            }
        }
        mask
    }

    /// Hides this value too.
    pub fn hide(&mut self, value: &OsStr) {
        let value = value.as_bytes();
        if value.is_empty() || self.values.iter().any(|known| known == value) {
            return;
        }
        self.values.push(value.to_vec());
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The value of a variable, as it may be shown.
    pub fn variable(&self, name: &OsStr, value: &OsStr) -> Vec<u8> {
        if is_secret(name) && !value.is_empty() {
            return HIDDEN.into();
        }
        self.bytes(value.as_bytes())
    }

    /// Text, as it may be shown.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// A value on its own, as it may be shown.
    pub fn bytes(&self, text: &[u8]) -> Vec<u8> {
        if self.values.iter().any(|value| value == text) {
            return HIDDEN.into();
        }
        let mut shown = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            let found = self.values.iter().filter(|value| value.len() >= SHORT);
            match found.into_iter().find_map(|value| rest.strip_prefix(&value[..])) {
                Some(after) => {
                    shown.extend_from_slice(HIDDEN.as_bytes());
                    rest = after;
                }
                None => {
                    shown.push(*first);
                    rest = after;
                }
            }
        }
        without_passwords(&shown)
    }
}

/// Whether a variable of that name holds a secret.
pub(crate) fn is_secret(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_uppercase();
    [&b"PASSWORD"[..], b"TOKEN", b"KEY", b"SECRET"]
        .iter()
        .any(|word| name.windows(word.len()).any(|part| part == *word))
}

/// `scheme://user:password@host` without the password.
fn without_passwords(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(3).position(|part| part == b"://") {
        let (before, after) = rest.split_at(at + 3);
        shown.extend_from_slice(before);
        rest = after;
        // As far as the authority goes; a password may have an @ in it, so the last one counts.
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#') || byte.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
            continue;
        };
        let Some(colon) = authority.iter().take(at).position(|byte| *byte == b':') else {
            continue;
        };
        shown.extend_from_slice(authority.get(..=colon).unwrap_or_default());
        shown.extend_from_slice(HIDDEN.as_bytes());
        rest = rest.get(at..).unwrap_or_default();
    }
    shown.extend_from_slice(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_so_are_secret() {
        for name in ["DB_PASSWORD", "password", "API_TOKEN", "SECRET_KEY", "AWS_ACCESS_KEY_ID"] {
            assert!(is_secret(name.as_ref()), "{name}");
        }
        for name in ["PATH", "DB_USER", "HOME", "PASS"] {
            assert!(!is_secret(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_hidden_and_the_rest_is_not() {
        for (text, shown) in [
            ("postgres://app:hunter2@db:5432/app?x=1", "postgres://app:***@db:5432/app?x=1"),
            ("redis://:p@ss@r/0 amqp://a:b@c", "redis://:***@r/0 amqp://a:***@c"),
            ("http://host:80/a:b@c", "http://host:80/a:b@c"),
            ("ssh://user@host", "ssh://user@host"),
            ("a:b@c", "a:b@c"),
            ("://", "://"),
        ] {
            assert_eq!(Mask::default().text(text), shown);
        }
    }

    #[test]
    fn a_value_is_hidden_wherever_it_occurs() {
        let environment = Environment::from_iter([
            ("API_TOKEN", "hunter"),
            ("DB_PASSWORD", "hunter2"),
            ("PIN_KEY", "1"),
            ("USER", "hunters"),
        ]);
        let mask = Mask::of(&environment);
        assert_eq!(mask.text("--x=hunter2,hunter"), "--x=***,***");
        assert_eq!(mask.text("1"), "***");
        assert_eq!(mask.text("--workers=1"), "--workers=1");
        let shown = mask.variable("API_TOKEN".as_ref(), "hunter".as_ref());
        assert_eq!(shown, b"***");
        assert_eq!(mask.variable("OTHER_TOKEN".as_ref(), "".as_ref()), b"");
    }
}
