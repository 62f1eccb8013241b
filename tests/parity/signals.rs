//! Which signals reach whom, and as what.

use crate::case::{Case, Tool, case, described, exit};
use crate::codes::MODES;
use crate::process::idle;
use crate::support::{Process, Running, eventually, kernel};

/// Forwarded by all of them, and of all signals the last to be read: what comes before it has come.
const MARKER: i32 = 64;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, options) in MODES {
        let line = options.join(" ");
        for signal in forwarded() {
            cases.push(case(name, format!("{line} forwards {signal}"), move |tool| {
                one(tool, options, signal)
            }));
        }
        for signal in [20, 21, 22] {
            cases.push(case(name, format!("{line} is sent {signal} (stop)"), move |tool| {
                stop(tool, options, signal)
            }));
        }
        cases.push(case(name, format!("{line} reaches this many"), move |tool| {
            reach(tool, options)
        }));
        cases.push(case(name, format!("{line} and those left behind"), move |tool| {
            left_behind(tool, options)
        }));
    }
    for rewrites in [
        &["-r", "15:3"][..],
        &["-r", "15:0"],
        &["-r", "10:12", "-r", "12:10"],
        &["-r", "1:1"],
        &["-r", "18:0"],
        &["--rewrite=2:15"],
        &["-r", "15:31", "-r", "15:30"],
    ] {
        for mode in [&[][..], &["-c"]] {
            let options: &'static [&'static str] = Vec::leak([rewrites, mode].concat());
            for signal in [1, 2, 10, 12, 15, 18] {
                cases.push(case(
                    "dumb-init",
                    format!("{} given {signal}", options.join(" ")),
                    move |tool| one(tool, options, signal),
                ));
            }
        }
    }
    for options in
        [&["-r", "20:0"][..], &["-r", "20:10"], &["-c", "-r", "20:10"], &["-c", "-r", "20:0"]]
    {
        cases.push(case(
            "dumb-init",
            format!("{} is sent 20 (stop)", options.join(" ")),
            move |tool| stop(tool, options, 20),
        ));
    }
    for options in [&["-r", "15:2"][..], &["-r", "15:0"]] {
        cases.push(case(
            "dumb-init",
            format!("{} and those left behind", options.join(" ")),
            move |tool| left_behind(tool, options),
        ));
    }
    for signal in [1, 2, 3, 10, 15] {
        let seen = if [2, 15].contains(&signal) { "exit 0" } else { "stays" };
        cases.push(case("catatonit", format!("-P is sent {signal}"), move |tool| {
            let mut run = tool.with(&["-P"]).as_pid1().start();
            // It handles signals when it waits for them.
            eventually("it waits", || run.process.state() == 'S');
            run.signal(signal);
            if seen == "stays" {
                // The second one ends it, and would come first.
                run.signal(15);
            }
            exit(run.end())
        }));
    }
    cases.push(described(
        "tini",
        "a realtime signal keeps its value",
        "signal 40 value 7",
        |tool| {
            let mut run = tool.probe(&["-s", "--"], &["signals"]).start();
            run.says("ready");
            run.queue(40, 7);
            run.line().unwrap_or_default()
        },
    ));
    cases
}

/// All but CHLD, those that cannot be caught, those that stop, and those that a C library keeps.
fn forwarded() -> impl Iterator<Item = i32> {
    (1..=64).filter(|signal| ![9, 17, 19, 20, 21, 22, 32, 33].contains(signal))
}

/// What the child gets when the tool is sent one.
fn one(tool: &Tool, options: &[&str], signal: i32) -> String {
    let last = if signal == MARKER { "63" } else { "64" };
    let mut run = tool.probe(options, &["signals", last]).start();
    run.says("ready");
    run.signal(signal);
    if signal != MARKER {
        run.signal(MARKER);
    } else {
        run.says("signal 64");
        run.signal(63);
    }
    until_end(&mut run)
}

/// All lines that are still said, and how it ended.
fn until_end(run: &mut Running) -> String {
    let mut seen = Vec::new();
    while let Some(line) = run.line_or_end() {
        seen.push(line);
    }
    seen.push(exit(run.end()));
    seen.join("\n")
}

/// Who is stopped by it, and what is forwarded once the tool has been continued.
fn stop(tool: &Tool, options: &[&str], signal: i32) -> String {
    let mut run = tool.probe(options, &["signals", "64"]).start();
    run.says("ready");
    let child = run.child();
    run.signal(signal);
    let mut seen = Vec::new();
    if tool.name == "dumb-init" {
        eventually("it stops itself", || run.process.state() == 'T');
        taken(&child);
        let state = child.state();
        seen.push(format!("child {}", if state == 'T' { "stopped" } else { "running" }));
        run.signal(18);
        eventually("both go on", || run.process.state() != 'T' && child.state() != 'T');
    }
    run.signal(MARKER);
    seen.push(until_end(&mut run));
    seen.join("\n")
}

/// Waits until none of the signals that stop is on its way: CONT takes them back.
fn taken(child: &Process) {
    const STOPS: u64 = 0b1111 << 18;
    eventually("the child has taken what it was sent", || {
        (child.signals("ShdPnd") | child.signals("SigPnd")) & STOPS == 0
    });
}

/// How many of two processes of the child's group get a signal.
fn reach(tool: &Tool, options: &[&str]) -> String {
    let words: Vec<&str> = options
        .iter()
        .copied()
        .chain(["sh", "-c", "$PROBE signals & exec $PROBE signals"])
        .collect();
    let mut run = tool.with(&words).env("PROBE", crate::support::probe()).start();
    run.says("ready");
    run.says("ready");
    let main = run.child();
    let [other] = main.children()[..] else { run.fail("the main process has one child") };
    run.signal(10);
    run.says("signal 10");
    // To the other one directly, when the tool is done; a signal that it had got before comes first.
    idle(&run);
    kernel::kill(other.0, 15);
    // The other one is the main one's child, and its end is told; each leaves after a TERM.
    run.signal(15);
    let mut count = 1;
    for _ in 0..2 {
        while let Some(line) = run.line() {
            match line.as_str() {
                "signal 10" => count += 1,
                "signal 15" => break,
                _ => {}
            }
        }
    }
    format!("{count}, {}", exit(run.end()))
}

/// What the rest of the group gets when the main child has ended.
fn left_behind(tool: &Tool, options: &[&str]) -> String {
    let script = "$PROBE signals 64 & read line; exit 3";
    let words: Vec<&str> = options.iter().copied().chain(["sh", "-c", script]).collect();
    let mut run = tool.with(&words).env("PROBE", crate::support::probe()).start();
    run.says("ready");
    let [other] = run.child().children()[..] else { run.fail("the main process has one child") };
    run.types("\n");
    let mut seen = vec![exit(run.end())];
    kernel::kill(other.0, MARKER);
    loop {
        match run.line() {
            Some(line) if line == "signal 64" => break,
            Some(line) => seen.push(line),
            None => break,
        }
    }
    seen.join("\n")
}
