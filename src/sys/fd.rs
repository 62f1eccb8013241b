//! Descriptors: keeping our own away from 0 to 2, and letting go of inherited ones.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use libc::{c_char, c_int, c_long, c_uint};
use nix::errno::Errno;

use super::path::FixedPath;
use super::{check, ids};

/// Puts something harmless on each of the descriptors 0 to 2 that is closed, so that no file of
/// ours is ever taken for somebody's stdout; the child still finds them closed, as we did.
///
/// An `O_PATH` descriptor of `/` answers every read and write with EBADF, just as a closed one
/// does, needs no `/dev/null` in the root, and goes at execve.
pub fn reserve_standard() {
    for fd in 0..=2 {
        // SAFETY: F_GETFD takes no argument and changes nothing.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            // SAFETY: a literal C string and flags. open gives the lowest free number, which is
            // `fd`, since all below it are taken. It is never closed, on purpose.
            unsafe { libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        }
    }
}

/// The permissions of the file that this process was started from, if that can be told.
///
/// Where execve gave us nothing that our caller does not have, a file without the bits by the name that was
/// executed is enough: to look at /proc/self for the first time takes the kernel 11 µs, and the bit is no
/// danger in this run. What is missed: a caller who gains nothing by our bit, root for one, and names a script.
pub fn own_mode() -> Option<u32> {
    static OWN: FixedPath<15> = FixedPath::new(c"/proc/self/exe");
    let of = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.mode() & 0o7777);
    let by_name = || of(executed()?).filter(|mode| mode & 0o6000 == 0);
    let plain = if ids::is_privileged_by_exec() { None } else { by_name() };
    plain.or_else(|| of(OWN.path()))
}

/// The name that was given to execve: a script's, if that named us as its interpreter (AT_EXECFN of
/// getauxval(3)).
fn executed() -> Option<&'static Path> {
    // SAFETY: takes an integer.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    if name.is_null() {
        return None;
    }
    // SAFETY: the kernel has put a C string there, above the stack, that nobody writes to.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

/// flock(2), exclusive, without waiting: whether it is ours now.
///
/// It belongs to the open file: a child that was given the descriptor keeps it when we are killed.
pub fn try_lock(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: two integers.
    match check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }.into()) {
        Ok(_) => Ok(true),
        Err(Errno::EWOULDBLOCK | Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Gives the lock back, whoever else has the descriptor.
pub fn unlock(file: BorrowedFd<'_>) {
    // SAFETY: two integers.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// Closes every descriptor above 2.
pub fn close_inherited() {
    if close_range(3, c_uint::MAX).is_err() {
        close_one_by_one();
    }
}

fn close_range(first: c_uint, last: c_uint) -> Result<(), Errno> {
    // SAFETY: three integers. Nothing in this process uses descriptors of that range any more:
    // the caller is about to do nothing but wait.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, c_long::from(first), c_long::from(last), 0 as c_long)
    })
    .map(drop)
}

/// For kernels before 5.9 and sandboxes that don't know close_range(2).
fn close_one_by_one() {
    let listed: Vec<RawFd> = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => {
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
        }
        Err(_) => (3..limit()).collect(),
    };
    for fd in listed {
        if fd > 2 {
            // SAFETY: as in close_range. The directory's own descriptor is in the list and closed
            // already; closing it twice gives EBADF and no harm, since there is one thread.
            unsafe { libc::close(fd) };
        }
    }
}

/// How many descriptors there can be; bounded, since the limit may be 2^30 in a container.
fn limit() -> c_int {
    let soft = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .map_or(1024, |(soft, _)| soft);
    c_int::try_from(soft).unwrap_or(c_int::MAX).min(65_536)
}
