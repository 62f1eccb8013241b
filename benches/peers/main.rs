//! Races pydexec against the tools that it replaces, on this machine, in one run.
//!
//! The machines are noisy and only ratios within one run hold: so every contestant of a race runs
//! in turn (A B C A B C …), hundreds of rounds, and is told as a ratio to the barest exec of the same
//! target. The figures go to a JSON file, tables in README.md and benches/README.md and an SVG, all by
//! this program.

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

fn main() -> ExitCode {
    // `cargo bench` adds --bench; a number is how many rounds.
    let rounds = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let Some(folder) = env::var_os("PYDEXEC_BENCH").map(PathBuf::from) else {
        eprintln!("PYDEXEC_BENCH is not set: run me by `make bench`, or below benches/prepare");
        return ExitCode::FAILURE;
    };
    let places = Places::new(folder);
    let mut report = report::Report::default();
    let races = [
        Some(contestants::switches(&places)),
        Some(contestants::starts(&places)),
        Some(entrypoint::race(&places)),
        requirements::race(&places),
    ];
    for race in races.into_iter().flatten() {
        report.race(race::run(race, rounds));
    }
    let inits = contestants::inits(&places);
    report.idle(idle::measure(&inits, &places));
    // A 99th percentile is that of the few slowest.
    let signals = rounds * 20;
    report.signals(signals::latencies(&inits, &places, signals), signals);
    let of_each_kind = |init: &Contestant| init.name != "tini" && init.name != "dumb-init";
    let inits: Vec<Contestant> = inits.into_iter().filter(of_each_kind).collect();
    report.crowds(orphans::crowds(&inits, &places));
    let (count, seconds) = if rounds < ROUNDS { (10_000, 6) } else { (100_000, 60) };
    report.streams(orphans::streams(&inits, &places, count, seconds), count, seconds);
    report.sizes(contestants::sizes(&places));
    match report.write(&places) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the figures: {error}");
            ExitCode::FAILURE
        }
    }
}
