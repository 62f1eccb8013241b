//! Installing: under the lock, beside or in place, and never half.
//!
//! An overlay is built beside and renamed to its final name, which is its origin: it is there in
//! full or not at all. In place, the stamp goes first and a mark is left; both ends of that are in
//! an order in which SIGKILL between any two steps leaves something that the next start repairs.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::statvfs::statvfs;

use super::error::RequirementsError;
use super::installed::records;
use super::installer::{Task, Tool, advice};
use super::interpreter::Interpreter;
use super::lock::{Lock, Waited};
use super::place::{self, Place, Shelf};
use super::stamp::{self, Origin};
use super::{Look, Outcome, Requirements, repair};
use crate::boot::duration;
use crate::boot::error::BootError;
use crate::boot::exposure::Exposure;
use crate::boot::killed_by;
use crate::command::ExecPlan;
use crate::error::{Error, Switch};
use crate::init::{Capture, Supervisor};
use crate::log::{self, Log};

/// Overlays of other origins that are kept: containers may still run from them.
const KEPT: usize = 3;

/// The name of an overlay that is being built.
const UNFINISHED: &str = "unfinished";

/// Less than this is full.
const NO_SPACE: u64 = 1 << 20;

impl Requirements {
    /// Installs what is asked for, unless somebody else has meanwhile.
    pub(super) fn install_for(
        &self,
        interpreter: &Interpreter,
        supervisor: &mut Supervisor,
        log: Log,
    ) -> Result<Outcome, BootError> {
        let owner = self.owner();
        let environment = &self.base.environment;
        let tool = Tool::find(self.options.installer, interpreter, environment, &self.subject)?;
        if let (Some(user), Err(source)) = (owner.0, owner.files()) {
            let spec = user.spec().to_owned();
            return Err(Error::Credentials { what: Switch::Groups, spec, source }.into());
        }
        let site = self.options.site.as_deref();
        let place = Place::choose(interpreter, site, environment, owner)?;
        let control = place.control();
        let refuse = |what| {
            let path = control.clone();
            move |source| RequirementsError::Install { what, path, source }
        };
        place.make(owner).map_err(refuse("make"))?;
        let patience = self.options.timeout.unwrap_or(super::PATIENCE);
        let file = control.join("lock");
        let lock = match Lock::take(&file, owner, patience, self.options.quiet, supervisor)? {
            Waited::Locked(lock) => lock,
            Waited::Asked(signal) => return Ok(Outcome::End(killed_by(signal))),
        };
        match self.look(interpreter) {
            Look::There { why, exposure } => {
                log.step(|| format!("{}: {why}", self.subject));
                return Ok(Outcome::of(exposure));
            }
            Look::Missing { why } => log.step(|| format!("{}: {why}", self.subject)),
        }
        log.step(|| format!("packages go to {}", control.display()));
        let job =
            Job { requirements: self, interpreter, tool, place: &place, control: &control, lock };
        job.run(supervisor, log)
    }
}

/// One installation, with the lock held.
struct Job<'a> {
    requirements: &'a Requirements,
    interpreter: &'a Interpreter,
    tool: Tool,
    place: &'a Place,
    control: &'a Path,
    lock: Lock,
}

/// How a program of the installer's ended.
enum Step {
    Done,
    End(u8),
    Failed { code: u8, said: Vec<u8> },
}

