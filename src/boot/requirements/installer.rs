//! uv or pip: which of them, and how it is called.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::RequirementsError;
use super::interpreter::{self, Interpreter};
use super::project::Project;
use crate::command::{Environment, ExecPlan, lookup};

/// A program that installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    Uv,
    Pip,
}

impl Installer {
    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "uv" => Some(Self::Uv),
            "pip" => Some(Self::Pip),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Pip => "pip",
        }
    }
}

/// An installer that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub installer: Installer,
    /// What is executed, and the words before those of the task.
    program: PathBuf,
    words: Vec<OsString>,
}

impl Tool {
    /// The one that was asked for; else uv if it is in PATH, else the interpreter's own pip, else
    /// the pip of the interpreter that its venv was made from.
    pub fn find(
        asked_for: Option<Installer>,
        interpreter: &Interpreter,
        environment: &Environment,
        subject: &str,
    ) -> Result<Self, RequirementsError> {
        let path = lookup::search_path(environment);
        if asked_for != Some(Installer::Pip) {
            if let Some(program) = lookup::find("uv", path) {
                return Ok(Self { installer: Installer::Uv, program, words: words(&["pip"]) });
            }
        }
        let pip = |program: &Path, more: &[&std::ffi::OsStr]| Self {
            installer: Installer::Pip,
            program: program.to_owned(),
            words: words(&["-m", "pip"])
                .into_iter()
                .chain(more.iter().map(OsString::from))
                .collect(),
        };
        if asked_for != Some(Installer::Uv) {
            if interpreter.has_pip(environment) {
                return Ok(pip(&interpreter.program, &[]));
            }
            let base = interpreter::base_of(interpreter);
            if let Some(base) = base.filter(|base| base.has_pip(environment)) {
                let target = interpreter.program.as_os_str();
                return Ok(pip(&base.program, &["--python".as_ref(), target]));
            }
        }
        Err(RequirementsError::NoInstaller {
            subject: subject.to_owned(),
            asked_for: asked_for.map(Installer::name),
            python: interpreter.program.clone(),
        })
    }
}

/// What is to be installed, and how.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub files: &'a [PathBuf],
    pub project: Option<&'a Project>,
    pub wheelhouse: Option<&'a Path>,
    pub keep_cache: bool,
    /// Where packages go when not to where the interpreter has its own.
    pub target: Option<&'a Path>,
    /// A directory for all that is needed meanwhile, and that is removed then.
    pub work: &'a Path,
    /// Where caches are kept if they are.
    pub caches: &'a Path,
    /// Programs can be executed in these two.
    pub may_execute: bool,
}

