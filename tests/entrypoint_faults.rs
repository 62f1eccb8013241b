//! What is wrong with an entrypoint file: all of it is told, with its place, and nothing is done.

#![cfg(feature = "file")]

mod support;

use std::ffi::OsStr;

use support::system::mode;
use support::{Exit, Need, Output, Scratch, able, plainly, pydexec};

/// `run` and `check` of a file with this text, which must agree.
fn outcome(text: impl AsRef<[u8]>, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let scratch = Scratch::new();
    let file = scratch.file("f.toml", text);
    let [run, check] = ["run", "check"].map(|face| {
        let call = [OsStr::new(face), file.as_os_str()].into_iter();
        let mut call = plainly(call.chain(words.iter().map(OsStr::new)));
        for (name, value) in environment {
            call = call.env(name, value);
        }
        call.output()
    });
    assert_eq!((run.exit, &run.stderr), (check.exit, &check.stderr));
    let stderr = run.stderr.replace(&format!("{}", file.display()), "F");
    Output { stderr, ..run }
}

/// The faults, without the last line, which is the same for all.
#[track_caller]
fn faults(text: impl AsRef<[u8]>) -> Vec<String> {
    faults_in(text, &[], &[])
}

#[track_caller]
fn faults_in(text: impl AsRef<[u8]>, words: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let output = outcome(text, words, environment);
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    let mut lines: Vec<String> = output
        .stderr
        .lines()
        .map(|line| line.strip_prefix("pydexec: ").expect("each line says who").to_owned())
        .collect();
    let last = lines.pop().expect("there is a last line");
    assert!(last.starts_with("nothing was started"), "{last}");
    lines
}

#[track_caller]
fn has(faults: &[String], part: &str) {
    assert!(faults.iter().any(|fault| fault.contains(part)), "no {part:?} in {faults:#?}");
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let faults = faults_in(
        "usr = 'app'\nworkdir = '/nonexistent/dir'\n[env]\nrequired = ['DB_HOST', 'THERE']\n\
         set = { URL = '${NONE}' }\n[secrets]\nDB_PASSWORD = { required = true }\n\
         [[wait]]\nfor = ['db']\n[[run]]\ncmd = 'nosuchprogram --x'\ntimeout = 'soon'\nuser = 'nobodyknows'\n\
         [exec]\ncmd = \"p 'x\"\nargs = [{ opt = '-a' }]\n",
        &[],
        &[("THERE", "1")],
    );
    let expected = [
        "F:1:1: usr: there is no such key; did you mean \"user\"?",
        "F:4:13: env.required[0]: the variable DB_HOST is required, and it is not set",
        "F:5:9: env.set.URL: the variable NONE is not set; write ${NONE:-} if it may be missing",
        "F:7:1: secrets.DB_PASSWORD: the secret DB_PASSWORD is required, and it is not set or empty; \
         set DB_PASSWORD, or DB_PASSWORD_FILE to the path of a file",
        "F:9:8: wait[0].for[0]: cannot use \"db\" as a target: it has no port; as in tcp://db:5432",
    ];
    for (fault, expected) in faults.iter().zip(expected) {
        assert_eq!(fault, expected);
    }
    has(&faults, "F:12:1: run[0].timeout: it is no duration");
    has(&faults, "F:13:1: run[0].user: unknown user \"nobodyknows\"");
    has(&faults, "F:15:1: exec.cmd: a quote is not closed");
    has(&faults, "F:16:9: exec.args[0]: the key \"env\" is missing");
    assert_eq!(faults.len(), 9, "{faults:#?}");
}

#[test]
fn nothing_runs_when_something_later_is_wrong() {
    let scratch = Scratch::new();
    let (ran, bad) = (scratch.at("ran"), scratch.at("nosuchprogram"));
    for later in [
        format!("cmd = '{}'", bad.display()),
        "cmd = 'true'\nargs = [{ env = 'MUST', required = true }]".to_owned(),
        "cmd = 'true'\nuser = 'nobodyknows'".to_owned(),
        "cmd = 'true ${MUST:?set it}'".to_owned(),
    ] {
        let text = format!("[[run]]\ncmd = ['touch', '{}']\n[exec]\n{later}", ran.display());
        let file = scratch.file("f.toml", text);
        let output = plainly([OsStr::new("run"), file.as_os_str()]).output();
        assert_eq!(output.exit, Exit::Code(2), "{later}: {output:?}");
        assert!(!ran.exists(), "{later}");
    }
}

