//! The library in a program that is not ours: how it starts, waits, forwards, supervises and execs.

mod support;

use std::ffi::OsStr;

use support::{Exit, Need, Scene, able, eventually, example, kernel, probe, program};

/// `host VERB PROBE WORDS…`
fn host(verb: &str, words: &[&str]) -> Scene {
    let probe = probe();
    let head = [OsStr::new(verb), probe.as_os_str()];
    let words: Vec<&OsStr> = head.into_iter().chain(words.iter().map(OsStr::new)).collect();
    program(example("host"), &words)
}

#[test]
fn run_is_an_error_unless_the_command_succeeds() {
    if !able(Need::Namespaces) {
        return;
    }
    assert_eq!(host("run", &["exit", "0"]).output().stdout, "ok\n");
    let probe = probe();
    let failed = host("run", &["exit", "7"]).output().stdout;
    assert_eq!(failed, format!("error 7 {probe:?} exited with code 7\n"));
    let killed = host("run", &["die", "15"]).output().stdout;
    assert_eq!(killed, format!("error 143 {probe:?} was killed by SIGTERM\n"));
    let none = program(example("host"), &["run", "/no/such/program"]).output().stdout;
    assert_eq!(none, "error 127 cannot run \"/no/such/program\": no such file\n");
    let directory = program(example("host"), &["run", "/usr"]).output().stdout;
    assert_eq!(directory, "error 126 cannot run \"/usr\": it is a directory\n");
}

#[test]
fn status_is_how_it_ended_whatever_it_was() {
    if !able(Need::Namespaces) {
        return;
    }
    assert!(host("status", &["exit", "0"]).output().stdout.starts_with("code 0\n"));
    assert!(host("status", &["exit", "255"]).output().stdout.starts_with("code 255\n"));
    assert!(host("status", &["die", "9"]).output().stdout.starts_with("signal 9\n"));
    assert!(host("supervise", &["exit", "255"]).output().stdout.starts_with("code 255\n"));
    assert!(host("supervise", &["die", "34"]).output().stdout.starts_with("signal 34\n"));
}

#[test]
fn what_ends_the_host_reaches_the_command_first_while_it_is_waited_for() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("status", &["signals"]).start();
    run.says("ready");
    for signal in [1, 2, 3, 10, 12, 28, 15] {
        run.signal(signal);
        run.says(&format!("signal {signal}"));
    }
    run.says("code 0");
    // Afterwards nobody is there to have it, and the host's default is true again.
    run.says("after 0000000000000000");
    run.signal(libc::SIGTERM);
    assert_eq!(run.end(), Exit::Signal(libc::SIGTERM));
}

#[test]
fn a_signal_reaches_every_command_that_is_waited_for() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("both", &["signals"]).start();
    for line in ["ready", "ready"] {
        run.says(line);
    }
    // Both are waited for once both threads sleep in waitid; until then the signal could come to
    // one alone. The kernel says so.
    let waits = |thread: &str| {
        let file = format!("/proc/{}/task/{thread}/syscall", run.process.0);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.split(' ').next() == Some(&*libc::SYS_waitid.to_string())
    };
    eventually("both threads wait", || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", run.process.0)).unwrap();
        threads.flatten().filter(|entry| waits(&entry.file_name().to_string_lossy())).count() == 2
    });
    run.signal(libc::SIGTERM);
    let mut lines: Vec<String> = (0..4).map(|_| run.line().unwrap()).collect();
    lines.sort();
    assert_eq!(lines, ["code 0", "code 0", "signal 15", "signal 15"]);
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_handler_of_the_host_is_called_as_well() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("handler", &["signals"]).start();
    run.says("ready");
    run.signal(libc::SIGUSR1);
    let mut lines = [run.line().unwrap(), run.line().unwrap()];
    lines.sort();
    assert_eq!(lines, ["host", "signal 10"]);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    run.says("code 0");
    run.until("after");
    // And it alone, where there is no command.
    run.signal(libc::SIGUSR1);
    run.says("host");
    run.close_input();
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_signal_that_the_host_ignores_stays_ignored_in_both() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("status", &["echo"]).ignoring(&[libc::SIGHUP]).start();
    run.says("ready");
    assert_eq!(run.child().signals("SigIgn") & 1, 1);
    run.signal(libc::SIGHUP);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    run.until("after");
    run.signal(libc::SIGHUP);
    run.close_input();
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn a_child_gets_the_hosts_mask_and_no_handler_of_its() {
    if !able(Need::Namespaces) {
        return;
    }
    for verb in ["status", "supervise", "spawn"] {
        let mut run = host(verb, &["state"]).blocking(&[libc::SIGUSR2, 40]).start();
        run.until("SigBlk: 0000008000000800");
        // Not the SIGPIPE that Rust's runtime has ignored in the host for itself.
        run.until("SigIgn: 0000000000000000");
        run.until("SigCgt: 0000000000000000");
        if verb == "spawn" {
            run.types("\n");
        }
        run.until("code 0");
        if verb != "spawn" {
            run.says("after 0000008000000800");
        }
    }
}

