//! `--user`: what the kernel says of the ids afterwards, gosu's whole matrix of them, and that there
//! is no way back.

mod support;

use std::path::PathBuf;

use support::{Exit, Need, Output, Scene, Scratch, able, binary, probe, program, system};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
broken:x::0::/root:/bin/sh
games:x:5:60:games:/usr/games:/usr/sbin/nologin
hollow:x:zero:0::/root:/bin/sh
short:x:0
";
const GROUP: &str = "\
root:x:0:
daemon:x:1:
adm:x:4:root,games
wheel:x:10:root
empty:x::games
utmp:x:43:games
games:x:60:
";

const CAP_SETGID: i32 = 6;
const CAP_SETUID: i32 = 7;

/// The binary, the probe and a user database where every user can get at them: the build may be in
/// somebody's closed home.
struct Stage(Scratch);

impl Stage {
    fn new() -> Self {
        let scratch = Scratch::new();
        scratch.copy(binary(), "pydexec");
        scratch.copy(probe(), "probe");
        scratch.file("passwd", PASSWD);
        scratch.file("group", GROUP);
        Self(scratch)
    }

    /// `pydexec OPTIONS… -- probe WORDS…`, with our database in place of the machine's.
    fn pydexec(&self, options: &[&str], words: &[&str]) -> Scene {
        let probe = self.0.at("probe");
        let command = [probe.to_str().unwrap()].into_iter().chain(words.iter().copied());
        program(self.0.at("pydexec"), options)
            .command(command)
            .with_mount(self.0.at("passwd"), "/etc/passwd")
            .with_mount(self.0.at("group"), "/etc/group")
            .env("HOME", "/home/before")
            .env("USER", "before")
            .as_pid1()
    }
}

/// Specs that mean the same: user, group, supplementary groups, and the home directory.
type Meaning<'a> = (&'a [&'a str], u32, u32, &'a [u32], &'a str);

/// All four of them: real, effective, saved, and the file system's.
fn four(id: u32) -> String {
    [id; 4].map(|id| id.to_string()).join(" ")
}

#[track_caller]
fn assert_ids(output: &Output, uid: u32, gid: u32, groups: &[u32], what: &str) {
    assert_eq!(output.exit, Exit::Code(0), "{what}: {output:?}");
    assert_eq!(output.state("Uid:"), four(uid), "{what}");
    assert_eq!(output.state("Gid:"), four(gid), "{what}");
    let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
    let found = output.stdout.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    assert_eq!(found.trim(), groups.join(" "), "{what}");
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, first: &str, second: &str) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(code), ""), "{output:?}");
    let mut lines = output.stderr.lines();
    assert_eq!(lines.next(), Some(first));
    let hint = lines.next().unwrap_or_default();
    assert!(hint.starts_with("pydexec: ") && hint.contains(second), "{hint:?}");
    assert_eq!(lines.next(), None);
}

#[test]
fn each_spec_of_gosus_matrix_is_what_the_kernel_says() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let root: &[u32] = &[0, 4, 10];
    let matrix: [Meaning; 16] = [
        // The kernel sorts them.
        (&["0", "root", "0:", "root:", ":"], 0, 0, root, "/root"),
        (&["0:0", "root:root", "0:root", "root:0", ":0", ":root"], 0, 0, &[0], "/root"),
        (&["1000", "1000:"], 1000, 0, &[0], "/"),
        (&["1000:1000"], 1000, 1000, &[1000], "/"),
        (&["1000:root", "1000:0"], 1000, 0, &[0], "/"),
        (&["1000:daemon"], 1000, 1, &[1], "/"),
        (&["0:1000", "root:1000"], 0, 1000, &[1000], "/root"),
        (&["games", "5", "games:"], 5, 60, &[4, 43, 60], "/usr/games"),
        (&["games:daemon", "5:1"], 5, 1, &[1], "/usr/games"),
        (&["games:games"], 5, 60, &[60], "/usr/games"),
        (&[":daemon"], 0, 1, &[1], "/root"),
        (&["daemon"], 1, 1, &[1], "/usr/sbin"),
        (&["4294967294:4294967294"], 4_294_967_294, 4_294_967_294, &[4_294_967_294], "/"),
        (&["2147483648:2147483648"], 2_147_483_648, 2_147_483_648, &[2_147_483_648], "/"),
        (&["00"], 0, 0, root, "/root"),
        (&["1000660000:0"], 1_000_660_000, 0, &[0], "/"),
    ];
    for (specs, uid, gid, groups, home) in matrix {
        for spec in specs {
            for how in [&["--user", spec][..], &["--exec", "--user", spec]] {
                let output = stage.pydexec(how, &["state"]).output();
                assert_ids(&output, uid, gid, groups, spec);
                let environment: Vec<&str> =
                    output.stdout.lines().filter(|line| line.starts_with("env ")).collect();
                // HOME follows, and nothing else.
                let home = format!("env HOME={home}");
                let rest = ["env PATH=/usr/local/bin:/usr/bin:/bin", "env USER=before"];
                assert_eq!(environment, [home.as_str(), rest[0], rest[1]], "{spec}");
            }
        }
    }
}

