//! /etc/passwd and /etc/group, read as bytes.
//!
//! Not through the C library: a static binary has no NSS, musl takes an empty uid for 0, and a
//! broken line must be passed over and never make anybody root.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::sys::path::FixedPath;

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
            Self::File(path) => match whole(path) {
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

fn whole(path: &Path) -> io::Result<Vec<u8>> {
    // Room for those of most images, so that nobody need ask how long it is.
    let mut text = Vec::with_capacity(4096);
    File::open(path)?.take(u64::MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// The text of passwd(5) or group(5). Its lines are taken apart where they lie: a start looks for one
/// or two of them, and copies none.
pub(super) struct Text(Vec<u8>);

/// A line of passwd(5), as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account<'t> {
    pub name: &'t [u8],
    pub uid: u32,
    pub gid: u32,
    pub home: &'t [u8],
}

/// A line of group(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group<'t> {
    pub name: &'t [u8],
    pub gid: u32,
    members: &'t [u8],
}

impl Database {
    /// The system's own, /etc/passwd and /etc/group. Read when something has to be looked up, and
    /// /etc/group only then when a group has to.
    pub fn system() -> Self {
        static PASSWD: FixedPath<12> = FixedPath::new(c"/etc/passwd");
        static GROUP: FixedPath<11> = FixedPath::new(c"/etc/group");
        Self::files(PASSWD.path(), GROUP.path())
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

    pub(super) fn passwd(&self) -> Result<Text, (PathBuf, io::Error)> {
        self.passwd.read().map(Text)
    }

    pub(super) fn group(&self) -> Result<Text, (PathBuf, io::Error)> {
        self.group.read().map(Text)
    }
}

impl Text {
    /// Those of the lines that are whole.
    pub(super) fn accounts(&self) -> impl Iterator<Item = Account<'_>> {
        self.lines().filter_map(account)
    }

    /// The same of group(5).
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.lines().filter_map(group)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.0.split(|byte| *byte == b'\n');
        lines.filter(|line| !matches!(line, [] | [b'#', ..]))
    }
}

impl Group<'_> {
    /// Whether it lists that user. The one whose primary group it is need not be listed.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.members.split(|byte| *byte == b',').any(|member| member == name)
    }
}

fn account(line: &[u8]) -> Option<Account<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let uid = id(fields.next()?)?;
    let gid = id(fields.next()?)?;
    let _comment = fields.next()?;
    let home = fields.next()?;
    Some(Account { name, uid, gid, home })
}

fn group(line: &[u8]) -> Option<Group<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let gid = id(fields.next()?)?;
    Some(Group { name, gid, members: fields.next().unwrap_or_default() })
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
            let passwd = Database::from_text(line, "").passwd().unwrap();
            assert_eq!(passwd.accounts().next(), None, "{line}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_read_like_the_rest() {
        let database = Database::from_text(b"\xff\xfe:x:7:8::/h\xe9:/bin/sh".to_vec(), "");
        let passwd = database.passwd().unwrap();
        let account = passwd.accounts().next().unwrap();
        assert_eq!((account.name, account.home), (&b"\xff\xfe"[..], &b"/h\xe9"[..]));
    }
}
