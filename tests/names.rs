//! The names of the other tools: how they are installed, how they are found, and `pydexec su`.
//!
//! Whether each of them behaves as the original is for the suite in `parity`.

#![cfg(feature = "checks")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use support::{Exit, Need, Output, Scratch, able, binary, plainly, program, pydexec};

const NAMES: [&str; 9] = [
    "pysu",
    "gosu",
    "su-exec",
    "tini",
    "tini-static",
    "docker-init",
    "dumb-init",
    "catatonit",
    "wait-for-port",
];

fn links(words: &[&str], directory: &Path) -> Output {
    let directory = directory.to_string_lossy().into_owned();
    plainly(["links", &directory].iter().chain(words)).output()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[test]
fn links_installs_every_name_and_lists_what_it_made() {
    if !able(Need::Namespaces) {
        return;
    }
    for (words, symbolic) in [(&[][..], true), (&["--hard"], false)] {
        let scratch = Scratch::new();
        // Hard links stay on one file system, so the binary is there too.
        let binary = scratch.copy(binary(), "pydexec");
        let directory = scratch.directory("bin");
        let words: Vec<&str> = ["links", directory.to_str().unwrap()]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        let output = program(&binary, &words).output();
        assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(0), ""), "{output:?}");
        assert_eq!(names_in(&directory), sorted(&NAMES));
        for (name, line) in NAMES.iter().zip(output.stdout.lines()) {
            let link = directory.join(name);
            assert_eq!(Path::new(line), link);
            if symbolic {
                assert_eq!(fs::read_link(&link).unwrap(), binary);
            } else {
                assert_eq!(
                    fs::symlink_metadata(&link).unwrap().ino(),
                    binary.metadata().unwrap().ino()
                );
            }
        }
    }
}

#[test]
fn beside_the_binary_a_link_says_its_name_alone_so_that_the_directory_can_be_copied() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let binary = scratch.copy(binary(), "pydexec");
    let output = program(&binary, &["links", scratch.path().to_str().unwrap()]).output();
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    assert_eq!(fs::read_link(scratch.at("tini")).unwrap(), Path::new("pydexec"));
}

#[test]
fn nothing_is_made_where_one_name_exists() {
    let scratch = Scratch::new();
    scratch.file("gosu", "mine");
    symlink("nowhere", scratch.at("tini")).unwrap();
    let output = links(&[], scratch.path());
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(1), ""), "{output:?}");
    assert_eq!(names_in(scratch.path()), sorted(&["gosu", "tini"]));
    for name in ["gosu", "tini"] {
        let line = format!("pydexec: {:?} exists already\n", scratch.at(name));
        assert!(output.stderr.contains(&line), "{output:?}");
    }
    assert!(output.stderr.contains("--force"), "{output:?}");
}

#[test]
fn force_replaces_files_and_links_but_no_directory_and_not_the_binary() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let binary = scratch.copy(binary(), "tini");
    let before = binary.metadata().unwrap().ino();
    scratch.file("gosu", "mine");
    symlink("nowhere", scratch.at("pysu")).unwrap();
    let words = ["links", "--force", scratch.path().to_str().unwrap()];
    let directory = scratch.directory("dumb-init");
    let output = program(&binary, &words[..]).output();
    // Called tini it is tini, and knows no links.
    assert_eq!(output.exit, Exit::Code(1), "{output:?}");
    let copy = scratch.copy(&binary, "pydexec");
    let output = program(&copy, &words[..]).output();
    assert_eq!(output.exit, Exit::Code(1), "{output:?}");
    assert!(output.stderr.contains("it is a directory"), "{output:?}");
    assert_eq!(fs::read_to_string(scratch.at("gosu")).unwrap(), "mine");
    fs::remove_dir(directory).unwrap();
    assert_eq!(program(&copy, &words[..]).output().exit, Exit::Code(0));
    for name in NAMES {
        assert_eq!(fs::read_link(scratch.at(name)).unwrap(), Path::new("pydexec"), "{name}");
    }
    assert_ne!(scratch.at("tini").metadata().unwrap().ino(), before);
    // Twice is once, with hard links too.
    for words in [&words[..], &["links", "--hard", "--force", words[2]]] {
        assert_eq!(program(&copy, words).output().exit, Exit::Code(0));
        assert_eq!(program(scratch.at("gosu"), &["--version"]).output().exit, Exit::Code(0));
    }
}

