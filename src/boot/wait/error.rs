//! What keeps a wait from coming to its end.

use super::{TargetError, Unanswered};

/// Why what is waited for is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaitError {
    #[error("{}", lines(.0))]
    Targets(Vec<TargetError>),
    #[error("{}", lines(.0))]
    Unanswered(Vec<Unanswered>),
}

/// Several faults, a line each.
fn lines<T: ToString>(faults: &[T]) -> String {
    let lines: Vec<String> = faults.iter().map(T::to_string).collect();
    lines.join("\n")
}

impl WaitError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Targets(_) => 2,
            Self::Unanswered(_) => 124,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Targets(errors) => errors.first().map(TargetError::hint),
            Self::Unanswered(_) => {
                Some("see whether it runs and is named right, or give it a longer timeout".into())
            }
        }
    }
}
