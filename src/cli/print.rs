//! Whole texts to stdout or stderr, each in one write. That nobody reads them is no reason to fail.

use std::io::{self, Write};

use crate::log;

/// Writes to stdout.
pub(super) fn out(text: impl AsRef<[u8]>) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_ref());
    let _ = stdout.flush();
}

/// Writes to stderr, if that takes it at once.
pub(super) fn err(text: impl AsRef<[u8]>) {
    log::tell(text.as_ref());
}
