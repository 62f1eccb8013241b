//! The loop that feeds the machine and does what it says.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::capture::Capture;
use super::machine::{Action, Event, Foreground, Machine, Role, Target};
use crate::command::ExecPlan;
use crate::command::launch::{self, Blocked, Inherited, Placement};
use crate::error::Error;
use crate::log::Log;
use crate::sys::process::{self, Handlers, Status, Wiring};
use crate::sys::signal::{self, Disposition, Received, Signal, SignalFd, SignalSet};
use crate::sys::tty::Terminal;
use crate::sys::{fd, ids};

/// The one owner of signals and of `waitpid` in this process, from its first instruction on.
///
/// It runs one child after another: the steps that prepare the container, then the command.
/// Between and during them orphans are reaped and no signal is lost.
pub(crate) struct Supervisor {
    signals: SignalFd,
    /// What came while there was no child to pass it on to.
    held: VecDeque<Received>,
    inherited: Inherited,
    terminal: Option<Terminal>,
    pid: i32,
    subreaper: Subreaper,
    log: Log,
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
}

/// How many children are reaped before the signals are looked at again, so that a flood of dying
/// orphans does not keep a SIGTERM waiting.
const REAPED_AT_ONCE: usize = 256;

/// How a child ended, and what the init was told meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub status: Status,
    /// The last signal that asked this process to end, if there was one.
    pub asked_to_end: Option<Signal>,
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

impl Supervisor {
    /// Takes over from a `main` that has blocked every signal.
    pub fn new(start: Start, log: Log) -> Result<Self, Error> {
        Self::with(start.inherited(), None, log)
    }

    /// For the library: blocks the signals, and gives the mask back when it is dropped.
    pub fn in_a_library() -> Result<Self, Error> {
        let blocked = Blocked::all();
        let inherited = Inherited { sigchld: signal::heed_children(), ..blocked.inherited() };
        Self::with(inherited, Some(blocked), Log::Silent)
    }

    fn with(inherited: Inherited, blocked: Option<Blocked>, log: Log) -> Result<Self, Error> {
        let signals = SignalFd::open().map_err(system("cannot open a signalfd"))?;
        let pid = ids::pid();
        let subreaper = Subreaper::become_unless(pid == 1, log);
        Ok(Self {
            signals,
            held: VecDeque::new(),
            inherited,
            terminal: Terminal::find(),
            pid,
            subreaper,
            log,
            _blocked: blocked,
        })
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
        while let Some(received) =
            self.signals.next().map_err(system("cannot read the signalfd"))?
        {
            self.held.push_back(received);
        }
        Ok(self.held.iter().map(|held| held.signal).find(|signal| asks_to_end(*signal)))
    }

    /// Starts `plan` and stays until it has ended.
    pub fn run(&mut self, plan: &ExecPlan, target: Target, stage: Stage) -> Result<Ended, Error> {
        let terminal =
            self.terminal.filter(|terminal| terminal.foreground() == Some(ids::process_group()));
        let placement = Placement::OwnGroup(terminal);
        let child = launch::spawn(plan, self.inherited, placement, Wiring::default())?;
        self.log.step(|| format!("started {:?} with pid {child}", plan.program()));
        let began = Instant::now();
        if stage == Stage::Command {
            self.let_go();
        }
        let ended = self.watch(child, target, Watch::default())?;
        self.log.step(|| {
            let (code, seconds) = (ended.status.code(), began.elapsed().as_secs_f64());
            format!("{:?} ended with {code} after {seconds:.3} s", plan.program())
        });
        // A process group that is gone would keep the terminal from whoever started us.
        if let Some(terminal) = self.terminal {
            if terminal.foreground() == Some(child) {
                terminal.set_foreground(ids::process_group());
            }
        }
        Ok(ended)
    }

