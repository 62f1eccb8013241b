//! Requirements at start in every kind of container: the package is there, and the command sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::harness::{Directory, Ended, Engine, Recipe, engine};

/// What the command says when it sees Flask: from where, and as whom.
const IMPORT: &str = "import flask, os; print(flask.__file__, os.getuid(), os.getgid())";

/// pydexec in an image that has Python and pip only, with the wheelhouse and two requirements.
fn bare<'e>(engine: &'e Engine, host: &Directory, options: &str) -> Recipe<'e> {
    let file = host.file("requirements.txt", "flask==3.1.3\ngunicorn==27.0.1\n");
    let (binary, wheels) = (engine.binary.display(), engine.wheelhouse.display());
    engine
        .container(&engine.base)
        .with(&format!(
            "--volume {binary}:/usr/local/bin/pydexec:ro --volume {wheels}:/wheelhouse:ro \
             --volume {file}:/requirements.txt:ro --env PYDEXEC_WHEELHOUSE=/wheelhouse \
             --entrypoint pydexec"
        ))
        .with(options)
}

/// Runs a command there that imports Flask, and returns what it said.
#[track_caller]
fn import(engine: &Engine, host: &Directory, options: &str) -> Ended {
    let ended = bare(engine, host, options).running(["--", "python", "-c", IMPORT]).run();
    assert_eq!((ended.code, ended.stdout.len()), (0, 1), "{ended:?}");
    let installed = "pydexec: installed 8 packages in ";
    assert!(ended.stderr.iter().any(|line| line.starts_with(installed)), "{ended:?}");
    ended
}

#[track_caller]
fn assert_from(ended: &Ended, from: &str, ids: &str) {
    let line = &ended.stdout[0];
    assert!(line.starts_with(from) && line.ends_with(ids), "{ended:?}");
}

#[test]
fn as_root_it_installs_into_the_interpreters_own_packages() {
    let Some(engine) = engine() else { return };
    let ended = import(engine, &Directory::new(), "");
    assert_from(&ended, "/usr/local/lib/python3", " 0 0");
}

#[test]
fn as_another_user_it_makes_an_overlay_whose_programs_are_found() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let ended = import(engine, &host, "--user 1000:1000");
    assert_from(&ended, "/tmp/pydexec-1000/", " 1000 1000");
    let version = bare(engine, &host, "--user 1000:1000").running(["--", "gunicorn", "--version"]);
    let ended = version.run();
    assert_eq!(ended.stdout, ["gunicorn (version 27.0.1)"], "{ended:?}");
}

/// The directory belongs to root, and what is installed to the user of the command.
#[test]
fn root_makes_room_for_the_user_of_the_command() {
    let Some(engine) = engine() else { return };
    let ended = import(engine, &Directory::new(), "--env PYDEXEC_USER=1000:1000");
    assert_from(&ended, "/var/cache/pydexec/python3", " 1000 1000");
    let ended = import(
        engine,
        &Directory::new(),
        "--env PYDEXEC_USER=1000:1000 --env PYDEXEC_INSTALL_USER=root",
    );
    assert_from(&ended, "/usr/local/lib/python3", " 1000 1000");
}

#[test]
fn with_a_random_uid_and_group_0_on_a_read_only_root_a_tmpfs_is_enough() {
    let Some(engine) = engine() else { return };
    let options = "--user 1000680000:0 --read-only --tmpfs /tmp:exec --cap-drop ALL \
                   --security-opt no-new-privileges";
    let ended = import(engine, &Directory::new(), options);
    assert_from(&ended, "/tmp/pydexec-1000680000/", " 1000680000 0");
}

#[test]
fn on_a_tmpfs_that_forbids_execution_it_says_what_does_not_run() {
    let Some(engine) = engine() else { return };
    let ended = import(engine, &Directory::new(), "--read-only --tmpfs /tmp");
    let told = |line: &String| line.contains("is mounted noexec") && line.contains("/tmp:exec");
    assert!(ended.stderr.iter().any(told), "{ended:?}");
}

#[test]
fn without_any_capability_it_installs_as_whom_it_is() {
    let Some(engine) = engine() else { return };
    let options = "--cap-drop ALL --security-opt no-new-privileges";
    assert_from(&import(engine, &Directory::new(), options), "/usr/local/lib/python3", " 0 0");
}

/// What Debian's own images are like.
#[test]
fn an_externally_managed_python_without_the_venv_module_gets_an_overlay() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    // The mark of PEP 668 where the base has its library, and nothing in place of `venv`.
    let find = "import sysconfig, venv; print(sysconfig.get_path('stdlib'), venv.__path__[0])";
    let said = engine.container(&engine.base).running(["python3", "-c", find]).run();
    let (library, venv) = said.stdout[0].split_once(' ').unwrap();
    let mark = host.file("EXTERNALLY-MANAGED", "[externally-managed]\nError=no\n");
    let hidden = host.at("hidden");
    fs::create_dir(&hidden).unwrap();
    let options =
        format!("--volume {mark}:{library}/EXTERNALLY-MANAGED:ro --volume {hidden}:{venv}:ro");
    let ended = import(engine, &host, &options);
    assert_from(&ended, "/var/cache/pydexec/python3", " 0 0");
}

