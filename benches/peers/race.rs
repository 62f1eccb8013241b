//! One race: everybody in turn, round after round.

use std::process::Stdio;
use std::time::Instant;

use crate::contestants::{Contestant, command};

/// What came of one contestant.
pub struct Result {
    pub contestant: Contestant,
    /// Microseconds from the start to the end of the process, one for each round, sorted.
    pub times: Vec<f64>,
    /// The median of its ratio to the first contestant in the same round.
    pub ratio: f64,
}

impl Result {
    /// The given part (0.5 is the median) of the times.
    pub fn quantile(&self, part: f64) -> f64 {
        quantile(&self.times, part)
    }
}

/// The value below which the given part of the sorted values lies.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Runs `rounds` rounds after a tenth of that to warm up.
pub fn run(contestants: &[Contestant], rounds: usize) -> Vec<Result> {
    let mut times = vec![Vec::with_capacity(rounds); contestants.len()];
    for round in 0..rounds + rounds / 10 {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let time = once(contestant);
            if round >= rounds / 10 {
                times.push(time);
            }
        }
    }
    let bare = times.first().cloned().unwrap_or_default();
    contestants
        .iter()
        .zip(times)
        .map(|(contestant, mut times)| {
            let mut ratios: Vec<f64> =
                times.iter().zip(&bare).map(|(one, bare)| one / bare).collect();
            ratios.sort_by(f64::total_cmp);
            times.sort_by(f64::total_cmp);
            Result { contestant: contestant.clone(), times, ratio: quantile(&ratios, 0.5) }
        })
        .collect()
}

fn once(contestant: &Contestant) -> f64 {
    let (program, arguments) = contestant.words.split_first().expect("a program");
    let mut process = command(program);
    process.args(arguments).stdin(Stdio::null());
    let start = Instant::now();
    let status = process.status().unwrap_or_else(|error| panic!("{program}: {error}"));
    let time = start.elapsed().as_secs_f64() * 1e6;
    assert!(status.success(), "{} ended with {status}", contestant.name);
    time
}