impl Job<'_> {
    fn run(&self, supervisor: &mut Supervisor, log: Log) -> Result<Outcome, BootError> {
        let Requirements { subject, options, .. } = self.requirements;
        let owner = self.requirements.owner();
        let work = self.control.join("work");
        let (site, target) = self.targets();
        let task = Task {
            files: &self.requirements.files,
            project: self.requirements.project.as_ref(),
            wheelhouse: options.wheelhouse.as_deref(),
            keep_cache: options.keep_cache,
            target: target.as_deref(),
            work: &work,
            caches: &self.control.join("cache"),
            may_execute: self.may_execute(),
        };
        {
            let _files = owner.files().map_err(self.refuse("prepare"))?;
            self.prepare(&site, &work).map_err(self.refuse("prepare"))?;
            if let Some((file, text)) = task.lists(&self.tool) {
                fs::write(file, text).map_err(self.refuse("prepare"))?;
            }
        }
        let before = records(&site);
        let terminal = io::stderr().is_terminal() && io::stdout().is_terminal();
        let told = !options.quiet && !terminal;
        let shown = (terminal && !options.quiet) || log == Log::Steps;
        if told {
            log::say(&format!("installing {subject} with {}", self.tool.installer.name()));
        }
        let began = Instant::now();
        let base = &self.requirements.base;
        let commands = task.export(&self.tool, base).into_iter().chain([task.install(
            &self.tool,
            self.interpreter,
            base,
        )]);
        for command in commands {
            match self.step(&command, shown, supervisor)? {
                Step::Done => {}
                Step::End(code) => {
                    self.tidy(&work);
                    return Ok(Outcome::End(code));
                }
                Step::Failed { code, said } => {
                    let full = self.is_full(&said);
                    self.tidy(&work);
                    let _ = io::stderr().write_all(&said);
                    let advice = advice(
                        &String::from_utf8_lossy(&said),
                        full,
                        options.wheelhouse.as_deref(),
                        self.interpreter,
                    );
                    return Err(RequirementsError::Failed {
                        subject: subject.clone(),
                        installer: self.tool.installer.name(),
                        code,
                        advice,
                    }
                    .into());
                }
            }
        }
        let after = records(&site);
        let installed = after.iter().filter(|record| !before.contains(record)).count();
        let outcome = {
            let _files = owner.files().map_err(self.refuse("finish"))?;
            let outcome = self.finish(&site).map_err(self.refuse("finish"))?;
            let _ = fs::remove_dir_all(&work);
            outcome
        };
        if told {
            let packages = match installed {
                0 => "all packages were there".to_owned(),
                1 => "installed 1 package".to_owned(),
                number => format!("installed {number} packages"),
            };
            log::say(&format!("{packages} in {}", duration::shown(began.elapsed())));
        }
        Ok(outcome)
    }

    /// Where packages will be, and what the installer is told of it.
    fn targets(&self) -> (PathBuf, Option<PathBuf>) {
        match self.place {
            Place::Site(site) => (site.clone(), None),
            Place::Overlay(_) => {
                let unfinished = self.control.join(UNFINISHED);
                let site = place::packages_of(&unfinished, self.interpreter);
                (site.clone(), Some(site))
            }
        }
    }

    fn may_execute(&self) -> bool {
        match self.place {
            Place::Site(_) => true,
            Place::Overlay(Shelf { may_execute, .. }) => *may_execute,
        }
    }

    fn prepare(&self, site: &Path, work: &Path) -> io::Result<()> {
        remove(work)?;
        match self.place {
            Place::Site(_) => {
                // The stamp first: from here on nobody may believe that all is there.
                remove(&self.stamp())?;
                if repair::is_marked(self.control) {
                    repair::repair(self.control, site)?;
                }
                repair::mark(self.control, site)?;
            }
            Place::Overlay(_) => {
                remove(&self.control.join(UNFINISHED))?;
                fs::create_dir_all(site)?;
            }
        }
        fs::create_dir(work)
    }

    /// Runs one program of the installer's.
    fn step(
        &self,
        plan: &ExecPlan,
        shown: bool,
        supervisor: &mut Supervisor,
    ) -> Result<Step, BootError> {
        let mut capture = match shown {
            true => None,
            false => Some(capture()?),
        };
        let keep = Some(self.lock.descriptor());
        let ended = supervisor.run_step(plan, capture.as_mut(), keep)?;
        Ok(match (ended.status.code(), ended.asked_to_end) {
            (0, None) => Step::Done,
            (0, Some(signal)) => Step::End(killed_by(signal)),
            (code, Some(_)) => Step::End(code),
            (code, None) => {
                let said = capture.map(Capture::into_bytes).unwrap_or_default();
                Step::Failed { code, said }
            }
        })
    }

    fn finish(&self, site: &Path) -> io::Result<Outcome> {
        let origin = self.requirements.origin(self.interpreter);
        match self.place {
            Place::Site(_) => {
                // In this order: a mark beside a stamp would mean a repair for nothing.
                repair::unmark(self.control)?;
                if !self.requirements.asked.fleeting {
                    let new = self.control.join("stamp.new");
                    fs::write(&new, stamp::text(origin, site))?;
                    fs::rename(new, self.stamp())?;
                }
                Ok(Outcome::Done)
            }
            Place::Overlay(shelf) => {
                let overlay = self.control.join(origin.to_string());
                // One that is not to be relied on: a file that can be read but once.
                remove(&overlay)?;
                fs::rename(self.control.join(UNFINISHED), &overlay)?;
                self.forget_old_ones(origin);
                let packages = place::packages_of(&overlay, self.interpreter);
                if !shelf.may_execute && place::has_compiled(&packages) {
                    log::say(&format!(
                        "{} is mounted noexec: programs and compiled modules there do not run \
                         (--tmpfs {}:exec)",
                        shelf.directory.display(),
                        mount_point(&shelf.directory).display()
                    ));
                }
                let environment = &self.requirements.base.environment;
                Ok(Outcome::Exposed(Exposure::of(&overlay, self.interpreter, environment)))
            }
        }
    }

    /// Removes all but the newest overlays. That nobody could is no reason to stop.
    fn forget_old_ones(&self, but: Origin) {
        let but = but.to_string();
        let entries = fs::read_dir(self.control).into_iter().flatten().filter_map(Result::ok);
        let mut overlays: Vec<_> = entries
            .filter(|entry| {
                let name = entry.file_name();
                name.len() == but.len() && name.to_str().is_some_and(|name| name != but)
            })
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        overlays.sort();
        let old = overlays.len().saturating_sub(KEPT);
        for (_, overlay) in overlays.into_iter().take(old) {
            let _ = fs::remove_dir_all(overlay);
        }
    }

    /// Leaves nothing behind that takes up room. In place, the mark stays: it says that what is
    /// there may be half.
    fn tidy(&self, work: &Path) {
        if let Ok(_files) = self.requirements.owner().files() {
            let _ = fs::remove_dir_all(work);
            let _ = fs::remove_dir_all(self.control.join(UNFINISHED));
        }
    }

    fn stamp(&self) -> PathBuf {
        self.control.join("stamp")
    }

    /// The place, if there is no room left in it.
    fn is_full(&self, said: &[u8]) -> Option<&Path> {
        let fs = statvfs(self.control).ok()?;
        let free = fs.blocks_available().saturating_mul(fs.fragment_size());
        let said = String::from_utf8_lossy(said).contains("No space left on device");
        (said || free < NO_SPACE || (fs.files() > 0 && fs.files_available() == 0))
            .then(|| mount_point(self.control))
    }

    fn refuse(&self, what: &'static str) -> impl Fn(io::Error) -> RequirementsError {
        let path = self.control.to_owned();
        move |source| RequirementsError::Install { what, path: path.clone(), source }
    }
}

pub(super) fn capture() -> Result<Capture, BootError> {
    let system = |source| Error::System { what: "cannot make a pipe", source };
    Ok(Capture::new().map_err(system)?)
}

/// Removes a file or a tree; that it is not there is no error.
fn remove(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The directory above `path` in which its file system begins, for a hint at how to mount it.
fn mount_point(path: &Path) -> &Path {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let here = device(path);
    path.ancestors().take_while(|above| device(above) == here).last().unwrap_or(path)
}
