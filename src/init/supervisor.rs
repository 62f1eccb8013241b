//! The loop that feeds the machine and does what it says.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::capture::Capture;
use super::crowd::Crowd;
use super::limits::{Clock, Due, Limits};
use super::machine::{Action, Actions, Event, Foreground, Machine, Main, Role};
use super::policy::{End, Policy, Stops, Target};
use super::voice::{Fact, Tells, Voice};
use crate::command::ExecPlan;
use crate::command::launch::{self, Blocked, Inherited, Placement, Prepared};
use crate::error::Error;
use crate::log::Log;
use crate::sys::process::{self, Change, Failure, Group, Handlers, Status, Wiring};
use crate::sys::signal::{self, Disposition, Received, Signal, SignalFd, SignalSet};
use crate::sys::tty::{self, Terminal};
use crate::sys::{fd, ids, memory};

/// The one owner of signals and of `waitpid` in this process, from its first instruction on.
///
/// It runs one child after another: the steps that prepare the container, then the command.
/// Between and during them orphans are reaped and no signal is lost.
pub(crate) struct Supervisor<'v> {
    /// What came while there was no child to pass it on to.
    held: VecDeque<Received>,
    inherited: Inherited,
    terminal: Option<Terminal>,
    /// Whom the child was started as, if not as us.
    user: Option<u32>,
    pid: i32,
    subreaper: Subreaper,
    /// See [`let_go_of_terminal`](Self::let_go_of_terminal).
    swallow: SignalSet,
    voice: &'v dyn Voice,
    tells: Tells,
    /// Restores the mask of a process that is not ours alone.
    _blocked: Option<Blocked>,
}

/// Which child it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// One after which there is more to do here.
    Step,
    /// The command: from here on this process only waits.
    Command,
    /// A command of the library's, whose host goes on after it.
    Hosted,
}

/// Whether orphans among its descendants come to this process even when it is not PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopt {
    Orphans,
    /// What it is already stays as it is.
    Nobody,
}

/// Why no child was looked after to its end.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It was not started.
    Start(Failure),
    /// Something that the kernel never refuses was refused.
    System(Error),
}

/// How many children are reaped before the signals are looked at again, so that a flood of dying
/// orphans does not keep a SIGTERM waiting.
const REAPED_AT_ONCE: usize = 256;

/// How many signals are handled before the children are looked at without a SIGCHLD, so that a flood of
/// signals, of which those with lower numbers come first, does not keep the end of the command from being
/// seen.
const HANDLED_AT_ONCE: u32 = 256;

/// What makes this process look at its children.
const OF_CHILDREN: Received =
    Received { signal: Signal::CHLD, sender: 0, value: None, by_kernel: true };

/// How many signals are kept for the command while a step runs.
const KEPT: usize = 1024;

/// How a child ended, and what the init was told meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub status: Status,
    /// The last signal that asked this process to end, if there was one.
    pub asked_to_end: Option<Signal>,
    /// Whether its time was up before it ended.
    pub timed_out: bool,
}

/// What this process was started with, taken by the first lines of `main`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    mask: SignalSet,
}

impl Start {
    /// Blocks every signal. A signal that reaches PID 1 while it is neither blocked nor handled is
    /// dropped by the kernel, so this comes before anything else.
    pub fn block() -> Self {
        let mask = signal::set_mask(SignalSet::ALL);
        fd::reserve_standard();
        Self { mask }
    }

    /// For a tool that is no init: signals act as they did before.
    pub fn unblock(self) {
        signal::set_mask(self.mask);
    }

    /// What a program inherits that replaces this process.
    pub fn inherited(self) -> Inherited {
        Inherited {
            mask: self.mask,
            // The child gets back what we were given.
            sigchld: signal::heed_children(),
            handlers: Handlers::None,
        }
    }
}

impl<'v> Supervisor<'v> {
    /// Takes over from a `main` that has blocked every signal.
    pub fn new(start: Start, log: Log) -> Self {
        Self::of(start, Adopt::Orphans, log.voice(), log.tells())
    }

