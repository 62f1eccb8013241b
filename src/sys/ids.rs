//! The process's own identity: user, group and supplementary ids, process group, PID.

use libc::{gid_t, pid_t, uid_t};
use nix::errno::Errno;

use super::check;

/// The caller's user and group: what the parts that a user spec leaves out mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: uid_t,
    pub gid: gid_t,
}

impl Identity {
    /// The real ids of this process.
    pub fn current() -> Self {
        Self { uid: users::get_current_uid(), gid: users::get_current_gid() }
    }
}

/// Real, effective and saved user ids.
pub fn user_ids() -> [uid_t; 3] {
    let mut ids = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: three pointers to uid_t that live through the call.
    unsafe { libc::getresuid(real, effective, saved) };
    ids
}

/// Does `act` with `user` as this thread's real user id.
///
/// The effective one stays, and with it every capability (capabilities(7)). The way back takes none
/// where the real id was the effective or the saved one.
pub fn with_real_user<T>(user: uid_t, act: impl FnOnce() -> T) -> Result<T, Errno> {
    let [before, _, _] = user_ids();
    set_real_user(user)?;
    let result = act();
    set_real_user(before)?;
    Ok(result)
}

fn set_real_user(user: uid_t) -> Result<(), Errno> {
    const UNCHANGED: uid_t = uid_t::MAX;
    // SAFETY: takes three integers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, user, UNCHANGED, UNCHANGED) }).map(drop)
}

/// Real, effective and saved group ids.
pub fn group_ids() -> [gid_t; 3] {
    let mut ids = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: three pointers to gid_t that live through the call.
    unsafe { libc::getresgid(real, effective, saved) };
    ids
}

/// The supplementary groups.
pub fn supplementary_groups() -> Result<Vec<gid_t>, Errno> {
    // SAFETY: with 0 the pointer is not used, and the number of groups is returned.
    let count = check(unsafe { libc::getgroups(0, std::ptr::null_mut()) }.into())?;
    let mut groups = vec![0; count as usize];
    // SAFETY: the buffer has room for as many as we say.
    let count = check(unsafe { libc::getgroups(count as i32, groups.as_mut_ptr()) }.into())?;
    groups.truncate(count as usize);
    Ok(groups)
}

/// Whether execve gave this process ids or powers that its caller does not have (AT_SECURE of
/// getauxval(3)).
pub fn is_privileged_by_exec() -> bool {
    // SAFETY: takes an integer.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// This process working on files as somebody else, until it is dropped.
///
/// By setfsuid(2): permissions, ownership of new files and links planted by that user then mean
/// what they mean for that user, while signals and children stay ours. For a process with one
/// thread.
#[derive(Debug)]
pub struct FilesAs {
    before: Option<(uid_t, gid_t, Vec<gid_t>)>,
}

impl FilesAs {
    /// Nobody else: for where no user is asked for.
    pub fn ourselves() -> Self {
        Self { before: None }
    }

    /// Works on files as this user, if this process is not that one already.
    pub fn user(uid: uid_t, gid: gid_t, groups: &[gid_t]) -> Result<Self, Errno> {
        let ([_, our_uid, _], [_, our_gid, _]) = (user_ids(), group_ids());
        if (our_uid, our_gid) == (uid, gid) {
            return Ok(Self::ourselves());
        }
        let ours = supplementary_groups()?;
        let sorted = |groups: &[gid_t]| {
            let mut groups = groups.to_vec();
            groups.sort_unstable();
            groups
        };
        // Where the kernel denies it (setgroups of user_namespaces(7)), and nothing would change.
        if sorted(&ours) != sorted(groups) {
            set_groups(groups)?;
        }
        let guard = Self { before: Some((our_uid, our_gid, ours)) };
        if !set_file_ids(uid, gid) {
            // Dropping it restores what was.
            return Err(Errno::EPERM);
        }
        Ok(guard)
    }
}

impl Drop for FilesAs {
    fn drop(&mut self) {
        if let Some((uid, gid, groups)) = self.before.take() {
            // What was ours may always be taken back: the effective ids have not changed.
            set_file_ids(uid, gid);
            if supplementary_groups().is_ok_and(|now| now != groups) {
                let _ = set_groups(&groups);
            }
        }
    }
}

fn set_groups(groups: &[gid_t]) -> Result<(), Errno> {
    // SAFETY: the pointer is to as many gids as we say.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// The group first, while we may; whether both are as asked now.
fn set_file_ids(uid: uid_t, gid: gid_t) -> bool {
    let (uid, gid) = (nix::unistd::Uid::from_raw(uid), nix::unistd::Gid::from_raw(gid));
    nix::unistd::setfsgid(gid);
    nix::unistd::setfsuid(uid);
    // The result is the id before the call, so a second one tells whether the first took effect.
    nix::unistd::setfsgid(gid) == gid && nix::unistd::setfsuid(uid) == uid
}

/// getpid(2).
pub fn pid() -> pid_t {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getpid() }
}

/// getppid(2): 0 where the parent is in another PID namespace.
pub fn parent() -> pid_t {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getppid() }
}

/// Whether this process leads its session (getsid(2)).
pub fn leads_session() -> bool {
    // SAFETY: takes an integer.
    unsafe { libc::getsid(0) == libc::getpid() }
}

/// getpgrp(2).
pub fn process_group() -> pid_t {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getpgrp() }
}

/// getpgid(2) of another process.
pub fn process_group_of(pid: pid_t) -> Option<pid_t> {
    // SAFETY: takes an integer.
    check(unsafe { libc::getpgid(pid) }.into()).ok().map(|group| group as pid_t)
}

/// Whether the orphans among our descendants come to us (PR_GET_CHILD_SUBREAPER).
pub fn is_subreaper() -> bool {
    nix::sys::prctl::get_child_subreaper().unwrap_or(false)
}

/// Adopts the orphans among our descendants, as PID 1 does by nature (PR_SET_CHILD_SUBREAPER).
pub fn set_subreaper(on: bool) -> Result<(), Errno> {
    nix::sys::prctl::set_child_subreaper(on)
}

/// From here on execve gives no privileges: no setuid bits, no file capabilities
/// (PR_SET_NO_NEW_PRIVS(2const)).
pub fn set_no_new_privileges() -> Result<(), Errno> {
    nix::sys::prctl::set_no_new_privs()
}
