//! A signal in the first microsecond: thousands of tries, each a little later than the one before.
//!
//! The tool is started with every signal blocked, so that whatever is sent to it is kept by the
//! kernel from its first instruction on, and only what the tool does can lose it: forward it to a
//! group that is not there yet, or to a child that would not get it. The originals lose some, at
//! random, and are not run.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::case::{Case, Tool, described};
use crate::support::{kernel, probe};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, options, tries) in [
        ("tini", &["-s", "--"][..], 300),
        ("tini", &["-s", "-g", "--"], 1000),
        ("dumb-init", &["--"], 1000),
        ("dumb-init", &["-c", "--"], 300),
        ("catatonit", &["--"], 300),
        ("catatonit", &["-g", "--"], 1000),
    ] {
        let title = format!("{} a signal in the first microsecond", options.join(" "));
        let promise = format!("{tries} of {tries} arrived");
        cases.push(described(name, title, promise, move |tool| {
            let arrived = (0..tries).filter(|number| arrives(tool, options, *number)).count();
            format!("{arrived} of {tries} arrived")
        }));
    }
    cases
}

fn arrives(tool: &Tool, options: &[&str], number: u32) -> bool {
    let mut command = Command::new(&tool.path);
    // Not blocking anything itself: it has what the tool was given.
    command.args(options).arg(probe()).args(["heir", "15"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: one raw system call, which allocates nothing and holds no lock.
    unsafe {
        command.pre_exec(|| {
            kernel::set_mask(kernel::EVERY);
            Ok(())
        });
    }
    let mut child = command.spawn().expect("the tool can be started");
    let pid = child.id() as i32;
    let end = kernel::pidfd(pid).expect("it is our child");
    // From the first moment up to well after the start of its child.
    let wait = Duration::from_micros(u64::from(number % 400));
    let began = Instant::now();
    while began.elapsed() < wait {
        std::hint::spin_loop();
    }
    kernel::kill(pid, libc::SIGTERM);
    if !kernel::readable(std::os::fd::AsRawFd::as_raw_fd(&end), 10_000) {
        // Its child hears it from us.
        for grandchild in crate::support::Process(pid).children() {
            kernel::kill(grandchild.0, libc::SIGKILL);
        }
        let _ = child.kill();
    }
    child.wait().is_ok_and(|status| status.code() == Some(0))
}
