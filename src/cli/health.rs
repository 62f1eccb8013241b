//! `pydexec health TARGET`, for HEALTHCHECK in images without curl.
//!
//! Docker knows 0 (healthy) and 1 (not), and reserves 2: every failure here is a 1, a wrong option
//! too. The one line of reason is kept by Docker (`docker inspect`, State.Health.Log).

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches};

use super::duration::parse_duration;
use super::failure::Failure;
use super::options::{Asked, ask, option, print};
use super::wait::{expect, http_options};
use crate::boot::duration::shown;
use crate::boot::wait::{EmptyHost, Expect, Mailbox, Reason, Target, TargetError, attempt};
use crate::boot::{BootError, WaitError};
use crate::command::Environment;
use crate::error::reason;
use crate::init::Start;
use crate::sys::Args;

/// Below the 30 s of Docker and the 10 s that many images set.
const TIMEOUT: Duration = Duration::from_secs(5);

const AFTER_HELP: &str = "\
TARGET is one of
  http://HOST[:PORT]/PATH  it answers with 2xx, or as --status and --contains say
  tcp://HOST:PORT          it accepts a connection
  unix:///PATH             it accepts a connection
  file:///PATH             it exists, and is as new as --max-age says
An empty host is localhost; ${NAME} and ${NAME:-DEFAULT} are taken from the environment:

  HEALTHCHECK CMD [\"pydexec\", \"health\", \"http://:${PORT:-8080}/healthz\"]

Exit codes: 0 healthy, 1 not, for whatever reason.";

/// What is to be looked at, and what is expected of it.
struct Check {
    target: Target,
    expect: Expect,
    timeout: Duration,
    max_age: Option<Duration>,
}

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    let unhealthy = |failure: Failure| Failure { code: 1, ..failure };
    let matches = match ask(parser(), "pydexec health", args.from(2)).map_err(unhealthy)? {
        Asked::Matches(matches) => matches,
        Asked::Text(text) => return print(&text),
    };
    let check = read(matches, &Environment::current()).map_err(unhealthy)?;
    // No init here: a signal ends this process, as any other tool.
    start.unblock();
    match check.run() {
        Ok(()) => Ok(0),
        Err(why) => {
            let message = format!("{} is not healthy: {why}", check.target);
            Err(Failure { message, hint: None, code: 1 })
        }
    }
}

fn parser() -> clap::Command {
    clap::Command::new("pydexec health")
        .about("Look once whether TARGET is healthy")
        .override_usage("pydexec health [OPTIONS] TARGET")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .hide(true)
                .value_parser(ValueParser::os_string()),
        )
        .arg(option("timeout", "DURATION", "How long it may take [default: 5s]").short('t'))
        .args(http_options())
        .arg(option("contains", "TEXT", "What the body of an http:// answer must have in it"))
        .arg(option("max-age", "DURATION", "How long ago a file may have been written"))
}

fn read(mut matches: ArgMatches, environment: &Environment) -> Result<Check, Failure> {
    let word = matches.remove_one::<OsString>("target").unwrap_or_default();
    let wrong =
        |error: TargetError| Failure::from(BootError::from(WaitError::Targets(vec![error])));
    let text = word.to_str().ok_or_else(|| wrong(TargetError::not_text(&word)))?;
    let text = filled_in(text, environment)?;
    let target = Target::parse_with(&text, EmptyHost::Localhost).map_err(wrong)?;

    let mut expect = expect(&mut matches)?;
    if let Some(contains) = matches.remove_one::<OsString>("contains") {
        let text = contains.into_string();
        expect.contains = Some(text.map_err(|_| Failure::usage("--contains is not UTF-8", None))?);
    }
    if expect != Expect::default() && !target.is_http() {
        return Err(Failure::usage(
            format!("--header, --status and --contains say nothing of {target}"),
            Some("they are for http://".into()),
        ));
    }
    let max_age = matches.remove_one::<OsString>("max-age");
    let max_age = max_age.map(|age| parse_duration("--max-age", &age)).transpose()?;
    if max_age.is_some() && !matches!(target, Target::File(_)) {
        return Err(Failure::usage(
            format!("--max-age says nothing of {target}"),
            Some("it is for file://".into()),
        ));
    }
    let timeout = matches.remove_one::<OsString>("timeout");
    let timeout = timeout.map(|timeout| parse_duration("--timeout", &timeout)).transpose()?;
    let timeout = timeout.unwrap_or(TIMEOUT);
    if timeout.is_zero() {
        return Err(Failure::usage("--timeout 0 leaves no time to answer", None));
    }
    Ok(Check { target, expect, timeout, max_age })
}

