//! The builder: steps recorded in the order they were written, resolved when the plan is made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::child::Child;
use super::env_arg::EnvArg;
use super::environment::Environment;
use super::launch::{self, Blocked};
use super::plan::ExecPlan;
use crate::error::{Error, MissingVariable, Use};
use crate::init::{Stage, Supervisor, Target};
use crate::sys::forward::Forwarding;
use crate::sys::ids::Identity;
use crate::sys::signal::Signal;
use crate::user::{Credentials, Database, UserSpec};

/// A command to run, built step by step, as `std::process::Command` is.
///
/// Defaults: no arguments; the environment of this process at the time it is run; the working
/// directory of this process at the time of [`new`](Self::new); the user of this process; stdin,
/// stdout and stderr are this process's own, and output is not touched.
///
/// Arguments and changes of the environment are resolved in the order they were written: a variable
/// set by [`env`](Self::env) is seen by an [`arg_from_env`](Self::arg_from_env) that comes after it
/// and not by one before.
///
/// The tempting wrong call is one string for a whole command line: nothing here is split or joined.
///
/// ```
/// use pydexec::Command;
///
/// // Wrong: looks for a program called "echo hello".
/// assert!(Command::new("echo hello").run().is_err());
/// // Right: a program and its argument.
/// Command::new("echo").arg("hello").run()?;
/// # Ok::<(), pydexec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    steps: Vec<Step>,
    user: Option<User>,
    workdir: Workdir,
}

#[derive(Clone, Debug)]
enum Step {
    Arg(OsString),
    ArgFromEnv(EnvArg),
    OptFromEnv(OsString, EnvArg),
    FlagFromEnv(OsString, EnvArg),
    Env(OsString, OsString),
    EnvRemove(OsString),
    EnvClear,
}

/// Who it runs as.
#[derive(Clone, Debug)]
enum User {
    /// To be looked up by the plan.
    Asked(UserSpec),
    Known(Credentials),
}

#[derive(Clone, Debug)]
enum Workdir {
    /// Where this process was when the command was made, if that could be told.
    AtCreation(Option<PathBuf>),
    Chosen(PathBuf),
}

