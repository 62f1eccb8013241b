//! A program that uses the library, for tests/library.rs to look at from outside.
//!
//! ```text
//! host run PROGRAM ARG…        `ok`, or `error CODE TEXT`
//! host status PROGRAM ARG…     `code N` or `signal N`
//! host spawn PROGRAM ARG…      `child PID` at once; when a line comes on stdin, waits, as `status`
//! host exec PROGRAM ARG…       `error CODE TEXT`, if it returns
//! host supervise PROGRAM ARG…  as `status`
//! host both PROGRAM ARG…       `status` in two threads at once
//! host handler PROGRAM ARG…    as `status`, with a handler of its own that prints `host` at USR1
//! ```
//!
//! HOST_USER and HOST_WORKDIR are for the command. After `status` and `supervise` it prints
//! `after MASK`, its signal mask, and stays until its stdin ends.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use pydexec::{Command, Error};

fn main() {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let [verb, program, arguments @ ..] = words.as_slice() else {
        eprintln!("usage: see the head of host.rs");
        std::process::exit(2);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(user) = std::env::var_os("HOST_USER") {
        command.user(user);
    }
    if let Some(directory) = std::env::var_os("HOST_WORKDIR") {
        command.workdir(directory);
    }
    match verb.to_str() {
        Some("run") => match command.run() {
            Ok(()) => say("ok"),
            Err(error) => tell(&error),
        },
        Some("status") => {
            ended(command.status());
            stay();
        }
        Some("supervise") => {
            ended(command.supervise());
            stay();
        }
        Some("spawn") => match command.spawn() {
            Ok(mut child) => {
                say(&format!("child {}", child.id()));
                let _ = io::stdin().read_line(&mut String::new());
                ended(child.wait());
                // The same answer again, at once.
                ended(child.wait());
            }
            Err(error) => tell(&error),
        },
        Some("exec") => tell(&command.exec()),
        Some("both") => std::thread::scope(|scope| {
            scope.spawn(|| ended(command.status()));
            ended(command.status());
        }),
        Some("handler") => {
            // SAFETY: write is async-signal-safe.
            unsafe {
                let _ = signal_hook::low_level::register(libc::SIGUSR1, || {
                    let _ = libc::write(1, c"host\n".as_ptr().cast(), 5);
                });
            }
            ended(command.status());
            stay();
        }
        _ => std::process::exit(2),
    }
}

fn say(line: &str) {
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}

fn tell(error: &Error) {
    say(&format!("error {} {error}", error.exit_code()));
}

fn ended(result: Result<ExitStatus, Error>) {
    match result {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => say(&format!("code {code}")),
            (None, signal) => say(&format!("signal {}", signal.unwrap_or(0))),
        },
        Err(error) => tell(&error),
    }
}

fn stay() {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap_or_default();
    say(&format!("after {}", mask.trim()));
    let _ = io::stdin().read_line(&mut String::new());
}
