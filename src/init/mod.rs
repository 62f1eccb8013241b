//! PID 1: what an init does while a child of its own runs.
//!
//! [`machine`] decides: events in, actions out, without a system call, so that every rule can be
//! tested as a value. [`supervisor`] acts: one wait for the next signal, no thread, and
//! no timer but while a limit of [`limits`] runs or a [`crowd`] of children ends.
//! [`policy`] says in what one init differs from another, and [`voice`] what it tells of itself.

#![forbid(unsafe_code)]

mod capture;
mod crowd;
mod limits;
mod machine;
mod policy;
mod supervisor;
mod voice;

pub(crate) use capture::Capture;
pub(crate) use limits::Limits;
pub(crate) use policy::{End, Policy, Rewrites, Stops, Target};
pub(crate) use supervisor::{
    Adopt, Ended, Failed, Stage, Start, Supervisor, asked_before_exec, asks_to_end, exec,
};
pub(crate) use voice::{Fact, Tells, Voice};
