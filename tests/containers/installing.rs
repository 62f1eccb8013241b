//! Requirements that do not install, or not in time.

use crate::harness::{Directory, engine};

/// A backend (PEP 517) whose build says that it has begun, and then waits for what never comes.
const BLOCKING_BACKEND: &str = r#"
def build_wheel(*_):
    with open("/meeting/begun", "w") as begun:
        begun.write("begun\n")
    open("/meeting/never").read()
"#;

const BLOCKING_PROJECT: &str = r#"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "blocking"
version = "1"
"#;

const COMMAND: [&str; 3] = ["python", "-c", "print('the command has run')"];

#[test]
fn docker_stop_during_the_installation_ends_it_and_leaves_its_code() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let begun = host.fifo("begun");
    host.fifo("never");
    host.file("project/backend.py", BLOCKING_BACKEND);
    host.file("project/pyproject.toml", BLOCKING_PROJECT);
    let file = host.file("requirements.txt", "/meeting/project\n");
    let options = format!(
        "--volume {file}:/requirements.txt:ro --volume {}:/meeting:ro --env PIP_NO_INDEX=1",
        host.path().display()
    );
    let mut container = engine.container(&engine.demo).with(&options).running(COMMAND).start();
    assert_eq!(begun.line(), "begun");
    let first = container.stop();
    assert_eq!(first.code, 128 + 15, "{first:?}");

    // The next start tries again.
    container.start();
    assert_eq!(begun.line(), "begun");
    let second = container.stop();
    assert_eq!(second.code, 128 + 15, "{second:?}");

    let said = [&first.stdout[..], &second.stdout].concat().join("\n");
    assert!(!said.contains("the command has run"), "{said}");
    container.assert_stops_within_a_second(&second, |_| assert_eq!(begun.line(), "begun"));
}

#[test]
fn an_installation_that_fails_is_the_end_and_says_so_in_one_line() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let file = host.file("requirements.txt", "there-is-no-such-package\n");
    let options = format!("--volume {file}:/requirements.txt:ro --env PIP_NO_INDEX=1");
    let ended = engine.container(&engine.demo).with(&options).running(COMMAND).run();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.iter().all(|line| !line.contains("the command has run")), "{ended:?}");
    let said: Vec<_> =
        ended.stderr.iter().filter(|line| line.starts_with("pydexec: cannot install")).collect();
    assert_eq!(
        said,
        ["pydexec: cannot install /requirements.txt: pip ended with exit code 1"],
        "{ended:?}"
    );
}

/// Docker makes a directory of a mounted file that is not there.
#[test]
fn a_directory_in_place_of_the_requirements_is_explained() {
    let Some(engine) = engine() else { return };
    let host = Directory::new();
    let options = format!("--volume {}:/requirements.txt:ro", host.at("requirements.txt"));
    let ended = engine.container(&engine.demo).with(&options).running(COMMAND).run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(
        ended.stderr,
        [
            "pydexec: requirements file \"/requirements.txt\" is a directory",
            "pydexec: Docker makes a directory where the mounted file does not exist on the host: \
             correct the path before the colon",
        ]
    );
}
