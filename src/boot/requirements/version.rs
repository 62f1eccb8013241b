//! Whether a version is one that a specifier asks for, as pip sees it.
//!
//! Versions are read and ordered by `pep440_rs`. The rules of PEP 440 that are more than an order
//! are here: that crate finds `1` in `==1.2.*`, and pip does not.

use std::str::FromStr;

use pep440_rs::Version;

/// One clause, such as `>=1.2` or `==1.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    operator: Operator,
    version: Version,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    EqualPrefix,
    NotEqual,
    NotEqualPrefix,
    Compatible,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The operators as they are written, each before those that it begins with.
const WRITTEN: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

/// Why a clause cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoClause {
    /// It begins with no operator.
    Operator,
    /// Its version is none, or its operator is one that we don't judge (`===`).
    Version,
}

impl FromStr for Clause {
    type Err = NoClause;

    fn from_str(text: &str) -> Result<Self, NoClause> {
        let text = text.trim();
        let written =
            WRITTEN.into_iter().find(|word| text.starts_with(word)).ok_or(NoClause::Operator)?;
        let version = text.get(written.len()..).unwrap_or_default().trim();
        let (version, prefix) = match version.strip_suffix(".*") {
            Some(version) => (version, true),
            None => (version, false),
        };
        let operator = match (written, prefix) {
            ("==", false) => Operator::Equal,
            ("==", true) => Operator::EqualPrefix,
            ("!=", false) => Operator::NotEqual,
            ("!=", true) => Operator::NotEqualPrefix,
            ("~=", false) => Operator::Compatible,
            ("<", false) => Operator::Less,
            ("<=", false) => Operator::LessOrEqual,
            (">", false) => Operator::Greater,
            (">=", false) => Operator::GreaterOrEqual,
            _ => return Err(NoClause::Version),
        };
        let version = Version::from_str(version).map_err(|_| NoClause::Version)?;
        let plain = match operator {
            Operator::Equal | Operator::NotEqual => true,
            Operator::EqualPrefix | Operator::NotEqualPrefix => {
                !version.is_local() && !version.is_dev()
            }
            Operator::Compatible => !version.is_local() && version.release().len() > 1,
            _ => !version.is_local(),
        };
        if !plain {
            return Err(NoClause::Version);
        }
        Ok(Self { operator, version, text: text.to_owned() })
    }
}

impl Clause {
    /// Whether `version` is one of those. Pre-releases are not left out: what is installed already
    /// is good enough for pip if its number is.
    pub fn contains(&self, version: &Version) -> bool {
        let asked = &self.version;
        let public = || version.clone().without_local();
        match self.operator {
            Operator::Equal => self.equals(version),
            Operator::NotEqual => !self.equals(version),
            Operator::EqualPrefix => begins_with(version, asked, asked.release().len()),
            Operator::NotEqualPrefix => !begins_with(version, asked, asked.release().len()),
            Operator::Compatible => {
                let release = asked.only_release().with_epoch(asked.epoch());
                public() >= *asked && begins_with(version, &release, asked.release().len() - 1)
            }
            Operator::LessOrEqual => public() <= *asked,
            Operator::GreaterOrEqual => public() >= *asked,
            // Not 1.0rc1, though it comes before 1.0.
            Operator::Less => {
                version < asked
                    && (asked.any_prerelease()
                        || !version.any_prerelease()
                        || !same_release(version, asked))
            }
            // Nor 1.0.post1 or 1.0+local, though they come after it.
            Operator::Greater => {
                version > asked
                    && (!version.is_post() || asked.is_post() || !same_release(version, asked))
                    && (!version.is_local() || !same_release(version, asked))
            }
        }
    }

    fn equals(&self, version: &Version) -> bool {
        if self.version.is_local() {
            *version == self.version
        } else {
            version.clone().without_local() == self.version
        }
    }

