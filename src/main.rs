//! The binary `pydexec`. Hands over to the command line in `pydexec::cli`, nothing else.

#![no_main]

#[path = "sys/arena.rs"]
mod arena;
#[path = "sys/entry.rs"]
mod entry;
#[cfg(no_unwinder)]
#[path = "sys/unwind.rs"]
mod unwind;
