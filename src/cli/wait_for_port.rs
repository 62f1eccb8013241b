//! `wait-for-port ADDR… [-t SECONDS] [--period SECONDS]`, by its own name.
//!
//! The tool of snakepacker, a Python script: silent when all is well, 10 after the timeout, 2 for
//! wrong usage. It looked at one endpoint after the other, by IPv4 only, and counted rounds for
//! seconds; that is mended. A number may have a unit.

use std::ffi::OsStr;
use std::time::Duration;

use super::duration::parse_duration;
use super::failure::Failure;
use super::options::print;
use super::wait::{Look, look, targets};
use super::words::{Given, Words};
use crate::boot::BootError;
use crate::boot::wait::{self, Manner, Wait};
use crate::init::{Start, Supervisor};
use crate::log::{Log, line};
use crate::sys::Args;

const NAME: &str = "wait-for-port";
const USAGE: &str = "wait-for-port [-h] [-t TIMEOUT] [--period PERIOD] ADDR [ADDR ...]";

const HELP: &str = "\
Usage: wait-for-port [-h] [-t TIMEOUT] [--period PERIOD] ADDR [ADDR ...]

Arguments:
  <ADDR>...  HOST:PORT, or [IPv6]:PORT

Options:
  -t, --timeout <TIMEOUT>  Seconds after which to give up; 0 tries once [default: 600]
      --period <PERIOD>    Seconds between two tries [default: 0.5]
  -h, --help               Print help
";

static OPTIONS: [Look; 2] =
    [Look { short: Some('t'), ..look("timeout", "TIMEOUT") }, look("period", "PERIOD")];

/// The original's default, in seconds.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The original's exit code when an endpoint has not answered in time.
const TIMED_OUT: u8 = 10;

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    match read(Words::new(NAME, &OPTIONS, args.from(1)).shortened()) {
        Ok(Some(wait)) => waited(&wait, start),
        Ok(None) => print(HELP),
        Err(Wrong::Usage(failure)) => {
            line(&format!("usage: {USAGE}"));
            Ok(refuse(&failure.message))
        }
        Err(Wrong::Value(failure)) => Ok(refuse(&failure.message)),
    }
}

/// The original prints its usage where argparse found the fault, and not where it did itself.
enum Wrong {
    Usage(Failure),
    Value(Failure),
}

/// `None` where help is asked for.
fn read(mut words: Words<Look>) -> Result<Option<Wait>, Wrong> {
    let mut wait = Wait { timeout: TIMEOUT, ..Wait::new(Vec::new()) };
    let mut addresses = Vec::new();
    let (mut timeout, mut period) = (None, None);
    while let Some(given) = words.next().map_err(Wrong::Usage)? {
        match given {
            Given::Help | Given::Version => return Ok(None),
            Given::Operand(word) => addresses.push(word),
            Given::Rest(words) => addresses.extend(words),
            Given::Option(option, value) if option.long == "timeout" => timeout = Some(value),
            Given::Option(_, value) => period = Some(value),
        }
    }
    if addresses.is_empty() {
        return Err(Wrong::Usage(Failure::usage("there is no <ADDR>", None)));
    }
    let targets = targets(addresses.into_iter()).map_err(BootError::from);
    wait.targets = targets.map_err(|error| Wrong::Value(error.into()))?;
    let duration = |name, value: &OsStr| parse_duration(name, value).map_err(Wrong::Value);
    if let Some(timeout) = timeout {
        wait.timeout = duration("--timeout", &timeout)?;
    }
    if let Some(period) = period {
        wait.period = duration("--period", &period)?;
    }
    Ok(Some(wait))
}

fn waited(wait: &Wait, start: Start) -> Result<u8, Failure> {
    let mut supervisor = Supervisor::new(start, Log::Silent).map_err(BootError::from)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::wait::Target;

    fn wait(words: &[&'static str]) -> Result<Wait, String> {
        let words = words.iter().map(|word| OsStr::new(*word));
        match read(Words::new(NAME, &OPTIONS, words).shortened()) {
            Ok(wait) => wait.ok_or_else(String::new),
            Err(Wrong::Usage(failure) | Wrong::Value(failure)) => Err(failure.message),
        }
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
