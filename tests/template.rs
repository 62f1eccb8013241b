//! `--template`, with real files.

#![cfg(feature = "templates")]

mod steps;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use steps::{
    Run, Scratch, binary, children, finish, is_root, kill, pydexec, run, skip, start, until,
};

/// `pydexec OPTIONS --template SRC:DEST -- true`.
fn template(src: &Path, dest: &Path) -> Command {
    let pair = format!("{}:{}", src.display(), dest.display());
    pydexec(["--template", &pair, "--", "true"])
}

fn rendered(src: &Path, dest: &Path) -> Run {
    run(template(src, dest).env("A", "1"))
}

const SILENT: Run = Run { code: 0, stdout: String::new(), stderr: String::new() };

#[test]
fn the_command_finds_the_file_with_its_own_environment_in_it() {
    let scratch = Scratch::new();
    let src = scratch.file("app.ini.j2", "port={{ env.PORT }}\nhome={{ env.HOME }}\n");
    let dest = scratch.join("app.ini");
    let pair = format!("{}:{}", src.display(), dest.display());
    let words = ["--template", &pair, "--env", "PORT=81", "--env", "HOME=/x", "--", "cat"];
    let ended = run(pydexec(words).arg(&dest).env("PORT", "80"));
    assert_eq!(ended, Run { stdout: "port=81\nhome=/x\n".into(), ..SILENT });
    assert_eq!(fs::metadata(&dest).unwrap().mode() & 0o7777, 0o644);
    // By its twin, several at once, which the command does not get to see.
    let two = format!("{pair}\n{}:{}", src.display(), scratch.join("b.ini").display());
    let ended = run(pydexec(["--", "sh", "-c", "echo $PYDEXEC_TEMPLATE"])
        .env("PYDEXEC_TEMPLATE", two)
        .env("PORT", "80"));
    assert_eq!(ended, Run { stdout: "\n".into(), ..SILENT });
    assert_eq!(scratch.names(), ["app.ini", "app.ini.j2", "b.ini"]);
}

#[test]
fn what_is_there_is_replaced_only_if_it_differs() {
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", "{{ env.A }}");
    let dest = scratch.file("a", "old");
    fs::set_permissions(&dest, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::metadata(&dest).unwrap();
    assert_eq!(rendered(&src, &dest), SILENT);
    let after = fs::metadata(&dest).unwrap();
    // Another file, with the permissions of the one before.
    assert_ne!(before.ino(), after.ino());
    assert_eq!((after.mode() & 0o7777, fs::read_to_string(&dest).unwrap().as_str()), (0o600, "1"));
    assert_eq!(rendered(&src, &dest), SILENT);
    let same = fs::metadata(&dest).unwrap();
    assert_eq!((after.ino(), after.ctime_nsec()), (same.ino(), same.ctime_nsec()));
    assert_eq!(scratch.names(), ["a", "a.j2"]);
}

#[test]
fn no_reader_ever_sees_half_of_it() {
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", format!("{{{{ env.A * {} }}}}", 1 << 20));
    let dest = scratch.file("a", "x".repeat(1 << 20));
    let reader = {
        let dest = dest.clone();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut seen = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let text = fs::read(&dest).unwrap();
                assert_eq!(text.len(), 1 << 20);
                assert!(text.iter().all(|byte| *byte == text[0]));
                seen += 1;
            }
            seen
        });
        (stop, thread)
    };
    for value in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(run(template(&src, &dest).env("A", value)), SILENT);
    }
    drop(reader.0);
    assert!(reader.1.join().unwrap() > 0);
    assert_eq!(fs::read(&dest).unwrap()[0], b'f');
}

