//! From argv to an exit code: one file for each face of the binary, and the only place that prints
//! errors.

#![forbid(unsafe_code)]

mod entrypoint;
mod failure;
mod options;

use crate::init::Start;
use crate::sys::Args;

/// The whole program. Called by the C `main`, which returns what this returns.
pub fn main(args: Args) -> u8 {
    let start = Start::block();
    match entrypoint::main(args, start) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code
        }
    }
}
