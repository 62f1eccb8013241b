//! `wait-for-port ADDR… [-t SECONDS] [--period SECONDS]`, by its own name.
//!
//! The tool of snakepacker, a Python script: silent when all is well, 10 after the timeout, 2 for
//! wrong usage. It looked at one endpoint after the other, by IPv4 only, and counted rounds for
//! seconds; that is mended. A number may have a unit.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches};

use super::duration::parse_duration;
use super::failure::Failure;
use super::options::option;
use super::wait::targets;
use crate::boot::BootError;
use crate::boot::wait::{self, Manner, Wait};
use crate::init::{Start, Supervisor};
use crate::log::{Log, line};
use crate::sys::Args;

const NAME: &str = "wait-for-port";
const USAGE: &str = "wait-for-port [-h] [-t TIMEOUT] [--period PERIOD] ADDR [ADDR ...]";

/// The original's default, in seconds.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The original's exit code when an endpoint has not answered in time.
const TIMED_OUT: u8 = 10;

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    let words = [NAME.as_ref()].into_iter().chain(args.from(1));
    let matches = match parser().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            return super::options::print(&error.to_string());
        }
        Err(error) => {
            line(&format!("usage: {USAGE}"));
            return Ok(refuse(&super::options::usage(&error).message));
        }
    };
    match read(matches) {
        Ok(wait) => waited(&wait, start),
        Err(failure) => Ok(refuse(&failure.message)),
    }
}

fn read(mut matches: ArgMatches) -> Result<Wait, Failure> {
    let addresses = matches.remove_many::<OsString>("ADDR").into_iter().flatten();
    let mut wait = Wait { timeout: TIMEOUT, ..Wait::new(targets(addresses)?) };
    if let Some(timeout) = matches.remove_one::<OsString>("timeout") {
        wait.timeout = parse_duration("--timeout", &timeout)?;
    }
    if let Some(period) = matches.remove_one::<OsString>("period") {
        wait.period = parse_duration("--period", &period)?;
    }
    Ok(wait)
}

fn waited(wait: &Wait, start: Start) -> Result<u8, Failure> {
    let mut supervisor = Supervisor::new(start, Log::Silent);
    match wait::run(std::slice::from_ref(wait), Manner::WaitForPort, &mut supervisor) {
        Ok(code) => Ok(code.unwrap_or(0)),
        Err(BootError::Told { code: 124, .. }) => {
            line("CRITICAL:root:Service awaiting timeout");
            Ok(TIMED_OUT)
        }
        Err(error) => Err(error.into()),
    }
}

fn refuse(message: &str) -> u8 {
    for text in message.lines() {
        line(&format!("{NAME}: error: {text}"));
    }
    2
}

fn parser() -> clap::Command {
    clap::Command::new(NAME)
        .override_usage(USAGE)
        // As Python's argparse does.
        .infer_long_args(true)
        .arg(
            Arg::new("ADDR")
                .required(true)
                .num_args(1..)
                .value_parser(ValueParser::os_string())
                .help("HOST:PORT, or [IPv6]:PORT"),
        )
        .arg(
            option(
                "timeout",
                "TIMEOUT",
                "Seconds after which to give up; 0 tries once [default: 600]",
            )
            .short('t'),
        )
        .arg(option("period", "PERIOD", "Seconds between two tries [default: 0.5]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::wait::Target;

    fn wait(words: &[&str]) -> Result<Wait, String> {
        let words = [&NAME].into_iter().chain(words);
        let matches = parser().try_get_matches_from(words).map_err(|error| error.to_string())?;
        read(matches).map_err(|failure| failure.message)
    }

    #[test]
    fn options_are_those_of_the_original() {
        assert_eq!(wait(&["db:1"]).unwrap().timeout, TIMEOUT);
        assert_eq!(wait(&["db:1"]).unwrap().period, Duration::from_millis(500));
        for words in [
            &["db:1", "-t", "5", "--period", "0.1"][..],
            &["-t5", "db:1", "--period=.1"],
            &["--timeout=5", "--per", "100ms", "db:1"],
            &["--time", "5s", "--period=0.1", "--", "db:1"],
        ] {
            let wait = wait(words).unwrap();
            assert_eq!(wait.timeout, Duration::from_secs(5), "{words:?}");
            assert_eq!(wait.period, Duration::from_millis(100), "{words:?}");
            assert_eq!(wait.targets, [Target::parse("tcp://db:1").unwrap()], "{words:?}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        for words in [
            &[][..],
            &["-t", "5"],
            &["db:1", "-t"],
            &["db:1", "-t", "x"],
            &["db:1", "-t=-1"],
            &["db:1", "--period", "inf"],
            &["db:1", "--bogus"],
            &["db"],
            &["db:1", "web:65536"],
        ] {
            assert!(wait(words).is_err(), "{words:?}");
        }
    }
}
