//! The loop that feeds the machine and does what it says.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::machine::{Action, Event, Foreground, Machine, Role, Target};
use crate::command::ExecPlan;
use crate::command::launch::{self, Blocked, Inherited, Placement};
use crate::error::Error;
use crate::log::Log;
use crate::sys::process::{self, Handlers, Status};
use crate::sys::signal::{self, Disposition, Received, Signal, SignalFd, SignalSet};
use crate::sys::tty::Terminal;
use crate::sys::{fd, ids};
use crate::user::Credentials;

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
    /// Whom the child was started as, if not as us.
    user: Option<u32>,
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
            user: None,
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
        let child = launch::spawn(plan, self.inherited, Placement::OwnGroup(terminal))?;
        self.user = plan.credentials().map(Credentials::uid);
        if stage == Stage::Command {
            self.let_go();
        }
        let ended = self.stay(child, &plan.program().to_string_lossy(), target)?;
        // A process group that is gone would keep the terminal from whoever started us.
        if let Some(terminal) = self.terminal {
            if terminal.foreground() == Some(child) {
                terminal.set_foreground(ids::process_group());
            }
        }
        Ok(ended)
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
            // What else is forwarded (USR1, ALRM) is meant for the command, and must not kill this;
            // and a closed pipe or a full disk is an error to report.
            let heard = [&ENDING[..], &[Signal::TSTP, Signal::TTIN, Signal::TTOU]].concat();
            signal::set_mask(SignalSet::ALL.without(&heard));
            work()
        })
        .map_err(system("cannot fork"))?;
        self.user = None;
        self.stay(child, name, Target::Child)
    }

    /// Watches a child until it has ended.
    fn stay(&mut self, child: i32, name: &str, target: Target) -> Result<Ended, Error> {
        self.log.step(|| format!("started {name:?} with pid {child}"));
        let began = Instant::now();
        let ended = self.watch(child, target)?;
        self.log.step(|| {
            let (code, took) = (ended.status.code(), began.elapsed());
            format!(
                "{name:?} ended with {code} after {}.{:03} s",
                took.as_secs(),
                took.subsec_millis()
            )
        });
        Ok(ended)
    }

    /// What is not needed while the command runs must not be kept busy: the working directory
    /// could not be unmounted, and a pipe that we hold open never ends for its reader.
    fn let_go(&self) {
        fd::close_inherited(self.signals.as_fd());
        let _ = std::env::set_current_dir("/");
    }

    fn watch(&mut self, child: i32, target: Target) -> Result<Ended, Error> {
        let mut machine = Machine::new(Role { pid1: self.pid == 1, pid: self.pid, target });
        let mut asked_to_end = None;
        loop {
            while let Some(received) = self.next_signal()? {
                if asks_to_end(received.signal) {
                    asked_to_end = Some(received.signal);
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
                        return Ok(Ended { status, asked_to_end });
                    }
                    self.act(action, child, target);
                }
            }
            if !more {
                let mut ready = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
                // An error (EINTR, or no memory for a moment) is no reason for an init to leave.
                let _ = poll(&mut ready, PollTimeout::NONE);
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
                self.forward(received, child, target);
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
                self.log.step(|| format!("{child} was stopped, stopping too"));
                signal::stop_self(signal, stop);
                // A stop takes away every CONT that waited before it, so that one that waits now
                // has continued us, and does so for the child when it is read. Without it the kernel
                // has stopped nobody: no shell is there to continue us, nor the child. What runs
                // without an init in between is not stopped there either (setpgid(2)).
                if signal == Signal::TSTP && !signal::pending().contains(Signal::CONT) {
                    self.act(Action::Continue, child, target);
                }
            }
            // The loop's own.
            Action::End(_) => {}
        }
    }

    fn forward(&self, received: Received, child: i32, target: Target) {
        let signal = received.signal;
        let process = signal::Target::Process(child);
        // An error means that the child is gone, which the next look at our children tells.
        let _ = match (target, received.value) {
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

pub(crate) fn asks_to_end(signal: Signal) -> bool {
    ENDING.contains(&signal)
}

fn system(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::System { what, source: io::Error::from(errno) }
}
