//! What can go wrong, what to do about it, and the exit code that says so.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::sys::signal::Signal;
use crate::user::UserError;

/// Why a command was not planned, not started, or not successful.
///
/// Its text is one line that says what failed and why, and names variables but never their values.
/// [`hint`](Self::hint) says what to do, where there is something to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Required variables that are not set, in the order in which they are used. A line each.
    #[error("{}", lines(.0))]
    MissingVariables(Vec<MissingVariable>),
    /// A user spec that cannot be resolved.
    #[error(transparent)]
    User(#[from] UserError),
    /// A NUL byte, which no argument, variable or path can have.
    #[error("there is a NUL byte in {what}")]
    Nul {
        /// Where it is.
        what: String,
    },
    /// The name of a variable that no environment can hold: empty, or with `=` or NUL in it.
    #[error("{name:?} cannot be the name of an environment variable")]
    VariableName {
        /// The name.
        name: String,
    },
    /// The variable of a flag, with a value that says neither yes nor no.
    #[error("the variable {name} says neither yes nor no")]
    NotYesOrNo {
        /// The variable.
        name: String,
    },
    /// A variable whose value cannot be split into words.
    #[error("the variable {name} cannot be split into words: {why}")]
    Split {
        /// The variable.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The program is not there, or something that it needs to be executed.
    #[error("cannot run {program:?}: {why}")]
    NotFound {
        /// The program as it was asked for.
        program: OsString,
        /// What is not there.
        why: NotFound,
    },
    /// The program is there and cannot be executed.
    #[error("cannot run {program:?}: {why}")]
    NotExecutable {
        /// The program as it was asked for.
        program: OsString,
        /// Why not.
        why: NotExecutable,
    },
    /// The working directory cannot be entered.
    #[error("cannot enter directory {directory:?}{}: {}", as_user(.spec), reason(.source))]
    Workdir {
        /// The directory.
        directory: PathBuf,
        /// The user who was to enter it, if one was asked for.
        spec: Option<String>,
        /// Why not.
        source: io::Error,
    },
    /// The user or the groups cannot be changed.
    #[error("cannot {what} for user {spec:?}: {}", reason(.source))]
    Credentials {
        /// Which of the steps failed.
        what: Switch,
        /// The user spec.
        spec: String,
        /// Why.
        source: io::Error,
    },
    /// No process could be made for the program.
    #[error("cannot start {program:?}: {}", reason(.source))]
    Start {
        /// The program.
        program: OsString,
        /// Why not.
        source: io::Error,
    },
    /// A child that cannot be waited for.
    #[error("cannot wait for {program:?}: {}", reason(.source))]
    Wait {
        /// The program.
        program: OsString,
        /// Why not.
        source: io::Error,
    },
    /// The command ran and failed.
    #[error("{program:?} {}", ending(.status))]
    Failed {
        /// The program.
        program: OsString,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command ended well, after this process was told to end by a signal that was passed on.
    #[error("{program:?} was told to end by {}", signal_name(*.signal))]
    Interrupted {
        /// The program.
        program: OsString,
        /// The signal's number.
        signal: i32,
    },
    /// Something that the kernel never refuses was refused.
    #[error("{what}: {}", reason(.source))]
    System {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// A required variable that is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingVariable {
    /// The variable.
    pub name: String,
    /// What it was to become.
    pub used_for: Use,
    /// The program whose argument it was to become.
    pub program: String,
}

/// What a variable is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// An argument of its own.
    Argument,
    /// The value of this option.
    Option(String),
}

impl fmt::Display for MissingVariable {
    /// The words of the Python library, which people search for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, used_for, program } = self;
        write!(f, "Environment variable \"{name}\" is required to determine ")?;
        match used_for {
            Use::Argument => write!(f, "an argument for program \"{program}\""),
            Use::Option(option) => {
                let option = option.strip_suffix('=').unwrap_or(option);
                write!(f, "option \"{option}\" for program \"{program}\"")
            }
        }
    }
}

/// What is not there when a program is not found.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotFound {
    /// No file of that name in this `PATH`.
    InPath(OsString),
    /// No such file.
    File,
    /// A symbolic link that leads nowhere.
    DanglingLink {
        /// The link.
        file: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// The interpreter in the `#!` line of a script.
    Interpreter {
        /// The script.
        file: PathBuf,
        /// Its interpreter.
        interpreter: OsString,
    },
    /// Something that a file needs which cannot be read to find out what.
    Unreadable {
        /// The file.
        file: PathBuf,
    },
    /// The dynamic loader of a program.
    Loader {
        /// The program's file.
        file: PathBuf,
        /// The loader that it asks for.
        loader: PathBuf,
    },
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InPath(path) => write!(f, "not found in PATH ({})", path.to_string_lossy()),
            Self::File => write!(f, "no such file"),
            Self::DanglingLink { file, to } => {
                write!(f, "{file:?} is a link to {to:?}, which does not exist")
            }
            Self::Interpreter { file, interpreter } => {
                write!(f, "the interpreter {interpreter:?} of script {file:?} does not exist")
            }
            Self::Unreadable { file } => {
                write!(
                    f,
                    "something that {file:?} needs does not exist, and it cannot be read to say what"
                )
            }
            Self::Loader { file, loader } => {
                write!(f, "the dynamic loader {loader:?} of {file:?} does not exist")
            }
        }
    }
}