impl Task<'_> {
    /// The files that have to be written into the work directory first.
    pub fn lists(&self, tool: &Tool) -> Option<(PathBuf, String)> {
        let project = self.project?;
        match (&project.dependencies, tool.installer) {
            (Some(dependencies), Installer::Pip) => {
                Some((self.work.join("project.txt"), dependencies.join("\n") + "\n"))
            }
            _ => None,
        }
    }

    /// The command that turns a lock file into a list, where there is one.
    pub fn export(&self, tool: &Tool, base: &ExecPlan) -> Option<ExecPlan> {
        let project = self.project.filter(|project| project.locked)?;
        if tool.installer != Installer::Uv {
            return None;
        }
        let mut plan = self.plan(tool, base);
        plan.arguments = words(&["export", "--quiet", "--frozen", "--no-dev", "--no-header"]);
        plan.arguments.extend(words(&["--no-emit-project", "--project"]));
        plan.arguments.push(project.directory.clone().into());
        for extra in &project.extras {
            plan.arguments.extend(words(&["--extra", extra]));
        }
        if self.wheelhouse.is_some() {
            plan.arguments.push("--offline".into());
        }
        plan.arguments.extend(["--output-file".into(), self.locked().into()]);
        Some(plan)
    }

    fn locked(&self) -> PathBuf {
        self.work.join("locked.txt")
    }

    /// The command that installs.
    pub fn install(&self, tool: &Tool, interpreter: &Interpreter, base: &ExecPlan) -> ExecPlan {
        let mut plan = self.plan(tool, base);
        let arguments = &mut plan.arguments;
        arguments.extend(tool.words.iter().cloned());
        arguments.push("install".into());
        if tool.installer == Installer::Uv {
            arguments.extend(["--python".into(), interpreter.program.clone().into()]);
        }
        if let Some(target) = self.target {
            arguments.extend(["--target".into(), target.into()]);
        }
        if let Some(wheelhouse) = self.wheelhouse {
            arguments.extend(["--no-index".into(), "--find-links".into(), wheelhouse.into()]);
            if tool.installer == Installer::Uv {
                arguments.push("--offline".into());
            }
        }
        let files = self.files.iter().cloned();
        for file in files.chain(self.lists(tool).map(|(file, _)| file)) {
            arguments.extend(["--requirement".into(), file.into()]);
        }
        if let Some(project) = self.project {
            match (tool.installer, &project.dependencies) {
                (Installer::Uv, _) if project.locked => {
                    arguments.extend(["--requirement".into(), self.locked().into()]);
                }
                (Installer::Uv, _) => {
                    arguments.extend(["--requirement".into(), project.file().into()]);
                    for extra in &project.extras {
                        arguments.extend(words(&["--extra", extra]));
                    }
                }
                // A list has been made of them.
                (Installer::Pip, Some(_)) => {}
                (Installer::Pip, None) => arguments.push(project.as_requirement().into()),
            }
        }
        plan
    }

    /// The installer's own settings in the environment are left alone; what is not set there, and
    /// would write where nothing can be written or ask where nobody answers, is set.
    fn plan(&self, tool: &Tool, base: &ExecPlan) -> ExecPlan {
        let mut plan = base.clone();
        plan.program = tool.program.clone().into();
        plan.arguments = Vec::new();
        let environment = &mut plan.environment;
        let mut set = |name: &str, unless: &str, value: &std::ffi::OsStr| {
            if environment.get(name).is_none() && environment.get(unless).is_none() {
                environment.set(name, value);
            }
        };
        let caches = self.caches.join(tool.installer.name());
        match (tool.installer, self.keep_cache) {
            (Installer::Uv, true) => set("UV_CACHE_DIR", "UV_NO_CACHE", caches.as_os_str()),
            (Installer::Uv, false) => {
                let work = self.work.join("cache");
                set("UV_CACHE_DIR", "UV_NO_CACHE", work.as_os_str());
            }
            (Installer::Pip, true) => set("PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", caches.as_os_str()),
            (Installer::Pip, false) => set("PIP_NO_CACHE_DIR", "PIP_CACHE_DIR", "1".as_ref()),
        }
        if tool.installer == Installer::Pip {
            for name in
                ["PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_INPUT", "PIP_NO_WARN_SCRIPT_LOCATION"]
            {
                set(name, name, "1".as_ref());
            }
            set("PIP_ROOT_USER_ACTION", "PIP_ROOT_USER_ACTION", "ignore".as_ref());
        }
        if self.may_execute {
            // On the file system that packages go to: it can be written, it has the room that they
            // need, and nothing stays behind in /tmp when all of this is killed.
            set("TMPDIR", "TMPDIR", self.work.as_os_str());
        }
        plan
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// What to do about an installer that failed, by what it said. It has no codes for that.
pub(super) fn advice(
    said: &str,
    place_is_full: Option<&Path>,
    wheelhouse: Option<&Path>,
    interpreter: &Interpreter,
) -> String {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    let (library, arch) = (&interpreter.library, std::env::consts::ARCH);
    let what = if let Some(place) = place_is_full {
        format!(
            "no space is left in {}: give it more (a larger volume, --tmpfs {}:exec,size=1g)",
            place.display(),
            place.display()
        )
    } else if has(&["is not a supported wheel on this platform", "not compatible with the current"])
    {
        format!("a wheel is for another Python or processor: name one for {library} on {arch}")
    } else if has(&[
        "No matching distribution",
        "Could not find a version",
        "No solution found",
        "was not found in the",
    ]) {
        match wheelhouse {
            Some(directory) => format!(
                "put it into the wheelhouse {}, for {library} on {arch}, or correct its name or \
                 version",
                directory.display()
            ),
            None => "correct its name or version, or name the index that has it \
                     (PIP_INDEX_URL, UV_INDEX_URL)"
                .into(),
        }
    } else if has(&[
        "Name or service not known",
        "Temporary failure in name resolution",
        "Failed to establish a new connection",
        "dns error",
        "error sending request",
        "timed out",
    ]) {
        "let the container reach the index, or give it the packages: --wheelhouse DIR".into()
    } else {
        "the installer's own words are above".into()
    };
    format!("the command was not started; {what}")
}
