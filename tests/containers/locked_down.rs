//! The same application in containers that are allowed little: each serves, and stops by itself.

use crate::harness::{Ended, Process, engine};

/// Starts gunicorn with these options, and returns what it served, its table, and its end.
fn serve(options: &str) -> Option<(String, Vec<Process>, Ended)> {
    let engine = engine()?;
    let mut web = engine.container(engine.packed()).with(options).start();
    web.wait_for("Listening at");
    let page = web.get("/");
    let table = web.processes();
    let ended = web.stop();
    assert!(ended.stderr.iter().any(|line| line.contains("Shutting down: Master")), "{ended:?}");
    Some((page, table, ended))
}

#[track_caller]
fn assert_ids(table: &[Process], init: u32, others: u32) {
    let [first, rest @ ..] = table else { panic!("{table:?}") };
    assert!(first.command.starts_with("pydexec") && first.uid == init, "{table:?}");
    assert!(!rest.is_empty() && rest.iter().all(|process| process.uid == others), "{table:?}");
}

#[test]
fn a_read_only_root_is_enough() {
    let Some((page, table, ended)) = serve("--read-only --tmpfs /tmp") else { return };
    assert!(page.contains("as user app"), "{page}");
    assert_ids(&table, 0, 10001);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn started_as_a_user_without_an_entry() {
    let Some((page, table, ended)) = serve("--user 1000:1000 --env PYDEXEC_USER=") else { return };
    assert!(page.contains("as user 1000"), "{page}");
    assert_ids(&table, 1000, 1000);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn started_with_a_random_uid_and_group_0_as_openshift_does() {
    let Some((page, table, ended)) = serve(
        "--user 1000680000:0 --read-only --tmpfs /tmp --cap-drop ALL \
         --security-opt no-new-privileges --env PYDEXEC_USER=",
    ) else {
        return;
    };
    assert!(page.contains("as user 1000680000"), "{page}");
    assert_ids(&table, 1_000_680_000, 1_000_680_000);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn without_capabilities_it_becomes_whom_it_already_is() {
    let options = "--user app --cap-drop ALL --security-opt no-new-privileges";
    let Some((page, table, ended)) = serve(options) else { return };
    assert!(page.contains("as user app"), "{page}");
    assert_ids(&table, 10001, 10001);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn without_capabilities_root_stays_root_if_no_user_is_asked_for() {
    let options = "--cap-drop ALL --security-opt no-new-privileges --env PYDEXEC_USER=";
    let Some((page, table, ended)) = serve(options) else { return };
    assert!(page.contains("as user root"), "{page}");
    assert_ids(&table, 0, 0);
    assert_eq!(ended.code, 0, "{ended:?}");
}

/// Signals to a process of another user take CAP_KILL, which nobody thinks of.
#[test]
fn with_nothing_but_the_capabilities_that_change_the_user_it_still_stops_at_once() {
    let options =
        "--cap-drop ALL --cap-add SETUID --cap-add SETGID --security-opt no-new-privileges";
    let Some((page, table, ended)) = serve(options) else { return };
    assert!(page.contains("as user app"), "{page}");
    assert_ids(&table, 0, 10001);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_capability_that_is_missing_is_named() {
    let Some(engine) = engine() else { return };
    // Root without capabilities, and another user than the image asks for.
    for options in ["--cap-drop ALL", "--user 1000:1000"] {
        let ended = engine.container(engine.packed()).with(options).run();
        assert_eq!(ended.code, 1, "{options}: {ended:?}");
        assert_eq!(
            ended.stderr,
            [
                "pydexec: cannot setgroups for user \"app\": operation not permitted",
                "pydexec: changing the user takes root and CAP_SETGID: docker run --cap-add SETGID, \
                 or start the container as that user (--user)",
            ]
        );
    }
}