/// Why a file that is there is not executed.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotExecutable {
    /// It is a directory.
    Directory,
    /// No run bit.
    Mode {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A program for another processor.
    Machine {
        /// Which one.
        built_for: String,
        /// That of this machine.
        this: String,
    },
    /// A text without a `#!` line.
    NoShebang,
    /// A file without a byte in it.
    Empty,
    /// Whatever else the kernel says.
    Kernel(io::Error),
}

impl fmt::Display for NotExecutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => write!(f, "it is a directory"),
            Self::Mode { file, mode } => {
                write!(f, "{file:?} is not executable (mode {mode:04o})")
            }
            Self::Machine { built_for, this } => {
                write!(f, "it is a program for {built_for}, and this machine is {this}")
            }
            Self::NoShebang => write!(f, "it is neither a program nor a script with a #! line"),
            Self::Empty => write!(f, "the file is empty"),
            Self::Kernel(error) => f.write_str(&reason(error)),
        }
    }
}

/// The step of becoming a user that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// setgroups(2).
    Groups,
    /// setresgid(2), to this group.
    Gid(u32),
    /// setresuid(2), to this user.
    Uid(u32),
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Groups => write!(f, "setgroups"),
            Self::Gid(gid) => write!(f, "setgid to {gid}"),
            Self::Uid(uid) => write!(f, "setuid to {uid}"),
        }
    }
}

impl Error {
    pub(crate) fn internal(what: &'static str) -> Self {
        Self::System { what, source: io::Error::from(io::ErrorKind::Other) }
    }

    /// The code that a process should exit with because of it: 127 when the program was not found,
    /// 126 when it was and cannot be executed, its own code (or 128 + N for signal N) when it ran
    /// and failed, 2 for a wrong variable, user or directory, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::Failed { status, .. } => code(status),
            Self::Interrupted { signal, .. } => u8::try_from(128 + signal).unwrap_or(1),
            Self::MissingVariables(_)
            | Self::User(_)
            | Self::Nul { .. }
            | Self::VariableName { .. }
            | Self::NotYesOrNo { .. }
            | Self::Split { .. }
            | Self::Workdir { .. } => 2,
            Self::Credentials { .. }
            | Self::Start { .. }
            | Self::Wait { .. }
            | Self::System { .. } => 1,
        }
    }

    /// What to do about it, where there is something to do: one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingVariables(missing) => {
                let first = missing.first()?;
                Some(format!("set it, as in: docker run -e {}=...", first.name))
            }
            Self::User(error) => user_hint(error),
            Self::NotYesOrNo { name } => Some(format!("set {name}=1 or {name}=0")),
            Self::NotFound { why, .. } => not_found_hint(why),
            Self::NotExecutable { why, .. } => not_executable_hint(why),
            Self::Workdir { directory, spec, source } => Some(match source.kind() {
                io::ErrorKind::NotFound => {
                    format!("create it in the image or mount it: {directory:?}")
                }
                _ => match spec {
                    Some(spec) => format!("let user {spec:?} enter it and each one above it"),
                    None => return None,
                },
            }),
            Self::Credentials { what, source, .. } => Some(credentials_hint(*what, source)),
            Self::Start { source, .. } if source.raw_os_error() == Some(libc::EAGAIN) => {
                Some("raise the limit on processes: docker run --pids-limit, --ulimit nproc".into())
            }
            _ => None,
        }
    }
}