    /// The same for an init of another kind.
    pub fn of(start: Start, adopt: Adopt, voice: &'v dyn Voice, tells: Tells) -> Self {
        Self::with(start.inherited(), None, adopt, voice, tells)
    }

    /// For the library: blocks the signals, and gives the mask back when it is dropped.
    pub fn in_a_library() -> Self {
        let blocked = Blocked::all();
        let inherited = Inherited { sigchld: signal::heed_children(), ..blocked.inherited() };
        Self::with(inherited, Some(blocked), Adopt::Orphans, &Log::Silent, Tells::Trouble)
    }

    fn with(
        inherited: Inherited,
        blocked: Option<Blocked>,
        adopt: Adopt,
        voice: &'v dyn Voice,
        tells: Tells,
    ) -> Self {
        let mut supervisor = Self {
            held: VecDeque::new(),
            inherited,
            terminal: Terminal::find(),
            user: None,
            pid: ids::pid(),
            subreaper: Subreaper::NotMade,
            swallow: SignalSet::NONE,
            voice,
            tells,
            _blocked: blocked,
        };
        if adopt == Adopt::Orphans && supervisor.pid != 1 {
            supervisor.become_subreaper();
        }
        supervisor
    }

    /// Puts a step into words, if there are any for it. The voice of an init that says nothing is a page
    /// that need not be there.
    #[inline(always)]
    fn tell<'f>(&self, step: impl FnOnce() -> Fact<'f>) {
        if self.tells == Tells::Steps {
            self.voice.tell(step());
        }
    }

    fn become_subreaper(&mut self) {
        if ids::is_subreaper() {
            return;
        }
        let result = ids::set_subreaper(true);
        if result.is_err() || self.tells == Tells::Steps {
            self.voice.tell(Fact::Adopting(result));
        }
        // Where that failed, orphans go to another init, and nothing else is lost: no error.
        if result.is_ok() {
            self.subreaper = Subreaper::Made;
        }
    }

    /// Lets go of the controlling terminal, so that a child in a session of its own can have it.
    ///
    /// Where this process leads the session, the kernel sends it SIGHUP and SIGCONT for that at
    /// once, and the first of each that is read is dropped. One that was there before stands for
    /// both, and is not.
    pub fn let_go_of_terminal(&mut self) {
        let leader = ids::leads_session();
        let before = signal::pending();
        let result = tty::let_go();
        if leader && result.is_ok() {
            let sent = SignalSet::of(Signal::HUP).or(SignalSet::of(Signal::CONT));
            self.swallow = signal::pending().minus(before).both(sent);
        }
        self.terminal = None;
        self.tell(|| Fact::LettingGo(result, leader));
    }

    /// Replaces this process by `plan`; returns only when that failed, or when this process was
    /// asked to end before it could.
    pub fn exec(mut self, plan: &ExecPlan) -> Result<Signal, Error> {
        if let Some(signal) = self.asked_to_end()? {
            return Ok(signal);
        }
        self.subreaper.undo();
        exec(plan, self.inherited)
    }

    /// Whether this process was asked to end while it had no child to pass that on to.
    ///
    /// All that has come is kept for the child that comes next.
    pub fn asked_to_end(&mut self) -> Result<Option<Signal>, Error> {
        while self.hold_next(Some(Duration::ZERO))? {}
        Ok(self.held.iter().map(|held| held.signal).find(|signal| asks_to_end(*signal)))
    }

    /// Starts `plan` and stays until it has ended.
    pub fn run(&mut self, plan: &ExecPlan, target: Target, stage: Stage) -> Result<Ended, Error> {
        self.run_by(plan, &Policy::ours(target), stage)
    }

    /// The same, by the rules of `policy`.
    pub fn run_by(
        &mut self,
        plan: &ExecPlan,
        policy: &Policy,
        stage: Stage,
    ) -> Result<Ended, Error> {
        let prepared = Prepared::of_plan(plan)?;
        self.supervise(&prepared, policy, stage).map_err(|failed| failed.of(plan))
    }

    /// Starts `plan` as the command, and stays until it has ended. The plan is gone by then: the wait may
    /// last for years.
    pub fn run_command(&mut self, plan: ExecPlan, policy: &Policy) -> Result<Ended, Error> {
        let (started, name) = self.start_command(plan, policy)?;
        self.see_through(started, &name, Watch::at(Stage::Command))
    }

    fn start_command(
        &mut self,
        plan: ExecPlan,
        policy: &Policy,
    ) -> Result<(Child, OsString), Error> {
        let prepared = Prepared::of_plan(&plan)?;
        let started = self.start(&prepared, policy, Stage::Command);
        let started = started.map_err(|failed| failed.of(&plan))?;
        // For nobody else is it kept.
        let name = if self.tells == Tells::Steps { prepared.name() } else { OsStr::new("") };
        Ok((started, name.to_owned()))
    }

    /// Starts `plan` as a step of which something is expected, and stays until it has ended.
    ///
    /// Its group gets the signals. Once it is asked to end it has but a moment, because whoever
    /// stops the container waits for it. Its output goes to `capture`, if there is one, and it
    /// inherits the descriptor `keep`.
    pub fn run_step(
        &mut self,
        plan: &ExecPlan,
        capture: Option<&mut Capture>,
        keep: Option<BorrowedFd<'_>>,
    ) -> Result<Ended, Error> {
        let wiring = Wiring {
            output: capture.as_ref().map(|capture| capture.descriptor()),
            keep: keep.map(|keep| keep.as_raw_fd()),
        };
        let prepared = Prepared::of_plan(plan)?.wired(wiring);
        let bell = match &capture {
            Some(_) => Some(SignalFd::open().map_err(system("cannot open a signalfd"))?),
            None => None,
        };
        let watch = Watch { stage: Stage::Step, capture, bell };
        let limits = Limits { time: None, grace: Some(GRACE) };
        let policy = Policy { limits, ..Policy::ours(Target::Group) };
        self.look_after(&prepared, &policy, watch).map_err(|failed| failed.of(plan))
    }

    /// Sleeps, at most for `duration`: less when a signal comes. Orphans are reaped meanwhile, and
    /// what is returned is the signal that asks this process to end, if there is one.
    pub fn sleep(&mut self, duration: Duration) -> Result<Option<Signal>, Error> {
        self.hold_next(Some(duration))?;
        for _ in 0..REAPED_AT_ONCE {
            if process::next_change().map_err(cannot_reap)?.is_none() {
                break;
            }
        }
        self.asked_to_end()
    }

    /// Starts `program` and stays until it has ended, by the rules of `policy`.
    pub fn supervise(
        &mut self,
        program: &Prepared<'_>,
        policy: &Policy,
        stage: Stage,
    ) -> Result<Ended, Failed> {
        self.look_after(program, policy, Watch::at(stage))
    }

    fn look_after(
        &mut self,
        program: &Prepared<'_>,
        policy: &Policy,
        watch: Watch<'_>,
    ) -> Result<Ended, Failed> {
        let started = self.start(program, policy, watch.stage)?;
        self.see_through(started, program.name(), watch).map_err(Failed::System)
    }

    /// Starts it.
    fn start(
        &mut self,
        program: &Prepared<'_>,
        policy: &Policy,
        stage: Stage,
    ) -> Result<Child, Failed> {
        let group = self.group(policy.group);
        let terminal = self
            .terminal
            .filter(|terminal| terminal.foreground() == Some(ids::process_group()))
            .filter(|_| group == Group::Own);
        let placement = Placement { group, foreground: terminal };
        let started = match program.spawn(self.inherited, placement) {
            Ok(started) => started,
            Err(failure) => {
                if let Some(terminal) = terminal {
                    terminal.set_foreground(ids::process_group());
                }
                return Err(Failed::Start(failure));
            }
        };
        self.user = program.user();
        let (program, pid) = (program.name(), started.pid);
        let session = (policy.group == Group::Session).then_some(started.terminal);
        self.tell(|| Fact::Started { program, pid, session });
        if stage == Stage::Command {
            self.let_go();
        }
        Ok(Child { pid, policy: Policy { group, ..*policy } })
    }

    /// Stays until it has ended.
    fn see_through(
        &mut self,
        Child { pid, policy }: Child,
        program: &OsStr,
        watch: Watch<'_>,
    ) -> Result<Ended, Error> {
        let stage = watch.stage;
        let ended = self.stay(pid, program, &policy, watch)?;
        let at_end = self.foreground(pid);
        self.take_terminal_back(pid);
        match ended.status.signal() {
            // The terminal's key was for the whole job: a script that started us is to end as well,
            // and does if it had the signal and sees that we died of it.
            Some(signal @ (Signal::INT | Signal::QUIT))
                if stage == Stage::Command
                    && policy.stops == Stops::WithTheChild
                    && self.pid != 1
                    && at_end == Foreground::Child =>
            {
                signal::die_with_group(signal);
            }
            _ => {}
        }
        Ok(ended)
    }

    /// The process group for the child. Where our own is outside of our PID namespace, as under
    /// `unshare --pid` in a terminal, the terminal cannot be handed to another and taken back, and a
    /// group in the background would be stopped by its first read: the child stays in ours.
    fn group(&self, wanted: Group) -> Group {
        match self.terminal {
            Some(_) if wanted == Group::Own && ids::process_group() == 0 => Group::Inherited,
            _ => wanted,
        }
    }

    /// A process group that is gone would keep the terminal from whoever started us, and from the
    /// step that comes next.
    fn take_terminal_back(&self, child: i32) {
        let Some(terminal) = self.terminal else { return };
        let Some(group) = terminal.foreground() else { return };
        if group == child || signal::is_gone(signal::Target::Group(group)) {
            terminal.set_foreground(ids::process_group());
        }
    }

    /// Does `work` of our own in a child, and stays until it has ended with the code that `work`
    /// returned. This process answers signals and reaps orphans meanwhile, however long a name
    /// takes to resolve; a signal that asks to end ends the child, whatever it is at.
    ///
    /// The child is in our process group: Ctrl-C reaches both. `name` is for the log.
    pub fn run_own(&mut self, name: &str, work: impl FnOnce() -> u8) -> Result<Ended, Error> {
        if self._blocked.is_some() {
            return Err(Error::internal("a process with threads cannot go on in a child"));
        }
        let child = process::fork(|| {
            // What was ignored by whoever started us must still end our own work.
            for signal in ENDING {
                signal::set_disposition(signal, Disposition::Default);
            }
            // A closed pipe or a full disk is an error to report.
            let heard = [&ENDING[..], &[Signal::TSTP, Signal::TTIN, Signal::TTOU]].concat();
            signal::set_mask(SignalSet::ALL.without(&heard));
            work()
        })
        .map_err(system("cannot fork"))?;
        self.user = None;
        let name = OsStr::new(name);
        self.tell(|| Fact::Started { program: name, pid: child, session: None });
        let policy = Policy { group: Group::Inherited, ..Policy::ours(Target::Child) };
        self.stay(child, name, &policy, Watch::at(Stage::Step))
    }

    /// Watches a child until it has ended.
    fn stay(
        &mut self,
        child: i32,
        program: &OsStr,
        policy: &Policy,
        watch: Watch<'_>,
    ) -> Result<Ended, Error> {
        let timed = self.tells == Tells::Steps && self.voice.wants_times();
        let began = timed.then(Instant::now);
        let ended = self.watch(Some(child), policy, watch)?;
        let after = began.map(|began| began.elapsed()).unwrap_or_default();
        self.tell(|| Fact::Ended { program, status: ended.status, after });
        Ok(ended)
    }

    /// Has no child of its own, and reaps orphans until it is told to end.
    pub fn pause(&mut self) -> Result<Ended, Error> {
        self.let_go();
        self.watch(None, &Policy::ours(Target::Child), Watch::at(Stage::Command))
    }

    /// What is not needed while the command runs must not be kept busy: the working directory
    /// could not be unmounted, and a pipe that we hold open never ends for its reader.
    fn let_go(&self) {
        fd::close_inherited();
        let _ = std::env::set_current_dir("/");
    }

    fn watch(
        &mut self,
        child: Option<i32>,
        policy: &Policy,
        watch: Watch<'_>,
    ) -> Result<Ended, Error> {
        let mut later = VecDeque::new();
        let ended = self.attend(child, policy, watch, &mut later);
        self.held.append(&mut later);
        ended
    }

    fn attend(
        &mut self,
        child: Option<i32>,
        policy: &Policy,
        mut watch: Watch<'_>,
        later: &mut VecDeque<Received>,
    ) -> Result<Ended, Error> {
        let role = Role {
            pid1: self.pid == 1,
            pid: self.pid,
            main: child.map_or(Main::Nothing, |_| Main::Child),
            shares_group: policy.group == Group::Inherited && policy.stops == Stops::WithTheChild,
            swallow: self.swallow,
        };
        let mut machine = Machine::new(role, *policy);
        let limited = policy.limits != Limits::NONE;
        let mut clock = Clock::new(policy.limits, Instant::now);
        let mut idle = Idle::new(watch.stage);
        let (mut asked_to_end, mut timed_out) = (None, false);
        let mut crowd = Crowd::default();
        // At first, and wherever a look has left some: children may have ended of which no SIGCHLD is to
        // come. They are looked at once all signals that wait are handled. In a crowd a little later.
        let (mut again, mut look, mut unseen) = (Some(Duration::ZERO), false, 0);
        loop {
            if look {
                let (reaped, status) = self.reap(&mut machine, child, policy)?;
                if let Some(status) = status {
                    return Ok(Ended { status, asked_to_end, timed_out });
                }
                let rested = again == Some(Crowd::REST);
                again = match reaped {
                    REAPED_AT_ONCE => Some(Duration::ZERO),
                    _ => crowd.rest_after(reaped, rested),
                };
                (look, unseen) = (false, 0);
            }
            let next = if let Some(received) = self.held.pop_front() {
                Some(received)
            } else {
                let (mut set, mut patience) = (SignalSet::ALL, again);
                if again.is_some() {
                    // They are looked at again whether it comes or not, and it would come before others
                    // in a flood that does not end.
                    set = set.minus(SignalSet::of(Signal::CHLD));
                } else if !idle.settled || limited {
                    patience = idle.patience(clock.next());
                }
                if let (Some(bell), Some(capture)) = (&watch.bell, &mut watch.capture) {
                    // The bell rings for a SIGCHLD too: no rest is long here.
                    wait_for_either(bell, capture, patience);
                    patience = Some(Duration::ZERO);
                }
                let next = signal::next(set, patience).map_err(cannot_wait)?;
                if !idle.settled && again.is_none() {
                    idle.woken(next.is_some());
                }
                next
            };
            // One SIGCHLD may stand for many of them. Without one they are left alone: a signal that came
            // before the child ended is to be handled before that is seen.
            unseen += 1;
            if next.is_some() {
                // It ends a rest: those that come again and again would make that a long one.
                again = again.map(|_| Duration::ZERO);
            }
            match &next {
                Some(received) if received.signal == Signal::CHLD => look = true,
                Some(received)
                    if watch.stage == Stage::Step && is_for_the_command(received.signal) =>
                {
                    let kept = later.len() < KEPT;
                    later.extend(kept.then_some(*received));
                }
                Some(received) => {
                    if limited {
                        clock.hear(received.signal, Instant::now());
                    }
                    if asks_to_end(received.signal) {
                        asked_to_end = Some(received.signal);
                    }
                    if let Some(status) = self.hear(received, &mut machine, child, policy.target) {
                        return Ok(Ended { status, asked_to_end, timed_out });
                    }
                }
                None => look = again.is_some(),
            }
            look |= unseen >= HANDLED_AT_ONCE;
            // Whatever came: a flood of signals stops no clock.
            let due =
                if limited { clock.next().and_then(|_| clock.due(Instant::now())) } else { None };
            if let (Some(due), Some(child)) = (due, child) {
                timed_out |= due == Due::Tell;
                self.enforce(due, child, policy);
            }
        }
    }

    /// Handles a signal other than SIGCHLD: the status if this is the end.
    #[inline(never)]
    fn hear(
        &self,
        received: &Received,
        machine: &mut Machine,
        child: Option<i32>,
        target: Target,
    ) -> Option<Status> {
        self.tell(|| Fact::Received(received.signal));
        let actions = machine.on(Event::Signal(received));
        self.act(actions, received, child, target)
    }

    /// Looks at what happened to our children: how many changes there were, and the status if this is the
    /// end. There may be more where there were [`REAPED_AT_ONCE`].
    fn reap(
        &self,
        machine: &mut Machine,
        child: Option<i32>,
        policy: &Policy,
    ) -> Result<(usize, Option<Status>), Error> {
        let mut end = None;
        for reaped in 0..REAPED_AT_ONCE {
            let Some((pid, change)) = process::next_change().map_err(cannot_reap)? else {
                return Ok((reaped, end));
            };
            if reaped == 0 {
                self.tell(|| Fact::Children);
            }
            let main = Some(pid) == child;
            if let Change::Ended(status) = change {
                self.tell(|| Fact::Reaped { pid, status, main });
            }
            if !main {
                continue;
            }
            let actions = machine.on(Event::Child(change, self.foreground(pid)));
            end = self.act(actions, &OF_CHILDREN, child, policy.target).or(end);
            if end.is_some() && policy.end != End::Reap {
                break;
            }
        }
        Ok((REAPED_AT_ONCE, end))
    }

    /// To the whole group: what the child has started must not outlive it.
    fn enforce(&self, due: Due, child: i32, policy: &Policy) {
        let signal = match due {
            Due::Tell => policy.rewrites.of(Signal::TERM).unwrap_or(Signal::TERM),
            Due::Kill => Signal::KILL,
        };
        self.tell(|| Fact::Forwarding { signal, pid: child });
        let group = signal::send(signal::Target::Group(child), signal);
        if group.is_err() || ids::process_group_of(child) != Some(child) {
            let _ = signal::send(signal::Target::Process(child), signal);
        }
        // A stopped one would keep what is not SIGKILL until it is continued.
        let _ = signal::send(signal::Target::Group(child), Signal::CONT);
    }

    /// Keeps the next signal for the child that comes next; whether there was one.
    fn hold_next(&mut self, patience: Option<Duration>) -> Result<bool, Error> {
        let next = signal::next(SignalSet::ALL, patience).map_err(cannot_wait)?;
        self.held.extend(next);
        Ok(next.is_some())
    }

    fn foreground(&self, child: i32) -> Foreground {
        match self.terminal.and_then(Terminal::foreground) {
            Some(group) if group == child => Foreground::Child,
            Some(group) if group == ids::process_group() => Foreground::Own,
            _ => Foreground::Elsewhere,
        }
    }

    /// Does what the machine says of `cause`, in order; how it ended, if this is the end.
    fn act(
        &self,
        [first, second]: Actions,
        cause: &Received,
        child: Option<i32>,
        target: Target,
    ) -> Option<Status> {
        let first = first.and_then(|action| self.act_on(child, action, cause, target));
        let second = second.and_then(|action| self.act_on(child, action, cause, target));
        first.or(second)
    }

    fn act_on(
        &self,
        child: Option<i32>,
        action: Action,
        cause: &Received,
        target: Target,
    ) -> Option<Status> {
        if let Action::End(status) = action {
            return Some(status);
        }
        let child = child?;
        match action {
            Action::Forward(signal) => {
                let value = cause.value.filter(|_| signal == cause.signal);
                if signal != cause.signal {
                    self.tell(|| Fact::Rewritten { from: cause.signal, to: signal });
                }
                self.forward(signal, value, child, target);
                self.tell(|| Fact::Forwarding { signal, pid: child });
            }
            Action::Withhold(signal) => self.tell(|| Fact::Withheld(signal)),
            Action::Swallow(signal) => self.tell(|| Fact::Swallowed(signal)),
            Action::SendToGroup(signal) => {
                // An error means that nobody is left in it.
                let _ = self.send(signal::Target::Group(child), signal);
                self.tell(|| Fact::Forwarding { signal, pid: child });
            }
            Action::Continue => {
                let _ = self.send(signal::Target::Group(child), Signal::CONT);
                if ids::process_group_of(child) != Some(child) {
                    let _ = self.send(signal::Target::Process(child), Signal::CONT);
                }
            }
            Action::HandForeground => {
                if self.foreground(child) == Foreground::Own {
                    if let Some(terminal) = self.terminal {
                        terminal.set_foreground(child);
                    }
                }
            }
            Action::StopSelf(signal, stop) => {
                self.tell(|| Fact::Stopping { pid: child });
                signal::stop_self(signal, stop);
                // A stop takes away every CONT that waited before it, so that one that waits now
                // has continued us, and does so for the child when it is read. Without it the kernel
                // has stopped nobody: no shell is there to continue us, nor the child. What runs
                // without an init in between is not stopped there either (setpgid(2)).
                if signal == Signal::TSTP && !signal::pending().contains(Signal::CONT) {
                    self.act_on(Some(child), Action::Continue, cause, target);
                }
            }
            // Looked at above.
            Action::End(_) => {}
        }
        None
    }

    fn forward(&self, signal: Signal, value: Option<u64>, child: i32, target: Target) {
        let process = signal::Target::Process(child);
        let result = match (target, value) {
            (Target::Child, Some(value)) => self
                .permitted(|| signal::queue(child, signal, value))
                // The queue of the user is full (RLIMIT_SIGPENDING): without its value then.
                .or_else(|_| self.send(process, signal)),
            (Target::Child, None) => self.send(process, signal),
            // The child may have left its group by setsid, and taken it out of being with it.
            (Target::Group, _) => self
                .send(signal::Target::Group(child), signal)
                .or_else(|_| self.send(process, signal)),
        };
        // Any other error means that the child is gone, which the next look at our children tells.
        if result == Err(Errno::EPERM) {
            self.voice.tell(Fact::Deaf { pid: child });
        }
    }

    fn send(&self, target: signal::Target, signal: Signal) -> Result<(), Errno> {
        self.permitted(|| signal::send(target, signal))
    }

    /// Signals to another user's process take CAP_KILL (kill(2)). A container that was given the
    /// capabilities to change the user and no other lacks it: then we send as that user.
    fn permitted(&self, send: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        match (send(), self.user) {
            (Err(Errno::EPERM), Some(user)) => ids::with_real_user(user, send)?,
            (result, _) => result,
        }
    }
}

