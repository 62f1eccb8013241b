//! How fast a signal passes through an init.

use std::io::BufRead;
use std::thread;
use std::time::{Duration, Instant};

use crate::contestants::{Contestant, Places};
use crate::idle::{Running, signal};
use crate::race::{quantile, turn};

/// Microseconds from kill(2) to the line that the probe writes.
pub struct Latency {
    pub name: String,
    pub median: f64,
    pub p99: f64,
    /// That of each of `PARTS`, the same parts for all.
    p99s: Vec<f64>,
}

impl Latency {
    /// Twice the standard error of the difference of two 99th percentiles, from part to part.
    pub fn doubt(&self, other: &Self) -> f64 {
        let differences = self.p99s.iter().zip(&other.p99s).map(|(one, other)| one - other);
        let differences: Vec<f64> = differences.collect();
        let count = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / count;
        let squares = differences.iter().map(|difference| (difference - mean).powi(2));
        2.0 * (squares.sum::<f64>() / (count - 1.0) / count).sqrt()
    }
}

/// So many, each of some starts.
const PARTS: usize = 10;

/// How often all of them are started anew, in another order. On which processor each comes to sit, and its
/// child, stays as it began for as long as they run, and is worth more than what tells them apart: the same
/// program was slower by 5 µs where it was the first to be started.
const STARTS: usize = 80;

/// Time for what an init still does once after its start: a signal comes to one that has waited.
const SETTLING: Duration = Duration::from_millis(1200);

/// All inits stand at once, and are asked in turn.
pub fn latencies(inits: &[Contestant], places: &Places, rounds: usize) -> Vec<Latency> {
    let mut times = vec![Vec::with_capacity(rounds); inits.len()];
    for start in 0..STARTS {
        let order = turn(start, inits.len());
        ask(inits, &order, places, rounds.div_ceil(STARTS), &mut times);
    }
    let results = inits.iter().zip(times);
    let results = results.map(|(init, mut times)| {
        let part = |part: &mut [f64]| {
            part.sort_by(f64::total_cmp);
            quantile(part, 0.99)
        };
        let size = times.len().div_ceil(PARTS);
        let p99s = times.chunks_mut(size).map(part).collect();
        times.sort_by(f64::total_cmp);
        Latency {
            name: init.name.clone(),
            median: quantile(&times, 0.5),
            p99: quantile(&times, 0.99),
            p99s,
        }
    });
    results.collect()
}

fn ask(
    inits: &[Contestant],
    order: &[usize],
    places: &Places,
    rounds: usize,
    times: &mut [Vec<f64>],
) {
    let probe = places.probe.to_str().expect("a path in UTF-8");
    let start = |at: &usize| {
        let init = inits.get(*at)?;
        Some((*at, Running::start(&init.with(&[probe, "signals"]))))
    };
    let mut running: Vec<(usize, Running)> = order.iter().filter_map(start).collect();
    thread::sleep(SETTLING);
    let warm = rounds.div_ceil(20);
    for round in 0..rounds + warm {
        for at in turn(round, running.len()) {
            let Some((init, Running { child, lines })) = running.get_mut(at) else { continue };
            let mut line = String::new();
            let begin = Instant::now();
            signal(child.id(), libc::SIGUSR1);
            lines.read_line(&mut line).expect("the probe's line");
            let time = begin.elapsed().as_secs_f64() * 1e6;
            if let (true, Some(times)) = (round >= warm, times.get_mut(*init)) {
                times.push(time);
            }
        }
    }
    for (_, running) in running {
        running.end();
    }
}
