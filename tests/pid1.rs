//! What an init owes its container: exit codes, orphans, what its child inherits, what it lets go.

mod support;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;

use support::kernel::{self, EVERY};
use support::{
    DEADLINE, Exit, Need, Output, Scene, Scratch, able, eventually, probe, program, pydexec,
};

/// What a program is started with that pydexec may not change.
const INHERITED: [&str; 8] =
    ["fds:", "SigBlk:", "SigIgn:", "SigCgt:", "NoNewPrivs:", "pdeathsig:", "subreaper:", "cwd:"];

/// The same scene twice: with the probe under pydexec, and with the probe alone.
fn with_and_without(change: impl Fn(Scene) -> Scene) -> [Output; 2] {
    // The probe alone has the death signal that the scene itself was given.
    let alone = change(program(probe(), &["state"])).output();
    [change(pydexec([""; 0]).probe(["state"])).output(), alone]
}

fn assert_same(with: &Output, without: &Output, what: &str) {
    assert_eq!(with.exit, Exit::Code(0), "{with:?}");
    for key in INHERITED.iter().filter(|key| **key != "pdeathsig:") {
        assert_eq!(with.state(key), without.state(key), "{key} {what}");
    }
    assert_eq!(with.state("pdeathsig:"), "0", "{what}");
}

#[test]
fn every_exit_code_is_the_commands() {
    if !able(Need::Namespaces) {
        return;
    }
    for code in 0..=255 {
        let output = pydexec([""; 0]).probe(["exit", &code.to_string()]).as_pid1().output();
        assert_eq!(output.exit, Exit::Code(code), "{output:?}");
    }
}

#[test]
fn a_command_that_dies_of_signal_n_gives_128_and_n() {
    if !able(Need::Namespaces) {
        return;
    }
    let survived = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    for signal in (1..=64).filter(|signal| !survived.contains(signal)) {
        let scene = pydexec([""; 0]).probe(["die", &signal.to_string()]);
        assert_eq!(scene.as_pid1().output().exit, Exit::Code(128 + signal));
    }
}

#[test]
fn a_command_that_somebody_kills_ends_the_container_with_137() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    assert!(kernel::kill(run.child().0, libc::SIGKILL));
    assert_eq!(run.end(), Exit::Code(137));
}

#[test]
fn nothing_of_ours_is_in_the_child() {
    if !able(Need::Namespaces) {
        return;
    }
    let [with, without] = with_and_without(Scene::as_pid1);
    assert_same(&with, &without, "as PID 1");
    assert_eq!((with.state("Pid:"), with.state("PPid:")), ("2", "1"));
    assert_eq!(with.state("pgid:"), "2", "a group of its own");
    // Not PID 1, pydexec is a subreaper; its child is none.
    let [with, without] = with_and_without(|scene| scene);
    assert_same(&with, &without, "as a child");
    assert_eq!(with.state("subreaper:"), "0");
}

#[test]
fn the_mask_and_what_is_ignored_are_the_childs_as_they_were_given() {
    if !able(Need::Namespaces) {
        return;
    }
    // KILL and STOP can be in neither; the kernel keeps them out.
    let all: Vec<i32> = (1..=64).filter(|signal| ![9, 19].contains(signal)).collect();
    let cases: [&[i32]; 6] = [
        &[libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU],
        &[libc::SIGPIPE],
        &[libc::SIGCHLD],
        &[libc::SIGTERM, libc::SIGHUP],
        &[32, 33, 34, 64],
        &all,
    ];
    for signals in cases {
        let [with, without] = with_and_without(|scene| scene.as_pid1().blocking(signals));
        assert_same(&with, &without, "blocked");
        let set = format!("{:016x}", support::set(signals));
        assert_eq!(with.state("SigBlk:"), set);

        let [with, without] = with_and_without(|scene| scene.as_pid1().ignoring(signals));
        assert_same(&with, &without, "ignored");
        assert_eq!(with.state("SigIgn:"), set);
    }
}

