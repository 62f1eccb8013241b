//! What is said, and with which code, when the command cannot be started: one line of what failed
//! and why, at most one more of what to do, and nothing done.

#![cfg(feature = "file")]

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use support::{Exit, Need, Output, Scratch, able, plainly, probe, pydexec, system};

/// Exit code, first line, and a part of the second; or no second at all.
#[track_caller]
fn assert_error(output: &Output, code: i32, first: &str, hint: Option<&str>) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(code), ""), "{output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines.first().copied(), Some(&*format!("pydexec: {first}")), "{output:?}");
    match hint {
        Some(hint) => {
            assert_eq!(lines.len(), 2, "{output:?}");
            assert!(lines[1].starts_with("pydexec: ") && lines[1].contains(hint), "{output:?}");
        }
        None => assert_eq!(lines.len(), 1, "{output:?}"),
    }
}

/// `pydexec -- FILE`, by both ways to start.
#[track_caller]
fn assert_not_run(file: impl AsRef<OsStr>, code: i32, why: &str, hint: Option<&str>) {
    let file = file.as_ref();
    let first = format!("cannot run {file:?}: {why}");
    for options in [&[][..], &["--exec"]] {
        let words = options.iter().map(OsString::from).chain(["--".into(), file.to_owned()]);
        assert_error(&plainly(words).output(), code, &first, hint);
    }
}

#[test]
fn a_program_that_is_not_in_path_is_named_with_the_path() {
    let path = "/usr/local/bin:/usr/bin:/bin";
    let why = format!("not found in PATH ({path})");
    assert_not_run("no-such-program", 127, &why, Some("--venv"));
    let output = plainly(["--", "no-such-program"]).without_env("PATH").output();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let first = format!("cannot run \"no-such-program\": not found in PATH ({path})");
    assert_error(&output, 127, &first, Some("install it"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_not_run("/no/such/program", 127, "no such file", None);
    let scratch = Scratch::new();
    let file = scratch.file("file", "");
    assert_not_run(file.join("program"), 127, "no such file", None);
}

#[test]
fn the_empty_name_is_no_program() {
    let output = plainly(["--", ""]).output();
    assert_eq!(output.exit, Exit::Code(127), "{output:?}");
    assert!(output.stderr.starts_with("pydexec: cannot run \"\": not found in PATH"), "{output:?}");
}

#[test]
fn a_directory_is_no_program() {
    assert_not_run("/usr", 126, "it is a directory", None);
    assert_not_run("/usr/", 126, "it is a directory", None);
}

#[test]
fn what_is_no_file_is_no_program() {
    assert_not_run("/dev/null", 126, "permission denied", Some("noexec"));
    // A fifo has no reader to wait for: nobody opens it.
    let scratch = Scratch::new();
    let fifo = scratch.at("fifo");
    support::kernel::make_fifo(&fifo).unwrap();
    assert_not_run(&fifo, 126, "permission denied", Some("noexec"));
}

#[test]
fn a_lost_run_bit_is_told_with_the_mode() {
    let scratch = Scratch::new();
    let file = scratch.file("entrypoint.sh", "#!/bin/sh\n");
    system::mode(&file, 0o644);
    let why = format!("{file:?} is not executable (mode 0644)");
    assert_not_run(&file, 126, &why, Some("chmod +x"));
    // Found by its name too.
    let output = plainly(["--", "entrypoint.sh"]).env("PATH", scratch.path().as_os_str()).output();
    let first = format!("cannot run \"entrypoint.sh\": {why}");
    assert_error(&output, 126, &first, Some("chmod +x"));
}

#[test]
fn one_without_a_run_bit_does_not_hide_one_further_on_in_path() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.directory("first"), scratch.directory("second"));
    fs::write(first.join("tool"), "#!/bin/sh\nexit 1\n").unwrap();
    scratch.executable("second/tool", "#!/bin/sh\nexit 42\n");
    let path = format!("/nonexistent:{}:{}", first.display(), second.display());
    let output = plainly(["--", "tool"]).env("PATH", path).output();
    assert_eq!(output.exit, Exit::Code(42), "{output:?}");
}

