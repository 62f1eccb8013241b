//! The child of the tests: prints what it was given, then what it receives, a line each.
//!
//! ```text
//! probe state             what the kernel says of this process, and exit 0
//! probe signals [LAST]    `ready`, then `signal N` for each one, until LAST (15) has come
//! probe heir [LAST]       the same without blocking anything itself first
//! probe exit CODE         exits
//! probe die N             dies of signal N
//! probe stop N            prints `ready`, stops itself by signal N, prints `continued`, exits 0
//! probe orphans COUNT     leaves COUNT orphans that end at once, prints `orphaned`, and waits for TERM
//! probe trickle COUNT     makes COUNT orphans, each once the one before is reaped, then as `orphans`
//! probe crowd COUNT [N]   leaves COUNT orphans, prints `crowd`; at signal N (USR1) they end; waits for TERM
//! probe bustle COUNT      signals its parent each 400 µs while COUNT pairs of its siblings end, and ends;
//!                         then `signals N`: so many more until its parent had ended too
//! probe echo              `ready`, then `got LINE` for each line of stdin, until `quit` or its end
//! probe close FD [LAST]   closes FD, then as `heir`
//! probe leave [LAST]      leaves its process group for another one, then as `signals`
//! probe give              gives the terminal's foreground to a child that stays, and exits 0
//! probe unmount DIR       `ready`; when a line comes, unmounts DIR and prints `unmounted` or errno
//! probe args …            each argument as hexadecimal digits
//! probe variable NAME     its value as hexadecimal digits, or `unset`
//! probe pip …             what it was called with, in a line, and exit 0: an installer of nothing
//! probe regain            tries every way back to root, and prints `no way back` or the way
//! ```
//!
//! With PROBE_OUT=N it prints to descriptor N instead of 1.
//!
//! A C `main`, as in the product: Rust's runtime would change what is to be observed.

#![no_main]

use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write as _;
use std::{fs, io, mem, ptr};

/// # Safety
///
/// For the C library alone, which calls it once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let args: Vec<&str> = (0..argc as usize)
        .map(|index| unsafe { CStr::from_ptr(*argv.add(index)) }.to_str().unwrap_or("?"))
        .collect();
    let number = |index: usize| args.get(index).and_then(|text| text.parse::<c_int>().ok());
    match args.get(1).copied() {
        Some("state") => state(),
        Some("signals") => {
            block_all();
            receive(number(2).unwrap_or(libc::SIGTERM))
        }
        Some("heir") => receive(number(2).unwrap_or(libc::SIGTERM)),
        Some("exit") => number(2).unwrap_or(1),
        Some("die") => die(number(2).unwrap_or(libc::SIGTERM)),
        Some("stop") => {
            say("ready");
            unsafe { libc::raise(number(2).unwrap_or(libc::SIGSTOP)) };
            say("continued");
            0
        }
        Some("orphans") => orphans(number(2).unwrap_or(1)),
        Some("trickle") => {
            for _ in 0..number(2).unwrap_or(1) {
                trickle();
            }
            block_all();
            say("orphaned");
            receive(libc::SIGTERM)
        }
        Some("crowd") => crowd(number(2).unwrap_or(1), number(3).unwrap_or(libc::SIGUSR1)),
        Some("bustle") => bustle(number(2).unwrap_or(1)),
        Some("echo") => echo(),
        Some("close") => {
            unsafe { libc::close(number(2).unwrap_or(-1)) };
            receive(number(3).unwrap_or(libc::SIGTERM))
        }
        Some("leave") => {
            leave();
            block_all();
            receive(number(2).unwrap_or(libc::SIGTERM))
        }
        Some("give") => give(),
        Some("unmount") => unmount(argc, argv),
        Some("args") => {
            for index in 2..argc as usize {
                say(&hex(unsafe { CStr::from_ptr(*argv.add(index)) }));
            }
            0
        }
        Some("variable") if argc > 2 => {
            let value = unsafe { libc::getenv(*argv.add(2)) };
            if value.is_null() {
                say("unset");
            } else {
                say(&hex(unsafe { CStr::from_ptr(value) }));
            }
            0
        }
        Some("pip") => {
            say(&args[1..].join(" "));
            0
        }
        Some("regain") => regain(),
        _ => {
            say("usage: see the head of probe.rs");
            2
        }
    }
}

fn say(line: &str) {
    write(&format!("{line}\n"));
}

