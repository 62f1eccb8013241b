//! Waiting until what the command needs is there: ports, HTTP answers, sockets, files.
//!
//! All targets at once, a thread for each, in a forked child: a name that takes seconds to resolve
//! keeps neither the other targets waiting nor PID 1 from its duties. What has answered once is not
//! asked again.

mod error;
mod http;
mod mailbox;
mod probe;
mod target;

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::duration::shown;
use super::error::BootError;
use super::in_child;
use crate::error::Error;
use crate::init::Supervisor;
use crate::log;

pub(crate) use error::WaitError;
pub(crate) use http::{Expect, Header, StatusSet};
pub(crate) use mailbox::Mailbox;
pub(crate) use probe::{Reason, attempt};
pub(crate) use target::{EmptyHost, Target, TargetError};

/// How long is waited where nobody said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two tries.
pub(crate) const PERIOD: Duration = Duration::from_millis(500);

/// No shorter pause than this, so that a period of zero is no busy loop.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// The longest that one try may take: a packet that was lost is sent again after 1 and 3 s, and an
/// endpoint that is starting may answer the next try and never this one.
const TRY: Duration = Duration::from_secs(10);

/// The same for a wait that tries once (a timeout of zero).
const ONLY_TRY: Duration = Duration::from_secs(5);

/// After so long it is told what is still missing; and then after twice that, and so on.
const FIRST_NOTICE: Duration = Duration::from_secs(5);

/// Targets that must all be there, and how long they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub targets: Vec<Target>,
    /// In real seconds, for each of them. Zero tries once.
    pub timeout: Duration,
    /// The pause between two tries, at least 10 ms.
    pub period: Duration,
    /// What is asked and expected of those that are asked by HTTP.
    pub expect: Expect,
}

impl Wait {
    /// For these, with all else as usual.
    pub fn new(targets: Vec<Target>) -> Self {
        Self { targets, timeout: TIMEOUT, period: PERIOD, expect: Expect::default() }
    }

    /// Waits. `Some` is the exit code with which the boot ends here, because somebody asked it to
    /// end meanwhile.
    pub fn run(&self, supervisor: &mut Supervisor) -> Result<Option<u8>, BootError> {
        run(std::slice::from_ref(self), Manner::Told, supervisor)
    }
}

/// What is said while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// After some seconds, what is still missing.
    Told,
    /// What `wait-for-port` says: names that don't resolve, at each try.
    WaitForPort,
}

/// A target that did not answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    target: Target,
    after: Duration,
    last: Option<Reason>,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from {} in {}", self.target, shown(self.after))?;
        match &self.last {
            Some(reason) => write!(f, ": {reason}"),
            None => write!(f, ": the first try has not come to an end"),
        }
    }
}

/// Waits for all of several waits at once; each target has the deadline of its own wait. It ends
/// at the first deadline that passes, with all that have not answered by then.
pub(crate) fn run(
    waits: &[Wait],
    manner: Manner,
    supervisor: &mut Supervisor,
) -> Result<Option<u8>, BootError> {
    if waits.iter().all(|wait| wait.targets.is_empty()) {
        return Ok(None);
    }
    in_child::run(supervisor, "wait", || until_answered(waits, manner))
}

/// A target, and what is known of it.
struct Pending<'a> {
    target: &'a Target,
    deadline: Instant,
    last: Option<Reason>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tried,
    Answered,
    /// The only try there was to make has failed.
    GivenUp,
}

/// What came of a try at the target with this index.
struct News {
    index: usize,
    result: Result<(), Reason>,
    last: bool,
}

fn until_answered(waits: &[Wait], manner: Manner) -> Result<(), BootError> {
    let began = Instant::now();
    let mailbox = Mailbox::new();
    let mut pending = Vec::new();
    for wait in waits {
        for target in &wait.targets {
            let patience = if wait.timeout.is_zero() { ONLY_TRY } else { wait.timeout };
            let deadline = began + patience;
            let tries = Tries {
                target: target.clone(),
                expect: wait.expect.clone(),
                period: wait.period,
                deadline,
                once: wait.timeout.is_zero(),
            };
            tries.start(pending.len(), mailbox.clone()).map_err(|source| {
                BootError::Command(Error::System { what: "cannot start a thread", source })
            })?;
            pending.push(Pending { target, deadline, last: None, state: State::Tried });
        }
    }
    let mut notice = FIRST_NOTICE;
    loop {
        let Some(deadline) = first_deadline(&pending) else {
            return match unanswered(pending, began.elapsed()) {
                none if none.is_empty() => Ok(()),
                some => Err(WaitError::Unanswered(some).into()),
            };
        };
        let told_at = began + notice;
        match mailbox.take(deadline.min(told_at)) {
            Some(news) => hear(&mut pending, news, manner),
            None if deadline > told_at => {
                if manner == Manner::Told {
                    log::say(&still_waiting(&pending, notice));
                }
                notice *= 2;
            }
            None => {
                return Err(WaitError::Unanswered(unanswered(pending, began.elapsed())).into());
            }
        }
    }
}

