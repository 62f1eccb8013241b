//! The kernel's side of the house: every raw system call and every `unsafe` block of the project.
//!
//! What is decided elsewhere (pure, under `#![forbid(unsafe_code)]`) is done here, and nothing is
//! decided here. Each function is one promise of the kernel with a safe signature.

#![allow(unsafe_code)]

pub(crate) mod arena;
pub(crate) mod args;
mod call;
pub(crate) mod fd;
pub(crate) mod forward;
pub(crate) mod ids;
pub(crate) mod memory;
pub(crate) mod path;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod tree;
pub(crate) mod tty;

pub use arena::Allocator;
pub use args::Args;

use nix::errno::Errno;

/// The one place where a raw system call's result becomes a `Result`.
fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result < 0 { Err(Errno::last()) } else { Ok(result) }
}
