//! Whether what is installed is what is asked for: the judgement that starts no Python.
//!
//! Pure: it is handed the requirements, the interpreter's markers, and a way to look packages up.
//! It goes as deep as pip does: what an installed package requires must be there as well.

use std::collections::HashSet;

use super::file::Wanted;
use super::installed::Found;
use super::marker::{Platform, Truth};
use super::requirement::Requirement;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is there: so many packages.
    Satisfied(usize),
    /// Something is not there, or not in that version.
    Missing(String),
    /// It takes the installer to tell.
    Unjudged(String),
}

/// Judges `wanted`, narrowed by `constraints`.
pub(super) fn judge(
    wanted: &[Wanted],
    constraints: &[Wanted],
    platform: &Platform,
    installed: impl Fn(&str) -> Found,
) -> Verdict {
    let mut constraining = Vec::new();
    for constraint in constraints {
        match holds(&constraint.requirement, platform, "") {
            Truth::Yes => constraining.push(constraint),
            Truth::No => {}
            Truth::Unknown => return unknown_marker(&constraint.at),
        }
    }
    let mut seen = HashSet::new();
    let mut packages = HashSet::new();
    // A requirement, the extra for which it is one, and who asks for it.
    let mut open: Vec<(Requirement, String)> = Vec::new();
    for wanted in wanted {
        match holds(&wanted.requirement, platform, "") {
            Truth::Yes => open.push((wanted.requirement.clone(), wanted.at.clone())),
            Truth::No => {}
            Truth::Unknown => return unknown_marker(&wanted.at),
        }
    }
    open.reverse();
    while let Some((requirement, at)) = open.pop() {
        let name = &requirement.name;
        let package = match installed(name) {
            Found::Package(package) => package,
            Found::Nothing => return Verdict::Missing(format!("{name} is not installed ({at})")),
            Found::Unreadable(why) => return Verdict::Unjudged(format!("{name}: {why}")),
        };
        let limits = constraining.iter().filter(|constraint| constraint.requirement.name == *name);
        let limits = limits.map(|constraint| (&constraint.requirement, &constraint.at));
        for (limit, at) in limits.chain([(&requirement, &at)]) {
            for clause in &limit.clauses {
                if !clause.contains(&package.version) {
                    let (version, clause) = (&package.version, clause.text());
                    return Verdict::Missing(format!("{name} {version} is not {clause} ({at})"));
                }
            }
        }
        packages.insert(name.clone());
        for extra in [""].into_iter().chain(requirement.extras.iter().map(String::as_str)) {
            if !seen.insert((name.clone(), extra.to_owned())) {
                continue;
            }
            for required in &package.requires {
                match holds(required, platform, extra) {
                    Truth::Yes => open.push((required.clone(), format!("required by {name}"))),
                    Truth::No => {}
                    Truth::Unknown => return unknown_marker(&format!("required by {name}")),
                }
            }
        }
    }
    Verdict::Satisfied(packages.len())
}

fn holds(requirement: &Requirement, platform: &Platform, extra: &str) -> Truth {
    requirement.marker.as_ref().map_or(Truth::Yes, |marker| marker.holds(platform, extra))
}

fn unknown_marker(at: &str) -> Verdict {
    Verdict::Unjudged(format!("a marker that only the interpreter can tell ({at})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::requirements::installed::Distribution;
    use crate::boot::requirements::requirement::Parsed;

    fn requirement(text: &str) -> Requirement {
        match Parsed::of(text) {
            Parsed::Requirement(requirement) => requirement,
            other => panic!("{other:?}"),
        }
    }

    fn wanted(texts: &[&str]) -> Vec<Wanted> {
        let at = |text: &&str| Wanted { requirement: requirement(text), at: "r.txt:1".into() };
        texts.iter().map(at).collect()
    }

    /// a 1.0 requires b>=2, and c for the extra x; b 2.1 requires a (a loop); d has no METADATA.
    fn world(name: &str) -> Found {
        let package = |version: &str, requires: &[&str]| {
            Found::Package(Distribution {
                version: version.parse().unwrap(),
                requires: requires.iter().map(|text| requirement(text)).collect(),
            })
        };
        match name {
            "a" => package("1.0", &["b>=2", "c; extra == 'x'", "gone; os_name == 'nt'"]),
            "b" => package("2.1", &["a"]),
            "d" => Found::Unreadable("it has no METADATA"),
            "e" => package("1", &["b<2"]),
            "f" => package("1", &["b; python_full_version < '3.11.4'"]),
            _ => Found::Nothing,
        }
    }

    #[track_caller]
    fn verdict(texts: &[&str], constraints: &[&str]) -> Verdict {
        judge(&wanted(texts), &wanted(constraints), &Platform::cpython(3, 11), world)
    }

    #[test]
    fn all_that_is_there_is_satisfied() {
        assert_eq!(verdict(&["a==1", "B"], &["b<3"]), Verdict::Satisfied(2));
        assert_eq!(verdict(&["gone; os_name == 'nt'"], &["a<1"]), Verdict::Satisfied(0));
        assert_eq!(verdict(&[], &[]), Verdict::Satisfied(0));
    }

    #[test]
    fn what_is_missing_is_named_with_who_asks_for_it() {
        for (texts, constraints, said) in [
            (&["a>1"][..], &[][..], "a 1.0 is not >1 (r.txt:1)"),
            (&["gone"], &[], "gone is not installed (r.txt:1)"),
            (&["a[x]"], &[], "c is not installed (required by a)"),
            (&["e"], &[], "b 2.1 is not <2 (required by e)"),
            (&["a"], &["b<2"], "b 2.1 is not <2 (r.txt:1)"),
        ] {
            assert_eq!(verdict(texts, constraints), Verdict::Missing(said.into()), "{texts:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        assert!(matches!(verdict(&["d"], &[]), Verdict::Unjudged(_)));
        assert!(matches!(verdict(&["f"], &[]), Verdict::Unjudged(_)));
        assert!(matches!(verdict(&["a; platform_release == 'x'"], &[]), Verdict::Unjudged(_)));
    }
}
