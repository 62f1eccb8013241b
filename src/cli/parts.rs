//! The parts that a build of this binary may be without (`[features]` in Cargo.toml), and what is said
//! where one of them is asked for.

use super::failure::Failure;
#[cfg(not(feature = "file"))]
use crate::init::Start;
#[cfg(not(feature = "file"))]
use crate::sys::Args;

/// A part, by the name of its feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Init,
    Requirements,
    Checks,
    Templates,
    File,
}

impl Part {
    pub const fn is_built(self) -> bool {
        match self {
            Self::Init => true,
            Self::Requirements => cfg!(feature = "requirements"),
            Self::Checks => cfg!(feature = "checks"),
            Self::Templates => cfg!(feature = "templates"),
            Self::File => cfg!(feature = "file"),
        }
    }

    const fn feature(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Requirements => "requirements",
            Self::Checks => "checks",
            Self::Templates => "templates",
            Self::File => "file",
        }
    }

    /// What it is to people.
    const fn called(self) -> &'static str {
        match self {
            Self::File => "entrypoint files",
            part => part.feature(),
        }
    }

    /// What is said of something of this part, which is not built.
    pub fn refusal(self, asked_for: &str) -> Failure {
        Failure::usage(
            format!("{asked_for}: this pydexec was built without {}", self.called()),
            Some(format!("use the full build, or one with the feature {:?}", self.feature())),
        )
    }
}

/// The version, and what the build is without.
pub(super) fn version() -> String {
    let parts = [Part::Requirements, Part::Checks, Part::Templates, Part::File];
    let left_out = parts.iter().filter(|part| !part.is_built());
    let left_out: Vec<&str> = left_out.map(|part| part.called()).collect();
    let version = env!("CARGO_PKG_VERSION");
    match left_out.as_slice() {
        [] => version.to_owned(),
        left_out => format!("{version} (without {})", left_out.join(", ")),
    }
}

/// In place of `wait-for-port`.
#[cfg(not(feature = "checks"))]
pub(super) fn no_wait_for_port(_: Args, _: Start) -> Result<u8, Failure> {
    Err(Part::Checks.refusal("wait-for-port"))
}

/// In place of the subcommands `wait` and `health`.
#[cfg(not(feature = "checks"))]
pub(super) fn no_checks(args: Args, _: Start) -> Result<u8, Failure> {
    Err(Part::Checks.refusal(&subcommand(args)))
}

/// In place of the subcommands `run` and `check`.
#[cfg(not(feature = "file"))]
pub(super) fn no_file(args: Args, _: Start) -> Result<u8, Failure> {
    Err(Part::File.refusal(&subcommand(args)))
}

#[cfg(not(feature = "file"))]
fn subcommand(args: Args) -> std::borrow::Cow<'static, str> {
    args.get(1).unwrap_or_default().to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_build_is_without_nothing() {
        assert_eq!(version() == env!("CARGO_PKG_VERSION"), cfg!(feature = "file"));
    }
}