    /// Starts `plan` as a step whose output is kept back, and stays until it has ended.
    ///
    /// Its group gets the signals, and once it is asked to end it has but a moment: the engine
    /// that stops the container waits. `keep` is a descriptor that it inherits.
    pub fn run_captured(
        &mut self,
        plan: &ExecPlan,
        capture: Option<&mut Capture>,
        keep: Option<BorrowedFd<'_>>,
    ) -> Result<Ended, Error> {
        let terminal =
            self.terminal.filter(|terminal| terminal.foreground() == Some(ids::process_group()));
        let wiring = Wiring {
            output: capture.as_ref().and_then(|capture| capture.descriptor()),
            keep: keep.map(|keep| keep.as_raw_fd()),
        };
        let child = launch::spawn(plan, self.inherited, Placement::OwnGroup(terminal), wiring)?;
        self.log.step(|| format!("started {:?} with pid {child}", plan.program()));
        let watch = Watch { capture, grace: Some(GRACE) };
        let ended = self.watch(child, Target::Group, watch)?;
        if let Some(terminal) = self.terminal {
            if terminal.foreground() == Some(child) {
                terminal.set_foreground(ids::process_group());
            }
        }
        Ok(ended)
    }

    /// Sleeps, at most for `duration`: less when a signal comes. Orphans are reaped meanwhile, and
    /// what is returned is the signal that asks this process to end, if there is one.
    pub fn pause(&mut self, duration: Duration) -> Result<Option<Signal>, Error> {
        let mut ready = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(duration).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut ready, timeout);
        for _ in 0..REAPED_AT_ONCE {
            if process::next_change().map_err(system("cannot wait for children"))?.is_none() {
                break;
            }
        }
        self.asked_to_end()
    }

    /// What is not needed while the command runs must not be kept busy: the working directory
    /// could not be unmounted, and a pipe that we hold open never ends for its reader.
    fn let_go(&self) {
        fd::close_inherited(self.signals.as_fd());
        let _ = std::env::set_current_dir("/");
    }

    fn watch(&mut self, child: i32, target: Target, mut watch: Watch<'_>) -> Result<Ended, Error> {
        let mut last_moment: Option<Instant> = None;
        let mut machine = Machine::new(Role { pid1: self.pid == 1, pid: self.pid, target });
        let mut asked_to_end = None;
        loop {
            while let Some(received) = self.next_signal()? {
                if asks_to_end(received.signal) {
                    asked_to_end = Some(received.signal);
                    if let Some(grace) = watch.grace.take() {
                        last_moment = Instant::now().checked_add(grace);
                    }
                }
                for action in machine.on(Event::Signal(received)).into_iter().flatten() {
                    self.act(action, child, target);
                }
            }
            let mut more = true;
            for _ in 0..REAPED_AT_ONCE {
                let Some((pid, change)) =
                    process::next_change().map_err(system("cannot wait for children"))?
                else {
                    more = false;
                    break;
                };
                if pid != child {
                    continue;
                }
                let event = Event::Child(change, self.foreground(child));
                for action in machine.on(event).into_iter().flatten() {
                    if let Action::End(status) = action {
                        if let Some(capture) = &mut watch.capture {
                            capture.read();
                        }
                        return Ok(Ended { status, asked_to_end });
                    }
                    self.act(action, child, target);
                }
            }
            if more {
                continue;
            }
            let timeout = match last_moment {
                None => PollTimeout::NONE,
                Some(moment) => {
                    let left = moment.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        last_moment = None;
                        self.log.step(|| format!("killing the group of {child}"));
                        let _ = signal::send(signal::Target::Group(child), Signal::KILL);
                        let _ = signal::send(signal::Target::Process(child), Signal::KILL);
                    }
                    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
                }
            };
            // An error (EINTR, or no memory for a moment) is no reason for an init to leave.
            let signals = PollFd::new(self.signals.as_fd(), PollFlags::POLLIN);
            match &mut watch.capture {
                None => {
                    let _ = poll(&mut [signals], timeout);
                }
                Some(capture) => {
                    let output = capture.reader();
                    let _ = match output {
                        Some(output) => {
                            let output = PollFd::new(output, PollFlags::POLLIN);
                            poll(&mut [signals, output], timeout)
                        }
                        None => poll(&mut [signals], timeout),
                    };
                    capture.read();
                }
            }
        }
    }

    fn next_signal(&mut self) -> Result<Option<Received>, Error> {
        match self.held.pop_front() {
            Some(received) => Ok(Some(received)),
            None => self.signals.next().map_err(system("cannot read the signalfd")),
        }
    }

    fn foreground(&self, child: i32) -> Foreground {
        match self.terminal.and_then(Terminal::foreground) {
            Some(group) if group == child => Foreground::Child,
            Some(group) if group == ids::process_group() => Foreground::Own,
            _ => Foreground::Elsewhere,
        }
    }

    fn act(&self, action: Action, child: i32, target: Target) {
        match action {
            Action::Forward(received) => {
                self.log.step(|| format!("forwarding {} to {child}", received.signal));
                forward(received, child, target);
            }
            Action::Continue => {
                let _ = signal::send(signal::Target::Group(child), Signal::CONT);
                if ids::process_group_of(child) != Some(child) {
                    let _ = signal::send(signal::Target::Process(child), Signal::CONT);
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
                self.log.step(|| format!("{child} was stopped, stopping too"));
                signal::stop_self(signal, stop);
            }
            // The loop's own.
            Action::End(_) => {}
        }
    }
}

