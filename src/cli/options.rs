//! The options of the entrypoint form: on the command line, or in their environment twins.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use super::failure::Failure;
use super::parts::{self, Part};
use super::specs::{ABOUT, Kind, SPECS, Spec, after_help, taken};
use crate::command::{Environment, yes_or_no};

/// What was asked for, still as it was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub user: Option<OsString>,
    pub workdir: Option<PathBuf>,
    pub venv: Option<PathBuf>,
    pub requirements: Vec<PathBuf>,
    pub no_requirements: bool,
    pub requirements_check: bool,
    pub requirements_timeout: Option<OsString>,
    pub project: Option<PathBuf>,
    pub extras: Vec<OsString>,
    pub wheelhouse: Option<PathBuf>,
    pub site: Option<PathBuf>,
    pub installer: Option<OsString>,
    pub install_user: Option<OsString>,
    pub keep_cache: bool,
    pub quiet: bool,
    pub env: Vec<OsString>,
    pub env_file: Vec<PathBuf>,
    pub env_remove: Vec<OsString>,
    pub env_clear: bool,
    pub secret: Vec<OsString>,
    pub opt_from_env: Vec<OsString>,
    pub arg_from_env: Vec<OsString>,
    pub run: Vec<OsString>,
    pub wait: Vec<OsString>,
    pub wait_timeout: Option<OsString>,
    pub template: Vec<OsString>,
    pub own: Vec<PathBuf>,
    pub group: bool,
    pub exec: bool,
    pub verbose: bool,
    pub command: Vec<OsString>,
}

impl Options {
    /// Reads the command line, then the twins of what it does not say.
    pub fn read(
        args: impl Iterator<Item = &'static OsStr>,
        environment: &Environment,
    ) -> Result<Parsed, Failure> {
        let mut args = args.peekable();
        // `pydexec -- COMMAND`, the usual call, needs no parser.
        let mut options = if args.peek() == Some(&OsStr::new("--")) {
            Self { command: args.skip(1).map(OsStr::to_owned).collect(), ..Self::default() }
        } else {
            let words: Vec<&'static OsStr> = args.collect();
            match ask_for(&words)? {
                Asked::Matches(matches) => Self::of_matches(matches)?,
                Asked::Text(text) => return Ok(Parsed::Text(text)),
            }
        };
        options.take_twins(environment)?;
        Ok(Parsed::Options(Box::new(options)))
    }