#[test]
fn each_of_stdin_stdout_and_stderr_may_be_closed() {
    if !able(Need::Namespaces) {
        return;
    }
    for closed in 0..8 {
        let closed: Vec<usize> = (0..3).filter(|fd| closed & (1 << fd) != 0).collect();
        let state = |scene: Scene| {
            let (reader, writer) = kernel::pipe().unwrap();
            let scene = scene.without(&closed).with_descriptor(9, writer).env("PROBE_OUT", "9");
            let mut run = scene.as_pid1().start();
            run.close_input();
            let mut stdout = String::new();
            File::from(reader).read_to_string(&mut stdout).unwrap();
            Output { exit: run.end(), stdout, stderr: String::new() }
        };
        let with = state(pydexec([""; 0]).probe(["state"]));
        let without = state(program(probe(), &["state"]));
        assert_same(&with, &without, &format!("without {closed:?}"));
        let open = (0..3).filter(|fd| !closed.contains(fd)).chain([9]);
        let open: Vec<String> = open.map(|fd| fd.to_string()).collect();
        assert_eq!(with.state("fds:"), open.join(" "));
    }
}

#[test]
fn no_file_of_ours_is_ever_taken_for_somebodys_stdout() {
    if !able(Need::Namespaces) {
        return;
    }
    let (reader, writer) = kernel::pipe().unwrap();
    let scene = pydexec([""; 0]).probe(["signals"]).as_pid1().without(&[0, 1, 2]);
    let run = scene.with_descriptor(9, writer).env("PROBE_OUT", "9").start();
    let mut ready = [0; 6];
    File::from(reader).read_exact(&mut ready).unwrap();
    // What is written there goes nowhere, as it would if they were closed: it is `/`, by O_PATH.
    eventually("no other is left", || run.process.descriptors().len() == 3);
    let kept = run.process.descriptors();
    let root = "/".to_owned();
    assert_eq!([&kept[&0], &kept[&1], &kept[&2]], [&root; 3], "{kept:?}");
}

#[test]
fn inherited_descriptors_are_the_childs_alone() {
    if !able(Need::Namespaces) {
        return;
    }
    let (reader, writer) = kernel::pipe().unwrap();
    let scene = pydexec([""; 0]).probe(["close", "7", "15"]).as_pid1();
    let mut run = scene.with_descriptor(7, writer).start();
    run.says("ready");
    // The child has closed its own by then: nobody has it any more, and its reader sees the end.
    let end = || kernel::readable(reader.as_raw_fd(), DEADLINE.as_millis() as i32);
    assert!(end(), "somebody still holds the pipe: {:?}", run.process.descriptors());
    let kept = run.process.descriptors();
    assert!(kept.keys().eq(&[0, 1, 2]), "{kept:?}");

    let (_reader, writer) = kernel::pipe().unwrap();
    let output = pydexec([""; 0]).probe(["state"]).as_pid1().with_descriptor(7, writer).output();
    assert_eq!(output.state("fds:"), "0 1 2 7");
}

#[test]
fn hundreds_of_inherited_descriptors_are_let_go_of_too() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut scene = pydexec([""; 0]).probe(["signals"]).as_pid1();
    for fd in 3..300 {
        scene = scene.with_descriptor(fd, File::open("/dev/null").unwrap().into());
    }
    let mut run = scene.start();
    run.says("ready");
    eventually("no other is left", || run.process.descriptors().len() == 3);
    assert_eq!(run.child().descriptors().len(), 300);
}

#[test]
fn the_working_directory_is_let_go_of_so_that_it_can_be_unmounted() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let busy = scratch.directory("busy");
    let path = busy.to_str().unwrap();
    let scene = pydexec(["--workdir", "/"]).probe(["unmount", path]).as_pid1();
    let mut run = scene.with_tmpfs(&busy).in_directory(&busy).start();
    run.says("ready");
    eventually("PID 1 is in /", || run.process.directory().as_deref() == Some("/".as_ref()));
    run.types("now\n");
    run.says("unmounted");
    assert_eq!(run.end(), Exit::Code(0));

    // And the child has it, as it was given.
    let scene = pydexec([""; 0]).probe(["state"]).as_pid1().in_directory("/usr");
    assert_eq!(scene.output().state("cwd:"), "/usr");
}

