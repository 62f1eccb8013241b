//! In what one init differs from another, as values: the rules themselves are in
//! [`machine`](super::machine), and there is but one loop.

use super::limits::Limits;
use crate::sys::process::Group;
use crate::sys::signal::Signal;

/// What kind of init this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The process group that the child is put into.
    pub group: Group,
    pub target: Target,
    pub rewrites: Rewrites,
    pub stops: Stops,
    pub end: End,
    pub limits: Limits,
}

impl Policy {
    /// That of the entrypoint, and what the others begin with.
    pub const fn ours(target: Target) -> Self {
        Self {
            group: Group::Own,
            target,
            rewrites: Rewrites::NONE,
            stops: Stops::WithTheChild,
            end: End::Leave,
            limits: Limits::NONE,
        }
    }

    /// This one, with `signal` for the child in place of TERM and INT.
    pub fn ending_by(mut self, signal: Option<Signal>) -> Self {
        if signal.is_some() {
            self.rewrites.set(Signal::TERM, signal);
            self.rewrites.set(Signal::INT, signal);
        }
        self
    }
}

/// Whom the signals that the init gets are passed on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The child alone. It knows best what its own children need: celery's workers must not get
    /// the TERM that asks their parent to let them finish.
    Child,
    /// Every process of the child's group.
    Group,
}

impl Target {
    /// The group if that was asked for.
    pub fn group_if(asked: bool) -> Self {
        if asked { Self::Group } else { Self::Child }
    }
}

/// When the init stops itself, for the shell that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// When its child was stopped.
    WithTheChild,
    /// When it is sent TSTP, TTIN or TTOU itself, which it passes on before (dumb-init).
    WhenTold,
}

/// What the init does when its child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It leaves at once.
    Leave,
    /// It reaps what has ended by then as well, and leaves (tini).
    Reap,
    /// It sends TERM, or what that is rewritten to, to the child's group, and leaves (dumb-init).
    Term,
}

/// Which signal is forwarded in place of another; for 1 to 31, since the others have no names that
/// would mean anything to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewrites([u8; 32]);

impl Rewrites {
    /// Each one by itself.
    pub const NONE: Self = {
        let mut table = [0; 32];
        let mut number = 0;
        while number < table.len() {
            table[number] = number as u8;
            number += 1;
        }
        Self(table)
    };

    /// Forwards `to` for `from`, or nothing.
    pub fn set(&mut self, from: Signal, to: Option<Signal>) {
        if let Some(place) = self.0.get_mut(from.number() as usize) {
            *place = to.map_or(0, |signal| signal.number() as u8);
        }
    }

    /// These, with `from` forwarded to nobody.
    pub fn withholding(mut self, from: &[Signal]) -> Self {
        for signal in from {
            self.set(*signal, None);
        }
        self
    }

    /// Whether `signal` is forwarded as it is.
    pub fn leaves(&self, signal: Signal) -> bool {
        self.of(signal) == Some(signal)
    }

    /// What is forwarded for `signal`.
    pub fn of(&self, signal: Signal) -> Option<Signal> {
        match self.0.get(signal.number() as usize) {
            Some(number) => Signal::new((*number).into()),
            None => Some(signal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_nobody_rewrote_stays_itself() {
        for number in 1..=64 {
            let signal = Signal::new(number).unwrap();
            assert_eq!(Rewrites::NONE.of(signal), Some(signal));
        }
    }

    #[test]
    fn a_rewrite_is_one_step_and_0_withholds() {
        let mut rewrites = Rewrites::NONE.withholding(&[Signal::HUP]);
        rewrites.set(Signal::TERM, Some(Signal::QUIT));
        rewrites.set(Signal::QUIT, Some(Signal::INT));
        assert_eq!(rewrites.of(Signal::TERM), Some(Signal::QUIT));
        assert_eq!(rewrites.of(Signal::QUIT), Some(Signal::INT));
        assert_eq!(rewrites.of(Signal::HUP), None);
        assert!(rewrites.leaves(Signal::INT) && !rewrites.leaves(Signal::TERM));
    }
}