    /// The names of all twins: the command does not get to see them.
    pub fn twins() -> impl Iterator<Item = &'static str> {
        SPECS.iter().map(|spec| spec.twin)
    }

    fn of_matches(mut matches: ArgMatches) -> Result<Self, Failure> {
        let mut options = Self::default();
        for spec in &SPECS {
            match spec.kind {
                Kind::Flag => {
                    if matches.try_get_one(spec.long).is_ok_and(|set| set == Some(&true)) {
                        options.set_flag(spec.long, true);
                    }
                }
                Kind::One | Kind::Many(_) | Kind::Words => {
                    for value in
                        matches.try_remove_many(spec.long).ok().flatten().into_iter().flatten()
                    {
                        let value: OsString = value;
                        if value.is_empty() {
                            return Err(Failure::usage(
                                format!("option --{} has an empty value", spec.long),
                                Some(format!("give it a {}, or leave it out", spec.value)),
                            ));
                        }
                        options.add_value(spec.long, value);
                    }
                }
            }
        }
        let command = matches.remove_many::<OsString>("command");
        options.command = command.into_iter().flatten().collect();
        Ok(options)
    }

    fn take_twins(&mut self, environment: &Environment) -> Result<(), Failure> {
        refuse_misspelt(environment)?;
        // What the command line says counts; a twin does not hide another one.
        let said = SPECS.each_ref().map(|spec| self.has(spec.long));
        for (spec, said) in SPECS.iter().zip(said) {
            let Some(value) = environment.get(spec.twin).filter(|value| !value.is_empty()) else {
                continue;
            };
            if !spec.is_taken() {
                return Err(spec.part.refusal(&format!("variable {}", spec.twin)));
            }
            if said {
                continue;
            }
            match spec.kind {
                Kind::Flag => {
                    let on = yes_or_no(value).ok_or_else(|| {
                        Failure::usage(
                            format!("variable {} is neither on nor off", spec.twin),
                            Some(format!("set {}=1 or {}=0", spec.twin, spec.twin)),
                        )
                    })?;
                    self.set_flag(spec.long, on);
                }
                Kind::One => self.add_value(spec.long, value.to_owned()),
                Kind::Many(separator) => {
                    self.add_values(spec.long, value, |byte| *byte == separator);
                }
                Kind::Words => self.add_values(spec.long, value, u8::is_ascii_whitespace),
            }
        }
        Ok(())
    }

    fn add_values(&mut self, long: &str, values: &OsStr, separates: impl Fn(&u8) -> bool) {
        for value in values.as_bytes().split(separates) {
            // Blanks around a name or a file are nobody's; in --env they may be the value's.
            let value = if long == "env" { value } else { value.trim_ascii() };
            if !value.is_empty() {
                self.add_value(long, OsStr::from_bytes(value).to_owned());
            }
        }
    }

    fn has(&self, long: &str) -> bool {
        match long {
            "user" => self.user.is_some(),
            "workdir" => self.workdir.is_some(),
            "venv" => self.venv.is_some(),
            // Either of the two says what is to be installed.
            "requirements" | "no-requirements" => {
                self.no_requirements || !self.requirements.is_empty()
            }
            "requirements-check" => self.requirements_check,
            "requirements-timeout" => self.requirements_timeout.is_some(),
            "project" => self.project.is_some(),
            "extras" => !self.extras.is_empty(),
            "wheelhouse" => self.wheelhouse.is_some(),
            "site" => self.site.is_some(),
            "installer" => self.installer.is_some(),
            "install-user" => self.install_user.is_some(),
            "keep-cache" => self.keep_cache,
            "quiet" => self.quiet,
            "env" => !self.env.is_empty(),
            "env-file" => !self.env_file.is_empty(),
            "env-remove" => !self.env_remove.is_empty(),
            "env-clear" => self.env_clear,
            "secret" => !self.secret.is_empty(),
            "opt-from-env" => !self.opt_from_env.is_empty(),
            "arg-from-env" => !self.arg_from_env.is_empty(),
            "run" => !self.run.is_empty(),
            "wait" => !self.wait.is_empty(),
            "wait-timeout" => self.wait_timeout.is_some(),
            "own" => !self.own.is_empty(),
            "template" => !self.template.is_empty(),
            "group" => self.group,
            "exec" => self.exec,
            "verbose" => self.verbose,
            _ => false,
        }
    }

    fn add_value(&mut self, long: &str, value: OsString) {
        match long {
            "user" => self.user = Some(value),
            "workdir" => self.workdir = Some(value.into()),
            "venv" => self.venv = Some(value.into()),
            "requirements" => self.requirements.push(value.into()),
            "requirements-timeout" => self.requirements_timeout = Some(value),
            "project" => self.project = Some(value.into()),
            "extras" => self.extras.push(value),
            "wheelhouse" => self.wheelhouse = Some(value.into()),
            "site" => self.site = Some(value.into()),
            "installer" => self.installer = Some(value),
            "install-user" => self.install_user = Some(value),
            "env" => self.env.push(value),
            "env-file" => self.env_file.push(value.into()),
            "env-remove" => self.env_remove.push(value),
            "secret" => self.secret.push(value),
            "opt-from-env" => self.opt_from_env.push(value),
            "arg-from-env" => self.arg_from_env.push(value),
            "run" => self.run.push(value),
            "wait" => self.wait.push(value),
            "wait-timeout" => self.wait_timeout = Some(value),
            "template" => self.template.push(value),
            "own" => self.own.push(value.into()),
            _ => {}
        }
    }

    fn set_flag(&mut self, long: &str, on: bool) {
        match long {
            "no-requirements" => self.no_requirements = on,
            "requirements-check" => self.requirements_check = on,
            "keep-cache" => self.keep_cache = on,
            "quiet" => self.quiet = on,
            "env-clear" => self.env_clear = on,
            "group" => self.group = on,
            "exec" => self.exec = on,
            "verbose" => self.verbose = on,
            _ => {}
        }
    }
}

