//! The steps that prepare the container before the command starts, one file for each.
//!
//! What a step needs is decided and checked before the first of them has an effect; a step that
//! fails, or during which somebody asked the container to end, ends the boot.

#![forbid(unsafe_code)]

pub(crate) mod duration;
mod env_file;
mod error;
mod in_child;
pub(crate) mod own;
mod requirements;
pub(crate) mod template;
mod venv;
pub(crate) mod wait;

use crate::command::ExecPlan;
use crate::init::{self, Stage, Start, Supervisor, Target};
use crate::log::Log;
use crate::sys::signal::Signal;

pub(crate) use env_file::EnvFile;
pub(crate) use error::BootError;
pub(crate) use own::{Own, OwnError, Owner};
pub(crate) use requirements::{Installer, Outcome, Report, Requirements, RequirementsOptions};
pub(crate) use template::{Rendered, Template};
pub(crate) use venv::Venv;
pub(crate) use wait::Wait;

/// How the command is run once everything is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// As a child, with this process as its init.
    AsInit(Target),
    /// In place of this process.
    Exec,
}

/// All that is to be done, in order, with nothing left to decide.
#[derive(Debug)]
pub(crate) struct Boot {
    /// All of them at once.
    pub waits: Vec<Wait>,
    pub files: Vec<Rendered>,
    pub owns: Vec<Own>,
    pub requirements: Option<Requirements>,
    pub command: ExecPlan,
    pub run: Run,
}

impl Boot {
    /// Does it, and returns the exit code of this process.
    pub fn run(mut self, start: Start, log: Log) -> Result<u8, BootError> {
        if self.run == Run::Exec && self.has_no_steps() {
            if let Some(exposure) = self.requirements.and_then(Requirements::exposure) {
                exposure.apply(&mut self.command.environment);
            }
            let signal = init::exec(&self.command, start.inherited())?;
            return Ok(killed_by(signal));
        }
        let mut supervisor = Supervisor::new(start, log)?;
        if let Some(code) = wait::run(&self.waits, wait::Manner::Told, &mut supervisor)? {
            return Ok(code);
        }
        if let Some(code) = template::write(&self.files, &mut supervisor)? {
            return Ok(code);
        }
        if let Some(code) = own::run(&self.owns, &mut supervisor)? {
            return Ok(code);
        }
        if let Some(requirements) = self.requirements {
            match requirements.install(&mut supervisor, log)? {
                Outcome::Ready(None) => {}
                Outcome::Ready(Some(exposure)) => exposure.apply(&mut self.command.environment),
                Outcome::End(code) => return Ok(code),
            }
        }
        match self.run {
            Run::Exec => Ok(killed_by(supervisor.exec(&self.command)?)),
            Run::AsInit(target) => {
                let ended = supervisor.run(&self.command, target, Stage::Command)?;
                Ok(ended.status.code())
            }
        }
    }
}

impl Boot {
    fn has_no_steps(&self) -> bool {
        self.waits.is_empty()
            && self.files.is_empty()
            && self.owns.is_empty()
            && self.requirements.as_ref().is_none_or(Requirements::is_there)
    }
}

/// The exit code that stands for the end by a signal.
fn killed_by(signal: Signal) -> u8 {
    128u8.saturating_add(signal.number() as u8)
}
