//! PID 1: what an init does while a child of its own runs.
//!
//! [`machine`] decides: events in, actions out, without a system call, so that every rule can be
//! tested as a value. [`supervisor`] acts: one signalfd, one `poll`, no timer, no thread.

#![forbid(unsafe_code)]

mod capture;
mod machine;
mod supervisor;

pub(crate) use capture::Capture;
pub(crate) use machine::Target;
pub(crate) use supervisor::{Stage, Start, Supervisor, exec};
