//! From argv to an exit code: one file for each face of the binary, and the only place that prints
//! errors.

#![forbid(unsafe_code)]

mod catatonit;
mod dumb_init;
#[cfg(any(feature = "requirements", feature = "checks"))]
mod duration;
mod entrypoint;
mod failure;
mod getopt;
mod init;
mod inline;
mod links;
mod options;
mod parts;
mod plain;
mod print;
#[cfg(feature = "requirements")]
mod requirements;
mod specs;
mod su;
#[cfg(feature = "templates")]
mod templates;
mod tini;
mod words;

#[cfg(feature = "checks")]
mod health;
#[cfg(feature = "checks")]
mod wait;
#[cfg(feature = "checks")]
mod wait_for_port;

#[cfg(feature = "file")]
mod run;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use self::failure::Failure;

use crate::init::Start;
use crate::sys::Args;

/// A whole tool, from its arguments to its exit code.
type Face = fn(Args, Start) -> Result<u8, Failure>;

/// The names under which this binary is another tool, and what it is then. `pydexec links` installs
/// all of them.
const NAMES: &[(&str, Face)] = &[
    ("pysu", su::pysu),
    ("gosu", su::gosu),
    ("su-exec", su::su_exec),
    ("tini", tini::main),
    ("tini-static", tini::main),
    ("docker-init", tini::main),
    ("dumb-init", dumb_init::main),
    ("catatonit", catatonit::main),
    #[cfg(feature = "checks")]
    ("wait-for-port", wait_for_port::main),
];

/// The tools of this binary's own, behind its name. A command always stands behind `--`, so that
/// none of them can stand in a program's way.
const SUBCOMMANDS: &[(&str, Face)] = &[
    #[cfg(feature = "file")]
    ("run", run::run),
    #[cfg(feature = "file")]
    ("check", run::check),
    ("su", su::main),
    ("links", links::main),
    #[cfg(feature = "checks")]
    ("wait", wait::main),
    #[cfg(feature = "checks")]
    ("health", health::main),
];

const LICENSE: &str = include_str!("../../LICENSE");

/// The whole program. Called by the C `main`, which returns what this returns.
pub fn main(args: Args) -> u8 {
    let start = Start::block();
    let face = face(NAMES, base_name(args.get(0).unwrap_or_default()))
        .or_else(|| face(SUBCOMMANDS, args.get(1)?))
        .unwrap_or(entrypoint::main);
    match parts::check(args).and_then(|()| face(args, start)) {
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
