//! A terminal: whose foreground it is, and what its keys and its end do, without and with a shell.

mod support;

use std::fs::File;
use std::io::Read;

use support::{
    Exit, Need, Process, Running, Scene, able, binary, eventually, kernel, probe, program, pydexec,
};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";

/// Under PID 1, and under a session leader that is not.
fn both(scene: impl Fn() -> Scene, check: impl Fn(Running)) {
    check(scene().as_pid1().on_a_terminal().start());
    check(scene().on_a_terminal().start());
}

#[test]
fn the_foreground_is_handed_to_the_command() {
    if !able(Need::Namespaces) {
        return;
    }
    for closed in [&[][..], &[0], &[0, 1], &[0, 2], &[2]] {
        // Where stdin is closed the terminal is found all the same.
        let (reader, writer) = kernel::pipe().unwrap();
        let scene = pydexec([""; 0]).probe(["state"]).as_pid1().on_a_terminal().without(closed);
        let mut run = scene.with_descriptor(9, writer).env("PROBE_OUT", "9").start();
        let mut state = String::new();
        File::from(reader).read_to_string(&mut state).unwrap();
        assert_eq!(run.end(), Exit::Code(0));
        assert!(state.contains("pgid: 2\n"), "{state}");
        assert!(state.contains("foreground: 2\n"), "without {closed:?}: {state}");
    }
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    if !able(Need::Namespaces) {
        return;
    }
    both(
        || pydexec([""; 0]).probe(["signals"]),
        |mut run| {
            run.says("ready");
            for (key, signal) in [(CTRL_C, 2), (CTRL_BACKSLASH, 3), (CTRL_C, 2)] {
                run.types(key);
                run.says(&format!("signal {signal}"));
                // Were it forwarded as well, it would come before this one: the kernel gives the
                // lowest number that waits first, to us as to the probe.
                run.signal(libc::SIGUSR1);
                run.says("signal 10");
            }
            run.signal(libc::SIGTERM);
            run.says("signal 15");
            assert_eq!(run.end(), Exit::Code(0));
        },
    );
}

#[test]
fn ctrl_c_ends_a_command_that_does_not_catch_it() {
    if !able(Need::Namespaces) {
        return;
    }
    let scene = || pydexec([""; 0]).probe(["echo"]).on_a_terminal();
    // PID 1 cannot die of it. Anybody else does, so that a script which started us ends too.
    for (scene, end) in
        [(scene().as_pid1(), Exit::Code(130)), (scene(), Exit::Signal(libc::SIGINT))]
    {
        let mut run = scene.start();
        run.says("ready");
        run.types(CTRL_C);
        assert_eq!(run.end(), end);
    }
}

#[test]
fn ctrl_c_ends_the_script_that_started_us() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = format!(
        "for turn in 1 2 3; do {:?} --no-requirements -- {:?} echo; done; echo survived",
        support::binary(),
        support::probe()
    );
    let mut run = support::program("/bin/bash", &["-c", &script]).on_a_terminal().start();
    run.says("ready");
    run.types(CTRL_C);
    assert_eq!(run.end(), Exit::Signal(libc::SIGINT));
}

#[test]
fn a_start_that_fails_gives_the_terminal_back() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = format!(
        "{:?} --no-requirements -- /nonexistent; read word; echo got=$word",
        support::binary()
    );
    let mut run = support::program("/bin/bash", &["-c", &script]).on_a_terminal().start();
    run.until("no such file");
    run.types("word\n");
    run.until("got=word");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn ctrl_z_hangs_nobody_where_no_shell_could_continue() {
    if !able(Need::Namespaces) {
        return;
    }
    both(
        || pydexec([""; 0]).probe(["echo"]),
        |mut run| {
            run.says("ready");
            for number in 0..20 {
                run.types(CTRL_Z);
                run.types(format!("line {number}\n"));
                run.says(&format!("got line {number}"));
            }
            run.types("quit\n");
            assert_eq!(run.end(), Exit::Code(0));
        },
    );
}

