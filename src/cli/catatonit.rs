//! `catatonit`: the options, variables, codes and messages of catatonit 0.2.

use std::os::unix::ffi::OsStrExt;

use super::failure::Failure;
use super::getopt::{Long, Operands, Options, Order, Short, flag, number, told};
use super::init::{self, Environment, strerror};
use super::print;
use crate::init::{
    Adopt, Ended, Fact, Failed, Policy, Rewrites, Start, Supervisor, Target, Tells, Voice,
};
use crate::sys::Args;
use crate::sys::args::Inherited;
use crate::sys::ids;
use crate::sys::process::{self, Step};
use crate::sys::signal::Signal;

/// The version that this is a stand-in for; Docker looks for the words that it begins with.
const VERSION: &str = "tini version 0.2.1_catatonit\n";

const USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";

const HELP: &str = "
options:
  -g              Send signals to the program's process group.
  -h              Print this help page.
  -L              Print license information.
  -P              Pause: run no program, reap zombies, and leave on SIGTERM or SIGINT.
  -V, --version   Print version information.
";

const SHORTS: [Short; 5] = [flag(b'g'), flag(b'h'), flag(b'L'), flag(b'P'), flag(b'V')];

const LONGS: [Long; 1] = [Long { name: "version", letter: b'V', value: false }];

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    Ok(match Call::read(args) {
        Ok(call) => call.run(start),
        Err(Answer::Out(text)) => {
            print::out(text);
            0
        }
        Err(Answer::Err(text, code)) => {
            print::err(text);
            code
        }
    })
}

/// What is said instead of running anything.
enum Answer {
    Out(&'static str),
    /// With the exit code.
    Err(Vec<u8>, u8),
}

/// What was asked for.
struct Call {
    group: bool,
    pause: bool,
    command: Operands,
}

impl Call {
    fn read(args: Args) -> Result<Self, Answer> {
        let environment = Inherited::here();
        if environment.get("CATATONIT_LOG").is_some() {
            return Err(Answer::Err(line("ERROR", "CATATONIT_LOG is reserved for future use"), 1));
        }
        let order = Order::permute_unless(environment.get("POSIXLY_CORRECT").is_some());
        let mut options = Options::new(args, 1, &SHORTS, &LONGS, order);
        let (mut group, mut pause) = (false, false);
        while let Some(given) = options.next() {
            match given {
                Ok((b'g', _)) => group = true,
                Ok((b'P', _)) => pause = true,
                Ok((b'h', _)) => return Err(Answer::Err([USAGE, HELP].concat().into(), 0)),
                Ok((b'L', _)) => return Err(Answer::Out(super::LICENSE)),
                Ok(_) => return Err(Answer::Out(VERSION)),
                Err(fault) => {
                    return Err(Answer::Err([told(args, &fault), USAGE.into()].concat(), 1));
                }
            }
        }
        let command = options.operands();
        if !pause && command.program().is_none() {
            let mut text = line("ERROR", "missing program name");
            text.extend_from_slice(USAGE.as_bytes());
            return Err(Answer::Err(text, 1));
        }
        Ok(Self { group, pause, command })
    }

    fn run(&self, start: Start) -> u8 {
        let words = Words { debug: Inherited::here().get("CATATONIT_DEBUG").is_some() };
        match self.supervise(start, &words) {
            Ok(ended) => ended.status.code(),
            Err(Failed::Start(process::Failure { step, errno })) => {
                let what = match step {
                    Step::Exec => "failed to exec pid1",
                    _ => "failed to fork child",
                };
                print::err(line("ERROR", &format!("{what}: {}", strerror(errno))));
                1
            }
            Err(Failed::System(error)) => {
                print::err(line("ERROR", &error.to_string()));
                1
            }
        }
    }

    fn supervise(&self, start: Start, words: &Words) -> Result<Ended, Failed> {
        let tells = Tells::steps_if(words.debug);
        let mut supervisor = Supervisor::of(start, Adopt::Orphans, words, tells);
        if self.pause {
            return supervisor.pause().map_err(Failed::System);
        }
        let terminal = [Signal::TSTP, Signal::TTIN, Signal::TTOU];
        let policy = Policy {
            // They are for the terminal that it is in the background of.
            rewrites: Rewrites::NONE.withholding(&terminal),
            ..Policy::ours(Target::group_if(self.group))
        };
        let mut environment = Environment::given();
        // Sockets that systemd gave to this process are meant for the program (sd_listen_fds(3)).
        let listen = Inherited::here().get(LISTEN_PID).and_then(|pid| number(pid.as_bytes()));
        if listen == Some((ids::pid().into(), b"")) {
            environment = environment.with_own_pid(LISTEN_PID);
        }
        init::run(&mut supervisor, &self.command, &environment, &policy)
    }
}

const LISTEN_PID: &str = "LISTEN_PID";

fn line(level: &str, what: &str) -> Vec<u8> {
    format!("{level} (catatonit:{}): {what}\n", ids::pid()).into()
}

/// catatonit's messages.
struct Words {
    debug: bool,
}

impl Words {
    fn debug(&self, what: impl FnOnce() -> String) {
        if self.debug {
            print::err(line("DEBUG", &what()));
        }
    }
}

impl Voice for Words {
    fn tell(&self, fact: Fact<'_>) {
        match fact {
            Fact::Adopting(Err(errno)) => print::err(line(
                "WARN",
                &format!("cannot become a child subreaper: {}", strerror(errno)),
            )),
            Fact::Started { program, pid, .. } => {
                self.debug(|| format!("pid1 ({pid}) spawned: {}", program.to_string_lossy()));
            }
            Fact::Forwarding { signal, pid } => {
                self.debug(|| format!("forwarding signal {} to pid1 ({pid})", signal.number()));
            }
            Fact::Reaped { pid, status, .. } => self.debug(|| match status.signal() {
                Some(signal) => {
                    format!("child process {pid} exited due to signal {}", signal.number())
                }
                None => format!("child process {pid} exited with code {}", status.code()),
            }),
            Fact::Adopting(Ok(()))
            | Fact::LettingGo(..)
            | Fact::Received(_)
            | Fact::Swallowed(_)
            | Fact::Rewritten { .. }
            | Fact::Withheld(_)
            | Fact::Children
            | Fact::Stopping { .. }
            | Fact::Deaf { .. }
            | Fact::Ended { .. } => {}
        }
    }
}