#[test]
fn links_that_cannot_be_made_are_told_in_one_line_with_what_to_do() {
    for (words, code, said) in [
        (&["links"][..], 2, "usage: pydexec links DIR"),
        (&["links", "/a", "/b"], 2, "usage: pydexec links DIR"),
        (&["links", "--bogus", "/a"], 2, "unrecognized option '--bogus'"),
        (&["links", "/nosuch/dir"], 1, "mkdir -p /nosuch/dir"),
        (&["links", "/etc/passwd"], 1, "not a directory"),
    ] {
        let output = plainly(words).output();
        assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(code), ""), "{words:?}");
        assert!(output.stderr.contains(said), "{words:?}: {output:?}");
    }
    let help = plainly(["links", "--help"]).output();
    assert_eq!(help.exit, Exit::Code(0));
    assert!(NAMES.iter().all(|name| help.stdout.contains(name)), "{help:?}");
}

#[test]
fn the_name_counts_and_not_how_the_file_got_it() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let copy = scratch.copy(binary(), "tini");
    let directory = scratch.directory("other");
    fs::hard_link(&copy, directory.join("catatonit")).unwrap();
    symlink(&copy, directory.join("dumb-init")).unwrap();
    symlink("dumb-init", directory.join("docker-init")).unwrap();
    for (file, words, stdout) in [
        (&copy, &["--version"][..], "tini version 0.19.0\n"),
        (&directory.join("docker-init"), &["--version"], "tini version 0.19.0\n"),
        (&directory.join("catatonit"), &["--version"], "tini version 0.2.1_catatonit\n"),
        (&directory.join("dumb-init"), &["echo", "-c"], "-c\n"),
    ] {
        assert_eq!(program(file, words).output().stdout, stdout, "{file:?}");
    }
    // Without a directory before it, and with any.
    let script =
        "PATH=$DIR:$PATH; tini --version; cd $DIR; ./tini --version; ../${DIR##*/}/tini --version";
    let output = program("/bin/sh", &["-c", script]).env("DIR", scratch.path()).output();
    assert_eq!(output.stdout, "tini version 0.19.0\n".repeat(3), "{output:?}");
}

#[test]
fn a_program_may_have_the_name_of_one_of_our_tools() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.executable("su", "#!/bin/sh\necho \"mine $1\"");
    let path = format!("{}:/bin", scratch.path().display());
    let output = pydexec([""; 0]).command(["su", "x"]).env("PATH", path).output();
    assert_eq!(output.stdout, "mine x\n", "{file:?} {output:?}");
}

#[test]
fn su_becomes_the_user_with_the_groups_that_were_asked_for() {
    if !able(Need::Root) {
        return;
    }
    for (options, groups, home) in [
        (&[][..], "7000", "/"),
        (&["--groups", "7,8,root"], "0 7 8 7000", "/"),
        (&["-G", "7", "--keep-home"], "7 7000", "/before"),
        (&["--groups=7,7000,7"], "7 7000", "/"),
        (&["-k"], "7000", "/before"),
    ] {
        let words = ["su"].iter().chain(options).copied();
        let probe = support::probe().to_string_lossy().into_owned();
        let words: Vec<&str> = words.chain(["6999:7000", &probe, "state"]).collect();
        let output = pydexec(words).env("HOME", "/before").output();
        assert_eq!(output.exit, Exit::Code(0), "{output:?}");
        assert_eq!(output.state("Uid:"), "6999 6999 6999 6999");
        assert_eq!(output.state("Gid:"), "7000 7000 7000 7000");
        assert_eq!(output.state("Groups:"), groups, "{options:?}");
        assert_eq!(output.state("NoNewPrivs:"), "0");
        let home = format!("env HOME={home}");
        assert!(output.stdout.lines().any(|line| line == home), "{options:?} {output:?}");
    }
}

