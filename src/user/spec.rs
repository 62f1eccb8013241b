//! The user spec and its rules, which are gosu's (and so Docker's `USER`).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::credentials::Credentials;
use super::database::{Account, Database, Text, id};

/// A user spec, `[user][:group]`, each a name or a number, and each may be left out.
///
/// | spec | meaning |
/// | --- | --- |
/// | `app` | the entry of that name: its uid, its gid, every group that lists it |
/// | `1000` | the entry with that number, if there is one; else uid 1000 and the caller's group alone |
/// | `app:www` | uid of `app`, and the group `www` alone: no supplementary groups |
/// | `:www` | the caller's user, and the group `www` alone |
/// | (empty) | the caller's user as /etc/passwd has it |
///
/// A name is looked up before a number is tried, as Docker does. Numbers go from 0 to 4294967294
/// (2^32 - 2): the next one means "unchanged" to setresuid(2). Signs and blanks are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpec(OsString);

/// Why a user spec has no meaning here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// Neither a name in /etc/passwd nor a number.
    #[error("unknown user {name:?}: not in /etc/passwd")]
    UnknownUser {
        /// The part of the spec before the colon.
        name: String,
    },
    /// Neither a name in /etc/group nor a number.
    #[error("unknown group {name:?}: not in /etc/group")]
    UnknownGroup {
        /// The part of the spec after the colon.
        name: String,
    },
    /// A number that no id can have.
    #[error("cannot use {number} as an id: ids go from 0 to 4294967294")]
    OutOfRange {
        /// The number as it was written.
        number: String,
    },
    /// A file of the user database that is there and cannot be read.
    #[error("cannot read {}: {}", path.display(), crate::error::reason(.source))]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl UserSpec {
    /// Takes a spec as it is written; it is judged by [`resolve`](Self::resolve).
    pub fn new(spec: impl AsRef<OsStr>) -> Self {
        Self(spec.as_ref().to_owned())
    }

    /// The spec as it was written.
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    /// Looks the spec up for a caller with these ids, which stand for the parts left out.
    ///
    /// /etc/group is read only if a group's name or a user's memberships are needed.
    ///
    /// # Errors
    ///
    /// A name that the database does not have, a number that is no id, or a database that is there
    /// and cannot be read. One that is not there is no error for a spec of numbers.
    ///
    /// ```
    /// use pydexec::user::{Database, UserSpec};
    ///
    /// let nobody_knows = Database::from_text("", "");
    /// let ids = UserSpec::new("1000").resolve(&nobody_knows, 0, 0)?;
    /// assert_eq!((ids.uid(), ids.gid(), ids.groups()), (1000, 0, &[0][..]));
    /// assert_eq!(ids.home(), "/");
    /// assert!(UserSpec::new("0day").resolve(&nobody_knows, 0, 0).is_err());
    /// # Ok::<(), pydexec::user::UserError>(())
    /// ```
    pub fn resolve(
        &self,
        database: &Database,
        caller_uid: u32,
        caller_gid: u32,
    ) -> Result<Credentials, UserError> {
        let spec = self.0.as_bytes();
        let mut parts = spec.splitn(2, |byte| *byte == b':');
        let user = parts.next().unwrap_or_default();
        let group = parts.next().unwrap_or_default();

        let passwd = database.passwd().map_err(unreadable)?;
        let (account, uid) = find_user(user, &passwd, caller_uid)?;
        let home = account.map_or(&b"/"[..], |account| account.home);

        let (gid, groups) = if group.is_empty() {
            let gid = account.map_or(caller_gid, |account| account.gid);
            let groups = match account {
                Some(account) => memberships(account, &database.group().map_err(unreadable)?),
                None => vec![gid],
            };
            (gid, groups)
        } else {
            // An explicit group means that one and no other.
            let gid = find_group(group, database)?;
            (gid, vec![gid])
        };

        Ok(Credentials {
            spec: self.0.to_string_lossy().into_owned(),
            uid,
            gid,
            groups,
            groups_asked_for: false,
            home: OsString::from_vec(home.to_vec()),
        })
    }
}

/// The ids of a list of groups, names or numbers with commas between them.
pub(crate) fn group_ids(list: &OsStr, database: &Database) -> Result<Vec<u32>, UserError> {
    let names = list.as_bytes().split(|byte| *byte == b',');
    names.filter(|name| !name.is_empty()).map(|name| find_group(name, database)).collect()
}

fn unreadable((path, source): (PathBuf, io::Error)) -> UserError {
    UserError::Database { path, source }
}

fn find_user<'t>(
    user: &[u8],
    passwd: &'t Text,
    caller: u32,
) -> Result<(Option<Account<'t>>, u32), UserError> {
    if user.is_empty() {
        return Ok((passwd.accounts().find(|account| account.uid == caller), caller));
    }
    let number = number(user);
    // A name is better than a number, wherever it stands.
    let mut by_number = None;
    for account in passwd.accounts() {
        if account.name == user {
            return Ok((Some(account), account.uid));
        }
        if by_number.is_none() && matches!(number, Ok(Some(uid)) if uid == account.uid) {
            by_number = Some(account);
        }
    }
    match number? {
        Some(uid) => Ok((by_number, uid)),
        None => Err(UserError::UnknownUser { name: lossy(user) }),
    }
}

fn find_group(name: &[u8], database: &Database) -> Result<u32, UserError> {
    // A number needs no entry; but a group may be called `1000`, so it is looked for first.
    let text = database.group().map_err(unreadable)?;
    if let Some(group) = text.groups().find(|group| group.name == name) {
        return Ok(group.gid);
    }
    number(name)?.ok_or_else(|| UserError::UnknownGroup { name: lossy(name) })
}

