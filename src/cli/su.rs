//! `gosu`, `su-exec`, `pysu` and `pydexec su`: become another user, and then the command, in one
//! process.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::failure::Failure;
use super::getopt::{Long, Operands, Options, Order, Short, flag, valued};
use super::print;
use crate::command::launch::{self, Prepared};
use crate::command::{Environment, ExecPlan};
use crate::error::{Error, reason};
use crate::init::{self, Start};
use crate::sys::args::{Args, Inherited};
use crate::sys::ids::{self, Identity};
use crate::sys::process::{Step, StringArray};
use crate::sys::{fd, process};
use crate::user::{Credentials, Database, UserError, UserSpec, group_ids};

/// `gosu`: messages and codes of gosu 1.14 to 1.17.
pub(super) fn gosu(args: Args, start: Start) -> Result<u8, Failure> {
    let name = args.get(0).unwrap_or_default();
    if let Some(bit) = dangerous_bit() {
        let name = name.to_string_lossy();
        print::err(format!(
            "error: {name:?} appears to be installed with the '{bit}' bit set: {DANGER}\n"
        ));
        return Ok(1);
    }
    match args.get(1).map(OsStr::as_bytes) {
        Some(b"--help" | b"-h" | b"-?") => {
            print::out(gosu_usage(name));
            return Ok(0);
        }
        Some(b"--version" | b"-v") => {
            print::out(format!("{GOSU_VERSION}\n"));
            return Ok(0);
        }
        _ => {}
    }
    if args.count() < 3 {
        print::err(gosu_usage(name));
        return Ok(1);
    }
    let call = Call::of_operands(Operands::from(args, 1));
    Ok(match call.run(start) {
        Refusal::Asked(code) => code,
        refusal => {
            print::err(call.words_of_gosu(&refusal));
            1
        }
    })
}

/// `su-exec`: everything of its own is 1.
pub(super) fn su_exec(args: Args, start: Start) -> Result<u8, Failure> {
    let name = args.get(0).unwrap_or_default().to_string_lossy();
    let usage = || format!("Usage: {name} user-spec command [args]\n");
    Ok(plain(args, start, "su-exec", usage, |_| 1))
}

/// `pysu`: 127 and 126 for a command that is not there or not executable.
pub(super) fn pysu(args: Args, start: Start) -> Result<u8, Failure> {
    let usage = || {
        "\
Usage: pysu user-spec command [args]
   eg: pysu app python -m app
       pysu nobody:root bash -c 'whoami && id'
       pysu 1000:1 id
"
        .to_owned()
    };
    Ok(plain(args, start, "pysu", usage, |code| if code > 125 { code } else { 1 }))
}

fn plain(
    args: Args,
    start: Start,
    name: &str,
    usage: impl FnOnce() -> String,
    code: impl FnOnce(u8) -> u8,
) -> u8 {
    if let Some(bit) = dangerous_bit() {
        print::err(format!("{name}: it is installed with the '{bit}' bit set: {DANGER}\n"));
        return 1;
    }
    if args.count() < 3 {
        print::out(usage());
        return 1;
    }
    let call = Call::of_operands(Operands::from(args, 1));
    match call.run(start) {
        Refusal::Asked(code) => code,
        refusal => {
            let failure = call.explain(refusal);
            failure.print_as(name);
            code(failure.code)
        }
    }
}

const USAGE: &str = "pydexec su [OPTIONS] USER[:GROUP] COMMAND [ARG]...";

