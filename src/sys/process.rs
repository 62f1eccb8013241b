//! Starting a program, replacing this one by it, and hearing what became of a child.
//!
//! Both ways to start go through [`replace`]: from a child made by `clone(CLONE_VM | CLONE_VFORK)`,
//! which shares our memory until it execs and copies no page table, or in this very process.
//! Between the two nothing allocates, and nothing but raw system calls runs: the C library's
//! setuid and setgroups speak to the other threads of a process, which here would be the parent's.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_void};
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

use libc::{c_int, c_long, gid_t, pid_t, uid_t};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::call::call;
use super::check;
use super::signal::{self, Disposition, Signal, SignalSet};
use super::tty::{self, Terminal};

/// The longest path that execve takes, with its NUL (limits.h).
const PATH_MAX: usize = 4096;

/// The room that a path gets on the stack where it fits: each page of a stack that is not touched
/// is one that the kernel need not make.
const SHORT_PATH: usize = 256;

/// What the child stands on until it execs: a path of `PATH_MAX` and small frames.
const CHILD_STACK: usize = 32 * 1024;

/// Strings as execve wants them: an array of pointers that ends in a null pointer.
pub struct StringArray<'a> {
    pointers: Pointers<'a>,
    /// What `pointers` points into, where it is ours. A `CString`'s text does not move when the
    /// vector does.
    _strings: Vec<CString>,
}

enum Pointers<'a> {
    Owned(Vec<*const c_char>),
    /// Not empty, and with a null pointer at the end.
    Borrowed(&'a [*const c_char]),
}

/// A string that cannot be passed to execve, because it has a NUL byte in it.
#[derive(Debug)]
pub struct NulInside(pub OsString);

impl<'a> StringArray<'a> {
    /// Copies `strings`.
    pub fn new<S: AsRef<OsStr>>(strings: impl IntoIterator<Item = S>) -> Result<Self, NulInside> {
        let strings: Vec<CString> = strings
            .into_iter()
            .map(|string| c_string(string.as_ref()))
            .collect::<Result<_, _>>()?;
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { pointers: Pointers::Owned(pointers), _strings: strings })
    }

    /// Points to `strings` where they are, and to an entry for the program's own PID.
    pub fn of(strings: impl IntoIterator<Item = &'a CStr>, own_pid: Option<&'a OwnPid>) -> Self {
        let own_pid = own_pid.map(OwnPid::as_ptr);
        let strings = strings.into_iter().map(CStr::as_ptr);
        let pointers = strings.chain(own_pid).chain([ptr::null()]).collect();
        Self { pointers: Pointers::Owned(pointers), _strings: Vec::new() }
    }

    /// Takes pointers to C strings that live as long as they do, with a null pointer at the end,
    /// from `args` alone. Without that end there is nothing in it.
    pub(super) fn borrowed(pointers: &'a [*const c_char]) -> Self {
        let ends = pointers.last().is_some_and(|last| last.is_null());
        let pointers = if ends { pointers } else { &[ptr::null()] };
        Self { pointers: Pointers::Borrowed(pointers), _strings: Vec::new() }
    }

    fn as_ptr(&self) -> *const *const c_char {
        match &self.pointers {
            Pointers::Owned(pointers) => pointers.as_ptr(),
            Pointers::Borrowed(pointers) => pointers.as_ptr(),
        }
    }
}

/// `string` as C has it.
pub fn c_string(string: &OsStr) -> Result<CString, NulInside> {
    CString::new(string.as_bytes()).map_err(|error| NulInside(OsString::from_vec(error.into_vec())))
}

/// Which file to execute.
pub enum Program<'a> {
    /// This one: the name has a slash in it.
    File(&'a CStr),
    /// The first of this name in the directories of `path`, as execvp(3) finds it.
    Search { name: &'a CStr, path: &'a [u8] },
}

/// The ids that the program runs with.
pub struct Ids<'a> {
    pub uid: uid_t,
    pub gid: gid_t,
    /// The supplementary groups; `None` leaves them as they are.
    pub groups: Option<&'a [gid_t]>,
}

/// The process group of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// That of the caller.
    Inherited,
    /// A new one that it leads.
    Own,
    /// A new one in a new session, which takes the terminal on stdin if it is nobody's.
    Session,
}