#[test]
fn a_directory_of_templates_becomes_a_directory_of_files() {
    let scratch = Scratch::new();
    scratch.file("src/a.ini.j2", "{% include 'part/b.ini.j2' %}!\n");
    scratch.file("src/part/b.ini.j2", "b={{ env.A }}\n");
    scratch.file("src/plain.txt", "{% extends 'base' %}{% block x %}y{% endblock %}");
    scratch.file("src/base", "<{% block x %}{% endblock %}>");
    // As Kubernetes mounts a ConfigMap.
    scratch.file("src/..2024/c.j2", "c");
    symlink("..2024", scratch.join("src/..data")).unwrap();
    symlink("..data/c.j2", scratch.join("src/c.j2")).unwrap();
    fs::create_dir_all(scratch.join("dest/part")).unwrap();
    let (src, dest) = (scratch.join("src"), scratch.join("dest"));
    assert_eq!(rendered(&src, &dest), SILENT);
    let read = |name: &str| fs::read_to_string(dest.join(name)).unwrap();
    assert_eq!(read("a.ini"), "b=1!\n");
    assert_eq!(read("part/b.ini"), "b=1\n");
    assert_eq!(read("plain.txt"), "<y>");
    assert_eq!(read("c"), "c");
    let mut names: Vec<_> = fs::read_dir(&dest).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.ini", "base", "c", "part", "plain.txt"]);
    // Two templates for one file.
    scratch.file("src/c", "");
    let ended = rendered(&src, &dest);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("both become"), "{}", ended.stderr);
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_its_line_before_anything_is_done() {
    let scratch = Scratch::new();
    let dest = scratch.join("dest");
    let deep = format!("{{{{ {}1 }}}}", "not ".repeat(10_000));
    for (text, said) in [
        ("a\n{{ env.NOPE }}\n", ":2: variable NOPE is not set, in: {{ env.NOPE }}"),
        ("{{ 1 +\n", ":1: syntax error"),
        ("{% include 'self.j2' %}", "includes or calls itself"),
        ("{% include 'nope' %}", ":1: template not found"),
        ("{% include '../self.j2' %}", ":1: template not found"),
        ("{{ env.A | nope }}", "unknown filter"),
        ("{{ env.SECRET + 1 }}", ":1: invalid operation"),
        (&deep, ""),
    ] {
        let src = scratch.file("self.j2", text);
        let pair = format!("{}:{}", src.display(), dest.display());
        let ended = run(pydexec(["--wait", "file:///nonexistent/x", "--template", &pair, "--"])
            .args(["echo", "started"])
            .env("PYDEXEC_WAIT_TIMEOUT", "0")
            .env("SECRET", "hunter2"));
        // The deep one is no error, and the wait comes next.
        let code = if said.is_empty() { 124 } else { 2 };
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        assert!(!dest.exists());
    }
}

#[test]
fn a_source_that_cannot_be_a_template_is_refused() {
    let scratch = Scratch::new();
    let dest = scratch.join("dest");
    let fifo = scratch.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (src, said) in [
        (scratch.join("absent"), "no such file"),
        (scratch.file("latin1", b"\xe9"), "is not UTF-8"),
        (scratch.file("huge", "x".repeat(300 << 10)), "is larger than 256 KB"),
        (fifo, "it is not a file"),
    ] {
        let ended = rendered(&src, &dest);
        assert_eq!((ended.code, dest.exists()), (2, false), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    for pair in ["", ":", "a", "a:", ":b"] {
        let ended = run(&mut pydexec(["--template", pair, "--", "true"]));
        assert_eq!(ended.code, 2, "{pair}: {}", ended.stderr);
    }
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let scratch = Scratch::new();
    let (src, other) = (scratch.file("a.j2", "new"), scratch.file("other", "old"));
    for target in ["other", "nowhere"] {
        let dest = scratch.join("dest");
        let _ = fs::remove_file(&dest);
        symlink(target, &dest).unwrap();
        assert_eq!(rendered(&src, &dest), SILENT);
        assert!(fs::symlink_metadata(&dest).unwrap().is_file());
        assert_eq!(fs::read_to_string(&dest).unwrap(), "new");
    }
    assert_eq!(fs::read_to_string(other).unwrap(), "old");
    assert_eq!(scratch.names(), ["a.j2", "dest", "other"]);
}

#[test]
fn a_destination_that_cannot_be_written_is_told_and_nothing_is_left() {
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", "new");
    fs::create_dir(scratch.join("directory")).unwrap();
    for (dest, code, said) in [
        ("absent/a", 2, "its directory does not exist"),
        ("directory", 2, "it is a directory"),
        ("a.j2/x", 1, "not a directory"),
        ("..", 2, "no file name"),
    ] {
        let ended = rendered(&src, &scratch.join(dest));
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), if code == 2 && dest != ".." { 2 } else { 1 });
    }
    assert_eq!(rendered(&src, Path::new("/dev/null")).code, 2);
    assert_eq!(scratch.names(), ["a.j2", "directory"]);
    assert_eq!(fs::read_dir(scratch.join("directory")).unwrap().count(), 0);
}

/// Small files are written without a child, unless steps are told with theirs.
#[test]
fn a_file_and_an_error_are_the_same_with_a_child_and_without_one() {
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", "{{ env.A }}");
    fs::create_dir(scratch.join("directory")).unwrap();
    let [told, silent] = ["1", ""].map(|verbose| {
        ["a", "directory"].map(|dest| {
            let _ = fs::remove_file(scratch.join(dest));
            let ended = run(template(&src, &scratch.join(dest))
                .env("A", "1")
                .env("PYDEXEC_VERBOSE", verbose));
            let had_a_child = ended.stderr.contains("started \"template\"");
            let last = ended.stderr.lines().rev().take(2).map(str::to_owned);
            let last: Vec<String> = last.take_while(|_| ended.code != 0).collect();
            let metadata = fs::metadata(scratch.join(dest)).ok();
            let mode = metadata.map(|metadata| metadata.mode());
            assert_eq!(had_a_child, !verbose.is_empty(), "{}", ended.stderr);
            (ended.code, last, fs::read_to_string(scratch.join(dest)).ok(), mode)
        })
    });
    assert_eq!(told, silent);
    assert_eq!((told[0].0, told[1].0), (0, 2));
}

