//! Our controlling terminal: its foreground process group, letting go of it, taking it.

use std::os::fd::RawFd;

use libc::{c_int, c_long, pid_t};
use nix::errno::Errno;

use super::check;

/// The controlling terminal, found on one of the standard descriptors.
///
/// TIOCGPGRP answers only for the caller's own controlling terminal (ioctl_tty(2)), so the first of
/// the three that answers is it, and no file needs to be opened. A closed stdin is no error.
#[derive(Clone, Copy, Debug)]
pub struct Terminal(RawFd);

impl Terminal {
    /// Looks at stdin, stdout and stderr.
    pub fn find() -> Option<Self> {
        (0..=2).map(Self).find(|terminal| terminal.group().is_some())
    }

    /// The foreground process group, if it is one that this PID namespace knows: one outside of it
    /// reads as 0, as does our own process group there, and the two are not to be taken for equal.
    pub fn foreground(self) -> Option<pid_t> {
        self.group().filter(|group| *group > 0)
    }

    /// What TIOCGPGRP answers.
    fn group(self) -> Option<pid_t> {
        let mut group: pid_t = 0;
        // SAFETY: TIOCGPGRP writes one pid_t to where the pointer points.
        let result = unsafe { libc::ioctl(self.0, libc::TIOCGPGRP as _, &raw mut group) };
        (result == 0).then_some(group)
    }

    /// Makes `group` the foreground. SIGTTOU is blocked in this process, so that it can be handed
    /// on from the background too; the caller looks first whether it is ours to give.
    pub fn set_foreground(self, group: pid_t) {
        // SAFETY: TIOCSPGRP reads one pid_t from where the pointer points.
        unsafe { libc::ioctl(self.0, libc::TIOCSPGRP as _, &raw const group) };
    }
}

/// Lets go of the controlling terminal, if it is the one on stdin (TIOCNOTTY). Where this process
/// leads the session, the kernel sends SIGHUP and SIGCONT to the foreground group at once.
pub fn let_go() -> Result<(), Errno> {
    // SAFETY: takes no argument.
    check(c_long::from(unsafe { libc::ioctl(0, libc::TIOCNOTTY as _) })).map(drop)
}

/// Makes the terminal on stdin the controlling one of this process, which leads a session that has
/// none (TIOCSCTTY). It is not taken away from another session.
pub fn make_controlling() -> Result<(), Errno> {
    // SAFETY: takes an integer.
    check(c_long::from(unsafe { libc::ioctl(0, libc::TIOCSCTTY as _, 0 as c_int) })).map(drop)
}
