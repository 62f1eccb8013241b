//! The rules of the init, as a pure state machine.

use super::policy::{End, Policy, Stops, Target};
use crate::sys::process::{Change, Group, Status};
use crate::sys::signal::{Received, Signal, SignalSet, Stop};

/// Who the init is, as far as its rules depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// PID 1 of its namespace: it cannot be stopped, and nobody could continue its child.
    pub pid1: bool,
    /// Its PID.
    pub pid: i32,
    /// What it looks after.
    pub main: Main,
    /// The child is in our own process group, and has had already what a key on the terminal or a
    /// read from it has the kernel send to all of that.
    pub shares_group: bool,
    /// The signals of which the first one is nobody's: the kernel sent it when the terminal was let
    /// go of.
    pub swallow: SignalSet,
}

/// What the init looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Main {
    /// A child, with whose end it ends.
    Child,
    /// Orphans alone, until it is told to end.
    Nothing,
}

/// What happens to the init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// It was sent a signal.
    Signal(&'a Received),
    /// Something happened to its main child.
    Child(Change, Foreground),
}

/// Which process group has the terminal at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreground {
    /// There is no terminal, or it is with somebody else.
    Elsewhere,
    /// The child's.
    Child,
    /// The init's own.
    Own,
}

/// What the init does about it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Pass it on, or this one in its place.
    Forward(Signal),
    /// Don't pass it on.
    Withhold(Signal),
    /// It is nobody's.
    Swallow(Signal),
    /// Send it to the group that the child led.
    SendToGroup(Signal),
    /// Let the child and its whole group go on.
    Continue,
    /// Make the child's group the foreground of the terminal, if it is this process's to give.
    HandForeground,
    /// Stop this process as the child was stopped, until somebody continues it.
    StopSelf(Signal, Stop),
    /// The child is gone, and with it the init's work.
    End(Status),
}

/// At most so many actions follow an event.
pub(crate) type Actions = [Option<Action>; 2];

const NOTHING: Actions = [None, None];

/// The signals of which not all are forwarded.
const SPECIAL: SignalSet = SignalSet::of_all(&[
    Signal::CHLD,
    Signal::PIPE,
    Signal::XFSZ,
    Signal::INT,
    Signal::QUIT,
    Signal::TSTP,
    Signal::WINCH,
    Signal::TTIN,
    Signal::TTOU,
]);

fn one(action: Action) -> Actions {
    [Some(action), None]
}

/// The state of the init between two events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    role: Role,
    policy: Policy,
    stopped: bool,
    /// It was told to end since it was last continued.
    told_to_end: bool,
}

impl Machine {
    /// Begins when the child runs.
    pub fn new(role: Role, policy: Policy) -> Self {
        Self { role, policy, stopped: false, told_to_end: false }
    }

    /// Takes an event and says what is to be done.
    pub fn on(&mut self, event: Event<'_>) -> Actions {
        match event {
            Event::Signal(received) => self.signal(received),
            Event::Child(change, foreground) => self.child(change, foreground),
        }
    }

    fn signal(&mut self, received: &Received) -> Actions {
        let signal = received.signal;
        // Most are none of these.
        if SPECIAL.or(self.role.swallow).contains(signal) || self.role.main == Main::Nothing {
            match signal {
                // Not to be forwarded: it tells of our own children, and is read for that.
                Signal::CHLD => return NOTHING,
                // Our own writes to a closed pipe or a full file make these (pipe(7), setrlimit(2)); the
                // child did nothing to deserve them. From anybody else they are forwarded.
                Signal::PIPE | Signal::XFSZ if received.sender == self.role.pid => return NOTHING,
                Signal::TERM | Signal::INT if self.role.main == Main::Nothing => {
                    return one(Action::End(Status::SUCCESS));
                }
                _ if self.role.main == Main::Nothing => return NOTHING,
                _ if self.role.swallow.contains(signal) => {
                    self.role.swallow = self.role.swallow.without(&[signal]);
                    return one(Action::Swallow(signal));
                }
                Signal::INT | Signal::QUIT | Signal::TSTP | Signal::WINCH
                    if received.by_kernel && self.role.shares_group =>
                {
                    return NOTHING;
                }
                // We touched the terminal from the background, or somebody in our group did.
                Signal::TTIN | Signal::TTOU if received.by_kernel => return NOTHING,
                Signal::TSTP | Signal::TTIN | Signal::TTOU
                    if self.policy.stops == Stops::WhenTold =>
                {
                    let [first, _] = self.forward(signal);
                    return [first, Some(Action::StopSelf(Signal::STOP, Stop::Process))];
                }
                _ => {}
            }
        }
        self.forward(signal)
    }

