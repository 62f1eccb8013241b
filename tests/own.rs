//! `--own`, on real trees. Giving files away takes root.

#![cfg(feature = "init")]

mod steps;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use steps::{Run, Scratch, binary, is_root, pydexec, run, skip};

const SILENT: Run = Run { code: 0, stdout: String::new(), stderr: String::new() };

fn own(path: &Path) -> Run {
    run(pydexec(["--user", "1234:5678", "--own"]).arg(path).args(["--", "true"]))
}

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

/// Whether this test can run here.
fn root() -> bool {
    if !is_root() {
        skip("only root can give files away");
    }
    is_root()
}

/// A directory that the user of the tests may enter.
fn open_scratch() -> Scratch {
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    scratch
}

#[test]
fn all_of_a_tree_is_given_and_what_is_right_is_not_touched() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let files = ["data/a", "data/b/c", "data/b/d/e"].map(|name| scratch.file(name, ""));
    fs::create_dir(scratch.join("data/empty")).unwrap();
    chown(&files[1], Some(1234), Some(5678)).unwrap();
    let right = fs::metadata(&files[1]).unwrap();
    assert_eq!(own(&scratch.join("data")), SILENT);
    for name in ["data", "data/a", "data/b", "data/b/c", "data/b/d", "data/b/d/e", "data/empty"] {
        assert_eq!(owner(&scratch.join(name)), (1234, 5678), "{name}");
    }
    assert_ne!(owner(scratch.path()), (1234, 5678));
    let still = fs::metadata(&files[1]).unwrap();
    assert_eq!((right.ctime(), right.ctime_nsec()), (still.ctime(), still.ctime_nsec()));
}

#[test]
fn the_command_runs_as_the_user_and_can_write_there_by_its_twin_too() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let (one, two) = (scratch.file("one/a", ""), scratch.file("two/b", ""));
    let paths = format!("{}:{}", one.parent().unwrap().display(), two.parent().unwrap().display());
    let script = "touch \"$0\" \"$1\"; id -u; echo $PYDEXEC_OWN";
    let ended = run(pydexec(["--user", "1234:5678", "--", "sh", "-c", script])
        .arg(scratch.join("one/new"))
        .arg(two)
        .env("PYDEXEC_OWN", paths));
    assert_eq!(ended, Run { stdout: "1234\n\n".into(), ..SILENT });
    assert_eq!(owner(&scratch.join("one/new")), (1234, 5678));
}

#[test]
fn links_are_given_and_never_followed() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let outside = scratch.file("outside/file", "");
    fs::create_dir(scratch.join("data")).unwrap();
    for (name, target) in [
        ("dir", "../outside"),
        ("file", "../outside/file"),
        ("nowhere", "../nowhere"),
        ("loop", "loop"),
        ("up", ".."),
    ] {
        symlink(target, scratch.join("data").join(name)).unwrap();
    }
    assert_eq!(own(&scratch.join("data")), SILENT);
    for name in ["dir", "file", "nowhere", "loop", "up"] {
        assert_eq!(owner(&scratch.join("data").join(name)), (1234, 5678), "{name}");
    }
    assert_eq!(owner(&outside).0, 0);
    assert_eq!(owner(outside.parent().unwrap()).0, 0);
}

#[test]
fn a_single_file_is_given_and_a_link_or_nothing_is_refused() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let file = scratch.file("file", "");
    assert_eq!(own(&file), SILENT);
    assert_eq!(owner(&file), (1234, 5678));
    let secret = scratch.file("secret", "");
    symlink("secret", scratch.join("link")).unwrap();
    for (name, said) in [
        ("link", "it is a symbolic link"),
        ("absent", "no such file"),
        ("file/x", "not a directory"),
    ] {
        let ended = own(&scratch.join(name));
        assert_eq!((ended.code, ended.stdout.as_str()), (if name == "file/x" { 1 } else { 2 }, ""));
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    assert_eq!(owner(&secret).0, 0);
}

