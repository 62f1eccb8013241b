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
mod run_step;
pub(crate) mod template;
mod venv;
pub(crate) mod wait;

use crate::command::ExecPlan;
use crate::init::{self, Policy, Stage, Start, Supervisor};
use crate::log::Log;
use crate::sys::signal::Signal;

pub(crate) use env_file::EnvFile;
pub(crate) use error::BootError;
pub(crate) use own::{Own, OwnError, Owner};
pub(crate) use requirements::{
    Absent, Exposure, Installer, Outcome, Report, Requirements, RequirementsOptions,
    USUAL_FILE as USUAL_REQUIREMENTS,
};
pub(crate) use run_step::{Failure, RunStep};
pub(crate) use template::{Rendered, Template};
pub(crate) use venv::Venv;
pub(crate) use wait::Wait;

/// How the command is run once everything is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// As a child, with this process as its init.
    AsInit(Policy),
    /// In place of this process.
    Exec,
}

/// One thing that is done before the command starts.
#[derive(Debug)]
pub(crate) enum Step {
    /// All of them at once.
    Wait(Vec<Wait>),
    /// Files to write, rendered already.
    Write(Vec<Rendered>),
    Own(Vec<Own>),
    Requirements(Box<Requirements>),
    Run(Box<RunStep>),
    /// One that has nothing to do here and now.
    Skipped {
        what: String,
        why: String,
    },
}

/// All that is to be done, in order, with nothing left to decide.
#[derive(Debug)]
pub(crate) struct Boot {
    pub steps: Vec<Step>,
    pub command: ExecPlan,
    pub run: Run,
}

impl Boot {
    /// Does it, and returns the exit code of this process.
    pub fn run(mut self, start: Start, log: Log) -> Result<u8, BootError> {
        if self.run == Run::Exec && self.steps.iter().all(Step::is_done) {
            for step in self.steps {
                if let Step::Requirements(requirements) = step {
                    if let Some(exposure) = requirements.exposure() {
                        exposure.apply(&mut self.command.environment);
                    }
                }
            }
            let signal = init::exec(&self.command, start.inherited())?;
            return Ok(killed_by(signal));
        }
        let mut supervisor = Supervisor::new(start, log)?;
        let mut exposure: Option<Exposure> = None;
        for step in self.steps {
            match step {
                Step::Requirements(requirements) => {
                    match requirements.install(&mut supervisor, log)? {
                        Outcome::Ready(None) => {}
                        Outcome::Ready(Some(place)) => {
                            place.apply(&mut self.command.environment);
                            exposure = Some(place);
                        }
                        Outcome::End(code) => return Ok(code),
                    }
                }
                step => {
                    // What is installed is there for the steps that come after it, too.
                    if let Some(code) = step.seeing(&exposure).run(&mut supervisor, log)? {
                        return Ok(code);
                    }
                }
            }
        }
        match self.run {
            Run::Exec => Ok(killed_by(supervisor.exec(&self.command)?)),
            Run::AsInit(policy) => {
                Ok(supervisor.run_by(&self.command, &policy, Stage::Command)?.status.code())
            }
        }
    }
}

impl Step {
    /// Whether it is known already that there is nothing to do.
    fn is_done(&self) -> bool {
        match self {
            Self::Requirements(requirements) => requirements.is_there(),
            _ => false,
        }
    }

    fn seeing(mut self, exposure: &Option<Exposure>) -> Self {
        if let (Self::Run(step), Some(exposure)) = (&mut self, exposure) {
            exposure.apply(&mut step.plan.environment);
        }
        self
    }

    /// `Some` is the exit code with which the boot ends here.
    fn run(self, supervisor: &mut Supervisor, log: Log) -> Result<Option<u8>, BootError> {
        match self {
            Self::Wait(waits) => wait::run(&waits, wait::Manner::Told, supervisor),
            Self::Write(files) => template::write(&files, supervisor, log),
            Self::Own(owns) => own::run(&owns, supervisor),
            // The loop's own.
            Self::Requirements(_) => Ok(None),
            Self::Run(step) => step.run(supervisor),
            Self::Skipped { what, why } => {
                log.step(|| format!("skipping {what}: {why}"));
                Ok(None)
            }
        }
    }
}

/// The exit code that stands for the end by a signal.
fn killed_by(signal: Signal) -> u8 {
    128u8.saturating_add(signal.number() as u8)
}
