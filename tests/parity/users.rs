//! gosu's matrix of user specs, with a user database of the test's own, and the same for the others
//! that change the user.

use crate::case::{Against, Case, Tool, all, case, exit};
use crate::support::{self, Output, Scratch};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
games:x:5:60:games:/usr/games:/usr/sbin/nologin
app:x:700:701:An App,,,:/home/app:/bin/sh
nohome:x:702:702:::/bin/sh
# comment:x:703:703::/:/bin/sh
big:x:2147483647:2147483647::/big:/bin/sh
";

const GROUP: &str = "\
root:x:0:
daemon:x:1:
adm:x:4:root,games
utmp:x:43:games
games:x:60:
app:x:701:
video:x:44:app,root
twice:x:44:app
empty:x:90:
";

/// Lines that must not make anybody root, nor a member of its group.
const BROKEN_PASSWD: &str = "\
broken:x::0::/root:/bin/sh
short:x:0
";

const BROKEN_GROUP: &str = "\
broken:x::games
";

const SPECS: [&str; 43] = [
    "0",
    "root",
    "0:",
    "root:",
    "0:0",
    "root:root",
    "0:root",
    "root:0",
    "1000",
    "1000:",
    "1000:1000",
    "1000:root",
    "1000:0",
    "1000:daemon",
    "0:1000",
    "root:1000",
    "games",
    "games:",
    "5",
    "games:daemon",
    "games:games",
    "5:60",
    "",
    ":",
    ":0",
    ":root",
    ":games",
    ":1000",
    "app",
    "app:video",
    "700",
    "700:44",
    "daemon:app",
    "nohome",
    "big",
    "2147483647:2147483647",
    "bogus",
    "0day",
    "0:bogus",
    "0:0day",
    "comment",
    "-1",
    "0:-1",
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for spec in SPECS {
        for name in ["gosu", "su-exec", "pysu"] {
            cases.push(like_gosu(name, format!("{spec:?}"), move |tool, scratch| {
                become_and_look(tool, scratch, spec, &[]).0
            }));
        }
    }
    for spec in ["games", "broken", "short", "games:broken"] {
        for name in ["gosu", "su-exec", "pysu"] {
            let title = format!("{spec:?}, with broken lines in the database");
            cases.push(like_gosu(name, title, move |tool, scratch| {
                let passwd = scratch.file("passwd", [PASSWD, BROKEN_PASSWD].concat());
                let group = scratch.file("group", [GROUP, BROKEN_GROUP].concat());
                let scene = tool.probe(&[spec], &["state"]).with_mount(passwd, "/etc/passwd");
                identity(&scene.with_mount(group, "/etc/group").output())
            }));
        }
    }
    for spec in ["bogus", "0:bogus", "0:0day", "-1", "0:4294967295"] {
        cases.push(case("gosu", format!("{spec:?}, what it says"), move |tool| {
            become_and_look(tool, &Scratch::new(), spec, &[]).1
        }));
    }
    for (spec, uid) in [("games", 5), ("", 5), ("5:60", 5), (":", 700), ("root", 5), ("1000", 1000)]
    {
        for name in ["gosu", "su-exec", "pysu"] {
            cases.push(like_gosu(
                name,
                format!("{spec:?} by {uid}, who is not root"),
                move |tool, scratch| become_and_look(tool, scratch, spec, &[uid]).0,
            ));
        }
    }
    for name in ["gosu", "su-exec", "pysu"] {
        cases.push(like_gosu(name, "is one process".to_owned(), |tool, _| {
            let mut run = tool.probe(&["0"], &["signals"]).start();
            run.says("ready");
            let became = run.process.name().ends_with("probe");
            run.signal(15);
            run.says("signal 15");
            format!("{became}, {}", exit(run.end()))
        }));
        cases.push(like_gosu(name, "without /etc/passwd and /etc/group".to_owned(), |tool, _| {
            let scratch = Scratch::new();
            let nothing = scratch.directory("etc");
            let scene = tool.probe(&["12:34"], &["state"]).with_mount(nothing, "/etc");
            identity(&scene.output())
        }));
        cases.push(like_gosu(name, "leaves the environment".to_owned(), |tool, _| {
            let scene = tool.with(&["0", "sh", "-c", "echo $A-$PATH-$USER-$HOME"]);
            scene.env("A", "1").env("USER", "x").env("HOME", "/x").output().stdout
        }));
    }
    for mode in [0o4755, 0o2755, 0o6755] {
        for words in [&["0", "true"][..], &["--version"], &[]] {
            cases.push(case("gosu", format!("mode {mode:o}: {}", words.join(" ")), move |tool| {
                let scratch = Scratch::new();
                let file = scratch.copy(&tool.path, "gosu");
                support::system::mode(&file, mode);
                let output = support::program(&file, words).output();
                let said = output.stderr.contains("appears to be installed with the 'set");
                format!("{}, tells why: {said}, stdout: {:?}", exit(output.exit), output.stdout)
            }));
        }
    }
    cases.push(case("gosu", "mode 4755 with the variable", |tool| {
        let scratch = Scratch::new();
        let file = scratch.copy(&tool.path, "gosu");
        support::system::mode(&file, 0o4755);
        let said = "I've seen things you people wouldn't believe. Attack ships on fire off the shoulder \
            of Orion. I watched C-beams glitter in the dark near the Tannhäuser Gate. All those moments \
            will be lost in time, like tears in rain. Time to die.";
        let variable = "GOSU_PLEASE_LET_ME_BE_COMPLETELY_INSECURE_I_GET_TO_KEEP_ALL_THE_PIECES";
        let run = |value| exit(support::program(&file, &["0", "true"]).env(variable, value).output().exit);
        format!("{}, {}", run(said), run("1"))
    }));
    for case in &mut cases {
        case.root = true;
    }
    cases
}