#[test]
fn a_key_that_is_not_known_comes_with_the_nearest_that_is() {
    for (text, place, nearest) in [
        ("workdr = '/'", "F:1:1: workdr:", "\"workdir\""),
        ("[exce]\ncmd = 'x'", "F:1:2: exce:", "\"exec\""),
        ("[exec]\ncmd = 'x'\narg = []", "F:3:1: exec.arg:", "\"args\""),
        ("[[run]]\ncmd = 'x'\nunless_env = 'X'", "F:3:1: run[0].unless_env:", "\"unless-env\""),
        ("[env]\nunsets = []", "F:2:1: env.unsets:", "\"unset\""),
        ("[exec]\ncmd = 'x'\nargs = [{ env = 'A', defualt = '1' }]", "F:3:22:", "\"default\""),
        ("stop = { singal = 'TERM' }", "F:1:10: stop.singal:", "\"signal\""),
        ("[command.a]\ncmd = 'x'\nskip = ['runs']", "F:3:9: command.a.skip[0]:", "\"run\""),
        ("'a b' = 1", "F:1:1: \"a b\":", "those here are user, workdir"),
    ] {
        let faults = faults(text);
        assert!(
            faults.iter().any(|fault| fault.contains(place) && fault.contains(nearest)),
            "{text}: {faults:#?}"
        );
    }
}

#[test]
fn what_comes_later_says_so() {
    let faults = faults(
        "[exec]\ncmd = 'true'\n[command.all]\non-exit = 'stop-all'\n\
         processes = [{ name = 'web', use = 'exec' }]\n[command.b]\ncmd = 'x'\nrestart = { policy = 'always' }",
    );
    for key in ["4:1: command.all.on-exit", "5:1: command.all.processes", "8:1: command.b.restart"]
    {
        has(&faults, &format!("F:{key}: comes with a later version"));
    }
}

#[test]
fn the_wrong_type_at_any_key_is_told_with_what_was_expected() {
    let wrong = [
        "user = WRONG",
        "workdir = WRONG",
        "venv = WRONG",
        "stop = WRONG",
        "stop = { signal = WRONG }",
        "stop = { timeout = WRONG }",
        "env = WRONG",
        "env = { clear = WRONG }",
        "env = { unset = WRONG }",
        "env = { unset = [WRONG] }",
        "env = { default = WRONG }",
        "env = { default = { A = WRONG } }",
        "env = { set = WRONG }",
        "env = { set = { A = WRONG } }",
        "env = { required = WRONG }",
        "secrets = WRONG",
        "secrets = { A = WRONG }",
        "secrets = { A = { file = WRONG } }",
        "secrets = { A = { required = WRONG } }",
        "wait = WRONG",
        "wait = [WRONG]",
        "wait = [{ for = WRONG }]",
        "wait = [{ for = [WRONG] }]",
        "wait = [{ for = [], timeout = WRONG }]",
        "template = WRONG",
        "template = [WRONG]",
        "template = [{ src = WRONG, dest = 'x' }]",
        "template = [{ src = 'x', dest = WRONG }]",
        "template = [{ src = 'x', dest = 'x', mode = WRONG }]",
        "template = [{ src = 'x', dest = 'x', user = WRONG }]",
        "template = [{ src = 'x', dest = 'x', parents = WRONG }]",
        "own = WRONG",
        "own = [WRONG]",
        "own = [{ path = WRONG }]",
        "own = [{ path = 'x', user = WRONG }]",
        "requirements = WRONG",
        "requirements = { file = WRONG }",
        "requirements = { file = [WRONG] }",
        "requirements = { wheelhouse = WRONG }",
        "run = WRONG",
        "run = [WRONG]",
        "run = [{ cmd = WRONG }]",
        "run = [{ cmd = [WRONG] }]",
        "run = [{ cmd = 'x', user = WRONG }]",
        "run = [{ cmd = 'x', workdir = WRONG }]",
        "run = [{ cmd = 'x', env = WRONG }]",
        "run = [{ cmd = 'x', env = { A = WRONG } }]",
        "run = [{ cmd = 'x', timeout = WRONG }]",
        "run = [{ cmd = 'x', when = WRONG }]",
        "run = [{ cmd = 'x', if-env = WRONG }]",
        "run = [{ cmd = 'x', unless-env = WRONG }]",
        "run = [{ cmd = 'x', allow-failure = WRONG }]",
        "run = [{ cmd = 'x', installs = WRONG }]",
        "exec = WRONG",
        "exec = { cmd = WRONG }",
        "exec = { cmd = 'x', args = WRONG }",
        "exec = { cmd = 'x', args = [WRONG] }",
        "exec = { cmd = 'x', args = [{ env = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', opt = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', flag = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', default = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', required = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', keep = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', split = WRONG }] }",
        "exec = { cmd = 'x', args = [{ env = 'A', format = WRONG }] }",
        "exec = { cmd = 'x', skip = WRONG }",
        "exec = { cmd = 'x', skip = [WRONG] }",
        "command = WRONG",
        "command = { a = WRONG }",
    ];
    for text in wrong {
        // A date fits nowhere.
        let faults = faults(text.replace("WRONG", "1979-05-27"));
        assert!(
            faults.iter().any(|fault| fault.contains("expected ") && fault.ends_with("found a date or time")),
            "{text}: {faults:#?}"
        );
    }
}

