//! From argv to an exit code: one file for each face of the binary, and the only place that prints
//! errors.

#![forbid(unsafe_code)]

mod entrypoint;
mod failure;
mod health;
mod options;
mod wait;
mod wait_for_port;

use std::ffi::OsStr;
use std::path::Path;

use crate::init::Start;
use crate::sys::Args;

/// The whole program. Called by the C `main`, which returns what this returns.
pub fn main(args: Args) -> u8 {
    let start = Start::block();
    match face(args, start) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code
        }
    }
}

/// Who we are: by the name that we were called by, then by the first word.
fn face(args: Args, start: Start) -> Result<u8, failure::Failure> {
    let name = args.get(0).and_then(|path| Path::new(path).file_name()).and_then(OsStr::to_str);
    if name == Some("wait-for-port") {
        return wait_for_port::main(args, start);
    }
    match args.get(1).and_then(OsStr::to_str) {
        Some("health") => health::main(args, start),
        Some("wait") => wait::main(args, start),
        _ => entrypoint::main(args, start),
    }
}