#[test]
fn without_a_user_nothing_changes() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let output = stage.pydexec(&[], &["state"]).as_user(7, 8, &[9, 10]).output();
    assert_ids(&output, 7, 8, &[9, 10], "none");
    assert!(output.stdout.contains("env HOME=/home/before\n"));
}

#[test]
fn the_parts_that_are_left_out_are_the_callers() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let powers = [CAP_SETGID, CAP_SETUID];
    let cases: [(&str, u32, u32, &[u32], &str); 3] = [
        (":", 5, 60, &[4, 43, 60], "/usr/games"),
        (":0", 5, 0, &[0], "/usr/games"),
        ("1000", 1000, 1, &[1], "/"),
    ];
    for (spec, uid, gid, groups, home) in cases {
        let scene = stage.pydexec(&["--user", spec], &["state"]).as_user(5, 1, &[77]);
        let output = scene.with_ambient(&powers).output();
        assert_ids(&output, uid, gid, groups, spec);
        assert!(output.stdout.contains(&format!("env HOME={home}\n")), "{spec}");
    }
}

#[test]
fn specs_that_are_nobodys_are_refused() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let unknown_user = |name: &str| format!("pydexec: unknown user {name:?}: not in /etc/passwd");
    let unknown_group = |name: &str| format!("pydexec: unknown group {name:?}: not in /etc/group");
    for user in ["bogus", "0day", "broken", "hollow", "short", " 0", "0 ", "0x0", "root "] {
        let output = stage.pydexec(&["--user", user], &["state"]).output();
        assert_refused(&output, 2, &unknown_user(user), "number");
    }
    for group in ["bogus", "0day", "empty", "0:0", " 0"] {
        let spec = format!("0:{group}");
        let output = stage.pydexec(&["--user", &spec], &["state"]).output();
        assert_refused(&output, 2, &unknown_group(group), "number");
    }
    for id in ["4294967295", "4294967296", "99999999999999999999", "-1", "+0", "-0"] {
        for spec in [format!("--user={id}"), format!("--user=0:{id}")] {
            let output = stage.pydexec(&[&spec], &["state"]).output();
            let first = format!("pydexec: cannot use {id} as an id: ids go from 0 to 4294967294");
            assert_eq!((output.exit, output.stderr.lines().next()), (Exit::Code(2), Some(&*first)));
        }
    }
}

#[test]
fn there_is_no_way_back() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    for spec in ["games", "games:daemon", "1000:1000", "4294967294:4294967294"] {
        for how in [&["--user", spec][..], &["--exec", "--user", spec]] {
            let output = stage.pydexec(how, &["regain"]).output();
            assert_eq!((output.stdout.as_str(), output.exit), ("no way back\n", Exit::Code(0)));
            let output = stage.pydexec(how, &["state"]).output();
            assert_eq!(output.state("CapEff:"), "0000000000000000");
        }
    }
    // That the probe does find a way where there is one.
    assert_eq!(stage.pydexec(&[], &["regain"]).output().stdout, "setuid\n");
}

#[test]
fn ambient_capabilities_do_not_go_along_to_another_user() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let ambient = |options: &[&str], words: &[&str]| {
        let scene = stage.pydexec(options, words).as_user(1000, 1000, &[1000]);
        scene.with_ambient(&[CAP_SETGID, CAP_SETUID]).output()
    };
    let output = ambient(&["--user", "2000:2000"], &["state"]);
    assert_ids(&output, 2000, 2000, &[2000], "2000:2000");
    assert_eq!(output.state("CapAmb:"), "0000000000000000");
    assert_eq!(output.state("CapEff:"), "0000000000000000");
    assert_eq!(ambient(&["--user", "2000:2000"], &["regain"]).stdout, "no way back\n");
    // Another group is a change too.
    assert_eq!(ambient(&["--user", "1000:33"], &["regain"]).stdout, "no way back\n");
    // Who stays who he is keeps what he was given.
    assert_eq!(ambient(&[], &["state"]).state("CapAmb:"), "00000000000000c0");
}

#[test]
fn who_is_that_user_already_needs_no_power() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    for spec in ["1000:1000", "1000", ":1000", ":"] {
        for how in [&["--user", spec][..], &["--exec", "--user", spec]] {
            let scene = stage.pydexec(how, &["state"]).as_user(1000, 1000, &[1000, 1044]);
            // The groups are those that the container's runtime gave.
            assert_ids(&scene.output(), 1000, 1000, &[1000, 1044], spec);
        }
    }
    let scene = stage.pydexec(&["--user", "root"], &["state"]).without_capability(CAP_SETGID);
    let output = scene.without_capability(CAP_SETUID).output();
    assert_eq!(output.state("Uid:"), four(0));
}