#[test]
fn broken_toml_is_told_with_its_place() {
    has(&faults("user = 'a'\nuser = 'b'"), "F:2:1: duplicate key \"user\"");
    has(&faults("[exec]\ncmd = 'x'\n[exec]"), "F:3:2: duplicate key \"exec\"");
    has(&faults("[env.set]\nA = '1'\nA = '2'"), "F:3:1: duplicate key \"A\"");
    has(&faults("user = "), "F:1:8:");
    has(&faults("user = 'x"), "F:1:");
    has(&faults("\n\n]"), "F:3:1:");
    // Several of them at once.
    assert!(faults("user = \nworkdir = ]\nvenv = 'x'").len() >= 2);
}

#[test]
fn bytes_that_are_no_text_and_nuls_are_told_with_their_place() {
    has(&faults(b"user = 'a'\nx = '\xff'"), "F:2:6: it is not UTF-8 from here on");
    has(&faults("user = \"a\\u0000b\""), "F:1:1: user: there is a NUL byte in it");
    has(&faults("[env.set]\n\"A\\u0000\" = 'x'"), "there is a NUL byte in the name");
    has(&faults("user = 'a\0b'"), "F:1:");
    // A byte order mark is none of the text.
    let output = outcome("\u{feff}[exec]\ncmd = 'echo x'", &[], &[]);
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
}

#[test]
fn a_file_that_is_none_is_told_by_name() {
    let scratch = Scratch::new();
    let of = |file: &OsStr| {
        let output = plainly([OsStr::new("run"), file]).output();
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""));
        output.stderr
    };
    assert!(of(scratch.at("none").as_os_str()).contains("none: cannot read it: no such file"));
    assert!(of(scratch.path().as_os_str()).contains("it is a directory; Docker makes one"));
    let fifo = scratch.at("fifo");
    let path = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    assert!(of(fifo.as_os_str()).contains("it is not a file"));
    assert!(of(OsStr::new("/dev/zero")).contains("it is not a file"));
    if able(Need::Root) {
        let file = scratch.file("private", "");
        mode(&file, 0o600);
        let output =
            pydexec([OsStr::new("run"), file.as_os_str()]).as_user(1234, 1234, &[]).output();
        assert_eq!(output.exit, Exit::Code(2));
        assert!(output.stderr.contains("permission denied"), "{output:?}");
    }
}

