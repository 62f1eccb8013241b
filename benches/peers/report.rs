//! The figures as JSON, as the README's table and as a picture.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::contestants::Places;
use crate::idle::Idle;
use crate::race;
use crate::signals::{Latency, Orphans};

const TABLE_BEGIN: &str = "<!-- figures of make bench -->";
const TABLE_END: &str = "<!-- end of the figures -->";

pub struct Report {
    rounds: usize,
    races: Vec<(&'static str, Vec<race::Result>)>,
    idle: Vec<Idle>,
    latencies: Vec<Latency>,
    orphans: Vec<Orphans>,
    sizes: Vec<(String, u64)>,
}

impl Report {
    pub fn new(rounds: usize) -> Self {
        Self {
            rounds,
            races: Vec::new(),
            idle: Vec::new(),
            latencies: Vec::new(),
            orphans: Vec::new(),
            sizes: Vec::new(),
        }
    }

    pub fn race(&mut self, title: &'static str, results: Vec<race::Result>) {
        println!("\n{title} ({} rounds in turn)", self.rounds);
        println!("{:28} {:>7} {:>10} {:>10}", "", "ratio", "median µs", "90th µs");
        for result in &results {
            println!(
                "{:28} {:7.2} {:10.0} {:10.0}",
                result.contestant.name,
                result.ratio,
                result.quantile(0.5),
                result.quantile(0.9)
            );
        }
        self.races.push((title, results));
    }

    pub fn idle(&mut self, idle: Vec<Idle>) {
        println!("\nwhile idle");
        println!("{:28} {:>9} {:>9} {:>15}", "", "dirty KB", "clean KB", "wake-ups in 3 s");
        for Idle { name, dirty, clean, wakeups, .. } in &idle {
            println!("{name:28} {dirty:9} {clean:9} {wakeups:15}");
        }
        self.idle = idle;
    }

    pub fn signals(&mut self, latencies: Vec<Latency>) {
        println!("\na signal through it, to the child's answer");
        println!("{:28} {:>10} {:>10}", "", "median µs", "99th µs");
        for Latency { name, median, p99, .. } in &latencies {
            println!("{name:28} {median:10.1} {p99:10.1}");
        }
        self.latencies = latencies;
    }

    pub fn orphans(&mut self, orphans: Vec<Orphans>) {
        println!("\na thousand orphans made and reaped");
        println!("{:28} {:>10} {:>8}", "", "median ms", "zombies");
        for Orphans { name, milliseconds, zombies, .. } in &orphans {
            println!("{name:28} {milliseconds:10.1} {zombies:8}");
        }
        self.orphans = orphans;
    }

    pub fn sizes(&mut self, sizes: Vec<(String, u64)>) {
        println!("\nsize of the file, KB");
        for (name, bytes) in &sizes {
            println!("{name:28} {:10}", bytes / 1024);
        }
        self.sizes = sizes;
    }

    /// Writes figures.json, the table in README.md and docs/start-up.svg.
    pub fn write(&self, places: &Places) -> io::Result<()> {
        let json = places.folder.join("figures.json");
        fs::write(&json, serde_json::to_string_pretty(&self.json())? + "\n")?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = root.join("README.md");
        let text = fs::read_to_string(&readme)?;
        if let Some((before, rest)) = text.split_once(TABLE_BEGIN) {
            if let Some((_, after)) = rest.split_once(TABLE_END) {
                let table = self.table();
                fs::write(&readme, format!("{before}{TABLE_BEGIN}\n{table}{TABLE_END}{after}"))?;
            }
        }
        fs::create_dir_all(root.join("docs"))?;
        fs::write(root.join("docs/start-up.svg"), self.picture())?;
        println!("\nwritten: {}, README.md, docs/start-up.svg", json.display());
        Ok(())
    }

    fn json(&self) -> Value {
        let races: Vec<Value> = self
            .races
            .iter()
            .map(|(title, results)| {
                let results: Vec<Value> = results
                    .iter()
                    .map(|result| {
                        json!({
                            "name": result.contestant.name,
                            "ratio": result.ratio,
                            "median_us": result.quantile(0.5),
                            "p90_us": result.quantile(0.9),
                            "times_us": result.times,
                        })
                    })
                    .collect();
                json!({ "race": title, "rounds": self.rounds, "results": results })
            })
            .collect();
        let idle: Vec<Value> = self
            .idle
            .iter()
            .map(|idle| {
                json!({
                    "name": idle.name,
                    "private_dirty_kb": idle.dirty,
                    "private_clean_kb": idle.clean,
                    "wakeups_in_3_s": idle.wakeups,
                })
            })
            .collect();
        let latencies: Vec<Value> = self
            .latencies
            .iter()
            .map(|one| json!({ "name": one.name, "median_us": one.median, "p99_us": one.p99 }))
            .collect();
        let orphans: Vec<Value> = self
            .orphans
            .iter()
            .map(|one| json!({ "name": one.name, "median_ms": one.milliseconds, "zombies": one.zombies }))
            .collect();
        let sizes: Vec<Value> = self
            .sizes
            .iter()
            .map(|(name, bytes)| json!({ "name": name, "bytes": bytes }))
            .collect();
        json!({
            "races": races,
            "idle": idle,
            "signals": latencies,
            "orphans": orphans,
            "sizes": sizes,
        })
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for (title, results) in &self.races {
            let _ = writeln!(
                text,
                "\n| {title} | ratio | median µs | 90th µs |\n| --- | ---: | ---: | ---: |"
            );
            for result in results {
                let name = emphasized(&result.contestant.name, result.contestant.ours);
                let _ = writeln!(
                    text,
                    "| {name} | {:.2} | {:.0} | {:.0} |",
                    result.ratio,
                    result.quantile(0.5),
                    result.quantile(0.9)
                );
            }
        }
        let _ = writeln!(
            text,
            "\n| as init | idle, written KB | wake-ups in 3 s | signal, median µs | 99th µs |\n\
             | --- | ---: | ---: | ---: | ---: |"
        );
        for (idle, latency) in self.idle.iter().zip(&self.latencies) {
            let name = emphasized(&idle.name, idle.ours);
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {:.0} | {:.0} |",
                idle.dirty, idle.wakeups, latency.median, latency.p99
            );
        }
        text.push('\n');
        text
    }

    /// Horizontal bars, one for each contestant, as long as its ratio.
    fn picture(&self) -> String {
        const LEFT: usize = 190;
        const WIDTH: f64 = 420.0;
        let rows: usize = self.races.iter().map(|(_, results)| results.len() + 2).sum();
        let height = rows * 22 + 10;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let mut y = 24;
        for (title, results) in &self.races {
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

fn emphasized(name: &str, ours: bool) -> String {
    if ours { format!("**{name}**") } else { name.to_owned() }
}
