//! `pydexec run FILE [COMMAND…]` and `pydexec check FILE [COMMAND…]`.
//!
//! Without clap: a file with `#!/usr/local/bin/pydexec run` is started as
//! `pydexec run FILE WORD…`, and every word behind FILE is the command's.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::failure::Failure;
use super::options::{Options, print, refuse_misspelt};
use crate::boot::Boot;
use crate::command::{Environment, yes_or_no};
use crate::entrypoint::{self, EntrypointError, Format};
use crate::init::Start;
use crate::log::Log;
use crate::sys::{Args, arena};

const RUN_HELP: &str = "\
Carry out an entrypoint file

Usage: pydexec run [OPTIONS] FILE [COMMAND [ARG]...]

Without COMMAND, or with one that begins with a dash, [exec] of the file is run, with the words
appended; with the name of a [command.NAME], that one. Anything else runs as it is, with the
environment and the user of the file, but without its waits and runs.

A file with the run bit that begins with #!/usr/local/bin/pydexec run is a program of its own.

Options:
  -v, --verbose  Tell each step on stderr, and how long it took; also PYDEXEC_VERBOSE=1
  -h, --help     Print help

Exit codes: the command's own, or 128+N if signal N killed it; that of a [[run]] that failed; 124 a
step took too long; 127 not found, 126 not executable, 2 a fault in the file, 1 anything else.
";

const CHECK_HELP: &str = "\
Check an entrypoint file, and print what it would do, with secrets hidden

Usage: pydexec check [OPTIONS] FILE [COMMAND [ARG]...]

Nothing is done. All faults are told at once, each with its line and column.

Options:
      --format FORMAT  text or json [default: text]; before FILE, right behind it, or as the last
                       words. Behind FILE and a -- there are only words of the command
  -h, --help           Print help

Exit codes: 0 nothing is wrong, 2 there is a fault, 127 the program named by COMMAND is not there.
";

/// What a file of a dozen variables, two secrets and a template takes.
const MEMORY: usize = 80 * 1024;

/// What the command line asks for.
struct Request {
    file: PathBuf,
    words: Vec<OsString>,
    verbose: bool,
    format: Format,
}

enum Parsed {
    Request(Request),
    Help,
}

/// `pydexec run`.
pub(super) fn run(args: Args, start: Start) -> Result<u8, Failure> {
    arena::expect(MEMORY);
    match read(args)? {
        Some((boot, log)) => Ok(boot.run(start, log)?),
        None => print(RUN_HELP),
    }
}

/// Not inlined: what the file was read with is gone when it returns, and not there for as long as the command
/// runs. Nothing where help was asked for.
#[inline(never)]
fn read(args: Args) -> Result<Option<(Boot, Log)>, Failure> {
    let Parsed::Request(request) = parse(args.from(2), Face::Run)? else { return Ok(None) };
    let (environment, verbose) = environment()?;
    let plan = entrypoint::plan(&request.file, &request.words, &environment)?;
    let log = if request.verbose || verbose { Log::Steps } else { Log::Silent };
    Ok(Some((plan.boot, log)))
}

/// `pydexec check`.
pub(super) fn check(args: Args, _: Start) -> Result<u8, Failure> {
    let request = match parse(args.from(2), Face::Check)? {
        Parsed::Request(request) => request,
        Parsed::Help => return print(CHECK_HELP),
    };
    let (environment, _) = environment()?;
    let plan = entrypoint::plan(&request.file, &request.words, &environment)?;
    print(&entrypoint::show(&plan, &request.file, &Environment::current(), request.format))
}

/// The container's environment without what is ours, and whether it asks for more words.
fn environment() -> Result<(Environment, bool), Failure> {
    let mut environment = Environment::current();
    refuse_misspelt(&environment)?;
    let mut verbose = false;
    if !environment.entries().iter().any(|entry| entry.as_bytes().starts_with(b"PYDEXEC_")) {
        return Ok((environment, verbose));
    }
    for twin in Options::twins() {
        let Some(value) = environment.get(twin).filter(|value| !value.is_empty()) else {
            environment.remove(twin);
            continue;
        };
        // The file says all of this: one of the two would be passed over in silence, and the command
        // would run as root, perhaps.
        if twin != VERBOSE {
            return Err(Failure::usage(
                format!("variable {twin} has no meaning beside an entrypoint file"),
                Some("unset it, and say in the file what it says".into()),
            ));
        }
        verbose = yes_or_no(value).ok_or_else(|| {
            Failure::usage(
                format!("variable {VERBOSE} is neither on nor off"),
                Some(format!("set {VERBOSE}=1 or {VERBOSE}=0")),
            )
        })?;
        environment.remove(twin);
    }
    Ok((environment, verbose))
}