#[test]
fn without_a_user_it_is_wrong_usage() {
    let ended = run(&mut pydexec(["--own", "/nonexistent", "--", "echo", "started"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("no --user is given"), "{}", ended.stderr);
}

#[test]
fn a_program_loses_its_setuid_bit_with_its_owner() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let program = scratch.file("data/program", "");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).unwrap();
    assert_eq!(own(&scratch.join("data")), SILENT);
    assert_eq!(fs::metadata(&program).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn what_is_mounted_in_the_tree_is_left_alone() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    scratch.file("data/here/a", "");
    scratch.file("data/bound/x", "");
    scratch.file("data/file", "");
    scratch.file("outside/b", "");
    fs::create_dir(scratch.join("data/tmpfs")).unwrap();
    // Also of the same file system, as two volumes of Docker's are.
    let script = "cd $1; mount -t tmpfs none data/tmpfs; touch data/tmpfs/t
         mount --bind outside data/bound; mount --bind outside/b data/file
         $0 --user 1234:5678 --own data -- true
         stat -c '%n %u' data/here/a data/tmpfs data/tmpfs/t data/bound data/bound/b data/file";
    let ended = run(Command::new("unshare")
        .args(["--mount", "sh", "-ec", script])
        .arg(binary())
        .arg(scratch.path())
        .stdin(Stdio::null()));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let left = "data/tmpfs 0\ndata/tmpfs/t 0\ndata/bound 0\ndata/bound/b 0\ndata/file 0\n";
    assert_eq!(ended.stdout, format!("data/here/a 1234\n{left}"));
}

#[test]
fn a_tree_deeper_than_any_path_takes_few_descriptors_and_little_stack() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let make = "import os, sys
os.chdir(sys.argv[1])
for _ in range(1000):
    os.mkdir('d' * 20); os.chdir('d' * 20)
open('deepest', 'w')";
    let made = run(Command::new("python3").args(["-c", make]).arg(scratch.path()));
    assert_eq!(made.code, 0, "{}", made.stderr);
    let script = "ulimit -n 16; ulimit -s 256; exec \"$0\" --user 1234:5678 --own \"$1\" -- true";
    let ended = run(Command::new("sh").args(["-c", script]).arg(binary()).arg(scratch.path()));
    assert_eq!(ended, SILENT);
    let find = ["-depth", "-not", "-user", "1234"];
    let others = run(Command::new("find").arg(scratch.path()).args(find));
    let count =
        run(Command::new("sh").args(["-c", "find \"$0\" -user 1234 | wc -l"]).arg(scratch.path()));
    // Before anything is asserted: too deep for the one who else removes it.
    assert_eq!(run(Command::new("rm").arg("-rf").arg(scratch.path())).code, 0);
    assert_eq!((others.stdout.as_str(), count.stdout.trim()), ("", "1002"));
}

#[test]
fn a_hundred_thousand_files_are_given() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let script = "mount -t tmpfs none $1; cd $1; mkdir d; seq -f 'd/%.0f' 100000 | xargs touch
         $0 --user 1234:5678 --own d -- true; find d -user 1234 -group 5678 | wc -l";
    let ended = run(Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(binary())
        .arg(scratch.path())
        .stdin(Stdio::null()));
    assert_eq!((ended.code, ended.stdout.trim()), (0, "100001"), "{}", ended.stderr);
}