#[test]
fn a_new_size_is_told_once() {
    if !able(Need::Namespaces) {
        return;
    }
    both(
        || pydexec([""; 0]).probe(["signals"]),
        |mut run| {
            run.says("ready");
            for rows in [30, 40, 50] {
                run.resize(rows, 100);
                run.says("signal 28");
                // Higher than WINCH, so that a second one would come first.
                run.signal(34);
                run.says("signal 34");
            }
            run.signal(libc::SIGTERM);
            run.says("signal 15");
            assert_eq!(run.end(), Exit::Code(0));
        },
    );
}

#[test]
fn a_hang_up_reaches_the_command_and_ends_it() {
    if !able(Need::Namespaces) {
        return;
    }
    for (words, exit) in [(&["signals", "1"][..], Exit::Code(0)), (&["echo"], Exit::Code(129))] {
        both(
            || pydexec([""; 0]).probe(words),
            |mut run| {
                run.says("ready");
                run.hang_up();
                // The echo may see the end of its terminal before the signal.
                let ended = run.end();
                assert!(
                    ended == exit || (words == ["echo"] && ended == Exit::Code(0)),
                    "{ended:?}"
                );
            },
        );
    }
}

/// A bash with job control, at its prompt.
fn bash() -> Running {
    let options = ["--norc", "--noprofile", "--noediting", "-i"];
    let scene = program("/bin/bash", &options).on_a_terminal().env("PS1", "go> ");
    let mut run = scene.env("PYDEXEC", binary()).env("PROBE", probe()).start();
    run.until_prompt("go> ");
    run
}

/// The pydexec that bash has started, and its child.
fn job(run: &Running) -> (Process, Process) {
    let mut found = None;
    eventually("bash runs pydexec, and that its command", || {
        let mut next = run.process.children();
        // Past a shell in between, if there is one.
        while let [.., process] = next[..] {
            if process.name() == binary().to_string_lossy() {
                if let [child] = process.children()[..] {
                    found = Some((process, child));
                }
            }
            next = process.children();
        }
        found.is_some()
    });
    found.unwrap()
}

fn finish(mut run: Running) {
    run.until_prompt("go> ");
    run.types("exit 7\n");
    assert_eq!(run.end(), Exit::Code(7));
}

#[test]
fn ctrl_z_and_fg_work_in_a_shell() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("$PYDEXEC -- $PROBE echo\n");
    run.says("ready");
    let (init, child) = job(&run);
    for number in 0..5 {
        run.types(CTRL_Z);
        run.until("Stopped");
        run.until_prompt("go> ");
        assert_eq!((init.state(), child.state()), ('T', 'T'));
        run.types("fg\n");
        run.until("echo");
        run.types(format!("line {number}\n"));
        run.says(&format!("got line {number}"));
    }
    run.types("quit\n");
    run.until_prompt("go> ");
    run.types("echo code=$?\n");
    run.says("code=0");
    finish(run);
}

#[test]
fn ctrl_z_stops_the_script_around_it_too() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("sh -c '$PYDEXEC -- $PROBE echo; echo after'\n");
    run.says("ready");
    let (init, child) = job(&run);
    run.types(CTRL_Z);
    run.until("Stopped");
    run.until_prompt("go> ");
    // bash waits for the script alone.
    eventually("all are stopped", || (init.state(), child.state()) == ('T', 'T'));
    run.types("fg\n");
    run.until("sh -c");
    run.types("a\n");
    run.says("got a");
    run.types("quit\n");
    run.says("after");
    finish(run);
}

#[test]
fn ctrl_z_stops_the_rest_of_a_pipeline_too() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("$PYDEXEC -- $PROBE echo | cat\n");
    run.says("ready");
    run.types(CTRL_Z);
    run.until("Stopped");
    run.until_prompt("go> ");
    run.types("fg\n");
    run.until("cat");
    run.types("a\n");
    run.says("got a");
    run.types("quit\n");
    finish(run);
}

