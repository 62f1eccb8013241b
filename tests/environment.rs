//! What the command finds in its environment: `--env…`, the twins, `--venv`, `--workdir`, and the
//! prompt that comes without a command.

#![cfg(feature = "file")]

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::Path;

use support::{Exit, Output, Plain, Scratch, plainly, probe};

/// `pydexec OPTIONS… -- env`, whose output is the environment in order.
fn environment<S: AsRef<OsStr>>(options: impl IntoIterator<Item = S>) -> Plain {
    let options = options.into_iter().map(|option| option.as_ref().to_owned());
    plainly(options.chain(["--".into(), "env".into()]).collect::<Vec<OsString>>())
}

const PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin";

#[track_caller]
fn lines(plain: Plain) -> Vec<String> {
    let output = plain.output();
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    output.stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_refused(output: &Output, first: &str) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    assert_eq!(output.stderr.lines().next(), Some(&*format!("pydexec: {first}")), "{output:?}");
}

#[test]
fn without_options_the_environment_is_as_it_was_byte_for_byte() {
    let odd = OsString::from_vec(b"\xff=\n".to_vec());
    let output = environment([""; 0]).env("A", "1").env("B", &odd).output();
    let alone = std::process::Command::new("/usr/bin/env")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("A", "1")
        .env("B", &odd)
        .output()
        .unwrap();
    assert_eq!(output.stdout, String::from_utf8_lossy(&alone.stdout));
}

#[test]
fn variables_are_set_replaced_passed_on_removed_and_cleared() {
    let run = |options: &[&str]| lines(environment(options).env("A", "ours").env("B", "2"));
    assert_eq!(run(&["--env", "A=new", "-e", "C=a=b"]), ["A=new", "B=2", PATH, "C=a=b"]);
    assert_eq!(run(&["--env", "C="]), ["A=ours", "B=2", PATH, "C="]);
    assert_eq!(run(&["--env-remove", "A", "--env-remove", "NEVER"]), ["B=2", PATH]);
    // Cleared first, then set, then removed.
    assert_eq!(run(&["--env-clear", "-e", "A", "-e", "X=1", "-e", "NEVER"]), ["A=ours", "X=1"]);
    assert_eq!(run(&["--env-remove", "A", "-e", "A=1"]), ["B=2", PATH]);
}

#[test]
fn an_env_file_is_read_as_docker_reads_it() {
    let scratch = Scratch::new();
    let text = b"# comment\n\nA=1\r\nQUOTED=\"x y\" # z\nB\nNEVER\nLAST=\xff";
    let file = scratch.file("env", text);
    let option = ["--env-file", file.to_str().unwrap()];
    let found = lines(environment(option).env("B", "ours").env("A", "0"));
    assert_eq!(found, ["A=1", "B=ours", PATH, "QUOTED=\"x y\" # z", "LAST=\u{fffd}"]);
    // A single variable wins over the file, whatever the order.
    let options = ["--env", "A=2", option[0], option[1]];
    assert!(lines(environment(options)).contains(&"A=2".to_owned()));
}

#[test]
fn a_wrong_env_file_is_named_with_its_line_and_without_its_values() {
    let scratch = Scratch::new();
    let run = |file: &Path| environment([OsStr::new("--env-file"), file.as_os_str()]).output();
    let missing = scratch.at("missing");
    let first = format!("cannot read environment file {missing:?}: no such file or directory");
    assert_refused(&run(&missing), &first);
    let directory = scratch.directory("directory");
    let first = format!("cannot read environment file {directory:?}: is a directory");
    assert_refused(&run(&directory), &first);
    let file = scratch.file("env", "A=1\nMY KEY=secret\n");
    let first = format!("{}:2: the name \"MY KEY\" has a blank in it", file.display());
    let output = run(&file);
    assert_refused(&output, &first);
    assert!(!output.stderr.contains("secret"));
    let file = scratch.file("env", "my secret\n");
    let output = run(&file);
    assert_eq!(output.exit, Exit::Code(2));
    assert!(!output.stderr.contains("secret"), "{output:?}");
}