#[test]
fn orphans_are_reaped_while_the_command_runs() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["orphans", "100"]).as_pid1().start();
    run.says("orphaned");
    eventually("no orphan is left", || run.table().len() == 2);
    run.signal(libc::SIGTERM);
    run.says("ready");
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn orphans_one_after_the_other_are_reaped_and_then_it_waits_again() {
    if !able(Need::Namespaces) {
        return;
    }
    // So many in a row that it looks for the next ones at times of its own.
    let mut run = pydexec([""; 0]).probe(["trickle", "100"]).as_pid1().start();
    run.says("orphaned");
    eventually("it waits without a timeout", || run.process.waits_for_ever());
    run.signal(libc::SIGTERM);
    run.says("ready");
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn what_a_step_leaves_behind_dead_is_reaped_though_nothing_tells_of_it_any_more() {
    if !able(Need::Namespaces) {
        return;
    }
    // They have all ended when it does, so that one SIGCHLD stands for it and for all of them.
    let step = "perl -e 'pipe(R, W); for (1..1000) { fork or exit } close(W); <R>'";
    let mut run = pydexec(["--run", step]).probe(["signals", "15"]).as_pid1().start();
    run.says("ready");
    eventually("the command alone is left", || run.table().len() == 2);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_thousand_orphans_that_end_in_one_moment_leave_no_zombie() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["crowd", "1000"]).as_pid1().start();
    run.says("crowd");
    run.says("ready");
    assert_eq!(run.process.children().len(), 1001, "all are adopted");
    run.signal(libc::SIGUSR1);
    run.says("signal 10");
    run.says("ready");
    eventually("no zombie is left", || {
        run.table().values().map(String::as_str).eq(["S pydexec", "S probe"])
    });
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn after_a_quiet_second_it_reaps_and_forwards_as_before() {
    if !able(Need::Namespaces) {
        return;
    }
    // It waits in another way then: a thousand orphans, signals with a value in their order, and both.
    let mut run = pydexec([""; 0]).probe(["crowd", "1000"]).as_pid1().start();
    run.says("crowd");
    run.says("ready");
    eventually("it waits without a timeout", || run.process.waits_for_ever());
    run.signal(libc::SIGUSR1);
    // In the middle of it all it still listens.
    run.signal(libc::SIGUSR2);
    run.says("signal 10");
    run.says("ready");
    run.says("signal 12");
    eventually("no zombie is left", || {
        run.table().values().map(String::as_str).eq(["S pydexec", "S probe"])
    });
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));

    let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    eventually("it waits without a timeout", || run.process.waits_for_ever());
    for value in 1..=200 {
        run.queue(40, value);
    }
    for value in 1..=200 {
        run.says(&format!("signal 40 value {value}"));
    }
    // A child that stops and goes on is no end, and SIGSTOP of the init none of its own.
    let child = run.child();
    for signal in [libc::SIGSTOP, libc::SIGCONT] {
        kernel::kill(child.0, signal);
    }
    run.says("signal 18");
    kernel::kill(run.process.0, libc::SIGSTOP);
    eventually("it is stopped", || run.process.state() == 'T');
    run.signal(libc::SIGUSR2);
    kernel::kill(run.process.0, libc::SIGCONT);
    run.says("signal 12");
    // The CONT was for both.
    run.says("signal 18");
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn when_it_is_not_pid_1_it_adopts_orphans_all_the_same() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["crowd", "20"]).start();
    run.says("crowd");
    run.says("ready");
    assert_eq!(run.process.children().len(), 21);
    run.signal(libc::SIGUSR1);
    run.says("signal 10");
    eventually("only the command is left", || run.process.children().len() == 1);
    assert_eq!(run.table().len(), 2);
}

#[test]
fn it_ends_with_its_command_even_when_others_are_left() {
    if !able(Need::Namespaces) {
        return;
    }
    let script = format!("{} signals & exec {} exit 3", probe().display(), probe().display());
    let output = pydexec([""; 0]).command(["sh", "-c", &script]).as_pid1().output();
    assert_eq!(output.exit, Exit::Code(3), "{output:?}");
}

