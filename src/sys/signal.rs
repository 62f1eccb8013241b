//! Signals by number, the mask, the disposition of SIGCHLD, and the wait for the next one.
//!
//! All by raw system calls with the kernel's own 64-bit set: musl's functions leave out the signals
//! 32 to 34 (it uses them itself), and 34 is the first realtime signal of every glibc program.

use std::fmt;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, c_long, pid_t};
use nix::errno::Errno;

use super::call::call;
use super::check;

/// A signal's number, from 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

/// The names of the signals 1 to 31 on x86_64 and aarch64 (signal(7)), without `SIG`.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// What glibc programs call SIGRTMIN. The kernel's realtime signals begin at 32; glibc and musl
/// keep the first ones to themselves.
const SIGRTMIN: u8 = 34;

impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const KILL: Self = Self(9);
    pub const PIPE: Self = Self(13);
    pub const TERM: Self = Self(15);
    pub const CHLD: Self = Self(17);
    pub const CONT: Self = Self(18);
    pub const STOP: Self = Self(19);
    pub const TSTP: Self = Self(20);
    pub const TTIN: Self = Self(21);
    pub const TTOU: Self = Self(22);
    pub const XFSZ: Self = Self(25);
    pub const WINCH: Self = Self(28);

    /// The signal with this number, if there is one.
    pub fn new(number: c_int) -> Option<Self> {
        match number {
            1..=64 => Some(Self(number as u8)),
            _ => None,
        }
    }

    /// The signal with this name, with or without `SIG`, or this number: `TERM`, `SIGTERM`, `15`,
    /// `RTMIN+3`.
    pub fn named(name: &str) -> Option<Self> {
        if let Ok(number) = name.parse::<u8>() {
            return Self::new(c_int::from(number)).filter(|_| !name.starts_with('+'));
        }
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        (1..=64).filter_map(Self::new).find(|signal| {
            let known = signal.to_string();
            known.strip_prefix("SIG") == Some(name)
                || known.strip_prefix("SIG") == Some(&format!("{name}+0"))
        })
    }

    /// Its number.
    pub fn number(self) -> c_int {
        c_int::from(self.0)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 >= SIGRTMIN => write!(f, "SIGRTMIN+{}", self.0 - SIGRTMIN),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kernel's signal set: bit N-1 is signal N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(u64);

impl SignalSet {
    /// Every signal. The kernel leaves SIGKILL and SIGSTOP out by itself.
    pub const ALL: Self = Self(!0);

    pub const fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    pub const fn of_all(signals: &[Signal]) -> Self {
        let (mut set, mut left) = (Self::NONE, signals);
        while let [signal, rest @ ..] = left {
            set = set.or(Self::of(*signal));
            left = rest;
        }
        set
    }

    /// None of them.
    pub const NONE: Self = Self(0);

    /// This set without `signals`.
    pub fn without(self, signals: &[Signal]) -> Self {
        Self(signals.iter().fold(self.0, |set, signal| set & !Self::of(*signal).0))
    }

    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// Those of this set that are not in `other`.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    pub fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in one of the two.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Sets this thread's signal mask and returns the one before it.
pub fn set_mask(set: SignalSet) -> SignalSet {
    change_mask(libc::SIG_SETMASK, set)
}

fn change_mask(how: c_int, set: SignalSet) -> SignalSet {
    let mut before = 0u64;
    // SAFETY: both pointers are to 8 bytes that live through the call, and 8 is the size of the
    // kernel's set. With those, rt_sigprocmask cannot fail: `how` is one of its three.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how as c_long,
            &raw const set.0,
            &raw mut before,
            size_of::<u64>(),
        );
    }
    SignalSet(before)
}

/// The kernel's own `struct sigaction` on x86_64 and aarch64 (not the C library's).
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// What a signal does when it is delivered, as far as a child inherits it (execve(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Default,
    Ignored,
}

/// Sets the disposition of `signal` and returns the one before; a handler counts as the default,
/// which is what execve would make of it.
pub fn set_disposition(signal: Signal, to: Disposition) -> Disposition {
    let action = KernelAction {
        handler: match to {
            Disposition::Default => libc::SIG_DFL,
            Disposition::Ignored => libc::SIG_IGN,
        },
        ..KernelAction::default()
    };
    let mut before = KernelAction::default();
    // SAFETY: both pointers are to the kernel's own structure and live through the call. No handler
    // is installed, so no restorer is needed.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            c_long::from(signal.0),
            &raw const action,
            &raw mut before,
            size_of::<u64>(),
        );
    }
    if before.handler == libc::SIG_IGN { Disposition::Ignored } else { Disposition::Default }
}

/// What is to be done about SIGCHLD so that children can be waited for: where it is ignored the
/// kernel reaps them itself, and a wait for them never ends (wait(2)). Returns what it was.
pub fn heed_children() -> Disposition {
    let number = c_long::from(Signal::CHLD.0);
    let mut present = KernelAction::default();
    // SAFETY: with a null pointer for the new action only the present one is written, to the
    // kernel's own structure, which lives through the call.
    unsafe {
        let none = std::ptr::null::<KernelAction>();
        libc::syscall(libc::SYS_rt_sigaction, number, none, &raw mut present, size_of::<u64>());
    }
    if present.handler != libc::SIG_IGN {
        return Disposition::Default;
    }
    set_disposition(Signal::CHLD, Disposition::Default)
}

