//! The foreground process group of our controlling terminal.

use std::os::fd::RawFd;

use libc::pid_t;

/// The controlling terminal, found on one of the standard descriptors.
///
/// TIOCGPGRP answers only for the caller's own controlling terminal (ioctl_tty(2)), so the first of
/// the three that answers is it, and no file needs to be opened. A closed stdin is no error.
#[derive(Clone, Copy, Debug)]
pub struct Terminal(RawFd);

impl Terminal {
    /// Looks at stdin, stdout and stderr.
    pub fn find() -> Option<Self> {
        (0..=2).map(Self).find(|terminal| terminal.foreground().is_some())
    }

    /// The foreground process group.
    pub fn foreground(self) -> Option<pid_t> {
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
