//! What a start costs in instructions of our own, which repeat where seconds do not, held to the budget
//! in benches/instructions.txt.
//!
//! Counted by valgrind's callgrind, over the static binary as it is shipped. The kernel's part is not
//! in it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BUDGET: &str = include_str!("../benches/instructions.txt");

fn budget() -> BTreeMap<&'static str, u64> {
    let lines = BUDGET.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (case, most) = line.rsplit_once(' ').unwrap();
            (case.trim(), most.replace('_', "").parse().unwrap())
        })
        .collect()
}

/// The entrypoint that the races run too, with its command.
const FILE: &str = include_str!("../benches/entrypoint/entrypoint.toml");
const TEMPLATE: &str = include_str!("../benches/entrypoint/settings.ini.j2");

/// Lays it into `here`, and returns its path and its variables.
fn entrypoint(here: &Path, command: &str) -> (PathBuf, Vec<(&'static str, String)>) {
    let place = |name: &str| here.join(name).to_str().unwrap().to_owned();
    for (name, text) in
        [("db_password", "s3cret\n"), ("secret_key", "k3y\n"), ("settings.ini.j2", TEMPLATE)]
    {
        fs::write(place(name), text).unwrap();
    }
    let file = FILE.replace("@HERE@", here.to_str().unwrap()).replace("@COMMAND@", command);
    fs::write(place("entrypoint.toml"), file).unwrap();
    let mut variables =
        vec![("DB_PASSWORD_FILE", place("db_password")), ("SECRET_KEY_FILE", place("secret_key"))];
    let others = ["PORT", "WEB_CONCURRENCY", "THREADS", "TIMEOUT", "KEEP_ALIVE", "MAX_REQUESTS"];
    let others =
        others.into_iter().chain(["DEBUG", "EXTRA_ARGS", "APP_MODULE", "DB_HOST", "REGION"]);
    variables.extend(others.map(|name| (name, "1".to_owned())));
    (place("entrypoint.toml").into(), variables)
}

/// The instructions of `words`, run with an environment of four variables and these.
fn count(words: &[&str], variables: &[(&'static str, String)]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(words)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/"), ("LANG", "C.UTF-8"), ("TERM", "dumb")])
        .envs(variables.iter().cloned())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // A child that does not execute anything is counted too, and has its own line.
    let collected = text.lines().filter_map(|line| line.split_once("Collected : "));
    let counts = collected.map(|(_, count)| count.trim().parse().unwrap());
    counts.max().unwrap_or_else(|| panic!("{words:?}: {text}"))
}

/// The static binary, where it can be counted.
fn counted() -> Option<String> {
    if std::env::var_os("PYDEXEC_BIN").is_none() {
        support::skip("only the static binary is counted: run me by `make test`");
        return None;
    }
    if !Path::new("/usr/bin/valgrind").exists() {
        support::skip("valgrind is not here: apt-get install valgrind");
        return None;
    }
    support::binary().to_str().map(str::to_owned)
}

#[test]
fn a_start_stays_within_its_budget_of_instructions() {
    let Some(binary) = counted() else { return };
    let (binary, probe) = (binary.as_str(), support::probe());
    let probe = probe.to_str().unwrap();
    let scratch = support::Scratch::new();
    let link = |name: &str| {
        let link = scratch.path().join(name);
        std::os::unix::fs::symlink(binary, &link).unwrap();
        link.to_str().unwrap().to_owned()
    };
    let target = [probe, "exit", "0"];
    let (file, variables) = entrypoint(scratch.path(), &target.join(" "));
    let file = file.to_str().unwrap();
    let (tini, dumb_init, pysu) = (link("tini"), link("dumb-init"), link("pysu"));
    let cases: [(&str, Vec<&str>); 6] = [
        ("pydexec -- COMMAND", [&[binary, "--"][..], &target].concat()),
        (
            "pydexec --workdir / -- COMMAND",
            [&[binary, "--workdir", "/", "--"][..], &target].concat(),
        ),
        ("tini -s -- COMMAND", [&[&tini, "-s", "--"][..], &target].concat()),
        ("dumb-init COMMAND", [&[dumb_init.as_str()][..], &target].concat()),
        ("pydexec run FILE", vec![binary, "run", file]),
        // One that is not there: an execve would end the count.
        ("pysu 1000:1000 COMMAND", vec![&pysu, "1000:1000", "/nonexistent"]),
    ];
    let budget = budget();
    assert_eq!(budget.len(), cases.len(), "a case without a budget, or a budget without a case");
    let mut over = Vec::new();
    for (case, words) in cases {
        let variables = if words.contains(&file) { &variables[..] } else { &[] };
        let (count, most) = (count(&words, variables), budget[case]);
        eprintln!("{case}: {count} of {most}");
        if count > most {
            over.push(format!("{case}: {count} instructions, and the budget is {most}"));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// The windows of 64 KB, which is what the kernel maps of a file at one page fault, that `words` runs
/// code of the program in, by the addresses that callgrind writes down.
fn windows(words: &[&str], scratch: &Path) -> BTreeSet<u64> {
    // Where ld puts a program that is not position independent; libraries and the vDSO are far above.
    let program = 0x40_0000..0x100_0000;
    let out = scratch.join("callgrind.%p").display().to_string();
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no"])
        .args(["--compress-strings=no", &format!("--callgrind-out-file={out}")])
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .status()
        .unwrap();
    assert!(status.success(), "{words:?}: {status}");
    let mut windows = BTreeSet::new();
    for trace in fs::read_dir(scratch).unwrap() {
        let trace = fs::read_to_string(trace.unwrap().path()).unwrap();
        for line in trace.lines().filter_map(|line| line.strip_prefix("0x")) {
            let digits = line.split(' ').next().unwrap();
            let address = u64::from_str_radix(digits, 16).unwrap();
            if program.contains(&address) {
                windows.insert(address >> 16);
            }
        }
    }
    windows
}

#[test]
fn the_code_of_a_start_lies_together() {
    let Some(binary) = counted() else { return };
    let (scratch, probe) = (support::Scratch::new(), support::probe());
    for (face, option) in
        [("pydexec", "--"), ("tini", "-s"), ("dumb-init", "--"), ("catatonit", "--")]
    {
        let (link, traces) = (scratch.path().join(face), scratch.path().join(format!("of {face}")));
        std::os::unix::fs::symlink(&binary, &link).unwrap();
        fs::create_dir(&traces).unwrap();
        let words = [link.to_str().unwrap(), option, probe.to_str().unwrap(), "exit", "0"];
        let windows = windows(&words, &traces);
        // It was one when build/hot-code last wrote build/hot.ld, and is thirteen without that. A change of
        // the code may leave a function elsewhere, and so may another compiler.
        assert!(windows.len() <= 3, "{face} runs code in {windows:x?}: run build/hot-code");
    }
}