const VERBOSE: &str = "PYDEXEC_VERBOSE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Run,
    Check,
}

impl Face {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Check => "check",
        }
    }
}

fn parse(args: impl Iterator<Item = &'static OsStr>, face: Face) -> Result<Parsed, Failure> {
    let mut words = args.peekable();
    let mut request =
        Request { file: PathBuf::new(), words: Vec::new(), verbose: false, format: Format::Text };
    let name = face.name();
    let file = loop {
        let Some(word) = words.next() else {
            return Err(Failure::usage(
                format!("pydexec {name} needs a FILE"),
                Some(format!("as in: pydexec {name} /entrypoint.toml; all: pydexec {name} --help")),
            ));
        };
        match (word.as_bytes(), face) {
            (b"-h" | b"--help", _) => return Ok(Parsed::Help),
            (b"-v" | b"--verbose", Face::Run) => request.verbose = true,
            (b"--format", Face::Check) => request.format = format(words.next())?,
            (b"--", _) => {}
            (word, Face::Check) if word.starts_with(b"--format=") => {
                request.format = format(word.get(9..).map(OsStr::from_bytes))?;
            }
            (option, _) if option.starts_with(b"-") => {
                return Err(Failure::usage(
                    format!("unknown option {word:?}"),
                    Some(format!("all options: pydexec {name} --help; FILE comes before COMMAND")),
                ));
            }
            _ => break word,
        }
    };
    request.file = file.into();
    request.words = words.map(OsStr::to_owned).collect();
    if face == Face::Check {
        take_format(&mut request)?;
    }
    Ok(Parsed::Request(request))
}

/// `check FILE --format json COMMAND…`, and `check FILE COMMAND… --format json`; what stands behind
/// a `--` is the command's alone.
fn take_format(request: &mut Request) -> Result<(), Failure> {
    let words = &mut request.words;
    let first = words.first().map(|word| word.as_bytes().to_owned());
    match first.as_deref() {
        Some(b"--") => {
            words.remove(0);
        }
        Some(b"--format") => {
            request.format = format(words.get(1).map(OsString::as_os_str))?;
            words.drain(..2);
        }
        Some(word) if word.starts_with(b"--format=") => {
            request.format = format(word.get(9..).map(OsStr::from_bytes))?;
            words.remove(0);
        }
        _ => {
            if let [.., option, value] = words.as_slice() {
                if option == "--format" && (value == "json" || value == "text") {
                    request.format = format(Some(value))?;
                    words.truncate(words.len() - 2);
                }
            }
            if let Some(word) = words.last() {
                if word == "--format=json" || word == "--format=text" {
                    request.format = format(word.as_bytes().get(9..).map(OsStr::from_bytes))?;
                    words.pop();
                }
            }
        }
    }
    Ok(())
}

fn format(word: Option<&OsStr>) -> Result<Format, Failure> {
    match word.map(OsStr::as_bytes) {
        Some(b"text") => Ok(Format::Text),
        Some(b"json") => Ok(Format::Json),
        _ => Err(Failure::usage(
            "option --format needs a value: text or json",
            Some("as in: pydexec check --format json FILE".into()),
        )),
    }
}

impl From<EntrypointError> for Failure {
    fn from(error: EntrypointError) -> Self {
        match error {
            EntrypointError::File(bad) => {
                let hint = match bad.lines.len() {
                    1 => "nothing was started",
                    _ => "nothing was started; these are all the faults that there are",
                };
                Self { message: bad.to_string(), hint: Some(hint.into()), code: 2 }
            }
            EntrypointError::Program(error) => {
                Self { message: error.to_string(), hint: error.hint(), code: error.exit_code() }
            }
        }
    }
}
