//! One table of cases, run against the tools of Debian's packages and against ours by their names.
//!
//! ```text
//! tests/prepare cargo test --test parity               all of it
//! tests/prepare cargo test --test parity -- dumb-init  the cases with that in their name
//! ```
//!
//! A case is something to do with a tool, and what is seen then, as text. Both columns are printed;
//! that they differ is a failure, unless the case is listed in [`differences`] with the reason and
//! with what ours does. A listed case in which they no longer differ is a failure too.
//!
//! It has a harness of its own, because cargo's shows nothing of what passes.

#[path = "../support/mod.rs"]
mod support;

mod case;
mod codes;
mod differences;
mod early;
mod messages;
mod process;
mod signals;
mod terminals;
mod users;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use case::{Against, Case, Tool};
use support::{Scratch, binary, kernel};

/// How many cases run at once: they wait more than they work.
const WORKERS: usize = 4;

/// Every name that ours is installed under.
const NAMES: [&str; 8] =
    ["tini", "tini-static", "docker-init", "dumb-init", "catatonit", "gosu", "su-exec", "pysu"];

fn main() -> ExitCode {
    let filters = filters(std::env::args().skip(1));
    let mut cases: Vec<Case> = [
        messages::cases(),
        codes::cases(),
        signals::cases(),
        process::cases(),
        terminals::cases(),
        users::cases(),
        early::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let all: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    cases.retain(|case| {
        filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter))
    });
    if std::env::args().any(|argument| argument == "--list") {
        cases.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    if let Some(why) = missing() {
        println!("the parity suite did not run: {why}");
        return if std::env::var("CI").as_deref() == Ok("true") {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    let mut faults = Vec::new();
    if !kernel::is_root() {
        let before = cases.len();
        cases.retain(|case| !case.root);
        let left_out = format!("{} cases are left out: only root can", before - cases.len());
        println!("{left_out}");
        faults.extend((std::env::var("CI").as_deref() == Ok("true")).then_some(left_out));
    }
    // A failed observation is a row of the table, and tells its reason there.
    panic::set_hook(Box::new(|_| {}));

    let scratch = Scratch::new();
    for name in NAMES {
        symlink(binary(), scratch.at(name)).expect("a link can be made");
    }
    let began = Instant::now();
    let rows = run(&cases, &Binaries { peers: peers(), ours: scratch.path().to_owned() });
    faults.extend(rows.iter().filter_map(|row| row.fault.clone()));
    faults.extend(differences::unused(&all));
    print(&rows);
    println!(
        "\n{} cases in {:.1} s, {} listed differences, {} faults",
        rows.len(),
        began.elapsed().as_secs_f64(),
        rows.iter().filter(|row| row.mark == '≠').count(),
        faults.len(),
    );
    for fault in &faults {
        println!("\nFAULT {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The words that are no options: parts of names. Options are those of the usual harness, and mean
/// nothing here, but some have a value.
fn filters(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut filters = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test-threads" | "--skip" | "--color" | "--format" | "--logfile" => {
                arguments.next();
            }
            option if option.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    filters
}

/// Why nothing can be compared here.
fn missing() -> Option<String> {
    if std::env::var_os("PYDEXEC_PEERS").is_none() {
        let why = std::env::var("PYDEXEC_NO_PEERS");
        return Some(why.unwrap_or_else(|_| {
            "PYDEXEC_PEERS names no directory with the originals: run it by `make test`".to_owned()
        }));
    }
    support::system::no_namespaces()
}

fn peers() -> PathBuf {
    std::env::var_os("PYDEXEC_PEERS").map(PathBuf::from).unwrap_or_default()
}

/// Where the tools are.
struct Binaries {
    peers: PathBuf,
    ours: PathBuf,
}

/// A line of the table.
struct Row {
    name: String,
    original: String,
    ours: String,
    /// `=`, `≠` for a listed difference, `!` for a fault.
    mark: char,
    fault: Option<String>,
    took: Duration,
}

fn run(cases: &[Case], binaries: &Binaries) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((index, case)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|at| Some((at, cases.get(at)?)))
                {
                    let row = compare(case, binaries);
                    rows.lock().expect("no row panics").insert(index, row);
                }
            });
        }
    });
    rows.into_inner().expect("no row panics").into_values().collect()
}

fn compare(case: &Case, binaries: &Binaries) -> Row {
    let began = Instant::now();
    let ours = observe(case, &Tool::new(&binaries.ours, case.tool));
    let original = match &case.against {
        Against::Original(name) => observe(case, &Tool::new(&binaries.peers, name)),
        Against::Described(text) => text.clone(),
    };
    let name = case.name.clone();
    let known = differences::of(&name);
    let (mark, fault) = match known {
        None if ours == original => ('=', None),
        None => ('!', Some(format!("{name}\n--- original:\n{original}\n--- ours:\n{ours}"))),
        Some(known) if !known.allows(&ours) => {
            let why = format!(
                "{name} ({})\n--- ours should be:\n{}\n--- ours:\n{ours}",
                known.reason, known.ours
            );
            ('!', Some(why))
        }
        Some(known) if ours == original && known.always => {
            ('!', Some(format!("{name} is listed and does not differ: {}\n{ours}", known.reason)))
        }
        Some(_) if ours == original => ('=', None),
        Some(_) => ('≠', None),
    };
    Row { name, original, ours, mark, fault, took: began.elapsed() }
}

fn observe(case: &Case, tool: &Tool) -> String {
    let seen = panic::catch_unwind(AssertUnwindSafe(|| (case.observe)(tool)));
    seen.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("failed: {}", text.unwrap_or_default())
    })
}

fn print(rows: &[Row]) {
    println!("   {:56} {:42} ours", "case", "original");
    for row in rows {
        let slow = if row.took > Duration::from_secs(2) {
            format!("  ({:.1} s)", row.took.as_secs_f64())
        } else {
            String::new()
        };
        let (original, ours) = (short(&row.original), short(&row.ours));
        println!("{}  {:56} {original:42} {ours}{slow}", row.mark, row.name);
        if let Some(known) = differences::of(&row.name) {
            println!("   {:56} {}", "", known.reason);
        }
    }
}

/// One line of it, so short that two fit side by side.
fn short(text: &str) -> String {
    let line = text.trim_end().replace('\n', " | ");
    match line.char_indices().nth(39) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