/// An entry `NAME=PID` of an environment, whose PID is that of the program: it is not known until
/// the child is there, and between then and execve nothing can be allocated.
pub struct OwnPid {
    name: &'static str,
    text: Box<[AtomicU8]>,
}

impl OwnPid {
    /// The entry of this name, `0` for now.
    pub fn new(name: &'static str) -> Self {
        // A PID has 7 digits at most, and an i32 has 10; the last byte stays the NUL.
        let room = [0; 11];
        let text = name.bytes().chain([b'=', b'0']).chain(room).map(AtomicU8::new).collect();
        Self { name, text }
    }

    /// The name, and nothing of what follows it.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// A C string, for the last of the bytes is always 0. They are written to between clone and
    /// execve alone, by a child in whose time its parent does not run.
    fn as_ptr(&self) -> *const c_char {
        self.text.as_ptr().cast()
    }

    fn write(&self, pid: pid_t) {
        let mut left = pid.unsigned_abs();
        let mut digits = [0u8; 10];
        let mut count = 0;
        for digit in digits.iter_mut() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
            count += 1;
            if left == 0 {
                break;
            }
        }
        let places = self.text.iter().skip(self.name.len() + 1);
        let digits = digits.iter().take(count).rev().chain([&0]);
        for (place, digit) in places.zip(digits) {
            place.store(*digit, Ordering::Relaxed);
        }
    }
}

/// Whether there are signal handlers in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handlers {
    /// There are none: the binary waits for signals.
    None,
    /// There may be: the library's host decides.
    Perhaps,
}

/// What becomes of descriptors: by default, nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wiring {
    /// What its stdout and stderr become.
    pub output: Option<c_int>,
    /// One that it inherits under its own number.
    pub keep: Option<c_int>,
}

/// All that lies between this process and the program.
pub struct Setup<'a> {
    pub program: Program<'a>,
    pub arguments: &'a StringArray<'a>,
    pub environment: &'a StringArray<'a>,
    /// The entry of the environment that is to name the program's own PID.
    pub own_pid: Option<&'a OwnPid>,
    pub ids: Option<Ids<'a>>,
    pub workdir: Option<&'a CStr>,
    pub group: Group,
    /// The terminal whose foreground the new group becomes.
    pub foreground: Option<Terminal>,
    pub wiring: Wiring,
    /// The signal mask that it starts with.
    pub mask: SignalSet,
    /// What it does on SIGCHLD: ignored, if that is how this process was started.
    pub sigchld: Disposition,
    /// Whether this process may have signal handlers, which must not run in the child.
    pub handlers: Handlers,
}

/// The step at which starting a program failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Clone = 1,
    Setpgid,
    Setsid,
    Descriptors,
    Setgroups,
    Setgid,
    Setuid,
    Chdir,
    Exec,
}

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    pub step: Step,
    pub errno: Errno,
}

fn failed(step: Step) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure { step, errno }
}

/// A child that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    pub pid: pid_t,
    /// Why a new session did not get the terminal on stdin, which is no failure.
    pub terminal: Option<Errno>,
}

