//! What cannot be run: the code, one line that says why, one that says what to do.

use crate::harness::{Ended, Recipe, engine};

fn packed() -> Option<Recipe<'static>> {
    engine().map(|engine| engine.container(engine.packed()))
}

#[track_caller]
fn assert_refused(ended: &Ended, code: i32, lines: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(ended.stderr, lines);
}

#[test]
fn a_command_that_is_not_there() {
    let Some(packed) = packed() else { return };
    let packed = packed.with("--env PATH=/usr/bin:/bin --entrypoint /usr/local/bin/pydexec");
    let ended = packed.running(["--", "gunicron", "app:app"]).run();
    assert_refused(
        &ended,
        127,
        &[
            "pydexec: cannot run \"gunicron\": not found in PATH (/venv/bin:/usr/bin:/bin)",
            "pydexec: install it in the image, or give its full path; --venv DIR adds DIR/bin",
        ],
    );
}

#[test]
fn a_command_that_cannot_be_executed() {
    let Some(packed) = packed() else { return };
    let ended = packed.running(["/etc/passwd"]).run();
    assert_refused(
        &ended,
        126,
        &[
            "pydexec: cannot run \"/etc/passwd\": \"/etc/passwd\" is not executable (mode 0644)",
            "pydexec: make it executable: RUN chmod +x /etc/passwd",
        ],
    );
}

#[test]
fn a_user_that_nobody_knows() {
    let Some(packed) = packed() else { return };
    let ended = packed.with("--env PYDEXEC_USER=nobody-knows").running(["true"]).run();
    assert_refused(
        &ended,
        2,
        &[
            "pydexec: unknown user \"nobody-knows\": not in /etc/passwd",
            "pydexec: add the user in the image (RUN useradd ...) or give its number",
        ],
    );
}