#[test]
fn every_twin_does_what_its_option_does_and_the_command_does_not_see_it() {
    let scratch = Scratch::new();
    let file = scratch.file("env", "FROM_FILE=1\n");
    let command = ["--", "env"];
    let twin = |name: &str, value: &str| lines(plainly(command).env(name, value).env("A", "1"));
    assert_eq!(twin("PYDEXEC_ENV", "B=1:2\nC=x, y\nA"), ["A=1", PATH, "B=1:2", "C=x, y"]);
    assert_eq!(twin("PYDEXEC_ENV_FILE", file.to_str().unwrap()), ["A=1", PATH, "FROM_FILE=1"]);
    assert_eq!(twin("PYDEXEC_ENV_REMOVE", "A, NEVER"), [PATH]);
    assert_eq!(twin("PYDEXEC_ENV_CLEAR", "1"), [""; 0]);
    for nothing in ["0", "", "false"] {
        assert_eq!(twin("PYDEXEC_ENV_CLEAR", nothing), ["A=1", PATH]);
    }
    for quiet in ["PYDEXEC_EXEC", "PYDEXEC_GROUP", "PYDEXEC_NO_REQUIREMENTS", "PYDEXEC_VERBOSE"] {
        assert_eq!(twin(quiet, "yes"), ["A=1", PATH], "{quiet}");
    }
    let output = plainly(["--", "pwd"]).env("PYDEXEC_WORKDIR", "/usr").output();
    assert_eq!(output.stdout, "/usr\n");
    let output = plainly(command).env("PYDEXEC_USER", "no-such-user").output();
    assert_refused(&output, "unknown user \"no-such-user\": not in /etc/passwd");
    let output = plainly(command).env("PYDEXEC_VENV", "/no/venv").output();
    assert_refused(&output, "cannot activate venv \"/no/venv\": no such directory");
    let output = plainly(command).env("PYDEXEC_REQUIREMENTS", "/no/file.txt").output();
    let first = "cannot read requirements file \"/no/file.txt\": no such file or directory";
    assert_refused(&output, first);
    // The command line wins.
    let output = plainly(["-w", "/", "--", "pwd"]).env("PYDEXEC_WORKDIR", "/usr").output();
    assert_eq!(output.stdout, "/\n");
}

#[test]
fn verbose_tells_each_step_on_stderr_and_silence_is_silent() {
    let output = plainly(["-v", "--", "true"]).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(0), ""));
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("pydexec: ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("pydexec: started \"true\"")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("pydexec: \"true\" ended with 0 after")));
    assert_eq!(plainly(["--", "false"]).output().stderr, "");
}

#[test]
fn the_working_directory_is_the_one_asked_for_or_the_one_there_was() {
    let pwd = |plain: Plain| plain.without_env("PWD").output().stdout;
    assert_eq!(pwd(plainly(["--", "pwd"]).in_directory("/usr/bin")), "/usr/bin\n");
    assert_eq!(pwd(plainly(["-w", "bin", "--", "pwd"]).in_directory("/usr")), "/usr/bin\n");
    // A program is found relative to it, as a shell would after cd.
    let scratch = Scratch::new();
    scratch.executable("tool", "#!/bin/sh\nexit 11\n");
    let directory = scratch.path().to_str().unwrap();
    assert_eq!(plainly(["-w", directory, "--", "./tool"]).output().exit, Exit::Code(11));
}

#[test]
fn a_directory_that_has_been_removed_is_still_the_directory() {
    let scratch = Scratch::new();
    let script = "mkdir here && cd here && rmdir ../here && exec \"$PYDEXEC\" -- echo started";
    let output = plainly(["--", "sh", "-c", script])
        .env("PYDEXEC", support::binary())
        .in_directory(scratch.path())
        .output();
    assert_eq!(output.stdout, "started\n", "{output:?}");
}

/// A venv as far as activating it goes, with the probe for a Python.
fn venv(scratch: &Scratch) -> String {
    scratch.directory("venv/bin");
    symlink(probe(), scratch.at("venv/bin/python")).unwrap();
    scratch.at("venv").to_str().unwrap().to_owned()
}

#[test]
fn a_venv_is_activated_as_its_script_would() {
    let scratch = Scratch::new();
    let venv = venv(&scratch);
    let plain = environment(["--venv", &venv]).env("PYTHONHOME", "/wrong").env("A", "1");
    let path = format!("PATH={venv}/bin:/usr/local/bin:/usr/bin:/bin");
    assert_eq!(lines(plain), ["A=1", &*path, &*format!("VIRTUAL_ENV={venv}")]);
    // `python` is the venv's, and a relative directory is made absolute.
    let plain = plainly(["--venv", "venv", "--", "python", "exit", "21"]);
    assert_eq!(plain.in_directory(scratch.path()).output().exit, Exit::Code(21));
    let found = lines(environment(["--venv", "venv"]).in_directory(scratch.path()));
    assert!(found.contains(&format!("VIRTUAL_ENV={venv}")), "{found:?}");
    // And what the options say of PATH comes first.
    let found = lines(environment(["--venv", &venv, "--env", "PATH=/usr/bin:/bin"]));
    assert!(found.contains(&format!("PATH={venv}/bin:/usr/bin:/bin")), "{found:?}");
}

