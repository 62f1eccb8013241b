//! A started child of the library's.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::error::Error;
use crate::sys::forward::Forwarding;
use crate::sys::process;
use crate::sys::signal::Signal;

/// A command that was started by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it neither kills nor waits, as with `std::process::Child`: one that has ended stays a
/// zombie until this process waits for it or ends.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    program: OsString,
    ended: Option<ExitStatus>,
}

impl Child {
    pub(super) fn new(pid: i32, program: OsString) -> Self {
        Self { pid, program, ended: None }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Waits until it has ended. Once it has, the same answer comes again at once.
    ///
    /// # Errors
    ///
    /// [`Error::Wait`] when somebody else has waited for it, or SIGCHLD is ignored.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let status = process::wait_for(self.pid)
            .map_err(|errno| Error::Wait { program: self.program.clone(), source: errno.into() })?;
        let status = ExitStatus::from_raw(status.raw());
        self.ended = Some(status);
        Ok(status)
    }

    /// As [`wait`](Self::wait), with signals passed on; and the last of them that asked to end. The
    /// forwarding ends before the child is reaped, so that no signal can reach another process that
    /// was given its PID.
    pub(super) fn wait_forwarding(
        &mut self,
        forwarding: Forwarding,
    ) -> Result<(ExitStatus, Option<Signal>), Error> {
        let _ = process::wait_until_ended(self.pid);
        let asked = forwarding.end();
        Ok((self.wait()?, asked))
    }
}
