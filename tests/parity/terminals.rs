//! On a terminal: whose foreground it is, what its keys do, its size, its end, and a shell's jobs.

use std::time::{Duration, Instant};

use crate::case::{Case, Tool, case, exit};
use crate::support::{Process, Running, Scene, eventually, kernel, probe, program};

const MODES: [(&str, &[&str]); 5] = [
    ("tini", &["-s", "--"]),
    ("tini", &["-s", "-g", "--"]),
    ("dumb-init", &["--"]),
    ("dumb-init", &["-c", "--"]),
    ("catatonit", &["--"]),
];

/// So long an original has time to do what ours does at once; those that never do take all of it.
const ORIGINALS: Duration = Duration::from_secs(5);

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, options) in MODES {
        let line = options.join(" ");
        for pid1 in [true, false] {
            let place = if pid1 { "as PID 1" } else { "as session leader" };
            let title = |what: &str| format!("{line} {what}, {place}");
            let on = move |scene: Scene| {
                let scene = scene.on_a_terminal();
                if pid1 { scene.as_pid1() } else { scene }
            };
            cases.push(case(name, title("terminal of the child"), move |tool| {
                let output = on(tool.probe(options, &["state"])).output();
                let has = |key: &str| output.stdout.lines().any(|line| line.starts_with(key));
                if !has("foreground:") {
                    return "none".to_owned();
                }
                let relation = |key: &str| output.state(key) == output.state("Pid:");
                format!(
                    "own group {}, own session {}, in front {}, {}",
                    relation("pgid:"),
                    relation("sid:"),
                    output.state("foreground:") == output.state("pgid:"),
                    exit(output.exit),
                )
            }));
            for (what, key, signal) in [("Ctrl-C", "\x03", 2), ("Ctrl-\\", "\x1c", 3)] {
                cases.push(case(name, title(what), move |tool| {
                    let mut run = on(tool.probe(options, &["signals", "64"])).start();
                    run.says("ready");
                    run.types(key);
                    run.until(&format!("signal {signal}"));
                    rest(&mut run, signal)
                }));
            }
            cases.push(case(name, title("another size"), move |tool| {
                let mut run = on(tool.probe(options, &["signals", "64"])).start();
                run.says("ready");
                run.resize(40, 100);
                run.until("signal 28");
                rest(&mut run, 28)
            }));
            cases.push(case(name, title("hang-up"), move |tool| {
                let mut run = on(tool.probe(options, &["signals", "1"])).start();
                run.says("ready");
                run.hang_up();
                exit(run.end())
            }));
            cases.push(case(name, title("given back at the end"), move |tool| {
                let words = options.join(" ");
                let script = format!("$TOOL {words} $PROBE exit 5; echo $?; exec $PROBE state");
                let output = on(tool.script(&script)).output();
                let code = output.stdout.lines().next().unwrap_or_default().to_owned();
                let front = output.state("foreground:") == output.state("pgid:");
                format!("{code}, in front {front}")
            }));
        }
        cases.push(case(name, format!("{line} Ctrl-Z and fg in a shell"), move |tool| {
            stop_and_continue(tool, options)
        }));
        cases.push(case(
            name,
            format!("{line} takes the foreground from the background"),
            move |tool| {
                let mut run = shell(tool);
                run.types(format!("$TOOL {} $PROBE signals &\n", options.join(" ")));
                run.until("ready");
                let (init, child) = job(&run, tool);
                let front = child.foreground();
                format!("{}", front == init.0 || front == child.0)
            },
        ));
    }
    cases
}

/// What else the child has got by the time the marker comes; one that came twice counts once.
fn rest(run: &mut Running, signal: i32) -> String {
    run.signal(64);
    let mut seen = vec![format!("signal {signal}")];
    loop {
        match run.line() {
            Some(line) if line == "signal 64" => break,
            Some(line) if seen.contains(&line) || line.starts_with('^') => {}
            Some(line) => seen.push(line),
            None => break,
        }
    }
    seen.push(exit(run.end()));
    seen.join("\n")
}

/// A bash with job control, at its prompt.
fn shell(tool: &Tool) -> Running {
    let options = ["--norc", "--noprofile", "--noediting", "-i"];
    let scene = program("/bin/bash", &options).on_a_terminal().env("PS1", "go> ");
    let mut run = scene.env("TOOL", &tool.path).env("PROBE", probe()).start();
    run.until_prompt("go> ");
    run
}

/// The tool that bash has started, and its child.
fn job(run: &Running, tool: &Tool) -> (Process, Process) {
    let mut found = None;
    eventually("bash runs the tool, and that its command", || {
        if let [init] = run.process.children()[..] {
            if let [child] = init.children()[..] {
                if init.name() == tool.path.to_string_lossy() && child.name().ends_with("probe") {
                    found = Some((init, child));
                }
            }
        }
        found.is_some()
    });
    found.expect("it was found")
}

fn stop_and_continue(tool: &Tool, options: &[&str]) -> String {
    let mut run = shell(tool);
    run.types(format!("$TOOL {} $PROBE echo\n", options.join(" ")));
    run.until("ready");
    let (init, child) = job(&run, tool);
    let mut seen = Vec::new();
    for round in 0..2 {
        run.types("\x1a");
        if !within(ORIGINALS, || child.state() == 'T') {
            return "the child does not stop".to_owned();
        }
        if !within(ORIGINALS, || init.state() == 'T') {
            return "the shell waits for a tool that does not stop".to_owned();
        }
        run.until("Stopped");
        run.until_prompt("go> ");
        run.types("fg\n");
        run.until("echo");
        eventually("both go on", || init.state() != 'T' && child.state() != 'T');
        seen.push(format!("stopped and continued {round}"));
    }
    // Where the child has no terminal, the key that the shell reads has to do.
    kernel::kill(init.0, 15);
    run.until_prompt("go> ");
    seen.join("\n")
}

/// Whether it comes about in time.
fn within(time: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if began.elapsed() > time {
            return false;
        }
        std::thread::yield_now();
    }
}