#[test]
fn the_interpreter_of_a_script_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let file = scratch.executable("script", "#!/no/such/python3 -u\nprint()\n");
    let why = format!("the interpreter \"/no/such/python3\" of script {file:?} does not exist");
    assert_not_run(&file, 127, &why, Some("install the interpreter"));
}

#[test]
fn windows_line_ends_are_recognised() {
    let scratch = Scratch::new();
    let file = scratch.executable("script", "#!/bin/sh\r\nexit 0\r\n");
    let why = format!("the interpreter \"/bin/sh\\r\" of script {file:?} does not exist");
    assert_not_run(&file, 127, &why, Some("Windows line ends"));
}

#[test]
fn a_dangling_link_is_told_with_its_end() {
    let scratch = Scratch::new();
    let link = scratch.at("link");
    symlink("/no/such/target", &link).unwrap();
    let why = format!("{link:?} is a link to \"/no/such/target\", which does not exist");
    assert_not_run(&link, 127, &why, Some("copy what it leads to"));
}

#[test]
fn a_loop_of_links_is_no_program() {
    let scratch = Scratch::new();
    symlink("b", scratch.at("a")).unwrap();
    symlink("a", scratch.at("b")).unwrap();
    let words = [OsStr::new("--"), scratch.at("a").as_os_str()].map(OsStr::to_owned);
    let output = plainly(words).output();
    assert_eq!(output.exit, Exit::Code(126), "{output:?}");
    assert!(output.stderr.contains("too many symbolic links"), "{output:?}");
}

/// The head of a program for 64 bits, little endian, that asks for a loader.
fn elf(machine: u16, loader: &str) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let text = loader.len() as u64 + 1;
    file.extend(2u16.to_le_bytes()); // an executable
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for address in [0x40_0000u64, 64, 0] {
        file.extend(address.to_le_bytes()); // entry, program headers, sections
    }
    file.extend(0u32.to_le_bytes());
    for number in [64u16, 56, 1, 64, 0, 0] {
        file.extend(number.to_le_bytes()); // one program header of 56 bytes
    }
    file.extend(3u32.to_le_bytes()); // PT_INTERP, readable
    file.extend(4u32.to_le_bytes());
    for number in [120, 120, 120, text, text, 1] {
        file.extend(number.to_le_bytes());
    }
    file.extend(loader.as_bytes());
    file.push(0);
    file
}

#[cfg(target_arch = "x86_64")]
const MACHINES: [(u16, &str, &str); 2] = [(62, "x86_64", "linux/amd64"), (183, "aarch64", "")];
#[cfg(target_arch = "aarch64")]
const MACHINES: [(u16, &str, &str); 2] = [(183, "aarch64", "linux/arm64"), (62, "x86_64", "")];

#[test]
fn a_program_for_another_machine_is_told_with_both() {
    let scratch = Scratch::new();
    let [(_, this, platform), (other, name, _)] = MACHINES;
    // One that has no emulator registered (binfmt_misc) on any machine of ours, and the usual mix-up.
    for (machine, name) in [(22, "s390x"), (12345, "machine 12345"), (other, name)] {
        let registered = fs::read_dir("/proc/sys/fs/binfmt_misc").is_ok_and(|list| {
            list.flatten().any(|entry| entry.file_name().to_string_lossy().contains("qemu"))
        });
        if machine == other && registered {
            continue;
        }
        let file = scratch.executable(format!("for-{machine}"), elf(machine, "/lib/ld.so"));
        let why = format!("it is a program for {name}, and this machine is {this}");
        assert_not_run(&file, 126, &why, Some(&format!("--platform {platform}")));
    }
}

#[test]
fn a_loader_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let [(own, ..), _] = MACHINES;
    let file = scratch.executable("for-musl", elf(own, "/lib/ld-musl-nowhere.so.1"));
    let why =
        format!("the dynamic loader \"/lib/ld-musl-nowhere.so.1\" of {file:?} does not exist");
    assert_not_run(&file, 127, &why, Some("another C library"));
}

