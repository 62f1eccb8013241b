//! How fast a signal passes through an init, and how fast orphans are reaped.

use std::fs;
use std::io::{BufRead, Read};
use std::time::Instant;

use crate::contestants::{Contestant, Places};
use crate::idle::{signal, start};
use crate::race::quantile;

/// Microseconds from kill(2) to the line that the probe writes.
pub struct Latency {
    pub name: String,
    pub median: f64,
    pub p99: f64,
}

/// All inits stand at once, and are asked in turn.
pub fn latencies(inits: &[Contestant], places: &Places, rounds: usize) -> Vec<Latency> {
    let mut running: Vec<_> = inits
        .iter()
        .map(|init| (init, start(init, places, &["signals"]), Vec::with_capacity(rounds)))
        .collect();
    for round in 0..rounds + 20 {
        for (_, (child, lines), times) in &mut running {
            let mut line = String::new();
            let begin = Instant::now();
            signal(child.id(), "USR1");
            lines.read_line(&mut line).expect("the probe's line");
            if round >= 20 {
                times.push(begin.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    running
        .into_iter()
        .map(|(init, (mut child, _), mut times)| {
            signal(child.id(), "TERM");
            let _ = child.wait();
            times.sort_by(f64::total_cmp);
            Latency {
                name: init.name.clone(),
                median: quantile(&times, 0.5),
                p99: quantile(&times, 0.99),
            }
        })
        .collect()
}

/// Milliseconds from the word that the orphans were made until none of them is left.
pub struct Orphans {
    pub name: String,
    pub milliseconds: f64,
    pub zombies: usize,
}

const ORPHANS: &str = "1000";
const ROUNDS: usize = 7;

pub fn orphans(inits: &[Contestant], places: &Places) -> Vec<Orphans> {
    // dumb-init is no subreaper: the orphans of this race go to the machine's init there.
    let inits: Vec<_> = inits.iter().filter(|init| !init.name.contains("dumb-init")).collect();
    let mut times = vec![Vec::new(); inits.len()];
    let mut zombies = vec![0; inits.len()];
    for _ in 0..ROUNDS {
        for (index, init) in inits.iter().enumerate() {
            let begin = Instant::now();
            let (mut child, mut lines) = start(init, places, &["orphans", ORPHANS]);
            while children(child.id()) > 1 {
                std::thread::yield_now();
            }
            times[index].push(begin.elapsed().as_secs_f64() * 1e3);
            signal(child.id(), "TERM");
            let _ = lines.read_to_end(&mut Vec::new());
            zombies[index] += children(child.id()).saturating_sub(1);
            let _ = child.wait();
        }
    }
    inits
        .iter()
        .zip(times)
        .zip(zombies)
        .map(|((init, mut times), zombies)| {
            times.sort_by(f64::total_cmp);
            Orphans { name: init.name.clone(), milliseconds: quantile(&times, 0.5), zombies }
        })
        .collect()
}

/// How many children a process has, zombies among them.
fn children(pid: u32) -> usize {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .map_or(0, |list| list.split_whitespace().count())
}
