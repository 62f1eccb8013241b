//! `pydexec -- COMMAND` where nothing else is asked for: the way of most containers, and the shortest.
//!
//! The command is taken from where execve has laid it, as the drop-in names do, and nothing is parsed
//! or copied. It does what the long way in [`entrypoint`](super::entrypoint) would.

use std::os::unix::ffi::OsStrExt;

use super::failure::Failure;
#[cfg(feature = "requirements")]
use crate::boot::USUAL_REQUIREMENTS;
use crate::command::launch::{self, Prepared};
use crate::command::{Command, Environment};
use crate::init::{Failed, Policy, Stage, Start, Supervisor, Target};
use crate::log::Log;
use crate::sys::Args;
use crate::sys::args::Inherited;
use crate::sys::process::Failure as StartFailure;

/// The exit code; `None` where there is more to be done than to run the command.
pub(super) fn run(args: Args, start: Start) -> Result<Option<u8>, Failure> {
    let given = Inherited::here();
    let (Some(dashes), Some(name)) = (args.get(1), args.c_string(2)) else { return Ok(None) };
    if dashes.as_bytes() != [b'-', b'-']
        || given.iter().any(|entry| entry.to_bytes().starts_with(b"PYDEXEC_"))
    {
        return Ok(None);
    }
    #[cfg(feature = "requirements")]
    if std::fs::symlink_metadata(USUAL_REQUIREMENTS.path()).is_ok() {
        return Ok(None);
    }
    let path = given.get("PATH");
    let prepared = Prepared::of_strings(name, path, args.tail(2), given.array());
    let mut supervisor = Supervisor::new(start, Log::Silent);
    match supervisor.supervise(&prepared, &Policy::ours(Target::Child), Stage::Command) {
        Ok(ended) => Ok(Some(ended.status.code())),
        Err(Failed::System(error)) => Err(error.into()),
        Err(Failed::Start(failure)) => Err(explain(args, failure)),
    }
}

#[cold]
fn explain(args: Args, failure: StartFailure) -> Failure {
    let mut command = Command::new(args.get(2).unwrap_or_default());
    match command.args(args.from(3)).plan(&Environment::current()) {
        Ok(plan) => launch::explain(&plan, failure).into(),
        Err(error) => error.into(),
    }
}
