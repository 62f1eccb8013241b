//! Where a plan meets the kernel: starting it, or becoming it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::diagnose;
use super::lookup;
use super::plan::ExecPlan;
use crate::error::{Error, Switch};
use crate::sys::ids;
use crate::sys::process::{
    self, Failure, Group, Handlers, Ids, NulInside, OwnPid, Program, Setup, Started, Step,
    StringArray, Wiring,
};
use crate::sys::signal::{self, Disposition, SignalSet};
use crate::sys::tty::Terminal;
use crate::user::Credentials;

/// What a program inherits that is no part of its plan: the process state this one began with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inherited {
    pub mask: SignalSet,
    pub sigchld: Disposition,
    pub handlers: Handlers,
}

/// The process group a program is put into, and the terminal it gets with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub group: Group,
    /// The terminal whose foreground a new group becomes.
    pub foreground: Option<Terminal>,
}

impl Placement {
    /// Where this process is.
    pub const HERE: Self = Self { group: Group::Inherited, foreground: None };
}

/// Starts the plan in a child. Every signal must be blocked.
fn spawn(plan: &ExecPlan, inherited: Inherited, placement: Placement) -> Result<i32, Error> {
    Prepared::of_plan(plan)?
        .spawn(inherited, placement)
        .map(|started| started.pid)
        .map_err(|failure| explain(plan, failure))
}

/// Replaces this process by the plan. Every signal must be blocked.
pub(crate) fn exec(plan: &ExecPlan, inherited: Inherited) -> Error {
    match Prepared::of_plan(plan) {
        Ok(prepared) => explain(plan, prepared.exec(inherited)),
        Err(error) => error,
    }
}

/// All signals blocked in this thread, as spawning wants it, until it is dropped.
pub(crate) struct Blocked(SignalSet);

impl Blocked {
    pub(crate) fn all() -> Self {
        Self(signal::set_mask(SignalSet::ALL))
    }

    pub(crate) fn inherited(&self) -> Inherited {
        Inherited {
            mask: self.0,
            // What is ignored now is inherited by itself; a handler is dropped by execve.
            sigchld: Disposition::Default,
            handlers: Handlers::Perhaps,
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        signal::set_mask(self.0);
    }
}

/// Starts the plan from inside a process that is not ours alone.
pub(crate) fn spawn_from_library(plan: &ExecPlan, blocked: &Blocked) -> Result<i32, Error> {
    spawn(plan, blocked.inherited(), Placement::HERE)
}

/// Replaces a process that is not ours alone.
pub(crate) fn exec_from_library(plan: &ExecPlan) -> Error {
    let blocked = Blocked::all();
    exec(plan, blocked.inherited())
}

/// What is to be executed, in the form that the kernel takes, with everything allocated.
pub(crate) struct Prepared<'a> {
    name: Cow<'a, CStr>,
    path: &'a OsStr,
    arguments: StringArray<'a>,
    environment: StringArray<'a>,
    own_pid: Option<&'a OwnPid>,
    workdir: Option<CString>,
    credentials: Option<&'a Credentials>,
    wiring: Wiring,
}