#[test]
fn where_nothing_can_be_written_it_says_what_to_mount() {
    let Some(engine) = engine() else { return };
    let ended = bare(engine, &Directory::new(), "--read-only").running(["--", "true"]).run();
    assert_eq!(ended.code, 1, "{ended:?}");
    let [why, what] = ended.stderr.as_slice() else { panic!("{ended:?}") };
    assert!(why.starts_with("pydexec: cannot install: user 0 can write to none of /"), "{why}");
    assert!(what.contains("-v packages:/var/cache/pydexec"), "{what}");
}

#[test]
fn of_eight_containers_on_one_volume_one_installs() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let shared = host.at("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let options = format!("--user 1000:0 --volume {shared}:/var/cache/pydexec");
    let start = || bare(engine, &host, &options).running(["--", "python", "-c", IMPORT]).create();
    let mut containers: Vec<_> = (0..8).map(|_| start()).collect();
    containers.iter_mut().for_each(|container| container.start());
    let ends: Vec<Ended> = containers.iter_mut().map(|container| container.wait()).collect();
    for ended in &ends {
        assert_eq!((ended.code, ended.stdout.len()), (0, 1), "{ended:?}");
        assert_from(ended, "/var/cache/pydexec/python3", " 1000 0");
    }
    let installed = |ended: &&Ended| ended.stderr.iter().any(|line| line.contains("installed 8"));
    assert_eq!(ends.iter().filter(installed).count(), 1, "{ends:?}");
}

#[test]
fn a_full_file_system_is_told_and_once_there_is_room_it_succeeds() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let options = "--env PYDEXEC_SITE=/small --tmpfs /small:exec,size=2m";
    let ended = bare(engine, &host, options).running(["--", "echo", "started"]).run();
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    let [words @ .., failed, advice] = ended.stderr.as_slice() else { panic!("{ended:?}") };
    assert!(words.iter().any(|line| line.contains("No space left on device")), "{ended:?}");
    let line = format!("cannot install /requirements.txt: pip ended with exit code {}", ended.code);
    assert!(failed.ends_with(&line), "{ended:?}");
    assert!(advice.contains("no space is left in /small"), "{ended:?}");

    // In place, half of it is left then, and the next start repairs that.
    let script = "python -m venv /venv
        python -c \"$FILL\"
        pydexec --venv /venv -- echo started && exit 9
        rm /venv/filler
        exec pydexec --venv /venv -- python -c 'import flask, gunicorn; print(flask.__name__)'";
    let fill = host.file(
        "fill.env",
        "FILL=import os; file = open('/venv/filler', 'wb'); \
         free = os.statvfs('/venv'); file.write(bytes(free.f_bavail * free.f_frsize - 3000000))\n",
    );
    let options = format!("--entrypoint sh --tmpfs /venv:exec,size=60m --env-file {fill}");
    let ended = bare(engine, &host, &options).running(["-c", script]).run();
    assert_eq!((ended.code, ended.stdout.join(" ").as_str()), (0, "flask"), "{ended:?}");
    assert!(
        ended.stderr.iter().any(|line| line.contains("no space is left in /venv")),
        "{ended:?}"
    );
}

#[test]
fn packages_come_from_an_index_on_the_network_of_the_containers() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let network = engine.network();
    // A wheelhouse in the form of an index (PEP 503): a directory for each name.
    let server = "import http.server, os, re\n\
        os.makedirs('/index/simple'); os.chdir('/index')\n\
        for wheel in os.listdir('/wheelhouse'):\n\
        \x20   name = re.sub('[-_.]+', '-', wheel.split('-')[0]).lower()\n\
        \x20   os.makedirs(f'simple/{name}', exist_ok=True)\n\
        \x20   os.symlink(f'/wheelhouse/{wheel}', f'simple/{name}/{wheel}')\n\
        print('serving', flush=True)\n\
        http.server.test(http.server.SimpleHTTPRequestHandler, port=8000, bind='0.0.0.0')";
    let wheels = engine.wheelhouse.display();
    let options = format!(
        "--network {} --network-alias index --volume {wheels}:/wheelhouse:ro",
        network.name
    );
    let image = engine.container(&engine.base).with(&options);
    let mut index = image.running(["python3", "-c", server]).start();
    index.wait_for("serving");
    let options = format!(
        "--network {} --user 1000:1000 --env PYDEXEC_WHEELHOUSE= \
         --env PIP_INDEX_URL=http://index:8000/simple --env PIP_TRUSTED_HOST=index",
        network.name
    );
    assert_from(&import(engine, &host, &options), "/tmp/pydexec-1000/", " 1000 1000");
    // A package that it does not have.
    let file = host.file("other.txt", "no-such-package\n");
    let options = format!("{options} --volume {file}:/requirements.txt:ro");
    let demo = engine.container(&engine.base).with(&options).with(&format!(
        "--volume {}:/usr/local/bin/pydexec:ro --entrypoint pydexec",
        engine.binary.display()
    ));
    let ended = demo.running(["--", "echo", "started"]).run();
    assert_eq!((ended.code, ended.stdout.len()), (1, 0), "{ended:?}");
    let [.., words, failed, advice] = ended.stderr.as_slice() else { panic!("{ended:?}") };
    assert!(words.contains("No matching distribution found for no-such-package"), "{ended:?}");
    assert_eq!(failed, "pydexec: cannot install /requirements.txt: pip ended with exit code 1");
    assert!(advice.contains("correct its name or version"), "{ended:?}");
}