/// A twin with a slip in its name would be passed over in silence, and the command would run as root.
///
/// Only what is near to a twin is refused: an application may have variables of this prefix too.
pub(super) fn refuse_misspelt(environment: &Environment) -> Result<(), Failure> {
    const PREFIX: &str = "PYDEXEC_";
    for entry in environment.entries() {
        let bytes = entry.as_bytes();
        if !bytes.starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let distance = |spec: &&Spec| strsim::damerau_levenshtein(spec.twin, &name);
        let Some(nearest) = SPECS.iter().min_by_key(distance) else { continue };
        let far = if name.len() - PREFIX.len() < 4 { 1 } else { 2 };
        if (1..=far).contains(&distance(&nearest)) {
            return Err(Failure::usage(
                format!("unknown variable {name}"),
                Some(format!("did you mean {}?", nearest.twin)),
            ));
        }
    }
    Ok(())
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Parsed {
    Options(Box<Options>),
    /// The help or the version, for stdout.
    Text(String),
}

/// The answer of a parser.
pub(super) enum Asked {
    Matches(ArgMatches),
    Text(String),
}

/// Reads `words` by a parser of no more options than they may name: each costs a start its share,
/// used or not. What that one does not understand, one of all options reads, or explains.
fn ask_for(words: &[&'static OsStr]) -> Result<Asked, Failure> {
    let named = |spec: &&Spec| {
        words.iter().take_while(|word| **word != "--").any(|word| {
            let word = word.as_bytes();
            let long = word.strip_prefix(b"--").map(|word| word.split(|byte| *byte == b'=').next());
            let short = spec.short.and_then(|letter| u8::try_from(letter).ok());
            long == Some(Some(spec.long.as_bytes()))
                || (long.is_none() && short.is_some_and(|letter| word.contains(&letter)))
        })
    };
    let parser_of_some = parser(taken().filter(named));
    let all = [OsStr::new("pydexec")].into_iter().chain(words.iter().copied());
    match parser_of_some.try_get_matches_from(all) {
        Ok(matches) => Ok(Asked::Matches(matches)),
        Err(_) => {
            let parser = parser(taken()).after_help(after_help());
            answer(parser, "pydexec", words.iter().copied())
                .map_err(|error| left_out(&error).unwrap_or_else(|| usage(&error)))
        }
    }
}

/// The refusal, where what is wrong is an option of a part that this build is without.
fn left_out(error: &clap::Error) -> Option<Failure> {
    if Part::File.is_built() || error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_it = |spec: &&Spec| match word.strip_prefix("--") {
        Some(long) => long == spec.long,
        None => spec.short.is_some_and(|letter| *word == format!("-{letter}")),
    };
    let spec = SPECS.iter().filter(|spec| !spec.is_taken()).find(is_it)?;
    Some(spec.part.refusal(&format!("option --{}", spec.long)))
}

fn parser<'s>(specs: impl Iterator<Item = &'s Spec>) -> clap::Command {
    let mut command = clap::Command::new("pydexec")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .override_usage("pydexec [OPTIONS] -- [COMMAND [ARG]...]")
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .last(true)
                .num_args(0..)
                .hide(true)
                .value_parser(ValueParser::os_string()),
        );
    for spec in specs {
        let mut arg = Arg::new(spec.long).long(spec.long).help(spec.help);
        // Taken by a build that has nothing to tell of it.
        arg = arg.hide(!spec.part.is_built());
        if let Some(short) = spec.short {
            arg = arg.short(short);
        }
        // Its value begins with an option of somebody else's.
        arg = arg.allow_hyphen_values(spec.long == "opt-from-env");
        arg = match spec.kind {
            Kind::Flag => arg.action(ArgAction::SetTrue),
            Kind::One | Kind::Many(_) | Kind::Words => arg
                .value_name(spec.value)
                .action(match spec.kind {
                    Kind::One => ArgAction::Set,
                    _ => ArgAction::Append,
                })
                .value_parser(ValueParser::os_string()),
        };
        command = command.arg(arg);
    }
    command
}

/// Gives the words to a parser; `name` is how it is called.
#[cfg(feature = "checks")]
pub(super) fn ask(
    parser: clap::Command,
    name: &'static str,
    args: impl Iterator<Item = &'static OsStr>,
) -> Result<Asked, Failure> {
    answer(parser, name, args).map_err(|error| usage(&error))
}

fn answer(
    parser: clap::Command,
    name: &'static str,
    args: impl Iterator<Item = &'static OsStr>,
) -> clap::error::Result<Asked> {
    match parser.try_get_matches_from([OsStr::new(name)].into_iter().chain(args)) {
        Ok(matches) => Ok(Asked::Matches(matches)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(Asked::Text(error.to_string())),
            ErrorKind::DisplayVersion => Ok(Asked::Text(format!("{name} {}\n", parts::version()))),
            _ => Err(error),
        },
    }
}

/// An option with a value, for a parser.
#[cfg(feature = "checks")]
pub(super) fn option(long: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(long).long(long).value_name(value).help(help).value_parser(ValueParser::os_string())
}

