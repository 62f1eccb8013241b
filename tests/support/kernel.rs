//! From a test to a process in a namespace of its own: the part that runs between fork and exec.
//!
//! The kernel is asked directly, not through unshare(1), so that the process under test is a child
//! of the test itself: its wait status, its PID and its very first instruction are the test's to
//! see. Between fork and exec only raw system calls run, and nothing allocates: the test harness
//! has threads, and any of them may have held a lock when it was forked.
//!
//! `unsafe` is what this file is for; the tests themselves have none.

use std::ffi::{CString, c_void};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fs::File, io, io::Read, ptr};

use libc::{c_int, c_long, pid_t};

/// What is done to the process before it execs, with everything allocated.
pub struct Recipe {
    pub program: CString,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    /// PID 1 of its namespace, or the child of nobody in one that has an init already.
    pub pid1: bool,
    /// Become this user before the namespaces are made, and root in a user namespace of his.
    pub mapped_user: Option<u32>,
    pub mounts: Vec<Mount>,
    pub root: Option<CString>,
    pub directory: CString,
    pub user: Option<Ids>,
    /// Capabilities taken out of the bounding set.
    pub dropped: Vec<c_int>,
    /// Capabilities kept as ambient ones through the change of user.
    pub ambient: Vec<c_int>,
    /// What each descriptor is; those from 0 to 2 that are not listed are closed.
    pub descriptors: Vec<(RawFd, OwnedFd)>,
    /// The descriptor that is a terminal, to become the controlling one of a new session.
    pub terminal: Option<RawFd>,
    pub mask: u64,
    pub ignored: u64,
    /// Signals that wait for the program from before its first instruction on.
    pub pending: Vec<c_int>,
    pub traced: bool,
}

pub struct Ids {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

pub struct Mount {
    pub source: CString,
    pub target: CString,
    pub kind: MountKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    Bind,
    /// A bind mount of the target itself that nobody can write to.
    ReadOnly,
    Tmpfs,
}

/// A started process and the init of its namespace, if that is another one.
pub struct Started {
    pub pid: pid_t,
    pub keeper: Option<pid_t>,
}

/// Signals 1 to 64, all of them.
pub const EVERY: u64 = !0;

/// Starts what the recipe says. Returns once it has execed, or with the step that failed.
pub fn start(recipe: &Recipe) -> io::Result<Started> {
    let (report, report_writer) = pipe()?;
    let (pids, pids_writer) = pipe()?;
    let image = Image::new(recipe, report_writer.as_raw_fd(), pids_writer.as_raw_fd());
    let before = set_mask(EVERY);
    // SAFETY: as fork(2): no stack, no shared memory. The child runs `stage`, which does raw calls.
    let stage =
        unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD as c_long, ZERO, ZERO, ZERO, ZERO) };
    if stage == 0 {
        image.stage();
    }
    set_mask(before);
    if stage < 0 {
        return Err(io::Error::last_os_error());
    }
    drop((report_writer, pids_writer));
    let stage_status = wait(stage as pid_t, 0)?;
    let mut text = [0u8; 8];
    let started = File::from(pids).read_exact(&mut text).map(|()| {
        let [keeper, pid] = [&text[..4], &text[4..]].map(|bytes| {
            pid_t::from_ne_bytes(bytes.try_into().expect("four bytes are four bytes"))
        });
        Started { pid, keeper: (keeper > 0).then_some(keeper) }
    });
    let mut failure = Vec::new();
    File::from(report).read_to_end(&mut failure)?;
    match (started, failure.as_slice()) {
        (Ok(started), []) => Ok(started),
        (started, failure) => {
            if let Ok(started) = started {
                for pid in started.keeper.into_iter().chain([started.pid]) {
                    kill(pid, libc::SIGKILL);
                    let _ = wait(pid, 0);
                }
            }
            Err(match failure.split_last_chunk::<4>() {
                Some((step, errno)) => {
                    let errno = io::Error::from_raw_os_error(i32::from_ne_bytes(*errno));
                    io::Error::new(
                        errno.kind(),
                        format!("{}: {errno}", String::from_utf8_lossy(step)),
                    )
                }
                None => io::Error::other(format!("the stage ended with status {stage_status}")),
            })
        }
    }
}

/// The recipe as pointers and numbers.
struct Image<'a> {
    recipe: &'a Recipe,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    report: RawFd,
    pids: RawFd,
    maps: [CString; 2],
    own_user: bool,
}

