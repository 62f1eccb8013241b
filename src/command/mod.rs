//! The builder, and what it resolves to: argv, environment, credentials, directory.
//!
//! [`Command`] records what was asked for; [`Command::plan`] decides, and starts nothing; what
//! comes of it is an [`ExecPlan`], a plain value. Starting it is left to `launch`, the one place
//! where a plan meets the kernel.

#![forbid(unsafe_code)]

mod builder;
mod child;
mod diagnose;
mod env_arg;
mod environment;
pub(crate) mod launch;
pub(crate) mod lookup;
mod plan;

pub use builder::Command;
pub(crate) use builder::yes_or_no;
pub use child::Child;
pub use env_arg::EnvArg;
pub use environment::Environment;
pub use plan::ExecPlan;
