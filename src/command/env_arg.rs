//! An argument whose value is in an environment variable.

use std::ffi::{OsStr, OsString};

/// Which variable an argument or an option's value is taken from, and what if it is not set.
///
/// By default it is optional (no variable, no argument), counts as unset when it is empty, and is
/// removed from the command's environment once it has been used.
///
/// Made from a plain name too: `command.arg_from_env("FOO")`.
///
/// ```
/// use pydexec::{Command, EnvArg, Environment};
///
/// let plan = Command::new("gunicorn")
///     .opt_from_env("--bind=", EnvArg::new("BIND").default("0.0.0.0:8000"))
///     .opt_from_env("--workers", EnvArg::new("WORKERS").keep())
///     .plan(&Environment::from_iter([("WORKERS", "4")]))?;
/// assert_eq!(plan.arguments(), ["--bind=0.0.0.0:8000", "--workers", "4"]);
/// assert_eq!(plan.environment().get("WORKERS"), Some("4".as_ref()));
/// # Ok::<(), pydexec::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EnvArg {
    pub(super) name: OsString,
    pub(super) default: Option<OsString>,
    pub(super) required: bool,
    pub(super) keep: bool,
    pub(super) allow_empty: bool,
}

impl EnvArg {
    /// Takes the value from the variable `name`.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            default: None,
            required: false,
            keep: false,
            allow_empty: false,
        }
    }

    /// The value when the variable is not set. Without a default there is then no argument.
    pub fn default(mut self, value: impl AsRef<OsStr>) -> Self {
        self.default = Some(value.as_ref().to_owned());
        self
    }

    /// Makes it an error of [`Command::plan`](crate::Command::plan) when the variable is not set
    /// and there is no default.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Leaves the variable in the command's environment. It is removed otherwise: what was meant
    /// for the command line is often a secret, and every process below would inherit it.
    ///
    /// One use that keeps a variable is enough when several arguments are made from it.
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Takes an empty variable for a value. By default it counts as unset, as in the official
    /// database images; Python's `pydexec` gave the program an empty argument.
    pub fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }
}

impl<S: AsRef<OsStr>> From<S> for EnvArg {
    fn from(name: S) -> Self {
        Self::new(name)
    }
}