/// What failed and why, for the pipe.
struct Failed(&'static str, c_int);

/// As wide as a system call's argument is; a bare 0 would leave half of it to chance.
const ZERO: c_long = 0;

/// Descriptors are put out of the way up here before they are put where they belong.
const HIGH: c_int = 500;

macro_rules! call {
    ($what:literal, $number:ident $(, $argument:expr)*) => {{
        // SAFETY: the caller's arguments are integers or point to what the recipe owns.
        let result = unsafe { libc::syscall(libc::$number $(, $argument)*) };
        if result < 0 {
            // SAFETY: errno is this thread's own.
            Err(Failed($what, unsafe { *libc::__errno_location() }))
        } else {
            Ok(result)
        }
    }};
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

impl<'a> Image<'a> {
    fn new(recipe: &'a Recipe, report: RawFd, pids: RawFd) -> Self {
        // SAFETY: they take nothing and cannot fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        let (uid, gid) = recipe.mapped_user.map_or((uid, gid), |user| (user, user));
        let map = |id: u32| CString::new(format!("0 {id} 1")).expect("digits have no NUL");
        Self {
            recipe,
            argv: pointers(&recipe.arguments),
            envp: pointers(&recipe.environment),
            report,
            pids,
            maps: [map(uid), map(gid)],
            own_user: uid != 0,
        }
    }

    /// Makes the namespaces, has the processes made in them as children of the test, and goes.
    fn stage(&self) -> ! {
        let result = self.make_namespaces().and_then(|()| self.make_processes());
        exit(match result {
            Ok(()) => 0,
            Err(failed) => self.tell(failed),
        })
    }

    fn make_namespaces(&self) -> Result<(), Failed> {
        if let Some(user) = self.recipe.mapped_user {
            become_user(user, user, &[])?;
            // /proc/self belongs to root otherwise, and its maps could not be written.
            call!(
                "prctl dumpable",
                SYS_prctl,
                libc::PR_SET_DUMPABLE as c_long,
                1 as c_long,
                ZERO,
                ZERO,
                ZERO
            )?;
        }
        let user = if self.own_user { libc::CLONE_NEWUSER } else { 0 };
        let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | user;
        call!("unshare", SYS_unshare, flags as c_long)?;
        if self.own_user {
            let [uid, gid] = &self.maps;
            write_file(c"/proc/self/setgroups".as_ptr(), b"deny")?;
            write_file(c"/proc/self/uid_map".as_ptr(), uid.as_bytes())?;
            write_file(c"/proc/self/gid_map".as_ptr(), gid.as_bytes())?;
        }
        Ok(())
    }

    fn make_processes(&self) -> Result<(), Failed> {
        let mut keeper = 0;
        if !self.recipe.pid1 {
            keeper = sibling()?;
            if keeper == 0 {
                keep();
            }
        }
        let pid = sibling()?;
        if pid == 0 {
            let failed = match self.become_program() {
                Ok(()) => Failed("execve", 0),
                Err(failed) => failed,
            };
            exit(self.tell(failed));
        }
        for pid in [keeper as pid_t, pid as pid_t] {
            call!("write", SYS_write, self.pids as c_long, (&raw const pid), size_of::<pid_t>())?;
        }
        Ok(())
    }

    /// Text and errno, for the test to read.
    fn tell(&self, Failed(what, errno): Failed) -> c_int {
        let _ = call!("write", SYS_write, self.report as c_long, what.as_ptr(), what.len());
        let _ = call!(
            "write",
            SYS_write,
            self.report as c_long,
            (&raw const errno),
            size_of::<c_int>()
        );
        97
    }

    fn become_program(&self) -> Result<(), Failed> {
        let recipe = self.recipe;
        // With the test goes the namespace.
        call!(
            "prctl pdeathsig",
            SYS_prctl,
            libc::PR_SET_PDEATHSIG as c_long,
            libc::SIGKILL as c_long,
            ZERO,
            ZERO,
            ZERO
        )?;
        let nothing = ptr::null::<c_void>();
        let all = (libc::MS_REC | libc::MS_PRIVATE) as c_long;
        call!("mount private", SYS_mount, nothing, c"/".as_ptr(), nothing, all, nothing)?;
        let proc = c"proc".as_ptr();
        call!("mount proc", SYS_mount, proc, c"/proc".as_ptr(), proc, ZERO, nothing)?;
        for mount in &recipe.mounts {
            let (source, target) = (mount.source.as_ptr(), mount.target.as_ptr());
            let bind = libc::MS_BIND as c_long;
            match mount.kind {
                MountKind::Bind => {
                    call!("bind mount", SYS_mount, source, target, nothing, bind, nothing)?
                }
                MountKind::Tmpfs => {
                    let tmpfs = c"tmpfs".as_ptr();
                    call!("mount tmpfs", SYS_mount, tmpfs, target, tmpfs, ZERO, nothing)?
                }
                MountKind::ReadOnly => {
                    call!("bind mount", SYS_mount, target, target, nothing, bind, nothing)?;
                    let flags = bind | (libc::MS_REMOUNT | libc::MS_RDONLY) as c_long;
                    call!("remount", SYS_mount, nothing, target, nothing, flags, nothing)?
                }
            };
        }
        self.place_descriptors()?;
        if let Some(fd) = recipe.terminal {
            call!("setsid", SYS_setsid)?;
            call!(
                "controlling terminal",
                SYS_ioctl,
                c_long::from(fd),
                libc::TIOCSCTTY as c_long,
                ZERO
            )?;
        }
        if let Some(root) = &recipe.root {
            call!("chroot", SYS_chroot, root.as_ptr())?;
        }
        call!("chdir", SYS_chdir, recipe.directory.as_ptr())?;
        self.change_powers()?;
        for number in 1..=64 {
            if ![libc::SIGKILL, libc::SIGSTOP].contains(&number) {
                let ignore = recipe.ignored & (1 << (number - 1)) != 0;
                // The kernel's own struct: handler, flags, restorer, mask.
                let action = [if ignore { libc::SIG_IGN } else { libc::SIG_DFL }, 0, 0, 0];
                let none = ptr::null::<c_void>();
                call!(
                    "sigaction",
                    SYS_rt_sigaction,
                    number as c_long,
                    (&raw const action),
                    none,
                    8 as c_long
                )?;
            }
        }
        if recipe.traced {
            call!("ptrace", SYS_ptrace, libc::PTRACE_TRACEME as c_long, ZERO, ZERO, ZERO)?;
        }
        set_mask(recipe.mask);
        for signal in &recipe.pending {
            // SAFETY: takes nothing.
            let own = c_long::from(unsafe { libc::getpid() });
            call!("kill", SYS_kill, own, c_long::from(*signal))?;
        }
        call!(
            "execve",
            SYS_execve,
            recipe.program.as_ptr(),
            self.argv.as_ptr(),
            self.envp.as_ptr()
        )?;
        Ok(())
    }

    fn place_descriptors(&self) -> Result<(), Failed> {
        let recipe = self.recipe;
        // Nothing of the harness goes along, whatever it was started with (CLOSE_RANGE_CLOEXEC).
        call!("close_range", SYS_close_range, 3 as c_long, u32::MAX as c_long, 4 as c_long)?;
        for (index, (_, source)) in recipe.descriptors.iter().enumerate() {
            let parked = HIGH + index as c_int;
            call!(
                "dup",
                SYS_dup3,
                source.as_raw_fd() as c_long,
                parked as c_long,
                libc::O_CLOEXEC as c_long
            )?;
        }
        for fd in 0..3 {
            let _ = call!("close", SYS_close, fd as c_long);
        }
        for (index, (target, _)) in recipe.descriptors.iter().enumerate() {
            let parked = HIGH + index as c_int;
            call!("dup", SYS_dup3, parked as c_long, *target as c_long, ZERO)?;
        }
        Ok(())
    }

    fn change_powers(&self) -> Result<(), Failed> {
        for capability in &self.recipe.dropped {
            call!(
                "drop capability",
                SYS_prctl,
                libc::PR_CAPBSET_DROP as c_long,
                *capability as c_long,
                ZERO,
                ZERO,
                ZERO
            )?;
        }
        let Some(ids) = &self.recipe.user else {
            return Ok(());
        };
        let keep = !self.recipe.ambient.is_empty();
        if keep {
            call!(
                "keep capabilities",
                SYS_prctl,
                libc::PR_SET_KEEPCAPS as c_long,
                1 as c_long,
                ZERO,
                ZERO,
                ZERO
            )?;
        }
        become_user(ids.uid, ids.gid, &ids.groups)?;
        if keep {
            let bits =
                self.recipe.ambient.iter().fold(0u32, |bits, capability| bits | 1 << capability);
            let header = [0x2008_0522u32, 0];
            // Effective, permitted, inheritable; then the same for the upper half.
            let sets = [bits, bits, bits, 0, 0, 0];
            call!("capset", SYS_capset, (&raw const header), (&raw const sets))?;
            for capability in &self.recipe.ambient {
                let raise = libc::PR_CAP_AMBIENT_RAISE as c_long;
                call!(
                    "ambient",
                    SYS_prctl,
                    libc::PR_CAP_AMBIENT as c_long,
                    raise,
                    *capability as c_long,
                    ZERO,
                    ZERO
                )?;
            }
        }
        // The change of user has taken it away.
        call!(
            "prctl pdeathsig",
            SYS_prctl,
            libc::PR_SET_PDEATHSIG as c_long,
            libc::SIGKILL as c_long,
            ZERO,
            ZERO,
            ZERO
        )?;
        Ok(())
    }
}

fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Failed> {
    let (user, group) = (c_long::from(uid), c_long::from(gid));
    call!("setgroups", SYS_setgroups, groups.len(), groups.as_ptr())?;
    call!("setresgid", SYS_setresgid, group, group, group)?;
    call!("setresuid", SYS_setresuid, user, user, user)?;
    Ok(())
}

fn write_file(path: *const libc::c_char, text: &[u8]) -> Result<(), Failed> {
    let fd = call!(
        "open a map",
        SYS_openat,
        libc::AT_FDCWD as c_long,
        path,
        libc::O_WRONLY as c_long,
        ZERO
    )?;
    call!("write a map", SYS_write, fd, text.as_ptr(), text.len())?;
    call!("close", SYS_close, fd).map(drop)
}

/// A fork whose parent is the test, and not the stage.
fn sibling() -> Result<c_long, Failed> {
    call!(
        "clone",
        SYS_clone,
        (libc::CLONE_PARENT | libc::SIGCHLD) as c_long,
        ZERO,
        ZERO,
        ZERO,
        ZERO
    )
}

/// The init of a namespace in which the process under test is somebody else: it does nothing.
fn keep() -> ! {
    // SAFETY: integers, and the kernel's own struct sigaction; the children that come here are
    // reaped by the kernel.
    unsafe {
        libc::syscall(
            libc::SYS_prctl,
            libc::PR_SET_PDEATHSIG as c_long,
            libc::SIGKILL as c_long,
            ZERO,
            ZERO,
            ZERO,
        );
        libc::syscall(libc::SYS_close_range, ZERO, u32::MAX as c_long, ZERO);
        let ignore = [libc::SIG_IGN, 0, 0, 0];
        let none = ptr::null::<c_void>();
        libc::syscall(
            libc::SYS_rt_sigaction,
            libc::SIGCHLD as c_long,
            &raw const ignore,
            none,
            8 as c_long,
        );
        loop {
            libc::syscall(libc::SYS_ppoll, none, ZERO, none, none, 8 as c_long);
        }
    }
}

fn exit(code: c_int) -> ! {
    // SAFETY: takes an integer; runs no handler of the harness's.
    unsafe { libc::_exit(code) }
}

/// Sets this thread's mask by the raw call, and returns the one before.
pub fn set_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: two pointers to eight bytes.
    unsafe {
        let how = libc::SIG_SETMASK as c_long;
        libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const mask, &raw mut before, 8 as c_long);
    }
    before
}