#[test]
fn a_wheel_for_another_architecture_is_explained() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let wheel = "other-1.0-cp39-cp39-manylinux_2_17_s390x.whl";
    host.file(wheel, "");
    let file = host.file("other.txt", &format!("/host/{wheel}\n"));
    let options = format!(
        "--volume {}:/host:ro --volume {file}:/other.txt:ro --env PYDEXEC_REQUIREMENTS=/other.txt",
        host.path().display()
    );
    let ended = bare(engine, &host, &options).running(["--", "echo", "started"]).run();
    assert_eq!((ended.code, ended.stdout.len()), (1, 0), "{ended:?}");
    let [.., words, failed, advice] = ended.stderr.as_slice() else { panic!("{ended:?}") };
    assert!(words.contains("is not a supported wheel on this platform"), "{ended:?}");
    assert!(failed.ends_with("cannot install /other.txt: pip ended with exit code 1"), "{ended:?}");
    assert!(advice.contains("a wheel is for another Python or processor"), "{ended:?}");
}

#[test]
fn what_the_image_has_is_enough_without_anything_being_started() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let file = host.file("requirements.txt", "flask>=3\ngunicorn\n");
    // No place to write to, nothing to install from: it would fail if it tried.
    let options = format!("--volume {file}:/requirements.txt:ro --read-only --network none");
    let image = engine.container(engine.packed()).with(&options);
    let ended = image.running(["python", "-c", IMPORT]).run();
    assert_eq!((ended.code, ended.stderr.len()), (0, 0), "{ended:?}");
    assert_from(&ended, "/venv/", " 10001 10001");
}

/// uv comes as a wheel here, whose program is copied out of it.
#[test]
fn uv_installs_when_it_is_in_the_image() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let options = format!("--user 1000:1000 --volume {}:/uv:ro", uv(engine, &host));
    let options = format!("{options} --env PATH=/uv:/usr/local/bin:/usr/bin:/bin");
    let ended = import(engine, &host, &options);
    assert_from(&ended, "/tmp/pydexec-1000/", " 1000 1000");
    let begun = "pydexec: installing /requirements.txt with uv".to_owned();
    assert!(ended.stderr.contains(&begun), "{ended:?}");
    // And as root into the interpreter's own packages, with its cache kept nowhere.
    let options = format!("{options} --user 0:0");
    assert_from(&import(engine, &host, &options), "/usr/local/lib/python3", " 0 0");
}

/// A directory with uv in it.
fn uv(engine: &Engine, host: &Directory) -> String {
    let unpack = "import glob, zipfile\n\
        wheel = zipfile.ZipFile(glob.glob('/wheelhouse/uv-*.whl')[0])\n\
        name = next(name for name in wheel.namelist() if name.endswith('/scripts/uv'))\n\
        open('/host/uv/uv', 'wb').write(wheel.read(name))";
    let directory = host.at("uv");
    fs::create_dir(&directory).unwrap();
    let wheels = engine.wheelhouse.display();
    let options =
        format!("--volume {wheels}:/wheelhouse:ro --volume {}:/host", host.path().display());
    let image = engine.container(&engine.base).with(&options);
    let ended = image.running(["python3", "-c", unpack]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let program = host.path().join("uv/uv");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn the_second_start_of_a_container_has_nothing_to_do_and_a_stop_meanwhile_is_heard() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let mut container =
        bare(engine, &host, "--user 1000:1000").running(["--", "python", "-c", IMPORT]).create();
    for lines in [2, 0] {
        container.start();
        let ended = container.wait();
        assert_eq!((ended.code, ended.stderr.len()), (0, lines), "{ended:?}");
    }
    let mut container = bare(engine, &host, "").running(["--", "python", "-c", IMPORT]).start();
    container.wait_for("installing /requirements.txt with pip");
    let ended = container.stop();
    assert!([137, 143].contains(&ended.code) && ended.stdout.is_empty(), "{ended:?}");
    assert!(ended.took < Duration::from_secs(2), "{ended:?}");
}