    fn forward(&mut self, received: Signal) -> Actions {
        let Some(signal) = self.policy.rewrites.of(received) else {
            return one(Action::Withhold(received));
        };
        let hand_over = (self.policy.group == Group::Own).then_some(Action::HandForeground);
        match signal {
            // We have been continued, by `fg` perhaps: then the terminal is ours to hand over, and
            // Ctrl-Z has stopped all of the child's group.
            Signal::CONT if self.stopped => [hand_over, Some(Action::Continue)],
            Signal::CONT => [hand_over, Some(Action::Forward(signal))],
            // A stopped process keeps these until it is continued, and would outlive `docker stop`
            // until it is killed. systemd sends the CONT too (KillMode, systemd.kill(5)).
            Signal::TERM | Signal::INT | Signal::HUP | Signal::QUIT => {
                self.told_to_end = true;
                let go_on = self.stopped.then_some(Action::Continue);
                [Some(Action::Forward(signal)), go_on]
            }
            _ => one(Action::Forward(signal)),
        }
    }

    fn child(&mut self, change: Change, foreground: Foreground) -> Actions {
        match change {
            Change::Ended(status) => [self.farewell(), Some(Action::End(status))],
            Change::Continued => {
                self.stopped = false;
                self.told_to_end = false;
                NOTHING
            }
            // The order in which it was stopped and told to end is not the one in which we hear of
            // it, and where it stays stopped it does not end.
            Change::Stopped(_) if std::mem::take(&mut self.told_to_end) => one(Action::Continue),
            Change::Stopped(signal) => {
                self.stopped = true;
                match self.policy.stops {
                    Stops::WithTheChild => self.stopped_by(signal, foreground),
                    Stops::WhenTold => NOTHING,
                }
            }
        }
    }

    /// What the rest of the child's group is sent.
    fn farewell(&self) -> Option<Action> {
        match (self.policy.end, self.policy.target) {
            (End::Leave | End::Reap, _) => None,
            // Alone, the child has left nobody behind. Its PID may be somebody else's by now.
            (End::Term, Target::Child) => None,
            (End::Term, Target::Group) => Some(match self.policy.rewrites.of(Signal::TERM) {
                Some(signal) => Action::SendToGroup(signal),
                None => Action::Withhold(Signal::TERM),
            }),
        }
    }

