//! Races pydexec against the tools that it replaces, on this machine, in one run.
//!
//! The machines are noisy and only ratios within one run hold: so every contestant of a race runs
//! in turn (A B C A B C …), hundreds of rounds, and is told as a ratio to the barest exec of the same
//! target. The figures go to a JSON file, a table in the README and an SVG, all by this program.

mod contestants;
mod idle;
mod race;
mod report;
mod signals;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use contestants::Places;

fn main() -> ExitCode {
    // `cargo bench` adds --bench; a number is how many rounds.
    let rounds = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(300);
    let Some(folder) = env::var_os("PYDEXEC_BENCH").map(PathBuf::from) else {
        eprintln!("PYDEXEC_BENCH is not set: run me by `make bench`, or below benches/prepare");
        return ExitCode::FAILURE;
    };
    let places = Places::new(folder);
    let mut report = report::Report::new(rounds);
    for (title, contestants) in contestants::races(&places) {
        report.race(title, race::run(&contestants, rounds));
    }
    let inits = contestants::inits(&places);
    report.idle(inits.iter().filter_map(|init| idle::measure(init, &places)).collect());
    report.signals(signals::latencies(&inits, &places, rounds * 5));
    report.orphans(signals::orphans(&inits, &places));
    report.sizes(contestants::sizes(&places));
    match report.write(&places) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the figures: {error}");
            ExitCode::FAILURE
        }
    }
}