/// Starts the program in a child and returns its PID as soon as it runs.
///
/// Every signal should be blocked by the caller: the child's mask becomes `setup.mask` just before
/// it execs. When this returns, its process group exists, so a signal to the group cannot miss it.
///
/// The child shares our memory and says there what went wrong. Where an emulator (qemu-user) makes a
/// plain fork of it, it says the same through a pipe, which execve closes. See [`shares_for_certain`].
pub fn spawn(setup: &Setup<'_>) -> Result<Started, Failure> {
    struct Shared<'a> {
        setup: &'a Setup<'a>,
        /// Set by the child before anything else: whether what it writes is seen here.
        began: AtomicBool,
        step: AtomicU8,
        errno: AtomicI32,
        terminal: AtomicI32,
        pipe: Option<RawFd>,
    }

    extern "C" fn child(shared: *mut c_void) -> c_int {
        // SAFETY: it is the `shared` below, in memory that parent and child share; the parent is
        // suspended until this child has execed or exited (CLONE_VFORK).
        let shared = unsafe { &*shared.cast::<Shared<'_>>() };
        shared.began.store(true, Ordering::Relaxed);
        let Failure { step, errno } = become_program(shared.setup, &shared.terminal);
        shared.errno.store(errno as i32, Ordering::Relaxed);
        shared.step.store(step as u8, Ordering::Relaxed);
        if let Some(pipe) = shared.pipe {
            let [a, b, c, d] = (errno as i32).to_ne_bytes();
            let report = [step as u8, a, b, c, d];
            // SAFETY: the buffer is as long as we say. So short a write to a new pipe is whole.
            unsafe { libc::write(pipe, report.as_ptr().cast(), report.len()) };
        }
        // SAFETY: takes an integer, does not return, and runs nothing of the parent's.
        unsafe { libc::_exit(127) }
    }

    // Without it (no descriptors left) only an emulator's child could not tell.
    let pipe = (!shares_for_certain()).then(|| nix::unistd::pipe2(OFlag::O_CLOEXEC).ok()).flatten();
    let shared = Shared {
        setup,
        began: AtomicBool::new(false),
        step: AtomicU8::new(0),
        errno: AtomicI32::new(0),
        terminal: AtomicI32::new(0),
        pipe: pipe.as_ref().map(|(_, write)| write.as_raw_fd()),
    };
    // Not on our own stack, where each of its pages would be touched to grow that.
    let mut stack = Vec::<u8>::with_capacity(CHILD_STACK);
    let top = stack.as_mut_ptr().wrapping_add(CHILD_STACK);
    let top = top.wrapping_sub(top.addr() % 16);
    // SAFETY: `child` runs on `stack`, which is aligned as both ABIs ask and outlives its use: the
    // parent does not run before the child is done with it, or has memory of its own. It neither
    // allocates nor unwinds.
    let pid = check(c_long::from(unsafe {
        libc::clone(
            child,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw const shared).cast_mut().cast(),
        )
    }))
    .map_err(failed(Step::Clone))? as pid_t;

    let told = if shared.began.load(Ordering::Relaxed) {
        (shared.step.load(Ordering::Relaxed), shared.errno.load(Ordering::Relaxed))
    } else {
        if setup.group == Group::Own {
            // From both sides, since the child may not have come to it yet.
            // SAFETY: two integers.
            unsafe { libc::setpgid(pid, pid) };
        }
        pipe.map_or((0, 0), |(read, write)| {
            drop(write);
            told_through(read)
        })
    };
    let step = match told {
        (0, _) => {
            let terminal = match shared.terminal.load(Ordering::Relaxed) {
                0 => None,
                errno => Some(Errno::from_raw(errno)),
            };
            return Ok(Started { pid, terminal });
        }
        (step, _) => {
            use Step::{Chdir, Descriptors, Setgid, Setgroups, Setpgid, Setsid, Setuid};
            [Setpgid, Setsid, Descriptors, Setgroups, Setgid, Setuid, Chdir]
                .into_iter()
                .find(|known| *known as u8 == step)
                .unwrap_or(Step::Exec)
        }
    };
    let _ = wait_for(pid);
    Err(Failure { step, errno: Errno::from_raw(told.1) })
}

/// Whether a child that is to share our memory does so for certain.
///
/// A kernel from 6.3 on names its features of rseq(2) to every program (AT_RSEQ_FEATURE_SIZE, getauxval(3)).
/// An emulator that has no rseq does not, nor does an older kernel, for whom a pipe is made that nobody
/// needs: 4 % of a start.
fn shares_for_certain() -> bool {
    const AT_RSEQ_FEATURE_SIZE: libc::c_ulong = 27;
    // SAFETY: takes an integer.
    unsafe { libc::getauxval(AT_RSEQ_FEATURE_SIZE) != 0 }
}

/// What a child with memory of its own says before it ends: nothing if it has execed.
fn told_through(read: OwnedFd) -> (u8, i32) {
    let mut report = [0; 5];
    match File::from(read).read_exact(&mut report) {
        Ok(()) => {
            let [step, a, b, c, d] = report;
            (step, i32::from_ne_bytes([a, b, c, d]))
        }
        Err(_) => (0, 0),
    }
}

