//! How long a child may run, and how it is made to end: pure, with the time handed in.
//!
//! There is a moment to wait for only while a limit runs: a command without one, that nobody has
//! asked to end, costs no timer.

use std::time::{Duration, Instant};

use crate::sys::signal::Signal;

/// What bounds a child's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long it may run before it is told to end.
    pub time: Option<Duration>,
    /// How long it has to end once it was told to, before its whole group is killed.
    pub grace: Option<Duration>,
}

impl Limits {
    /// As long as it likes.
    pub const NONE: Self = Self { time: None, grace: None };
}

/// The grace of a child whose time is up, where nothing else is said: Docker's own.
const GRACE: Duration = Duration::from_secs(10);

/// What is due at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its time is up, and it is told to end.
    Tell,
    /// It has not ended: SIGKILL.
    Kill,
}

/// The limits of one child, as they run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    limits: Limits,
    phase: Phase,
    next: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Ending,
}

impl Clock {
    /// Begins when the child does. The time is asked for only if it matters: the first look at it
    /// makes the C library find the vDSO, which costs three page faults.
    pub fn new(limits: Limits, now: impl FnOnce() -> Instant) -> Self {
        let next = limits.time.and_then(|time| now().checked_add(time));
        Self { limits, phase: Phase::Running, next }
    }

    /// This process was sent a signal. HUP asks most servers to reload, so it starts no clock.
    pub fn hear(&mut self, signal: Signal, now: Instant) {
        let ends = [Signal::TERM, Signal::INT, Signal::QUIT].contains(&signal);
        if let Some(grace) = self.limits.grace.filter(|_| ends && self.phase == Phase::Running) {
            self.phase = Phase::Ending;
            self.next = now.checked_add(grace);
        }
    }

    /// The moment at which something is due, if nothing happens before.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What is due now.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Ending;
                self.next = now.checked_add(self.limits.grace.unwrap_or(GRACE));
                Some(Due::Tell)
            }
            Phase::Ending => {
                self.next = None;
                Some(Due::Kill)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_limits_there_is_never_a_moment_to_wait_for() {
        let now = Instant::now();
        let mut clock = Clock::new(Limits::NONE, || unreachable!());
        for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP] {
            clock.hear(signal, now);
        }
        assert_eq!((clock.next(), clock.due(now + seconds(1 << 20))), (None, None));
    }

    #[test]
    fn the_clock_of_stopping_starts_with_the_first_signal_and_ends_in_a_kill() {
        for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
            let now = Instant::now();
            let mut clock = Clock::new(Limits { time: None, grace: Some(seconds(5)) }, || now);
            clock.hear(Signal::HUP, now);
            assert_eq!(clock.next(), None);
            clock.hear(signal, now);
            // A second one does not buy time.
            clock.hear(Signal::TERM, now + seconds(4));
            assert_eq!(clock.next(), Some(now + seconds(5)));
            assert_eq!(clock.due(now + seconds(4)), None);
            assert_eq!(clock.due(now + seconds(5)), Some(Due::Kill));
            assert_eq!((clock.next(), clock.due(now + seconds(99))), (None, None));
        }
    }

    #[test]
    fn a_time_that_is_up_is_told_first_and_ends_in_a_kill_after_the_grace() {
        let now = Instant::now();
        for (grace, lasts) in [(None, GRACE), (Some(seconds(1)), seconds(1))] {
            let mut clock = Clock::new(Limits { time: Some(seconds(3)), grace }, || now);
            assert_eq!(clock.due(now), None);
            assert_eq!(clock.due(now + seconds(3)), Some(Due::Tell));
            assert_eq!(clock.next(), Some(now + seconds(3) + lasts));
            assert_eq!(clock.due(now + seconds(3) + lasts), Some(Due::Kill));
            assert_eq!(clock.next(), None);
        }
    }
}