impl Check {
    /// In a thread, which the end of this process ends: looking up a name and connecting to a Unix
    /// socket know no deadline.
    fn run(&self) -> Result<(), String> {
        let deadline = Instant::now() + self.timeout;
        let mailbox = Mailbox::new();
        let posting = mailbox.clone();
        let (target, expect) = (self.target.clone(), self.expect.clone());
        thread::Builder::new()
            .spawn(move || posting.post(attempt(&target, &expect, deadline)))
            .map_err(|error| format!("cannot start a thread: {}", reason(&error)))?;
        let late = || format!("no answer in {}", shown(self.timeout));
        match mailbox.take(deadline) {
            Some(Ok(())) => self.young_enough(),
            Some(Err(Reason::NoAnswer)) | None => Err(late()),
            Some(Err(reason)) => Err(reason.to_string()),
        }
    }

    fn young_enough(&self) -> Result<(), String> {
        let (Some(most), Target::File(path)) = (self.max_age, &self.target) else {
            return Ok(());
        };
        let written = fs::metadata(path).and_then(|file| file.modified());
        let written = written.map_err(|error: io::Error| reason(&error))?;
        // One from the future, by a clock that was set back, is new.
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        if age <= most {
            return Ok(());
        }
        Err(format!("it was written {} ago, and may be {} old", shown(age), shown(most)))
    }
}

/// Puts in the variables: `${NAME}` must be set, `${NAME:-DEFAULT}` need not; an empty one counts
/// as unset.
fn filled_in(text: &str, environment: &Environment) -> Result<String, Failure> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let (inside, after) = after
            .split_once('}')
            .ok_or_else(|| Failure::usage("there is a ${ without its } in the target", None))?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(Failure::usage(
                "there is a ${...} in the target without a name in it",
                Some("as in ${PORT}, or ${PORT:-8080}".into()),
            ));
        }
        let value = environment.get(name).filter(|value| !value.is_empty());
        match (value.map(|value| value.to_str()), default) {
            (Some(Some(value)), _) => result.push_str(value),
            (None, Some(default)) => result.push_str(default),
            (Some(None), _) => {
                return Err(Failure::usage(format!("variable {name} is not UTF-8"), None));
            }
            (None, None) => {
                return Err(Failure::usage(
                    format!("variable {name} is not set, and the target needs it"),
                    Some(format!("set it, or give a default: ${{{name}:-8080}}")),
                ));
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], variables: &[(&str, &str)]) -> Result<Check, Failure> {
        let words = [&"pydexec health"].into_iter().chain(words);
        let matches = parser().try_get_matches_from(words).unwrap();
        read(matches, &variables.iter().copied().collect())
    }

    #[test]
    fn the_parser_is_well_formed() {
        parser().debug_assert();
    }

    #[test]
    fn variables_are_put_in_and_an_empty_host_is_localhost() {
        for (word, variables, shown) in [
            ("http://:${PORT}/healthz", &[("PORT", "81")][..], "http://localhost:81/healthz"),
            ("http://:${PORT:-8080}/", &[], "http://localhost:8080/"),
            ("http://:${PORT:-8080}/", &[("PORT", "")], "http://localhost:8080/"),
            ("tcp://${A}${B}:1", &[("A", "x"), ("B", "${A}")], ""),
            ("tcp://${A}${B}:1", &[("A", "x"), ("B", "y")], "tcp://xy:1"),
        ] {
            let target = check(&[word], variables).map(|check| check.target.to_string());
            assert_eq!(target.unwrap_or_default(), shown, "{word}");
        }
    }

    #[test]
    fn a_variable_is_named_and_its_value_is_not() {
        for (word, variables, said) in [
            ("tcp://:${PORT}", &[][..], "variable PORT is not set"),
            ("tcp://:${PORT}", &[("PORT", "")], "variable PORT is not set"),
            ("tcp://:${PORT", &[], "without its }"),
            ("tcp://:${}", &[], "without a name"),
            ("tcp://:${A?b}", &[], "without a name"),
            ("http://u:${PW}@:99999/", &[("PW", "secret")], "port"),
        ] {
            let failure = check(&[word], variables).err().unwrap();
            assert!(failure.message.contains(said), "{word}: {}", failure.message);
            assert!(!failure.message.contains("secret"), "{}", failure.message);
        }
    }

    #[test]
    fn options_that_say_nothing_of_the_target_are_refused() {
        for words in [
            &["tcp://:1", "--contains", "x"][..],
            &["file:///x", "--status", "200"],
            &["tcp://:1", "--max-age", "1s"],
            &["file:///x", "--max-age", "x"],
            &["http://:1", "--header", "x"],
            &["http://:1", "--timeout=-1"],
            &["http://:1", "--timeout=0"],
        ] {
            assert!(check(words, &[]).is_err(), "{words:?}");
        }
    }
}
