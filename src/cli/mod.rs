//! From argv to an exit code: one file for each face of the binary, and the only place that prints
//! errors.

#![forbid(unsafe_code)]

mod catatonit;
mod dumb_init;
mod entrypoint;
mod failure;
mod getopt;
mod health;
mod init;
mod inline;
mod links;
mod options;
mod plain;
mod print;
mod run;
mod su;
mod tini;
mod wait;
mod wait_for_port;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use self::failure::Failure;

use crate::init::Start;
use crate::sys::Args;

/// A whole tool, from its arguments to its exit code.
type Face = fn(Args, Start) -> Result<u8, Failure>;

/// The names under which this binary is another tool, and what it is then. `pydexec links` installs
/// all of them.
const NAMES: [(&str, Face); 9] = [
    ("pysu", su::pysu),
    ("gosu", su::gosu),
    ("su-exec", su::su_exec),
    ("tini", tini::main),
    ("tini-static", tini::main),
    ("docker-init", tini::main),
    ("dumb-init", dumb_init::main),
    ("catatonit", catatonit::main),
    ("wait-for-port", wait_for_port::main),
];

/// The tools of this binary's own, behind its name. A command always stands behind `--`, so that
/// none of them can stand in a program's way.
const SUBCOMMANDS: [(&str, Face); 6] = [
    ("run", run::run),
    ("check", run::check),
    ("su", su::main),
    ("links", links::main),
    ("wait", wait::main),
    ("health", health::main),
];

const LICENSE: &str = include_str!("../../LICENSE");

/// The whole program. Called by the C `main`, which returns what this returns.
pub fn main(args: Args) -> u8 {
    let start = Start::block();
    let face = face(&NAMES, base_name(args.get(0).unwrap_or_default()))
        .or_else(|| face(&SUBCOMMANDS, args.get(1)?))
        .unwrap_or(entrypoint::main);
    match face(args, start) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code
        }
    }
}

fn face(faces: &[(&str, Face)], name: &OsStr) -> Option<Face> {
    faces.iter().find(|(known, _)| name == *known).map(|(_, face)| *face)
}

/// The name of a path, without the directories.
fn base_name(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}
