//! The build without requirements, checks, templates and the entrypoint file: `build/static init`.
//!
//! What it has is what the whole binary has, and the other tests are for that. Here is that it works, how
//! large it is, and that nothing which is asked of it in vain goes by in silence.

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Exit, Need, Output, Scene, Scratch, able, binary, eventually, probe, program, skip};

/// The file, if there is one to be tested.
fn init() -> Option<PathBuf> {
    let file = std::env::var_os("PYDEXEC_INIT_BIN").map(PathBuf::from);
    if file.is_none() {
        skip("PYDEXEC_INIT_BIN names no build with init alone: run it by `make test`");
    }
    file.filter(|_| able(Need::Namespaces))
}

/// Its options and then the probe, in a namespace of its own.
fn pydexec(file: &PathBuf, options: &[&str], words: &[&str]) -> Scene {
    program(file, options).probe(words).as_pid1()
}

#[test]
fn it_is_less_than_half_of_the_whole_and_needs_nothing_beside_it() {
    let Some(file) = init() else {
        return;
    };
    // The budget in bytes is one for each toolchain, and build/static keeps to it.
    let (bytes, whole) = (fs::metadata(&file).unwrap().len(), binary().metadata().unwrap().len());
    assert!(bytes < whole / 2, "{bytes} bytes of {whole}");
    let scratch = Scratch::new();
    scratch.copy(&file, "pydexec");
    scratch.copy(probe(), "probe");
    let scene = program("/pydexec", &["--", "/probe", "exit", "9"]).in_root(scratch.path());
    assert_eq!(scene.as_pid1().output().exit, Exit::Code(9));
}

#[test]
fn as_pid_1_it_forwards_signals_and_reaps_orphans() {
    let Some(file) = init() else {
        return;
    };
    for options in [&[][..], &["--workdir", "/"]] {
        let mut run = pydexec(&file, options, &["signals"]).start();
        run.says("ready");
        for signal in [libc::SIGHUP, 34, libc::SIGTERM] {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        assert_eq!(run.end(), Exit::Code(0));
    }
    let mut run = pydexec(&file, &[], &["orphans", "100"]).start();
    run.says("orphaned");
    eventually("no orphan is left", || run.table().len() == 2);
    run.kill();
}

#[test]
fn its_options_for_user_directory_and_environment_are_there() {
    let Some(file) = init().filter(|_| able(Need::Root)) else {
        return;
    };
    let options = ["-u", "12:34", "--workdir=/proc", "--env", "A=1", "-v"];
    let output = pydexec(&file, &options, &["state"]).output();
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    assert_eq!((output.state("Uid:"), output.state("Gid:")), ("12 12 12 12", "34 34 34 34"));
    assert!(output.stdout.contains("env A=1\n"), "{output:?}");
    assert_eq!(output.state("cwd:"), "/proc");
}

#[test]
fn it_is_every_other_tool_but_the_one_that_waits() {
    let Some(file) = init() else {
        return;
    };
    let scratch = Scratch::new();
    let directory = scratch.path().to_str().unwrap().to_owned();
    let output = program(&file, &["links", &directory]).output();
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    let names =
        ["pysu", "gosu", "su-exec", "tini", "tini-static", "docker-init", "dumb-init", "catatonit"];
    let made: Vec<String> = names.iter().map(|name| format!("{directory}/{name}")).collect();
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), made);

    let probe = probe().into_os_string().into_string().unwrap();
    for name in ["tini", "dumb-init", "catatonit"] {
        let scene = program(scratch.at(name), &["--", &probe, "exit", "7"]).as_pid1();
        assert_eq!(scene.output().exit, Exit::Code(7), "{name}");
    }
    if !able(Need::Root) {
        return;
    }
    for name in ["pysu", "gosu", "su-exec"] {
        let output = program(scratch.at(name), &["12:34", &probe, "state"]).as_pid1().output();
        assert_eq!(output.exit, Exit::Code(0), "{output:?}");
        assert_eq!((output.state("Uid:"), output.state("Gid:")), ("12 12 12 12", "34 34 34 34"));
        assert_eq!(output.state("Groups:"), "34");
    }
}

#[track_caller]
fn is_refused(output: &Output, asked_for: &str, part: &str) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let [first, second] = lines[..] else { panic!("{output:?}") };
    assert_eq!(first, format!("pydexec: {asked_for}: this pydexec was built without {part}"));
    assert!(second.starts_with("pydexec: use the full build"), "{output:?}");
}