/// A child that runs.
struct Child {
    pid: i32,
    /// Its group is the one that it came to be in.
    policy: Policy,
}

/// How a child is watched, apart from its policy.
struct Watch<'a> {
    stage: Stage,
    /// Reads its output.
    capture: Option<&'a mut Capture>,
    /// Where there is output to wait for besides signals.
    bell: Option<SignalFd>,
}

impl Watch<'_> {
    fn at(stage: Stage) -> Self {
        Self { stage, capture: None, bell: None }
    }
}

/// Whether the wait has begun that may last for years, and what the start has used of memory was given
/// back for it.
#[derive(Debug)]
struct Idle {
    settled: bool,
    wakes: u32,
}

impl Idle {
    /// How long a command is left in peace before that: a short one is not to pay for it.
    const SETTLING: Duration = Duration::from_secs(1);

    /// After how many wake-ups a command is no longer starting, however busy it is.
    const BUSY: u32 = 32;

    fn new(stage: Stage) -> Self {
        Self { settled: stage != Stage::Command, wakes: 0 }
    }

    /// How long to wait for a signal, if something else is to be done `next`.
    fn patience(&self, next: Option<Instant>) -> Option<Duration> {
        match next {
            None if !self.settled => Some(Self::SETTLING),
            next => next.map(|next| next.saturating_duration_since(Instant::now())),
        }
    }

