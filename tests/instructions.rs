//! What a start costs in instructions of our own, which repeat where seconds do not, held to the budget
//! in benches/instructions.txt.
//!
//! Counted by valgrind's callgrind, over the static binary as it is shipped. The kernel's part is not
//! in it.

mod support;

use std::collections::BTreeMap;
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