fn write(text: &str) {
    unsafe {
        let other = libc::getenv(c"PROBE_OUT".as_ptr());
        let fd = if other.is_null() { 1 } else { libc::atoi(other) };
        libc::write(fd, text.as_ptr().cast(), text.len());
    }
}

fn hex(text: &CStr) -> String {
    text.to_bytes().iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn block_all() {
    let all = !0u64;
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK as libc::c_long,
            &raw const all,
            ptr::null_mut::<u64>(),
            mem::size_of::<u64>(),
        );
    }
}

/// By raw calls, so that all 64 are seen; musl and glibc keep 32 to 34 to themselves.
fn receive(last: c_int) -> c_int {
    say("ready");
    let all = !0u64;
    loop {
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let signal = unsafe {
            libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const all,
                &raw mut info,
                ptr::null::<libc::timespec>(),
                mem::size_of::<u64>(),
            )
        } as c_int;
        if signal <= 0 {
            continue;
        }
        let mut line = format!("signal {signal}");
        if info.si_code == libc::SI_QUEUE {
            let value = unsafe { info.si_value() }.sival_ptr as usize;
            let _ = write!(line, " value {value}");
        }
        say(&line);
        if signal == last {
            return 0;
        }
    }
}

fn die(signal: c_int) -> c_int {
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
        // For signals that a parent had blocked.
        let nothing = 0u64;
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK as libc::c_long,
            &raw const nothing,
            ptr::null_mut::<u64>(),
            mem::size_of::<u64>(),
        );
    }
    99
}

/// The grandchildren outlive the children that made them, by waiting on a pipe for their end.
fn orphans(count: c_int) -> c_int {
    for _ in 0..count {
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let parent = libc::getpid();
                if libc::fork() == 0 {
                    while libc::getppid() == parent {
                        libc::sched_yield();
                    }
                }
                libc::_exit(0);
            }
            let mut status = 0;
            libc::waitpid(child, &mut status, 0);
        }
    }
    // Not before, or the ends of our own children would wait here too.
    block_all();
    say("orphaned");
    receive(libc::SIGTERM)
}

/// One orphan that ends, until it is gone.
fn trickle() {
    let mut ends = [0; 2];
    let mut orphan: libc::pid_t = 0;
    unsafe {
        libc::pipe(ends.as_mut_ptr());
        let child = libc::fork();
        if child == 0 {
            let parent = libc::getpid();
            let mut orphan = libc::fork();
            if orphan == 0 {
                while libc::getppid() == parent {
                    libc::sched_yield();
                }
            } else if orphan > 0 {
                libc::write(ends[1], (&raw mut orphan).cast(), mem::size_of_val(&orphan));
            }
            libc::_exit(0);
        }
        let mut status = 0;
        libc::waitpid(child, &mut status, 0);
        libc::close(ends[1]);
        libc::read(ends[0], (&raw mut orphan).cast(), mem::size_of_val(&orphan));
        while orphan > 0 && libc::kill(orphan, 0) == 0 {
            libc::sched_yield();
        }
        libc::close(ends[0]);
    }
}

/// All of the orphans read from one pipe, whose end ends them in the same moment.
fn crowd(count: c_int, end: c_int) -> c_int {
    let mut ends = [0; 2];
    unsafe { libc::pipe(ends.as_mut_ptr()) };
    for _ in 0..count {
        unsafe {
            let child = libc::fork();
            if child == 0 {
                if libc::fork() == 0 {
                    libc::close(ends[1]);
                    let mut byte = 0u8;
                    libc::read(ends[0], (&raw mut byte).cast(), 1);
                }
                libc::_exit(0);
            }
            let mut status = 0;
            libc::waitpid(child, &mut status, 0);
        }
    }
    block_all();
    say("crowd");
    receive(end);
    unsafe { libc::close(ends[1]) };
    receive(libc::SIGTERM)
}

fn bustle(count: c_int) -> c_int {
    let mut ends = [0; 2];
    unsafe {
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
        libc::pipe(ends.as_mut_ptr());
        let parent = libc::getppid();
        if sibling() == 0 {
            libc::close(ends[1]);
            let mut ended = libc::pollfd { fd: ends[0], events: 0, revents: 0 };
            let mut after = 0;
            while libc::getppid() == parent {
                after += libc::poll(&raw mut ended, 1, 0);
                libc::kill(parent, libc::SIGUSR1);
                libc::usleep(400);
            }
            say(&format!("signals {after}"));
            libc::_exit(0);
        }
        for _ in 0..count {
            for _ in 0..2 {
                if sibling() == 0 {
                    libc::_exit(0);
                }
            }
            libc::usleep(300);
        }
    }
    0
}

