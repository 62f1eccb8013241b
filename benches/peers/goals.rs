//! What was to be reached, beside what was: told, not judged.

use crate::contestants::{BARE, BY_OPTIONS, DUMB_INIT, INIT_ONLY, PYDEXEC, SU_EXEC, TINI, WHOLE};
use crate::entrypoint::{BUILTINS, ENVSUBST, RUN};
use crate::report::Report;
use crate::requirements::{JUDGED, PIP, STAMPED, UV};

/// One line: what is compared, what it came to, what it was to come to at most.
pub struct Goal {
    pub what: String,
    pub figure: f64,
    pub most: f64,
    /// How far two figures may be from one another, and one run cannot tell which of them is the greater. Told
    /// beside them; it moves no goal.
    pub doubt: Option<f64>,
    /// Behind both figures.
    pub unit: &'static str,
}

impl Goal {
    pub fn reached(&self) -> bool {
        self.figure <= self.most
    }

    /// As people read them: the figure, what it was to be at most, whether it was.
    pub fn texts(&self) -> [String; 3] {
        let doubt = self.doubt.map(|doubt| format!(" ± {}", self.text(doubt)));
        let most = self.text(self.most) + &doubt.unwrap_or_default();
        [self.text(self.figure), most, if self.reached() { "yes" } else { "no" }.to_owned()]
    }

    fn text(&self, figure: f64) -> String {
        match self.unit {
            "" => format!("{figure:.0}"),
            "times" => format!("{figure:.2} times"),
            unit => format!("{} {unit}", (figure * 100.0).round() / 100.0),
        }
    }
}

const SIGNAL: &str = "a signal, 99th percentile, to tini-static's";

/// Those for which there are figures.
pub fn goals(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut add = |what: &str, figure: Option<f64>, most: Option<f64>, unit| {
        if let (Some(figure), Some(most)) = (figure, most) {
            goals.push(Goal { what: what.to_owned(), figure, most, doubt: None, unit });
        }
    };
    let ratio = |one: f64, other: f64| one / other;
    let compare = |one: &str, other: &str| {
        report.races.iter().find_map(|race| race.compare(one, other, ratio))
    };
    let by_name = |name: &str| format!("{name}, by name");
    add("pysu to su-exec's calls in static C", compare("pysu", SU_EXEC), Some(1.0), "times");
    add(
        "the same, user and group by name",
        compare(&by_name("pysu"), &by_name(SU_EXEC)),
        Some(1.0),
        "times",
    );
    for name in [PYDEXEC, "pydexec as tini", "pydexec as dumb-init"] {
        let what = format!("{name} to a static dumb-init");
        add(&what, compare(name, DUMB_INIT), Some(1.0), "times");
    }
    let entrypoint = report.races.iter().find(|race| race.find(RUN).is_some());
    let run = |other: &str| entrypoint?.compare(RUN, other, ratio);
    add("pydexec run FILE to pydexec --", run(PYDEXEC), Some(2.0), "times");
    add("pydexec run FILE to bash with gosu", run(BUILTINS), Some(0.2), "times");
    add("the same, with envsubst as most write it", run(ENVSUBST), Some(0.2), "times");
    let requirements = report.races.iter().find(|race| race.find(STAMPED).is_some());
    let added = |name| requirements?.compare(name, PYDEXEC, |one, other| (one - other) / 1e3);
    add("requirements unchanged, added", added(STAMPED), Some(1.0), "ms");
    add("requirements all installed, no stamp, added", added(JUDGED), Some(1.0), "ms");
    let whole = |name| requirements?.compare(name, BARE, |one, other| (one - other) / 1e3);
    for other in [UV, PIP] {
        add(&format!("unchanged, added, to {other}"), added(STAMPED), whole(other), "ms");
    }
    let idle = |name: &str| report.idle.iter().find(|idle| idle.name == name);
    let private = |name: &str| idle(name).map(|idle| idle.private() as f64);
    add("private memory while idle", private(PYDEXEC), Some(100.0), "KB");
    add("the same, started by options", private(BY_OPTIONS), Some(100.0), "KB");
    let dirty = idle(PYDEXEC).map(|idle| idle.dirty as f64);
    add("of it written to", dirty, Some(100.0), "KB");
    let wakeups = idle(PYDEXEC).map(|idle| idle.wakeups as f64);
    add("wake-ups while idle", wakeups, Some(0.0), "");
    let latency = |name: &str| report.latencies.iter().find(|one| one.name == name);
    let p99 = |name: &str| latency(name).map(|latency| latency.p99);
    add(SIGNAL, p99(PYDEXEC), p99(TINI), "µs");
    let crowd = |name: &str| Some(report.crowds.iter().find(|one| one.name == name)?.milliseconds);
    add("a thousand orphans, to dumb-init's", crowd(PYDEXEC), crowd(DUMB_INIT), "ms");
    let stream = |name: &str| report.streams.iter().find(|one| one.name == name);
    let cpu = |name: &str| stream(name).map(|stream| stream.cpu);
    add("orphans over a while, own time, to dumb-init's", cpu(PYDEXEC), cpu(DUMB_INIT), "ms");
    let left = stream(PYDEXEC).map(|stream| stream.left as f64);
    add("zombies left of them", left, Some(0.0), "");
    let size = |name: &str| {
        let size = report.sizes.iter().find(|(of, _)| of == name);
        size.map(|(_, bytes)| *bytes as f64 / 1e6)
    };
    add("the binary", size(WHOLE), Some(1.4), "MB");
    add("the init alone", size(INIT_ONLY), Some(0.45), "MB");
    if let Some(goal) = goals.iter_mut().find(|goal| goal.what == SIGNAL) {
        goal.doubt = latency(PYDEXEC).zip(latency(TINI)).map(|(ours, other)| ours.doubt(other));
    }
    goals
}
