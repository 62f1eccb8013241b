//! What is installed before the command starts: by whom, with what result, and what ends it.

#![cfg(feature = "requirements")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{
    Exit, Need, Output, Scene, Scratch, able, binary, eventually, plainly, probe, program, pydexec,
    skip, system,
};

/// A directory for PATH, with an installer called `uv` that is this script, an interpreter that can
/// be told by its files, and requirements.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
}

impl Stage {
    fn new(uv: &str) -> Self {
        let scratch = Scratch::new();
        scratch.executable("uv", format!("#!/bin/sh\n{uv}\n"));
        interpreter(&scratch);
        let file = scratch.file("requirements.txt", "flask\n");
        Self { scratch, file }
    }

    fn path(&self) -> String {
        let directory = self.scratch.path().display();
        format!("{directory}:{directory}/usr/bin:/usr/bin:/bin")
    }

    /// `pydexec -v -r FILE OPTIONS… -- probe WORDS…` as PID 1; so the installer's words are seen.
    fn pydexec(&self, options: &[&str], words: &[&str]) -> Scene {
        let options =
            ["-v", "-r", self.file.to_str().unwrap()].into_iter().chain(options.iter().copied());
        pydexec(options).probe(words).env("PATH", self.path()).env("PROBE", probe()).as_pid1()
    }
}

/// A Python of which only the files are there: run, it prints its arguments.
fn interpreter(scratch: &Scratch) -> PathBuf {
    scratch.directory("usr/bin");
    let site = scratch.directory("usr/lib/python3.12/site-packages");
    scratch.file("usr/lib/python3.12/os.py", "");
    scratch.copy("/bin/echo", "usr/bin/python3.12");
    let program = scratch.at("usr/bin/python");
    std::os::unix::fs::symlink("python3.12", program).unwrap();
    site
}

#[test]
fn uv_is_asked_to_install_every_file_into_the_python_that_is_first_in_path() {
    let stage = Stage::new("echo \"$@\"");
    let python = stage.scratch.at("usr/bin/python");
    let second = stage.scratch.file("more.txt", "");
    let (first, second) = (stage.file.to_str().unwrap(), second.to_str().unwrap());
    let expected = format!(
        "pip install --python {} --requirement {first} --requirement {second}\nstarted\n",
        python.display()
    );
    let words = ["-v", "-r", first, "--requirements", second, "--", "echo", "started"];
    assert_eq!(plainly(words).env("PATH", stage.path()).output().stdout, expected);
    let twin = format!("{first}:{second}");
    // Changed, since what was installed from the same would not be installed again.
    stage.scratch.file("more.txt", "more\n");
    let plain = plainly(["-v", "--", "echo", "started"]).env("PATH", stage.path());
    assert_eq!(plain.env("PYDEXEC_REQUIREMENTS", twin).output().stdout, expected);
}

#[test]
fn without_uv_it_is_the_interpreters_own_pip() {
    let scratch = Scratch::new();
    let site = interpreter(&scratch);
    std::fs::create_dir(site.join("pip")).unwrap();
    std::fs::write(site.join("pip/__main__.py"), "").unwrap();
    let file = scratch.file("requirements.txt", "flask\n");
    let output = plainly(["-v", "-r", file.to_str().unwrap(), "--", "/bin/echo", "started"])
        .env("PATH", scratch.at("usr/bin"))
        .output();
    let expected = format!("-m pip install --requirement {}\nstarted\n", file.display());
    assert_eq!(output.stdout, expected, "{output:?}");
}

