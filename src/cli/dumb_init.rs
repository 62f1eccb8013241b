//! `dumb-init`: the options, variables, codes and messages of dumb-init 1.2.5.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::failure::Failure;
use super::getopt::{Long, Operands, Options, Order, Short, flag, number, told, valued};
use super::init::{self, Environment, strerror};
use super::print;
use crate::init::{
    Adopt, End, Ended, Fact, Failed, Policy, Rewrites, Start, Stops, Supervisor, Target, Tells,
    Voice,
};
use crate::sys::Args;
use crate::sys::args::Inherited;
use crate::sys::process::{self, Group, Step};
use crate::sys::signal::Signal;

/// The version that this is a stand-in for.
const VERSION: &str = "dumb-init v1.2.5\n";

const SHORTS: [Short; 5] = [flag(b'c'), valued(b'r'), flag(b'v'), flag(b'h'), flag(b'V')];

const LONGS: [Long; 5] = [
    Long { name: "help", letter: b'h', value: false },
    Long { name: "single-child", letter: b'c', value: false },
    Long { name: "rewrite", letter: b'r', value: true },
    Long { name: "verbose", letter: b'v', value: false },
    Long { name: "version", letter: b'V', value: false },
];

pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    Ok(match Call::read(args) {
        Ok(call) => call.run(start),
        // Help and version too go to stderr.
        Err((text, code)) => {
            print::err(text);
            code
        }
    })
}

/// What was asked for.
struct Call {
    session: bool,
    rewrites: Rewrites,
    debug: bool,
    /// What is told of the variables first.
    of_variables: &'static [&'static str],
    command: Operands,
}

impl Call {
    /// Or what is said instead of running anything, and the exit code.
    fn read(args: Args) -> Result<Self, (Vec<u8>, u8)> {
        let environment = Inherited::here();
        let is = |name, value| environment.get(name).is_some_and(|set| set == OsStr::new(value));
        let mut options = Options::new(args, 1, &SHORTS, &LONGS, Order::Stop);
        let (debug, alone) = (is("DUMB_INIT_DEBUG", "1"), is("DUMB_INIT_SETSID", "0"));
        let mut call = Self {
            session: !alone,
            rewrites: Rewrites::NONE,
            debug,
            of_variables: match (debug, alone) {
                (true, true) => &["Running in debug mode.", "Not running in setsid mode."],
                (true, false) => &["Running in debug mode."],
                (false, true) => &["Not running in setsid mode."],
                (false, false) => &[],
            },
            command: Operands::from(args, args.count()),
        };
        let name = args.get(0).unwrap_or_default();
        while let Some(given) = options.next() {
            match given {
                Ok((b'c', _)) => call.session = false,
                Ok((b'v', _)) => call.debug = true,
                Ok((b'h', _)) => return Err((help(name).into(), 0)),
                Ok((b'V', _)) => return Err((VERSION.into(), 0)),
                Ok((_, value)) => {
                    let (from, to) = value.and_then(rewrite).ok_or_else(|| (RULE.into(), 1))?;
                    call.rewrites.set(from, to);
                }
                Err(fault) => return Err((told(args, &fault), 1)),
            }
        }
        call.command = options.operands();
        if call.command.program().is_none() {
            let name = name.to_string_lossy();
            let usage = format!(
                "Usage: {name} [option] program [args]\nTry {name} --help for full usage.\n"
            );
            return Err((usage.into(), 1));
        }
        if call.session {
            // In a session of its own the child has no shell that could continue it, and the
            // kernel would drop these (setpgid(2), on orphaned process groups).
            for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
                if call.rewrites.leaves(signal) {
                    call.rewrites.set(signal, Some(Signal::STOP));
                }
            }
        }
        Ok(call)
    }

    fn run(&self, start: Start) -> u8 {
        let words = Words { debug: self.debug };
        self.of_variables.iter().for_each(|line| words.debug(line));
        match self.supervise(start, &words) {
            Ok(ended) => ended.status.code(),
            Err(Failed::Start(process::Failure { step, errno })) => {
                let name = self.command.program().unwrap_or_default().to_bytes();
                let reason = strerror(errno).as_bytes();
                let (what, code) = match step {
                    Step::Exec => (name, 2),
                    Step::Setsid => (&b"Unable to setsid"[..], 1),
                    _ => (&b"Unable to fork"[..], 1),
                };
                print::err([b"[dumb-init] ", what, b": ", reason, b"\n"].concat());
                code
            }
            Err(Failed::System(error)) => {
                print::err(format!("[dumb-init] {error}\n"));
                1
            }
        }
    }

    fn supervise(&self, start: Start, words: &Words) -> Result<Ended, Failed> {
        let tells = Tells::steps_if(words.debug);
        let mut supervisor = Supervisor::of(start, Adopt::Nobody, words, tells);
        let (group, target) = if self.session {
            supervisor.let_go_of_terminal();
            (Group::Session, Target::Group)
        } else {
            (Group::Inherited, Target::Child)
        };
        let policy = Policy {
            group,
            rewrites: self.rewrites,
            stops: Stops::WhenTold,
            end: End::Term,
            ..Policy::ours(target)
        };
        init::run(&mut supervisor, &self.command, &Environment::given(), &policy)
    }
}

