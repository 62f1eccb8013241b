//! PID 1: what an init does while a child of its own runs.
//!
//! [`machine`] decides: events in, actions out, without a system call, so that every rule can be
//! tested as a value. [`supervisor`] acts: one signalfd, one `poll`, no thread, and
//! no timer but while a limit of [`limits`] runs.

#![forbid(unsafe_code)]

mod limits;
mod machine;
mod supervisor;

pub(crate) use limits::{Ending, Limits};
pub(crate) use machine::Target;
pub(crate) use supervisor::{Stage, Start, Supervisor, asks_to_end, exec};
