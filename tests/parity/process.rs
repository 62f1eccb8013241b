//! What the child inherits, what the tool keeps, who gets the orphans.

use std::fs::{self, File};
use std::io::Read;

use crate::case::{Case, Tool, case, exit};
use crate::codes::MODES;
use crate::support::{Process, Running, Scratch, eventually, kernel};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, options) in MODES {
        let line = options.join(" ");
        cases.push(case(name, format!("{line} group and session of the child"), move |tool| {
            let output = tool.probe(options, &["state"]).output();
            let pid = output.state("Pid:").to_owned();
            let own = |key: &str| if output.state(key) == pid { "its own" } else { "inherited" };
            format!("group {}, session {}", own("pgid:"), own("sid:"))
        }));
        for (what, blocked, ignored) in [
            ("nothing", &[][..], &[][..]),
            ("USR2 and 34 blocked", &[12, 34][..], &[][..]),
            ("HUP, USR1 and PIPE ignored", &[], &[1, 10, 13]),
            ("TTIN, TTOU and TSTP ignored", &[], &[20, 21, 22]),
        ] {
            cases.push(case(name, format!("{line} child of a start with {what}"), move |tool| {
                let scene = tool.probe(options, &["state"]).blocking(blocked).ignoring(ignored);
                let output = scene.output();
                let line =
                    |key: &str| format!("{key} {}", output.state(key).trim_start_matches('0'));
                ["SigBlk:", "SigIgn:"].map(line).join("\n")
            }));
        }
        cases.push(case(
            name,
            format!("{line} heeds its children where CHLD was ignored"),
            move |tool| {
                let mut run = tool.probe(options, &["signals"]).ignoring(&[17]).start();
                run.says("ready");
                idle(&run);
                let ignored = |process: Process| process.signals("SigIgn") & (1 << 16) != 0;
                let word = |ignored| if ignored { "ignores" } else { "heeds" };
                format!(
                    "the tool {} CHLD, the child {} it",
                    word(ignored(run.process)),
                    word(ignored(run.child()))
                )
            },
        ));
        for closed in [&[0][..], &[1], &[2], &[0, 1, 2]] {
            cases.push(case(name, format!("{line} with {closed:?} closed"), move |tool| {
                let (reader, writer) = kernel::pipe().expect("a pipe");
                let scene = tool.probe(options, &["state"]).without(closed).env("PROBE_OUT", "9");
                let mut run = scene.with_descriptor(9, writer).start();
                run.close_input();
                let mut text = String::new();
                let ended = exit(run.end());
                File::from(reader).read_to_string(&mut text).expect("it can be read");
                let fds = text.lines().find(|line| line.starts_with("fds:")).unwrap_or("no child");
                format!("{ended}, {fds}")
            }));
        }
        cases.push(case(
            name,
            format!("{line} keeps a descriptor or the directory"),
            move |tool| {
                let scratch = Scratch::new();
                let (_reader, writer) = kernel::pipe().expect("a pipe");
                let scene = tool.probe(options, &["signals"]).with_descriptor(7, writer);
                let mut run = scene.in_directory(scratch.path()).start();
                run.says("ready");
                idle(&run);
                let held = run.process.descriptors().contains_key(&7);
                let child = run.child();
                let inherited = child.descriptors().contains_key(&7)
                    && child.directory().as_deref() == Some(scratch.path());
                let directory = run.process.directory();
                let root =
                    directory.is_some_and(|directory| directory == std::path::Path::new("/"));
                format!(
                    "descriptor kept: {held}, directory kept: {}, child has both: {inherited}",
                    !root
                )
            },
        ));
        cases.push(case(name, format!("{line} wakes up while nothing happens"), move |tool| {
            let mut run = tool.probe(options, &["signals"]).start();
            run.says("ready");
            idle(&run);
            // Once is no habit: pydexec gives memory back when all has been quiet for a second.
            let switches = || run.process.status("voluntary_ctxt_switches");
            let before = switches();
            eventually("it has woken up, or will not", || {
                !wakes_up(run.process) || switches() != before
            });
            idle(&run);
            format!("{}", wakes_up(run.process))
        }));
        cases.push(case(
            name,
            format!("{line} a thousand orphans at once, as PID 1"),
            move |tool| {
                let mut run = tool.probe(options, &["crowd", "1000"]).as_pid1().start();
                run.says("crowd");
                assert!(run.table().len() > 1000, "the orphans are there");
                kernel::kill(main_of(&run).0, 10);
                // Zombies are children as well, until they are reaped.
                eventually("one child is left", || run.process.children().len() == 1);
                assert_eq!(run.table().len(), 2, "nobody else is there");
                run.signal(15);
                exit(run.end())
            },
        ));
    }
    for options in [&["-s", "-w", "--"][..], &["-s", "--"]] {
        let line = options.join(" ");
        cases.push(case("tini", format!("{line} tells of twenty orphans"), move |tool| {
            let mut run = tool.probe(options, &["crowd", "20"]).start();
            run.says("crowd");
            kernel::kill(main_of(&run).0, 10);
            eventually("only two are left", || run.table().len() == 2);
            run.signal(15);
            let ended = exit(run.end());
            let told = run
                .stderr()
                .lines()
                .filter(|line| line.contains("Reaped zombie process with pid="))
                .count();
            format!("{ended}, {told} times")
        }));
    }
    for (name, options) in [
        ("tini", &["--"][..]),
        ("tini", &["-s", "--"]),
        ("dumb-init", &[]),
        ("dumb-init", &["-c"]),
        ("catatonit", &["--"]),
    ] {
        cases.push(case(name, format!("{} adopts orphans", options.join(" ")), move |tool| {
            adopts(tool, options)
        }));
    }
    cases.push(case("catatonit", "-P adopts and reaps", |tool| {
        let script =
            "$TOOL -P & tool=$!; echo started; read line; kill -TERM $tool; wait $tool; echo $?";
        let mut run = tool.script(script).start();
        run.says("started");
        let [pause] = run.process.children()[..] else { run.fail("one child") };
        eventually("it waits", || pause.state() == 'S' && pause.name().ends_with("catatonit"));
        run.types("\n");
        run.line().unwrap_or_default()
    }));
    cases.push(case("tini", "-p passes the parent's death on", |tool| {
        let script = "$TOOL -s -p SIGUSR1 -- $PROBE signals 64 & read line";
        let mut run = tool.script(script).start();
        run.says("ready");
        let [init] = run.process.children()[..] else { run.fail("one child") };
        run.types("\n");
        run.end();
        let line = run.line().unwrap_or_default();
        kernel::kill(init.0, 64);
        line
    }));
    for name in ["tini", "dumb-init", "catatonit"] {
        for (what, script) in [
            (
                "LISTEN_PID of its own",
                "LISTEN_PID=$$ exec $TOOL -- sh -c 'test $LISTEN_PID = $$ && echo own'",
            ),
            ("LISTEN_PID of another", "LISTEN_PID=99999 exec $TOOL -- sh -c 'echo $LISTEN_PID'"),
            (
                "an environment of all kinds",
                "A= B='x y' _=z exec $TOOL -- sh -c 'echo $A,$B,$PATH'",
            ),
        ] {
            cases.push(case(name, what, move |tool| tool.script(script).output().stdout));
        }
    }
    cases
}