#[test]
fn without_any_installer_it_says_so() {
    let scratch = Scratch::new();
    let file = scratch.file("requirements.txt", "");
    let output = plainly(["-r", file.to_str().unwrap(), "--", "/bin/echo", "started"])
        .env("PATH", scratch.path())
        .output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(127), ""), "{output:?}");
    let (file, what) = (file.display(), "there is neither python nor python3 in PATH");
    let first = format!("pydexec: cannot install {file}: {what}");
    assert_eq!(output.stderr.lines().next(), Some(&*first));
    // Nor a pip of the Python that is there.
    interpreter(&scratch);
    scratch.file("requirements.txt", "flask\n");
    let output = plainly(["-r", &file.to_string(), "--", "/bin/echo", "started"])
        .env("PATH", scratch.at("usr/bin"))
        .output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(127), ""), "{output:?}");
    let python = scratch.at("usr/bin/python");
    let first =
        format!("pydexec: cannot install {file}: there is no uv, and no pip for {python:?}");
    assert_eq!(output.stderr.lines().next(), Some(&*first));
}

#[test]
fn a_failure_stops_the_start_with_its_code_and_the_command_does_not_run() {
    let stage = Stage::new("echo no such package >&2; exit 37");
    for options in [&[][..], &["--exec"]] {
        let words = ["-r", stage.file.to_str().unwrap()].into_iter().chain(options.iter().copied());
        let words: Vec<&str> = words.chain(["--", "echo", "started"]).collect();
        let output = plainly(words).env("PATH", stage.path()).output();
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(37), ""), "{output:?}");
        let lines: Vec<&str> = output.stderr.lines().collect();
        let file = stage.file.display();
        let told = format!("pydexec: cannot install {file}: uv ended with exit code 37");
        let begun = format!("pydexec: installing {file} with uv");
        assert_eq!(lines[..3], [&*begun, "no such package", &*told]);
        assert_eq!(lines.len(), 4, "{lines:?}");
    }
    let stage = Stage::new("kill -KILL $$");
    let words = ["-r", stage.file.to_str().unwrap(), "--", "echo", "started"];
    let output = plainly(words).env("PATH", stage.path()).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(137), ""), "{output:?}");
}

#[track_caller]
fn assert_refused(output: &Output, first: &str) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines[0], format!("pydexec: {first}"));
    assert_eq!(lines.len(), 2, "and what to do: {lines:?}");
}

#[test]
fn a_file_that_is_missing_or_a_directory_is_told_before_anything_is_installed() {
    let stage = Stage::new("echo installed");
    let run = |second: &Path| {
        let (first, second) = (stage.file.to_str().unwrap(), second.to_str().unwrap());
        let words = ["-r", first, "-r", second, "--", "echo", "started"];
        plainly(words).env("PATH", stage.path()).output()
    };
    let missing = stage.scratch.at("missing.txt");
    let first = format!("cannot read requirements file {missing:?}: no such file or directory");
    assert_refused(&run(&missing), &first);
    let directory = stage.scratch.directory("directory.txt");
    assert_refused(&run(&directory), &format!("requirements file {directory:?} is a directory"));
    // Nor is anything installed for a command that could not be run anyway.
    let words = ["-r", stage.file.to_str().unwrap(), "--user", "no-such-user", "--", "true"];
    let output = plainly(words).env("PATH", stage.path()).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""));
    let words = ["-r", stage.file.to_str().unwrap(), "-w", "/no/such/dir", "--", "true"];
    let output = plainly(words).env("PATH", stage.path()).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""));
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new("echo installed");
    system::mode(&stage.file, 0o600);
    let pydexec = stage.scratch.copy(binary(), "pydexec");
    let scene = program(pydexec, &["-r", stage.file.to_str().unwrap(), "--", "true"]);
    let output = scene.env("PATH", stage.path()).as_user(1000, 1000, &[]).output();
    let file = &stage.file;
    assert_refused(&output, &format!("cannot read requirements file {file:?}: permission denied"));
}