/// Has `signal` sent to this process when its parent ends (PR_SET_PDEATHSIG(2const)).
///
/// A parent that has ended already would never be told of, so it is looked at again afterwards: one
/// that ended since `parent` was its PID has the signal sent here.
pub fn set_parent_death(signal: Signal, parent: pid_t) -> Result<(), Errno> {
    // SAFETY: integers.
    check(c_long::from(unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, signal.number() as libc::c_ulong, 0, 0, 0)
    }))?;
    if super::ids::parent() != parent {
        send(Target::Process(super::ids::pid()), signal)?;
    }
    Ok(())
}

/// The signals that wait for this process while they are blocked.
pub fn pending() -> SignalSet {
    let mut set = 0u64;
    // SAFETY: a pointer to 8 bytes that live through the call, and 8 is the kernel's set size.
    unsafe {
        libc::syscall(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>());
    }
    SignalSet(set)
}

/// Gives every signal that has a handler its default action; what is ignored stays ignored, but for
/// SIGPIPE: Rust's runtime ignores that for itself, and no program started from it expects it (std's
/// own `Command` and Python's `subprocess` put it back too).
pub fn drop_handlers() {
    for number in (1..=64).filter(|number| ![libc::SIGKILL, libc::SIGSTOP].contains(number)) {
        let mut action = KernelAction::default();
        // SAFETY: the pointers are null or to the kernel's own structure, which lives through both
        // calls. The second writes back the default action and no handler.
        unsafe {
            let size = size_of::<u64>();
            let number = c_long::from(number);
            let none = std::ptr::null::<KernelAction>();
            libc::syscall(libc::SYS_rt_sigaction, number, none, &raw mut action, size);
            let ignored = action.handler == libc::SIG_IGN && number != c_long::from(libc::SIGPIPE);
            if action.handler != libc::SIG_DFL && !ignored {
                action = KernelAction::default();
                libc::syscall(libc::SYS_rt_sigaction, number, &raw const action, none, size);
            }
        }
    }
}

/// `siginfo_t` in the kernel's layout for 64 bits, as it is for a signal that a process has sent.
#[repr(C)]
struct SignalInfo {
    signo: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    pid: pid_t,
    uid: libc::uid_t,
    value: u64,
    rest: [u8; 96],
}

const _: () = assert!(size_of::<SignalInfo>() == size_of::<libc::siginfo_t>());

/// A signal that this process was sent, and what came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub signal: Signal,
    /// The sender, 0 when it is the kernel or in a PID namespace that this one does not see.
    pub sender: pid_t,
    /// The value of sigqueue(3), where it was sent by that.
    pub value: Option<u64>,
    /// Whether the kernel sent it by itself, as it does for a key on the terminal.
    pub by_kernel: bool,
}

/// The next of `set` that was sent to this process, which must have blocked them: the lowest number
/// first, and each realtime signal as often as it was sent (signal(7)).
///
/// Without a `patience` it waits as long as it takes. `None` where that was over before one came.
pub fn next(set: SignalSet, patience: Option<Duration>) -> Result<Option<Received>, Errno> {
    let patience = patience.map(|patience| libc::timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    let none = std::ptr::null();
    let until = patience.as_ref().map_or(none, std::ptr::from_ref::<libc::timespec>);
    let mut info = MaybeUninit::<SignalInfo>::zeroed();
    let number = loop {
        // SAFETY: the pointers are null or to what the kernel expects, which lives through the call; 8 is
        // the size of its set.
        match unsafe {
            call(
                libc::SYS_rt_sigtimedwait,
                [
                    (&raw const set.0).expose_provenance(),
                    info.as_mut_ptr().expose_provenance(),
                    until.expose_provenance(),
                    size_of::<u64>(),
                ],
            )
        } {
            Ok(number) => break number,
            // Nothing is handled here: we were stopped and continued, or a tracer looked.
            Err(Errno::EINTR) if until.is_null() => {}
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    };
    let Some(signal) = Signal::new(number as c_int) else {
        return Ok(None);
    };
    // SAFETY: the structure is plain integers, and was zeroed before the kernel filled it.
    let SignalInfo { code, pid, value, .. } = unsafe { info.assume_init_ref() };
    // What lies behind the code depends on it (sigaction(2)).
    let queued = *code == libc::SI_QUEUE;
    let by_a_process = queued || *code == libc::SI_USER || *code == libc::SI_TKILL;
    Ok(Some(Received {
        signal,
        sender: if by_a_process { *pid } else { 0 },
        value: queued.then_some(*value),
        by_kernel: *code == libc::SI_KERNEL,
    }))
}

/// A descriptor that is readable while a blocked signal waits: for whoever waits for other descriptors
/// too.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Opens one for every signal. It is closed by execve.
    pub fn open() -> Result<Self, Errno> {
        let all = SignalSet::ALL.0;
        // SAFETY: the pointer is to 8 bytes that live through the call; 8 is the kernel's set size.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_signalfd4,
                -1 as c_long,
                &raw const all,
                size_of::<u64>(),
                libc::SFD_CLOEXEC as c_long,
            )
        })?;
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as c_int) }))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Process(pid_t),
    Group(pid_t),
}