    /// A wait is over before it has settled, because a signal came or not.
    #[cold]
    #[inline(never)]
    fn woken(&mut self, by_signal: bool) {
        self.wakes += 1;
        if !by_signal || self.wakes == Self::BUSY {
            self.settled = true;
            memory::give_back();
        }
    }
}

/// How long an installation may take to end: its container is to be gone within a second.
const GRACE: Duration = Duration::from_millis(600);

impl Failed {
    fn of(self, plan: &ExecPlan) -> Error {
        match self {
            Self::Start(failure) => launch::explain(plan, failure),
            Self::System(error) => error,
        }
    }
}

impl Drop for Supervisor<'_> {
    /// A process that is not ours alone goes on as it was.
    fn drop(&mut self) {
        if self._blocked.is_some() && self.inherited.sigchld == Disposition::Ignored {
            signal::set_disposition(Signal::CHLD, Disposition::Ignored);
        }
    }
}

/// Replaces this process by `plan`, which is all there is to do.
///
/// As PID 1 a signal that waits now would be dropped by the kernel as soon as it is unblocked, so
/// one that asks to end is obeyed here and returned.
pub(crate) fn exec(plan: &ExecPlan, inherited: Inherited) -> Result<Signal, Error> {
    match asked_before_exec() {
        Some(signal) => Ok(signal),
        None => Err(launch::exec(plan, inherited)),
    }
}