/// A child of our parent's: 0 in it.
unsafe fn sibling() -> libc::pid_t {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as libc::pid_t }
}

fn echo() -> c_int {
    say("ready");
    let mut line = String::new();
    while io::stdin().read_line(&mut line).is_ok_and(|count| count > 0) {
        if line.trim_end() == "quit" {
            return 0;
        }
        say(&format!("got {}", line.trim_end()));
        line.clear();
    }
    0
}

/// A process that leads its group cannot begin a session, but it can join another group.
fn leave() {
    unsafe {
        let other = libc::fork();
        if other == 0 {
            libc::setpgid(0, 0);
            libc::pause();
        }
        libc::setpgid(other, other);
        libc::setpgid(0, other);
        libc::kill(other, libc::SIGKILL);
        let mut status = 0;
        libc::waitpid(other, &mut status, 0);
    }
}

fn give() -> c_int {
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        let child = libc::fork();
        if child == 0 {
            libc::pause();
        }
        libc::setpgid(child, child);
        libc::tcsetpgrp(0, child);
        say(&format!("given {child}"));
    }
    0
}

fn unmount(argc: c_int, argv: *const *const c_char) -> c_int {
    if argc < 3 {
        return 2;
    }
    say("ready");
    let mut line = String::new();
    let _ = io::stdin().read_line(&mut line);
    if unsafe { libc::umount2(*argv.add(2), 0) } == 0 {
        say("unmounted");
        return 0;
    }
    say(&io::Error::last_os_error().to_string());
    1
}

fn regain() -> c_int {
    let way = unsafe {
        let root = [0 as libc::gid_t];
        if libc::setuid(0) == 0 {
            "setuid"
        } else if libc::seteuid(0) == 0 {
            "seteuid"
        } else if libc::setresuid(0, 0, 0) == 0 {
            "setresuid"
        } else if libc::setreuid(0, 0) == 0 {
            "setreuid"
        } else if libc::setgid(0) == 0 {
            "setgid"
        } else if libc::setegid(0) == 0 {
            "setegid"
        } else if libc::setgroups(1, root.as_ptr()) == 0 {
            "setgroups"
        } else if libc::setfsuid(0) == 0 || libc::setfsuid(u32::MAX) == 0 {
            "setfsuid"
        } else {
            say("no way back");
            return 0;
        }
    };
    say(way);
    1
}

fn state() -> c_int {
    let mut text = String::new();
    // Before anything is opened here.
    let mut open: Vec<c_int> = Vec::new();
    for fd in 0..1024 {
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1 {
            open.push(fd);
        }
    }
    let list: Vec<String> = open.iter().map(c_int::to_string).collect();
    let _ = writeln!(text, "fds: {}", list.join(" "));
    let wanted = [
        "Pid:",
        "PPid:",
        "Uid:",
        "Gid:",
        "Groups:",
        "SigBlk:",
        "SigIgn:",
        "SigCgt:",
        "CapEff:",
        "CapAmb:",
        "NoNewPrivs:",
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        if wanted.iter().any(|key| line.starts_with(key)) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let _ = writeln!(text, "{}", words.join(" "));
        }
    }
    unsafe {
        let _ = writeln!(text, "pgid: {}", libc::getpgrp());
        let _ = writeln!(text, "sid: {}", libc::getsid(0));
        let mut death = 0;
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death);
        let _ = writeln!(text, "pdeathsig: {death}");
        let mut subreaper = 0;
        libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut subreaper);
        let _ = writeln!(text, "subreaper: {subreaper}");
        for fd in 0..3 {
            let group = libc::tcgetpgrp(fd);
            if group > 0 {
                let _ = writeln!(text, "foreground: {group}");
                break;
            }
        }
    }
    let cwd = std::env::current_dir().map_err(|error: io::Error| error.to_string());
    let _ = match cwd {
        Ok(cwd) => writeln!(text, "cwd: {}", cwd.display()),
        Err(error) => writeln!(text, "cwd: {error}"),
    };
    for (name, value) in std::env::vars_os() {
        let _ = writeln!(text, "env {}={}", name.to_string_lossy(), value.to_string_lossy());
    }
    write(&text);
    0
}