impl Target {
    /// As kill(2) has it.
    fn pid(self) -> pid_t {
        match self {
            Self::Process(pid) => pid,
            Self::Group(group) => -group,
        }
    }
}

/// kill(2).
pub fn send(target: Target, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill takes two integers.
    unsafe { call(libc::SYS_kill, [target.pid() as usize, signal.number() as usize, 0, 0]) }
        .map(drop)
}

/// Whether nobody is left there, a zombie being somebody.
pub fn is_gone(target: Target) -> bool {
    // SAFETY: kill takes two integers, and signal 0 is none.
    check(c_long::from(unsafe { libc::kill(target.pid(), 0) })) == Err(Errno::ESRCH)
}

/// Sends `signal` to our whole process group, and dies of it.
///
/// It returns where the signal was ignored at the start. Not for PID 1, whom it would not kill.
pub fn die_with_group(signal: Signal) {
    if set_disposition(signal, Disposition::Default) == Disposition::Ignored {
        set_disposition(signal, Disposition::Ignored);
        return;
    }
    // SAFETY: kill takes two integers. The signal is blocked, so it waits for us.
    unsafe { libc::kill(0, signal.number()) };
    let _ = signal_hook::low_level::emulate_default_handler(signal.number());
}

/// rt_sigqueueinfo(2): `signal` with the value that its sender had put to it.
pub fn queue(pid: pid_t, signal: Signal, value: u64) -> Result<(), Errno> {
    let info = SignalInfo {
        signo: signal.number(),
        errno: 0,
        code: libc::SI_QUEUE,
        padding: 0,
        // SAFETY: getpid and getuid take nothing and cannot fail.
        pid: unsafe { libc::getpid() },
        uid: unsafe { libc::getuid() },
        value,
        rest: [0; 96],
    };
    // SAFETY: the pointer is to a structure of siginfo_t's size that lives through the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_rt_sigqueueinfo,
            c_long::from(pid),
            c_long::from(signal.number()),
            &raw const info,
        )
    })
    .map(drop)
}

/// Whom a stop is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This process alone.
    Process,
    /// Its whole process group: the job that a shell sees.
    Group,
}

/// Stops this process as `signal` (STOP, or one of TSTP, TTIN, TTOU) by default does, and returns once it
/// has been continued.
///
/// It returns at once where the kernel stops nobody: in an orphaned process group (setpgid(2)), in
/// which nobody could continue us, and where the signal was ignored when this process started.
pub fn stop_self(signal: Signal, stop: Stop) {
    let before = set_disposition(signal, Disposition::Default);
    if before == Disposition::Default {
        // SAFETY: kill and getpid take integers. The signal is blocked, so it waits for us.
        unsafe {
            let whom = match stop {
                Stop::Process => libc::getpid(),
                Stop::Group => 0,
            };
            libc::kill(whom, signal.number());
        }
        // It is taken here, and the mask is as it was as soon as we run again.
        let mask = change_mask(libc::SIG_UNBLOCK, SignalSet::of(signal));
        set_mask(mask);
    } else {
        set_disposition(signal, before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_1_to_64_are_no_signals() {
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
        assert_eq!(Signal::new(-1), None);
        assert_eq!(Signal::new(64).map(Signal::number), Some(64));
    }

    #[test]
    fn a_name_is_read_with_and_without_sig_and_as_a_number() {
        for (name, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("term", 15),
            ("15", 15),
            ("RTMIN+3", 37),
            ("SIGRTMIN", 34),
            ("64", 64),
        ] {
            assert_eq!(Signal::named(name).map(Signal::number), Some(number), "{name}");
        }
        for name in ["", "SIG", "0", "65", "+9", "-9", "TERMINATE", "RTMIN+31", "SIGSIGTERM"] {
            assert_eq!(Signal::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_set_without_a_signal_has_all_the_others() {
        let set = SignalSet::ALL.without(&[Signal::TERM, Signal::HUP]);
        for number in 1..=64 {
            let signal = Signal::new(number).unwrap();
            assert_eq!(set.contains(signal), ![1, 15].contains(&number), "{number}");
        }
    }

    #[test]
    fn names_are_those_of_signal_7() {
        let name = |number| Signal::new(number).map(|signal| signal.to_string());
        assert_eq!(name(1).as_deref(), Some("SIGHUP"));
        assert_eq!(name(15).as_deref(), Some("SIGTERM"));
        assert_eq!(name(31).as_deref(), Some("SIGSYS"));
        assert_eq!(name(32).as_deref(), Some("signal 32"));
        assert_eq!(name(34).as_deref(), Some("SIGRTMIN+0"));
        assert_eq!(name(64).as_deref(), Some("SIGRTMIN+30"));
    }
}
