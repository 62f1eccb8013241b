//! The figures as JSON, as the README's table and as a picture.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::contestants::Places;
use crate::goals::{Goal, goals};
use crate::idle::{self, Idle};
use crate::orphans::{Crowd, Stream};
use crate::race::{self, Finished};
use crate::signals::Latency;

const README: (&str, &str) = ("<!-- figures of make bench -->", "<!-- end of the figures -->");
const GOALS: (&str, &str) = ("<!-- goals of make bench -->", "<!-- end of the goals -->");

/// All that was measured.
#[derive(Default)]
pub struct Report {
    pub races: Vec<Finished>,
    pub idle: Vec<Idle>,
    pub latencies: Vec<Latency>,
    pub crowds: Vec<Crowd>,
    pub streams: Vec<Stream>,
    pub sizes: Vec<(String, u64)>,
    signal_rounds: usize,
    crowd_rounds: usize,
    /// How many orphans, over how many seconds.
    stream: (usize, usize),
}

impl Report {
    pub fn race(&mut self, race: Finished) {
        println!("\n{} ({} rounds in turn)", race.title, race.rounds);
        println!("{:36} {:>9} {:>10} {:>10}", "", "ratio", "median µs", "90th µs");
        for result in &race.results {
            println!(
                "{:36} {:9.2} {:10.0} {:10.0}",
                name_of(result, race.rounds),
                result.ratio,
                result.quantile(0.5),
                result.quantile(0.9)
            );
        }
        self.races.push(race);
    }

    pub fn idle(&mut self, idle: Vec<Idle>) {
        println!("\nwhile idle, settled");
        let seconds = idle::WATCHED.as_secs();
        let woken = format!("wake-ups in {seconds} s");
        println!("{:36} {:>11} {:>14} {woken:>15}", "", "private KB", "of it written");
        for idle in &idle {
            println!(
                "{:36} {:11} {:14} {:15}",
                idle.name,
                idle.private(),
                idle.dirty,
                idle.wakeups
            );
        }
        self.idle = idle;
    }

    pub fn signals(&mut self, latencies: Vec<Latency>, rounds: usize) {
        println!("\na signal through it, to the child's answer ({rounds} rounds in turn)");
        println!("{:36} {:>10} {:>10}", "", "median µs", "99th µs");
        for Latency { name, median, p99, .. } in &latencies {
            println!("{name:36} {median:10.1} {p99:10.1}");
        }
        self.latencies = latencies;
        self.signal_rounds = rounds;
    }

    pub fn crowds(&mut self, crowds: Vec<Crowd>, rounds: usize) {
        println!("\na thousand orphans that end at once, until the last is reaped, {rounds} times");
        println!("{:36} {:>10} {:>12}", "", "median ms", "own time ms");
        for Crowd { name, milliseconds, cpu } in &crowds {
            println!("{name:36} {milliseconds:10.1} {cpu:12.1}");
        }
        self.crowds = crowds;
        self.crowd_rounds = rounds;
    }

    pub fn streams(&mut self, streams: Vec<Stream>, count: usize, seconds: usize) {
        println!("\n{count} orphans over {seconds} s, all inits at the same time");
        println!("{:36} {:>12} {:>13} {:>13}", "", "own time ms", "most zombies", "zombies left");
        for Stream { name, cpu, most, left } in &streams {
            println!("{name:36} {cpu:12.1} {most:13} {left:13}");
        }
        self.streams = streams;
        self.stream = (count, seconds);
    }

    pub fn sizes(&mut self, sizes: Vec<(String, u64)>) {
        println!("\nsize of the file, KB");
        for (name, bytes) in &sizes {
            println!("{name:36} {:10}", bytes / 1000);
        }
        self.sizes = sizes;
    }

