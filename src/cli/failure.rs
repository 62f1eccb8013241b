//! An error on its way out: what is printed, and the exit code.

use crate::boot::BootError;
use crate::error::Error;
use crate::log;

/// What every error becomes at the top.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line that says what failed and why; several lines only for several faults.
    pub message: String,
    /// One line that says what to do about it.
    pub hint: Option<String>,
    pub code: u8,
}

impl Failure {
    /// A command line or variable that is wrong.
    pub fn usage(message: impl Into<String>, hint: Option<String>) -> Self {
        Self { message: message.into(), hint, code: 2 }
    }

    /// Writes it to stderr at once, so that no other process's line comes in between.
    pub fn print(&self) {
        self.print_as("pydexec");
    }

    /// The same under another name.
    pub fn print_as(&self, name: &str) {
        let mut text = String::new();
        for line in self.message.lines().chain(self.hint.as_deref()) {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(line);
            text.push('\n');
        }
        log::conclude(text.as_bytes());
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), hint: error.hint(), code: error.exit_code() }
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        Self { message: error.to_string(), hint: error.hint(), code: error.exit_code() }
    }
}