#[test]
fn ten_megabytes_of_nesting_cost_neither_memory_nor_the_stack() {
    has(&faults("a = ".to_owned() + &"[".repeat(10_000_000)), "it is longer than 1 MiB");
    let many = 300_000;
    for text in [
        "a = ".to_owned() + &"[".repeat(many),
        "a = ".to_owned() + &"{ a = ".repeat(many / 4),
        "a.".repeat(many) + "a = 1",
        format!("[{}a]", "a.".repeat(many)),
        format!("[[{}a]]", "a.".repeat(many)),
        format!("x = {{ {}a = 1 }}", "a.".repeat(many)),
    ] {
        let faults = faults(text);
        assert!(faults[0].contains("recurs"), "{:.200}", faults[0]);
    }
    let deep = format!("user = '{}'\n[exec]\ncmd = 'true'", "${A:-".repeat(many / 2));
    has(&faults(deep), "user: ${…} is nested more than 32 times");
}

#[test]
fn a_flood_of_faults_is_cut() {
    let text: String = (0..5000).map(|number| format!("key{number} = 1\n")).collect();
    let faults = faults(text);
    assert_eq!(faults.len(), 51);
    assert!(faults[50].contains("faults more"), "{}", faults[50]);
}

#[test]
fn variables_that_grow_without_bound_are_refused() {
    let mut text = "[exec]\ncmd = 'true'\n[env.set]\nA0 = 'xxxxxxxx'\n".to_owned();
    for number in 1..64 {
        let before = number - 1;
        text.push_str(&format!("A{number} = '${{A{before}}}${{A{before}}}'\n"));
    }
    let told = faults(text);
    assert!(told.len() == 1 && told[0].contains("longer than an argument can be"), "{told:?}");

    let mut text = "[exec]\ncmd = 'true'\n[env.set]\n".to_owned();
    for number in 0..20_000 {
        text.push_str(&format!("B{number} = '${{B{}}}'\n", number + 1));
    }
    has(&faults(text), "one variable leads to more than 100 others");
}

#[test]
fn a_loop_of_references_is_shown() {
    let told = faults(
        "[env]\nset = { A = '${B}', B = 'x${C:-y}', C = '${A}' }\n[exec]\ncmd = 'echo ${A}'",
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("in a loop: A -> B -> C -> A"), "{told:?}");
    // To extend what the container was given is none.
    let output = outcome(
        "[env]\nset = { A = 'x${A}' }\n[exec]\ncmd = ['sh', '-c', 'echo $$A']",
        &[],
        &[("A", "1")],
    );
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    has(&faults("[env]\nset = { A = 'x${A}' }\n[exec]\ncmd = 'x'"), "the variable A is not set");
}

#[test]
fn every_reference_is_looked_at_also_in_commands_that_were_not_asked_for() {
    let told = faults_in(
        "[exec]\ncmd = 'true'\n[command.other]\ncmd = 'x ${A'\nargs = [{ env = 'A', default = '$B' }]",
        &["-x"],
        &[],
    );
    has(&told, "F:4:1: command.other.cmd: ${A has no closing brace");
    has(&told, "command.other.args[0].default: $B has no braces");
    // But what they would need is not asked for.
    let text = "[exec]\ncmd = 'true'\n[command.other]\ncmd = 'x ${NEEDED}'";
    assert_eq!(outcome(text, &[], &[]).exit, Exit::Code(0));
    has(&faults_in(text, &["other"], &[]), "the variable NEEDED is not set");
}

#[test]
fn a_secret_that_is_no_file_is_told_with_owner_and_mode() {
    let scratch = Scratch::new();
    let directory = scratch.directory("dir");
    mode(&directory, 0o751);
    let fifo = scratch.at("fifo");
    let path = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let text = "[secrets]\nA = {}\n[exec]\ncmd = 'true'";
    let of = |file: &std::path::Path| faults_in(text, &[], &[("A_FILE", file.to_str().unwrap())]);
    has(&of(&directory), "F:2:1: secrets.A:");
    has(&of(&directory), "is a directory, not a file");
    has(&of(&fifo), "is a fifo, not a file");
    has(&of(&directory.join("none")), "no such file or directory");
    has(&of(&directory.join("none")), "and mode 0751");
    has(&of(&scratch.file("nul", "a\0b")), "there is a NUL byte");
    // Where it may be missing, it is no fault.
    let optional =
        "[secrets]\nA = { file = '/nonexistent/a', required = false }\n[exec]\ncmd = 'true'";
    assert_eq!(outcome(optional, &[], &[]).exit, Exit::Code(0));
    let there = "[secrets]\nA = { file = '/nonexistent/a' }\n[exec]\ncmd = 'true'";
    has(&faults(there), "cannot read \"/nonexistent/a\"");
}

