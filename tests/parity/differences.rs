//! Where ours differs from an original on purpose, why, and what ours does instead.
//!
//! The numbers are those of the list of bugs that every init of ours has to be without.

/// A difference that is meant.
pub struct Known {
    /// The name of the case; with a `*` at its end, the beginning of the names of several.
    case: &'static str,
    pub reason: &'static str,
    /// What is seen of ours; nothing where it is not the same for all of the cases.
    pub ours: &'static str,
    /// Whether the original shows its bug each time.
    pub always: bool,
}

impl Known {
    pub fn allows(&self, seen: &str) -> bool {
        seen.trim_end() == self.ours
    }

    fn is_for(&self, case: &str) -> bool {
        match self.case.strip_suffix('*') {
            Some(beginning) => case.starts_with(beginning),
            None => case == self.case,
        }
    }
}

const fn known(case: &'static str, reason: &'static str, ours: &'static str) -> Known {
    Known { case, reason, ours, always: true }
}

const LIST: [Known; 0] = [];

/// The entry for a case.
pub fn of(case: &str) -> Option<&'static Known> {
    LIST.iter().find(|known| known.is_for(case))
}

/// A fault for each entry that is for none of the cases.
pub fn unused(cases: &[String]) -> Vec<String> {
    let used = |known: &&Known| cases.iter().any(|case| known.is_for(case));
    LIST.iter()
        .filter(|known| !used(known))
        .map(|known| format!("no case {:?}", known.case))
        .collect()
}