/// Runs `script` with file systems of its own; `$0` is the binary, `$1` the scratch directory.
fn with_mounts(scratch: &Scratch, script: &str) -> Run {
    run(Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", script])
        .arg(binary())
        .arg(scratch.path())
        .stdin(Stdio::null()))
}

#[test]
fn a_full_disk_a_read_only_one_and_a_mounted_file_are_told() {
    let scratch = Scratch::new();
    scratch.file("a.j2", "{{ 'x' * 100000 }}");
    scratch.file("m/keep", "");
    let ended = with_mounts(
        &scratch,
        "cd $1; mount -t tmpfs -o size=64k none m
         $0 --template a.j2:m/a -- true || echo code $?; ls -A m
         mount -o remount,ro m
         $0 --template a.j2:m/a -- true || echo code $?; ls -A m; umount m
         mount --bind a.j2 m/keep
         $0 --template a.j2:m/keep -- true || echo code $?; ls -A m; umount m/keep",
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "code 1\ncode 1\ncode 1\nkeep\n"));
    let said: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(said.len(), 6, "{}", ended.stderr);
    assert!(said[0].contains("writing a temporary file: no space left"), "{}", ended.stderr);
    assert!(said[2].contains("read-only file system"), "{}", ended.stderr);
    assert!(
        said[4].contains("renaming a temporary file: device or resource busy"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_file_size_limit_is_an_error_and_not_a_death() {
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", "{{ 'x' * 100000 }}");
    let pair = format!("{}:{}", src.display(), scratch.join("a").display());
    let ended = run(Command::new("sh")
        .args(["-c", "ulimit -f 8; exec \"$0\" --template \"$1\" -- true"])
        .arg(binary())
        .arg(pair));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("file too large"), "{}", ended.stderr);
    assert_eq!(scratch.names(), ["a.j2"]);
}

#[test]
fn the_file_belongs_to_the_user_of_the_command() {
    if !is_root() {
        return skip("only root can give a file away");
    }
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", "new");
    let dest = scratch.join("a");
    let owner = || fs::metadata(&dest).map(|file| (file.uid(), file.gid(), file.ino())).unwrap();
    assert_eq!(run(template(&src, &dest).env("PYDEXEC_USER", "1234:5678")), SILENT);
    let (uid, gid, first) = owner();
    assert_eq!((uid, gid), (1234, 5678));
    // The same content for another one is another file; without one, it stays whose it is.
    assert_eq!(run(template(&src, &dest).env("PYDEXEC_USER", "1235:5678")), SILENT);
    let (uid, _, second) = owner();
    assert_eq!((uid, first == second), (1235, false));
    fs::write(&src, "newer").unwrap();
    assert_eq!(rendered(&src, &dest), SILENT);
    assert_eq!((owner().0, owner().1), (1235, 5678));
}

#[test]
fn a_directory_of_others_is_told_with_what_to_do() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let scratch = Scratch::new();
    let src = scratch.file("a.j2", "new");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = scratch.join("pydexec");
    steps::copy_of_binary(&program);
    let pair = format!("{}:{}", src.display(), scratch.join("a").display());
    let ended =
        run(Command::new(program).args(["--template", &pair, "--", "true"]).uid(65534).gid(65534));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("permission denied\npydexec: write to a directory"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_signal_while_files_are_written_ends_the_boot_without_leftovers() {
    let scratch = Scratch::new();
    for number in 0..2000 {
        scratch.file(&format!("src/{number}.j2"), "{{ env.A }}");
    }
    fs::create_dir(scratch.join("dest")).unwrap();
    let child = start(template(&scratch.join("src"), &scratch.join("dest")).env("A", "1"));
    until("the first file is there", || {
        (fs::read_dir(scratch.join("dest")).unwrap().count() > 0
            || !children(child.id()).is_empty())
        .then_some(())
    });
    kill(&child, libc::SIGTERM);
    let ended = finish(child);
    // On a machine that is busy elsewhere, all may have been done by then.
    assert!([0, 143].contains(&ended.code) && ended.stderr.is_empty(), "{ended:?}");
    for entry in fs::read_dir(scratch.join("dest")).unwrap() {
        let entry = entry.unwrap();
        assert!(!entry.file_name().to_string_lossy().starts_with('.'), "{entry:?}");
        assert_eq!(fs::read_to_string(entry.path()).unwrap(), "1");
    }
}