#[test]
fn a_program_that_is_not_there_is_told_before_anything_runs() {
    let told = faults("[[run]]\ncmd = 'nosuch1'\n[exec]\ncmd = 'nosuch2'");
    has(&told, "F:2:1: run[0].cmd: cannot run \"nosuch1\": not found in PATH");
    has(&told, "F:4:1: exec.cmd: cannot run \"nosuch2\": not found in PATH");
    // Unless a step may bring it.
    let text = "[[run]]\ncmd = 'true'\ninstalls = true\n[exec]\ncmd = 'nosuch2'";
    assert_eq!(outcome_of_run(text).exit, Exit::Code(127));
    // One that the user named is a plain 127, and a misspelt command of the file is told as that.
    let text = "[exec]\ncmd = 'true'\n[command.worker]\ncmd = 'true'";
    let output = outcome(text, &["nosuch3"], &[]);
    assert_eq!(output.exit, Exit::Code(127), "{output:?}");
    has(&faults_in(text, &["wroker"], &[]), "did you mean \"worker\"?");
    has(&faults_in("[command.a]\ncmd = 'true'", &[], &[]), "the file has no [exec]");
    has(&faults_in(text, &[""], &[]), "the first word of the command is empty");
}

/// For what fails only when it is run.
fn outcome_of_run(text: &str) -> Output {
    let scratch = Scratch::new();
    let file = scratch.file("f.toml", text);
    plainly([OsStr::new("run"), file.as_os_str()]).output()
}

#[test]
fn values_of_secrets_are_in_no_message() {
    let environment = [("MY_PASSWORD", "hunter2"), ("PLAIN", "tcp://u:hunter3@h")];
    let told = faults_in(
        "user = '${MY_PASSWORD}'\nworkdir = '/${MY_PASSWORD}'\nvenv = '/x/${MY_PASSWORD}'\n\
         [[wait]]\nfor = ['${MY_PASSWORD}', '${PLAIN}']\n\
         [exec]\ncmd = ['/nonexistent/${MY_PASSWORD}', '${NONE:?see ${MY_PASSWORD}}']",
        &[],
        &environment,
    );
    assert!(told.len() >= 5, "{told:#?}");
    assert!(!told.iter().any(|fault| fault.contains("hunter")), "{told:#?}");
}

#[test]
fn wrong_usage_of_run_and_check_is_code_2() {
    for (words, said) in [
        (&["run"][..], "needs a FILE"),
        (&["check"], "needs a FILE"),
        (&["run", "--bogus", "f"], "unknown option \"--bogus\""),
        (&["check", "--format"], "--format needs a value"),
        (&["check", "--format", "xml", "f"], "--format needs a value"),
        (&["check", "--format=", "f"], "--format needs a value"),
        (&["check", "f", "--format"], "--format needs a value"),
    ] {
        let output = plainly(words).output();
        assert_eq!(output.exit, Exit::Code(2), "{words:?}");
        assert!(output.stderr.contains(said), "{words:?}: {output:?}");
    }
    // What the options have in the environment stands in the file here.
    let scratch = Scratch::new();
    let file = scratch.file("f.toml", "[exec]\ncmd = 'echo x'");
    for (name, exit) in [
        ("PYDEXEC_USER", Exit::Code(2)),
        ("PYDEXEC_USR", Exit::Code(2)),
        ("PYDEXEC_SERVICE_HOST", Exit::Code(0)),
    ] {
        let output = plainly([OsStr::new("run"), file.as_os_str()]).env(name, "1").output();
        assert_eq!(output.exit, exit, "{output:?}");
        assert!(exit == Exit::Code(0) || output.stderr.contains(name), "{output:?}");
    }
    for words in [["run", "--help"], ["check", "-h"]] {
        let output = plainly(words).output();
        assert_eq!(output.exit, Exit::Code(0));
        assert!(output.stdout.contains("Usage: pydexec"), "{output:?}");
    }
}