#[test]
fn su_can_give_up_all_new_privileges() {
    if !able(Need::Root) {
        return;
    }
    let probe = support::probe().to_string_lossy().into_owned();
    let output = pydexec(["su", "--no-new-privs", "6999", &probe, "state"]).output();
    assert_eq!(output.state("NoNewPrivs:"), "1", "{output:?}");
}

#[test]
fn groups_that_were_asked_for_and_cannot_be_had_are_an_error() {
    if !able(Need::Root) {
        return;
    }
    // Already that user, which without --groups needs no power.
    let run = |words: &[&str]| pydexec(words).as_user(6999, 7000, &[]).output();
    assert_eq!(run(&["su", "6999:7000", "true"]).exit, Exit::Code(0));
    let output = run(&["su", "--groups", "7", "6999:7000", "true"]);
    assert_eq!(output.exit, Exit::Code(1), "{output:?}");
    assert!(output.stderr.contains("--cap-add SETGID"), "{output:?}");
}

#[test]
fn su_tells_what_is_wrong_with_it() {
    for (words, code, said) in [
        (&["su"][..], 2, "usage: pydexec su"),
        (&["su", "root"], 2, "usage: pydexec su"),
        (&["su", "--bogus", "root", "true"], 2, "unrecognized option '--bogus'"),
        (&["su", "--groups"], 2, "option '--groups' requires an argument"),
        (&["su", "bogus", "true"], 2, "unknown user \"bogus\""),
        (&["su", "--groups", "bogus", "0", "true"], 2, "unknown group \"bogus\""),
        (&["su", "", "nosuch"], 127, "cannot run \"nosuch\": not found in PATH"),
        (&["su", "", "/etc/passwd"], 126, "chmod +x /etc/passwd"),
    ] {
        let output = plainly(words).output();
        assert_eq!(
            (output.exit, output.stdout.as_str()),
            (Exit::Code(code), ""),
            "{words:?} {output:?}"
        );
        assert!(output.stderr.contains(said), "{words:?}: {output:?}");
    }
}

#[test]
fn none_of_the_names_that_change_the_user_runs_with_a_setuid_or_setgid_bit() {
    if !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    for name in ["gosu", "su-exec", "pysu", "pydexec"] {
        let file = scratch.copy(binary(), name);
        for (mode, bit) in [(0o4755, "setuid"), (0o2755, "setgid")] {
            support::system::mode(&file, mode);
            let su = (name == "pydexec").then_some("su");
            let words: Vec<&str> = su.into_iter().chain(["", "true"]).collect();
            let output = program(&file, &words).output();
            assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(1), ""), "{output:?}");
            assert!(output.stderr.contains(&format!("'{bit}' bit")), "{output:?}");
        }
    }
}

#[test]
fn a_setuid_bit_is_not_hidden_behind_a_script_that_has_none() {
    if !able(Need::Root) || !able(Need::Namespaces) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.copy(binary(), "pysu");
    let script = scratch.executable("script", format!("#!{} nobody\n", file.display()));
    support::system::mode(&file, 0o4755);
    // The kernel gives the interpreter its bits, and tells it the script's name.
    let output = program(&script, &["true"]).as_user(1000, 1000, &[]).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(1), ""), "{output:?}");
    assert!(output.stderr.contains("'setuid' bit"), "{output:?}");
    // A script's own bits give nothing to anybody, and are no reason to refuse.
    support::system::mode(&file, 0o755);
    support::system::mode(&script, 0o6700);
    let output = program(&script, &["true"]).output();
    assert_eq!(
        output.exit,
        Exit::Code(126),
        "it is the command too, and not for nobody: {output:?}"
    );
    assert!(!output.stderr.contains("bit"), "{output:?}");
}
