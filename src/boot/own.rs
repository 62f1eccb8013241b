//! Giving a tree of files to the user of the command: `chown -R`, but only what is not right yet.
//!
//! The tree may belong to somebody who works against us while we walk it, as root. So a file is
//! reached by its name in an open directory, never by a path; no link is followed, and a directory
//! that was moved away is noticed by its identity before anything above it is touched.
//!
//! The walk holds one directory open, however deep the tree is, and goes up by `..`.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchownat};

use super::error::BootError;
use super::in_child;
use crate::error::reason;
use crate::init::Supervisor;
use crate::log;
use crate::sys::ids;
use crate::sys::tree::{Kind, Seen, look};

/// User and group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// A tree, and whose it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// A directory, with all below it on the same mount; or a single file. Not a link.
    pub path: PathBuf,
    pub owner: Owner,
}

/// Why it was not given to them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    #[error("cannot own {path:?}: {}", reason(.source))]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot own {path:?}: it is a symbolic link")]
    Link { path: PathBuf },
    #[error("cannot give {path:?} to {}:{}: {}", owner.uid, owner.gid, reason(.source))]
    Give { path: PathBuf, owner: Owner, source: io::Error },
    #[error("cannot own {path:?}: a directory in it was moved meanwhile")]
    Moved { path: PathBuf },
    #[error("cannot own {path:?}: no --user is given whose it is to be")]
    Nobody { path: PathBuf },
}

impl OwnError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Link { .. } | Self::Nobody { .. } => 2,
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => 2,
            Self::Open { .. } | Self::Give { .. } | Self::Moved { .. } => 1,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open { source, .. } => match source.raw_os_error()? {
                libc::ENOENT => "create it in the image, or mount it".into(),
                libc::EACCES => "docker run --cap-add DAC_READ_SEARCH".into(),
                _ => return None,
            },
            Self::Link { .. } => "name what it leads to".into(),
            Self::Give { source, .. } => match source.raw_os_error()? {
                libc::EPERM => {
                    "docker run --cap-add CHOWN; a network mount may refuse it too".into()
                }
                libc::EROFS => "mount it writable, or leave it out".into(),
                libc::EINVAL => {
                    "the id is not mapped in this user namespace (/proc/self/uid_map)".into()
                }
                _ => return None,
            },
            Self::Moved { .. } => "nothing outside of it was touched; start again".into(),
            Self::Nobody { .. } => "add --user, as in --user app --own /data".into(),
        })
    }
}

/// Does all of them, in a child. `Some` is the exit code with which the boot ends here, because
/// somebody asked it to end meanwhile.
pub(crate) fn run(owns: &[Own], supervisor: &mut Supervisor) -> Result<Option<u8>, BootError> {
    if owns.is_empty() {
        return Ok(None);
    }
    let [_, user, _] = ids::user_ids();
    if user != 0 {
        let paths: Vec<String> = owns.iter().map(|own| own.path.display().to_string()).collect();
        log::say(&format!("not root: the owner of {} stays as it is", paths.join(", ")));
        return Ok(None);
    }
    in_child::run(supervisor, "own", || {
        owns.iter().try_for_each(Own::give).map_err(BootError::from)
    })
}

impl Own {
    /// Changes what has another owner. Where that clears a setuid or setgid bit or a capability of
    /// a program, as chown(2) does, it stays cleared: it was meant for the owner before.
    fn give(&self) -> Result<(), OwnError> {
        let open = |errno: Errno| OwnError::Open { path: self.path.clone(), source: errno.into() };
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let top = openat(AT_FDCWD, &self.path, flags, Mode::empty()).map_err(open)?;
        let seen = look(&top, c"").map_err(open)?;
        match seen.kind {
            // Whoever may change the link would choose whose files these become.
            Kind::Link => Err(OwnError::Link { path: self.path.clone() }),
            Kind::Other => self.change(&top, c"", seen, &self.path),
            Kind::Directory => {
                let directory = open_directory(&top, c".").map_err(open)?;
                Walk { own: self, device: seen.id.0, path: self.path.clone() }.all(directory)
            }
        }
    }

