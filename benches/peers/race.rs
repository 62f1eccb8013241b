//! One race: everybody in turn, round after round, and nobody always behind the same neighbour.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use crate::contestants::{Contestant, command};

/// A race to be run.
pub struct Race {
    pub title: &'static str,
    /// The barest exec first: what ratios are told to.
    pub contestants: Vec<Contestant>,
    /// Whether it is in the picture; where one takes a thousand times as long, nothing is to be seen.
    pub drawn: bool,
}

/// A race that was run.
pub struct Finished {
    pub title: &'static str,
    pub drawn: bool,
    pub rounds: usize,
    pub results: Vec<Result>,
}

/// What came of one contestant.
pub struct Result {
    pub contestant: Contestant,
    /// Microseconds from the start to the end of the process, for each round that it ran in.
    by_round: Vec<Option<f64>>,
    /// The same, sorted.
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

impl Finished {
    pub fn find(&self, name: &str) -> Option<&Result> {
        self.results.iter().find(|result| result.contestant.name == name)
    }

    /// The median of something told of two contestants in the same round, if both are here.
    pub fn compare(&self, one: &str, other: &str, tell: fn(f64, f64) -> f64) -> Option<f64> {
        Some(paired(&self.find(one)?.by_round, &self.find(other)?.by_round, tell))
    }
}

/// The value below which the given part of the sorted values lies.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

fn paired(one: &[Option<f64>], other: &[Option<f64>], tell: fn(f64, f64) -> f64) -> f64 {
    let rounds = one.iter().zip(other);
    let mut told: Vec<f64> =
        rounds.filter_map(|(one, other)| Some(tell((*one)?, (*other)?))).collect();
    told.sort_by(f64::total_cmp);
    quantile(&told, 0.5)
}

/// Runs `rounds` rounds after a tenth of that to warm up.
pub fn run(race: Race, rounds: usize) -> Finished {
    let Race { title, contestants, drawn } = race;
    let mut times = vec![Vec::with_capacity(rounds); contestants.len()];
    let warm = rounds.div_ceil(10);
    for round in 0..rounds + warm {
        for at in turn(round, contestants.len()) {
            let (Some(contestant), Some(times)) = (contestants.get(at), times.get_mut(at)) else {
                continue;
            };
            let takes_part = round % contestant.every == 0;
            let time = takes_part.then(|| once(contestant));
            if round >= warm {
                times.push(time);
            }
        }
    }
    let bare = times.first().cloned().unwrap_or_default();
    let results = contestants.into_iter().zip(times);
    let results = results.map(|(contestant, by_round)| {
        let ratio = paired(&by_round, &bare, |one, bare| one / bare);
        let mut times: Vec<f64> = by_round.iter().copied().flatten().collect();
        times.sort_by(f64::total_cmp);
        Result { contestant, by_round, times, ratio }
    });
    Finished { title, drawn, rounds, results: results.collect() }
}

/// The order of a round of `count`, such that over the rounds everybody runs behind everybody else equally
/// often: a design balanced for carry-over (E. J. Williams, 1949). Who ran before matters: what it leaves
/// in the caches, and to be done on the other processor.
pub fn turn(round: usize, count: usize) -> Vec<usize> {
    let zigzag = (0..count).map(|at| if at % 2 == 0 { at / 2 } else { count - at.div_ceil(2) });
    let mut order: Vec<usize> = zigzag.map(|at| (at + round) % count).collect();
    // Of an odd number, every other such square has to be run backwards.
    if count % 2 == 1 && (round / count) % 2 == 1 {
        order.reverse();
    }
    order
}

fn once(contestant: &Contestant) -> f64 {
    if let Some(file) = &contestant.fresh {
        let _ = fs::remove_file(file);
    }
    let (program, arguments) = contestant.words.split_first().expect("a program");
    let mut process = command(program);
    process.args(arguments).envs(contestant.variables.iter().cloned()).stdin(Stdio::null());
    let start = Instant::now();
    let status = process.status().unwrap_or_else(|error| panic!("{program}: {error}"));
    let time = start.elapsed().as_secs_f64() * 1e6;
    assert!(status.success(), "{} ended with {status}", contestant.name);
    time
}