/// A help text, for stdout.
pub(super) fn print(text: &str) -> Result<u8, Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure {
            message: format!("cannot write to stdout: {}", crate::error::reason(&error)),
            hint: None,
            code: 1,
        }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &'static [&'static str], twins: &[(&str, &str)]) -> Result<Options, Failure> {
        let environment = twins.iter().copied().collect();
        let words = words.iter().map(|word| OsStr::new(*word));
        match Options::read(words, &environment)? {
            Parsed::Options(options) => Ok(*options),
            Parsed::Text(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_parser_is_well_formed() {
        parser(taken()).debug_assert();
    }

    #[test]
    fn with_and_without_the_parser_it_is_the_same() {
        let short = read(&["--", "a", "--user", "x", "--"], &[]).unwrap();
        let long = read(&["--env-clear", "--", "a", "--user", "x", "--"], &[]).unwrap();
        assert_eq!(short.command, ["a", "--user", "x", "--"]);
        assert_eq!(Options { env_clear: true, ..short }, long);
        assert_eq!(read(&[], &[]).unwrap(), Options::default());
    }

    #[test]
    fn every_option_has_a_twin_that_does_the_same() {
        for spec in taken() {
            let name = spec.long.to_ascii_uppercase().replace('-', "_");
            assert_eq!(spec.twin, format!("PYDEXEC_{name}"));
            let by_twin = read(&["--"], &[(spec.twin, "1")]).unwrap();
            assert!(by_twin.has(spec.long), "{}", spec.long);
            assert_ne!(by_twin, Options::default());
        }
    }

    #[test]
    #[cfg(feature = "file")]
    fn the_command_line_wins_and_an_empty_twin_is_unset() {
        let options = read(&["--user", "a", "--"], &[("PYDEXEC_USER", "b")]).unwrap();
        assert_eq!(options.user.as_deref(), Some(OsStr::new("a")));
        let options = read(&["--no-requirements"], &[("PYDEXEC_REQUIREMENTS", "/r.txt")]).unwrap();
        assert!(options.requirements.is_empty());
        assert_eq!(read(&["--"], &[("PYDEXEC_USER", "")]).unwrap().user, None);
    }

    #[test]
    #[cfg(feature = "file")]
    fn a_twin_does_not_hide_another_one() {
        let twins = [("PYDEXEC_REQUIREMENTS", "/r.txt"), ("PYDEXEC_NO_REQUIREMENTS", "1")];
        assert!(read(&["--"], &twins).unwrap().no_requirements);
    }

    #[test]
    fn a_slip_in_a_twins_name_is_refused_and_a_name_of_somebody_elses_is_not() {
        for (name, meant) in [
            ("PYDEXEC_USR", "PYDEXEC_USER"),
            ("PYDEXEC_USERS", "PYDEXEC_USER"),
            ("PYDEXEC_REQUIREMENT", "PYDEXEC_REQUIREMENTS"),
            ("PYDEXEC_WORK_DIR", "PYDEXEC_WORKDIR"),
        ] {
            let failure = read(&["--"], &[(name, "1")]).unwrap_err();
            assert!(failure.message.contains(name), "{}", failure.message);
            assert!(failure.hint.unwrap().contains(meant));
        }
        for name in ["PYDEXEC_SERVICE_HOST", "PYDEXEC_PORT_80_TCP", "PYDEXEC_", "PYDEXEC_IMAGE"] {
            assert!(read(&["--"], &[(name, "1")]).is_ok(), "{name}");
        }
    }

    #[test]
    #[cfg(feature = "file")]
    fn several_values_in_a_twin_are_separated() {
        let twins = [
            ("PYDEXEC_REQUIREMENTS", "/a.txt:/b.txt"),
            ("PYDEXEC_ENV", "A=1:2\nB=x, y\n"),
            ("PYDEXEC_ENV_REMOVE", "C, D"),
            ("PYDEXEC_WAIT", "db:5432  file:///x\nunix:///y "),
        ];
        let options = read(&["--"], &twins).unwrap();
        assert_eq!(options.requirements, [PathBuf::from("/a.txt"), PathBuf::from("/b.txt")]);
        assert_eq!(options.env, ["A=1:2", "B=x, y"]);
        assert_eq!(options.env_remove, ["C", "D"]);
        assert_eq!(options.wait, ["db:5432", "file:///x", "unix:///y"]);
    }

    #[test]
    fn wrong_usage_is_code_2_with_the_word_that_is_wrong() {
        let cases: [(&'static [&'static str], &str); 8] = [
            (&["--bogus", "--", "x"], "unknown option \"--bogus\""),
            (&["--usr", "x", "--", "x"], "unknown option \"--usr\""),
            (&["-Z"], "unknown option \"-Z\""),
            (&["gunicorn", "app"], "unexpected word \"gunicorn\""),
            (&["--user"], "needs a value"),
            (&["--user", "a", "--user", "b", "--"], "more than once"),
            (&["--exec=1", "--"], "takes no value"),
            (&["--user=", "--"], "empty value"),
        ];
        for (words, said) in cases {
            let failure = read(words, &[]).unwrap_err();
            assert_eq!(failure.code, 2, "{words:?}");
            assert!(failure.message.contains(said), "{words:?}: {}", failure.message);
            assert!(!failure.message.contains('\n'), "{words:?}: {}", failure.message);
        }
        let failure = read(&["--usr", "x", "--", "x"], &[]).unwrap_err();
        assert!(failure.hint.unwrap().contains("--user"));
        let failure = read(&["--"], &[("PYDEXEC_EXEC", "maybe")]).unwrap_err();
        assert!(failure.message.contains("PYDEXEC_EXEC"));
    }
}
