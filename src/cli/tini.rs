//! `tini`, `tini-static` and `docker-init`: the options, variables, codes and messages of tini 0.19.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::failure::Failure;
use super::getopt::{Operands, Options, Order, Short, flag, number, told, valued};
use super::init::{self, Environment, strerror};
use super::print;
use crate::init::{
    Adopt, End, Ended, Fact, Failed, Policy, Rewrites, Start, Supervisor, Target, Tells, Voice,
};
use crate::sys::Args;
use crate::sys::args::Inherited;
use crate::sys::ids;
use crate::sys::process::{self, Step};
use crate::sys::signal::{self, Signal};

/// The version that this is a stand-in for; Docker looks for these words.
const VERSION: &str = "tini version 0.19.0";

const SHORTS: [Short; 8] = [
    flag(b'h'),
    flag(b'l'),
    flag(b's'),
    flag(b'g'),
    flag(b'v'),
    flag(b'w'),
    valued(b'p'),
    valued(b'e'),
];

/// The signals that `-p` knows, all but these by the names of signal(7).
const UNNAMED: [i32; 3] = [16, 29, 30];

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    Ok(match Call::read(args) {
        Ok(call) => call.run(start),
        Err(Answer { text, code: 0 }) => {
            print::out(text);
            0
        }
        Err(Answer { text, code }) => {
            print::err(text);
            code
        }
    })
}

/// What is said instead of running anything, and the exit code.
struct Answer {
    text: Vec<u8>,
    code: u8,
}

/// What was asked for.
struct Call {
    subreaper: bool,
    group: bool,
    parent_death: Option<Signal>,
    verbosity: u8,
    warn_on_reap: bool,
    /// The codes that become 0.
    expected: [bool; 256],
    command: Operands,
}

impl Call {
    fn read(args: Args) -> Result<Self, Answer> {
        let name = super::base_name(args.get(0).unwrap_or_default());
        if args.count() == 2 && args.get(1) == Some(OsStr::new("--version")) {
            return Err(Answer { text: format!("{VERSION}\n").into(), code: 0 });
        }
        let environment = Inherited::here();
        let order = Order::permute_unless(environment.get("POSIXLY_CORRECT").is_some());
        let mut options = Options::new(args, 1, &SHORTS, &[], order);
        let mut call = Self {
            subreaper: environment.get("TINI_SUBREAPER").is_some(),
            group: environment.get("TINI_KILL_PROCESS_GROUP").is_some(),
            parent_death: None,
            verbosity: 1,
            warn_on_reap: false,
            expected: [false; 256],
            command: Operands::from(args, args.count()),
        };
        while let Some(given) = options.next() {
            match given {
                Ok((b'h', _)) => return Err(Answer { text: usage(name).into(), code: 0 }),
                Ok((b'l', _)) => return Err(Answer { text: super::LICENSE.into(), code: 0 }),
                Ok((b's', _)) => call.subreaper = true,
                Ok((b'g', _)) => call.group = true,
                Ok((b'v', _)) => call.verbosity = call.verbosity.saturating_add(1),
                Ok((b'w', _)) => call.warn_on_reap = true,
                Ok((b'p', Some(value))) => {
                    call.parent_death =
                        Some(signal_named(value).ok_or_else(|| refuse('p', value))?);
                }
                Ok((_, value)) => {
                    let value = value.unwrap_or_default();
                    let code = code(value).ok_or_else(|| refuse('e', value))?;
                    if let Some(expected) = call.expected.get_mut(usize::from(code)) {
                        *expected = true;
                    }
                }
                Err(fault) => {
                    let text = [told(args, &fault), usage(name).into()].concat();
                    return Err(Answer { text, code: 1 });
                }
            }
        }
        if let Some(value) = environment.get("TINI_VERBOSITY") {
            let value = number(value.as_bytes()).map_or(0, |(value, _)| value);
            // Less than nothing is everything, for it is read as unsigned.
            call.verbosity = u8::try_from(value).unwrap_or(u8::MAX);
        }
        call.command = options.operands();
        match call.command.program() {
            Some(_) => Ok(call),
            None => Err(Answer { text: usage(name).into(), code: 1 }),
        }
    }

    fn run(&self, start: Start) -> u8 {
        let words = Words { verbosity: self.verbosity, warn_on_reap: self.warn_on_reap };
        let result = self.supervise(start, &words);
        match result {
            Ok(ended) => {
                words.trace("No child to wait");
                words.trace("Exiting: child has exited");
                let code = ended.status.code();
                let expected = self.expected.get(usize::from(code)).copied();
                if expected == Some(true) { 0 } else { code }
            }
            Err(failed) => {
                let (what, code) = self.explain(&failed);
                fatal(what);
                code
            }
        }
    }

