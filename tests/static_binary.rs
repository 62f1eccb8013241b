//! That the static binary is one: what its file says, and that it runs where nothing else is.

mod support;

use std::fs;
use std::io::ErrorKind;

use support::{Exit, Need, Scene, Scratch, able, binary, probe, program, system};

/// The 64-bit little endian number of `length` bytes at `at`.
fn number(file: &[u8], at: usize, length: usize) -> usize {
    file[at..at + length].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

#[test]
fn it_asks_for_no_loader_and_no_library() {
    if !able(Need::Static) {
        return;
    }
    const PT_DYNAMIC: usize = 2;
    const PT_INTERP: usize = 3;
    const ET_EXEC: usize = 2;
    for file in [binary(), probe()] {
        let file = fs::read(file).unwrap();
        assert!(file.starts_with(b"\x7fELF\x02\x01"), "64 bits, little endian");
        assert_eq!(number(&file, 16, 2), ET_EXEC, "it lies where it was linked");
        let (table, size, count) =
            (number(&file, 32, 8), number(&file, 54, 2), number(&file, 56, 2));
        let kinds: Vec<usize> = (0..count).map(|at| number(&file, table + at * size, 4)).collect();
        assert!(!kinds.contains(&PT_INTERP), "a loader is asked for");
        assert!(!kinds.contains(&PT_DYNAMIC), "there is something to be linked");
    }
}

#[test]
fn no_page_of_it_is_both_writable_and_executable() {
    if !able(Need::Static) || !able(Need::Namespaces) {
        return;
    }
    let root = bare();
    let mut run = pydexec(&root, &[], &["signals"]).start();
    run.says("ready");
    let maps = fs::read_to_string(format!("/proc/{}/maps", run.process.0)).unwrap();
    let rights: Vec<&str> = maps.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(rights.iter().any(|rights| rights.contains('x')), "{maps}");
    assert!(!rights.iter().any(|rights| rights.contains('w') && rights.contains('x')), "{maps}");
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

/// A root with nothing in it but pydexec and the probe.
fn bare() -> Scratch {
    let root = Scratch::new();
    root.copy(binary(), "pydexec");
    root.copy(probe(), "probe");
    root
}

fn pydexec(root: &Scratch, options: &[&str], words: &[&str]) -> Scene {
    let command = ["/probe"].iter().chain(words);
    program("/pydexec", options).command(command).in_root(root.path()).as_pid1()
}

#[test]
fn it_runs_in_a_root_with_nothing_but_itself_and_the_command() {
    if !able(Need::Static) || !able(Need::Namespaces) {
        return;
    }
    let root = bare();
    for change in [|scene: Scene| scene, |scene: Scene| scene.without(&[0])] {
        let mut run = change(pydexec(&root, &[], &["signals"])).start();
        run.says("ready");
        for signal in [libc::SIGHUP, 34, libc::SIGTERM] {
            run.signal(signal);
            run.says(&format!("signal {signal}"));
        }
        assert_eq!(run.end(), Exit::Code(0));
    }
    assert_eq!(pydexec(&root, &[], &["exit", "9"]).output().exit, Exit::Code(9));
    let by_name = program("/pydexec", &["--env", "PATH=/", "--", "probe", "exit", "8"]);
    assert_eq!(by_name.in_root(root.path()).as_pid1().output().exit, Exit::Code(8));
    assert_eq!(pydexec(&root, &["--exec"], &["exit", "7"]).output().exit, Exit::Code(7));
}

#[test]
fn its_errors_need_nothing_either() {
    if !able(Need::Static) || !able(Need::Namespaces) {
        return;
    }
    let root = bare();
    let run = |words: &[&str]| program("/pydexec", words).in_root(root.path()).as_pid1().output();
    let output = run(&["--", "python"]);
    assert_eq!(output.exit, Exit::Code(127), "{output:?}");
    assert!(output.stderr.starts_with("pydexec: cannot run \"python\": not found in PATH"));
    let output = run(&["--user", "app", "--", "/probe"]);
    assert_eq!(output.exit, Exit::Code(2), "{output:?}");
    assert!(output.stderr.starts_with("pydexec: unknown user \"app\": not in /etc/passwd"));
    assert_eq!(run(&["--version"]).exit, Exit::Code(0));
}

#[test]
fn a_user_by_number_needs_no_database() {
    if !able(Need::Static) || !able(Need::Root) {
        return;
    }
    let root = bare();
    // The probe reads /proc, so this root has one thing more.
    root.directory("proc");
    let scene = pydexec(&root, &["--user", "12:34"], &["state"]);
    let output = scene.with_mount("/proc", root.at("proc")).output();
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    assert_eq!((output.state("Uid:"), output.state("Gid:")), ("12 12 12 12", "34 34 34 34"));
    assert_eq!(output.state("Groups:"), "34");
    assert!(output.stdout.contains("env HOME=/\n"));
}

#[test]
fn it_runs_where_nothing_can_be_written() {
    if !able(Need::Static) || !able(Need::Namespaces) {
        return;
    }
    let root = bare();
    let mut run = pydexec(&root, &[], &["signals"]).with_read_only(root.path()).start();
    run.says("ready");
    // Seen through its own root: there is no writing there.
    let file = format!("/proc/{}/root/new", run.process.0);
    assert_eq!(fs::write(file, "").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing was left");
}

#[test]
fn the_usual_requirements_are_installed_when_they_are_there() {
    if !able(Need::Static) || !able(Need::Namespaces) {
        return;
    }
    let root = bare();
    root.probe("uv");
    // The files of a Python, which is looked at and not run.
    root.directory("usr/bin");
    root.directory("usr/lib/python3.12/site-packages");
    root.file("usr/lib/python3.12/os.py", "");
    root.probe("usr/bin/python3.12");
    std::os::unix::fs::symlink("python3.12", root.at("usr/bin/python")).unwrap();
    let run = |options: &[&str]| {
        let options = [&["-v"], options].concat();
        let scene = pydexec(&root, &options, &["exit", "3"]).env("PATH", "/:/usr/bin");
        let output = scene.output();
        assert_eq!(output.exit, Exit::Code(3), "{output:?}");
        output.stdout
    };
    assert_eq!(run(&[]), "");
    let file = root.file("requirements.txt", "flask\n");
    let installed = "pip install --python /usr/bin/python --requirement /requirements.txt\n";
    assert_eq!(run(&[]), installed);
    assert_eq!(run(&["--exec"]), "", "nothing has changed");
    root.file("requirements.txt", "flask\ngunicorn\n");
    assert_eq!(run(&["--exec"]), installed);
    assert_eq!(run(&["--no-requirements"]), "");
    // What Docker makes of a file that is not on the host.
    fs::remove_file(&file).unwrap();
    root.directory("requirements.txt");
    let output = pydexec(&root, &[], &["exit", "3"]).env("PATH", "/").output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""));
    let mut lines = output.stderr.lines();
    assert_eq!(
        lines.next(),
        Some("pydexec: requirements file \"/requirements.txt\" is a directory")
    );
    assert!(lines.next().unwrap().contains("does not exist on the host"));
    system::mode(root.path(), 0o755);
}
