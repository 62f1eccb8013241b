//! How orphans are reaped: a thousand that end at once, and a hundred thousand over a minute.
//!
//! Each init is PID 1 of a PID namespace of its own (dumb-init gets no orphans otherwise), and is
//! looked at from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::contestants::{Contestant, Places, command};
use crate::idle::signal;
use crate::race::{quantile, turn};

/// A thousand at once.
pub struct Crowd {
    pub name: String,
    /// Milliseconds from the word that they end until the last one is reaped.
    pub milliseconds: f64,
    /// Milliseconds of the init's own time.
    pub cpu: f64,
}

/// Many over a while.
pub struct Stream {
    pub name: String,
    /// Milliseconds of the init's own time.
    pub cpu: f64,
    /// The most zombies that were there in the same moment.
    pub most: usize,
    /// Those that were there a second after the last one was made.
    pub left: usize,
}

/// An init in a namespace of its own. `unshare` stays above it and ends with it.
struct Space {
    unshare: Child,
    lines: BufReader<ChildStdout>,
    /// As it is called outside.
    init: u32,
}

impl Space {
    /// `None` where this user may not make namespaces.
    fn start(init: &Contestant, target: &[&str]) -> Option<Self> {
        let mut unshare = command("/usr/bin/unshare")
            .args(["--pid", "--fork", "--kill-child"])
            .args(init.with(target))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(unshare.stdout.take()?);
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        match children(unshare.id()).first() {
            Some(init) if !line.is_empty() => Some(Self { init: *init, unshare, lines }),
            _ => {
                let _ = unshare.wait();
                None
            }
        }
    }

    /// The program that makes the orphans: the first child.
    fn program(&self) -> u32 {
        children(self.init).first().copied().unwrap_or(self.init)
    }

    /// Milliseconds that the init has run for.
    fn cpu(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.init)).unwrap_or_default();
        let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds / 1e6)
    }

    fn end(mut self) {
        // With PID 1 ends all that is in its namespace.
        signal(self.init, libc::SIGKILL);
        let _ = self.unshare.wait();
    }
}

const CROWD: usize = 1000;

/// How long nobody looks whether the last one is reaped. A longer look or one without a pause takes a
/// processor from those that end.
const GLANCE: Duration = Duration::from_micros(100);

/// As many as may begin elsewhere on the machine meanwhile, for the list of children to be looked at.
const OTHERS: usize = 16;

/// After which it is looked at in any case.
const BLIND: Duration = Duration::from_secs(1);

/// All processes and threads of the machine: a counter of the kernel's (proc_loadavg(5)). The list of
/// children is made under the lock that each end of a process takes, so that reading it again and again
/// would be most of what is timed.
fn tasks() -> usize {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let number = text.split('/').nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// In turn. Many rounds are wanted: what is timed is mostly the end of a thousand processes, which takes
/// from 25 to 45 ms whoever their init is, and thirty rounds did not tell 3 % apart.
pub fn crowds(inits: &[Contestant], places: &Places, rounds: usize) -> Vec<Crowd> {
    let (probe, crowd) = (places.probe.to_str().expect("a path in UTF-8"), CROWD.to_string());
    let mut results: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); inits.len()];
    for round in 0..rounds {
        for at in turn(round, inits.len()) {
            let (Some(init), Some((times, cpu))) = (inits.get(at), results.get_mut(at)) else {
                continue;
            };
            let Some(space) = Space::start(init, &[probe, "crowd", &crowd]) else {
                eprintln!("no PID namespace for {}: orphans are left out", init.name);
                return Vec::new();
            };
            let before = space.cpu();
            let program = space.program();
            let all = tasks();
            let begin = Instant::now();
            signal(program, libc::SIGUSR1);
            let most = (all + OTHERS).saturating_sub(CROWD);
            while (tasks() > most && begin.elapsed() < BLIND) || children(space.init).len() > 1 {
                thread::sleep(GLANCE);
            }
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            cpu.push(space.cpu() - before);
            space.end();
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        quantile(&values, 0.5)
    };
    let results = inits.iter().zip(results);
    let results = results.map(|(init, (times, cpu))| Crowd {
        name: init.name.clone(),
        milliseconds: median(times),
        cpu: median(cpu),
    });
    results.collect()
}

/// In so many parts, with the inits started anew in another order: what one stream does in each hundredth of
/// a second keeps its distance from what the others do as long as they run, and whoever meets another on
/// the processor pays for it. The same binary took 325 and 347 ms in one run.
const PARTS: usize = 6;

/// At the same time, so that they share the noise.
pub fn streams(inits: &[Contestant], places: &Places, count: usize, seconds: usize) -> Vec<Stream> {
    let program = places.folder.join("orphans").display().to_string();
    let (count, seconds) = ((count / PARTS).to_string(), (seconds / PARTS).to_string());
    let target = [program.as_str(), &count, &seconds];
    let mut all: Vec<Stream> = inits
        .iter()
        .map(|init| Stream { name: init.name.clone(), cpu: 0.0, most: 0, left: 0 })
        .collect();
    for part in 0..PARTS {
        let start = |at: usize| Some((at, Space::start(inits.get(at)?, &target)?));
        let spaces: Vec<_> = turn(part, inits.len()).into_iter().filter_map(start).collect();
        let watched: Vec<_> = thread::scope(|scope| {
            let watch = |(at, space)| (at, scope.spawn(|| watch(space)));
            let watched: Vec<_> = spaces.into_iter().map(watch).collect();
            let join = |(at, watched): (usize, thread::ScopedJoinHandle<'_, _>)| {
                (at, watched.join().expect("a watched init"))
            };
            watched.into_iter().map(join).collect()
        });
        for (at, (cpu, most, left)) in watched {
            if let Some(stream) = all.get_mut(at) {
                stream.cpu += cpu;
                stream.most = stream.most.max(most);
                stream.left += left;
            }
        }
    }
    all.retain(|stream| stream.cpu > 0.0);
    all
}

/// Until the line that says that all of them are made: milliseconds of the init's own time, the most zombies
/// at once, and those that were left.
fn watch(mut space: Space) -> (f64, usize, usize) {
    let (pid, before) = (space.init, space.cpu());
    let most = thread::scope(|scope| {
        let made = scope.spawn(|| space.lines.read_line(&mut String::new()));
        let mut most = 0;
        while !made.is_finished() {
            most = most.max(zombies(pid));
            thread::sleep(Duration::from_millis(3));
        }
        most
    });
    thread::sleep(Duration::from_secs(1));
    let (cpu, left) = (space.cpu() - before, zombies(pid));
    space.end();
    (cpu, most, left)
}

/// The children of a process, zombies among them.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// How many of its children have ended and were not waited for.
fn zombies(pid: u32) -> usize {
    let is_zombie = |child: &u32| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    };
    // The first is the program that makes them.
    children(pid).iter().skip(1).filter(|child| is_zombie(child)).count()
}
