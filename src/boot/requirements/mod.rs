//! Installing what was mounted, before the command starts: `requirements.txt`, `pyproject.toml`.
//!
//! When nothing has changed, nothing is started: neither Python nor an installer. A stamp beside
//! the installation says what it came from ([`stamp`]); where there is none, what is installed is
//! read and judged ([`installed`], [`satisfied`]). Only what is missing, or cannot be judged, is
//! handed to uv or pip ([`installer`]), into a place that can be written ([`place`]), under a lock
//! ([`lock`]), and so that a start that is killed leaves nothing half ([`install`], [`repair`]).

mod file;
mod install;
mod installed;
mod installer;
mod interpreter;
mod lock;
mod marker;
mod place;
mod project;
mod repair;
mod report;
mod requirement;
mod satisfied;
mod stamp;
mod version;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use file::Asked;
use installed::Installed;
use interpreter::{Interpreter, Located};
use place::Owner;
use project::Project;
use satisfied::{Verdict, judge};
use stamp::{Ingredients, Origin};

use super::error::BootError;
use super::killed_by;
use crate::command::ExecPlan;
use crate::error::Error;
use crate::init::Supervisor;
use crate::log::Log;
use crate::sys::ids::Identity;
use crate::sys::path::FixedPath;
use crate::user::{Database, UserSpec};

pub(crate) use installer::Installer;
pub(crate) use place::Exposure;
pub(crate) use report::Report;

/// Where people mount it (as `polytope/python` does).
pub(crate) static USUAL_FILE: FixedPath<18> = FixedPath::new(c"/requirements.txt");

/// How long to wait for another that installs at the same place.
const PATIENCE: Duration = Duration::from_secs(600);

/// The installers' settings that change what they install.
const SETTINGS: [&str; 5] =
    ["PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE", "PIP_REQUIREMENT", "UV_BUILD_CONSTRAINT"];

/// What is to be installed, and how: the options of the command line, or the keys of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequirementsOptions {
    /// Requirement files; without any, and without a project, the usual one if it is there.
    pub files: Vec<PathBuf>,
    /// What it means when one of them is not there.
    pub absent: Absent,
    /// Installs nothing.
    pub skip: bool,
    /// A directory with a `pyproject.toml`, whose dependencies are installed.
    pub project: Option<PathBuf>,
    /// Extras of that project.
    pub extras: Vec<String>,
    /// The only place that packages come from; no network then.
    pub wheelhouse: Option<PathBuf>,
    /// Packages go there, and not into the venv or site-packages.
    pub site: Option<PathBuf>,
    /// Default: uv if it is there, else pip.
    pub installer: Option<Installer>,
    /// Who installs, instead of the user of the command.
    pub install_user: Option<OsString>,
    /// Keeps the installer's cache.
    pub keep_cache: bool,
    /// How long to wait for another that installs. Default: 10 minutes.
    pub timeout: Option<Duration>,
    /// Says nothing when all is well.
    pub quiet: bool,
}

/// What it means that a named file is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Absent {
    #[default]
    IsError,
    Skipped,
}

/// Something to be installed, read and checked.
#[derive(Debug)]
pub(crate) struct Requirements {
    options: RequirementsOptions,
    /// What it is called in messages.
    subject: String,
    files: Vec<PathBuf>,
    project: Option<Project>,
    asked: Asked,
    /// The installer's user, environment and directory; its program is yet to be chosen.
    base: ExecPlan,
    located: Located,
    /// What a look at the files has told, where the interpreter need not be asked.
    seen: Option<Look>,
}

/// What is there of what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Look {
    There { why: String, exposure: Option<Exposure> },
    Missing { why: String },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All is there, and the command must be told where, if not where it looks anyway.
    Ready(Option<Exposure>),
    /// Somebody asked the container to end: the exit code.
    End(u8),
}

