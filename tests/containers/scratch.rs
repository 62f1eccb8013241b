//! The static binary where there is no other file than it and its program.

use crate::harness::{Recipe, engine};

fn scratch() -> Option<Recipe<'static>> {
    engine().map(|engine| engine.container(engine.scratch()))
}

#[test]
fn it_runs_in_an_empty_image() {
    let Some(scratch) = scratch() else { return };
    let ended = scratch.run();
    assert_eq!((ended.code, ended.stderr.len()), (0, 0), "{ended:?}");
    for line in ["PPid: 1", "Uid: 0 0 0 0", "SigBlk: 0000000000000000", "fds: 0 1 2", "cwd: /"] {
        assert!(ended.stdout.iter().any(|said| said == line), "no {line}: {ended:?}");
    }
}

#[test]
fn a_user_is_a_number_there_and_nothing_leads_back_to_root() {
    let Some(scratch) = scratch() else { return };
    let number = scratch.with("--env PYDEXEC_USER=1000:1000");
    let ended = number.running(["/probe", "regain"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stdout, ["no way back"]);
}

#[test]
fn a_user_by_name_is_refused_there_by_name() {
    let Some(scratch) = scratch() else { return };
    let ended = scratch.with("--env PYDEXEC_USER=app").run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert_eq!(ended.stderr[0], "pydexec: unknown user \"app\": not in /etc/passwd");
}

#[test]
fn without_any_python_there_is_no_prompt() {
    let Some(engine) = engine() else { return };
    let image = engine.container(engine.scratch()).with("--entrypoint /pydexec");
    let ended = image.running(["--"]).run();
    assert_eq!(ended.code, 127, "{ended:?}");
    assert_eq!(ended.stderr.len(), 2, "{ended:?}");
    assert!(ended.stderr[0].contains("neither python nor python3 is in PATH"), "{ended:?}");
}

#[test]
fn orphans_are_reaped_and_the_stop_is_clean_on_a_read_only_root() {
    let Some(scratch) = scratch() else { return };
    let locked = scratch.with("--read-only --cap-drop ALL --security-opt no-new-privileges");
    let mut container = locked.running(["/probe", "orphans", "50"]).start();
    container.wait_for("orphaned");
    container.wait_for("ready");
    assert_eq!(container.stop().code, 0);
}