#[test]
fn a_venv_without_a_usable_interpreter_is_refused_by_what_is_wrong_with_it() {
    let scratch = Scratch::new();
    let run = |name: &str| {
        let directory = scratch.at(name);
        let words = ["--venv".into(), directory.into_os_string(), "--".into(), "true".into()];
        plainly::<OsString>(words).output()
    };
    let told =
        |name: &str, why: &str| format!("cannot activate venv {:?}: {why}", scratch.at(name));
    assert_refused(&run("none"), &told("none", "no such directory"));

    scratch.directory("empty");
    let python = |name: &str| scratch.at(name).join("bin/python");
    let why = format!("there is no interpreter {:?}", python("empty"));
    assert_refused(&run("empty"), &told("empty", &why));

    // Copied from a build stage with another Python: bin/python -> python3 -> nowhere.
    scratch.directory("dangling/bin");
    symlink("python3", python("dangling")).unwrap();
    symlink("/opt/python/bin/python3", scratch.at("dangling/bin/python3")).unwrap();
    let why = format!(
        "its interpreter {:?} leads to \"/opt/python/bin/python3\", which does not exist",
        python("dangling")
    );
    assert_refused(&run("dangling"), &told("dangling", &why));

    scratch.directory("loop/bin");
    symlink("python", python("loop")).unwrap();
    let output = run("loop");
    assert_eq!(output.exit, Exit::Code(2), "{output:?}");

    scratch.directory("plain/bin");
    fs::write(python("plain"), "").unwrap();
    let why = format!("{:?} is not executable", python("plain"));
    assert_refused(&run("plain"), &told("plain", &why));

    let file = scratch.file("file", "");
    assert!(file.exists());
    assert_eq!(run("file").exit, Exit::Code(2));
    // The hint says how to make one.
    assert!(run("none").stderr.lines().nth(1).unwrap().contains("python3 -m venv"));
}

#[test]
fn without_a_command_python_starts() {
    let scratch = Scratch::new();
    // The first argument that a prompt would get: none.
    let shows = "#!/bin/sh\necho \"$(basename \"$0\") $#\"\n";
    scratch.executable("python3", shows);
    let path = scratch.path().to_str().unwrap().to_owned() + ":/usr/bin:/bin";
    let run = |words: &[&str]| plainly(words).env("PATH", &path).output().stdout;
    assert_eq!(run(&[]), "python3 0\n");
    scratch.executable("python", shows);
    assert_eq!(run(&[]), "python 0\n");
    assert_eq!(run(&["--"]), "python 0\n");
    assert_eq!(run(&["--env", "A=1"]), "python 0\n");
    // That of the venv before all others.
    let venv = venv(&scratch);
    fs::remove_file(format!("{venv}/bin/python")).unwrap();
    scratch.executable("venv/bin/python", "#!/bin/sh\necho venv\n");
    assert_eq!(run(&["--venv", &venv]), "venv\n");
    // Nowhere to be found.
    let output = plainly(["--"]).env("PATH", "/nonexistent").output();
    assert_eq!(output.exit, Exit::Code(127));
    let first = "pydexec: cannot start a Python prompt: neither python nor python3 is in PATH \
                 (/nonexistent)";
    assert_eq!(output.stderr.lines().next(), Some(first));
}

#[test]
fn bytes_that_are_no_text_pass_by_every_way() {
    let odd = OsStr::from_bytes(b"v\xfe");
    let mut option = OsString::from("ODD=");
    option.push(odd);
    let probe = probe().into_os_string();
    let show = ["--".into(), probe, "variable".into(), "ODD".into()];
    let words = [OsString::from("--env"), option.clone()].into_iter().chain(show.clone());
    assert_eq!(plainly(words).output().stdout, "76fe\n");
    assert_eq!(plainly(show).env("PYDEXEC_ENV", option).output().stdout, "76fe\n");
}
