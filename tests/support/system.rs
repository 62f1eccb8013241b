//! What the kernel says of a process, and a directory that a test has for itself.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Exit, probe, program};

/// A process, by its PID on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub i32);

impl Process {
    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// A line of its status file, in words.
    #[track_caller]
    pub fn status(self, key: &str) -> String {
        self.try_status(key).unwrap_or_else(|| panic!("{self:?} has no {key} in its status"))
    }

    pub fn try_status(self, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.file("status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A signal set of its status file: SigBlk, SigIgn, SigCgt, SigPnd.
    #[track_caller]
    pub fn signals(self, key: &str) -> u64 {
        u64::from_str_radix(&self.status(key), 16).expect("the kernel writes hexadecimal numbers")
    }

    pub fn children(self) -> Vec<Process> {
        let text = fs::read_to_string(self.file(&format!("task/{}/children", self.0)));
        let text = text.unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Process).collect()
    }

    /// Its open descriptors, and what each is.
    pub fn descriptors(self) -> BTreeMap<i32, String> {
        let entries = fs::read_dir(self.file("fd")).into_iter().flatten().flatten();
        let name = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        entries
            .filter_map(|entry| {
                let what = fs::read_link(entry.path()).ok()?;
                Some((name(&entry)?, what.to_string_lossy().into_owned()))
            })
            .collect()
    }

    pub fn directory(self) -> Option<PathBuf> {
        fs::read_link(self.file("cwd")).ok()
    }

    /// The first argument.
    pub fn name(self) -> String {
        let text = fs::read(self.file("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default()).into()
    }

    /// `State:` in one letter: R, S, T, Z…
    pub fn state(self) -> char {
        self.try_status("State").and_then(|state| state.chars().next()).unwrap_or('-')
    }

    /// The foreground group of its terminal.
    #[track_caller]
    pub fn foreground(self) -> i32 {
        let text = fs::read_to_string(self.file("stat")).expect("it can be read");
        // The name may have anything in it; after it: state, ppid, pgrp, session, tty, tpgid.
        let fields = text.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
        let field = fields.and_then(|mut fields| fields.nth(5)?.parse().ok());
        field.expect("the sixth field is a number")
    }

    /// The sum of these lines of smaps_rollup, in kB.
    #[track_caller]
    pub fn memory(self, keys: &[&str]) -> u64 {
        let text = fs::read_to_string(self.file("smaps_rollup")).expect("it can be read");
        let value = |line: &str| {
            let (key, value) = line.split_once(':')?;
            keys.contains(&key).then(|| value.split_whitespace().next()?.parse::<u64>().ok())?
        };
        text.lines().filter_map(value).sum()
    }

    /// Whether it waits for a signal, which the kernel shows as not blocked meanwhile.
    pub fn waits_for_a_signal(self) -> bool {
        self.waits().is_some()
    }

    /// Whether it does so without a timeout. An init comes to that once what its start has used of memory
    /// is given back, a second after it.
    pub fn waits_for_ever(self) -> bool {
        self.waits().is_some_and(|timeout| timeout == "0x0")
    }

    /// The pointer to the timeout of rt_sigtimedwait, if it is in that.
    fn waits(self) -> Option<String> {
        let text = fs::read_to_string(self.file("syscall")).expect("it can be read");
        let words: Vec<&str> = text.split_whitespace().collect();
        // Otherwise it is `running`, or no system call that it waits in.
        let [call, _, _, timeout, ..] = words[..] else { return None };
        (call.parse() == Ok(libc::SYS_rt_sigtimedwait)).then(|| timeout.to_owned())
    }
}

/// See `Running::table`: the PID in the namespace, and `STATE NAME`.
pub fn table(process: Process, keeper: bool) -> BTreeMap<i32, String> {
    // Its own /proc, through its root: there only its namespace is.
    let Ok(entries) = fs::read_dir(process.file("root/proc")) else {
        return BTreeMap::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut table = BTreeMap::new();
    for pid in pids.filter(|pid: &i32| !(keeper && *pid == 1)) {
        let status = fs::read_to_string(process.file(&format!("root/proc/{pid}/status")));
        let Ok(status) = status else { continue };
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default().trim().to_owned()
        };
        let state = value("State:").chars().next().unwrap_or('-');
        table.insert(pid, format!("{state} {}", value("Name:")));
    }
    table
}

/// Why no namespaces can be made here, if none can. Found out once, by making some.
pub fn no_namespaces() -> Option<String> {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    WHY.get_or_init(|| match program(probe(), &["exit", "0"]).as_pid1().try_start() {
        Ok(mut run) => {
            assert_eq!(run.end(), Exit::Code(0), "the probe runs in a namespace");
            None
        }
        Err(error) => Some(format!("no PID namespace can be made here: {error}")),
    })
    .clone()
}

/// Held while a program's file is written, and shared while a process is made: a child that was
/// forked in between would hold the file open for writing, and nobody could execute it (ETXTBSY).
static WRITING: RwLock<()> = RwLock::new(());

pub fn forking() -> RwLockReadGuard<'static, ()> {
    WRITING.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing() -> RwLockWriteGuard<'static, ()> {
    WRITING.write().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of the test's own, which goes with the value. Anybody may look into it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pydexec-test-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory of that name cannot be there");
        mode(&directory, 0o755);
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path below it.
    pub fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// A file below it.
    #[track_caller]
    pub fn file(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.at(name);
        fs::write(&file, text).expect("the file can be written");
        file
    }

    /// A directory below it.
    #[track_caller]
    pub fn directory(&self, name: impl AsRef<Path>) -> PathBuf {
        let directory = self.at(name);
        fs::create_dir_all(&directory).expect("the directory can be made");
        directory
    }

    /// A program below it.
    #[track_caller]
    pub fn executable(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let _alone = writing();
        let file = self.file(name, text);
        mode(&file, 0o755);
        file
    }

    /// The probe below it, by another name.
    #[track_caller]
    pub fn probe(&self, name: impl AsRef<Path>) -> PathBuf {
        self.copy(probe(), name)
    }

    /// A program below it, copied from elsewhere.
    #[track_caller]
    pub fn copy(&self, from: impl AsRef<Path>, name: impl AsRef<Path>) -> PathBuf {
        let _alone = writing();
        let file = self.at(name);
        fs::copy(from, &file).expect("the program can be copied");
        mode(&file, 0o755);
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// chmod(1).
#[track_caller]
pub fn mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).expect("its owner may change it");
}