/// A pipe that no program inherits: its reading and its writing end.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: a pointer to two ints; the descriptors are new and nobody else's.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// A pseudoterminal of 80 by 24: the side that a person sits at, and the side that programs have.
/// Nothing is echoed, and a new line stays one, so that what is read is what was written.
pub fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut person, mut program) = (0, 0);
    // SAFETY: pointers to ints and to structures that live through the calls.
    unsafe {
        let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let none = ptr::null_mut();
        if libc::openpty(&mut person, &mut program, none, ptr::null(), &size) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut modes = std::mem::zeroed::<libc::termios>();
        libc::tcgetattr(program, &mut modes);
        modes.c_lflag &= !libc::ECHO;
        modes.c_oflag &= !libc::OPOST;
        libc::tcsetattr(program, libc::TCSANOW, &modes);
        for fd in [person, program] {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        Ok((OwnedFd::from_raw_fd(person), OwnedFd::from_raw_fd(program)))
    }
}

/// Gives a terminal another size, of which its foreground group is told by SIGWINCH.
pub fn resize(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: a pointer to a structure that lives through the call.
    assert_eq!(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
}

/// Waits until there is something to read, or the time is over; whether there is.
pub fn readable(fd: RawFd, milliseconds: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: a pointer to one structure, and we say one.
    unsafe { libc::poll(&mut poll, 1, milliseconds) > 0 }
}

/// Waits until one of them can be read, or is at its end; the first that can.
pub fn first_readable(fds: &[RawFd], milliseconds: c_int) -> Option<usize> {
    let poll = |fd: &RawFd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut polls: Vec<libc::pollfd> = fds.iter().map(poll).collect();
    // SAFETY: a pointer to as many structures as we say.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) };
    polls.iter().position(|poll| poll.revents != 0)
}

/// mkfifo(3).
pub fn make_fifo(file: &Path) -> io::Result<()> {
    let name = CString::new(file.as_os_str().as_bytes())?;
    // SAFETY: a C string that lives through the call.
    match unsafe { libc::mkfifo(name.as_ptr(), 0o644) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A descriptor that becomes readable when the process ends.
pub fn pidfd(pid: pid_t) -> io::Result<OwnedFd> {
    // SAFETY: two integers; the descriptor is new and nobody else's.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, pid as c_long, ZERO) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as RawFd)),
        }
    }
}

/// waitpid(2) for this very child: its status word.
pub fn wait(pid: pid_t, options: c_int) -> io::Result<c_int> {
    let mut status = 0;
    // SAFETY: a pointer to an int.
    match unsafe { libc::waitpid(pid, &mut status, options | libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(status),
    }
}

pub fn kill(pid: pid_t, signal: c_int) -> bool {
    // SAFETY: two integers.
    unsafe { libc::kill(pid, signal) == 0 }
}

/// flock(2): whether this open file has the lock now.
pub fn lock(file: &File) -> bool {
    // SAFETY: two integers.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// sigqueue(3).
pub fn queue(pid: pid_t, signal: c_int, value: usize) -> bool {
    let value = libc::sigval { sival_ptr: value as *mut c_void };
    // SAFETY: integers, and a value that nobody takes for a pointer.
    unsafe { libc::sigqueue(pid, signal, value) == 0 }
}

/// Whether this process has all the power that root has: not only that of a user namespace, in which
/// most users do not exist.
pub fn is_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let every = map.split_whitespace().eq(["0", "0", "4294967295"]);
    // SAFETY: takes nothing.
    every && unsafe { libc::geteuid() == 0 }
}

/// One stop of a traced process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At the entry to this system call, and its first arguments.
    Entry(u64, [u64; 3]),
    /// After a system call.
    Exit,
    /// Ended.
    End(c_int),
}

/// Follows a process that has asked to be traced: takes the stop of its execve.
pub fn trace_begin(pid: pid_t) -> io::Result<()> {
    wait(pid, 0)?;
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options as usize).map(drop)
}