impl Requirements {
    /// Reads and checks all that `options` name, for `command`. Starts and changes nothing.
    pub fn plan(
        options: &RequirementsOptions,
        command: &ExecPlan,
    ) -> Result<Option<Self>, BootError> {
        let Some(files) = files(options) else {
            return Ok(None);
        };
        let mut base = command.clone();
        if let Some(user) = &options.install_user {
            let caller = Identity::current();
            let database = Database::system();
            let user = UserSpec::new(user).resolve(&database, caller.uid, caller.gid);
            let user = user.map_err(Error::from)?;
            base.environment.set("HOME", user.home());
            base.credentials = Some(user);
        }
        if let Some(directory) = &options.wheelhouse {
            fs::read_dir(directory)
                .map_err(|source| BootError::Wheelhouse { directory: directory.clone(), source })?;
        }
        let directory = match &base.workdir {
            Some(directory) => directory.clone(),
            None => std::env::current_dir().unwrap_or_else(|_| "/".into()),
        };
        let mut asked = Asked::default();
        for file in &files {
            asked.read(file, &base.environment, &directory)?;
        }
        for name in SETTINGS {
            if let Some(value) = base.environment.get(name).filter(|value| !value.is_empty()) {
                asked.leave(format!("{name} is set"));
                let words = value.as_bytes().split(|byte| byte.is_ascii_whitespace());
                for file in words.map(|word| directory.join(OsStr::from_bytes(word))) {
                    asked.local.push(file);
                }
            }
        }
        let project = match &options.project {
            Some(directory) => Some(Project::read(directory, &options.extras, &mut asked)?),
            None => None,
        };
        let names: Vec<String> = files
            .iter()
            .cloned()
            .chain(project.as_ref().map(Project::file))
            .map(|file| file.to_string_lossy().into_owned())
            .collect();
        let subject = names.join(", ");
        let located = Located::find(&base.environment)
            .ok_or_else(|| BootError::NoInterpreter { subject: subject.clone() })?;
        let options = options.clone();
        let mut requirements =
            Self { options, subject, files, project, asked, base, located, seen: None };
        if let Located::Known(interpreter) = &requirements.located {
            requirements.seen = Some(requirements.look(interpreter));
        }
        Ok(Some(requirements))
    }

    /// Whether it is known already that all is there.
    pub fn is_there(&self) -> bool {
        matches!(self.seen, Some(Look::There { .. }))
    }

    /// How the command comes to see what is there.
    pub fn exposure(self) -> Option<Exposure> {
        match self.seen {
            Some(Look::There { exposure, .. }) => exposure,
            _ => None,
        }
    }

    /// Sees to it that all is there.
    pub fn install(mut self, supervisor: &mut Supervisor, log: Log) -> Result<Outcome, BootError> {
        if let Some(signal) = supervisor.asked_to_end()? {
            return Ok(Outcome::End(killed_by(signal)));
        }
        let interpreter = match &self.located {
            Located::Known(interpreter) => interpreter.clone(),
            Located::Unknown(program) => match self.ask(program, supervisor)? {
                Answer::Interpreter(interpreter) => *interpreter,
                Answer::End(code) => return Ok(Outcome::End(code)),
            },
        };
        let look = self.seen.take().unwrap_or_else(|| self.look(&interpreter));
        match look {
            Look::There { why, exposure } => {
                log.step(|| format!("{}: {why}", self.subject));
                Ok(Outcome::Ready(exposure))
            }
            Look::Missing { .. } => self.install_for(&interpreter, supervisor, log),
        }
    }

    /// Asks an interpreter that cannot be told by its files.
    fn ask(&self, program: &Path, supervisor: &mut Supervisor) -> Result<Answer, BootError> {
        let mut plan = self.base.clone();
        plan.program = program.into();
        plan.arguments = vec!["-c".into(), interpreter::QUESTION.into()];
        let mut capture = install::capture()?;
        let ended = supervisor.run_step(&plan, Some(&mut capture), None)?;
        if let Some(signal) = ended.asked_to_end {
            return Ok(Answer::End(killed_by(signal)));
        }
        let said = capture.into_bytes();
        match Interpreter::from_answer(program, &said) {
            Some(interpreter) => Ok(Answer::Interpreter(Box::new(interpreter))),
            None => Err(BootError::Interpreter {
                subject: self.subject.clone(),
                python: program.to_owned(),
            }),
        }
    }

