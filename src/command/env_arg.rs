//! An argument whose value is in an environment variable.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

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
    pub(super) split: bool,
    pub(super) format: Option<OsString>,
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
            split: false,
            format: None,
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

    /// Splits the value (or the default) as a shell splits words, quotes and backslashes included,
    /// and makes each word an argument; an option is given with each of them. By default a value
    /// with blanks in it is one argument. Nothing is expanded, and no shell runs.
    ///
    /// A value that is not UTF-8, or in which a quote is not closed, is an error of
    /// [`Command::plan`](crate::Command::plan).
    ///
    /// ```
    /// use pydexec::{Command, EnvArg, Environment};
    ///
    /// let environment = Environment::from_iter([("EXTRA_ARGS", "--reload --name 'my app'")]);
    /// let plan = Command::new("gunicorn")
    ///     .arg_from_env(EnvArg::new("EXTRA_ARGS").split())
    ///     .plan(&environment)?;
    /// assert_eq!(plan.arguments(), ["--reload", "--name", "my app"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn split(mut self) -> Self {
        self.split = true;
        self
    }

    /// What the argument looks like: each `{}` in it stands for the value, or the default. By
    /// default it is the value alone.
    ///
    /// ```
    /// use pydexec::{Command, EnvArg, Environment};
    ///
    /// let bind = EnvArg::new("PORT").default("8000").format("0.0.0.0:{}");
    /// let plan = Command::new("gunicorn")
    ///     .opt_from_env("--bind=", bind)
    ///     .plan(&Environment::from_iter([("PORT", "80")]))?;
    /// assert_eq!(plan.arguments(), ["--bind=0.0.0.0:80"]);
    /// # Ok::<(), pydexec::Error>(())
    /// ```
    pub fn format(mut self, format: impl AsRef<OsStr>) -> Self {
        self.format = Some(format.as_ref().to_owned());
        self
    }

    /// `value` as the argument looks like.
    pub(super) fn formatted(&self, value: OsString) -> OsString {
        let Some(format) = &self.format else {
            return value;
        };
        let mut result = Vec::new();
        let mut rest = format.as_bytes();
        while let Some(at) = rest.windows(2).position(|pair| pair == b"{}") {
            let (before, after) = rest.split_at(at);
            result.extend_from_slice(before);
            result.extend_from_slice(value.as_bytes());
            rest = after.get(2..).unwrap_or_default();
        }
        result.extend_from_slice(rest);
        OsString::from_vec(result)
    }
}

impl<S: AsRef<OsStr>> From<S> for EnvArg {
    fn from(name: S) -> Self {
        Self::new(name)
    }
}