#[test]
fn whatever_it_is_without_is_refused_and_nothing_is_started() {
    let Some(file) = init() else {
        return;
    };
    let options = [
        ("requirements", Some("x"), "requirements"),
        ("requirements-check", None, "requirements"),
        ("requirements-timeout", Some("1s"), "requirements"),
        ("project", Some("x"), "requirements"),
        ("extras", Some("x"), "requirements"),
        ("wheelhouse", Some("x"), "requirements"),
        ("site", Some("x"), "requirements"),
        ("installer", Some("uv"), "requirements"),
        ("install-user", Some("0"), "requirements"),
        ("keep-cache", None, "requirements"),
        ("quiet", None, "requirements"),
        ("wait", Some("file:///"), "checks"),
        ("wait-timeout", Some("1s"), "checks"),
        ("template", Some("a:b"), "templates"),
    ];
    for (name, value, part) in options {
        let option = format!("--{name}");
        let words: Vec<&str> = [option.as_str()].into_iter().chain(value).collect();
        let output = pydexec(&file, &words, &["state"]).output();
        is_refused(&output, &format!("option {option}"), part);

        let twin = format!("PYDEXEC_{}", name.to_ascii_uppercase().replace('-', "_"));
        let scene = pydexec(&file, &[], &["state"]).env(&twin, value.unwrap_or("1"));
        is_refused(&scene.output(), &format!("variable {twin}"), part);
    }
    let output = pydexec(&file, &["-vr", "x"], &["state"]).output();
    is_refused(&output, "option --requirements", "requirements");

    for (subcommand, part) in [
        ("run", "entrypoint files"),
        ("check", "entrypoint files"),
        ("wait", "checks"),
        ("health", "checks"),
    ] {
        is_refused(&program(&file, &[subcommand, "file:///"]).output(), subcommand, part);
    }
    let scratch = Scratch::new();
    let name = scratch.copy(&file, "wait-for-port");
    is_refused(&program(name, &["localhost:1"]).output(), "wait-for-port", "checks");
}

#[test]
fn the_option_to_do_without_requirements_is_taken_and_says_nothing_new() {
    let Some(file) = init() else {
        return;
    };
    let output = pydexec(&file, &["--no-requirements"], &["exit", "7"]).output();
    assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(7), ""));
    let twin = "PYDEXEC_NO_REQUIREMENTS";
    for value in ["1", "0", ""] {
        let output = pydexec(&file, &[], &["state"]).env(twin, value).output();
        assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(0), ""), "{value:?}");
        assert!(!output.stdout.contains(twin), "{output:?}");
    }
    let output = pydexec(&file, &[], &["state"]).env(twin, "maybe").output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
}

#[test]
fn a_slip_is_told_as_by_the_whole() {
    let Some(file) = init() else {
        return;
    };
    let whole = binary();
    for words in [
        &["--usr", "0", "--", "true"][..],
        &["--user"],
        &["--exec=1", "--"],
        &["-u", "0", "--user=1", "--", "true"],
        &["--user=", "--"],
        &["true"],
        &["-Z"],
    ] {
        let [ours, its] = [&file, &whole].map(|file| program(file, words).output());
        assert_eq!((ours.exit, &ours.stderr), (Exit::Code(2), &its.stderr), "{words:?}");
    }
    // Near to the twin of a part that it is without.
    let output = program(&file, &["--", "true"]).env("PYDEXEC_REQUIREMENT", "x").output();
    assert_eq!(output.exit, Exit::Code(2), "{output:?}");
    assert!(output.stderr.contains("did you mean PYDEXEC_REQUIREMENTS?"), "{output:?}");
}

#[test]
fn its_help_has_what_it_has_and_its_version_says_what_it_has_not() {
    let Some(file) = init() else {
        return;
    };
    let help = program(&file, &["--help"]).output();
    assert_eq!(help.exit, Exit::Code(0));
    for there in ["--user", "--workdir", "--group", "su, links"] {
        assert!(help.stdout.contains(there), "{there}: {help:?}");
    }
    for not_there in ["requirements", "extras", "--wait", "health", "--template", "pydexec run"] {
        assert!(!help.stdout.contains(not_there), "{not_there}: {help:?}");
    }
    let version = program(&file, &["--version"]).output();
    let expected = format!(
        "pydexec {} (without requirements, checks, templates, entrypoint files)\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!((version.exit, version.stdout), (Exit::Code(0), expected));
}
