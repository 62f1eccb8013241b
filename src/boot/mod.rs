//! The steps that prepare the container before the command starts, one file for each.
//!
//! What a step needs is decided and checked before the first of them has an effect; a step that
//! fails, or during which somebody asked the container to end, ends the boot.
//!
//! A build without a part of the binary (see `[features]` in Cargo.toml) is without its step.

#![forbid(unsafe_code)]

// Who reads one is a part; all tell them.
#[cfg_attr(not(any(feature = "requirements", feature = "checks")), allow(dead_code))]
pub(crate) mod duration;
mod env_file;
mod error;
#[cfg_attr(not(feature = "requirements"), allow(dead_code))]
mod exposure;
mod in_child;
pub(crate) mod own;
#[cfg(feature = "requirements")]
mod requirements;
mod run_step;
#[cfg_attr(not(feature = "file"), allow(dead_code))]
pub(crate) mod secrets;
#[cfg(feature = "templates")]
pub(crate) mod template;
mod venv;
#[cfg(feature = "checks")]
pub(crate) mod wait;

use crate::command::ExecPlan;
use crate::init::{self, Policy, Start, Supervisor};
use crate::log::Log;
use crate::sys::signal::Signal;

pub(crate) use env_file::EnvFile;
pub(crate) use error::BootError;
use exposure::Exposure;
pub(crate) use own::{Own, OwnError, Owner};
#[cfg(feature = "file")]
pub(crate) use requirements::Absent;
#[cfg(feature = "requirements")]
pub(crate) use requirements::{
    Installer, Report, Requirements, RequirementsOptions, USUAL_FILE as USUAL_REQUIREMENTS,
};
pub(crate) use run_step::{Failure, RunStep};
#[cfg(feature = "templates")]
pub(crate) use template::{Rendered, Template, TemplateError};
pub(crate) use venv::Venv;
#[cfg(feature = "checks")]
pub(crate) use wait::{Wait, WaitError};

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
    #[cfg(feature = "checks")]
    Wait(Vec<Wait>),
    /// Files to write, rendered already.
    #[cfg(feature = "templates")]
    Write(Vec<Rendered>),
    Own(Vec<Own>),
    #[cfg(feature = "requirements")]
    Requirements(Box<Requirements>),
    Run(Box<RunStep>),
    /// One that has nothing to do here and now.
    #[cfg(feature = "file")]
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
            for exposure in self.steps.iter().filter_map(Step::exposure) {
                exposure.apply(&mut self.command.environment);
            }
            let signal = init::exec(&self.command, start.inherited())?;
            return Ok(killed_by(signal));
        }
        let mut supervisor = Supervisor::new(start, log);
        let mut steps = self.steps.into_iter();
        while let Some(step) = steps.next() {
            match step.run(&mut supervisor, log)? {
                Outcome::Done => {}
                // What is installed is there for the steps that come after it, too.
                Outcome::Exposed(exposure) => {
                    for step in steps.as_mut_slice() {
                        if let Step::Run(step) = step {
                            exposure.apply(&mut step.plan.environment);
                        }
                    }
                    exposure.apply(&mut self.command.environment);
                }
                Outcome::End(code) => return Ok(code),
            }
        }
        drop(steps);
        match self.run {
            Run::Exec => Ok(killed_by(supervisor.exec(&self.command)?)),
            Run::AsInit(policy) => Ok(supervisor.run_command(self.command, &policy)?.status.code()),
        }
    }
}

/// What came of a step that was done.
#[derive(Debug)]
#[cfg_attr(not(feature = "requirements"), allow(dead_code))]
pub(crate) enum Outcome {
    Done,
    /// Something is there now that all that follows must be told of.
    Exposed(Exposure),
    /// Somebody asked the container to end: the exit code.
    End(u8),
}

impl Step {
    /// Whether it is known already that there is nothing to do.
    fn is_done(&self) -> bool {
        match self {
            #[cfg(feature = "requirements")]
            Self::Requirements(requirements) => requirements.is_there(),
            _ => false,
        }
    }

    /// Of that which is there already, how the command comes to see it.
    fn exposure(&self) -> Option<&Exposure> {
        match self {
            #[cfg(feature = "requirements")]
            Self::Requirements(requirements) => requirements.exposure(),
            _ => None,
        }
    }

    #[cfg_attr(
        not(any(feature = "requirements", feature = "templates")),
        expect(unused_variables, reason = "they alone log")
    )]
    fn run(self, supervisor: &mut Supervisor, log: Log) -> Result<Outcome, BootError> {
        let code = match self {
            #[cfg(feature = "checks")]
            Self::Wait(waits) => wait::run(&waits, wait::Manner::Told, supervisor)?,
            #[cfg(feature = "templates")]
            Self::Write(files) => template::write(&files, supervisor, log)?,
            Self::Own(owns) => own::run(&owns, supervisor)?,
            #[cfg(feature = "requirements")]
            Self::Requirements(requirements) => return requirements.install(supervisor, log),
            Self::Run(step) => step.run(supervisor)?,
            #[cfg(feature = "file")]
            Self::Skipped { what, why } => {
                log.step(|| format!("skipping {what}: {why}"));
                None
            }
        };
        Ok(code.map_or(Outcome::Done, Outcome::End))
    }
}

/// The exit code that stands for the end by a signal.
fn killed_by(signal: Signal) -> u8 {
    128u8.saturating_add(signal.number() as u8)
}
