//! Looking at the entries of a directory without ever following a link: statx(2).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_long};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

use super::check;

/// What something in a file system is, as far as its owner matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    pub uid: u32,
    pub gid: u32,
    /// Device and inode: which it is, by whatever name.
    pub id: (u64, u64),
    /// Whether something is mounted there; `None` before Linux 5.8, which doesn't say.
    pub mount: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    Link,
    Other,
}

impl Kind {
    fn of(mode: u32) -> Self {
        match mode & libc::S_IFMT {
            libc::S_IFDIR => Self::Directory,
            libc::S_IFLNK => Self::Link,
            _ => Self::Other,
        }
    }
}

/// Looks at `name` in the directory `at`; at what `at` itself is, if `name` is empty.
pub fn look(at: impl AsFd, name: &CStr) -> Result<Seen, Errno> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT;
    let mut buffer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: a C string and a buffer of statx's size, both of which live through the call.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_statx,
            c_long::from(at.as_fd().as_raw_fd()),
            name.as_ptr(),
            c_long::from(flags),
            c_long::from(libc::STATX_BASIC_STATS),
            buffer.as_mut_ptr(),
        )
    });
    match result {
        Ok(_) => {}
        // A kernel before 4.11, or a sandbox that doesn't know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => return look_without_statx(at, name, flags),
        Err(errno) => return Err(errno),
    }
    // SAFETY: the structure is plain integers, and was zeroed before the kernel filled it.
    let found = unsafe { buffer.assume_init() };
    let mount = libc::STATX_ATTR_MOUNT_ROOT as u64;
    let told = found.stx_attributes_mask & mount != 0;
    let device = u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor);
    Ok(Seen {
        kind: Kind::of(u32::from(found.stx_mode)),
        uid: found.stx_uid,
        gid: found.stx_gid,
        id: (device, found.stx_ino),
        mount: told.then_some(found.stx_attributes & mount != 0),
    })
}

fn look_without_statx(at: impl AsFd, name: &CStr, flags: c_int) -> Result<Seen, Errno> {
    let found = fstatat(at, name, AtFlags::from_bits_truncate(flags))?;
    Ok(Seen {
        kind: Kind::of(found.st_mode),
        uid: found.st_uid,
        gid: found.st_gid,
        id: (found.st_dev, found.st_ino),
        mount: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn both_ways_see_the_same() {
        let root = File::open("/").unwrap();
        let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
        for (name, kind) in [(c"", Kind::Directory), (c"proc", Kind::Directory)] {
            let with = look(&root, name).unwrap();
            let without = look_without_statx(&root, name, flags).unwrap();
            assert_eq!((with.kind, with.id.1, with.uid), (kind, without.id.1, without.uid));
        }
        let own = File::open("/proc/self").unwrap();
        assert_eq!(look(&own, c"exe").map(|seen| seen.kind), Ok(Kind::Link));
        assert_eq!(look(&root, c"nonexistent"), Err(Errno::ENOENT));
    }

    #[test]
    fn a_mount_is_known_as_one() {
        let root = File::open("/").unwrap();
        assert_ne!(look(&root, c"proc").unwrap().mount, Some(false));
        assert_ne!(look(&root, c"usr").unwrap().mount, Some(true));
    }
}