    /// Writes figures.json, the tables in README.md and benches/README.md, and docs/start-up.svg.
    pub fn write(&self, places: &Places) -> io::Result<()> {
        let goals = goals(self);
        println!("\nwhat was to be reached: told, nothing fails by it");
        println!("{:48} {:>14} {:>22}  reached", "", "figure", "at most");
        for goal in &goals {
            let [figure, most, reached] = goal.texts();
            println!("{:48} {figure:>14} {most:>22}  {reached}", goal.what);
        }
        let json = places.folder.join("figures.json");
        fs::write(&json, serde_json::to_string_pretty(&self.json(&goals))? + "\n")?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        replace(&root.join("README.md"), README, &self.table())?;
        replace(&root.join("benches/README.md"), GOALS, &table_of(&goals))?;
        fs::create_dir_all(root.join("docs"))?;
        fs::write(root.join("docs/start-up.svg"), self.picture())?;
        println!("\nwritten: {}, README.md, benches/README.md, docs/start-up.svg", json.display());
        Ok(())
    }

    fn json(&self, goals: &[Goal]) -> Value {
        let list = |values: Vec<Value>| Value::from(values);
        let races = self.races.iter().map(|race| {
            let results = race.results.iter().map(|result| {
                json!({
                    "name": result.contestant.name,
                    "rounds": result.times.len(),
                    "ratio": result.ratio,
                    "median_us": result.quantile(0.5),
                    "p90_us": result.quantile(0.9),
                    "times_us": result.times,
                })
            });
            json!({ "race": race.title, "rounds": race.rounds, "results": list(results.collect()) })
        });
        let idle = self.idle.iter().map(|idle| {
            json!({
                "name": idle.name,
                "private_kb": idle.private(),
                "private_dirty_kb": idle.dirty,
                "private_clean_kb": idle.clean,
                "wakeups": idle.wakeups,
                "seconds": idle::WATCHED.as_secs(),
            })
        });
        let latencies = self.latencies.iter().map(|one| {
            let rounds = self.signal_rounds;
            json!({ "name": one.name, "rounds": rounds, "median_us": one.median, "p99_us": one.p99 })
        });
        let crowds = self.crowds.iter().map(|one| {
            json!({
                "name": one.name,
                "rounds": self.crowd_rounds,
                "median_ms": one.milliseconds,
                "own_time_ms": one.cpu,
            })
        });
        let (count, seconds) = self.stream;
        let streams = self.streams.iter().map(|one| {
            json!({
                "name": one.name,
                "orphans": count,
                "seconds": seconds,
                "own_time_ms": one.cpu,
                "most_zombies": one.most,
                "zombies_left": one.left,
            })
        });
        let sizes = self.sizes.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
        let goals = goals.iter().map(|goal| {
            json!({
                "what": goal.what,
                "figure": goal.figure,
                "most": goal.most,
                "unit": goal.unit,
                "doubt": goal.doubt,
                "reached": goal.reached(),
            })
        });
        json!({
            "races": list(races.collect()),
            "idle": list(idle.collect()),
            "signals": list(latencies.collect()),
            "thousand_orphans": list(crowds.collect()),
            "stream_of_orphans": list(streams.collect()),
            "sizes": list(sizes.collect()),
            "goals": list(goals.collect()),
        })
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for race in &self.races {
            let _ = writeln!(
                text,
                "\n| {} | ratio | median µs | 90th µs |\n| --- | ---: | ---: | ---: |",
                race.title
            );
            for result in &race.results {
                let name = emphasized(&name_of(result, race.rounds), result.contestant.ours);
                let _ = writeln!(
                    text,
                    "| {name} | {:.2} | {:.0} | {:.0} |",
                    result.ratio,
                    result.quantile(0.5),
                    result.quantile(0.9)
                );
            }
        }
        let seconds = idle::WATCHED.as_secs();
        let _ = writeln!(
            text,
            "\n| as init | idle, private KB | of it written | wake-ups in {seconds} s | signal, median µs | 99th µs |\n\
             | --- | ---: | ---: | ---: | ---: | ---: |"
        );
        for idle in &self.idle {
            let name = emphasized(&idle.name, idle.ours);
            let _ =
                write!(text, "| {name} | {} | {} | {} |", idle.private(), idle.dirty, idle.wakeups);
            let _ = match self.latencies.iter().find(|latency| latency.name == idle.name) {
                Some(latency) => writeln!(text, " {:.0} | {:.0} |", latency.median, latency.p99),
                None => writeln!(text, " | |"),
            };
        }
        if !self.crowds.is_empty() {
            let (count, seconds) = self.stream;
            let _ = writeln!(
                text,
                "\n| orphans | a thousand at once, reaped in ms | own time ms | {count} over {seconds} s, own time ms | most zombies | left |\n\
                 | --- | ---: | ---: | ---: | ---: | ---: |"
            );
            for crowd in &self.crowds {
                let ours = self.idle.iter().any(|idle| idle.ours && idle.name == crowd.name);
                let name = emphasized(&crowd.name, ours);
                let _ = write!(text, "| {name} | {:.1} | {:.1} |", crowd.milliseconds, crowd.cpu);
                let _ = match self.streams.iter().find(|stream| stream.name == crowd.name) {
                    Some(one) => writeln!(text, " {:.0} | {} | {} |", one.cpu, one.most, one.left),
                    None => writeln!(text, " | | |"),
                };
            }
        }
        text.push('\n');
        text
    }

