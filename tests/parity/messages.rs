//! Wrong usage, help, versions, and what they tell when they are asked to tell.
//!
//! The sentences of a help text are our own. What is compared of one is its stream and exit code,
//! its head, and which options and variables it names.

use crate::case::{Case, Tool, all, case, described};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["tini", "tini-static"] {
        let lines: [&[&str]; 31] = [
            &[],
            &["-h"],
            &["-l"],
            &["-lh"],
            &["-hl"],
            &["--version"],
            &["--version", "x"],
            &["-s", "--version"],
            &["--help"],
            &["-Z"],
            &["-hZ"],
            &["-Zh"],
            &["-V"],
            &["-p"],
            &["-p", "X", "true"],
            &["-p", "9", "true"],
            &["-p", "KILL", "true"],
            &["-s", "-p", "SIGKILL", "--", "true"],
            &["-e"],
            &["-e", "256", "true"],
            &["-e", "-1", "true"],
            &["-s", "-e", "", "true"],
            &["-e", "3x", "true"],
            &["-s"],
            &["--"],
            &["-g", "-v"],
            &["-s", "sh", "-c", "exit 3"],
            &["-s", "sh", "--", "-c", "exit 3"],
            &["-s", "--", "sh", "-c", "exit 3"],
            &["sh", "-s", "--", "-c", "exit 4"],
            &["-s", "echo", "a", "--", "b", "--", "-c"],
        ];
        for line in lines {
            cases.push(usage(name, line, &[]));
        }
    }
    cases.push(usage("tini", &["-s", "sh", "-c", "exit 3"], &[("POSIXLY_CORRECT", "")]));
    for name in [
        "SIGHUP",
        "SIGTERM",
        "SIGSYS",
        "SIGCHLD",
        "SIGPWR",
        "SIGIO",
        "SIGSTKFLT",
        "SIGRTMIN",
        "SIGCLD",
        "sigterm",
    ] {
        let words: &'static [&'static str] = Vec::leak(vec!["-s", "-p", name, "--", "true"]);
        cases.push(usage("tini", words, &[]));
    }
    for verbosity in ["", "0", "1", "2", "3", "4", "9", "-1", " 3", "3x", "true"] {
        cases.push(usage("tini", &["--", "true"], Vec::leak(vec![("TINI_VERBOSITY", verbosity)])));
    }
    for variable in ["TINI_SUBREAPER", "TINI_KILL_PROCESS_GROUP"] {
        cases.push(usage("tini", &["-vvv", "--", "true"], Vec::leak(vec![(variable, "")])));
    }
    for words in [
        &["-vvv", "-s", "--", "sh", "-c", "kill -9 $$"][..],
        &["-v", "-s", "--", "sh", "-c", "exit 3"],
        &["-vv", "-s", "--", "sh", "-c", "kill -USR1 $PPID; exec sleep 9"],
        &["-vvvv", "--", "nosuch"],
    ] {
        cases.push(usage("tini", words, &[]));
    }

    let lines: [&[&str]; 33] = [
        &[],
        &["-h"],
        &["--help"],
        &["-V"],
        &["--version"],
        &["--versio"],
        &["-vh"],
        &["-hV"],
        &["-Z"],
        &["--bogus"],
        &["--ver"],
        &["--"],
        &["-c"],
        &["-r"],
        &["--rewrite"],
        &["-r", "x", "true"],
        &["-r", "0:1", "true"],
        &["-r", "1:32", "true"],
        &["-r", "32:1", "true"],
        &["-r", "15:", "true"],
        &["-r", "15", "true"],
        &["-r", "15:-1", "true"],
        &["-r", "15 :3", "true"],
        &["-r", " 15: 3x", "true"],
        &["--rewrite=15:3", "true"],
        &["--rew", "15:3", "true"],
        &["--single-child=3", "true"],
        &["--s", "true"],
        &["echo", "-v", "--", "x"],
        &["--", "echo", "-v"],
        &["-v", "true"],
        &["-cv", "true"],
        &["-v", "sh", "-c", "kill -9 $$"],
    ];
    for line in lines {
        cases.push(usage("dumb-init", line, &[]));
    }
    for value in ["0", "1", "", "2", "true"] {
        cases.push(usage("dumb-init", &["true"], Vec::leak(vec![("DUMB_INIT_DEBUG", value)])));
        cases.push(usage(
            "dumb-init",
            &["-v", "true"],
            Vec::leak(vec![("DUMB_INIT_SETSID", value)]),
        ));
    }
    for words in [
        &["-v", "-r", "10:12", "-r", "1:0", "sh", "-c", "kill -USR1 $PPID; exec sleep 9"][..],
        &["-v", "-r", "10:0", "-r", "15:0", "sh", "-c", "kill -USR1 $PPID; exit 3"],
        &["-v", "nosuch"],
    ] {
        cases.push(usage("dumb-init", words, &[]));
    }

    let lines: [&[&str]; 18] = [
        &[],
        &["-h"],
        &["-hZ"],
        &["-Zh"],
        &["-L"],
        &["-V"],
        &["--version"],
        &["--vers"],
        &["--version", "x"],
        &["-P", "-V"],
        &["--help"],
        &["--bogus"],
        &["-s", "true"],
        &["-p", "SIGTERM", "true"],
        &["-g"],
        &["--"],
        &["sh", "-c", "exit 3"],
        &["sh", "-g", "--", "-c", "exit 3"],
    ];
    for line in lines {
        cases.push(usage("catatonit", line, &[]));
    }
    cases.push(usage("catatonit", &["true"], &[("CATATONIT_LOG", "")]));
    cases.push(usage("catatonit", &["sh", "-c", "exit 3"], &[("POSIXLY_CORRECT", "")]));

    let lines: [&[&str]; 13] = [
        &[],
        &["-h"],
        &["--help"],
        &["-?"],
        &["-v"],
        &["--version"],
        &["-V"],
        &["-v", "x", "y"],
        &["--help", "root", "true"],
        &["root"],
        &["-x", "y"],
        &["root", "nosuch"],
        &["root", "-c"],
    ];
    for line in lines {
        cases.push(usage("gosu", line, &[]));
    }
    for program in ["./nosuch", "/nosuch/x", "/etc/passwd", "/etc", ".", "", "/etc/passwd/x"] {
        cases.push(usage("gosu", Vec::leak(vec!["root", program]), &[]));
    }

    let su_exec = "exit 1\nout: Usage: su-exec user-spec command [args]";
    for line in [&[][..], &["root"], &["-h"], &["--version"]] {
        cases.push(described("su-exec", line.join(" "), su_exec, move |tool| {
            all(tool, &tool.with(line).output())
        }));
    }
    for line in [&[][..], &["root"], &["--help"]] {
        let usage = "exit 1\nout: Usage: pysu user-spec command [args]\nout: example\nout: example\nout: example";
        cases.push(described("pysu", line.join(" "), usage, move |tool| {
            let seen = all(tool, &tool.with(line).output());
            let example = |line: &str| match line.contains("  pysu ") || line.contains("eg: pysu ")
            {
                true => "out: example".to_owned(),
                false => line.to_owned(),
            };
            seen.lines().map(example).collect::<Vec<_>>().join("\n")
        }));
    }
    // Whoever else runs it hears that he may not, before anything is looked for.
    for case in cases.iter_mut().filter(|case| case.tool == "gosu") {
        case.root = true;
    }
    cases
}