#[test]
fn the_installer_runs_as_the_commands_user_in_its_environment_and_directory() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new("exec \"$PROBE\" state");
    let copied = stage.scratch.probe("probe");
    let site = stage.scratch.at("overlays");
    let site = site.to_str().unwrap();
    let options = ["--user", "4242:4243", "-w", "/usr", "-e", "A=1", "--site", site];
    let scene = stage.pydexec(&options, &["exit", "0"]).env("PROBE", copied);
    let output =
        scene.with_descriptor(8, std::fs::File::open("/dev/null").unwrap().into()).output();
    assert_eq!(output.state("Uid:"), "4242 4242 4242 4242");
    assert_eq!(output.state("Gid:"), "4243 4243 4243 4243");
    assert_eq!(output.state("cwd:"), "/usr");
    assert_eq!(output.state("SigBlk:"), "0000000000000000");
    assert!(output.stdout.contains("env A=1\n") && output.stdout.contains("env HOME=/\n"));
    assert!(output.stdout.contains(&format!("env UV_CACHE_DIR={site}/")), "{output:?}");
}

#[test]
fn descriptors_and_directory_are_kept_until_the_command_has_them() {
    if !able(Need::Namespaces) {
        return;
    }
    let stage = Stage::new("exit 0");
    let null = std::fs::File::open("/dev/null").unwrap();
    let scene = stage.pydexec(&[], &["state"]).with_descriptor(8, null.into());
    let output = scene.in_directory("/usr").output();
    assert_eq!((output.state("fds:"), output.state("cwd:")), ("0 1 2 8", "/usr"));
}

#[test]
fn term_reaches_the_installer_and_its_children_and_the_boot_ends() {
    if !able(Need::Namespaces) {
        return;
    }
    // The shell dies of the TERM, and its children tell that they have got it.
    let stage = Stage::new("\"$PROBE\" signals & \"$PROBE\" signals; exit 5");
    for options in [&[][..], &["--exec"]] {
        let mut run = stage.pydexec(options, &["exit", "0"]).start();
        run.says("ready");
        run.says("ready");
        run.signal(libc::SIGTERM);
        assert_eq!(run.end(), Exit::Code(143));
        let rest = run.rest();
        assert!(rest.lines().all(|line| line == "signal 15"), "{rest:?}");
    }
    // One that catches it and ends well has still been told to end, and so has the boot.
    let stage = Stage::new("exec \"$PROBE\" signals");
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let last = signal.to_string();
        let stage = if signal == libc::SIGTERM {
            &stage
        } else {
            &Stage::new(&format!("exec \"$PROBE\" signals {last}"))
        };
        let mut run = stage.pydexec(&[], &["exit", "0"]).start();
        run.says("ready");
        // Nothing to do with an installer, and deadly to a real one.
        run.signal(libc::SIGUSR1);
        run.signal(signal);
        run.says(&format!("signal {signal}"));
        assert_eq!(run.line(), None, "the command did not run");
        assert_eq!(run.end(), Exit::Code(code));
        assert!(!run.stderr().contains("cannot"));
    }
}

#[test]
fn what_an_installer_has_nothing_to_do_with_is_kept_for_the_command() {
    if !able(Need::Namespaces) {
        return;
    }
    let stage = Stage::new("exec \"$PROBE\" echo");
    // Blocked, so that the command inherits it so and does not die of what is kept for it.
    let mut run = stage.pydexec(&[], &["signals"]).blocking_all().start();
    run.says("ready");
    run.signal(libc::SIGUSR1);
    for value in 1..=3 {
        run.queue(34, value);
    }
    run.types("quit\n");
    run.says("ready");
    for line in ["signal 10", "signal 34 value 1", "signal 34 value 2", "signal 34 value 3"] {
        run.says(line);
    }
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn both_children_of_the_installer_get_the_signal() {
    if !able(Need::Namespaces) {
        return;
    }
    let stage = Stage::new("trap '' TERM\n\"$PROBE\" signals & \"$PROBE\" signals; wait; exit 5");
    let mut run = stage.pydexec(&[], &["exit", "0"]).start();
    for line in ["ready", "ready"] {
        run.says(line);
    }
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(5));
}

