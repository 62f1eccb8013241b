//! /etc/passwd and /etc/group, read as bytes.
//!
//! Not through the C library: a static binary has no NSS, musl takes an empty uid for 0, and a
//! broken line must be passed over and never make anybody root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The greatest id: 2^32 - 1 means "unchanged" to setresuid(2).
const MAX_ID: u32 = u32::MAX - 1;

/// The two files of the user database, passwd(5) and group(5).
///
/// A file that does not exist counts as empty: an image without one can still be run as a number.
#[derive(Clone, Debug)]
pub struct Database {
    passwd: Source,
    group: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Text(Vec<u8>),
    File(PathBuf),
}

impl Source {
    fn read(&self) -> Result<Vec<u8>, (PathBuf, io::Error)> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => match fs::read(path) {
                Ok(text) => Ok(text),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    Ok(Vec::new())
                }
                Err(error) => Err((path.clone(), error)),
            },
        }
    }
}

/// A line of passwd(5), as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub name: Vec<u8>,
    pub uid: u32,
    pub gid: u32,
    pub home: Vec<u8>,
}

/// A line of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub name: Vec<u8>,
    pub gid: u32,
    pub members: Vec<Vec<u8>>,
}

impl Database {
    /// The system's own, /etc/passwd and /etc/group. Read when something has to be looked up, and
    /// /etc/group only then when a group has to.
    pub fn system() -> Self {
        Self::files(Path::new("/etc/passwd"), Path::new("/etc/group"))
    }

    /// Two files of the same format.
    pub fn files(passwd: &Path, group: &Path) -> Self {
        Self { passwd: Source::File(passwd.to_owned()), group: Source::File(group.to_owned()) }
    }

    /// The contents of the two files, so that tests need none.
    ///
    /// ```
    /// use pydexec::user::{Database, UserSpec};
    ///
    /// let database = Database::from_text("app:x:1000:1000::/home/app:/bin/sh", "app:x:1000:");
    /// let app = UserSpec::new("app").resolve(&database, 0, 0)?;
    /// assert_eq!((app.uid(), app.gid()), (1000, 1000));
    /// # Ok::<(), pydexec::user::UserError>(())
    /// ```
    pub fn from_text(passwd: impl Into<Vec<u8>>, group: impl Into<Vec<u8>>) -> Self {
        Self { passwd: Source::Text(passwd.into()), group: Source::Text(group.into()) }
    }

    pub(super) fn accounts(&self) -> Result<Vec<Account>, (PathBuf, io::Error)> {
        Ok(lines(&self.passwd.read()?).filter_map(account).collect())
    }

    pub(super) fn groups(&self) -> Result<Vec<Group>, (PathBuf, io::Error)> {
        Ok(lines(&self.group.read()?).filter_map(group).collect())
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

fn account(line: &[u8]) -> Option<Account> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let uid = id(fields.next()?)?;
    let gid = id(fields.next()?)?;
    let _comment = fields.next()?;
    let home = fields.next()?;
    Some(Account { name: name.to_vec(), uid, gid, home: home.to_vec() })
}

fn group(line: &[u8]) -> Option<Group> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let gid = id(fields.next()?)?;
    let members = fields
        .next()
        .unwrap_or_default()
        .split(|byte| *byte == b',')
        .filter(|member| !member.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    Some(Group { name: name.to_vec(), gid, members })
}

/// A decimal number without sign or blank, up to 2^32 - 2.
pub(super) fn id(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter()
        .try_fold(0u32, |value, digit| value.checked_mul(10)?.checked_add(u32::from(digit - b'0')))
        .filter(|value| *value <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_decimal_and_below_the_one_that_means_unchanged() {
        assert_eq!(id(b"0"), Some(0));
        assert_eq!(id(b"4294967294"), Some(4_294_967_294));
        for bad in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "0x1",
            "0day",
            "4294967295",
            "4294967296",
            "99999999999999999999",
            "1\n",
        ] {
            assert_eq!(id(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_broken_line_makes_nobody_root() {
        for line in [
            "evil:x::0::/root:/bin/sh",
            "evil:x:0::::",
            "evil:x:zero:0::/:/bin/sh",
            "evil",
            "evil:x",
            "evil:x:0:0",
            ":x:0:0::/:/bin/sh",
            "evil:x:-1:0::/:/bin/sh",
        ] {
            let database = Database::from_text(line, "");
            assert_eq!(database.accounts().unwrap(), [], "{line}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_read_like_the_rest() {
        let database = Database::from_text(b"\xff\xfe:x:7:8::/h\xe9:/bin/sh".to_vec(), "");
        let accounts = database.accounts().unwrap();
        assert_eq!(accounts[0].name, b"\xff\xfe");
        assert_eq!(accounts[0].home, b"/h\xe9");
    }
}