#[test]
fn somebody_who_swaps_directories_for_links_leads_it_nowhere() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    // The same names within and without.
    for number in 0..16 {
        scratch.file(&format!("data/a/{number}/x"), "");
        scratch.file(&format!("outside/{number}/x"), "");
    }
    // Deep, so that it is often moved while the walk is in it.
    scratch.file(&format!("data/a/b/{}x", "c/".repeat(50)), "");
    symlink(scratch.join("outside"), scratch.join("data/link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swaps = [
        // A directory by a link,
        [("data/a", "data/link", libc::RENAME_EXCHANGE); 2],
        // and one out of the tree and back.
        [
            ("data/a/b", "outside/b", libc::RENAME_NOREPLACE),
            ("outside/b", "data/a/b", libc::RENAME_NOREPLACE),
        ],
    ];
    let swapping = swaps.map(|pair| {
        let stop = Arc::clone(&stop);
        let c_path = |name: &str| CString::new(scratch.join(name).as_os_str().as_bytes()).unwrap();
        let pair = pair.map(|(from, to, flags)| (c_path(from), c_path(to), flags));
        thread::spawn(move || {
            let mut swapped = 0;
            while !stop.load(Ordering::Relaxed) {
                for (from, to, flags) in &pair {
                    let here = libc::AT_FDCWD;
                    let (from, to) = (from.as_ptr(), to.as_ptr());
                    let result =
                        unsafe { libc::syscall(libc::SYS_renameat2, here, from, here, to, *flags) };
                    swapped += usize::from(result == 0);
                }
            }
            swapped
        })
    });
    for number in 0..100 {
        // To a new owner each time, so that there is something to do.
        let user = format!("{0}:{0}", 2000 + number);
        let ended =
            run(pydexec(["--user", &user, "--own"]).arg(scratch.join("data")).args(["--", "true"]));
        // It may find out, and stop there.
        let moved = ended.code == 1 && ended.stderr.contains("was moved meanwhile");
        assert!(ended == SILENT || moved, "{ended:?}");
    }
    stop.store(true, Ordering::Relaxed);
    let swapped = swapping.map(|thread| thread.join().unwrap());
    assert!(swapped.iter().all(|count| *count > 0), "{swapped:?}");
    assert_eq!(owner(&scratch.join("outside")), (0, 0));
    for number in 0..16 {
        for name in [format!("outside/{number}"), format!("outside/{number}/x")] {
            assert_eq!(owner(&scratch.join(&name)), (0, 0), "{name}");
        }
    }
}

#[test]
fn where_it_is_not_root_it_is_passed_over_with_one_line() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    let file = scratch.file("data/file", "");
    let program = scratch.join("pydexec");
    steps::copy_of_binary(&program);
    let mut command = Command::new(&program);
    command
        .args(["--user", "1234:5678", "--own"])
        .arg(scratch.join("data"))
        .args(["--", "echo", "started"]);
    let ended = run(command.uid(1234).gid(5678));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "started\n"));
    let line = format!(
        "pydexec: not root: the owner of {} stays as it is\n",
        scratch.join("data").display()
    );
    assert_eq!(ended.stderr, line);
    assert_eq!(owner(&file).0, 0);
}

#[test]
fn a_read_only_mount_and_a_missing_capability_are_told() {
    if !root() {
        return;
    }
    let scratch = open_scratch();
    scratch.file("data/file", "");
    let script = "cd $1; mount --bind data data; mount -o remount,bind,ro data
         $0 --user 1234:5678 --own data -- echo started; echo code $?; umount data
         chown 1234:5678 data data/file; mount --bind data data; mount -o remount,bind,ro data
         $0 --user 1234:5678 --own data -- echo started; umount data; chown 0:0 data/file
         setpriv --bounding-set -chown $0 --user 1234:5678 --own data -- echo started; echo code $?";
    let ended = run(Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(binary())
        .arg(scratch.path())
        .stdin(Stdio::null()));
    // With all as it should be, a read-only mount is no error.
    assert_eq!(ended.stdout, "code 1\nstarted\ncode 1\n", "{}", ended.stderr);
    let said: Vec<&str> = ended.stderr.lines().collect();
    assert!(
        said[0].contains("cannot give \"data\" to 1234:5678: read-only file system"),
        "{said:?}"
    );
    assert!(said[2].contains("operation not permitted"), "{said:?}");
    assert!(said[3].contains("--cap-add CHOWN"), "{said:?}");
}