    /// A shell that started us sees only us: we stop with our child, and `fg` continues both.
    fn stopped_by(&self, signal: Signal, foreground: Foreground) -> Actions {
        let extent = match foreground {
            // The terminal means the whole job: the script that started us, the rest of a pipeline.
            Foreground::Child => Stop::Group,
            Foreground::Own | Foreground::Elsewhere => Stop::Process,
        };
        match (signal, foreground) {
            // `fg` without a stop before it: the terminal is with us, and the child wants it.
            (Signal::TTIN | Signal::TTOU, Foreground::Own) => {
                [Some(Action::HandForeground), Some(Action::Continue)]
            }
            // Ctrl-Z under PID 1. No shell is there to continue the child, and the container would
            // hang. The kernel drops this signal for orphaned process groups for the same reason.
            (Signal::TSTP, Foreground::Child) if self.role.pid1 => one(Action::Continue),
            _ if self.role.pid1 => NOTHING,
            (Signal::TSTP | Signal::TTIN | Signal::TTOU, _) => {
                one(Action::StopSelf(signal, extent))
            }
            // Editors and shells stop themselves by SIGSTOP when they are told TSTP.
            (_, Foreground::Child) => one(Action::StopSelf(Signal::TSTP, extent)),
            // SIGSTOP from afar: whoever stopped the child will continue it, and not us.
            _ => NOTHING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Rewrites;
    use super::*;
    use crate::init::limits::Limits;

    const PID: i32 = 77;

    const DUMB_INIT: Policy = Policy {
        group: Group::Session,
        target: Target::Group,
        rewrites: Rewrites::NONE,
        stops: Stops::WhenTold,
        end: End::Term,
        limits: Limits::NONE,
    };

    fn role(pid1: bool) -> Role {
        Role { pid1, pid: PID, main: Main::Child, shares_group: false, swallow: SignalSet::NONE }
    }

    fn machine(pid1: bool) -> Machine {
        Machine::new(role(pid1), Policy::ours(Target::Child))
    }

    fn dumb_init(rewrites: &[(Signal, Option<Signal>)]) -> Machine {
        let mut policy = DUMB_INIT;
        for (from, to) in rewrites {
            policy.rewrites.set(*from, *to);
        }
        Machine::new(role(true), policy)
    }

    fn from(sender: i32, number: i32) -> Received {
        Received { signal: Signal::new(number).unwrap(), sender, value: None, by_kernel: false }
    }

    fn stopped(signal: Signal, foreground: Foreground) -> Event<'static> {
        Event::Child(Change::Stopped(signal), foreground)
    }

    #[test]
    fn every_signal_but_chld_is_forwarded() {
        for number in (1..=64).filter(|number| ![9, 17, 19].contains(number)) {
            let received = from(5, number);
            let actions = machine(true).on(Event::Signal(&received));
            assert!(actions.contains(&Some(Action::Forward(received.signal))), "{number}");
        }
        assert_eq!(machine(true).on(Event::Signal(&from(0, 17))), NOTHING);
    }

    #[test]
    fn a_sigpipe_of_our_own_making_is_not_the_childs() {
        for number in [13, 25] {
            assert_eq!(machine(true).on(Event::Signal(&from(PID, number))), NOTHING);
            assert_eq!(
                machine(true).on(Event::Signal(&from(PID + 1, number))),
                one(Action::Forward(from(PID + 1, number).signal))
            );
        }
    }

    #[test]
    fn a_stopped_child_that_is_told_to_end_is_continued_too() {
        let mut init = machine(true);
        init.on(stopped(Signal::STOP, Foreground::Elsewhere));
        let term = from(0, 15);
        assert_eq!(
            init.on(Event::Signal(&term)),
            [Some(Action::Forward(term.signal)), Some(Action::Continue)]
        );
        init.on(Event::Child(Change::Continued, Foreground::Elsewhere));
        assert_eq!(init.on(Event::Signal(&term)), one(Action::Forward(term.signal)));
    }

    #[test]
    fn we_stop_with_our_child_where_somebody_can_continue_us() {
        for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
            assert_eq!(
                machine(false).on(stopped(signal, Foreground::Elsewhere)),
                one(Action::StopSelf(signal, Stop::Process))
            );
            assert_eq!(
                machine(false).on(stopped(signal, Foreground::Child)),
                one(Action::StopSelf(signal, Stop::Group))
            );
            assert_eq!(machine(true).on(stopped(signal, Foreground::Elsewhere)), NOTHING);
        }
        assert_eq!(
            machine(false).on(stopped(Signal::STOP, Foreground::Child)),
            one(Action::StopSelf(Signal::TSTP, Stop::Group))
        );
        assert_eq!(machine(false).on(stopped(Signal::STOP, Foreground::Elsewhere)), NOTHING);
    }

    #[test]
    fn ctrl_z_under_pid_1_does_not_hang_the_container() {
        assert_eq!(
            machine(true).on(stopped(Signal::TSTP, Foreground::Child)),
            one(Action::Continue)
        );
    }

    #[test]
    fn a_child_that_wants_the_terminal_gets_it_if_it_is_ours() {
        for pid1 in [false, true] {
            assert_eq!(
                machine(pid1).on(stopped(Signal::TTIN, Foreground::Own)),
                [Some(Action::HandForeground), Some(Action::Continue)]
            );
        }
    }

    #[test]
    fn cont_reaches_all_that_ctrl_z_has_stopped() {
        let mut init = machine(false);
        let cont = from(0, 18);
        assert_eq!(
            init.on(Event::Signal(&cont)),
            [Some(Action::HandForeground), Some(Action::Forward(cont.signal))]
        );
        init.on(stopped(Signal::TSTP, Foreground::Child));
        assert_eq!(
            init.on(Event::Signal(&cont)),
            [Some(Action::HandForeground), Some(Action::Continue)]
        );
    }

    #[test]
    fn a_rewritten_signal_is_forwarded_without_the_value_of_the_other() {
        let mut init = dumb_init(&[(Signal::TERM, Some(Signal::QUIT)), (Signal::HUP, None)]);
        let term = Received { value: Some(5), ..from(1, 15) };
        let quit = Received { signal: Signal::QUIT, ..from(1, 15) };
        assert_eq!(init.on(Event::Signal(&term)), one(Action::Forward(quit.signal)));
        assert_eq!(init.on(Event::Signal(&from(1, 1))), one(Action::Withhold(Signal::HUP)));
    }

