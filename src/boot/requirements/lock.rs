//! One installs at a time: containers that share a place wait for each other.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::RequirementsError;
use super::place::Owner;
use crate::boot::error::BootError;
use crate::init::Supervisor;
use crate::log;
use crate::sys::fd;
use crate::sys::signal::Signal;

/// How often the lock is tried: flock(2) can wait for it, but not for a signal as well.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// After so long it is said what is being waited for.
const SILENT: Duration = Duration::from_secs(3);

/// The lock of a place. It is given back when this is dropped; when this process is killed, the
/// installer that it has started still holds it, and nobody installs beside that one.
#[derive(Debug)]
pub(super) struct Lock(File);

/// What came of waiting.
pub(super) enum Waited {
    Locked(Lock),
    /// Somebody asked this process to end.
    Asked(Signal),
}

impl Lock {
    /// Takes the lock `file`, for which it waits at most `patience`, and says so unless `quiet`.
    pub fn take(
        file: &Path,
        owner: Owner<'_>,
        patience: Duration,
        quiet: bool,
        supervisor: &mut Supervisor,
    ) -> Result<Waited, BootError> {
        let refuse =
            |source| RequirementsError::Install { what: "lock", path: file.to_owned(), source };
        let lock = {
            let _files = owner.files().map_err(refuse)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
            options.open(file).map_err(refuse)?
        };
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut said = quiet;
        while !fd::try_lock(lock.as_fd()).map_err(|errno| refuse(errno.into()))? {
            let waited = began.elapsed();
            if waited >= patience {
                return Err(RequirementsError::Locked { file: file.to_owned(), waited }.into());
            }
            if !said && waited >= SILENT {
                said = true;
                log::say(&format!("waiting for another that installs here ({})", file.display()));
            }
            if let Some(signal) = supervisor.sleep(pause.min(patience - waited))? {
                return Ok(Waited::Asked(signal));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(Waited::Locked(Self(lock)))
    }

    /// For the installer to inherit.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Explicitly: something that a build left running may have the descriptor too.
        fd::unlock(self.0.as_fd());
    }
}
