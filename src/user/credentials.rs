//! What a user spec resolves to.

use std::ffi::OsStr;

/// The ids that a command will run with, and the home directory that goes with them.
///
/// Made by [`UserSpec::resolve`](super::UserSpec::resolve).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub(super) spec: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    /// Whether these very groups were asked for, whatever the user's are.
    pub(super) groups_asked_for: bool,
    pub(super) home: std::ffi::OsString,
}

impl Credentials {
    /// The user id: real, effective and saved.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group id: real, effective and saved.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The supplementary groups, the primary one among them.
    ///
    /// That one is always there, since a program with the setgid bit could otherwise drop it, and
    /// with it a denial that a file's group permissions mean (CVE-2022-2989 of podman,
    /// CVE-2022-36109 of moby).
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// These, with other supplementary groups.
    pub(crate) fn with_groups(mut self, others: Vec<u32>) -> Self {
        self.groups = vec![self.gid];
        for group in others {
            if !self.groups.contains(&group) {
                self.groups.push(group);
            }
        }
        self.groups_asked_for = true;
        self
    }

    /// Whether these very groups were asked for, whatever the user's are.
    pub(crate) fn groups_asked_for(&self) -> bool {
        self.groups_asked_for
    }

    /// The home directory: that of the passwd entry, `/` without one.
    pub fn home(&self) -> &OsStr {
        &self.home
    }

    /// The spec that these were resolved from, for messages.
    pub fn spec(&self) -> &str {
        &self.spec
    }
}
