//! Builds and runs commands as a container's entrypoint does: arguments from environment
//! variables, another user, signals forwarded, the exit status kept.
//!
//! This is the library behind the binary `pydexec`, and a successor of the Python library of that
//! name. A program of your own may use it where an entrypoint needs more than options can say:
//!
//! ```no_run
//! use pydexec::{Command, EnvArg};
//!
//! Command::new("python").args(["manage.py", "migrate"]).user("app").run()?;
//!
//! let error = Command::new("gunicorn")
//!     .opt_from_env("--bind=", EnvArg::new("BIND").default("0.0.0.0:8000"))
//!     .opt_from_env("--workers", "WEB_CONCURRENCY")
//!     .arg_from_env(EnvArg::new("APP_MODULE").required())
//!     .user("app")
//!     .workdir("/app")
//!     .exec();
//! // exec() returns only when it failed.
//! eprintln!("{error}");
//! std::process::exit(error.exit_code().into());
//! # #[allow(unreachable_code)]
//! # Ok::<(), pydexec::Error>(())
//! ```
//!
//! All of it is there in every build. The features (`init`, `requirements`, `checks`, `templates`,
//! `file`) are parts of the binary: with `default-features = false` none of their crates is compiled.
//!
//! Linux only: it speaks to the kernel of containers.

#![deny(unsafe_code)]
#![warn(missing_docs)]
// Without the binary, what only the binary uses is left to the linker.
#![cfg_attr(not(feature = "init"), allow(dead_code, unused_imports))]

// These serve every part of the binary: what is used by one alone that is not built, is left to the
// linker. `boot` and `cli` have exactly what is built.
#[cfg_attr(not(feature = "file"), allow(dead_code, unused_imports))]
pub mod command;
pub mod error;
pub mod user;

#[cfg(feature = "init")]
mod boot;
#[cfg(feature = "file")]
mod entrypoint;
#[cfg_attr(not(feature = "file"), allow(dead_code, unused_imports))]
mod init;
mod log;

#[cfg(feature = "init")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
#[allow(missing_docs)]
#[cfg_attr(not(feature = "file"), allow(dead_code))]
pub mod sys;

pub use command::{Child, Command, EnvArg, Environment, ExecPlan};
pub use error::Error;
pub use user::UserSpec;

/// The README's examples, so that they are compiled too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
