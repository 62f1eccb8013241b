//! The parts that a build of this binary may be without (`[features]` in Cargo.toml), and what is said
//! where one of them is asked for.

use std::ffi::OsStr;

use super::base_name;
use super::failure::Failure;
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

/// The names of other tools that a part answers to.
const NAMES: [(&str, Part); 1] = [("wait-for-port", Part::Checks)];

/// The subcommands that are a part's.
const SUBCOMMANDS: [(&str, Part); 4] =
    [("run", Part::File), ("check", Part::File), ("wait", Part::Checks), ("health", Part::Checks)];

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

/// Refuses the name and the subcommand of a part that is left out.
pub(super) fn check(args: Args) -> Result<(), Failure> {
    // It brings all the others, and a full build has nothing to look for.
    if Part::File.is_built() {
        return Ok(());
    }
    let left_out = |table: &[(&'static str, Part)], name: &OsStr| {
        table.iter().copied().find(|(known, part)| name == *known && !part.is_built())
    };
    let name = base_name(args.get(0).unwrap_or_default());
    let found = left_out(&NAMES, name).or_else(|| left_out(&SUBCOMMANDS, args.get(1)?));
    found.map_or(Ok(()), |(name, part)| Err(part.refusal(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_parts_is_there_if_the_part_is() {
        let faces = |table: &[(&str, super::super::Face)]| -> Vec<String> {
            table.iter().map(|(name, _)| (*name).to_owned()).collect()
        };
        let names = faces(super::super::NAMES);
        let subcommands = faces(super::super::SUBCOMMANDS);
        for (table, built) in [(&NAMES[..], names), (&SUBCOMMANDS[..], subcommands)] {
            for (name, part) in table {
                assert_eq!(built.iter().any(|known| known == name), part.is_built(), "{name}");
            }
        }
    }

    #[test]
    fn a_full_build_is_without_nothing() {
        assert_eq!(version() == env!("CARGO_PKG_VERSION"), cfg!(feature = "file"));
    }
}
