//! The thirteen bugs and races of the inits that people have, each by its number in our notes on
//! tini, dumb-init and catatonit: none of them may be here.
//!
//! | | |
//! | --- | --- |
//! | 1 | a signal for the group, before there is one, is lost |
//! | 2 | a child that unblocks its signals under the parent's handlers swallows one |
//! | 3 | SIGCHLD ignored at start: waits for ever |
//! | 4 | inherited ignored and blocked signals are reset, or TSTP TTIN TTOU left blocked |
//! | 5 | a closed stdin is fatal |
//! | 6 | forwarding an ABRT or SEGV, it dies of it itself |
//! | 7 | started in the background, it steals the foreground |
//! | 8 | inherited descriptors and the working directory stay busy |
//! | 9 | it wakes up once a second |
//! | 10 | signals from 32 on are read beyond a table |
//! | 11 | the parent-death signal is set without looking whether the parent is still there |
//! | 12 | one SIGCHLD may stand for a thousand dead children |
//! | 13 | a signal before PID 1 has blocked or handled it is dropped by the kernel |
//!
//! Where a race is tried many times, a comment says why its outcome is certain all the same.

mod support;

use support::kernel::{self, Stop};
use support::{
    Exit, Need, Running, Scene, able, binary, eventually, probe, program, pydexec, skip,
};

/// How often a race is tried.
const TRIES: usize = 200;