/// Replaces this process by the program; returns only when that failed.
///
/// What was done before the failure stays done: after a failed `Exec` the ids are already changed.
/// The order is that of every tool that drops privileges: groups while we may still change them
/// (setgroups(2) needs CAP_SETGID), then gid, then uid, which takes those powers away; the working
/// directory last, so that it is entered with the rights of the user and not of root.
pub fn replace(setup: &Setup<'_>) -> Failure {
    become_program(setup, &AtomicI32::new(0))
}

fn become_program(setup: &Setup<'_>, terminal: &AtomicI32) -> Failure {
    match prepare(setup, terminal) {
        Ok(()) => {}
        Err(failure) => return failure,
    }
    if setup.handlers == Handlers::Perhaps {
        // Before the mask is lifted: a signal would run the host's handler in the child, on the
        // memory that both share, and would be lost to the program (posix_spawn does the same).
        signal::drop_handlers();
    }
    if setup.sigchld == Disposition::Ignored {
        signal::set_disposition(Signal::CHLD, Disposition::Ignored);
    }
    signal::set_mask(setup.mask);
    let errno = execute(setup);
    // Only after a failure, and only where this is not a child: what was is restored.
    signal::set_mask(SignalSet::ALL);
    Failure { step: Step::Exec, errno }
}

fn prepare(setup: &Setup<'_>, terminal: &AtomicI32) -> Result<(), Failure> {
    match setup.group {
        Group::Inherited => {}
        Group::Own => {
            // SAFETY: two integers.
            check(unsafe { libc::syscall(libc::SYS_setpgid, 0 as c_long, 0 as c_long) })
                .map_err(failed(Step::Setpgid))?;
            if let Some(terminal) = setup.foreground {
                // SIGTTOU is blocked, so that this does not stop us.
                terminal.set_foreground(super::ids::pid());
            }
        }
        Group::Session => {
            // SAFETY: takes nothing.
            check(unsafe { libc::syscall(libc::SYS_setsid) }).map_err(failed(Step::Setsid))?;
            if let Err(errno) = tty::make_controlling() {
                terminal.store(errno as i32, Ordering::Relaxed);
            }
        }
    }
    if let Some(own_pid) = setup.own_pid {
        own_pid.write(super::ids::pid());
    }
    if let Some(ids) = &setup.ids {
        become_user(ids)?;
    }
    connect(setup.wiring)?;
    if let Some(workdir) = setup.workdir {
        // SAFETY: a C string that lives through the call.
        check(unsafe { libc::syscall(libc::SYS_chdir, workdir.as_ptr()) })
            .map_err(failed(Step::Chdir))?;
    }
    Ok(())
}

fn connect(wiring: Wiring) -> Result<(), Failure> {
    if let Some(output) = wiring.output {
        for standard in [1, 2] {
            // SAFETY: three integers. The descriptor is above 2: 0 to 2 are taken (see `fd`).
            check(unsafe {
                libc::syscall(libc::SYS_dup3, c_long::from(output), standard as c_long, 0 as c_long)
            })
            .map_err(failed(Step::Descriptors))?;
        }
    }
    if let Some(keep) = wiring.keep {
        // SAFETY: three integers. The child has its own table: only its copy loses the flag.
        check(unsafe {
            libc::syscall(
                libc::SYS_fcntl,
                c_long::from(keep),
                c_long::from(libc::F_SETFD),
                0 as c_long,
            )
        })
        .map_err(failed(Step::Descriptors))?;
    }
    Ok(())
}

fn become_user(ids: &Ids<'_>) -> Result<(), Failure> {
    if let Some(groups) = ids.groups {
        // SAFETY: the pointer is to as many gids as we say.
        check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
            .map_err(failed(Step::Setgroups))?;
    }
    let same = super::ids::user_ids() == [ids.uid; 3] && super::ids::group_ids() == [ids.gid; 3];
    let (gid, uid) = (c_long::from(ids.gid), c_long::from(ids.uid));
    // Real, effective and saved: with one of them left, there would be a way back.
    // SAFETY: three integers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })
        .map_err(failed(Step::Setgid))?;
    // SAFETY: three integers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
        .map_err(failed(Step::Setuid))?;
    if !same && ids.uid != 0 {
        // Leaving uid 0 clears the ambient capabilities, any other change of an ordinary user's
        // ids does not (capabilities(7)), and CAP_SETUID or CAP_SETGID among them would lead back.
        // SAFETY: integers. A kernel without ambient capabilities has none to clear.
        unsafe {
            libc::syscall(
                libc::SYS_prctl,
                c_long::from(libc::PR_CAP_AMBIENT),
                c_long::from(libc::PR_CAP_AMBIENT_CLEAR_ALL),
                0 as c_long,
                0 as c_long,
                0 as c_long,
            );
        }
    }
    Ok(())
}