    #[test]
    fn told_to_stop_dumb_init_passes_it_on_and_stops_itself() {
        let mut init = dumb_init(&[(Signal::TSTP, Some(Signal::STOP)), (Signal::TTIN, None)]);
        let stop = Some(Action::StopSelf(Signal::STOP, Stop::Process));
        assert_eq!(
            init.on(Event::Signal(&from(1, 20))),
            [Some(Action::Forward(from(1, 19).signal)), stop]
        );
        assert_eq!(
            init.on(Event::Signal(&from(1, 21))),
            [Some(Action::Withhold(Signal::TTIN)), stop]
        );
        assert_eq!(init.on(stopped(Signal::STOP, Foreground::Elsewhere)), NOTHING);
    }

    #[test]
    fn the_rest_of_the_group_is_told_to_end() {
        let ended = Status::from_raw(0);
        let end =
            |mut init: Machine| init.on(Event::Child(Change::Ended(ended), Foreground::Elsewhere));
        let leave = Some(Action::End(ended));
        assert_eq!(end(dumb_init(&[])), [Some(Action::SendToGroup(Signal::TERM)), leave]);
        assert_eq!(
            end(dumb_init(&[(Signal::TERM, Some(Signal::INT))])),
            [Some(Action::SendToGroup(Signal::INT)), leave]
        );
        assert_eq!(
            end(dumb_init(&[(Signal::TERM, None)])),
            [Some(Action::Withhold(Signal::TERM)), leave]
        );
        let alone = Policy { target: Target::Child, group: Group::Inherited, ..DUMB_INIT };
        assert_eq!(end(Machine::new(role(true), alone)), [None, leave]);
    }

    #[test]
    fn the_hang_up_of_a_terminal_that_was_let_go_is_nobodys() {
        let swallow = SignalSet::of(Signal::HUP).or(SignalSet::of(Signal::CONT));
        let mut init = Machine::new(Role { swallow, ..role(true) }, DUMB_INIT);
        let hang_up = from(0, 1);
        assert_eq!(init.on(Event::Signal(&hang_up)), one(Action::Swallow(Signal::HUP)));
        assert_eq!(init.on(Event::Signal(&hang_up)), one(Action::Forward(hang_up.signal)));
        assert_eq!(init.on(Event::Signal(&from(0, 18))), one(Action::Swallow(Signal::CONT)));
    }

    #[test]
    fn a_pause_ends_by_term_or_int_with_success_and_by_nothing_else() {
        let main = Main::Nothing;
        let mut init = Machine::new(Role { main, ..role(true) }, Policy::ours(Target::Child));
        for number in (1..=64).filter(|number| ![2, 15].contains(number)) {
            assert_eq!(init.on(Event::Signal(&from(5, number))), NOTHING, "{number}");
        }
        for number in [2, 15] {
            let ended = init.on(Event::Signal(&from(5, number)));
            assert_eq!(ended, one(Action::End(Status::SUCCESS)));
        }
    }

    #[test]
    fn a_stop_that_is_heard_of_after_the_end_was_asked_for_does_not_last() {
        let mut init = machine(true);
        init.on(Event::Signal(&from(0, 15)));
        let stop = stopped(Signal::STOP, Foreground::Elsewhere);
        assert_eq!(init.on(stop), one(Action::Continue));
        // Once: whoever stops it again means it.
        assert_eq!(init.on(stop), NOTHING);
    }

    #[test]
    fn a_key_on_the_terminal_is_not_forwarded_to_who_had_it_already() {
        let key = |number| Received { by_kernel: true, ..from(0, number) };
        let role = Role { shares_group: true, ..role(true) };
        for number in [2, 3, 20, 28] {
            let mut sharing = Machine::new(role, Policy::ours(Target::Child));
            assert_eq!(sharing.on(Event::Signal(&key(number))), NOTHING);
            let sent = one(Action::Forward(from(0, number).signal));
            assert_eq!(sharing.on(Event::Signal(&from(0, number))), sent);
            let key = key(number);
            assert_eq!(machine(true).on(Event::Signal(&key)), one(Action::Forward(key.signal)));
        }
    }

    #[test]
    fn a_stop_is_not_an_end() {
        let ended = Status::from_raw(3 << 8);
        let mut init = machine(true);
        init.on(stopped(Signal::STOP, Foreground::Elsewhere));
        assert_eq!(
            init.on(Event::Child(Change::Ended(ended), Foreground::Elsewhere)),
            [None, Some(Action::End(ended))]
        );
    }
}