/// The command got a TERM: before it could block it, which it died of, or after.
#[track_caller]
fn assert_heard_term(run: &mut Running, what: &str) {
    // Were the signal lost, the command would wait for another one, until the deadline.
    match run.end() {
        Exit::Code(143) => {}
        Exit::Code(0) => {
            let said = run.rest();
            assert!(said.ends_with("signal 15\n"), "{what}: {said:?}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn race_01_a_signal_for_the_group_is_not_lost_before_there_is_one() {
    if !able(Need::Namespaces) {
        return;
    }
    for _ in 0..TRIES {
        // Certain: every signal is blocked from before the execve on, in us and, inherited, in the
        // command. So the TERM waits wherever it is, from the first instruction on, and only a
        // kill() of ours that reached nobody could lose it.
        let mut run = pydexec(["-g"]).probe(["heir"]).as_pid1().blocking_all().start();
        run.signal(libc::SIGTERM);
        run.says("ready");
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
    let mut run = pydexec(["-g"]).probe(["heir"]).as_pid1().with_pending(libc::SIGTERM).start();
    run.until("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
    // A command that has left its group, so that nobody is in it: then it alone.
    for signal in [libc::SIGUSR1, 34] {
        let mut run = pydexec(["-g"]).probe(["leave"]).as_pid1().start();
        run.says("ready");
        for signal in [signal, libc::SIGTERM] {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn race_02_a_child_that_unblocks_its_signals_swallows_none() {
    if !able(Need::Namespaces) {
        return;
    }
    for _ in 0..TRIES {
        // Certain: sent only when the kernel says that pydexec has blocked it. From then on it is
        // delivered to pydexec or forwarded; a handler of ours, in us or in the child on its way to
        // execve, is the only thing that could take it.
        let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
        eventually("TERM is blocked", || {
            run.process.signals("SigBlk") & (1 << 14) != 0 || run.process.waits_for_a_signal()
        });
        run.signal(libc::SIGTERM);
        assert_heard_term(&mut run, "sent as soon as it was blocked");
    }
}

#[test]
fn race_03_sigchld_ignored_at_start_is_heeded_by_us_and_ignored_by_the_child() {
    if !able(Need::Namespaces) {
        return;
    }
    for options in [&[][..], &["-g"]] {
        let scene = pydexec(options).probe(["exit", "33"]).as_pid1();
        assert_eq!(scene.ignoring(&[libc::SIGCHLD]).output().exit, Exit::Code(33));
    }
    let scene = pydexec([""; 0]).probe(["state"]).as_pid1().ignoring(&[libc::SIGCHLD]);
    assert_eq!(scene.output().state("SigIgn:"), "0000000000010000");
    // And blocked too, as a program may be started by one that is waiting itself.
    let scene = pydexec([""; 0]).probe(["exit", "34"]).blocking(&[libc::SIGCHLD]);
    assert_eq!(scene.output().exit, Exit::Code(34));
}

#[test]
fn race_04_terminal_stops_are_as_they_were_in_every_shell_below() {
    if !able(Need::Namespaces) {
        return;
    }
    // The rest of what is inherited is in tests/pid1.rs; this is the part that people notice: a
    // shell in the container, with a terminal, can have its jobs stopped.
    let scene = pydexec([""; 0]).command(["/bin/bash", "--norc", "--noediting", "-i"]).as_pid1();
    let scene = scene.on_a_terminal().env("PS1", "go> ").env("PROBE", probe());
    let mut run = scene.start();
    run.until_prompt("go> ");
    run.types("$PROBE state | grep -E 'Sig(Blk|Ign)'\n");
    run.says("SigBlk: 0000000000000000");
    run.says("SigIgn: 0000000000000000");
    run.until_prompt("go> ");
    run.types("$PROBE echo\n");
    run.says("ready");
    run.types("\x1a");
    run.until("Stopped");
    run.until_prompt("go> ");
    run.types("fg\n");
    run.until("echo");
    run.types("a\n");
    run.says("got a");
    run.types("quit\n");
    run.until_prompt("go> ");
    run.types("exit 4\n");
    assert_eq!(run.end(), Exit::Code(4));
}

#[test]
fn race_05_a_closed_stdin_is_no_error() {
    if !able(Need::Namespaces) {
        return;
    }
    for scene in [Scene::as_pid1, Scene::on_a_terminal, |scene: Scene| scene] {
        let mut run = scene(pydexec([""; 0]).probe(["signals"])).without(&[0]).start();
        run.says("ready");
        run.signal(libc::SIGTERM);
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn race_06_a_fault_that_somebody_sends_is_forwarded_and_not_died_of() {
    if !able(Need::Namespaces) {
        return;
    }
    let faults = [
        libc::SIGABRT,
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    for scene in [Scene::as_pid1, |scene: Scene| scene] {
        let mut run = scene(pydexec([""; 0]).probe(["signals"])).start();
        run.says("ready");
        for signal in faults {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        run.signal(libc::SIGTERM);
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
        // And where the command dies of it, that is what is told.
        let mut run = scene(pydexec([""; 0]).probe(["echo"])).start();
        run.says("ready");
        run.signal(libc::SIGABRT);
        assert_eq!(run.end(), Exit::Code(134));
    }
}

#[test]
fn race_07_the_foreground_is_not_taken_from_the_background() {
    if !able(Need::Namespaces) {
        return;
    }
    // A session leader that keeps the terminal, and pydexec in another group of its session.
    let script = "set -m; $PYDEXEC -- $PROBE state & wait; exec $PROBE state";
    let scene = program("/bin/bash", &["--norc", "-c", script]).on_a_terminal();
    let output = scene.env("PYDEXEC", binary()).env("PROBE", probe()).output();
    let values = |key: &str| -> Vec<String> {
        let lines = output.stdout.lines().filter_map(|line| line.strip_prefix(key));
        lines.map(|value| value.trim().to_owned()).collect()
    };
    let (groups, foregrounds) = (values("pgid:"), values("foreground:"));
    assert_eq!((groups.len(), foregrounds.len()), (2, 2), "{output:?}");
    assert_ne!(groups[0], groups[1], "{output:?}");
    assert_eq!(foregrounds, [groups[1].as_str(); 2], "{output:?}");
}

#[test]
fn race_08_neither_descriptors_nor_the_directory_stay_busy() {
    if !able(Need::Namespaces) {
        return;
    }
    let (_reader, writer) = kernel::pipe().unwrap();
    let scene = pydexec([""; 0]).probe(["signals"]).as_pid1().in_directory("/usr");
    let mut run = scene.with_descriptor(20, writer).start();
    run.says("ready");
    eventually("it holds only what it needs", || run.process.descriptors().len() == 3);
    eventually("it is in /", || run.process.directory().as_deref() == Some("/".as_ref()));
    assert!(run.child().descriptors().contains_key(&20));
    assert_eq!(run.child().directory().as_deref(), Some("/usr".as_ref()));
    // Nor an executable of somebody else's, nor anything but its own memory: it has no child but one.
    assert_eq!(run.table().len(), 2);
}

#[test]
fn race_09_nothing_wakes_it_up() {
    if !able(Need::Namespaces) {
        return;
    }
    // That it does not, while others work, is in tests/pid1.rs. Here, that it will not: the kernel
    // has no timer for it, of either kind, and the wait that it comes to has no end.
    let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    eventually("it waits for ever", || run.process.waits_for_ever());
    assert_eq!(run.process.status("Threads"), "1");
    assert!(!run.process.descriptors().values().any(|what| what.contains("timerfd")));
}

#[test]
fn race_10_the_signals_from_32_on_are_forwarded_too() {
    if !able(Need::Namespaces) {
        return;
    }
    for options in [&[][..], &["-g"]] {
        let mut run = pydexec(options).probe(["signals", "64"]).as_pid1().start();
        run.says("ready");
        for signal in 32..=64 {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn race_11_no_parent_death_signal_is_set_on_anybody() {
    if !able(Need::Namespaces) {
        return;
    }
    for scene in [Scene::as_pid1, |scene: Scene| scene] {
        let output = scene(pydexec([""; 0]).probe(["state"])).output();
        assert_eq!(output.state("pdeathsig:"), "0");
    }
    // Nor on itself: the shell that started it goes, and it stays, with its command, until it is told.
    let script = "$PYDEXEC -- $PROBE signals & exit 0";
    let scene = program("/bin/sh", &["-c", script]).env("PYDEXEC", binary()).env("PROBE", probe());
    let mut run = scene.start();
    run.says("ready");
    assert_eq!(run.end(), Exit::Code(0));
    let orphan = run.orphan(&binary());
    assert!(kernel::kill(orphan.0, libc::SIGTERM));
    run.says("signal 15");
    assert_eq!(run.line(), None);
}

#[test]
fn race_12_one_sigchld_may_stand_for_a_thousand() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["crowd", "300"]).as_pid1().start();
    run.says("crowd");
    run.says("ready");
    // Certain: while it is stopped all of them die, and SIGCHLD, which does not queue, comes once.
    // PID 1 cannot be stopped from within its namespace, but from ours.
    run.signal(libc::SIGSTOP);
    eventually("it is stopped", || run.process.state() == 'T');
    assert!(kernel::kill(run.process.children()[0].0, libc::SIGUSR1));
    run.says("signal 10");
    run.says("ready");
    let zombies = || run.table().values().filter(|state| state.starts_with('Z')).count();
    eventually("all of them are dead", || zombies() == 300);
    run.signal(libc::SIGCONT);
    eventually("all of them are gone", || run.table().len() == 2);
}

#[test]
fn race_13_no_signal_is_lost_from_the_first_instruction_on() {
    if !able(Need::Namespaces) {
        return;
    }
    for _ in 0..TRIES {
        // Certain: blocked from before the execve on, as in race 1, so that the kernel keeps it for
        // pydexec, and the command inherits the mask. Nothing may unblock it in between.
        let mut run = pydexec([""; 0]).probe(["heir"]).as_pid1().blocking_all().start();
        run.signal(libc::SIGTERM);
        run.says("ready");
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
    // The earliest of all: sent before the execve, so that it waits for the first instruction.
    for options in [&[][..], &["-g"]] {
        for signal in [libc::SIGTERM, libc::SIGINT, 34, 64] {
            let words = ["heir", &signal.to_string()];
            let mut run = pydexec(options).probe(words).as_pid1().with_pending(signal).start();
            run.says("ready");
            run.says(&format!("signal {signal}"));
            assert_eq!(run.end(), Exit::Code(0));
        }
    }
    // With --exec nobody is left to forward it, and PID 1's default for it would be nothing.
    let scene = pydexec(["--exec"]).probe(["state"]).as_pid1().with_pending(libc::SIGTERM);
    let output = scene.output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(143), ""), "{output:?}");
}

/// Follows pydexec to the end of the system call by which it blocks every signal, and returns the
/// calls before that.
fn follow_to_the_block(run: &Running) -> Vec<u64> {
    kernel::trace_begin(run.process.0).unwrap();
    let mut before = Vec::new();
    loop {
        match kernel::trace_step(run.process.0).unwrap() {
            // The one that blocks all: others, of a dynamic loader, do not.
            Stop::Entry(call, [how, set, _]) => {
                before.push(call);
                if call == libc::SYS_rt_sigprocmask as u64 && how == 2 && set != 0 {
                    assert_eq!(kernel::trace_step(run.process.0).unwrap(), Stop::Exit);
                    if run.process.signals("SigBlk").count_ones() >= 62 {
                        before.pop();
                        return before;
                    }
                }
            }
            Stop::Exit => {}
            Stop::End(status) => panic!("it ended before it blocked: {:?}", Exit::of(status)),
        }
    }
}

/// Whether a process can be traced here; sandboxes often forbid it.
fn can_trace() -> bool {
    let traced = pydexec([""; 0]).probe(["exit", "0"]).as_pid1().traced().try_start();
    let stopped = traced.and_then(|run| {
        kernel::trace_begin(run.process.0)?;
        kernel::trace_step(run.process.0)
    });
    match stopped {
        Ok(_) => true,
        Err(error) => skip(&format!("no process can be traced here: {error}")),
    }
}

#[test]
fn race_13_the_block_is_the_first_thing_that_is_done() {
    if !able(Need::Namespaces) || !able(Need::Static) || !can_trace() {
        return;
    }
    let run = pydexec([""; 0]).probe(["signals"]).as_pid1().traced().start();
    let before = follow_to_the_block(&run);
    // What the C library does before main, and not a call of ours.
    let start_up = [
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_set_tid_address,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_arch_prctl,
    ];
    assert!(before.len() <= 4, "{before:?}");
    assert!(before.iter().all(|call| start_up.contains(&(*call as i64))), "{before:?}");
}

#[test]
fn race_13_a_signal_at_any_system_call_after_the_block_reaches_the_command() {
    if !able(Need::Namespaces) || !can_trace() {
        return;
    }
    // Not by chance but one after another: pydexec is stopped before and after each of its system
    // calls, the signal is sent while it stands there, and then it is let go.
    for options in [&[][..], &["-g"]] {
        let mut stops = 0;
        loop {
            let mut run = pydexec(options).probe(["signals"]).as_pid1().traced().start();
            follow_to_the_block(&run);
            let (mut waits, mut looks) = (false, 0);
            for _ in 0..stops {
                match kernel::trace_step(run.process.0).unwrap() {
                    // The first of them only looks whether a signal is there.
                    Stop::Entry(call, _) if call == libc::SYS_rt_sigtimedwait as u64 => {
                        looks += 1;
                        waits = looks == 2;
                    }
                    Stop::Entry(..) | Stop::Exit => waits = false,
                    Stop::End(status) => panic!("it ended: {:?}", Exit::of(status)),
                }
                if waits {
                    break;
                }
            }
            run.signal(libc::SIGTERM);
            kernel::trace_end(run.process.0).unwrap();
            assert_heard_term(&mut run, &format!("sent at stop {stops}"));
            if waits {
                break;
            }
            stops += 1;
        }
        assert!(stops > 10, "it was followed through all of its start: {stops}");
    }
}
