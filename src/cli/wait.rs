//! `pydexec wait TARGET… [-- COMMAND…]`, and what the other faces that wait share with it.

use std::ffi::{OsStr, OsString};

use super::duration::parse_duration;
use super::failure::Failure;
use super::options::{Options, print};
use super::words::{Given, Named, Words};
use crate::boot::wait::{Expect, Header, StatusSet, Target, TargetError, Wait};
use crate::boot::{Boot, BootError, Run, Step, WaitError};
use crate::command::{Command, Environment};
use crate::init::{self, Policy, Start, Supervisor};
use crate::log::Log;
use crate::sys::Args;

const HELP: &str = "\
Wait until all TARGETs are there, then run COMMAND, if there is one

Usage: pydexec wait [OPTIONS] TARGET... [-- COMMAND [ARG]...]

Options:
  -t, --timeout <DURATION>   How long each TARGET may take; 0 tries once [default: 60s]
      --period <DURATION>    The pause between two tries [default: 500ms]
      --header <NAME:VALUE>  Send this header along; repeatable
      --status <CODES>       The statuses wanted, as in 200,204 or 200-399 [default: 2xx]
  -v, --verbose              Tell each step on stderr, and how long it took
  -h, --help                 Print help

TARGET is one of
  tcp://HOST:PORT, or HOST:PORT      it accepts a connection; IPv6 as [::1]:80
  http://[USER:PW@]HOST[:PORT]/PATH  it answers with 2xx, or as --status says; no redirects, no TLS
  unix:///PATH                       it accepts a connection
  file:///PATH                       it exists
All are waited for at once, each until it has answered once. COMMAND is then run as by `pydexec --`.

DURATION is 500ms, 10s, 5m, 1h, or a number of seconds. Exit codes: 0 all are there, 124 one has not
answered in time, 2 wrong usage; with COMMAND, those of pydexec.
";

/// An option of the tools that look at others.
pub(super) struct Look {
    pub long: &'static str,
    pub short: Option<char>,
    /// What its value is called; a flag has none.
    pub value: Option<&'static str>,
}

pub(super) const fn look(long: &'static str, value: &'static str) -> Look {
    Look { long, short: None, value: Some(value) }
}

impl Named for Look {
    fn long(&self) -> &'static str {
        self.long
    }

    fn short(&self) -> Option<char> {
        self.short
    }

    fn value(&self) -> Option<&'static str> {
        self.value
    }

    fn repeats(&self) -> bool {
        self.long == "header"
    }
}

static OPTIONS: [Look; 5] = [
    Look { short: Some('t'), ..look("timeout", "DURATION") },
    look("period", "DURATION"),
    look("header", "NAME:VALUE"),
    look("status", "CODES"),
    Look { long: "verbose", short: Some('v'), value: None },
];

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    let mut wait = Wait::new(Vec::new());
    let mut log = Log::Silent;
    let (mut targets, mut words) = (Vec::new(), Vec::new());
    let mut given = Words::new("pydexec wait", &OPTIONS, args.from(2));
    while let Some(next) = given.next()? {
        match next {
            Given::Help | Given::Version => return print(HELP),
            Given::Operand(word) => targets.push(word),
            Given::Rest(command) => words = command,
            Given::Option(option, value) => match option.long {
                "timeout" => wait.timeout = parse_duration("--timeout", &value)?,
                "period" => wait.period = parse_duration("--period", &value)?,
                "verbose" => log = Log::Steps,
                _ => expect(&mut wait.expect, option, &value)?,
            },
        }
    }
    if targets.is_empty() {
        return Err(no_target());
    }
    wait.targets = self::targets(targets.into_iter()).map_err(BootError::from)?;
    if wait.expect != Expect::default() && !wait.targets.iter().any(Target::is_http) {
        return Err(Failure::usage(
            "there is no http:// target for --header or --status",
            Some("leave them out, or give the target as http://HOST:PORT/PATH".into()),
        ));
    }
    let Some((program, rest)) = words.split_first() else {
        let mut supervisor = Supervisor::new(start, log).map_err(BootError::from)?;
        return Ok(wait.run(&mut supervisor)?.unwrap_or(0));
    };
    let command =
        Command::new(program).args(rest).plan(&Environment::current()).map_err(BootError::from)?;
    let run = Run::AsInit(Policy::ours(init::Target::Child));
    Ok(Boot { steps: vec![Step::Wait(vec![wait])], command, run }.run(start, log)?)
}

/// `--wait` of the entrypoint form.
pub(super) fn step(options: &Options) -> Result<Option<Step>, Failure> {
    let targets = targets(options.wait.iter().cloned()).map_err(BootError::from)?;
    let mut wait = Wait::new(targets);
    if let Some(timeout) = &options.wait_timeout {
        wait.timeout = parse_duration("--wait-timeout", timeout)?;
    }
    Ok((!wait.targets.is_empty()).then(|| Step::Wait(vec![wait])))
}

/// `--header` and `--status`.
pub(super) fn expect(expect: &mut Expect, option: &Look, value: &OsStr) -> Result<(), Failure> {
    match option.long {
        // Its value may be a token: not in the message.
        "header" => {
            expect.headers.push(value.to_str().and_then(Header::parse).ok_or_else(|| {
                Failure::usage(
                    "a --header is not NAME: VALUE",
                    Some("as in --header 'Authorization: Bearer ...'".into()),
                )
            })?)
        }
        "status" => {
            expect.status = value.to_str().and_then(StatusSet::parse).ok_or_else(|| {
                Failure::usage(
                    format!("--status {value:?} is neither a status nor a range of them"),
                    Some("as in 200, 2xx, 200-399, or several with commas between".into()),
                )
            })?;
        }
        _ => {}
    }
    Ok(())
}

/// There is nothing to look at.
pub(super) fn no_target() -> Failure {
    Failure::usage("there is no <TARGET>", None)
}

/// All the targets, or all that is wrong with them.
pub(super) fn targets(words: impl Iterator<Item = OsString>) -> Result<Vec<Target>, WaitError> {
    let mut targets = Vec::new();
    let mut errors = Vec::new();
    for word in words {
        match target(&word) {
            Ok(target) => targets.push(target),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(targets) } else { Err(WaitError::Targets(errors)) }
}

fn target(word: &OsStr) -> Result<Target, TargetError> {
    Target::parse(word.to_str().ok_or_else(|| TargetError::not_text(word))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_with_the_targets_is_told() {
        let words = ["db", "web:80", "[::1]:70000"].map(OsString::from);
        let error = targets(words.into_iter()).unwrap_err();
        let text = error.to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("\"db\"") && text.contains("70000"), "{text}");
        assert_eq!(error.exit_code(), 2);
    }
}
