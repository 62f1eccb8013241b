//! Real applications: started, used, stopped as they stop by themselves.

use crate::harness::{Container, Directory, Engine, Process, Recipe, engine};

/// The demo's image as `docker run` in the README has it: the application and its requirements
/// mounted, and wheels in place of a network.
fn demo(engine: &Engine) -> Recipe<'_> {
    let docker = concat!(env!("CARGO_MANIFEST_DIR"), "/docker");
    engine.container(&engine.demo).with(&format!(
        "--volume {docker}/demo/app:/app:ro \
         --volume {docker}/demo/requirements.txt:/requirements.txt:ro \
         --volume {}:/wheelhouse:ro --env PIP_NO_INDEX=1 --env PIP_FIND_LINKS=/wheelhouse",
        engine.wheelhouse.display()
    ))
}

/// Where Flask is, who owns it, and when it came there.
fn flask(container: &Container) -> String {
    const SHOW: &str = "import importlib.util, os; path = importlib.util.find_spec('flask').origin; \
                        stat = os.stat(path); print(path, stat.st_uid, stat.st_mtime_ns)";
    container.exec(["/venv/bin/python", "-c", SHOW])
}

fn zombies(table: &[Process]) -> Vec<&Process> {
    table.iter().filter(|process| process.state == "Z").collect()
}

#[test]
fn gunicorn_is_installed_as_its_user_serves_stops_at_once_and_starts_again() {
    let Some(engine) = engine() else { return };
    let mut web = demo(engine).start();
    web.wait_for("Listening at");
    assert!(web.get("/").contains("as user app, from /venv; PID 1 is pydexec"));

    let table = web.processes();
    let [init, master, ..] = &table[..] else { panic!("{table:?}") };
    assert_eq!((init.pid, init.parent, init.uid), (1, 0, 0), "{table:?}");
    assert!(init.command.starts_with("pydexec -- gunicorn"), "{table:?}");
    assert_eq!((master.parent, master.uid), (1, 10001), "{table:?}");
    let workers = table.iter().filter(|process| process.parent == master.pid).count();
    assert!(workers > 0 && table.len() == 2 + workers, "{table:?}");
    assert!(table[1..].iter().all(|process| process.uid == 10001), "{table:?}");
    let installed = flask(&web);
    assert!(installed.starts_with("/venv/") && installed.contains(" 10001 "), "{installed}");

    let first = web.stop();
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stderr.iter().any(|line| line.contains("Shutting down: Master")), "{first:?}");

    web.start();
    web.wait_for("Listening at");
    assert!(web.get("/").contains("as user app"));
    assert_eq!(flask(&web), installed, "the second start has installed it again");
    let second = web.stop();
    assert_eq!(second.code, 0, "{second:?}");
    web.assert_stops_within_a_second(&second, |web| {
        web.wait_for("Listening at");
        web.get("/");
    });
}

#[test]
fn orphans_of_requests_become_children_of_pid_1_and_no_zombies() {
    let Some(engine) = engine() else { return };
    let mut web = engine.container(engine.packed()).start();
    web.wait_for("Listening at");
    let orphans: Vec<u32> =
        (0..5).map(|_| web.request("POST", "/orphans").trim().parse().unwrap()).collect();
    let table = web.processes();
    for orphan in &orphans {
        let found = table.iter().find(|process| process.pid == *orphan);
        assert_eq!(found.map(|process| process.parent), Some(1), "{table:?}");
    }
    for orphan in &orphans {
        web.request("DELETE", &format!("/orphans/{orphan}"));
    }
    web.until_processes(|table| !table.iter().any(|process| orphans.contains(&process.pid)));
    assert!(zombies(&web.processes()).is_empty());
    assert_eq!(web.stop().code, 0);
}

#[test]
fn on_request_the_program_itself_becomes_pid_1() {
    let Some(engine) = engine() else { return };
    let mut web = engine.container(engine.packed()).with("--env PYDEXEC_EXEC=1").start();
    web.wait_for("Listening at");
    let table = web.processes();
    assert!(table[0].command.contains("gunicorn") && table[0].uid == 10001, "{table:?}");
    assert_eq!(web.stop().code, 0);
}

#[test]
fn uvicorn_ends_its_lifespan_and_leaves_with_its_own_code() {
    let Some(engine) = engine() else { return };
    let command = ["uvicorn", "--host=0.0.0.0", "--port=8000", "asgi:app"];
    let mut web = engine.container(engine.packed()).running(command).start();
    web.wait_for("Uvicorn running on");
    assert_eq!(web.get("/"), "It runs by uvicorn\n");
    let ended = web.stop();
    assert!(ended.stdout.iter().any(|line| line == "lifespan.shutdown"), "{ended:?}");
    // When all is done it sends the signal to itself again, and dies of it.
    assert_eq!(ended.code, 128 + 15, "{ended:?}");
}

#[test]
fn celery_finishes_the_task_at_hand_before_it_stops() {
    let Some(engine) = engine() else { return };
    let network = engine.network();
    let attached = format!("--network {}", network.name);
    let redis = ["redis-server", "--protected-mode", "no", "--save", ""];
    let options = format!("{attached} --network-alias redis --tmpfs /data --workdir /data");
    let mut redis = engine.container(engine.packed()).with(&options).running(redis).start();
    redis.wait_for("Ready to accept connections");
    assert!(redis.processes().iter().any(|process| process.parent == 1 && process.uid == 10001));

    let command = [
        "celery",
        "--app=tasks",
        "worker",
        "--loglevel=INFO",
        "--concurrency=2",
        "--without-mingle",
    ];
    let options = format!("{attached} --env REDIS=redis://redis:6379/0");
    let mut worker = engine.container(engine.packed()).with(&options).running(command).start();
    worker.wait_for(" ready.");
    let table = worker.processes();
    let main = table.iter().find(|process| process.parent == 1).unwrap();
    let pool = table.iter().filter(|process| process.parent == main.pid).count();
    assert_eq!(pool, 2, "{table:?}");

    let submit = "import tasks; print(tasks.hold.delay('gate').id)";
    let task = worker.exec(["/venv/bin/python", "-c", submit]);
    worker.wait_for("waiting for gate");
    let client = |script: &str| redis.exec(["/venv/bin/python", "-c", script]);
    let ended = worker.ask_to_stop(|worker| {
        worker.wait_for("Warm shutdown");
        client("import redis; redis.Redis().lpush('gate', 'opened')");
    });
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = client(&format!(
        "import redis; print(redis.Redis().get('celery-task-meta-{task}').decode())"
    ));
    assert!(result.contains("SUCCESS") && result.contains("opened"), "{result}");
    assert_eq!(redis.stop().code, 0);
}

#[test]
fn django_migrates_in_one_container_and_serves_in_the_next() {
    let Some(engine) = engine() else { return };
    let data = Directory::new();
    let django = || {
        let options = format!("--volume {}:/data --env PYTHONUNBUFFERED=1", data.path().display());
        engine.container(engine.packed()).with(&options)
    };
    let migrated = django().running(["python", "manage.py", "migrate", "--verbosity=0"]).run();
    assert_eq!(migrated.code, 0, "{migrated:?}");
    let mut web = django().running(["python", "manage.py", "runserver", "0.0.0.0:8000"]).start();
    web.wait_for("Starting development server at");
    web.wait_for("Quit the server with");
    assert_eq!(web.get("/"), "users: 0\n");
    assert_eq!(web.stop().code, 0);
}
