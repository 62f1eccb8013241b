//! What a start costs in instructions of our own, which repeat where seconds do not, held to the budget
//! in benches/instructions.txt.
//!
//! Counted by valgrind's callgrind, over the static binary as it is shipped. The kernel's part is not
//! in it.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
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

/// The instructions of `words`, run with an environment of four variables.
fn count(words: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(words)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/"), ("LANG", "C.UTF-8"), ("TERM", "dumb")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.unwrap_or_else(|| panic!("{words:?}: {text}"));
    count.trim().parse().unwrap()
}

#[test]
fn a_start_stays_within_its_budget_of_instructions() {
    if std::env::var_os("PYDEXEC_BIN").is_none() {
        support::skip("only the static binary is counted: run me by `make test`");
        return;
    }
    let has = |program: &str| Path::new("/usr/bin").join(program).exists();
    if !has("valgrind") {
        support::skip("valgrind is not here: apt-get install valgrind");
        return;
    }
    let (binary, probe) = (support::binary(), support::probe());
    let (binary, probe) = (binary.to_str().unwrap(), probe.to_str().unwrap());
    let scratch = support::Scratch::new();
    let link = |name: &str| {
        let link = scratch.path().join(name);
        std::os::unix::fs::symlink(binary, &link).unwrap();
        link.to_str().unwrap().to_owned()
    };
    let target = [probe, "exit", "0"];
    let (tini, dumb_init, pysu) = (link("tini"), link("dumb-init"), link("pysu"));
    let cases: [(&str, Vec<&str>); 5] = [
        ("pydexec -- COMMAND", [&[binary, "--"][..], &target].concat()),
        (
            "pydexec --workdir / -- COMMAND",
            [&[binary, "--workdir", "/", "--"][..], &target].concat(),
        ),
        ("tini -s -- COMMAND", [&[&tini, "-s", "--"][..], &target].concat()),
        ("dumb-init COMMAND", [&[dumb_init.as_str()][..], &target].concat()),
        // One that is not there: an execve would end the count.
        ("pysu 1000:1000 COMMAND", vec![&pysu, "1000:1000", "/nonexistent"]),
    ];
    let budget = budget();
    assert_eq!(budget.len(), cases.len(), "a case without a budget, or a budget without a case");
    let mut over = Vec::new();
    for (case, words) in cases {
        let (count, most) = (count(&words), budget[case]);
        eprintln!("{case}: {count} of {most}");
        if count > most {
            over.push(format!("{case}: {count} instructions, and the budget is {most}"));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}
