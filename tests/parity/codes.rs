//! Exit codes: the child's own, by which signal it died, and those of what cannot be executed.

use crate::case::{Against, Case, Tool, all, case};
use crate::support::Scratch;

/// The ways to run a command with one of the inits.
pub const MODES: [(&str, &[&str]); 7] = [
    ("tini", &["-s", "--"]),
    ("tini", &["-s", "-g", "--"]),
    ("tini-static", &["-s", "--"]),
    ("dumb-init", &["--"]),
    ("dumb-init", &["-c", "--"]),
    ("catatonit", &["--"]),
    ("catatonit", &["-g", "--"]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, options) in MODES {
        let line = options.join(" ");
        // In one namespace each: what is to be seen is a code, and there are 300 of them.
        let script = format!(
            "for code in $(seq 0 255); do $TOOL {line} $PROBE exit $code; echo $code=$?; done"
        );
        cases.push(case(name, format!("{line} exit codes 0 to 255"), move |tool| {
            tool.script(&script).output().stdout
        }));
        let script = format!(
            "for signal in $(seq 1 16) $(seq 24 31) $(seq 34 64); do
                $TOOL {line} $PROBE die $signal; echo $signal=$?
            done"
        );
        cases.push(case(name, format!("{line} deaths by a signal"), move |tool| {
            tool.script(&script).output().stdout
        }));
        cases.push(case(name, format!("{line} as PID 1"), move |tool| {
            all(tool, &tool.probe(options, &["exit", "7"]).as_pid1().output())
        }));
    }
    // Docker's own name for tini, which is not in a package of that name.
    cases.push(Case {
        against: Against::Original("tini"),
        ..case("docker-init", "is tini", |tool| {
            let script =
                "$TOOL -s -- $PROBE exit 7; echo $?; $TOOL -s -e 9 -- $PROBE exit 9; echo $?
                $TOOL --version; $TOOL sh -c x; echo $?; $TOOL -- nosuch; echo $?";
            tool.script(script).output().stdout
        })
    });
    cases.push(case("tini", "-e maps codes to 0", |tool| {
        let script = "for code in 0 1 2 3 4 137 143 255; do
            $TOOL -s -e 3 -e 143 -e 255 -- $PROBE exit $code; echo $code=$?; done
            $TOOL -s -e 143 -- $PROBE die 15; echo TERM=$?; $TOOL -s -e 15 -- $PROBE die 15; echo TERM=$?";
        tool.script(script).output().stdout
    }));
    for (name, options) in [("tini", &["-s", "--"][..]), ("dumb-init", &[]), ("catatonit", &["--"])]
    {
        cases.extend(not_executable(name, options));
    }
    cases
}

fn not_executable(name: &'static str, options: &'static [&'static str]) -> Vec<Case> {
    let mut cases = Vec::new();
    for program in
        ["nosuch", "./nosuch", "/nosuch/program", "/etc/passwd", "/etc", "/etc/passwd/x", "."]
    {
        cases.push(case(name, format!("exec of {program}"), move |tool| {
            let words: Vec<&str> = options.iter().copied().chain([program, "word"]).collect();
            outcome(tool, &tool.with(&words).output())
        }));
    }
    let files: [(&str, &str, &str); 5] = [
        ("a script without #!", "echo \"$0 $1\"", "755"),
        ("an empty file", "", "755"),
        ("a script whose interpreter is not there", "#!/nosuch/sh\n", "755"),
        ("a script without a run bit", "#!/bin/sh\necho run", "644"),
        ("a script", "#!/bin/sh\necho \"$1\"; exit 5", "755"),
    ];
    for (what, text, mode) in files {
        for by_path in [false, true] {
            let how = if by_path { "in PATH" } else { "by its file" };
            cases.push(case(name, format!("exec of {what}, {how}"), move |tool| {
                let scratch = Scratch::new();
                let file = scratch.executable("program", text);
                let mode = u32::from_str_radix(mode, 8).expect("it is octal");
                crate::support::system::mode(&file, mode);
                let file = file.to_string_lossy().into_owned();
                let program = if by_path { "program" } else { &*file };
                let words: Vec<&str> = options.iter().copied().chain([program, "a word"]).collect();
                let path = format!("/nosuch:{}:/bin", scratch.path().display());
                let seen = outcome(tool, &tool.with(&words).env("PATH", path).output());
                seen.replace(&*scratch.path().to_string_lossy(), "DIR")
            }));
        }
    }
    cases
}

fn outcome(tool: &Tool, output: &crate::support::Output) -> String {
    crate::messages::anonymous(&all(tool, output))
}
