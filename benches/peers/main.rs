//! Races pydexec against the tools that it replaces, on this machine, in one run.
//!
//! The machines are noisy and only ratios within one run hold: so every contestant of a race runs
//! in turn, hundreds of rounds, and is told as a ratio to the barest exec of the same target. The figures
//! go to a JSON file, tables in README.md and benches/README.md and an SVG, all by this program.

mod contestants;
mod entrypoint;
mod goals;
mod idle;
mod orphans;
mod race;
mod report;
mod requirements;
mod signals;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use contestants::{Contestant, Places};

/// Fewer are for a quick look, with a shorter stream of orphans too.
const ROUNDS: usize = 500;

/// What can be asked for alone, by its name: then nothing is written.
const PARTS: [&str; 4] = ["races", "idle", "signals", "orphans"];

fn main() -> ExitCode {
    // `cargo bench` adds --bench; a number is how many rounds.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let (numbers, parts): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.parse::<usize>().is_ok());
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        eprintln!("there is no part {unknown:?} of it, only {}", PARTS.join(", "));
        return ExitCode::FAILURE;
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    let rounds = numbers.first().and_then(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let Some(folder) = env::var_os("PYDEXEC_BENCH").map(PathBuf::from) else {
        eprintln!("PYDEXEC_BENCH is not set: run me by `make bench`, or below benches/prepare");
        return ExitCode::FAILURE;
    };
    let places = Places::new(folder);
    let mut report = report::Report::default();
    if wanted("races") {
        let races = [
            Some(contestants::switches(&places)),
            Some(contestants::starts(&places)),
            Some(entrypoint::race(&places)),
            requirements::race(&places),
        ];
        for race in races.into_iter().flatten() {
            report.race(race::run(race, rounds));
        }
    }
    let inits = contestants::inits(&places);
    if wanted("idle") {
        report.idle(idle::measure(&contestants::idlers(&places), &places));
    }
    if wanted("signals") {
        // A 99th percentile is that of the few slowest: of 40,000 it was off by 1 % on a quiet machine, which
        // is more than tells the inits apart.
        let signals = rounds * 320;
        report.signals(signals::latencies(&inits, &places, signals), signals);
    }
    if wanted("orphans") {
        let of_each_kind = |init: &&Contestant| init.name != "tini" && init.name != "dumb-init";
        let inits: Vec<Contestant> = inits.iter().filter(of_each_kind).cloned().collect();
        let crowds = (rounds / 3).max(1);
        report.crowds(orphans::crowds(&inits, &places, crowds), crowds);
        let (count, seconds) = if rounds < ROUNDS { (10_000, 6) } else { (100_000, 60) };
        report.streams(orphans::streams(&inits, &places, count, seconds), count, seconds);
    }
    if !parts.is_empty() {
        return ExitCode::SUCCESS;
    }
    report.sizes(contestants::sizes(&places));
    match report.write(&places) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the figures: {error}");
            ExitCode::FAILURE
        }
    }
}
