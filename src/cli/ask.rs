//! clap, for the faces that look at others: `wait`, `health`, `wait-for-port`. Its errors become ours.

use std::ffi::OsStr;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches};

use super::failure::Failure;

/// The answer of a parser.
pub(super) enum Asked {
    Matches(ArgMatches),
    Text(String),
}

/// Gives the words to a parser; `name` is how it is called.
pub(super) fn ask(
    parser: clap::Command,
    name: &'static str,
    args: impl Iterator<Item = &'static OsStr>,
) -> Result<Asked, Failure> {
    match parser.try_get_matches_from([OsStr::new(name)].into_iter().chain(args)) {
        Ok(matches) => Ok(Asked::Matches(matches)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(Asked::Text(error.to_string())),
            _ => Err(usage(&error)),
        },
    }
}

/// An option with a value, for a parser.
pub(super) fn option(long: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(long).long(long).value_name(value).help(help).value_parser(ValueParser::os_string())
}

/// clap's error in our form: a line that says what is wrong, and one that says what to do.
pub(super) fn usage(error: &clap::Error) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let word = text(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if word.starts_with('-') => Failure::usage(
            format!("unknown option {word:?}"),
            Some(match text(ContextKind::SuggestedArg) {
                Some(nearest) => format!("did you mean {nearest:?}? All: pydexec --help"),
                None => "all options: pydexec --help; a command stands behind --".into(),
            }),
        ),
        ErrorKind::UnknownArgument => Failure::usage(
            format!("unexpected word {word:?}"),
            Some(format!("a command stands behind --: pydexec [OPTIONS] -- {word}")),
        ),
        ErrorKind::ArgumentConflict => Failure::usage(
            format!("option {word} is given more than once"),
            Some("give it once".into()),
        ),
        ErrorKind::TooManyValues => Failure::usage(format!("option {word} takes no value"), None),
        ErrorKind::MissingRequiredArgument => {
            Failure::usage(format!("there is no {}", word.trim_end_matches('.')), None)
        }
        ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::NoEquals => {
            Failure::usage(format!("option {word} needs a value"), None)
        }
        kind => Failure::usage(
            format!("wrong usage: {kind}"),
            Some("all options: pydexec --help".into()),
        ),
    }
}
