//! What is told on stderr, in one form and one write a message.
//!
//! Whoever reads stderr may have stopped reading, and a full pipe would hold PID 1 in a write while
//! signals and orphans wait. So nothing is written to it unless it takes it at once; an error that
//! is the last thing we say waits for a moment.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How much is told of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// Nothing: all is well.
    Silent,
    /// Each step, and how long it took (`-v`).
    Steps,
}

impl Log {
    /// Tells a step, if steps are told.
    pub fn step(self, line: impl FnOnce() -> String) {
        if self == Self::Steps {
            say(&line());
        }
    }
}

/// Writes `pydexec: ` and the text.
pub(crate) fn say(text: &str) {
    line(&format!("pydexec: {text}"));
}

/// Writes the line alone, for a tool that says it in its own form.
pub(crate) fn line(text: &str) {
    tell(format!("{text}\n").as_bytes());
}

/// Writes it if stderr takes it at once, and drops it otherwise.
pub(crate) fn tell(text: &[u8]) {
    write(text, PollTimeout::ZERO);
}

/// Writes the last that is to be said, once stderr takes it; two seconds are enough for a reader who
/// is still there.
pub(crate) fn conclude(text: &[u8]) {
    write(text, PollTimeout::from(2000u16));
}

fn write(text: &[u8], patience: PollTimeout) {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    // A closed stderr answers too (POLLNVAL), and the write fails without harm. A pipe that is ready
    // takes 4096 bytes (pipe(7)).
    if poll(&mut ready, patience) != Ok(0) {
        let _ = stderr.lock().write_all(text);
    }
}
