//! The built-in judgement of what is installed, compared with what pip says of the same: over a few
//! hundred installations and requirement files that were made at random.

#![cfg(feature = "requirements")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{Exit, Need, Scratch, able, plainly, skip, system};

/// How many, and which: `PYDEXEC_SEED` chooses others.
const CASES: usize = 240;
const SEED: &str = "20260401";

fn python(program: &Path, arguments: &[&str]) -> std::io::Result<Output> {
    let forking = system::forking();
    let mut command = Command::new(program);
    command.args(arguments).stdout(std::process::Stdio::piped());
    let child = command.stderr(std::process::Stdio::piped()).spawn();
    drop(forking);
    child?.wait_with_output()
}

/// What a check says: `there`, `missing`, or `unknown` where it would ask an installer.
fn verdict(case: &Path, file: &str) -> (&'static str, String) {
    let (venv, file) = (case.join("venv"), case.join(file));
    let words = ["--venv", venv.to_str().unwrap(), "-r", file.to_str().unwrap()];
    let output = plainly(words.into_iter().chain(["--requirements-check"])).output();
    let found = output.stdout.lines().find(|line| line.starts_with("found: "));
    let verdict = match (output.exit, found) {
        (Exit::Code(1), Some(found)) if found.contains("only an installer can tell") => "unknown",
        (Exit::Code(0), Some(_)) => "there",
        (Exit::Code(1), Some(_)) => "missing",
        _ => panic!("{output:?}"),
    };
    (verdict, output.stdout)
}

#[test]
fn what_is_judged_to_be_there_is_what_pip_finds_satisfied() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let mut interpreter = Path::new("python3").to_owned();
    let has_pip = python(&interpreter, &["-m", "pip", "--version"]);
    if !has_pip.is_ok_and(|output| output.status.success()) {
        let venv = scratch.at("python");
        let made = python(&interpreter, &["-m", "venv", venv.to_str().unwrap()]);
        if !made.is_ok_and(|output| output.status.success()) {
            skip("there is no python3 with pip, nor one that can make a venv with it");
            return;
        }
        interpreter = venv.join("bin/python");
    }
    let cases = scratch.directory("cases");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/requirements.py");
    let seed = std::env::var("PYDEXEC_SEED").unwrap_or_else(|_| SEED.to_owned());
    let count = CASES.to_string();
    let output = python(&interpreter, &[script, cases.to_str().unwrap(), &count, &seed]).unwrap();
    assert!(output.status.success(), "{output:?}");

    let (mut there, mut broken, mut unknown) = (0, 0, 0);
    for number in 0..CASES {
        let case = cases.join(number.to_string());
        let pip = fs::read_to_string(case.join("pip")).unwrap();
        let (install, check) = pip.trim().split_once(' ').unwrap();
        let text = fs::read_to_string(case.join("requirements.txt")).unwrap();
        let (install_verdict, said) = verdict(&case, "requirements.txt");
        match install_verdict {
            "unknown" => unknown += 1,
            other => assert_eq!(other, install, "seed {seed}, case {number}: {said}\n{text}"),
        }
        // All that is installed, as requirements: what `pip check` looks at.
        let (verdict, said) = verdict(&case, "all.txt");
        let check = if check == "content" { "there" } else { "missing" };
        match verdict {
            "unknown" => unknown += 1,
            other => assert_eq!(other, check, "seed {seed}, case {number}, pip check: {said}"),
        }
        there += usize::from(install == "there");
        broken += usize::from(check == "missing");
    }
    // What was compared was worth it.
    let (least, most) = (CASES / 10, CASES - CASES / 10);
    assert!((least..most).contains(&there), "{there} of {CASES} are satisfied");
    assert!((least..most).contains(&broken), "{broken} of {CASES} are broken");
    assert!(unknown < CASES / 10, "{unknown} were left to an installer");
}