fn usage(
    name: &'static str,
    words: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
) -> Case {
    let variables: Vec<String> =
        environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let title = variables.iter().map(String::as_str).chain(words.iter().copied());
    let title: Vec<&str> = title.collect();
    case(name, title.join(" "), move |tool| {
        let mut scene = tool.with(words).env("PROBE", crate::support::probe());
        for (name, value) in environment {
            scene = scene.env(name, value);
        }
        anonymous(&shape(tool, &all(tool, &scene.output())))
    })
}

/// Without the PIDs of those who speak: a child's words are its parent's with us.
pub fn anonymous(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        for (before, after) in [(" tini (", ")] "), ("(catatonit:", "): ")] {
            let Some(at) = line.find(before).map(|at| at + before.len()) else { continue };
            if let Some(length) = line[at..].find(after) {
                line.replace_range(at..at + length, "PID");
            }
        }
        result.push_str(&line);
        result.push('\n');
    }
    result
}

/// The text without the sentences of help and licence, and with lines in order where the original
/// has two processes that speak at once.
fn shape(tool: &Tool, text: &str) -> String {
    let helps = text.contains("Usage: ") || text.contains("usage: ");
    let warns = text.contains("Tini is not running as PID 1");
    let licence = text.contains("WARRANTY") || text.contains("GNU General Public License");
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (stream, said) = line.split_at(line.find(": ").map_or(0, |at| at + 2));
        let trimmed = said.trim_start();
        if licence {
            lines.extend((index < 1).then(|| line.to_owned()));
        } else if let Some(at) = said.find("Tini is not running as PID 1") {
            lines.push(format!("{stream}{}Tini is not running as PID 1", &said[..at]));
        } else if helps && said != trimmed {
            // An option or a variable, and what it does.
            let end = trimmed.find("  ").or_else(|| trimmed.find(": ")).unwrap_or(trimmed.len());
            let token = trimmed[..end].trim_end_matches(':');
            if trimmed.starts_with('-') || trimmed.starts_with("TINI_") {
                lines.push(format!("{stream}  {token}"));
            }
        } else if (helps || warns) && !speaks(tool, said) && index > 1 {
        } else {
            lines.push(line.to_owned());
        }
    }
    if tool.name == "dumb-init" && text.contains("Child spawned") {
        lines.sort();
    }
    lines.join("\n")
}

/// Whether a line is a message, and not a sentence of a text.
fn speaks(tool: &Tool, said: &str) -> bool {
    ["[", "Usage: ", "usage: ", "ERROR", "error: ", "Try "]
        .iter()
        .any(|head| said.starts_with(head))
        || said.starts_with(&format!("{}: ", tool.name))
}
