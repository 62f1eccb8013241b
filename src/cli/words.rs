//! Reading a command line by a table of its options. lexopt takes the words apart; what an option is,
//! and what is wrong with one, is said here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use lexopt::{Arg, Parser};

use super::failure::Failure;

/// An option, for the reader.
pub(super) trait Named {
    fn long(&self) -> &'static str;
    fn short(&self) -> Option<char>;
    /// What its value is called; a flag has none.
    fn value(&self) -> Option<&'static str>;
    /// Whether it may be given more than once.
    fn repeats(&self) -> bool;

    /// Whether its value may look like an option.
    fn takes_options(&self) -> bool {
        false
    }

    /// As it stands in messages: `--user <[USER][:GROUP]>`.
    fn shown(&self) -> String {
        match self.value() {
            None => format!("--{}", self.long()),
            Some(value) => format!("--{} <{value}>", self.long()),
        }
    }
}

/// What stands next.
pub(super) enum Given<T: 'static> {
    /// An option, with its value if it takes one.
    Option(&'static T, OsString),
    /// `-h` or `--help`.
    Help,
    /// `-V` or `--version`, of a tool that has it.
    Version,
    Operand(OsString),
    /// What stands behind `--`, which is the end.
    Rest(Vec<OsString>),
}

/// The reader, which is asked for one after another.
pub(super) struct Words<T: 'static> {
    parser: Parser,
    table: &'static [T],
    /// How the tool is called, for messages.
    tool: &'static str,
    /// Whether a long name may be shortened as long as one remains.
    shortened: bool,
    has_version: bool,
    given: Vec<&'static str>,
}

impl<T: Named> Words<T> {
    pub fn new(
        tool: &'static str,
        table: &'static [T],
        words: impl Iterator<Item = &'static OsStr>,
    ) -> Self {
        let words: Vec<&OsStr> = words.collect();
        let parser = Parser::from_args(words);
        Self { parser, table, tool, shortened: false, has_version: false, given: Vec::new() }
    }

    pub fn with_version(self) -> Self {
        Self { has_version: true, ..self }
    }

    /// As Python's argparse reads long names.
    #[cfg(feature = "checks")]
    pub fn shortened(self) -> Self {
        Self { shortened: true, ..self }
    }

    pub fn next(&mut self) -> Result<Option<Given<T>>, Failure> {
        if let Some(mut words) = self.parser.try_raw_args() {
            // What stands behind the dashes is no option, whatever it looks like.
            if words.next_if(|word| word == "--").is_some() {
                return Ok(Some(Given::Rest(words.collect())));
            }
        }
        let (tool, table, shortened) = (self.tool, self.table, self.shortened);
        let found = match self.parser.next().map_err(|error| wrong(tool, &error))? {
            None => return Ok(None),
            Some(Arg::Value(word)) => return Ok(Some(Given::Operand(word))),
            Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Some(Given::Help)),
            Some(Arg::Short('V') | Arg::Long("version")) if self.has_version => {
                return Ok(Some(Given::Version));
            }
            Some(Arg::Long(name)) => {
                find(table, name, shortened).ok_or_else(|| format!("--{name}"))
            }
            Some(Arg::Short(letter)) => table
                .iter()
                .find(|option| option.short() == Some(letter))
                .ok_or_else(|| format!("-{letter}")),
        };
        let option = found.map_err(|word| self.unknown(&word))?;
        if !option.repeats() && self.given.contains(&option.long()) {
            return Err(Failure::usage(
                format!("option {} is given more than once", option.shown()),
                Some("give it once".into()),
            ));
        }
        self.given.push(option.long());
        let value = match option.value() {
            None => OsString::new(),
            Some(_) => self.value(option)?,
        };
        Ok(Some(Given::Option(option, value)))
    }

    /// The value of an option: the rest of its word, or the next word.
    fn value(&mut self, option: &T) -> Result<OsString, Failure> {
        // In the next word an option is more likely to be meant than a value that looks like one.
        let may_be = |word: &OsStr| match word.as_bytes() {
            b"--" => false,
            [b'-', _, ..] => option.takes_options(),
            _ => true,
        };
        self.parser
            .optional_value()
            .or_else(|| self.parser.try_raw_args()?.next_if(may_be))
            .ok_or_else(|| Failure::usage(format!("option {} needs a value", option.shown()), None))
    }

    fn unknown(&self, word: &str) -> Failure {
        let known = self.table.iter().map(Named::long).chain(["help"]);
        let known = known.chain(self.has_version.then_some("version"));
        let nearest = known
            .map(|long| format!("--{long}"))
            .map(|long| (strsim::osa_distance(&long, word), long))
            .min();
        Failure::usage(
            format!("unknown option {word:?}"),
            Some(match nearest {
                // A single letter is near to none.
                Some((distance, nearest)) if distance <= 3 && word.len() > distance + 3 => {
                    format!("did you mean {nearest:?}? All: {} --help", self.tool)
                }
                _ => format!("all options: {} --help", self.tool),
            }),
        )
    }
}

fn find<T: Named>(table: &'static [T], name: &str, shortened: bool) -> Option<&'static T> {
    let exact = table.iter().find(|option| option.long() == name);
    let mut begin = table.iter().filter(|option| shortened && option.long().starts_with(name));
    match (exact, begin.next(), begin.next()) {
        (Some(option), _, _) | (None, Some(option), None) => Some(option),
        _ => None,
    }
}

/// What the parser finds wrong by itself.
fn wrong(tool: &str, error: &lexopt::Error) -> Failure {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => {
            Failure::usage(format!("option {option} takes no value"), None)
        }
        error => Failure::usage(
            format!("wrong usage: {error}"),
            Some(format!("all options: {tool} --help")),
        ),
    }
}