impl<'a> Prepared<'a> {
    /// Takes a plan, by copying it.
    pub fn of_plan(plan: &'a ExecPlan) -> Result<Self, Error> {
        let nul = |what: &'static str| {
            move |NulInside(text): NulInside| Error::Nul {
                what: match what {
                    // Its text may be a secret.
                    "the environment" | "an argument" => what.to_owned(),
                    _ => format!("{what} {:?}", text.to_string_lossy()),
                },
            }
        };
        let program = std::iter::once(plan.program.as_os_str());
        let arguments = plan.arguments.iter().map(|argument| argument.as_os_str());
        Ok(Self {
            name: process::c_string(&plan.program).map_err(nul("the program"))?.into(),
            path: lookup::search_path(&plan.environment),
            arguments: StringArray::new(program.chain(arguments)).map_err(nul("an argument"))?,
            environment: StringArray::new(plan.environment.entries())
                .map_err(nul("the environment"))?,
            own_pid: None,
            workdir: plan
                .workdir
                .as_ref()
                .map(|directory| process::c_string(directory.as_os_str()))
                .transpose()
                .map_err(nul("the directory"))?,
            credentials: plan.credentials.as_ref(),
            wiring: Wiring::default(),
        })
    }

    /// Takes strings where they lie: those that this process was given by execve.
    ///
    /// A program whose name has no slash is looked for in `path`, or where there is none in the
    /// usual places.
    pub fn of_strings(
        name: &'a CStr,
        path: Option<&'a OsStr>,
        arguments: StringArray<'a>,
        environment: StringArray<'a>,
    ) -> Self {
        Self {
            name: name.into(),
            path: path.unwrap_or(OsStr::new(lookup::DEFAULT_PATH)),
            arguments,
            environment,
            own_pid: None,
            workdir: None,
            credentials: None,
            wiring: Wiring::default(),
        }
    }

    /// Runs it as that user.
    pub fn with_user(self, credentials: &'a Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Writes the program's PID to this entry, which is in its environment.
    pub fn with_own_pid(self, own_pid: Option<&'a OwnPid>) -> Self {
        Self { own_pid, ..self }
    }

    /// Gives it descriptors of ours.
    pub fn wired(self, wiring: Wiring) -> Self {
        Self { wiring, ..self }
    }

    /// The program's name, for messages.
    pub fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }

    /// The user that it will run as; `None` leaves that of the caller.
    pub fn user(&self) -> Option<u32> {
        self.credentials.map(Credentials::uid)
    }

    /// Starts it in a child. Every signal must be blocked.
    pub fn spawn(&self, inherited: Inherited, placement: Placement) -> Result<Started, Failure> {
        self.attempt(inherited, placement, process::spawn)
    }

    /// Replaces this process by it; returns only when that failed. Every signal must be blocked.
    pub fn exec(&self, inherited: Inherited) -> Failure {
        let never = |setup: &Setup<'_>| Err::<Infallible, _>(process::replace(setup));
        match self.attempt(inherited, Placement::HERE, never) {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    /// Tries with `start`, and once more with the supplementary groups left alone where the kernel
    /// does not let us set them and need not: see [`groups_may_stay`].
    fn attempt<T>(
        &self,
        inherited: Inherited,
        placement: Placement,
        start: impl Fn(&Setup<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut setup = Setup {
            program: if self.name.to_bytes().contains(&b'/') {
                Program::File(&self.name)
            } else {
                Program::Search { name: &self.name, path: self.path.as_bytes() }
            },
            arguments: &self.arguments,
            environment: &self.environment,
            own_pid: self.own_pid,
            ids: self.credentials.map(|credentials| Ids {
                uid: credentials.uid(),
                gid: credentials.gid(),
                groups: Some(credentials.groups()),
            }),
            workdir: self.workdir.as_deref(),
            group: placement.group,
            foreground: placement.foreground,
            wiring: self.wiring,
            mask: inherited.mask,
            sigchld: inherited.sigchld,
            handlers: inherited.handlers,
        };
        let result = start(&setup);
        match (&result, &mut setup.ids, self.credentials) {
            (
                Err(Failure { step: Step::Setgroups, errno: Errno::EPERM }),
                Some(ids),
                Some(credentials),
            ) if groups_may_stay(credentials) => {
                ids.groups = None;
                start(&setup)
            }
            _ => result,
        }
    }
}

/// Whether setgroups(2), which was denied, can be left out.
///
/// It can where this process is that user already: a container that runs with `--user` has the
/// groups that its runtime gave it, and no power to change them. And where nothing would change, as
/// in a user namespace whose /proc/self/setgroups says `deny` (user_namespaces(7)).
fn groups_may_stay(credentials: &Credentials) -> bool {
    let (uid, gid) = (credentials.uid(), credentials.gid());
    let already = ids::user_ids() == [uid; 3] && ids::group_ids() == [gid; 3];
    if already && !credentials.groups_asked_for() {
        return true;
    }
    let sorted = |groups: &[u32]| {
        // The primary group counts as a member either way.
        let mut groups: Vec<u32> = groups.iter().copied().chain([gid]).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    };
    ids::supplementary_groups()
        .is_ok_and(|current| sorted(&current) == sorted(credentials.groups()))
}

/// The error for a failure, found out after the fact, so that a start that succeeds pays nothing.
pub(crate) fn explain(plan: &ExecPlan, failure: Failure) -> Error {
    let errno = failure.errno;
    let spec = || plan.credentials.as_ref().map(|user| user.spec().to_owned());
    let switch = |what: Switch| Error::Credentials {
        what,
        spec: spec().unwrap_or_default(),
        source: errno.into(),
    };
    let id = |get: fn(&Credentials) -> u32| plan.credentials.as_ref().map_or(0, get);
    match failure.step {
        Step::Clone | Step::Setpgid | Step::Setsid | Step::Descriptors => {
            Error::Start { program: plan.program.clone(), source: errno.into() }
        }
        Step::Setgroups => switch(Switch::Groups),
        Step::Setgid => switch(Switch::Gid(id(Credentials::gid))),
        Step::Setuid => switch(Switch::Uid(id(Credentials::uid))),
        Step::Chdir => Error::Workdir {
            directory: plan.workdir.clone().unwrap_or_default(),
            spec: spec(),
            source: errno.into(),
        },
        Step::Exec => diagnose::explain(plan, errno),
    }
}