/// The signal that asks PID 1 to end and would be lost by execve, if there is one.
pub(crate) fn asked_before_exec() -> Option<Signal> {
    if ids::pid() != 1 {
        return None;
    }
    let waiting = signal::pending();
    ENDING.into_iter().find(|signal| waiting.contains(*signal))
}

/// Whether this process has made itself a child subreaper (PR_SET_CHILD_SUBREAPER(2const)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subreaper {
    Made,
    /// It is PID 1, or was one already, or the kernel does not know them.
    NotMade,
}

impl Subreaper {
    /// It would stay through execve, and a program that does not reap would collect zombies.
    fn undo(self) {
        if self == Self::Made {
            let _ = ids::set_subreaper(false);
        }
    }
}

/// The signals by which a person or an engine tells a program to end.
const ENDING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

pub(crate) fn asks_to_end(signal: Signal) -> bool {
    const { SignalSet::of_all(&ENDING) }.contains(signal)
}

/// What a step has nothing to do with, and would die of: a USR1, a realtime signal.
fn is_for_the_command(signal: Signal) -> bool {
    const FOR_THE_STEP: SignalSet = SignalSet::of_all(&[
        Signal::CHLD,
        Signal::CONT,
        Signal::TSTP,
        Signal::TTIN,
        Signal::TTOU,
        Signal::WINCH,
    ])
    .or(SignalSet::of_all(&ENDING));
    !FOR_THE_STEP.contains(signal)
}