    /// The clause as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version in it, and whether it stands for all that begin with it.
    pub fn version(&self) -> (&Version, bool) {
        let prefix = matches!(self.operator, Operator::EqualPrefix | Operator::NotEqualPrefix);
        (&self.version, prefix)
    }

    /// Whether it is about one version (or all but one), rather than about those up or down of it.
    pub fn is_exact(&self) -> bool {
        matches!(self.operator, Operator::Equal | Operator::NotEqual)
    }
}

/// Whether the first `length` numbers of the release are the same; numbers that are not written
/// are zeros. A prefix that has more than a release (`1.0a1.*`) must be there in full.
fn begins_with(version: &Version, prefix: &Version, length: usize) -> bool {
    let number = |version: &Version, index| version.release().get(index).copied().unwrap_or(0);
    version.epoch() == prefix.epoch()
        && (0..length).all(|index| number(version, index) == number(prefix, index))
        && (prefix.pre().is_none() || prefix.pre() == version.pre())
        && (prefix.post().is_none() || prefix.post() == version.post())
}

fn same_release(one: &Version, other: &Version) -> bool {
    one.only_release() == other.only_release() && one.epoch() == other.epoch()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(clause: &str, version: &str) -> bool {
        let version = Version::from_str(version).unwrap();
        clause.parse::<Clause>().unwrap().contains(&version)
    }

    #[test]
    fn clauses_hold_what_pep_440_says() {
        for (clause, within, without) in [
            ("==1.0", vec!["1", "1.0.0", "1.0+local"], vec!["1.0.post1", "1.0a1", "1!1.0"]),
            ("==1.0+x", vec!["1.0+x"], vec!["1.0", "1.0+y"]),
            ("!=1.0", vec!["1.1", "1.0rc1"], vec!["1.0", "1.0+local"]),
            ("==1.2.*", vec!["1.2", "1.2.3", "1.2a1", "1.2+x"], vec!["1", "1.20", "1.3"]),
            ("!=1.2.*", vec!["1", "1.3"], vec!["1.2", "1.2.9"]),
            ("~=1.4.2", vec!["1.4.2", "1.4.9", "1.4.2.post1"], vec!["1.4.1", "1.5", "1.4.2a1"]),
            ("~=2.2", vec!["2.2", "2.9"], vec!["3.0", "2.1"]),
            ("~= 2.2.post3", vec!["2.2.post3", "2.3"], vec!["2.2", "3.0"]),
            (">=1.0", vec!["1.0", "1.0+x", "2", "1!0.1"], vec!["1.0a1", "0.9"]),
            ("<=1.0", vec!["1.0", "1.0+x", "1.0a1"], vec!["1.0.post1", "1.1"]),
            (">1.0", vec!["1.0.1", "1.1a1", "2"], vec!["1.0", "1.0.post1", "1.0+x"]),
            (">1.0.post1", vec!["1.0.post2", "1.1"], vec!["1.0.post1", "1.0"]),
            ("<1.0", vec!["0.9", "0.9.post1", "0.9a1"], vec!["1.0", "1.0rc1", "1.0.dev1"]),
            ("<1.0rc1", vec!["1.0a1", "0.9"], vec!["1.0rc1", "1.0"]),
        ] {
            for version in within {
                assert!(contains(clause, version), "{clause} holds {version}");
            }
            for version in without {
                assert!(!contains(clause, version), "{clause} does not hold {version}");
            }
        }
    }

    #[test]
    fn what_is_no_clause_is_told_from_what_is_not_judged() {
        for text in ["=1.0", "1.0", "", "@1.0"] {
            assert_eq!(text.parse::<Clause>(), Err(NoClause::Operator), "{text}");
        }
        for text in ["===1.0", "==", ">=1.*", "==dog", ">1.0+x", "~=1"] {
            assert_eq!(text.parse::<Clause>(), Err(NoClause::Version), "{text}");
        }
    }
}
