//! `docker kill --signal`, and what the programs make of it.

use crate::harness::{Process, engine};

#[test]
fn every_signal_that_the_engine_can_send_reaches_the_program() {
    let Some(engine) = engine() else { return };
    let probe = ["/probe", "signals", "15"];
    let mut container = engine.container(engine.scratch()).running(probe).start();
    container.wait_for("ready");
    let signals = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("CONT", 18),
        ("WINCH", 28),
        ("RTMIN", 34),
        ("RTMIN+3", 37),
        ("RTMAX", 64),
        ("TERM", 15),
    ];
    for (name, number) in signals {
        container.signal(name);
        container.wait_for(&format!("signal {number}"));
    }
    let ended = container.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    let got: Vec<_> = signals.iter().map(|(_, number)| format!("signal {number}")).collect();
    assert_eq!(ended.stdout[1..], got);
}

#[test]
fn gunicorn_reloads_its_workers_on_hup() {
    let Some(engine) = engine() else { return };
    let mut web = engine.container(engine.packed()).start();
    web.wait_for("Booting worker with pid");
    web.get("/healthz");
    let family = |table: &[Process]| {
        let master = table.iter().find(|process| process.parent == 1).unwrap().pid;
        let workers = table.iter().filter(|process| process.parent == master);
        (master, workers.map(|process| process.pid).collect::<Vec<_>>())
    };
    let (master, old) = family(&web.processes());
    web.signal("HUP");
    web.wait_for("Booting worker with pid");
    web.until_processes(|table| !table.iter().any(|process| old.contains(&process.pid)));
    web.get("/healthz");
    let (same, new) = family(&web.processes());
    assert_eq!(same, master);
    assert!(!new.is_empty() && !old.is_empty(), "{old:?}, {new:?}");
    assert_eq!(web.stop().code, 0);
}

#[test]
fn a_program_that_dies_of_a_signal_leaves_128_and_its_number() {
    let Some(engine) = engine() else { return };
    for (signal, code) in [("9", 137), ("11", 139), ("15", 143)] {
        let ended = engine.container(engine.scratch()).running(["/probe", "die", signal]).run();
        assert_eq!(ended.code, code, "{ended:?}");
    }
}

/// An engine with `--init` has an init of its own as PID 1; orphans are then ours all the same.
#[test]
fn below_another_init_it_reaps_as_a_subreaper() {
    let Some(engine) = engine() else { return };
    let mut web = engine.container(engine.packed()).with("--init").start();
    web.wait_for("Listening at");
    let table = web.processes();
    let ours = table.iter().find(|process| process.command.starts_with("pydexec")).unwrap();
    assert_ne!(ours.pid, 1, "{table:?}");
    let orphan: u32 = web.request("POST", "/orphans").trim().parse().unwrap();
    let table = web.processes();
    let found = table.iter().find(|process| process.pid == orphan).unwrap();
    assert_eq!(found.parent, ours.pid, "{table:?}");
    web.request("DELETE", &format!("/orphans/{orphan}"));
    web.until_processes(|table| !table.iter().any(|process| process.pid == orphan));
    assert_eq!(web.stop().code, 0);
}

#[test]
fn orphans_of_docker_exec_are_reaped() {
    let Some(engine) = engine() else { return };
    // Leaves three orphans behind, one that has ended and two that wait for their end.
    const LEAVE: &str = r#"
import os, signal
for number in range(3):
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            os.setsid()
            os.dup2(os.open("/dev/null", os.O_RDWR), 1)
            os.dup2(1, 2)
            if number:
                signal.pause()
        os._exit(0)
    os.wait()
    print(os.read(reader, 9).decode())
"#;
    let mut container = engine.container(engine.packed()).running(["python", "pause.py"]).start();
    container.wait_for("ready");
    let orphans: Vec<u32> =
        container.exec(["python3", "-c", LEAVE]).lines().map(|pid| pid.parse().unwrap()).collect();
    let [ended, waiting @ ..] = &orphans[..] else { panic!("{orphans:?}") };
    container.until_processes(|table| !table.iter().any(|process| process.pid == *ended));
    let table = container.processes();
    for orphan in waiting {
        let found = table.iter().find(|process| process.pid == *orphan);
        assert_eq!(found.map(|process| process.parent), Some(1), "{table:?}");
        container.exec(["sh", "-c", &format!("kill {orphan}")]);
    }
    container.until_processes(|table| !table.iter().any(|one| waiting.contains(&one.pid)));
}