#[test]
fn spawn_does_not_wait_and_does_not_forward() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("spawn", &["signals"]).start();
    let mut lines = [run.line().unwrap(), run.line().unwrap()];
    lines.sort();
    assert!(lines[0].starts_with("child ") && lines[1] == "ready", "{lines:?}");
    let child = run.child();
    assert!(kernel::kill(child.0, libc::SIGTERM));
    run.says("signal 15");
    eventually("it is a zombie until it is waited for", || child.state() == 'Z');
    run.types("\n");
    run.says("code 0");
    run.says("code 0");
    assert_eq!(run.end(), Exit::Code(0));

    let mut run = host("spawn", &["signals"]).start();
    // In whichever order.
    let mut lines = [run.line().unwrap(), run.line().unwrap()];
    lines.sort();
    assert_eq!(lines[1], "ready");
    run.signal(libc::SIGTERM);
    assert_eq!(run.end(), Exit::Signal(libc::SIGTERM), "the host alone");
}

#[test]
fn supervise_is_an_init() {
    if !able(Need::Namespaces) {
        return;
    }
    for scene in [Scene::as_pid1, |scene: Scene| scene] {
        let mut run = scene(host("supervise", &["crowd", "50"])).start();
        run.says("crowd");
        run.says("ready");
        assert_eq!(run.process.children().len(), 51, "it adopts");
        run.signal(libc::SIGUSR1);
        run.says("signal 10");
        run.says("ready");
        eventually("and reaps", || run.process.children().len() == 1);
        for signal in [libc::SIGHUP, 34, libc::SIGABRT, libc::SIGTERM] {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        run.says("code 0");
        run.says("after 0000000000000000");
        run.close_input();
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn supervise_leaves_sigchld_as_it_found_it() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("supervise", &["exit", "6"]).ignoring(&[libc::SIGCHLD]).start();
    run.says("code 6");
    run.until("after");
    let chld = support::set(&[libc::SIGCHLD]);
    assert_eq!(run.process.signals("SigIgn") & chld, chld);
}

#[test]
fn exec_becomes_the_command() {
    if !able(Need::Namespaces) {
        return;
    }
    let mut run = host("exec", &["signals"]).as_pid1().start();
    run.says("ready");
    assert_eq!(run.table().len(), 1);
    assert_eq!(run.process.signals("SigCgt"), 0);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
    let none = program(example("host"), &["exec", "no-such-program"]).output().stdout;
    assert!(none.starts_with("error 127 cannot run \"no-such-program\": not found"), "{none}");
}

#[test]
fn user_and_workdir_are_the_childs_and_not_the_hosts() {
    if !able(Need::Root) {
        return;
    }
    for verb in ["status", "supervise"] {
        let scratch = support::Scratch::new();
        let probe = scratch.probe("probe");
        let mut run = program(example("host"), &[verb, probe.to_str().unwrap(), "state"])
            .env("HOST_USER", "12:34")
            .env("HOST_WORKDIR", "/usr")
            .start();
        run.until("Uid: 12 12 12 12");
        run.until("Gid: 34 34 34 34");
        run.until("Groups: 34");
        run.until("cwd: /usr");
        run.until("env HOME=/");
        run.until("code 0");
        run.until("after");
        assert_eq!(run.process.status("Uid"), "0 0 0 0");
        assert_eq!(run.process.directory().as_deref(), Some("/".as_ref()));
    }
}

#[test]
fn after_a_run_the_hosts_handlers_are_as_they_were() {
    let caught = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("SigCgt:")).unwrap().to_owned()
    };
    let before = caught();
    // While it runs there are more: the command itself looks at its parent.
    let script = "n=0; while grep -q \"$1\" /proc/$PPID/status; do \
                  n=$((n + 1)); [ $n -lt 5000 ] || exit 1; done";
    pydexec::Command::new("sh").args(["-c", script, "sh", &before]).run().unwrap();
    assert_eq!(caught(), before);
}