#[test]
fn the_power_that_is_missing_is_named() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let spec = ["--user", "1000:1000"];
    let scene = stage.pydexec(&spec, &["state"]).without_capability(CAP_SETGID);
    // There is no group to be taken away, so the first step that is refused is the next one.
    let first = "pydexec: cannot setgid to 1000 for user \"1000:1000\": operation not permitted";
    assert_refused(&scene.output(), 1, first, "--cap-add SETGID");
    let scene = stage.pydexec(&spec, &["state"]).as_user(0, 0, &[0, 4]);
    let output = scene.without_capability(CAP_SETGID).output();
    let first = "pydexec: cannot setgroups for user \"1000:1000\": operation not permitted";
    assert_refused(&output, 1, first, "--cap-add SETGID");
    let scene = stage.pydexec(&spec, &["state"]).without_capability(CAP_SETUID);
    let first = "pydexec: cannot setuid to 1000 for user \"1000:1000\": operation not permitted";
    assert_refused(&scene.output(), 1, first, "--cap-add SETUID");
    // An ordinary user who wants to be root.
    let scene = stage.pydexec(&["--user", "0"], &["state"]).as_user(1000, 1000, &[1000]);
    let first = "pydexec: cannot setgroups for user \"0\": operation not permitted";
    assert_refused(&scene.output(), 1, first, "--cap-add SETGID");
}

#[test]
fn where_the_kernel_denies_setgroups_root_stays_root() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let inside = |spec: &str, words: &[&str]| {
        stage.pydexec(&["--user", spec], words).as_root_of_user(1000).try_start().map(|mut run| {
            let (stdout, stderr) = (run.rest(), run.stderr());
            Output { exit: run.end(), stdout, stderr }
        })
    };
    for spec in ["0", "0:0", "root:root", ":"] {
        match inside(spec, &["state"]) {
            Ok(output) => assert_ids(&output, 0, 0, &[], spec),
            Err(error) => {
                support::skip(&format!("an ordinary user has no user namespaces here: {error}"));
                return;
            }
        }
    }
    // An id that the namespace does not have is another matter.
    let output = inside("0:1", &["state"]).unwrap();
    let first = "pydexec: cannot setgid to 1 for user \"0:1\": invalid argument";
    assert_refused(&output, 1, first, "not mapped");
}

#[test]
fn without_a_user_database_numbers_are_enough() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let empty = stage.0.file("empty", "");
    let scene = |spec: &str| {
        let scene = stage.pydexec(&["--user", spec], &["state"]);
        scene.with_mount(&empty, "/etc/passwd").with_mount(&empty, "/etc/group")
    };
    assert_ids(&scene("12:34").output(), 12, 34, &[34], "12:34");
    assert_eq!(scene("root").output().exit, Exit::Code(2));
}

#[test]
fn the_directory_is_entered_as_the_user() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let closed = stage.0.directory("closed");
    system::mode(&closed, 0o700);
    let path = closed.to_str().unwrap();
    let options = ["--user", "1000:1000", "--workdir", path];
    let output = stage.pydexec(&options, &["state"]).output();
    let first = format!(
        "pydexec: cannot enter directory {path:?} as user \"1000:1000\": permission denied"
    );
    assert_refused(&output, 2, &first, "1000:1000");
    // And root may.
    let output = stage.pydexec(&["--workdir", path], &["state"]).output();
    assert_eq!(output.state("cwd:"), path);
}

#[test]
fn a_program_that_the_user_may_not_run_is_told_as_his() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let closed = stage.0.directory("closed");
    let tool: PathBuf = stage.0.probe("closed/tool");
    system::mode(&closed, 0o700);
    let output = program(stage.0.at("pydexec"), &["--user", "1000:1000"])
        .command([tool.as_os_str()])
        .as_pid1()
        .output();
    assert_eq!(output.exit, Exit::Code(126), "{output:?}");
    let first = format!("pydexec: cannot run {tool:?}: permission denied\n");
    assert!(output.stderr.starts_with(&first), "{output:?}");
}

#[test]
fn signals_reach_a_command_of_another_user_and_pid_1_stays_who_it_was() {
    if !able(Need::Root) {
        return;
    }
    let stage = Stage::new();
    let mut run = stage.pydexec(&["--user", "games"], &["signals"]).start();
    run.says("ready");
    assert_eq!(run.process.status("Uid"), four(0));
    assert_eq!(run.child().status("Uid"), four(5));
    for signal in [libc::SIGHUP, libc::SIGUSR1, 34, libc::SIGTERM] {
        run.signal(signal);
        run.says(&format!("signal {signal}"));
    }
    assert_eq!(run.end(), Exit::Code(0));
}