    fn change(&self, at: impl AsFd, name: &CStr, seen: Seen, path: &Path) -> Result<(), OwnError> {
        let owner = self.owner;
        if (seen.uid, seen.gid) == (owner.uid, owner.gid) {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_EMPTY_PATH;
        match fchownat(at, name, Some(uid), Some(gid), flags) {
            // Whoever uses the tree may remove what is in it.
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => {
                Err(OwnError::Give { path: below(path, name), owner, source: errno.into() })
            }
        }
    }
}

struct Walk<'a> {
    own: &'a Own,
    /// Of the tree's top, for a kernel that doesn't tell where something is mounted.
    device: u64,
    /// Where the walk is, for messages alone.
    path: PathBuf,
}

/// A directory that the walk is in or below.
struct Level {
    id: (u64, u64),
    /// The directories in it that are still to be entered.
    pending: Vec<CString>,
}

impl Walk<'_> {
    fn all(mut self, top: OwnedFd) -> Result<(), OwnError> {
        let (mut here, level) = self.enter(top)?;
        let mut levels = vec![level];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.pending.pop() {
                let below = match open_directory(&here, &name) {
                    Ok(below) => below,
                    // Removed, or replaced by something else: by a link, too.
                    Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => continue,
                    Err(errno) => return Err(self.failed(&name, errno)),
                };
                let seen = look(&below, c"").map_err(|errno| self.failed(&name, errno))?;
                if self.is_elsewhere(seen) {
                    continue;
                }
                self.path.push(OsStr::from_bytes(name.to_bytes()));
                let (entered, level) = self.enter(below)?;
                here = entered;
                levels.push(level);
            } else {
                levels.pop();
                let Some(above) = levels.last() else {
                    break;
                };
                let up = open_directory(&here, c"..").map_err(|errno| self.failed(c"..", errno))?;
                let seen = look(&up, c"").map_err(|errno| self.failed(c"..", errno))?;
                if seen.id != above.id {
                    return Err(OwnError::Moved { path: self.own.path.clone() });
                }
                here = up;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// Changes a directory and all in it but its directories.
    fn enter(&self, directory: OwnedFd) -> Result<(OwnedFd, Level), OwnError> {
        let failed = |errno| self.failed(c"", errno);
        let seen = look(&directory, c"").map_err(failed)?;
        self.own.change(&directory, c"", seen, &self.path)?;
        // A descriptor of its own, since reading moves the offset.
        let reading = open_directory(&directory, c".").map_err(failed)?;
        let mut pending = Vec::new();
        for entry in Dir::from_fd(reading).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let seen = match look(&directory, name) {
                Ok(seen) => seen,
                Err(Errno::ENOENT) => continue,
                Err(errno) => return Err(self.failed(name, errno)),
            };
            match seen.kind {
                _ if self.is_elsewhere(seen) => {}
                Kind::Directory => pending.push(name.to_owned()),
                Kind::Link | Kind::Other => {
                    self.own.change(&directory, name, seen, &self.path)?;
                }
            }
        }
        Ok((directory, Level { id: seen.id, pending }))
    }

    /// Whether something else is mounted there. Files of an overlay may have the device of one of its
    /// layers, so only directories are judged by that.
    fn is_elsewhere(&self, seen: Seen) -> bool {
        seen.mount.unwrap_or(seen.kind == Kind::Directory && seen.id.0 != self.device)
    }

    fn failed(&self, name: &CStr, errno: Errno) -> OwnError {
        OwnError::Open { path: below(&self.path, name), source: errno.into() }
    }
}

/// The path of a name in a directory, or the directory's own.
fn below(path: &Path, name: &CStr) -> PathBuf {
    if name.is_empty() { path.to_owned() } else { path.join(OsStr::from_bytes(name.to_bytes())) }
}

/// To read it, and never by a link.
fn open_directory(at: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(at, name, flags, Mode::empty())
}
