//! What is told on stderr, in one form and one write a message.

#![forbid(unsafe_code)]

use std::io::{self, Write};

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

/// Writes `pydexec: ` and the text. That nobody reads stderr is no reason to stop.
pub(crate) fn say(text: &str) {
    line(&format!("pydexec: {text}"));
}

/// Writes the line alone, for a tool that says it in its own form.
pub(crate) fn line(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