    fn supervise(&self, start: Start, words: &Words) -> Result<Ended, Failed> {
        if let Some(signal) = self.parent_death {
            // Nothing is lost by a kernel that cannot do it but what was asked for.
            if let Err(errno) = signal::set_parent_death(signal, ids::parent()) {
                words.warning(format_args!(
                    "cannot set the parent death signal: {}",
                    strerror(errno)
                ));
            }
        }
        let adopt = if self.subreaper { Adopt::Orphans } else { Adopt::Nobody };
        let tells = Tells::steps_if(words.verbosity > 1 || words.warn_on_reap);
        let mut supervisor = Supervisor::of(start, adopt, words, tells);
        if self.verbosity > 0 && ids::pid() != 1 && !ids::is_subreaper() {
            words.warning(format_args!("{NOT_A_REAPER}"));
        }
        let policy = Policy {
            // They are for the terminal that it is in the background of.
            rewrites: Rewrites::NONE.withholding(&[Signal::TTIN, Signal::TTOU]),
            end: End::Reap,
            ..Policy::ours(Target::group_if(self.group))
        };
        init::run(&mut supervisor, &self.command, &Environment::given(), &policy)
    }

    fn explain(&self, failed: &Failed) -> (Vec<u8>, u8) {
        match failed {
            Failed::Start(process::Failure { step: Step::Exec, errno }) => {
                let program = self.command.program().unwrap_or_default();
                let code = match errno {
                    nix::errno::Errno::ENOENT => 127,
                    nix::errno::Errno::EACCES => 126,
                    _ => 1,
                };
                let what =
                    [b"exec ", program.to_bytes(), b" failed: ", strerror(*errno).as_bytes()];
                (what.concat(), code)
            }
            Failed::Start(process::Failure { errno, .. }) => {
                (format!("fork failed: {}", strerror(*errno)).into(), 1)
            }
            Failed::System(error) => (error.to_string().into(), 1),
        }
    }
}

const NOT_A_REAPER: &str = "\
Tini is not running as PID 1 and isn't a child subreaper either.
Orphans will not come to it, so zombie reaping won't work.
Run it as PID 1, give it the option -s, or set the variable TINI_SUBREAPER.";

fn usage(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    format!(
        "\
{name} ({VERSION})
Usage: {name} [OPTIONS] PROGRAM -- [ARGS] | --version

Run PROGRAM as the child of an init ({name}): signals are passed on, zombies are reaped

Command line options:

  --version: Show version and exit (as the only argument).
  -h: Show this help message and exit.
  -s: Become a child subreaper, for where it is not PID 1.
  -p SIGNAL: Get SIGNAL when the parent ends, as in \"-p SIGKILL\".
  -v: Tell more. May be given 3 times.
  -w: Print a warning for each process that is reaped.
  -g: Send signals to the child's process group.
  -e EXIT_CODE: Leave with 0 instead of EXIT_CODE (0 to 255).
  -l: Show license and exit.

Environment variables:

  TINI_SUBREAPER: As -s.
  TINI_VERBOSITY: How much is told (default: 1).
  TINI_KILL_PROCESS_GROUP: As -g.

"
    )
}

fn fatal(what: impl AsRef<[u8]>) {
    print::err(line("FATAL", what.as_ref()));
}

fn refuse(option: char, value: &OsStr) -> Answer {
    let what = format!("Not a valid option for -{option}: ");
    Answer { text: line("FATAL", &[what.as_bytes(), value.as_bytes()].concat()), code: 1 }
}

fn line(level: &str, what: &[u8]) -> Vec<u8> {
    let head = format!("[{level:5} tini ({})] ", ids::pid());
    [head.as_bytes(), what, b"\n"].concat()
}

fn signal_named(name: &OsStr) -> Option<Signal> {
    let name = name.to_str()?;
    (1..32)
        .filter(|number| !UNNAMED.contains(number))
        .filter_map(Signal::new)
        .find(|signal| signal.to_string() == name)
}

/// As strtol(3) takes it, to whom nothing at all is 0.
fn code(text: &OsStr) -> Option<u8> {
    match number(text.as_bytes()) {
        Some((value, b"")) => u8::try_from(value).ok(),
        _ if text.is_empty() => Some(0),
        _ => None,
    }
}

/// tini's messages.
struct Words {
    verbosity: u8,
    warn_on_reap: bool,
}