impl Command {
    /// A command that runs `program`: a path if there is a slash in it, else a name that is looked
    /// up in the `PATH` of the command's own environment.
    ///
    /// ```
    /// # use pydexec::Command;
    /// Command::new("true").run()?;
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            steps: Vec::new(),
            user: None,
            workdir: Workdir::AtCreation(env::current_dir().ok()),
        }
    }

    /// Adds one argument. It is passed as it is: quoted and split by nobody.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("echo").arg("a b").arg("*").plan(&Environment::new())?;
    /// assert_eq!(plan.arguments(), ["a b", "*"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.steps.push(Step::Arg(arg.as_ref().to_owned()));
        self
    }

    /// Adds several arguments.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("ls").args(["-l", "-a"]).plan(&Environment::new())?;
    /// assert_eq!(plan.arguments(), ["-l", "-a"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Adds the value of an environment variable as an argument, if the variable is set.
    ///
    /// [`EnvArg`] says what else there is: a default, required, keep. By default the variable is
    /// removed from the command's environment.
    ///
    /// ```
    /// # use pydexec::{Command, EnvArg, Environment};
    /// let plan = Command::new("serve")
    ///     .arg_from_env("FOO")
    ///     .arg_from_env(EnvArg::new("BAR").default("bar"))
    ///     .plan(&Environment::from_iter([("FOO", "foo")]))?;
    /// assert_eq!(plan.arguments(), ["foo", "bar"]);
    /// assert_eq!(plan.environment().get("FOO"), None);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn arg_from_env(&mut self, variable: impl Into<EnvArg>) -> &mut Self {
        self.steps.push(Step::ArgFromEnv(variable.into()));
        self
    }

    /// Adds an option and the value of an environment variable, if the variable is set: as two
    /// arguments, or as one where `option` ends in `=`.
    ///
    /// ```
    /// # use pydexec::{Command, EnvArg, Environment};
    /// let environment = Environment::from_iter([("LEVEL", "info"), ("PORT", "80")]);
    /// let plan = Command::new("serve")
    ///     .opt_from_env("--level", "LEVEL")
    ///     .opt_from_env("--port=", "PORT")
    ///     .opt_from_env("--user", "NOT_SET")
    ///     .plan(&environment)?;
    /// assert_eq!(plan.arguments(), ["--level", "info", "--port=80"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn opt_from_env(
        &mut self,
        option: impl AsRef<OsStr>,
        variable: impl Into<EnvArg>,
    ) -> &mut Self {
        let option = option.as_ref().to_owned();
        self.steps.push(Step::OptFromEnv(option, variable.into()));
        self
    }

    /// Adds an option without a value, if an environment variable says yes: `1`, `true`, `yes` or
    /// `on`, in letters of either case. `0`, `false`, `no` and `off` say no, and so does a variable
    /// that is not set or empty.
    ///
    /// Any other value is an error of [`plan`](Self::plan): `DEBUG=flase` should not turn debugging
    /// on, nor quietly leave it off.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("gunicorn")
    ///     .flag_from_env("--reload", "DEBUG")
    ///     .flag_from_env("--daemon", "DAEMON")
    ///     .plan(&Environment::from_iter([("DEBUG", "1"), ("DAEMON", "no")]))?;
    /// assert_eq!(plan.arguments(), ["--reload"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn flag_from_env(
        &mut self,
        flag: impl AsRef<OsStr>,
        variable: impl Into<EnvArg>,
    ) -> &mut Self {
        let flag = flag.as_ref().to_owned();
        self.steps.push(Step::FlagFromEnv(flag, variable.into()));
        self
    }

    /// Sets a variable of the command's environment.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("env").env("TZ", "UTC").plan(&Environment::new())?;
    /// assert_eq!(plan.environment().entries(), ["TZ=UTC"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.steps.push(Step::Env(name, value));
        self
    }

    /// Removes a variable from the command's environment; one that is not there is no error.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("env")
    ///     .env_remove("PIP_INDEX_URL")
    ///     .plan(&Environment::from_iter([("PIP_INDEX_URL", "…"), ("A", "1")]))?;
    /// assert_eq!(plan.environment().entries(), ["A=1"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.steps.push(Step::EnvRemove(name.as_ref().to_owned()));
        self
    }

    /// Removes every variable from the command's environment, `PATH` included: a program is then
    /// searched where Docker would, in `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("env")
    ///     .env_clear()
    ///     .env("A", "1")
    ///     .plan(&Environment::from_iter([("B", "2")]))?;
    /// assert_eq!(plan.environment().entries(), ["A=1"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn env_clear(&mut self) -> &mut Self {
        self.steps.push(Step::EnvClear);
        self
    }

    /// Runs the command as another user: `[user][:group]`, as `USER` in a Dockerfile has it (see
    /// [`UserSpec`]). `HOME` follows, unless the command sets it by [`env`](Self::env); no other
    /// variable changes.
    ///
    /// Needs the capabilities CAP_SETUID and CAP_SETGID (root has them), unless this process is
    /// that user already.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("id").user("1000:1000").plan(&Environment::new())?;
    /// let credentials = plan.credentials().unwrap();
    /// assert_eq!((credentials.uid(), credentials.gid()), (1000, 1000));
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn user(&mut self, spec: impl AsRef<OsStr>) -> &mut Self {
        self.user = Some(User::Asked(UserSpec::new(spec)));
        self
    }

    /// Runs the command as a user that was looked up before.
    pub(crate) fn known_user(&mut self, credentials: Credentials) -> &mut Self {
        self.user = Some(User::Known(credentials));
        self
    }

    /// Runs the command in this directory, which is entered after the user was changed, and is not
    /// created. A relative one is relative to where this process is when the command starts.
    ///
    /// ```
    /// # use pydexec::{Command, Environment};
    /// let plan = Command::new("pwd").workdir("/tmp").plan(&Environment::new())?;
    /// assert_eq!(plan.workdir(), Some("/tmp".as_ref()));
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn workdir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.workdir = Workdir::Chosen(directory.as_ref().to_owned());
        self
    }

    /// Resolves the command against `environment`. Nothing is started and nothing is changed; the
    /// user, if there is one, is looked up in /etc/passwd and /etc/group.
    ///
    /// # Errors
    ///
    /// [`Error::MissingVariables`] names every required variable that is not set, not only the
    /// first; [`Error::NotYesOrNo`] and [`Error::Split`] a value that cannot be used;
    /// [`Error::User`] an unknown user; [`Error::Nul`] a name or value that no process can
    /// be given.
    ///
    /// ```
    /// # use pydexec::{Command, EnvArg, Environment};
    /// let error = Command::new("p")
    ///     .opt_from_env("--o", EnvArg::new("X").required())
    ///     .plan(&Environment::new())
    ///     .unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"Environment variable "X" is required to determine option "--o" for program "p""#,
    /// );
    /// ```
    pub fn plan(&self, environment: &Environment) -> Result<ExecPlan, Error> {
        let caller = Identity::current();
        self.plan_with(environment, &Database::system(), &caller)
    }

    pub(crate) fn plan_with(
        &self,
        environment: &Environment,
        database: &Database,
        caller: &Identity,
    ) -> Result<ExecPlan, Error> {
        let resolving = self.resolve(&self.steps, environment)?;
        let Resolving { environment, arguments, used, home_set, .. } = resolving;
        let mut environment = environment.into_owned();
        for (name, keep) in used {
            if !keep {
                environment.remove(name);
            }
        }
        let credentials = match &self.user {
            Some(User::Asked(spec)) => Some(spec.resolve(database, caller.uid, caller.gid)?),
            Some(User::Known(credentials)) => Some(credentials.clone()),
            None => None,
        };
        if let Some(credentials) = credentials.as_ref().filter(|_| !home_set) {
            environment.set("HOME", credentials.home());
        }
        let workdir = match &self.workdir {
            Workdir::Chosen(directory) => Some(directory.clone()),
            Workdir::AtCreation(Some(then)) if env::current_dir().ok().as_ref() != Some(then) => {
                Some(then.clone())
            }
            Workdir::AtCreation(_) => None,
        };
        Ok(ExecPlan { program: self.program.clone(), arguments, environment, credentials, workdir })
    }

    /// Tries by itself what was added last, and takes it back if it cannot be.
    pub(crate) fn try_last(&mut self, environment: &Environment) -> Result<(), Error> {
        let last = self.steps.last().map(std::slice::from_ref).unwrap_or_default();
        let tried = self.resolve(last, environment).map(drop);
        if tried.is_err() {
            self.steps.pop();
        }
        tried
    }

    fn resolve<'a>(
        &'a self,
        steps: &[Step],
        environment: &'a Environment,
    ) -> Result<Resolving<'a>, Error> {
        let mut resolving = Resolving {
            program: &self.program,
            environment: Cow::Borrowed(environment),
            arguments: Vec::new(),
            used: BTreeMap::new(),
            home_set: false,
            missing: Vec::new(),
        };
        for step in steps {
            resolving.step(step)?;
        }
        if !resolving.missing.is_empty() {
            return Err(Error::MissingVariables(resolving.missing));
        }
        Ok(resolving)
    }

    /// Starts the command and returns without waiting for it.
    ///
    /// Signals are not forwarded to it; [`status`](Self::status) and [`run`](Self::run) do that.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan), and whatever kept it from being started: the program is not
    /// found or not executable, a directory cannot be entered, the user cannot be changed.
    ///
    /// ```
    /// # use pydexec::Command;
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.wait()?.success());
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn spawn(&self) -> Result<Child, Error> {
        let plan = self.plan(&Environment::current())?;
        let blocked = Blocked::all();
        let pid = launch::spawn_from_library(&plan, &blocked)?;
        Ok(Child::new(pid, self.program.clone()))
    }

    /// Runs the command and waits for it. How it ended is the result, whatever it was.
    ///
    /// While it runs, HUP, INT, QUIT, TERM, USR1, USR2 and WINCH that reach this process reach the
    /// command too, and the host's own handlers are called as well; what is ignored stays ignored.
    /// The default action does not happen meanwhile, so that this process outlives its child.
    /// Afterwards all is as it was. Only this child is waited for: to reap orphans too, as PID 1 must, use
    /// [`supervise`](Self::supervise).
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn).
    ///
    /// ```
    /// # use pydexec::Command;
    /// assert_eq!(Command::new("false").status()?.code(), Some(1));
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn status(&self) -> Result<ExitStatus, Error> {
        self.run_forwarding().map(|(status, _)| status)
    }

    fn run_forwarding(&self) -> Result<(ExitStatus, Option<Signal>), Error> {
        let plan = self.plan(&Environment::current())?;
        // Blocked until the forwarding has begun: a signal in between would end us alone.
        let blocked = Blocked::all();
        let pid = launch::spawn_from_library(&plan, &blocked)?;
        let forwarding = Forwarding::to(pid);
        drop(blocked);
        Child::new(pid, self.program.clone()).wait_forwarding(forwarding)
    }

    /// Runs the command and waits for it; that it failed is an error, as with `set -e` in a shell.
    ///
    /// # Errors
    ///
    /// Those of [`status`](Self::status), and [`Error::Failed`] when it left with another code
    /// than 0 or was killed by a signal. (Python's `pydexec` promised this and never did it.)
    /// [`Error::Interrupted`] when it ended well because it was asked to: what comes next in an
    /// entrypoint must not be started then.
    ///
    /// ```
    /// # use pydexec::Command;
    /// assert!(Command::new("true").run().is_ok());
    /// let error = Command::new("sh").args(["-c", "exit 7"]).run().unwrap_err();
    /// assert_eq!(error.exit_code(), 7);
    /// ```
    pub fn run(&self) -> Result<(), Error> {
        let (status, asked) = self.run_forwarding()?;
        if status.success() {
            return match asked {
                None => Ok(()),
                Some(signal) => Err(Error::Interrupted {
                    program: self.program.clone(),
                    signal: signal.number(),
                }),
            };
        }
        Err(Error::Failed { program: self.program.clone(), status })
    }

    /// Runs the command as an init does: every signal is forwarded to it, every orphan is reaped,
    /// the terminal's foreground is handed to it, and what is returned is how it ended.
    ///
    /// For a program with one thread that is, or acts as, a container's PID 1: while it runs every
    /// signal is blocked in this thread, and every child of this process is reaped, whoever started
    /// it. When this process is not PID 1 it becomes a child subreaper
    /// (PR_SET_CHILD_SUBREAPER(2const)), and stays one. Afterwards the signal mask is as it was.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn).
    ///
    /// ```no_run
    /// # use pydexec::Command;
    /// let status = Command::new("gunicorn").arg("app:app").user("app").supervise()?;
    /// std::process::exit(status.code().unwrap_or(1));
    /// # #[allow(unreachable_code)]
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn supervise(&self) -> Result<ExitStatus, Error> {
        let plan = self.plan(&Environment::current())?;
        let mut supervisor = Supervisor::in_a_library();
        let ended = supervisor.run(&plan, Target::Child, Stage::Hosted)?;
        Ok(ExitStatus::from_raw(ended.status.raw()))
    }

    /// Replaces this process by the command, as `exec` does in a shell. Returns only when that
    /// failed; the user and the working directory may be changed by then.
    ///
    /// ```no_run
    /// # use pydexec::Command;
    /// let error = Command::new("gunicorn").arg("app:app").user("app").exec();
    /// eprintln!("{error}");
    /// std::process::exit(error.exit_code().into());
    /// ```
    pub fn exec(&self) -> Error {
        match self.plan(&Environment::current()) {
            Ok(plan) => launch::exec_from_library(&plan),
            Err(error) => error,
        }
    }
}

