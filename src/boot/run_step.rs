//! A command that runs before the command: a migration, `collectstatic`, whatever prepares the data.

use super::duration::shown;
use super::error::BootError;
use super::killed_by;
use crate::command::ExecPlan;
use crate::init::{Policy, Stage, Supervisor};
use crate::log;

/// What runs, and what if it fails.
#[derive(Debug)]
pub(crate) struct RunStep {
    pub plan: ExecPlan,
    /// How it is watched; signals go to its whole group.
    pub policy: Policy,
    pub failure: Failure,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The end of the boot, with the step's code.
    Ends,
    /// A line on stderr.
    Told,
}

impl RunStep {
    /// Runs it to its end. `Some` is the exit code with which the boot ends here, because somebody
    /// asked the container to end meanwhile.
    pub fn run(self, supervisor: &mut Supervisor) -> Result<Option<u8>, BootError> {
        if let Some(signal) = supervisor.asked_to_end()? {
            return Ok(Some(killed_by(signal)));
        }
        let program = self.plan.program().to_owned();
        let ended = match supervisor.run_by(&self.plan, &self.policy, Stage::Step) {
            Ok(ended) => ended,
            Err(error) if self.failure == Failure::Told => {
                log::say(&format!("{error}; going on, since allow-failure says so"));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let error = match (ended.status.code(), ended.asked_to_end, self.policy.limits.time) {
            (0, Some(signal), _) => return Ok(Some(killed_by(signal))),
            (code, Some(_), _) => return Ok(Some(code)),
            (_, None, Some(timeout)) if ended.timed_out => {
                BootError::StepTimedOut { program, timeout: shown(timeout) }
            }
            (0, None, _) => return Ok(None),
            (code, None, _) => BootError::StepFailed { program, code },
        };
        match self.failure {
            Failure::Ends => Err(error),
            Failure::Told => {
                log::say(&format!("{error}; going on, since allow-failure says so"));
                Ok(None)
            }
        }
    }
}