#[test]
fn a_text_without_shebang_and_an_empty_file_are_told_apart() {
    let scratch = Scratch::new();
    let text = scratch.executable("text", "echo hello\n");
    let why = "it is neither a program nor a script with a #! line";
    assert_not_run(text, 126, why, Some("#!/bin/sh"));
    let empty = scratch.executable("empty", "");
    assert_not_run(empty, 126, "the file is empty", None);
}

#[test]
fn names_that_are_not_utf_8_are_run_and_told() {
    let scratch = Scratch::new();
    let name = OsStr::from_bytes(b"pr\xffbe \xc3\xa4");
    let file = scratch.probe(name);
    let words = |words: &[&OsStr]| -> Vec<OsString> {
        [OsStr::new("--"), file.as_os_str()]
            .iter()
            .chain(words)
            .map(|word| (*word).into())
            .collect()
    };
    let odd = OsStr::from_bytes(b"\xff\xfe\x01");
    let output = plainly(words(&["args".as_ref(), odd, "".as_ref(), "a b".as_ref()])).output();
    assert_eq!(output.stdout, "fffe01\n\n612062\n", "{output:?}");
    let output = plainly(words(&["variable".as_ref(), odd])).env(odd, odd).output();
    assert_eq!(output.stdout, "fffe01\n", "{output:?}");
    // In a directory of such a name, found by a PATH with such a name.
    let output = plainly([OsStr::new("--"), name, OsStr::new("exit"), OsStr::new("9")])
        .env("PATH", scratch.path())
        .output();
    assert_eq!(output.exit, Exit::Code(9), "{output:?}");
    assert_not_run(OsStr::from_bytes(b"/no/\xff"), 127, "no such file", None);
}