#[test]
fn while_the_command_works_it_never_wakes_up() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["echo"]).as_pid1().start();
    run.says("ready");
    eventually("it waits without a timeout", || run.process.waits_for_ever());
    let switches = |run: &support::Running| {
        let count = |key| run.process.status(key);
        (count("voluntary_ctxt_switches"), count("nonvoluntary_ctxt_switches"))
    };
    let before = switches(&run);
    for number in 0..200 {
        run.types(format!("ping {number}\n"));
        run.says(&format!("got ping {number}"));
    }
    assert_eq!(switches(&run), before);
    assert_eq!(run.process.status("Threads"), "1");
    assert_eq!(
        std::fs::read_to_string(format!("/proc/{}/timers", run.process.0)).unwrap_or_default(),
        ""
    );
}

#[test]
fn an_idle_init_has_little_memory_of_its_own() {
    if !able(Need::Namespaces) {
        return;
    }
    // What a start by options is read with is gone as well.
    for options in [&[][..], &["--user", "0:0", "--env", "A=B", "--workdir", "/"]] {
        let mut run = pydexec(options).probe(["signals"]).as_pid1().start();
        run.says("ready");
        eventually("it waits without a timeout", || run.process.waits_for_ever());
        let private = run.process.memory(&["Private_Clean", "Private_Dirty", "Private_Hugetlb"]);
        // What the README says is measured with the static binary. Another one has a loader's data, and
        // pages of its file that nobody else happens to map.
        let bound = if std::env::var_os("PYDEXEC_BIN").is_some() { 100 } else { 4000 };
        assert!(private <= bound, "{private} kB with {options:?}");
        // What was given back is there again when it is wanted.
        for signal in [libc::SIGUSR1, libc::SIGTERM] {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn with_exec_there_is_one_process_and_it_is_the_command() {
    if !able(Need::Namespaces) {
        return;
    }
    let output = pydexec(["--exec"]).probe(["state"]).as_pid1().output();
    assert_eq!((output.state("Pid:"), output.state("PPid:")), ("1", "0"));
    assert_eq!(output.state("fds:"), "0 1 2");

    // And what it was started with is as it was, where nothing stands between.
    let signals = [libc::SIGCHLD, libc::SIGPIPE, 34];
    let change = |scene: Scene| scene.ignoring(&signals).blocking(&[libc::SIGUSR1, 64]);
    let with = change(pydexec(["--exec"]).probe(["state"])).output();
    let without = change(program(probe(), &["state"])).output();
    for key in INHERITED {
        assert_eq!(with.state(key), without.state(key), "{key}");
    }

    let mut run = pydexec(["--exec"]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    let table = run.table();
    assert!(table.len() == 1 && table[&1].ends_with(" probe"), "{table:?}");
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_command_that_is_stopped_is_not_dead() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["echo"]).as_pid1().start();
    run.says("ready");
    let child = run.child();
    assert!(kernel::kill(child.0, libc::SIGSTOP));
    eventually("the child is stopped", || child.state() == 'T');
    assert!(kernel::kill(child.0, libc::SIGCONT));
    run.types("still here\n");
    run.says("got still here");
    run.types("quit\n");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn every_signal_is_blocked_and_none_is_handled_in_the_init_itself() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = pydexec([""; 0]).probe(["signals"]).as_pid1().start();
    run.says("ready");
    assert_eq!(run.process.signals("SigCgt"), 0);
    // While it waits for signals the kernel shows them as not blocked. A stop interrupts the wait.
    assert!(kernel::kill(run.process.0, libc::SIGSTOP));
    eventually("it is stopped", || run.process.state() == 'T');
    let unblockable = support::set(&[libc::SIGKILL, libc::SIGSTOP]);
    assert_eq!(run.process.signals("SigBlk"), EVERY & !unblockable);
    // What comes meanwhile is kept, and read when it goes on.
    run.signal(libc::SIGTERM);
    run.signal(libc::SIGUSR1);
    assert!(kernel::kill(run.process.0, libc::SIGCONT));
    run.says("signal 10");
    run.says("signal 15");
}