const HELP: &str = "
Becomes USER, and then COMMAND, in one process: nothing stays behind.

  -G, --groups LIST    These supplementary groups, with commas between them [default: all that
                       list the user; with :GROUP none]
  -n, --no-new-privs   Nothing that the command executes gains privileges by setuid bits or file
                       capabilities
  -k, --keep-home      Leave HOME as it is [default: the user's home directory, / without one]
  -h, --help           Print help

USER and GROUP are names or numbers, and each may be left out. Exit codes: the command's own; 127
not found, 126 not executable, 2 a wrong option, user or group, 1 anything else.
";

const SHORTS: [Short; 4] = [valued(b'G'), flag(b'n'), flag(b'k'), flag(b'h')];

const LONGS: [Long; 4] = [
    Long { name: "groups", letter: b'G', value: true },
    Long { name: "no-new-privs", letter: b'n', value: false },
    Long { name: "keep-home", letter: b'k', value: false },
    Long { name: "help", letter: b'h', value: false },
];

/// `pydexec su`.
pub(super) fn main(args: Args, start: Start) -> Result<u8, Failure> {
    if let Some(bit) = dangerous_bit() {
        let message = format!("pydexec is installed with the '{bit}' bit set: {DANGER}");
        return Err(Failure { message, hint: None, code: 1 });
    }
    let usage = || Some(format!("usage: {USAGE}"));
    let mut options = Options::new(args, 2, &SHORTS, &LONGS, Order::Stop);
    let (mut groups, mut no_new_privileges, mut keep_home) = (None, false, false);
    while let Some(given) = options.next() {
        match given {
            Ok((b'G', list)) => groups = list,
            Ok((b'n', _)) => no_new_privileges = true,
            Ok((b'k', _)) => keep_home = true,
            Ok(_) => {
                print::out(format!("Usage: {USAGE}\n{HELP}"));
                return Ok(0);
            }
            Err(fault) => {
                return Err(Failure::usage(String::from_utf8_lossy(&fault), usage()));
            }
        }
    }
    let operands = options.operands();
    if operands.iter().nth(1).is_none() {
        return Err(Failure::usage("su wants a USER and a COMMAND", usage()));
    }
    let call = Call { groups, no_new_privileges, keep_home, ..Call::of_operands(operands) };
    match call.run(start) {
        Refusal::Asked(code) => Ok(code),
        refusal => Err(call.explain(refusal)),
    }
}

/// A static and no literal: see build/hot.ld.
static HOME: [u8; 5] = *b"HOME=";

/// What was asked for.
struct Call {
    spec: &'static OsStr,
    groups: Option<&'static OsStr>,
    no_new_privileges: bool,
    keep_home: bool,
    /// The user spec, and the command after it.
    operands: Operands,
}

/// Why this process is still this one.
enum Refusal {
    /// PID 1 was asked to end before it had begun; with this code.
    Asked(u8),
    User(UserError),
    /// A step that the kernel refused.
    Launch(Credentials, process::Failure),
    System(Error),
}

impl Call {
    fn of_operands(operands: Operands) -> Self {
        let spec = operands.program().unwrap_or_default();
        Self {
            spec: OsStr::from_bytes(spec.to_bytes()),
            groups: None,
            no_new_privileges: false,
            keep_home: false,
            operands,
        }
    }

    /// Becomes the user and the command.
    fn run(&self, start: Start) -> Refusal {
        let credentials = match self.credentials() {
            Ok(credentials) => credentials,
            Err(error) => return Refusal::User(error),
        };
        if self.no_new_privileges {
            if let Err(errno) = ids::set_no_new_privileges() {
                let what = "cannot give up new privileges";
                return Refusal::System(Error::System { what, source: errno.into() });
            }
        }
        if let Some(signal) = init::asked_before_exec() {
            return Refusal::Asked(128u8.saturating_add(signal.number() as u8));
        }
        let given = Inherited::here();
        let home = [&HOME[..], credentials.home().as_bytes()].concat();
        // There is no NUL in what was read of a line of a file that is text; if there is, HOME ends.
        let home = CString::new(home).unwrap_or_default();
        let environment = match self.keep_home {
            true => given.array(),
            false => StringArray::of(
                given.iter().filter(|entry| !entry.to_bytes().starts_with(&HOME)).chain([&*home]),
                None,
            ),
        };
        let prepared =
            Prepared::of_strings(self.program(), given.get("PATH"), self.command(), environment)
                .with_user(&credentials);
        let failure = prepared.exec(start.inherited());
        Refusal::Launch(credentials, failure)
    }

    fn credentials(&self) -> Result<Credentials, UserError> {
        let database = Database::system();
        let caller = Identity::current();
        let credentials = UserSpec::new(self.spec).resolve(&database, caller.uid, caller.gid)?;
        Ok(match self.groups {
            Some(list) => credentials.with_groups(group_ids(list, &database)?),
            None => credentials,
        })
    }

    fn program(&self) -> &CStr {
        self.operands.iter().nth(1).unwrap_or_default()
    }

    fn command(&self) -> StringArray<'_> {
        self.operands.array_from(1)
    }

    /// The refusal in our own words.
    fn explain(&self, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::User(error) => Error::from(error).into(),
            Refusal::System(error) => error.into(),
            Refusal::Launch(credentials, failure) => {
                let word = |word: &CStr| OsStr::from_bytes(word.to_bytes()).to_owned();
                let plan = ExecPlan {
                    program: word(self.program()),
                    arguments: self.operands.iter().skip(2).map(word).collect::<Vec<OsString>>(),
                    environment: Environment::current(),
                    credentials: Some(credentials),
                    workdir: None,
                };
                launch::explain(&plan, failure).into()
            }
            Refusal::Asked(code) => Failure { message: String::new(), hint: None, code },
        }
    }

    /// The refusal in the words of gosu.
    fn words_of_gosu(&self, refusal: &Refusal) -> String {
        let spec = self.spec.to_string_lossy();
        let switching = |why: String| format!("error: failed switching to {spec:?}: {why}\n");
        let program = self.program().to_string_lossy();
        match refusal {
            Refusal::User(UserError::UnknownUser { name }) => {
                switching(format!("unable to find user {name}: no matching entries in passwd file"))
            }
            Refusal::User(UserError::UnknownGroup { name }) => {
                switching(format!("unable to find group {name}: no matching entries in group file"))
            }
            Refusal::User(UserError::OutOfRange { .. }) => {
                switching("uids and gids must be in range 0-4294967294".to_owned())
            }
            Refusal::User(error) => switching(error.to_string()),
            Refusal::Launch(_, process::Failure { step: Step::Exec, errno }) => {
                let there = std::fs::metadata(&*program).is_ok();
                match errno {
                    Errno::ENOENT | Errno::EACCES if !program.contains('/') => {
                        format!("error: exec: {program:?}: executable file not found in $PATH\n")
                    }
                    Errno::ENOENT | Errno::ENOTDIR if !there => {
                        let why = reason(&(*errno).into());
                        format!("error: exec: {program:?}: stat {program}: {why}\n")
                    }
                    Errno::EACCES => format!("error: exec: {program:?}: permission denied\n"),
                    errno => format!("error: exec failed: {}\n", reason(&(*errno).into())),
                }
            }
            Refusal::Launch(credentials, failure) => {
                let why = switching(reason(&failure.errno.into()));
                let refusal = Refusal::Launch(credentials.clone(), *failure);
                let hint = self.explain(refusal).hint;
                hint.map_or_else(|| why.clone(), |hint| format!("{why}gosu: {hint}\n"))
            }
            Refusal::System(error) => format!("error: {error}\n"),
            Refusal::Asked(_) => String::new(),
        }
    }
}

