//! `--env-file`, in the format of `docker run --env-file`.
//!
//! A line is `NAME=value`, taken as it is: no quotes, no escapes, no `${…}`. `NAME` alone takes the
//! value from our own environment. Empty lines and lines that begin with `#` are passed over.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::BootError;

/// What a file of variables says, in order; a name without a value is one to be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EnvFile {
    pub variables: Vec<(OsString, Option<OsString>)>,
}

impl EnvFile {
    pub fn read(file: &Path) -> Result<Self, BootError> {
        let refuse = |source| BootError::EnvFile { file: file.to_owned(), source };
        // A fifo without a writer would hold us for ever, with every signal blocked.
        let metadata = fs::metadata(file).map_err(refuse)?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(refuse(io::Error::other("it is no regular file")));
        }
        let text = fs::read(file).map_err(refuse)?;
        Self::parse(&text).map_err(|(line, why)| BootError::EnvFileLine {
            file: file.to_owned(),
            line,
            why,
        })
    }

    fn parse(text: &[u8]) -> Result<Self, (usize, String)> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut variables = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let refuse = |why: String| (index + 1, why);
            let mut parts = line.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default();
            let value = parts.next();
            if name.is_empty() {
                return Err(refuse("there is no name before the =".into()));
            }
            if name.iter().any(u8::is_ascii_whitespace) {
                let name = String::from_utf8_lossy(name).into_owned();
                // Without a `=`, the whole line is the name, and it may be a secret.
                return Err(refuse(match value {
                    Some(_) => format!("the name {name:?} has a blank in it"),
                    None => "there is no = in it, and a name has no blanks".into(),
                }));
            }
            if line.contains(&0) {
                return Err(refuse("there is a NUL byte in it".into()));
            }
            variables.push((
                OsStr::from_bytes(name).to_owned(),
                value.map(|value| OsStr::from_bytes(value).to_owned()),
            ));
        }
        Ok(Self { variables })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables = Vec<(String, Option<String>)>;

    fn parse(text: &[u8]) -> Result<Variables, (usize, String)> {
        let text_of = |text: OsString| text.to_string_lossy().into_owned();
        EnvFile::parse(text).map(|file| {
            file.variables
                .into_iter()
                .map(|(name, value)| (text_of(name), value.map(text_of)))
                .collect()
        })
    }

    #[test]
    fn values_are_taken_as_they_are() {
        let text = b"\xef\xbb\xbf# a comment\n\nA=1\r\n  B=\"x\" # y\nC\nD=\nE=a=b\n";
        let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        assert_eq!(
            parse(text),
            Ok(vec![
                some("A", "1"),
                some("B", "\"x\" # y"),
                ("C".to_owned(), None),
                some("D", ""),
                some("E", "a=b"),
            ])
        );
    }

    #[test]
    fn a_wrong_line_is_named_by_number_and_without_its_value() {
        for (text, line, said) in [
            (&b"A=1\n=x"[..], 2, "no name"),
            (b"A B=secret", 1, "\"A B\""),
            (b"my secret", 1, "there is no ="),
            (b"\n\nA=\0", 3, "NUL"),
        ] {
            let (at, why) = parse(text).unwrap_err();
            assert_eq!(at, line);
            assert!(why.contains(said) && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let file = EnvFile::parse(b"A=\xff\xfe").unwrap();
        assert_eq!(file.variables[0].1.as_deref(), Some(OsStr::from_bytes(b"\xff\xfe")));
    }
}