/// Returns only with the reason why nothing was executed.
fn execute(setup: &Setup<'_>) -> Errno {
    match setup.program {
        Program::File(path) => execve(path, setup),
        Program::Search { name, path } => search(name.to_bytes(), path, setup),
    }
}

/// As execvp(3): the first entry that can be executed; one that is denied is remembered, one that
/// is not there is passed over, and an empty one is the working directory.
fn search(name: &[u8], path: &[u8], setup: &Setup<'_>) -> Errno {
    if name.is_empty() {
        return Errno::ENOENT;
    }
    let mut result = Errno::ENOENT;
    for directory in path.split(|byte| *byte == b':') {
        let room = directory.len() + name.len() + 2;
        let execute =
            if room <= SHORT_PATH { execute_in::<SHORT_PATH> } else { execute_in::<PATH_MAX> };
        match execute(directory, name, setup) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT => {}
            // An entry that can never lead anywhere is no reason not to look at the next.
            Errno::ELOOP | Errno::ENAMETOOLONG => {}
            Errno::EACCES => result = Errno::EACCES,
            errno => return errno,
        }
    }
    result
}

/// Executes `directory/name`, if the path fits into `ROOM` bytes.
#[inline(never)]
fn execute_in<const ROOM: usize>(directory: &[u8], name: &[u8], setup: &Setup<'_>) -> Errno {
    match join(&mut [0; ROOM], directory, name) {
        Some(path) => execve(path, setup),
        None => Errno::ENAMETOOLONG,
    }
}

/// `directory/name` as a C string in `buffer`, if there is room for it.
fn join<'a>(buffer: &'a mut [u8], directory: &[u8], name: &[u8]) -> Option<&'a CStr> {
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let mut rest = &mut *buffer;
    for part in [directory, slash, name, b"\0"] {
        let (here, after) = rest.split_at_mut_checked(part.len())?;
        here.copy_from_slice(part);
        rest = after;
    }
    CStr::from_bytes_until_nul(buffer).ok()
}

fn execve(path: &CStr, setup: &Setup<'_>) -> Errno {
    // SAFETY: a C string and two arrays of C strings that end in a null pointer, all alive. By the
    // raw call, which touches no state of the C library.
    unsafe {
        libc::syscall(
            libc::SYS_execve,
            path.as_ptr(),
            setup.arguments.as_ptr(),
            setup.environment.as_ptr(),
        );
    }
    Errno::last()
}

/// Makes a child that does `work` in a copy of this process, and ends with the code it returns.
///
/// For this process's own work that may take its time: a full fork, so that the child may allocate,
/// open files and start threads. It is told to end when this process is gone.
///
/// Only for a process with one thread: another one's locks would stay locked in the child.
pub fn fork(work: impl FnOnce() -> u8) -> Result<pid_t, Errno> {
    let parent = super::ids::pid();
    // SAFETY: takes nothing. The caller promises one thread, so the child's copy of the C library's
    // and the allocator's state is whole.
    let pid = check(c_long::from(unsafe { libc::fork() }))? as pid_t;
    if pid != 0 {
        return Ok(pid);
    }
    // Where that is refused, the child only lives to its own end.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM);
    // SAFETY: getppid takes nothing.
    let orphaned = unsafe { libc::getppid() } != parent;
    // The parent was gone before we asked to be told.
    let code = if orphaned { 1 } else { work() };
    // SAFETY: takes an integer, and does not return: nothing of the parent's runs in the child.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// How a process ended: the status word of wait(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(c_int);

impl Status {
    /// Exit code 0.
    pub const SUCCESS: Self = Self(0);

    /// What a shell would report: the exit code, or 128 + N for signal N.
    pub fn code(self) -> u8 {
        match self.signal() {
            Some(signal) => 128u8.saturating_add(signal.number() as u8),
            None => libc::WEXITSTATUS(self.0) as u8,
        }
    }

    /// The signal that killed it.
    pub fn signal(self) -> Option<Signal> {
        if libc::WIFSIGNALED(self.0) { Signal::new(libc::WTERMSIG(self.0)) } else { None }
    }

    /// The status word itself.
    pub fn raw(self) -> c_int {
        self.0
    }

    #[cfg(test)]
    pub fn from_raw(raw: c_int) -> Self {
        Self(raw)
    }
}

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Ended(Status),
    Stopped(Signal),
    Continued,
}

