//! What an init costs while it only waits: its memory and its wake-ups.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::contestants::{Contestant, Places, command};

/// Measured of one init.
pub struct Idle {
    pub name: String,
    pub ours: bool,
    /// Kilobytes that belong to it alone and were written to (Private_Dirty).
    pub dirty: u64,
    /// Kilobytes of its files that nobody else has mapped (Private_Clean): page cache, which the
    /// next container of the same image shares.
    pub clean: u64,
    /// How often it was woken in three seconds.
    pub wakeups: u64,
}

/// Starts `init` over the probe, and waits until the probe has said that it runs.
pub fn start(
    init: &Contestant,
    places: &Places,
    probe: &[&str],
) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut target = vec![places.probe.to_str().expect("a path in UTF-8")];
    target.extend(probe);
    let words = init.with(&target);
    let mut child = command(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", init.name));
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line of the probe");
    (child, lines)
}

/// `None` where the kernel does not tell.
pub fn measure(init: &Contestant, places: &Places) -> Option<Idle> {
    let (mut child, _lines) = start(init, places, &["signals"]);
    let pid = child.id();
    // It has nothing left to do now but to wait; a second gives it time to notice.
    thread::sleep(Duration::from_secs(1));
    let before = switches(pid)?;
    thread::sleep(Duration::from_secs(3));
    let wakeups = switches(pid)? - before;
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let of = |key: &str| {
        let line = rollup.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let idle = Idle {
        name: init.name.clone(),
        ours: init.ours,
        dirty: of("Private_Dirty:")?,
        clean: of("Private_Clean:")?,
        wakeups,
    };
    signal(pid, "TERM");
    let _ = child.wait();
    Some(idle)
}

fn switches(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Sends a signal by kill(2).
pub fn signal(pid: u32, name: &str) {
    let number = match name {
        "TERM" => libc::SIGTERM,
        _ => libc::SIGUSR1,
    };
    // SAFETY: two integers.
    unsafe { libc::kill(pid as i32, number) };
}