#[test]
fn a_thousand_arguments_come_through_as_they_are() {
    let arguments: Vec<String> = (0..1000).map(|number| format!("{number} $HOME '\"*\n")).collect();
    let words: Vec<OsString> = ["--".into(), probe().into_os_string(), "args".into()]
        .into_iter()
        .chain(arguments.iter().map(OsString::from))
        .collect();
    let output = plainly(words).output();
    let hex = |text: &String| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected: Vec<String> = arguments.iter().map(hex).collect();
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_argument_list_that_is_too_long_is_the_kernels_to_refuse() {
    // One string of an environment may have 128 KiB: our own is no longer than that, but what
    // --env makes of it is, by its name.
    let value = "x".repeat(128 * 1024 - 16);
    let variable = "A_NAME_OF_SOME_LENGTH";
    let scratch = Scratch::new();
    let file = scratch.file("env", format!("{variable}={value}\n"));
    let words = ["--env-file", file.to_str().unwrap(), "--", "true"];
    let first = "cannot run \"true\": argument list too long";
    assert_error(&plainly(words).output(), 126, first, Some("longer than 128 KB"));
}

#[test]
fn a_name_that_is_too_long_is_no_program() {
    let name = "x".repeat(5000);
    let output = plainly(["--", &name]).output();
    assert_eq!(output.exit, Exit::Code(127), "{:?}", output.exit);
    let output = plainly(["--", &format!("/{name}")]).output();
    assert!(matches!(output.exit, Exit::Code(126 | 127)), "{:?}", output.exit);
    assert!(output.stderr.contains("file name too long"), "{output:?}");
}

#[test]
fn a_directory_that_cannot_be_entered_is_named() {
    let run = |directory: &str| plainly(["--workdir", directory, "--", "true"]).output();
    let first = "cannot enter directory \"/no/such/dir\": no such file or directory";
    assert_error(&run("/no/such/dir"), 2, first, Some("create it"));
    let first = "cannot enter directory \"/etc/passwd\": not a directory";
    assert_error(&run("/etc/passwd"), 2, first, None);
}

#[test]
fn an_unknown_user_or_group_is_named() {
    let run = |spec: &str| plainly(["--user", spec, "--", "true"]).output();
    let first = "unknown user \"no-such-user\": not in /etc/passwd";
    assert_error(&run("no-such-user"), 2, first, Some("useradd"));
    let first = "unknown group \"no-such-group\": not in /etc/group";
    assert_error(&run("0:no-such-group"), 2, first, Some("groupadd"));
    let first = "cannot use 4294967295 as an id: ids go from 0 to 4294967294";
    assert_error(&run("4294967295"), 2, first, None);
}

#[test]
fn a_wrong_option_is_named() {
    let cases: [(&[&str], &str, Option<&str>); 8] = [
        (&["--usr", "x", "--", "true"], "unknown option \"--usr\"", Some("\"--user\"")),
        (&["--bogus", "--", "true"], "unknown option \"--bogus\"", Some("--help")),
        (&["true"], "unexpected word \"true\"", Some("-- true")),
        (&["--user"], "option --user <[USER][:GROUP]> needs a value", None),
        (&["--user=", "--", "true"], "option --user has an empty value", Some("[USER][:GROUP]")),
        (&["--exec=1", "--", "true"], "option --exec takes no value", None),
        (&["-v", "-v", "--", "true"], "option --verbose is given more than once", Some("once")),
        (
            &["-w", "/", "-w", "/", "--"],
            "option --workdir <DIR> is given more than once",
            Some("once"),
        ),
    ];
    for (words, first, hint) in cases {
        assert_error(&plainly(words).output(), 2, first, hint);
    }
    // What is not UTF-8 is told, and no panic.
    let output = plainly([OsStr::from_bytes(b"--\xff"), OsStr::new("--")]).output();
    assert_eq!(output.exit, Exit::Code(2), "{output:?}");
    assert!(output.stderr.starts_with("pydexec: unknown option"), "{output:?}");
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not() {
    let output = plainly(["--", "true"]).env("PYDEXEC_EXEC", "secret").output();
    assert_error(&output, 2, "variable PYDEXEC_EXEC is neither on nor off", Some("PYDEXEC_EXEC=1"));
    let output = plainly(["--env", "=secret", "--", "true"]).output();
    assert_eq!(output.exit, Exit::Code(2), "{output:?}");
    assert!(!output.stderr.contains("secret"), "{output:?}");
}

#[test]
fn help_and_version_are_for_stdout() {
    let output = plainly(["--version"]).output();
    assert_eq!(output.stdout, format!("pydexec {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(0), ""));
    for word in ["--help", "-h"] {
        let output = plainly([word]).output();
        assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(0), ""));
        for option in ["--user", "--venv", "--requirements", "--env-file", "--exec", "PYDEXEC_"] {
            assert!(output.stdout.contains(option), "{option}");
        }
    }
}

#[test]
fn the_command_may_have_options_of_our_names() {
    let words = ["--", "sh", "-c", "echo \"$@\"", "sh", "--user", "--help", "--", "-v"];
    let output = plainly(words).output();
    assert_eq!(output.stdout, "--user --help -- -v\n", "{output:?}");
}

#[test]
fn as_pid_1_an_error_is_the_same() {
    if !able(Need::Namespaces) {
        return;
    }
    let output = pydexec([""; 0]).command(["no-such-program"]).as_pid1().output();
    let first = "cannot run \"no-such-program\": not found in PATH (/usr/local/bin:/usr/bin:/bin)";
    assert_error(&output, 127, first, Some("--venv"));
}

#[test]
fn an_error_that_nobody_can_read_keeps_its_code() {
    if !able(Need::Namespaces) {
        return;
    }
    let scene = || pydexec([""; 0]).command(["no-such-program"]).as_pid1();
    assert_eq!(scene().without(&[2]).start().end(), Exit::Code(127));
    assert_eq!(scene().without(&[0, 1, 2]).start().end(), Exit::Code(127));
    assert_eq!(scene().with_stderr_unread().start().end(), Exit::Code(127));
    let full = fs::File::create("/dev/full").unwrap();
    let version = pydexec(["--version"]).as_pid1().without(&[1]).with_descriptor(1, full.into());
    let first = "cannot write to stdout: no space left on device";
    assert_error(&version.output(), 1, first, None);
}
