//! How long a child may run, and how it is made to end: pure, with the time handed in.
//!
//! There is a moment to wait for only while a limit runs: a command without one, that nobody has
//! asked to end, costs no timer.

use std::time::{Duration, Instant};

use crate::sys::signal::{Received, Signal};

/// How a child that is asked to end is made to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What it gets instead of TERM and INT.
    pub signal: Option<Signal>,
    /// After this time its whole group is killed. Without one, never.
    pub timeout: Option<Duration>,
}

/// What bounds a child's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long it may run before it is told to end.
    pub time: Option<Duration>,
    pub ending: Ending,
}

/// How long a child has to end whose time is up, where nothing else is said: Docker's own.
const GRACE: Duration = Duration::from_secs(10);

/// What is due at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its time is up: this signal to its group.
    Tell(Signal),
    /// It has not ended: SIGKILL to its group.
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
    Killed,
}

impl Clock {
    /// Begins when the child does.
    pub fn new(limits: Limits, now: Instant) -> Self {
        let next = limits.time.and_then(|time| now.checked_add(time));
        Self { limits, phase: Phase::Running, next }
    }

    /// What the child gets for a signal that this process got.
    ///
    /// HUP asks most servers to reload, so it starts no clock; QUIT has a meaning of its own.
    pub fn pass_on(&mut self, received: Received, now: Instant) -> Received {
        let ends = [Signal::TERM, Signal::INT, Signal::QUIT].contains(&received.signal);
        if ends && self.phase == Phase::Running {
            if let Some(timeout) = self.limits.ending.timeout {
                self.phase = Phase::Ending;
                self.next = now.checked_add(timeout);
            }
        }
        match self.limits.ending.signal {
            Some(signal) if ends && received.signal != Signal::QUIT => {
                Received { signal, value: None, ..received }
            }
            _ => received,
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
        let Ending { signal, timeout } = self.limits.ending;
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Ending;
                self.next = now.checked_add(timeout.unwrap_or(GRACE));
                Some(Due::Tell(signal.unwrap_or(Signal::TERM)))
            }
            Phase::Ending | Phase::Killed => {
                self.phase = Phase::Killed;
                self.next = None;
                Some(Due::Kill)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(number: i32) -> Received {
        Received { signal: Signal::new(number).unwrap(), sender: 1, value: None }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_limits_there_is_never_a_moment_to_wait_for() {
        let now = Instant::now();
        let mut clock = Clock::new(Limits::default(), now);
        for number in [15, 2, 3, 1] {
            assert_eq!(clock.pass_on(got(number), now), got(number));
        }
        assert_eq!((clock.next(), clock.due(now + seconds(1 << 20))), (None, None));
    }

    #[test]
    fn the_clock_of_stopping_starts_with_the_first_signal_and_ends_in_a_kill() {
        let now = Instant::now();
        let ending = Ending { signal: Signal::new(10), timeout: Some(seconds(5)) };
        let mut clock = Clock::new(Limits { time: None, ending }, now);
        assert_eq!(clock.next(), None);
        assert_eq!(clock.pass_on(got(1), now), got(1));
        assert_eq!(clock.next(), None);
        assert_eq!(clock.pass_on(got(15), now), got(10));
        // A second one does not buy time.
        assert_eq!(clock.pass_on(got(2), now + seconds(4)), got(10));
        assert_eq!(clock.next(), Some(now + seconds(5)));
        assert_eq!(clock.due(now + seconds(4)), None);
        assert_eq!(clock.due(now + seconds(5)), Some(Due::Kill));
        assert_eq!((clock.next(), clock.due(now + seconds(99))), (None, None));
    }

    #[test]
    fn quit_is_passed_on_as_it_is_and_starts_the_clock() {
        let now = Instant::now();
        let ending = Ending { signal: Signal::new(15), timeout: Some(seconds(5)) };
        let mut clock = Clock::new(Limits { time: None, ending }, now);
        assert_eq!(clock.pass_on(got(3), now), got(3));
        assert!(clock.next().is_some());
    }

    #[test]
    fn a_time_that_is_up_is_told_first_and_killed_after_the_grace() {
        let now = Instant::now();
        let mut clock =
            Clock::new(Limits { time: Some(seconds(3)), ending: Ending::default() }, now);
        assert_eq!(clock.due(now), None);
        assert_eq!(clock.due(now + seconds(3)), Some(Due::Tell(Signal::TERM)));
        assert_eq!(clock.next(), Some(now + seconds(3) + GRACE));
        assert_eq!(clock.due(now + seconds(13)), Some(Due::Kill));
        assert_eq!(clock.next(), None);
    }
}
