//! The C `main` of the binary, and why it is not Rust's.
//!
//! Before a Rust `main` runs, the runtime has set SIGPIPE to ignored and opened `/dev/null` on
//! every closed descriptor from 0 to 2, and the child would be given that instead of what this
//! process was given. A C `main` comes before all of it, and costs less.
//!
//! This file belongs to the binary, not to the library: a library that exported the symbol `main`
//! would take it away from whoever links it. It stands here because all `unsafe` does.

use std::ffi::{c_char, c_int};

/// Called by the C library's start-up code.
#[unsafe(no_mangle)]
pub extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: the C library calls `main` once, with argc and argv as execve laid them out; they
    // stay where they are until the process ends, and nothing here writes to them.
    let args = unsafe { pydexec::sys::Args::from_main(argc, argv) };
    c_int::from(pydexec::cli::main(args))
}