#[test]
fn a_job_that_is_continued_in_the_background_goes_on_there() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("$PYDEXEC -- $PROBE signals\n");
    run.says("ready");
    let (init, child) = job(&run);
    // The probe blocks TSTP; STOP to its group is what an editor does to itself.
    assert!(kernel::kill(child.0, libc::SIGSTOP));
    run.until("Stopped");
    run.until_prompt("go> ");
    run.types("bg\n");
    run.until_prompt("go> ");
    eventually("both go on", || init.state() != 'T' && child.state() != 'T');
    run.types("echo still $((40 + 2))\n");
    run.until("still 42");
    assert!(kernel::kill(init.0, libc::SIGTERM));
    run.until("signal 15");
    run.types("\n");
    finish(run);
}

#[test]
fn a_job_in_the_background_that_stops_itself_is_seen_to_be_stopped_and_goes_on_by_bg() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("$PYDEXEC -- sh -c 'echo away; kill -TSTP $$; echo back' &\n");
    run.until("away");
    let (init, child) = job(&run);
    eventually("both are stopped", || (init.state(), child.state()) == ('T', 'T'));
    run.types("bg\n");
    run.until("back");
    run.types("wait; echo code=$?\n");
    run.until("code=0");
    finish(run);
}

#[test]
fn started_in_the_background_it_leaves_the_foreground_alone() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("$PYDEXEC -- $PROBE signals &\n");
    run.until("ready");
    let (init, child) = job(&run);
    run.types("$PROBE state | grep -E 'pgid|foreground'\n");
    let group = run.until("pgid: ").replace("pgid: ", "").trim_start_matches("go> ").to_owned();
    assert_eq!(run.until("foreground: ").replace("foreground: ", ""), group);
    run.until_prompt("go> ");
    run.types("fg\n");
    run.until("signals");
    // bash continues nobody who is not stopped, so the terminal is with us, and so is the key.
    eventually("it has the terminal", || init.foreground() == init.0);
    assert_eq!(child.foreground(), init.0);
    run.types(CTRL_C);
    run.until("signal 2");
    assert!(kernel::kill(init.0, libc::SIGTERM));
    run.until("signal 15");
    finish(run);
}

#[test]
fn a_command_in_the_background_that_reads_the_terminal_is_stopped_and_fg_lets_it_read() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = bash();
    run.types("$PYDEXEC -- $PROBE echo &\n");
    run.until("ready");
    let (init, child) = job(&run);
    eventually("both are stopped", || init.state() == 'T' && child.state() == 'T');
    run.types("fg\n");
    run.until("echo");
    run.types("a\n");
    run.until("got a");
    run.types("quit\n");
    finish(run);
}

#[test]
fn the_foreground_is_given_back_at_the_end() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = "$PYDEXEC -- $PROBE exit 5; echo code=$?; exec $PROBE state";
    let scene = program("/bin/sh", &["-c", script]).on_a_terminal();
    let output = scene.env("PYDEXEC", binary()).env("PROBE", probe()).output();
    assert!(output.stdout.starts_with("code=5\n"), "{output:?}");
    assert_eq!(output.state("foreground:"), output.state("pgid:"), "{output:?}");
}

#[test]
fn a_foreground_that_is_somebody_elses_by_then_is_left_to_him() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = "$PYDEXEC -- $PROBE give; exec $PROBE state";
    let scene = program("/bin/sh", &["-c", script]).on_a_terminal();
    let output = scene.env("PYDEXEC", binary()).env("PROBE", probe()).output();
    assert_eq!(output.state("given"), output.state("foreground:"), "{output:?}");
    assert_ne!(output.state("foreground:"), output.state("pgid:"), "{output:?}");
}