/// As sscanf(3) takes `%d:%d`: what comes after is not looked at.
fn rewrite(text: &OsStr) -> Option<(Signal, Option<Signal>)> {
    let (from, rest) = number(text.as_bytes())?;
    let (to, _) = number(rest.strip_prefix(b":")?)?;
    let known = |number: i64| (1..=31).contains(&number).then_some(number as i32);
    let from = Signal::new(known(from)?)?;
    match to {
        0 => Some((from, None)),
        to => Some((from, Some(Signal::new(known(to)?)?))),
    }
}

const RULE: &str = "\
Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.
It can be given several times; 0 as the second one drops the signal.
Use --help for full usage.
";

fn help(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    format!(
        "\
{VERSION}Usage: {name} [option] command [[arg] ...]

An init for containers without one: it passes signals on and reaps zombies.

Optional arguments:
   -c, --single-child   Send signals to the child alone, and not to the
                        whole session that it would lead otherwise.
   -r, --rewrite s:r    Pass signal r on where s was received; 0 for r drops it.
                        May be given several times.
   -v, --verbose        Tell on stderr what is done.
   -h, --help           Print this help message and exit.
   -V, --version        Print the version and exit.

DUMB_INIT_SETSID=0 and DUMB_INIT_DEBUG=1 in the environment are -c and -v.
"
    )
}

/// dumb-init's messages.
struct Words {
    debug: bool,
}

impl Words {
    fn debug(&self, what: &str) {
        if self.debug {
            print::err(format!("[dumb-init] {what}\n"));
        }
    }

    fn errno(&self, what: &str, errno: nix::errno::Errno) {
        self.debug(&format!("{what} (errno={} {}).", errno as i32, strerror(errno)));
    }
}

impl Voice for Words {
    fn tell(&self, fact: Fact<'_>) {
        if !self.debug {
            return;
        }
        match fact {
            Fact::LettingGo(Ok(()), true) => self.debug(
                "Detached from controlling tty, ignoring the first SIGHUP and SIGCONT we receive.",
            ),
            Fact::LettingGo(Ok(()), false) => {
                self.debug("Detached from controlling tty, but was not session leader.");
            }
            Fact::LettingGo(Err(errno), _) => {
                self.errno("Unable to detach from controlling tty", errno);
            }
            Fact::Started { pid, session, .. } => {
                self.debug(&format!("Child spawned with PID {pid}."));
                if let Some(Some(errno)) = session {
                    self.errno("Unable to attach to controlling tty", errno);
                }
                if session.is_some() {
                    self.debug("setsid complete.");
                }
            }
            Fact::Received(signal) => {
                self.debug(&format!("Received signal {}.", signal.number()));
            }
            Fact::Children => {
                self.debug(&format!("Received signal {}.", Signal::CHLD.number()));
            }
            Fact::Swallowed(signal) => {
                self.debug(&format!("Ignoring tty hand-off signal {}.", signal.number()));
            }
            Fact::Rewritten { from, to } => {
                let (from, to) = (from.number(), to.number());
                self.debug(&format!("Translating signal {from} to {to}."));
            }
            Fact::Forwarding { signal, .. } => {
                self.debug(&format!("Forwarded signal {} to children.", signal.number()));
            }
            // It is rewritten to 0, and that is what is not forwarded.
            Fact::Withheld(signal) => {
                self.debug(&format!("Translating signal {} to 0.", signal.number()));
                self.debug("Not forwarding signal 0 to children (ignored).");
            }
            Fact::Reaped { pid, status, .. } => self.debug(&match status.signal() {
                Some(signal) => {
                    let number = signal.number();
                    format!("A child with PID {pid} was terminated by signal {number}.")
                }
                None => {
                    let code = status.code();
                    format!("A child with PID {pid} exited with exit status {code}.")
                }
            }),
            Fact::Stopping { .. } => self.debug("Suspending self due to TTY signal."),
            // It changes no user, so it may signal whoever it has started.
            Fact::Deaf { .. } => {}
            Fact::Ended { status, .. } => {
                self.debug(&format!("Child exited with status {}. Goodbye.", status.code()));
            }
            Fact::Adopting(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_goes_from_1_to_31_and_0_drops() {
        let pair = |text: &str| {
            let (from, to) = rewrite(OsStr::new(text))?;
            Some((from.number(), to.map_or(0, Signal::number)))
        };
        assert_eq!(pair("15:3"), Some((15, 3)));
        assert_eq!(pair("1:0"), Some((1, 0)));
        assert_eq!(pair("31:31"), Some((31, 31)));
        // What sscanf makes of it.
        assert_eq!(pair("15:3x"), Some((15, 3)));
        assert_eq!(pair(" 15: 3"), Some((15, 3)));
        for bad in ["", "15", "15:", ":3", "0:1", "32:1", "1:32", "15:-1", "x:1", "15 :3", "TERM:3"]
        {
            assert_eq!(pair(bad), None, "{bad}");
        }
    }
}
