//! When children are reaped together rather than one by one.

use std::time::Duration;

/// Whether so many children end that the init would be woken for each of them.
///
/// Where they share the processors with it, that is a switch of contexts for each, in the middle of the
/// end of another. So in a crowd they are let end for half a millisecond, and reaped together.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// How often there was something to reap, since the last rest that was for nothing.
    looks: u32,
}

impl Crowd {
    /// How many looks make a crowd. Of those that end now and then, one in so many costs a rest.
    const LOOKS: u32 = 16;

    /// How long they are let end. Any signal but SIGCHLD is heard meanwhile.
    const REST: Duration = Duration::from_micros(500);

    /// After a look that has found so many: how long to rest before the next, rather than to wait for a
    /// SIGCHLD.
    pub fn rest_after(&mut self, found: usize) -> Option<Duration> {
        match found {
            // The rest was for nothing.
            0 | 1 if self.looks == Self::LOOKS => self.looks = 0,
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
        for look in 1..Crowd::LOOKS {
            assert_eq!(crowd.rest_after(1), None, "look {look}");
            assert_eq!(crowd.rest_after(0), None, "a SIGCHLD too many is no look, {look}");
        }
        assert_eq!(crowd.rest_after(1), Some(Crowd::REST));
        crowd
    }

    #[test]
    fn a_crowd_is_let_end_for_as_long_as_each_rest_is_worth_it() {
        let mut crowd = crowd();
        for found in [2, 30, 255, 2] {
            assert_eq!(crowd.rest_after(found), Some(Crowd::REST), "{found}");
        }
    }

    #[test]
    fn one_is_no_crowd_and_it_takes_as_many_looks_again() {
        for found in [0, 1] {
            let mut crowd = crowd();
            assert_eq!(crowd.rest_after(found), None);
            for look in 1..Crowd::LOOKS {
                assert_eq!(crowd.rest_after(1), None, "look {look}");
            }
            assert_eq!(crowd.rest_after(1), Some(Crowd::REST));
        }
    }
}