    /// As whom packages are installed.
    fn owner(&self) -> Owner<'_> {
        Owner(self.base.credentials.as_ref())
    }

    /// What an installation of this for `interpreter` comes from.
    fn origin(&self, interpreter: &Interpreter) -> Origin {
        let Self { options, files, project, asked, .. } = self;
        let mut ingredients = Ingredients::new();
        for (path, text) in &asked.read {
            ingredients.add("path", path.as_os_str().as_bytes());
            ingredients.add("text", text);
        }
        for path in files {
            ingredients.add("requirements", path.as_os_str().as_bytes());
        }
        for path in &asked.local {
            ingredients.add_file(path);
        }
        if let Some(project) = project {
            ingredients.add("project", project.directory.as_os_str().as_bytes());
            for extra in &project.extras {
                ingredients.add("extra", extra.as_bytes());
            }
        }
        if let Some(directory) = &options.wheelhouse {
            ingredients.add_directory(directory);
        }
        for name in SETTINGS {
            let value = self.base.environment.get(name).unwrap_or_default();
            ingredients.add(name, value.as_bytes());
        }
        if let Some(installer) = options.installer {
            ingredients.add("installer", installer.name().as_bytes());
        }
        ingredients.add("interpreter", interpreter.identity.as_bytes());
        ingredients.origin()
    }

    /// Looks what is there, without starting or changing anything.
    fn look(&self, interpreter: &Interpreter) -> Look {
        let environment = &self.base.environment;
        let site = self.options.site.as_deref();
        let control = place::control(&interpreter.site);
        let origin = self.origin(interpreter);
        if !self.asked.fleeting {
            let stamp = control.join("stamp");
            let stamped = site.is_none()
                && fs::read(&stamp)
                    .is_ok_and(|text| text == stamp::text(origin, &interpreter.site).as_bytes());
            if stamped {
                let why = format!("unchanged since it was installed ({})", stamp.display());
                return Look::There { why, exposure: None };
            }
            let overlay = place::finished(origin, interpreter, site, environment, self.owner());
            if let Some(overlay) = overlay {
                let why = format!("unchanged since it was installed ({})", overlay.display());
                let exposure = Some(Exposure::of(&overlay, interpreter, environment));
                return Look::There { why, exposure };
            }
        }
        if site.is_none() && repair::is_marked(&control) {
            let why = format!("an installation was begun and not finished ({})", control.display());
            return Look::Missing { why };
        }
        if let Some(why) = &self.asked.unjudged {
            return Look::Missing { why: format!("only an installer can tell: {why}") };
        }
        let search = interpreter.search(environment);
        let installed = Installed::list(search.iter().map(PathBuf::as_path));
        let Asked { wanted, constraints, .. } = &self.asked;
        match judge(wanted, constraints, &interpreter.platform, |name| installed.get(name)) {
            Verdict::Satisfied(0) => {
                Look::There { why: "nothing to install".into(), exposure: None }
            }
            Verdict::Satisfied(packages) => {
                let why = match packages {
                    1 => "the one package that it takes is installed".into(),
                    packages => format!("the {packages} packages that it takes are installed"),
                };
                Look::There { why, exposure: None }
            }
            Verdict::Missing(why) => Look::Missing { why },
            Verdict::Unjudged(why) => {
                Look::Missing { why: format!("only an installer can tell: {why}") }
            }
        }
    }
}

enum Answer {
    Interpreter(Box<Interpreter>),
    End(u8),
}

/// The files that are meant; `None` when nothing is.
fn files(options: &RequirementsOptions) -> Option<Vec<PathBuf>> {
    if options.skip {
        return None;
    }
    let is_there = |file: &Path| fs::symlink_metadata(file).is_ok();
    let mut files = options.files.clone();
    if files.is_empty() && options.project.is_none() && is_there(USUAL_FILE.path()) {
        files.push(USUAL_FILE.path().into());
    }
    if options.absent == Absent::Skipped {
        files.retain(|file| is_there(file));
    }
    (!files.is_empty() || options.project.is_some()).then_some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_what_is_named_or_the_usual_file() {
        let named = |absent, files: &[&str]| RequirementsOptions {
            files: files.iter().map(PathBuf::from).collect(),
            absent,
            ..RequirementsOptions::default()
        };
        let gone = "/nonexistent/requirements.txt";
        assert_eq!(files(&named(Absent::IsError, &[gone])), Some(vec![gone.into()]));
        assert_eq!(files(&named(Absent::Skipped, &[gone])), None);
        assert_eq!(files(&named(Absent::Skipped, &[gone, "/"])), Some(vec!["/".into()]));
        let skipped = RequirementsOptions { skip: true, ..named(Absent::IsError, &[gone]) };
        assert_eq!(files(&skipped), None);
        let project = RequirementsOptions { project: Some("/p".into()), ..Default::default() };
        assert_eq!(files(&project), Some(vec![]));
    }
}