/// A case that is held to what the original gosu does, whatever its name.
fn like_gosu(
    tool: &'static str,
    name: String,
    observe: impl Fn(&Tool, &Scratch) -> String + Send + Sync + 'static,
) -> Case {
    let case = case(tool, name, move |tool| observe(tool, &Scratch::new()));
    Case { against: Against::Original("gosu"), ..case }
}

/// Who the command is, and all that was said.
fn become_and_look(tool: &Tool, scratch: &Scratch, spec: &str, caller: &[u32]) -> (String, String) {
    let passwd = scratch.file("passwd", PASSWD);
    let group = scratch.file("group", GROUP);
    let mut scene = tool.probe(&[spec], &["state"]);
    scene = scene.with_mount(passwd, "/etc/passwd").with_mount(group, "/etc/group");
    if let [uid] = caller {
        let gid = if *uid == 5 { 60 } else { 701 };
        scene = scene.as_user(*uid, gid, &[]);
    }
    let output = scene.env("HOME", "/before").output();
    (identity(&output), all(tool, &output))
}

fn identity(output: &Output) -> String {
    let mut seen = vec![exit(output.exit)];
    let primary = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("Gid: ")?.split(' ').next()?.parse::<u32>().ok());
    for line in output.stdout.lines() {
        // Where there are no groups, there is no blank.
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            // Real, effective, saved and file system ids.
            "Uid:" | "Gid:" => seen.push(format!("{key} {value}")),
            "Groups:" => {
                let mut groups: Vec<u32> =
                    value.split(' ').filter_map(|id| id.parse().ok()).collect();
                // As id(1) shows them: gosu leaves the primary one out of the list in some cases.
                groups.extend(primary);
                groups.sort_unstable();
                groups.dedup();
                seen.push(format!("{key} {groups:?}"));
            }
            "env" if value.starts_with("HOME=") => seen.push(value.to_owned()),
            _ => {}
        }
    }
    seen.join("\n")
}
