//! From argv to an exit code: one file for each face of the binary, and the only place that prints
//! errors.

#![forbid(unsafe_code)]

mod entrypoint;
mod failure;
mod options;
mod run;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::init::Start;
use crate::sys::Args;

/// The whole program. Called by the C `main`, which returns what this returns.
pub fn main(args: Args) -> u8 {
    let start = Start::block();
    let result = match args.get(1).map(OsStr::as_bytes) {
        Some(b"run") => run::run(args, start),
        Some(b"check") => run::check(args),
        _ => entrypoint::main(args, start),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code
        }
    }
}
