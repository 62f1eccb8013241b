//! What an init costs while it only waits: its memory and its wake-ups.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::Duration;

use crate::contestants::{Contestant, Places, command};

/// Measured of one init.
pub struct Idle {
    pub name: String,
    pub ours: bool,
    /// Kilobytes that belong to it alone and were written to (Private_Dirty).
    pub dirty: u64,
    /// Kilobytes of its files that nobody else has mapped (Private_Clean): page cache, which the
    /// next container of the same image shares.
    pub clean: u64,
    /// How often it was woken in `WATCHED`.
    pub wakeups: u64,
}

impl Idle {
    pub fn private(&self) -> u64 {
        self.dirty + self.clean
    }
}

/// Time for what an init still does once after its start.
const SETTLING: Duration = Duration::from_secs(3);

pub const WATCHED: Duration = Duration::from_secs(5);

/// An init over a program that has said that it runs.
pub struct Running {
    pub child: Child,
    pub lines: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `words`, and waits for the first line.
    pub fn start(words: &[String]) -> Self {
        let mut child = command(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        lines.read_line(&mut String::new()).expect("a line");
        Self { child, lines }
    }

    pub fn end(mut self) {
        signal(self.child.id(), libc::SIGTERM);
        let _ = self.child.wait();
    }
}

/// All at once: an idle process disturbs no other. Each from a copy of its file, so that no other
/// process has mapped the same pages, whoever else runs the same program on this machine.
pub fn measure(inits: &[Contestant], places: &Places) -> Vec<Idle> {
    let folder = places.folder.join("idle");
    let running: Vec<(&Contestant, Running)> = inits
        .iter()
        .enumerate()
        .map(|(index, init)| {
            let mut words = init.with(&[places.probe.to_str().expect("UTF-8"), "signals"]);
            let name = Path::new(&words[0]).file_name().expect("a name");
            let copy = folder.join(index.to_string()).join(name);
            copy_to(Path::new(&words[0]), &copy);
            words[0] = copy.display().to_string();
            (init, Running::start(&words))
        })
        .collect();
    thread::sleep(SETTLING);
    let switches = |running: &[(&Contestant, Running)]| -> Vec<Option<u64>> {
        running.iter().map(|(_, running)| switches(running.child.id())).collect()
    };
    let before = switches(&running);
    thread::sleep(WATCHED);
    let after = switches(&running);
    let measured =
        running.iter().zip(before).zip(after).filter_map(|(((init, running), before), after)| {
            let rollup =
                fs::read_to_string(format!("/proc/{}/smaps_rollup", running.child.id())).ok()?;
            let of = |key: &str| {
                let line = rollup.lines().find(|line| line.starts_with(key))?;
                line.split_whitespace().nth(1)?.parse().ok()
            };
            Some(Idle {
                name: init.name.clone(),
                ours: init.ours,
                dirty: of("Private_Dirty:")?,
                clean: of("Private_Clean:")?,
                wakeups: after? - before?,
            })
        });
    let measured = measured.collect();
    running.into_iter().for_each(|(_, running)| running.end());
    let _ = fs::remove_dir_all(&folder);
    measured
}

/// On the disk, too: pages of a file that are not written back count as dirty for whoever maps them.
fn copy_to(file: &Path, copy: &Path) {
    let copied = || {
        fs::create_dir_all(copy.parent().expect("a folder"))?;
        let _ = fs::remove_file(copy);
        fs::copy(file, copy)?;
        File::open(copy)?.sync_all()
    };
    copied().unwrap_or_else(|error| panic!("{}: {error}", copy.display()));
}

fn switches(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Sends a signal by kill(2).
pub fn signal(pid: u32, number: libc::c_int) {
    // SAFETY: two integers.
    unsafe { libc::kill(pid as i32, number) };
}