fn user_hint(error: &UserError) -> Option<String> {
    match error {
        UserError::UnknownUser { .. } => {
            Some("add the user in the image (RUN useradd ...) or give its number".into())
        }
        UserError::UnknownGroup { .. } => {
            Some("add the group in the image (RUN groupadd ...) or give its number".into())
        }
        _ => None,
    }
}

fn not_found_hint(why: &NotFound) -> Option<String> {
    match why {
        NotFound::InPath(_) => {
            Some("install it in the image, or give its full path; --venv DIR adds DIR/bin".into())
        }
        NotFound::File => None,
        NotFound::Unreadable { .. } => {
            Some("its interpreter or its dynamic loader is not in this image".into())
        }
        NotFound::DanglingLink { .. } => {
            Some("copy what it leads to as well, at the same path".into())
        }
        NotFound::Interpreter { interpreter, .. } => {
            Some(if interpreter.as_encoded_bytes().ends_with(b"\r") {
                "the script has Windows line ends: convert it (dos2unix, or sed 's/\\r$//')".into()
            } else {
                "install the interpreter in the image, or name in the #! line one that it has"
                    .into()
            })
        }
        NotFound::Loader { .. } => Some(
            "it was built for another C library: use an image that has this loader, \
             or build it in this image"
                .into(),
        ),
    }
}

fn not_executable_hint(why: &NotExecutable) -> Option<String> {
    match why {
        NotExecutable::Mode { file, .. } => {
            Some(format!("make it executable: RUN chmod +x {}", file.display()))
        }
        NotExecutable::Machine { this, .. } => {
            let platform = match this.as_str() {
                "x86_64" => "linux/amd64",
                "aarch64" => "linux/arm64",
                other => other,
            };
            Some(format!("build or pull the image with --platform {platform}"))
        }
        NotExecutable::NoShebang => {
            Some("begin the script with its interpreter, as in: #!/bin/sh".into())
        }
        NotExecutable::Kernel(error) if error.raw_os_error() == Some(libc::E2BIG) => {
            Some("one argument or variable is longer than 128 KB, or all of them together are too long (execve(2))".into())
        }
        NotExecutable::Kernel(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("let the user enter every directory above it, and mount it without noexec".into())
        }
        _ => None,
    }
}

fn credentials_hint(what: Switch, source: &io::Error) -> String {
    let capability = match what {
        Switch::Groups | Switch::Gid(_) => "SETGID",
        Switch::Uid(_) => "SETUID",
    };
    match source.raw_os_error() {
        Some(libc::EINVAL) => {
            "the id is not mapped in this user namespace (/proc/self/uid_map, gid_map)".into()
        }
        Some(libc::EAGAIN) => "the user has too many processes: raise --ulimit nproc".into(),
        _ => format!(
            "changing the user takes root and CAP_{capability}: docker run --cap-add {capability}, \
             or start the container as that user (--user)"
        ),
    }
}

fn code(status: &ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn ending(status: &ExitStatus) -> String {
    match (status.code(), status.signal().and_then(Signal::new)) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was killed by {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(number: i32) -> String {
    match Signal::new(number) {
        Some(signal) => signal.to_string(),
        None => format!("signal {number}"),
    }
}

fn lines(missing: &[MissingVariable]) -> String {
    let lines: Vec<String> = missing.iter().map(MissingVariable::to_string).collect();
    lines.join("\n")
}

fn as_user(spec: &Option<String>) -> String {
    match spec {
        Some(spec) => format!(" as user {spec:?}"),
        None => String::new(),
    }
}

/// The kernel's reason in lower case words, without Rust's `(os error N)`.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => {
            let text = nix::errno::Errno::from_raw(number).desc();
            let mut letters = text.chars();
            match (letters.next(), letters.clone().next()) {
                // Not `I/O error`.
                (Some(first), Some(second)) if second.is_lowercase() => {
                    first.to_lowercase().chain(letters).collect()
                }
                _ => text.to_owned(),
            }
        }
        None => error.to_string(),
    }
}
