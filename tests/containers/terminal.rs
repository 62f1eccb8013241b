//! `docker run -it`: what a person types reaches the program once, and nothing hangs.

use crate::harness::{Container, Terminal, engine};

fn listen() -> Option<(Container<'static>, Terminal)> {
    let engine = engine()?;
    let image = engine.container(engine.packed());
    let (container, mut terminal) = image.running(["python", "listen.py"]).start_on_terminal();
    terminal.wait_for("ready");
    Some((container, terminal))
}

#[test]
fn ctrl_c_reaches_the_program_exactly_once() {
    let Some((container, mut terminal)) = listen() else { return };
    terminal.type_in("\x03");
    terminal.wait_for("got SIGINT");
    // It takes the way through pydexec, behind all that was sent to the program before.
    container.signal("USR1");
    terminal.wait_for("got SIGUSR1");
    terminal.type_in("\x04");
    let screen = terminal.wait_for_end();
    assert_eq!(screen.matches("got SIGINT").count(), 1, "{screen}");
    assert_eq!(container.exit_code(), 0);
}

#[test]
fn ctrl_c_is_one_keyboard_interrupt_and_leaves_its_code() {
    let Some(engine) = engine() else { return };
    let image = engine.container(engine.packed());
    let (container, mut terminal) = image.running(["python", "pause.py"]).start_on_terminal();
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    let screen = terminal.wait_for_end();
    assert_eq!(screen.matches("KeyboardInterrupt").count(), 1, "{screen}");
    assert_eq!(container.exit_code(), 128 + 2, "{screen}");
}

#[test]
fn ctrl_c_ends_gunicorn_as_gunicorn_ends() {
    let Some(engine) = engine() else { return };
    let (container, mut terminal) = engine.container(engine.packed()).start_on_terminal();
    terminal.wait_for("Booting worker with pid");
    container.get("/healthz");
    terminal.type_in("\x03");
    let screen = terminal.wait_for_end();
    assert!(screen.contains("Shutting down: Master"), "{screen}");
    assert_eq!(container.exit_code(), 0, "{screen}");
}

#[test]
fn ctrl_z_does_not_hang_the_container() {
    let Some((container, mut terminal)) = listen() else { return };
    terminal.type_in("\x1a");
    // It was stopped, and continued.
    terminal.wait_for("got SIGCONT");
    terminal.type_in("hello\n");
    terminal.wait_for("read hello");
    terminal.type_in("\x04");
    terminal.wait_for_end();
    assert_eq!(container.exit_code(), 0);
}

#[test]
fn a_new_size_of_the_window_reaches_the_program() {
    let Some((container, mut terminal)) = listen() else { return };
    // The client begins to watch its window some time after the program has begun, and says nothing
    // of it: the corner is dragged until it has noticed.
    let columns = (81..9999).find(|columns| {
        terminal.resize(*columns, 33);
        terminal.type_in("more\n");
        terminal.wait_for("read more");
        terminal.has_shown("x33")
    });
    assert!(columns.is_some());
    terminal.resize(120, 40);
    terminal.wait_for("got SIGWINCH\r\nsize 120x40");
    terminal.type_in("\x04");
    terminal.wait_for_end();
    assert_eq!(container.exit_code(), 0);
}

#[test]
fn without_a_command_there_is_pythons_prompt() {
    let Some(engine) = engine() else { return };
    // An --entrypoint takes the image's CMD away.
    let image = engine.container(engine.packed()).with("--entrypoint pydexec");
    let (container, mut terminal) = image.running(["--"]).start_on_terminal();
    terminal.wait_for(">>> ");
    terminal.type_in("import os, sys; print(6 * 7, os.getuid(), os.getppid(), sys.prefix)\n");
    terminal.wait_for("42 10001 1 /venv");
    terminal.wait_for(">>> ");
    terminal.type_in("\x04");
    let screen = terminal.wait_for_end();
    assert_eq!(container.exit_code(), 0, "{screen}");
}

#[test]
fn docker_stop_ends_a_program_on_a_terminal_too() {
    let Some(engine) = engine() else { return };
    let image = engine.container(engine.packed());
    let (container, mut terminal) = image.running(["python", "pause.py"]).start_on_terminal();
    terminal.wait_for("ready");
    container.signal("TERM");
    terminal.wait_for_end();
    assert_eq!(container.exit_code(), 128 + 15);
}
