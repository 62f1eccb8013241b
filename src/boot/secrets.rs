//! Secrets as the official database images have them: `NAME`, or the file that `NAME_FILE` names.
//!
//! Read before privileges are dropped, by whoever this process is; an empty one counts as unset,
//! and newlines at the end of the file are dropped.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::command::Environment;
use crate::error::reason;
use crate::sys::ids::Identity;

/// No variable can be longer: MAX_ARG_STRLEN of execve(2) is 128 KiB, with the name and a NUL.
pub(crate) const LONGEST: usize = 128 * 1024 - 2;

/// Where a secret was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The container was started with it.
    Given(OsString),
    /// It was in a file.
    Read(OsString),
    Nowhere,
}

/// The variable `name`, or what is in the file that `NAME_FILE` names, or else in `file`, which may
/// be missing unless `must` says otherwise. Empty counts as unset everywhere.
pub(crate) fn find(
    name: &str,
    ours: &Environment,
    file: Option<&Path>,
    must: Must,
) -> Result<Found, String> {
    let name_file = format!("{name}_FILE");
    let given = |name: &str| ours.get(name).filter(|value| !value.is_empty());
    let read = |file: &Path| Ok(read(file)?.map_or(Found::Nowhere, Found::Read));
    match (given(name), given(&name_file), file) {
        (Some(_), Some(_), _) => {
            Err(format!("both {name} and {name_file} are set, and only one may be"))
        }
        (Some(value), None, _) => Ok(Found::Given(value.to_owned())),
        (None, Some(file), _) => read(Path::new(file)),
        (None, None, Some(file)) if must == Must::BeThere || file.exists() => read(file),
        (None, None, _) => Ok(Found::Nowhere),
    }
}

/// Whether the file of a secret may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    BeThere,
    BeThereOrNot,
}

/// Reads the secret in `file`. `None` if it is empty; an error says what is wrong with the file,
/// and never what is in it.
fn read(file: &Path) -> Result<Option<OsString>, String> {
    // Looked at before it is opened: opening a fifo waits for somebody to write.
    let metadata = fs::metadata(file).map_err(|error| refused(file, &error))?;
    if let Some(kind) = not_a_file(&metadata) {
        return Err(format!("{file:?} is {kind}, not a file"));
    }
    // What was put there in between must not make us wait either.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file);
    let opened: File = opened.map_err(|error| refused(file, &error))?;
    let mut value = Vec::new();
    opened
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut value)
        .map_err(|error| refused(file, &error))?;
    while value.last() == Some(&b'\n') {
        value.pop();
    }
    if value.len() > LONGEST {
        return Err(format!("{file:?} is longer than a variable can be ({LONGEST} bytes)"));
    }
    if value.contains(&0) {
        return Err(format!("there is a NUL byte in {file:?}, which no variable can have"));
    }
    Ok(Some(OsString::from_vec(value)).filter(|value| !value.is_empty()))
}

fn not_a_file(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a fifo")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// Why it cannot be read, with what one needs to mend it.
fn refused(file: &Path, error: &io::Error) -> String {
    let mut said = format!("cannot read {file:?}: {}", reason(error));
    // Of one that is not there, or not to be reached, the first directory above that is.
    let known = file.ancestors().find(|above| fs::metadata(above).is_ok());
    if let Some((above, metadata)) =
        known.and_then(|above| Some((above, fs::metadata(above).ok()?)))
    {
        let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        let whose = if above == file { "it".to_owned() } else { format!("{above:?}") };
        said.push_str(&format!(" ({whose} has owner {uid}:{gid} and mode {mode:04o}"));
        if error.kind() == io::ErrorKind::PermissionDenied {
            let Identity { uid, gid } = Identity::current();
            said.push_str(&format!(", and this is {uid}:{gid}"));
        }
        said.push(')');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("pydexec-secrets-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn newlines_at_the_end_are_dropped_and_an_empty_one_is_none() {
        let directory = directory("values");
        let file = directory.join("secret");
        for (text, value) in [
            (&b"s3cret\n"[..], Some(&b"s3cret"[..])),
            (b"s3cret\n\n\n", Some(b"s3cret")),
            (b" a\nb \n", Some(b" a\nb ")),
            (b"\xff\xfe", Some(b"\xff\xfe")),
            (b"crlf\r\n", Some(b"crlf\r")),
            (b"\n\n", None),
            (b"", None),
        ] {
            fs::write(&file, text).unwrap();
            let read = read(&file).unwrap().map(OsString::into_vec);
            assert_eq!(read.as_deref(), value, "{text:?}");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_no_secret_is_refused_and_its_text_is_not_told() {
        let directory = directory("refused");
        let file = directory.join("secret");
        fs::write(&file, b"hunter\0").unwrap();
        let nul = read(&file).unwrap_err();
        assert!(nul.contains("NUL") && !nul.contains("hunter"), "{nul}");
        fs::write(&file, vec![b'x'; LONGEST + 1]).unwrap();
        assert!(read(&file).unwrap_err().contains("longer than"));
        assert!(read(&directory).unwrap_err().contains("is a directory"));
        let fifo = directory.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(read(&fifo).unwrap_err().contains("is a fifo"));
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
        let missing = read(&directory.join("a/b")).unwrap_err();
        assert!(missing.contains("no such file") && missing.contains("mode 0750"), "{missing}");
        fs::remove_dir_all(directory).unwrap();
    }
}
