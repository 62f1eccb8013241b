//! The binary `pydexec`. Hands over to the command line in `pydexec::cli`, nothing else.

#![no_main]

use pydexec::sys::Allocator;

#[path = "sys/entry.rs"]
mod entry;
#[cfg(no_unwinder)]
#[path = "sys/unwind.rs"]
mod unwind;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;
