//! What tini, dumb-init and catatonit have in common: the command is taken from where execve has
//! laid it, and one without a `#!` line is run by the shell, as execvp(3) does.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::getopt::Operands;
use crate::command::launch::Prepared;
use crate::command::lookup;
use crate::init::{Ended, Failed, Policy, Stage, Supervisor};
use crate::sys::args::Inherited;
use crate::sys::process::{Failure, OwnPid, Step, StringArray};

/// What strerror(3) of the GNU C library says, where others have other words.
pub(super) fn strerror(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOTTY => "Inappropriate ioctl for device",
        Errno::ELOOP => "Too many levels of symbolic links",
        errno => errno.desc(),
    }
}

/// The environment that the command gets.
pub(super) struct Environment {
    given: Inherited,
    own_pid: Option<OwnPid>,
}

impl Environment {
    /// That of this process.
    pub fn given() -> Self {
        Self { given: Inherited::here(), own_pid: None }
    }

    /// With this variable, which holds this process's PID, telling the command's own.
    pub fn with_own_pid(self, name: &'static str) -> Self {
        Self { own_pid: Some(OwnPid::new(name)), ..self }
    }

    fn array(&self) -> StringArray<'_> {
        match &self.own_pid {
            None => self.given.array(),
            Some(own_pid) => {
                let other = |entry: &&CStr| {
                    let rest = entry.to_bytes().strip_prefix(own_pid.name());
                    !rest.is_some_and(|rest| rest.starts_with(b"="))
                };
                StringArray::of(self.given.iter().filter(other), Some(own_pid))
            }
        }
    }
}

/// Runs the command until it has ended.
pub(super) fn run(
    supervisor: &mut Supervisor<'_>,
    command: &Operands,
    environment: &Environment,
    policy: &Policy,
) -> Result<Ended, Failed> {
    let name = command.program().unwrap_or_default();
    let path = environment.given.get("PATH");
    let prepared = Prepared::of_strings(name, path, command.array(), environment.array())
        .with_own_pid(environment.own_pid.as_ref());
    match supervisor.supervise(&prepared, policy, Stage::Command) {
        Err(Failed::Start(Failure { step: Step::Exec, errno: Errno::ENOEXEC })) => {}
        result => return result,
    }
    let name = OsStr::from_bytes(name.to_bytes());
    let file = if name.as_bytes().contains(&b'/') {
        Some(name.as_bytes().to_vec())
    } else {
        let path = path.unwrap_or(OsStr::new(lookup::DEFAULT_PATH));
        lookup::find(name, path).map(|file| file.into_os_string().into_encoded_bytes())
    };
    let Some(file) = file.and_then(|file| CString::new(file).ok()) else {
        return Err(Failed::Start(Failure { step: Step::Exec, errno: Errno::ENOENT }));
    };
    let words = [c"/bin/sh", file.as_c_str()].into_iter().chain(command.iter().skip(1));
    let arguments = StringArray::of(words, None);
    let prepared = Prepared::of_strings(c"/bin/sh", path, arguments, environment.array())
        .with_own_pid(environment.own_pid.as_ref());
    supervisor.supervise(&prepared, policy, Stage::Command)
}