/// The next thing that happened to any child, which is reaped if it has ended; `None` when nothing
/// more has happened, or there is no child.
///
/// One SIGCHLD may stand for a thousand of them, so this is called until it has no more.
#[inline(always)]
pub fn next_change() -> Result<Option<(pid_t, Change)>, Errno> {
    const ANY: usize = -1isize as usize;
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    let mut status: c_int = 0;
    loop {
        let whereto = (&raw mut status).expose_provenance();
        // SAFETY: a pointer to an int that lives through the call, and none to what is not wanted.
        let pid = match unsafe { call(libc::SYS_wait4, [ANY, whereto, options as usize, 0]) } {
            Ok(0) | Err(Errno::ECHILD) => return Ok(None),
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno),
            Ok(pid) => pid as pid_t,
        };
        let change = if libc::WIFSTOPPED(status) {
            match Signal::new(libc::WSTOPSIG(status)) {
                Some(signal) => Change::Stopped(signal),
                None => continue,
            }
        } else if libc::WIFCONTINUED(status) {
            Change::Continued
        } else {
            Change::Ended(Status(status))
        };
        return Ok(Some((pid, change)));
    }
}

/// Waits until the child `pid` has ended, and reaps it.
pub fn wait_for(pid: pid_t) -> Result<Status, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: a pointer to an int that lives through the call.
        match check(unsafe { libc::waitpid(pid, &mut status, 0) }.into()) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(Status(status)),
        }
    }
}

/// Waits until the child `pid` has ended, and leaves it to be reaped: its PID stays its own.
pub fn wait_until_ended(pid: pid_t) -> Result<(), Errno> {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: a pointer to a siginfo_t that lives through the call.
        match check(c_long::from(unsafe {
            libc::waitid(
                libc::P_PID,
                pid as libc::id_t,
                info.as_mut_ptr(),
                libc::WEXITED | libc::WNOWAIT,
            )
        })) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_exit_code_or_128_plus_the_signal() {
        assert_eq!(Status::from_raw(7 << 8).code(), 7);
        assert_eq!(Status::from_raw(255 << 8).code(), 255);
        assert_eq!(Status::from_raw(15).code(), 143);
        assert_eq!(Status::from_raw(9).signal().map(Signal::number), Some(9));
        // With a core dump, and for the last realtime signal.
        assert_eq!(Status::from_raw(11 | 0x80).code(), 139);
        assert_eq!(Status::from_raw(64).code(), 192);
    }

    #[test]
    fn a_path_too_long_for_execve_is_no_candidate() {
        let mut buffer = [0; PATH_MAX];
        assert!(join(&mut buffer, &[b'd'; PATH_MAX], b"x").is_none());
        assert_eq!(join(&mut buffer, b"/bin", b"sh"), Some(c"/bin/sh"));
        assert_eq!(join(&mut buffer, b"", b"sh"), Some(c"sh"));
    }

    #[test]
    fn an_entry_for_a_pid_has_room_for_every_pid() {
        let entry = OwnPid::new("LISTEN_PID");
        for (pid, expected) in [(i32::MAX, "LISTEN_PID=2147483647"), (7, "LISTEN_PID=7")] {
            entry.write(pid);
            let bytes = entry.text.iter().map(|byte| byte.load(Ordering::Relaxed));
            let text: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
            assert_eq!(text, expected.as_bytes());
        }
    }
}