/// How a child is watched, apart from its signals.
#[derive(Default)]
struct Watch<'a> {
    /// Reads its output.
    capture: Option<&'a mut Capture>,
    /// How long it may take to end once it was asked to; for ever without.
    grace: Option<Duration>,
}

/// How long a step may take to end: its container is to be gone within a second.
const GRACE: Duration = Duration::from_millis(700);

impl Drop for Supervisor {
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
    let waiting = signal::pending();
    let asked = ENDING.into_iter().find(|signal| waiting.contains(*signal));
    match asked {
        Some(signal) if ids::pid() == 1 => Ok(signal),
        _ => Err(launch::exec(plan, inherited)),
    }
}

/// Whether this process has made itself a child subreaper (PR_SET_CHILD_SUBREAPER(2const)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subreaper {
    Made,
    /// It is PID 1, or was one already, or the kernel does not know them.
    NotMade,
}

impl Subreaper {
    fn become_unless(pid1: bool, log: Log) -> Self {
        if pid1 || ids::is_subreaper() {
            return Self::NotMade;
        }
        match ids::set_subreaper(true) {
            Ok(()) => Self::Made,
            // Orphans go to another init then, and nothing else is lost: no error.
            Err(errno) => {
                log.step(|| format!("cannot become a subreaper: {errno}"));
                Self::NotMade
            }
        }
    }

    /// It would stay through execve, and a program that does not reap would collect zombies.
    fn undo(self) {
        if self == Self::Made {
            let _ = ids::set_subreaper(false);
        }
    }
}

/// The signals by which a person or an engine tells a program to end.
const ENDING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

fn asks_to_end(signal: Signal) -> bool {
    ENDING.contains(&signal)
}

fn forward(received: Received, child: i32, target: Target) {
    let signal = received.signal;
    let process = signal::Target::Process(child);
    // An error means that the child is gone, which the next look at our children tells.
    let _ = match (target, received.value) {
        (Target::Child, Some(value)) => signal::queue(child, signal, value)
            // The queue of the user is full (RLIMIT_SIGPENDING): without its value then.
            .or_else(|_| signal::send(process, signal)),
        (Target::Child, None) => signal::send(process, signal),
        // The child may have left its group by setsid, and taken it out of being with it.
        (Target::Group, _) => signal::send(signal::Target::Group(child), signal)
            .or_else(|_| signal::send(process, signal)),
    };
}

fn system(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::System { what, source: io::Error::from(errno) }
}