/// The entry's own group first, then every group that lists the name, each once.
fn memberships(account: Account<'_>, text: &Text) -> Vec<u32> {
    let mut result = vec![account.gid];
    for group in text.groups().filter(|group| group.has(account.name)) {
        if !result.contains(&group.gid) {
            result.push(group.gid);
        }
    }
    result
}

/// `None` for what is no number at all; an error for a number that no id can have.
fn number(text: &[u8]) -> Result<Option<u32>, UserError> {
    let digits = match text {
        [b'-' | b'+', digits @ ..] => digits,
        text => text,
    };
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    match id(text) {
        Some(id) => Ok(Some(id)),
        None if is_number => Err(UserError::OutOfRange { number: lossy(text) }),
        None => Ok(None),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
        games:x:5:60:games:/usr/games:/usr/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\ndaemon:x:1:\nadm:x:4:root,games\nutmp:x:43:games\n\
        games:x:60:\nwheel:x:10:root\n";

    fn resolve(spec: &str, uid: u32, gid: u32) -> Result<(u32, u32, Vec<u32>, String), String> {
        UserSpec::new(spec)
            .resolve(&Database::from_text(PASSWD, GROUP), uid, gid)
            .map(|found| {
                let home = found.home().to_string_lossy().into_owned();
                (found.uid(), found.gid(), found.groups().to_vec(), home)
            })
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn means(spec: &str, uid: u32, gid: u32, groups: &[u32], home: &str) {
        let expected = (uid, gid, groups.to_vec(), home.to_owned());
        assert_eq!(resolve(spec, 0, 0), Ok(expected), "{spec:?}");
    }

    #[test]
    fn a_user_alone_has_all_the_groups_that_list_it() {
        for spec in ["0", "root", "0:", "root:", ""] {
            means(spec, 0, 0, &[0, 4, 10], "/root");
        }
        means("games", 5, 60, &[60, 4, 43], "/usr/games");
        means("5", 5, 60, &[60, 4, 43], "/usr/games");
    }

    #[test]
    fn an_explicit_group_is_the_only_one() {
        for spec in ["0:0", "root:root", "0:root", "root:0", ":0", ":root"] {
            means(spec, 0, 0, &[0], "/root");
        }
        means("1000:1000", 1000, 1000, &[1000], "/");
        means("1000:root", 1000, 0, &[0], "/");
        means("1000:daemon", 1000, 1, &[1], "/");
        means("0:1000", 0, 1000, &[1000], "/root");
        means("games:daemon", 5, 1, &[1], "/usr/games");
    }

    #[test]
    fn a_number_without_entry_keeps_the_callers_group() {
        assert_eq!(resolve("1000", 0, 7), Ok((1000, 7, vec![7], "/".to_owned())));
    }

    #[test]
    fn an_empty_part_is_the_caller() {
        assert_eq!(resolve(":0", 5, 60), Ok((5, 0, vec![0], "/usr/games".to_owned())));
        assert_eq!(resolve("", 5, 1), Ok((5, 60, vec![60, 4, 43], "/usr/games".to_owned())));
        // A caller without an entry, as in OpenShift.
        assert_eq!(resolve("", 1_000_660_000, 0), Ok((1_000_660_000, 0, vec![0], "/".to_owned())));
    }

    #[test]
    fn names_that_are_nobodys_and_numbers_that_are_no_ids_are_refused() {
        for (spec, said) in [
            ("bogus", "unknown user \"bogus\""),
            ("0day", "unknown user \"0day\""),
            ("0:bogus", "unknown group \"bogus\""),
            ("0:0day", "unknown group \"0day\""),
            ("0:0:0", "unknown group \"0:0\""),
            ("4294967295", "ids go from 0 to 4294967294"),
            ("0:4294967295", "ids go from 0 to 4294967294"),
            ("99999999999999999999", "ids go from 0"),
            ("-1", "ids go from 0"),
            ("+5", "ids go from 0"),
            (" 5", "unknown user"),
            ("5 ", "unknown user"),
            ("0x5", "unknown user"),
        ] {
            let error = resolve(spec, 0, 0).expect_err(spec);
            assert!(error.contains(said), "{spec}: {error}");
        }
    }

    #[test]
    fn a_name_made_of_digits_wins_over_the_number() {
        let database = Database::from_text("1000:x:7:8::/seven:/bin/sh", "44:x:9:");
        let found = UserSpec::new("1000:44").resolve(&database, 0, 0).unwrap();
        assert_eq!((found.uid(), found.gid()), (7, 9));
    }

    #[test]
    fn a_list_of_groups_has_names_and_numbers_and_each_group_once() {
        let database = Database::from_text(PASSWD, GROUP);
        let ids = |list: &str| group_ids(OsStr::new(list), &database);
        assert_eq!(ids("adm,1000,").unwrap(), [4, 1000]);
        assert!(ids("adm,bogus").is_err());
        let games = UserSpec::new("games").resolve(&database, 0, 0).unwrap();
        assert_eq!(games.with_groups(vec![4, 60, 4]).groups(), [60, 4]);
    }

    #[test]
    fn without_a_database_numbers_still_work() {
        let nowhere = std::path::Path::new("/nonexistent/passwd");
        let database = Database::files(nowhere, nowhere);
        let found = UserSpec::new("12:34").resolve(&database, 0, 0).unwrap();
        assert_eq!((found.uid(), found.gid(), found.groups()), (12, 34, &[34][..]));
        assert!(UserSpec::new("app").resolve(&database, 0, 0).is_err());
    }
}