    /// Horizontal bars, one for each contestant, as long as its ratio.
    fn picture(&self) -> String {
        const LEFT: usize = 190;
        const WIDTH: f64 = 420.0;
        let races = || self.races.iter().filter(|race| race.drawn);
        let rows: usize = races().map(|race| race.results.len() + 2).sum();
        let height = rows * 22 + 10;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let mut y = 24;
        for Finished { title, results, .. } in races() {
            let _ = writeln!(
                svg,
                "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{title}: time as a ratio to the target alone</text>"
            );
            y += 22;
            let longest = results.iter().map(|result| result.ratio).fold(1.0, f64::max);
            for result in results {
                let width = (result.ratio / longest * WIDTH).max(1.0);
                let colour = if result.contestant.ours { "#2a6f4e" } else { "#b8b8b8" };
                let _ = writeln!(
                    svg,
                    "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{}</text>\
                     <rect x=\"{LEFT}\" y=\"{}\" width=\"{width:.0}\" height=\"15\" fill=\"{colour}\"/>\
                     <text x=\"{:.0}\" y=\"{y}\">{:.2}</text>",
                    LEFT - 8,
                    result.contestant.name,
                    y - 12,
                    LEFT as f64 + width + 6.0,
                    result.ratio
                );
                y += 22;
            }
            y += 22;
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// Its name, and in how many rounds it ran, where that is fewer than the others did.
fn name_of(result: &race::Result, rounds: usize) -> String {
    match result.times.len() {
        ran if ran < rounds => format!("{} ({ran} rounds)", result.contestant.name),
        _ => result.contestant.name.clone(),
    }
}

fn table_of(goals: &[Goal]) -> String {
    let mut text =
        String::from("\n| what | figure | at most | reached |\n| --- | ---: | ---: | --- |\n");
    for goal in goals {
        let [figure, most, reached] = goal.texts();
        let _ = writeln!(text, "| {} | {figure} | {most} | {reached} |", goal.what);
    }
    text.push('\n');
    text
}

/// Puts `text` between the two marks of a file.
fn replace(file: &Path, (begin, end): (&str, &str), text: &str) -> io::Result<()> {
    let old = fs::read_to_string(file)?;
    let parts = old.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    match parts {
        Some((before, after)) => fs::write(file, format!("{before}{begin}\n{text}{end}{after}")),
        None => Err(io::Error::other(format!("{} has no {begin}", file.display()))),
    }
}

fn emphasized(name: &str, ours: bool) -> String {
    if ours { format!("**{name}**") } else { name.to_owned() }
}