impl Words {
    fn warning(&self, what: std::fmt::Arguments<'_>) {
        if self.verbosity > 0 {
            print::err(line("WARN", what.to_string().as_bytes()));
        }
    }

    fn info(&self, what: impl FnOnce() -> Vec<u8>) {
        self.at(2, "INFO", what);
    }

    fn debug(&self, what: impl FnOnce() -> Vec<u8>) {
        self.at(3, "DEBUG", what);
    }

    fn trace(&self, what: &str) {
        self.at(4, "TRACE", || what.into());
    }

    fn at(&self, verbosity: u8, level: &str, what: impl FnOnce() -> Vec<u8>) {
        if self.verbosity >= verbosity {
            print::out(line(level, &what()));
        }
    }
}

impl Voice for Words {
    fn tell(&self, fact: Fact<'_>) {
        match fact {
            Fact::Adopting(Ok(())) => self.trace("Registered as child subreaper"),
            Fact::Adopting(Err(errno)) => {
                self.warning(format_args!("cannot become a child subreaper: {}", strerror(errno)))
            }
            Fact::Started { program, pid, .. } => self.info(|| {
                let pid = format!("' with pid '{pid}'");
                [b"Spawned child process '", program.as_bytes(), pid.as_bytes()].concat()
            }),
            Fact::Forwarding { signal, .. } => {
                self.debug(|| format!("Passing signal: '{}'", description(signal)).into());
            }
            Fact::Children => self.debug(|| "Received SIGCHLD".into()),
            Fact::Reaped { pid, status, main } => {
                self.debug(|| format!("Reaped child with pid: '{pid}'").into());
                match (main, status.signal()) {
                    (false, _) if self.warn_on_reap => {
                        self.warning(format_args!("Reaped zombie process with pid={pid}"));
                    }
                    (false, _) => {}
                    (true, None) => self.info(|| {
                        let code = status.code();
                        format!("Main child exited normally (with status '{code}')").into()
                    }),
                    (true, Some(signal)) => self.info(|| {
                        let signal = description(signal);
                        format!("Main child exited with signal (with signal '{signal}')").into()
                    }),
                }
            }
            Fact::LettingGo(..)
            | Fact::Received(_)
            | Fact::Swallowed(_)
            | Fact::Rewritten { .. }
            | Fact::Withheld(_)
            | Fact::Stopping { .. }
            | Fact::Deaf { .. }
            | Fact::Ended { .. } => {}
        }
    }
}

/// What strsignal(3) of the GNU C library calls it; the C library of a static binary has other words.
fn description(signal: Signal) -> String {
    const TEXTS: [&str; 31] = [
        "Hangup",
        "Interrupt",
        "Quit",
        "Illegal instruction",
        "Trace/breakpoint trap",
        "Aborted",
        "Bus error",
        "Floating point exception",
        "Killed",
        "User defined signal 1",
        "Segmentation fault",
        "User defined signal 2",
        "Broken pipe",
        "Alarm clock",
        "Terminated",
        "Stack fault",
        "Child exited",
        "Continued",
        "Stopped (signal)",
        "Stopped",
        "Stopped (tty input)",
        "Stopped (tty output)",
        "Urgent I/O condition",
        "CPU time limit exceeded",
        "File size limit exceeded",
        "Virtual timer expired",
        "Profiling timer expired",
        "Window changed",
        "I/O possible",
        "Power failure",
        "Bad system call",
    ];
    let number = signal.number();
    match usize::try_from(number - 1).ok().and_then(|index| TEXTS.get(index)) {
        Some(text) => (*text).to_owned(),
        None if number >= 34 => format!("Real-time signal {}", number - 34),
        None => format!("Unknown signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_death_signal_is_named_in_full() {
        let number = |name: &str| signal_named(OsStr::new(name)).map(Signal::number);
        assert_eq!(number("SIGKILL"), Some(9));
        assert_eq!(number("SIGSYS"), Some(31));
        for name in ["KILL", "9", "SIGPWR", "SIGIO", "SIGSTKFLT", "SIGRTMIN+0", "sigterm", ""] {
            assert_eq!(number(name), None, "{name}");
        }
    }

    #[test]
    fn a_code_is_a_number_up_to_255() {
        for (text, expected) in [
            ("0", Some(0)),
            ("255", Some(255)),
            (" 7", Some(7)),
            ("", Some(0)),
            ("256", None),
            ("-1", None),
            ("3x", None),
            ("x", None),
            (" ", None),
        ] {
            assert_eq!(code(OsStr::new(text)), expected, "{text:?}");
        }
    }
}
