//! Which signals reach the command, and how often.

mod support;

use support::kernel;
use support::{Exit, Need, Scene, able, eventually, probe, pydexec};

/// All that a program can catch, but CHLD, which tells an init of its own children.
fn forwarded() -> impl Iterator<Item = i32> {
    (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(signal))
}

fn forwards_everything(scene: Scene) {
    let mut run = scene.start();
    run.says("ready");
    // TERM last: with it the probe ends.
    for signal in forwarded().filter(|signal| *signal != libc::SIGTERM).chain([libc::SIGTERM]) {
        run.signal(signal);
        run.says(&format!("signal {signal}"));
    }
    assert_eq!(run.line(), None);
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn every_signal_that_can_be_caught_reaches_the_command() {
    if !able(Need::Namespaces) {
        return;
    }
    forwards_everything(pydexec([""; 0]).probe(["signals"]).as_pid1());
    forwards_everything(pydexec([""; 0]).probe(["signals"]));
}

#[test]
fn every_signal_that_can_be_caught_reaches_the_commands_group() {
    if !able(Need::Namespaces) {
        return;
    }
    forwards_everything(pydexec(["-g"]).probe(["signals"]).as_pid1());
    forwards_everything(pydexec(["--group"]).probe(["signals"]));
}

#[test]
fn realtime_signals_keep_their_count_order_and_value() {
    if !able(Need::Namespaces) {
        return;
    }
    for signal in [32, 34, 35, 64] {
        let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
        run.says("ready");
        for value in 1..=200 {
            run.queue(signal, value * 0x1_0000_0001);
        }
        for value in 1..=200 {
            run.says(&format!("signal {signal} value {}", value * 0x1_0000_0001_usize));
        }
        // Without a value too.
        for _ in 0..50 {
            run.signal(signal);
        }
        for _ in 0..50 {
            run.says(&format!("signal {signal}"));
        }
        run.signal(libc::SIGTERM);
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn a_group_gets_realtime_signals_with_their_count() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec(["-g"]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    for _ in 0..100 {
        run.signal(40);
    }
    for _ in 0..100 {
        run.says("signal 40");
    }
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn an_ordinary_signal_keeps_its_value_too() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    run.queue(libc::SIGUSR1, 42);
    run.says("signal 10 value 42");
}

/// Two probes in the command's group, of which the second is the command.
fn two_probes() -> String {
    let probe = probe();
    format!("{} signals & exec {} signals", probe.display(), probe.display())
}

#[test]
fn without_group_the_command_alone_gets_the_signal() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).command(["sh", "-c", &two_probes()]).as_pid1().start();
    run.says("ready");
    run.says("ready");
    run.signal(libc::SIGUSR1);
    run.says("signal 10");
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
    assert_eq!(run.rest(), "");
}

#[test]
fn with_group_all_of_it_gets_the_signal() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec(["-g"]).command(["sh", "-c", &two_probes()]).as_pid1().start();
    run.says("ready");
    run.says("ready");
    run.signal(libc::SIGUSR1);
    run.says("signal 10");
    run.says("signal 10");
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_stopped_command_that_is_told_to_end_gets_to_hear_it() {
    if !able(Need::Namespaces) {
        return;
    }
    for options in [&[][..], &["-g"]] {
        let mut run = pydexec(options).probe(["signals"]).as_pid1().start();
        run.says("ready");
        let child = run.child();
        assert!(kernel::kill(child.0, libc::SIGSTOP));
        eventually("the child is stopped", || child.state() == 'T');
        run.signal(libc::SIGTERM);
        // Continued for it, of which it may hear first or not at all.
        run.until("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn tstp_stops_the_command_of_a_container_and_cont_continues_it() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["echo"]).as_pid1().start();
    run.says("ready");
    let child = run.child();
    for _ in 0..5 {
        // The kernel itself spares a group that no shell could continue from a TSTP, but not STOP;
        // PID 1's child is in such a group where the container has no terminal.
        run.signal(libc::SIGTSTP);
        run.signal(libc::SIGCONT);
        run.types("a\n");
        run.says("got a");
        assert!("SR".contains(child.state()));
    }
    run.types("quit\n");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_signal_that_the_command_ignores_ends_nobody() {
    if !able(Need::Namespaces) {
        return;
    }
    let scene = pydexec([""; 0]).probe(["echo"]).as_pid1();
    let mut run = scene.ignoring(&[libc::SIGTERM, libc::SIGHUP]).start();
    run.says("ready");
    run.signal(libc::SIGTERM);
    run.signal(libc::SIGHUP);
    run.types("a\n");
    run.says("got a");
    run.signal(libc::SIGINT);
    assert_eq!(run.end(), Exit::Code(130));
}

#[test]
fn a_sigpipe_of_our_own_making_is_not_forwarded_and_another_ones_is() {
    if !able(Need::Namespaces) {
        return;
    }
    // Every line that -v writes raises a SIGPIPE. Of two signals that wait, the lower number is
    // taken first, at both ends: had a PIPE (13) been forwarded, it would stand before the ALRM (14)
    // and the TERM (15) that come after it.
    for options in [&["-v"][..], &["-v", "-g"]] {
        let scene = pydexec(options).probe(["signals"]).as_pid1();
        let mut run = scene.with_stderr_unread().start();
        run.says("ready");
        for _ in 0..20 {
            run.signal(libc::SIGALRM);
            run.says("signal 14");
        }
        run.signal(libc::SIGPIPE);
        run.says("signal 13");
        run.signal(libc::SIGTERM);
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn without_the_power_to_signal_others_the_command_is_signalled_all_the_same() {
    if !able(Need::Root) || !able(Need::Namespaces) {
        return;
    }
    // What `--cap-drop ALL --cap-add SETUID --cap-add SETGID` leaves: no CAP_KILL (5).
    for target in [&[][..], &["--group"]] {
        let options = [target, &["--user", "1000:1000"]].concat();
        let mut run = pydexec(options).probe(["signals"]).as_pid1().without_capability(5).start();
        run.says("ready");
        run.signal(libc::SIGUSR1);
        run.says("signal 10");
        run.signal(libc::SIGTERM);
        run.says("signal 15");
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn a_flood_of_signals_does_not_hide_the_end() {
    if !able(Need::Namespaces) {
        return;
    }
    // Somebody who outlives the command sends PID 1 realtime signals without a pause.
    let script = "trap '' RTMIN; (while :; do kill -34 1; done) & exit 7";
    let mut run = pydexec([""; 0]).command(["bash", "-c", script]).as_pid1().start();
    assert_eq!(run.end(), Exit::Code(7));
}

#[test]
fn neither_does_one_now_and_then_where_many_orphans_end() {
    // Each is less than the half millisecond after the one before in which a crowd of them is let end. How
    // many more came than the one that ends it depends on the scheduler, so it is tried some times.
    let more = || {
        let mut run = pydexec([""; 0]).probe(["bustle", "100"]).start();
        let line = run.until("signals ");
        assert_eq!(run.end(), Exit::Code(0));
        line.trim_start_matches("signals ").parse::<u32>().expect("a number")
    };
    let mut more: Vec<u32> = (0..9).map(|_| more()).collect();
    more.sort_unstable();
    assert!(more[4] < 32, "the command's end was seen after so many signals: {more:?}");
}
