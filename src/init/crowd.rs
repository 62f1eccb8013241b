//! When children are reaped together rather than one by one.

use std::time::Duration;

/// Whether so many children end that the init would be woken for each of them.
///
/// Where they share the processors with it, that is a switch of contexts for each, in the middle of the
/// end of another. So in a crowd they are let end for half a millisecond, and reaped together.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// How often there was something to reap, since the last rest that was for nothing. No more than
    /// [`LOOKS`](Self::LOOKS) are counted.
    looks: u32,
}

impl Crowd {
    /// How many looks make a crowd. Of those that end now and then, one in so many costs a rest.
    const LOOKS: u32 = 16;

    /// How long they are let end, and what the timer slack adds to it (PR_SET_TIMERSLACK(2const)), which is
    /// 50 µs where nobody has set another. Any signal but SIGCHLD ends it.
    pub const REST: Duration = Duration::from_micros(500);

    /// After a look that has found so many, and that came after a whole rest or not: how long to rest before
    /// the next, rather than to wait for a SIGCHLD.
    pub fn rest_after(&mut self, found: usize, rested: bool) -> Option<Duration> {
        match found {
            // The rest was for nothing.
            0 | 1 if rested => self.looks = 0,
            // The SIGCHLD of one that was found with those before it.
            0 => {}
            _ => self.looks = (self.looks + 1).min(Self::LOOKS),
        }
        (self.looks == Self::LOOKS).then_some(Self::REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is at rest.
    fn crowd() -> Crowd {
        let mut crowd = Crowd::default();
        becomes_one(&mut crowd);
        crowd
    }

    /// It takes so many looks, and no less.
    fn becomes_one(crowd: &mut Crowd) {
        for look in 1..Crowd::LOOKS {
            assert_eq!(crowd.rest_after(1, false), None, "look {look}");
            assert_eq!(crowd.rest_after(0, false), None, "a SIGCHLD too many is no look, {look}");
        }
        assert_eq!(crowd.rest_after(1, false), Some(Crowd::REST));
    }

    #[test]
    fn a_crowd_is_let_end_for_as_long_as_each_rest_is_worth_it() {
        let mut crowd = crowd();
        for found in [2, 30, 255, 2] {
            assert_eq!(crowd.rest_after(found, true), Some(Crowd::REST), "{found}");
        }
    }

    #[test]
    fn one_is_no_crowd_and_it_takes_as_many_looks_again() {
        for found in [0, 1] {
            let mut crowd = crowd();
            assert_eq!(crowd.rest_after(found, true), None);
            becomes_one(&mut crowd);
        }
    }

    #[test]
    fn a_rest_that_a_signal_ends_tells_nothing() {
        let mut crowd = crowd();
        for found in [0, 1, 2] {
            assert_eq!(crowd.rest_after(found, false), Some(Crowd::REST), "{found}");
        }
        assert_eq!(crowd.rest_after(1, true), None);
    }
}