/// The state between two steps of a command that is being resolved.
struct Resolving<'a> {
    program: &'a OsStr,
    environment: Cow<'a, Environment>,
    arguments: Vec<OsString>,
    /// The variables that became arguments, and whether one of their uses keeps them. They are
    /// removed at the end, so that two arguments can be made from one variable.
    used: BTreeMap<OsString, bool>,
    home_set: bool,
    missing: Vec<MissingVariable>,
}

impl Resolving<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Arg(arg) => self.argument(arg.clone())?,
            Step::ArgFromEnv(variable) => {
                for value in self.values(variable, Use::Argument)? {
                    self.argument(value)?;
                }
            }
            Step::OptFromEnv(option, variable) => {
                let used_for = Use::Option(option.to_string_lossy().into_owned());
                for value in self.values(variable, used_for)? {
                    if option.as_bytes().ends_with(b"=") {
                        self.argument(OsString::from_vec(
                            [option.as_bytes(), value.as_bytes()].concat(),
                        ))?;
                    } else {
                        self.argument(option.clone())?;
                        self.argument(value)?;
                    }
                }
            }
            Step::FlagFromEnv(flag, variable) => {
                let used_for = Use::Option(flag.to_string_lossy().into_owned());
                if let Some(value) = self.value(variable, used_for) {
                    let name = || variable.name.to_string_lossy().into_owned();
                    if yes_or_no(&value).ok_or_else(|| Error::NotYesOrNo { name: name() })? {
                        self.argument(flag.clone())?;
                    }
                }
            }
            Step::Env(name, value) => {
                check_variable(name, value)?;
                self.home_set |= name == "HOME";
                self.used.remove(name);
                self.environment.to_mut().set(name, value);
            }
            Step::EnvRemove(name) => {
                self.used.remove(name);
                self.environment.to_mut().remove(name);
            }
            Step::EnvClear => {
                self.used.clear();
                self.environment.to_mut().clear();
            }
        }
        Ok(())
    }

    fn argument(&mut self, argument: OsString) -> Result<(), Error> {
        if argument.as_bytes().contains(&0) {
            let program = self.program.to_string_lossy().into_owned();
            return Err(Error::Nul { what: format!("an argument of {program:?}") });
        }
        self.arguments.push(argument);
        Ok(())
    }

    /// What a variable gives: nothing, one value, or each of its words.
    fn values(&mut self, variable: &EnvArg, used_for: Use) -> Result<Vec<OsString>, Error> {
        let Some(value) = self.value(variable, used_for) else {
            return Ok(Vec::new());
        };
        if !variable.split {
            return Ok(vec![variable.formatted(value)]);
        }
        let refuse = |why| Error::Split { name: variable.name.to_string_lossy().into_owned(), why };
        let text = value.to_str().ok_or_else(|| refuse("it is not UTF-8"))?;
        let words = shell_words::split(text)
            .map_err(|_| refuse("a quote is not closed, or nothing follows a backslash"))?;
        Ok(words.into_iter().map(|word| variable.formatted(word.into())).collect())
    }

    fn value(&mut self, variable: &EnvArg, used_for: Use) -> Option<OsString> {
        let set = self
            .environment
            .get(&variable.name)
            .filter(|value| variable.allow_empty || !value.is_empty());
        let value = set.map(OsStr::to_owned).or_else(|| variable.default.clone());
        *self.used.entry(variable.name.clone()).or_default() |= variable.keep;
        if value.is_none() && variable.required {
            self.missing.push(MissingVariable {
                name: variable.name.to_string_lossy().into_owned(),
                used_for,
                program: self.program.to_string_lossy().into_owned(),
            });
        }
        value
    }
}

/// What a word means that turns something on or off; an empty one, off.
pub(crate) fn yes_or_no(value: &OsStr) -> Option<bool> {
    match value.to_str()?.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "" | "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn check_variable(name: &OsStr, value: &OsStr) -> Result<(), Error> {
    let shown = name.to_string_lossy();
    if name.is_empty() || name.as_bytes().contains(&b'=') || name.as_bytes().contains(&0) {
        return Err(Error::VariableName { name: shown.into_owned() });
    }
    if value.as_bytes().contains(&0) {
        return Err(Error::Nul { what: format!("the variable {shown}") });
    }
    Ok(())
}