/// None when there is nothing left to wait for.
fn first_deadline(pending: &[Pending<'_>]) -> Option<Instant> {
    let tried = pending.iter().filter(|pending| pending.state == State::Tried);
    tried.map(|pending| pending.deadline).min()
}

fn hear(pending: &mut [Pending<'_>], news: News, manner: Manner) {
    let Some(pending) = pending.get_mut(news.index) else {
        return;
    };
    match news.result {
        Ok(()) => pending.state = State::Answered,
        Err(reason) => {
            if let (Manner::WaitForPort, Reason::Lookup(_), Target::Tcp(endpoint)) =
                (manner, &reason, pending.target)
            {
                // The words of the original, which its users may look for.
                log::line(&format!(
                    "ERROR:root:Can't connect to {}:{} — [Errno -2] Name or service not known",
                    endpoint.host, endpoint.port
                ));
            }
            pending.last = Some(reason);
            if news.last {
                pending.state = State::GivenUp;
            }
        }
    }
}

fn still_waiting(pending: &[Pending<'_>], after: Duration) -> String {
    let open: Vec<String> = pending
        .iter()
        .filter(|pending| pending.state != State::Answered)
        .map(|pending| match &pending.last {
            Some(reason) => format!("{} ({reason})", pending.target),
            None => pending.target.to_string(),
        })
        .collect();
    format!("after {} still waiting for {}", shown(after), open.join(", "))
}

fn unanswered(pending: Vec<Pending<'_>>, after: Duration) -> Vec<Unanswered> {
    pending
        .into_iter()
        .filter(|pending| pending.state != State::Answered)
        .map(|pending| Unanswered { target: pending.target.clone(), after, last: pending.last })
        .collect()
}

/// One try after another, until one succeeds.
struct Tries {
    target: Target,
    expect: Expect,
    period: Duration,
    deadline: Instant,
    once: bool,
}

impl Tries {
    fn start(self, index: usize, mailbox: Mailbox<News>) -> io::Result<()> {
        let thread = thread::Builder::new().stack_size(probe::STACK);
        thread.spawn(move || self.make(index, &mailbox)).map(drop)
    }

    /// The process ends when the last deadline has passed, and this with it.
    fn make(&self, index: usize, mailbox: &Mailbox<News>) {
        loop {
            let until = self.deadline.min(Instant::now() + TRY);
            let result = attempt(&self.target, &self.expect, until);
            let last = result.is_ok() || self.once;
            mailbox.post(News { index, result, last });
            if last {
                return;
            }
            thread::sleep(self.period.max(SHORTEST_PERIOD));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn wait(targets: &[&str], timeout: Duration) -> Wait {
        let targets = targets.iter().map(|target| Target::parse(target).unwrap()).collect();
        let period = Duration::from_millis(5);
        Wait { timeout, period, ..Wait::new(targets) }
    }

    fn unanswered(waits: &[Wait]) -> Vec<String> {
        match until_answered(waits, Manner::Told) {
            Err(BootError::Wait(WaitError::Unanswered(list))) => {
                list.iter().map(|one| one.target.to_string()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_timeout_of_zero_tries_once() {
        let zero = Duration::ZERO;
        assert!(until_answered(&[wait(&["file:///"], zero)], Manner::Told).is_ok());
        assert_eq!(unanswered(&[wait(&["file:///no/1", "file:///"], zero)]), ["file:///no/1"]);
    }

    #[test]
    fn only_those_that_never_answered_are_listed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = format!("tcp://{}", listener.local_addr().unwrap());
        let short = Duration::from_millis(50);
        let waits = [wait(&[&there, "file:///no/1"], short), wait(&["file:///no/2"], short * 20)];
        let began = Instant::now();
        assert_eq!(unanswered(&waits), ["file:///no/1", "file:///no/2"]);
        assert!(began.elapsed() >= short);
    }

    #[test]
    fn a_message_says_what_is_missing_and_why() {
        let target = Target::parse("http://u:secret@db:1/x").unwrap();
        let reason = Reason::Connect(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        let pending = |last| {
            [Pending { target: &target, deadline: Instant::now(), last, state: State::Tried }]
        };
        assert_eq!(
            still_waiting(&pending(Some(reason)), Duration::from_secs(5)),
            "after 5 s still waiting for http://***@db:1/x (connection refused)"
        );
        let list = super::unanswered(pending(None).into(), Duration::from_secs(60));
        assert_eq!(
            list[0].to_string(),
            "no answer from http://***@db:1/x in 60 s: the first try has not come to an end"
        );
    }
}