#[test]
fn ctrl_c_ends_the_installation() {
    if !able(Need::Namespaces) {
        return;
    }
    let stage = Stage::new("exec \"$PROBE\" echo");
    let mut run = stage.pydexec(&[], &["exit", "0"]).on_a_terminal().start();
    run.until("ready");
    run.types("\x03");
    assert_eq!(run.end(), Exit::Code(130));
    // Afterwards the terminal is the command's.
    let stage = Stage::new("exit 0");
    let output = stage.pydexec(&[], &["state"]).on_a_terminal().output();
    assert_eq!(output.state("foreground:"), output.state("pgid:"));
}

#[test]
fn a_term_before_the_first_instruction_keeps_the_command_from_starting() {
    if !able(Need::Namespaces) {
        return;
    }
    let stage = Stage::new("exit 0");
    for options in [&[][..], &["--exec"]] {
        let output = stage.pydexec(options, &["state"]).with_pending(libc::SIGTERM).output();
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(143), ""), "{output:?}");
    }
}

#[test]
fn orphans_of_the_installer_are_reaped_while_it_runs() {
    if !able(Need::Namespaces) {
        return;
    }
    let stage = Stage::new("exec \"$PROBE\" crowd 200 28");
    let mut run = stage.pydexec(&[], &["exit", "0"]).start();
    run.says("crowd");
    run.says("ready");
    assert_eq!(run.process.children().len(), 201);
    run.signal(libc::SIGWINCH);
    run.says("signal 28");
    run.says("ready");
    eventually("only the installer is left", || run.table().len() == 2);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(143));
}

/// A wheel of a package `tiny` with one module that has one word in it.
const WHEEL: &str = r#"
import sys, zipfile
info = "tiny-1.0.dist-info/"
files = {
    "tiny.py": "WORD = 'installed'\n",
    info + "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
files[info + "RECORD"] = "".join(name + ",,\n" for name in [*files, info + "RECORD"])
with zipfile.ZipFile(sys.argv[1] + "/tiny-1.0-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
"#;

#[track_caller]
fn python(arguments: &[&str]) -> Result<(), String> {
    let forking = system::forking();
    let child = Command::new("python3")
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    drop(forking);
    let output =
        child.and_then(|child| child.wait_with_output()).map_err(|error| error.to_string())?;
    let told = [output.stdout, output.stderr].concat();
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&told).into())
}

#[test]
fn a_package_is_really_installed_into_a_real_venv_and_the_second_start_has_nothing_to_do() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let venv = scratch.at("venv");
    let (venv, directory) = (venv.to_str().unwrap(), scratch.path().to_str().unwrap());
    if let Err(why) = python(&["-m", "venv", venv]) {
        skip(&format!("there is no python3 that can make a venv: {why}"));
        return;
    }
    python(&["-c", WHEEL, directory]).unwrap();
    let text = format!("--no-index\n--find-links {directory}\ntiny==1.0\n");
    let file = scratch.file("requirements.txt", text);
    let run = || {
        let options = ["-v", "--venv", venv, "-r", file.to_str().unwrap()];
        let command = ["python", "-c", "import tiny, sys; print(tiny.WORD, sys.prefix)"];
        // No uv of the machine's.
        let path = "/usr/bin:/bin";
        let output = pydexec(options).command(command).env("PATH", path).as_pid1().output();
        assert_eq!(output.exit, Exit::Code(0), "{output:?}");
        assert!(output.stdout.ends_with(&format!("installed {venv}\n")), "{output:?}");
        output.stdout
    };
    assert!(run().contains("Successfully installed tiny-1.0"));
    assert_eq!(run(), format!("installed {venv}\n"));

    // And one that is not to be had ends the start with pip's own code.
    scratch.file("requirements.txt", "--no-index\nno-such-package\n");
    let options = ["--venv", venv, "-r", file.to_str().unwrap()];
    let output = pydexec(options).command(["echo", "started"]).as_pid1().output();
    assert_eq!(output.exit, Exit::Code(1), "{output:?}");
    assert!(!output.stdout.contains("started"), "{output:?}");
    let told = format!("pydexec: cannot install {}: pip ended with exit code 1\n", file.display());
    assert!(output.stderr.contains(&told), "{output:?}");
}