/// Waits until a signal has come or `capture` has something to take, which is taken.
fn wait_for_either(bell: &SignalFd, capture: &mut Capture, patience: Option<Duration>) {
    // Rounded up: a millisecond too early would be a turn of the loop for nothing.
    let millis = |patience: Duration| i32::try_from(patience.as_micros().div_ceil(1000)).ok();
    let timeout = match patience {
        None => PollTimeout::NONE,
        // Longer than poll can wait: then it wakes up once in between.
        Some(patience) => {
            millis(patience).and_then(|millis| millis.try_into().ok()).unwrap_or(PollTimeout::MAX)
        }
    };
    let signals = PollFd::new(bell.as_fd(), PollFlags::POLLIN);
    // An error (EINTR, or no memory for a moment) is no reason for an init to leave.
    let _ = match capture.reader() {
        Some(output) => poll(&mut [signals, PollFd::new(output, PollFlags::POLLIN)], timeout),
        None => poll(&mut [signals], timeout),
    };
    capture.read();
}

#[cold]
fn cannot_reap(errno: Errno) -> Error {
    system("cannot wait for children")(errno)
}

#[cold]
fn cannot_wait(errno: Errno) -> Error {
    system("cannot wait for signals")(errno)
}

fn system(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::System { what, source: io::Error::from(errno) }
}
