//! `pydexec wait TARGET… [-- COMMAND…]`, and what the other faces that wait share with it.

use std::ffi::{OsStr, OsString};

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches};

use super::duration::parse_duration;
use super::failure::Failure;
use super::options::{Asked, Options, ask, option, print};
use crate::boot::wait::{Expect, Header, StatusSet, Target, TargetError, Wait};
use crate::boot::{Boot, BootError, Run, Step, WaitError};
use crate::command::{Command, Environment};
use crate::init::{self, Policy, Start, Supervisor};
use crate::log::Log;
use crate::sys::Args;

const AFTER_HELP: &str = "\
TARGET is one of
  tcp://HOST:PORT, or HOST:PORT      it accepts a connection; IPv6 as [::1]:80
  http://[USER:PW@]HOST[:PORT]/PATH  it answers with 2xx, or as --status says; no redirects, no TLS
  unix:///PATH                       it accepts a connection
  file:///PATH                       it exists
All are waited for at once, each until it has answered once. COMMAND is then run as by `pydexec --`.

DURATION is 500ms, 10s, 5m, 1h, or a number of seconds. Exit codes: 0 all are there, 124 one has not
answered in time, 2 wrong usage; with COMMAND, those of pydexec.";

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    let mut matches = match ask(parser(), "pydexec wait", args.from(2))? {
        Asked::Matches(matches) => matches,
        Asked::Text(text) => return print(&text),
    };
    let log = if matches.get_flag("verbose") { Log::Steps } else { Log::Silent };
    let mut wait = Wait::new(targets(matches.remove_many("target").into_iter().flatten())?);
    if let Some(timeout) = matches.remove_one::<OsString>("timeout") {
        wait.timeout = parse_duration("--timeout", &timeout)?;
    }
    if let Some(period) = matches.remove_one::<OsString>("period") {
        wait.period = parse_duration("--period", &period)?;
    }
    wait.expect = expect(&mut matches)?;
    if wait.expect != Expect::default() && !wait.targets.iter().any(Target::is_http) {
        return Err(Failure::usage(
            "there is no http:// target for --header or --status",
            Some("leave them out, or give the target as http://HOST:PORT/PATH".into()),
        ));
    }
    let words: Vec<OsString> = matches.remove_many("command").into_iter().flatten().collect();
    let Some((program, rest)) = words.split_first() else {
        let mut supervisor = Supervisor::new(start, log);
        return Ok(wait.run(&mut supervisor)?.unwrap_or(0));
    };
    let command =
        Command::new(program).args(rest).plan(&Environment::current()).map_err(BootError::from)?;
    let run = Run::AsInit(Policy::ours(init::Target::Child));
    Ok(Boot { steps: vec![Step::Wait(vec![wait])], command, run }.run(start, log)?)
}

fn parser() -> clap::Command {
    clap::Command::new("pydexec wait")
        .about("Wait until all TARGETs are there, then run COMMAND, if there is one")
        .override_usage("pydexec wait [OPTIONS] TARGET... [-- COMMAND [ARG]...]")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .num_args(1..)
                .hide(true)
                .value_parser(ValueParser::os_string()),
        )
        .arg(
            Arg::new("command")
                .last(true)
                .num_args(0..)
                .hide(true)
                .value_parser(ValueParser::os_string()),
        )
        .arg(
            option(
                "timeout",
                "DURATION",
                "How long each TARGET may take; 0 tries once [default: 60s]",
            )
            .short('t'),
        )
        .arg(option("period", "DURATION", "The pause between two tries [default: 500ms]"))
        .args(http_options())
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .action(ArgAction::SetTrue)
                .help("Tell each step on stderr, and how long it took"),
        )
}

/// `--wait` of the entrypoint form.
pub(super) fn step(options: &Options) -> Result<Option<Step>, Failure> {
    let mut wait = Wait::new(targets(options.wait.iter().cloned())?);
    if let Some(timeout) = &options.wait_timeout {
        wait.timeout = parse_duration("--wait-timeout", timeout)?;
    }
    Ok((!wait.targets.is_empty()).then(|| Step::Wait(vec![wait])))
}

/// `--header` and `--status`.
pub(super) fn http_options() -> [Arg; 2] {
    [
        option("header", "NAME:VALUE", "Send this header along; repeatable")
            .action(ArgAction::Append),
        option("status", "CODES", "The statuses wanted, as in 200,204 or 200-399 [default: 2xx]"),
    ]
}

/// What these options say.
pub(super) fn expect(matches: &mut ArgMatches) -> Result<Expect, Failure> {
    let mut expect = Expect::default();
    for header in matches.remove_many::<OsString>("header").into_iter().flatten() {
        // Its value may be a token: not in the message.
        expect.headers.push(header.to_str().and_then(Header::parse).ok_or_else(|| {
            Failure::usage(
                "a --header is not NAME: VALUE",
                Some("as in --header 'Authorization: Bearer ...'".into()),
            )
        })?);
    }
    if let Some(status) = matches.remove_one::<OsString>("status") {
        expect.status = status.to_str().and_then(StatusSet::parse).ok_or_else(|| {
            Failure::usage(
                format!("--status {status:?} is neither a status nor a range of them"),
                Some("as in 200, 2xx, 200-399, or several with commas between".into()),
            )
        })?;
    }
    Ok(expect)
}

/// All the targets, or all that is wrong with them.
pub(super) fn targets(words: impl Iterator<Item = OsString>) -> Result<Vec<Target>, BootError> {
    let mut targets = Vec::new();
    let mut errors = Vec::new();
    for word in words {
        match target(&word) {
            Ok(target) => targets.push(target),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(targets) } else { Err(WaitError::Targets(errors).into()) }
}

fn target(word: &OsStr) -> Result<Target, TargetError> {
    Target::parse(word.to_str().ok_or_else(|| TargetError::not_text(word))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_is_well_formed() {
        parser().debug_assert();
    }

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
