//! What an init tells of what it does. The facts are the same for all; the words are those of the
//! name it was called by.

use std::ffi::OsStr;
use std::time::Duration;

use nix::errno::Errno;

use crate::log::Log;
use crate::sys::process::Status;
use crate::sys::signal::Signal;

/// Puts facts into words, or says nothing.
pub(crate) trait Voice {
    fn tell(&self, fact: Fact<'_>);

    /// Whether it says how long something took: reading the clock for nobody costs a start-up.
    fn wants_times(&self) -> bool {
        false
    }
}

/// What of it an init has words for: what nobody listens to need not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// All that it does.
    Steps,
    /// What goes wrong.
    Trouble,
}

impl Tells {
    pub fn steps_if(verbose: bool) -> Self {
        if verbose { Self::Steps } else { Self::Trouble }
    }
}

/// Something that the init did or saw.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact<'a> {
    /// It tried to become a subreaper.
    Adopting(Result<(), Errno>),
    /// It tried to let go of its terminal; whether it leads the session.
    LettingGo(Result<(), Errno>, bool),
    /// Its child runs; why a new session did not get the terminal, and whether there is a new one.
    Started {
        program: &'a OsStr,
        pid: i32,
        session: Option<Option<Errno>>,
    },
    /// A signal has come, other than SIGCHLD.
    Received(Signal),
    /// One that the kernel sent because the terminal was let go of, and that is nobody's.
    Swallowed(Signal),
    /// Another one is forwarded in its place.
    Rewritten {
        from: Signal,
        to: Signal,
    },
    Forwarding {
        signal: Signal,
        pid: i32,
    },
    /// Nothing is forwarded for it.
    Withheld(Signal),
    /// Something happened to children; what it was follows.
    Children,
    /// A child that has ended is reaped, the main one or an orphan.
    Reaped {
        pid: i32,
        status: Status,
        main: bool,
    },
    /// It stops itself, with its child or because it was told to.
    Stopping {
        pid: i32,
    },
    /// It may not send signals to its child.
    Deaf {
        pid: i32,
    },
    /// Its child has ended, after so long.
    Ended {
        program: &'a OsStr,
        status: Status,
        after: Duration,
    },
}

impl Log {
    pub fn tells(self) -> Tells {
        Tells::steps_if(self == Self::Steps)
    }

    /// Itself, for as long as anybody likes.
    pub fn voice(self) -> &'static dyn Voice {
        // Statics and no literals: see build/hot.ld.
        static SILENT: Log = Log::Silent;
        static STEPS: Log = Log::Steps;
        match self {
            Self::Silent => &SILENT,
            Self::Steps => &STEPS,
        }
    }
}

impl Voice for Log {
    fn wants_times(&self) -> bool {
        *self == Self::Steps
    }

    fn tell(&self, fact: Fact<'_>) {
        match fact {
            Fact::Adopting(Err(errno)) => {
                self.step(|| format!("cannot become a subreaper: {errno}"))
            }
            Fact::Started { program, pid, .. } => {
                self.step(|| format!("started {program:?} with pid {pid}"));
            }
            Fact::Forwarding { signal, pid } => {
                self.step(|| format!("forwarding {signal} to {pid}"));
            }
            Fact::Stopping { pid } => self.step(|| format!("{pid} was stopped, stopping too")),
            Fact::Ended { program, status, after } => self.step(|| {
                let (code, seconds, millis) =
                    (status.code(), after.as_secs(), after.subsec_millis());
                format!("{program:?} ended with {code} after {seconds}.{millis:03} s")
            }),
            // Not only for those who asked: the container will not stop when it is told to.
            Fact::Deaf { pid } => crate::log::say(&format!(
                "cannot send signals to {pid}: operation not permitted\n\
                 pydexec: give the container that power: docker run --cap-add KILL"
            )),
            Fact::Adopting(Ok(()))
            | Fact::LettingGo(..)
            | Fact::Received(_)
            | Fact::Swallowed(_)
            | Fact::Rewritten { .. }
            | Fact::Withheld(_)
            | Fact::Children
            | Fact::Reaped { .. } => {}
        }
    }
}