const GOSU_VERSION: &str = concat!("1.17 (pydexec ", env!("CARGO_PKG_VERSION"), ")");

fn gosu_usage(name: &OsStr) -> String {
    let name = super::base_name(name).to_string_lossy();
    format!(
        "\
Usage: {name} user-spec command [args]
   eg: {name} app python -m app
       {name} nobody:root bash -c 'whoami && id'
       {name} 1000:1 id

{name} version: {GOSU_VERSION}
{name} license: MIT

"
    )
}

const DANGER: &str = "so anybody could become anybody by it. What you want is sudo or su";

/// The bit that would let everybody who may run this file use it, unless gosu's variable says that
/// somebody wants just that.
fn dangerous_bit() -> Option<&'static str> {
    const VARIABLE: &str = "GOSU_PLEASE_LET_ME_BE_COMPLETELY_INSECURE_I_GET_TO_KEEP_ALL_THE_PIECES";
    // What gosu asks for, word by word.
    const SENTENCE: &str = "I've seen things you people wouldn't believe. Attack ships on fire off \
        the shoulder of Orion. I watched C-beams glitter in the dark near the Tannhäuser Gate. All \
        those moments will be lost in time, like tears in rain. Time to die.";
    let bit = match fd::own_mode() {
        Some(mode) if mode & 0o4000 != 0 => "setuid",
        Some(mode) if mode & 0o2000 != 0 => "setgid",
        Some(_) => return None,
        // Without /proc the kernel still tells whether the file gave us anything.
        None if ids::is_privileged_by_exec() => "setuid or setgid",
        None => return None,
    };
    let wanted = Inherited::here().get(VARIABLE).is_some_and(|value| value == SENTENCE);
    (!wanted).then_some(bit)
}