/// Waits until the tool has nothing left to do but to wait.
pub fn idle(run: &Running) {
    eventually("the tool waits", || {
        let state = run.process.state();
        state == 'S'
            && fs::read_to_string(format!("/proc/{}/syscall", run.process.0))
                .is_ok_and(|call| !call.starts_with("running"))
            && waiting(run.process)
    });
}

/// In poll, in a wait for a signal, or in a read of one: not in vfork or waitpid.
fn waiting(process: Process) -> bool {
    call(process).is_some_and(|(number, _)| {
        [libc::SYS_read, libc::SYS_rt_sigtimedwait, libc::SYS_ppoll].contains(&number)
            || polls(number)
    })
}

fn polls(number: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    return number == libc::SYS_poll;
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

fn call(process: Process) -> Option<(i64, Vec<u64>)> {
    let text = fs::read_to_string(format!("/proc/{}/syscall", process.0)).ok()?;
    let mut words = text.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    Some((number, words.map_while(hex).collect()))
}

/// Whether the call in which it waits has a timeout.
fn wakes_up(process: Process) -> bool {
    let Some((number, arguments)) = call(process) else { return true };
    let third = arguments.get(2).copied().unwrap_or(0);
    match number {
        number if polls(number) => third as i32 != -1,
        number if number == libc::SYS_read => false,
        _ => third != 0,
    }
}

fn adopts(tool: &Tool, options: &[&str]) -> String {
    let script = "exec 3<&0; (sh -c 'read line <&3; exec grep PPid: /proc/self/status' &); exec $PROBE signals";
    let words: Vec<&str> = options.iter().copied().chain(["sh", "-c", script]).collect();
    let mut run = tool.with(&words).env("PROBE", crate::support::probe()).start();
    run.says("ready");
    run.types("\n");
    match run.line().as_deref() {
        // The init of the namespace, and the tool that it has started.
        Some("PPid:\t1") => "no".to_owned(),
        Some("PPid:\t2") => "yes".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The probe, among the orphans that the tool has adopted.
fn main_of(run: &Running) -> Process {
    // The kernel lists them in the order in which they came; PIDs begin anew at some time.
    let first = run.process.children().first().copied();
    first.unwrap_or_else(|| run.fail("it has no child"))
}