/// Lets it run to the next entry or exit of a system call. Signals that come between are given to it.
pub fn trace_step(pid: pid_t) -> io::Result<Stop> {
    let mut pass_on = 0;
    loop {
        ptrace(libc::PTRACE_SYSCALL, pid, 0, pass_on)?;
        let status = wait(pid, 0)?;
        if !libc::WIFSTOPPED(status) {
            return Ok(Stop::End(status));
        }
        match libc::WSTOPSIG(status) {
            signal if signal == libc::SIGTRAP | 0x80 => break,
            signal => pass_on = signal as usize,
        }
    }
    // struct ptrace_syscall_info: op, then from byte 24 on the number and the arguments.
    let mut info = [0u64; 11];
    ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size_of_val(&info), info.as_mut_ptr() as usize)?;
    Ok(match info[0].to_ne_bytes()[0] {
        1 => Stop::Entry(info[3], [info[4], info[5], info[6]]),
        _ => Stop::Exit,
    })
}

/// Lets it go on without us.
pub fn trace_end(pid: pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_DETACH, pid, 0, 0).map(drop)
}

#[allow(clippy::cast_possible_wrap)]
fn ptrace(request: libc::c_uint, pid: pid_t, address: usize, data: usize) -> io::Result<c_long> {
    // SAFETY: what `data` points to, where it is a pointer, is as long as `address` says.
    match unsafe {
        libc::syscall(libc::SYS_ptrace, c_long::from(request), pid as c_long, address, data)
    } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
