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

/// A function that finds a tool by its name: by comparing numbers that stand in the code, not texts
/// that lie pages away from it.
macro_rules! tools {
    ($(#[$about:meta])* $find:ident: $($(#[$row:meta])* $name:literal => $face:path,)*) => {
        $(#[$about])*
        fn $find(name: &OsStr) -> Option<Face> {
            let name = number(name.as_bytes())?;
            $($(#[$row])* if Some(name) == const { number($name.as_bytes()) } {
                return Some($face);
            })*
            None
        }
    };
}

tools! {
    /// The tool that this binary is under that name.
    named:
    "pysu" => su::pysu,
    "gosu" => su::gosu,
    "su-exec" => su::su_exec,
    "tini" => tini::main,
    "tini-static" => tini::main,
    "docker-init" => tini::main,
    "dumb-init" => dumb_init::main,
    "catatonit" => catatonit::main,
    "wait-for-port" => wait_for_port::main,
}

tools! {
    /// The tools of this binary's own, behind its name. A command always stands behind `--`, so that
    /// none of them can stand in a program's way.
    subcommand:
    "run" => run::run,
    "check" => run::check,
    "su" => su::main,
    "links" => links::main,
    "wait" => wait::main,
    "health" => health::main,
}

/// The names that `pydexec links` installs: all of those.
const NAMES: [&str; 9] = [
    "pysu",
    "gosu",
    "su-exec",
    "tini",
    "tini-static",
    "docker-init",
    "dumb-init",
    "catatonit",
    "wait-for-port",
];

/// The bytes of a short text as one number.
const fn number(text: &[u8]) -> Option<u128> {
    let (mut number, mut rest) = (0, text);
    while let [first, others @ ..] = rest {
        number = number << 8 | *first as u128;
        rest = others;
    }
    if text.len() <= 16 { Some(number) } else { None }
}

const LICENSE: &str = include_str!("../../LICENSE");

/// The whole program. Called by the C `main`, which returns what this returns.
pub fn main(args: Args) -> u8 {
    let start = Start::block();
    let face = named(base_name(args.get(0).unwrap_or_default()))
        .or_else(|| subcommand(args.get(1)?))
        .unwrap_or(entrypoint::main);
    match face(args, start) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code
        }
    }
}

/// The name of a path, without the directories.
fn base_name(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_installed_is_a_tool_and_nothing_like_it_is() {
        for name in NAMES {
            assert!(named(OsStr::new(name)).is_some(), "{name}");
            for other in [&name[1..], &name[..name.len() - 1], &format!("{name}s")] {
                assert!(NAMES.contains(&other) || named(OsStr::new(other)).is_none(), "{other}");
            }
        }
        for other in ["", "pydexec", "su", "a-name-longer-than-numbers-are"] {
            assert!(named(OsStr::new(other)).is_none(), "{other}");
        }
    }
}
