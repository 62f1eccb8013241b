//! `pydexec wait`, `--wait` and `wait-for-port`, with real listeners.

#![cfg(feature = "checks")]

mod steps;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use steps::{
    Closed, Run, Scratch, answer, binary, children, finish, kill, pydexec, run, server, start,
    until,
};

/// The tool by its name, as a link has it.
fn wait_for_port(words: &[&str]) -> Run {
    let mut command = Command::new(binary());
    run(command.arg0("/usr/local/bin/wait-for-port").args(words))
}

fn reason_of(target: &str, options: &[&str]) -> String {
    let ended = run(&mut pydexec(["wait", target, "--timeout", "0"].iter().chain(options)));
    assert_eq!((ended.code, ended.stdout.as_str()), (124, ""), "{target}: {}", ended.stderr);
    ended.stderr
}

#[test]
fn what_is_there_is_silently_passed() {
    let scratch = Scratch::new();
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::1]:0").unwrap();
    let socket = scratch.join("app.sock");
    let _socket = UnixListener::bind(&socket).unwrap();
    let http = server("127.0.0.1:0", |stream, _| answer(stream, "204 No Content", ""));
    let ended = run(&mut pydexec([
        "wait".to_owned(),
        format!("tcp://{}", four.local_addr().unwrap()),
        six.local_addr().unwrap().to_string(),
        format!("localhost:{}", six.local_addr().unwrap().port()),
        format!("unix://{}", socket.display()),
        format!("file://{}", scratch.path().display()),
        format!("http://{http}/health"),
    ]));
    assert_eq!(ended, Run { code: 0, stdout: String::new(), stderr: String::new() });
}

#[test]
fn the_command_starts_when_all_are_there_and_not_before() {
    let (port, scratch) = (Closed::new(), Scratch::new());
    let ready = scratch.join("ready");
    let file = format!("file://{}", ready.display());
    let mut child = start(&mut pydexec([
        "wait",
        "-v",
        "--period",
        "10ms",
        &port.address(),
        &file,
        "--",
        "echo",
        "started",
    ]));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("started \"wait\""), "{line}");
    port.listen();
    assert_eq!(child.try_wait().unwrap(), None);
    fs::write(&ready, "").unwrap();
    child.stderr = Some(stderr.into_inner());
    let ended = finish(child);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "started\n"), "{}", ended.stderr);
}

#[test]
fn after_the_timeout_it_is_124_and_each_that_is_missing_with_its_reason() {
    let port = Closed::new();
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let ended = run(&mut pydexec([
        "wait",
        "--timeout=300ms",
        &port.address(),
        &there.local_addr().unwrap().to_string(),
        "unix:///nonexistent/app.sock",
        "file:///nonexistent/ready",
        "--",
        "echo",
        "started",
    ]));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((ended.code, ended.stdout.as_str()), (124, ""));
    let missing: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(missing.len(), 4, "{missing:?}");
    let port =
        format!("pydexec: no answer from tcp://{} in 0.3 s: connection refused", port.address());
    assert_eq!(missing[0], port);
    assert!(missing[1].ends_with("app.sock in 0.3 s: no such file or directory"), "{missing:?}");
    assert!(missing[2].ends_with("ready in 0.3 s: no such file or directory"), "{missing:?}");
}

#[test]
fn a_timeout_of_zero_tries_once() {
    assert!(reason_of(&Closed::new().address(), &[]).contains("connection refused"));
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = there.local_addr().unwrap().to_string();
    assert_eq!(run(&mut pydexec(["wait", "-t", "0", &address])).code, 0);
}

#[test]
fn a_server_that_answers_500_and_then_200_is_waited_for() {
    let mut asked = 0;
    let address = server("[::1]:0", move |stream, _| {
        asked += 1;
        let status = ["500 Internal Server Error", "503 Busy", "200 OK"][asked.min(3) - 1];
        answer(stream, status, &format!("{asked}"));
    });
    let url = format!("http://{address}/");
    assert!(reason_of(&url, &[]).contains("it answered with status 500, and not 2xx"));
    let ended = run(&mut pydexec(["wait", "--period", "10ms", &url]));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn statuses_and_headers_are_those_that_were_asked_for() {
    let address = server("127.0.0.1:0", |stream, head| {
        let told = |line: &str| head.iter().any(|have| have == line);
        let right = told("GET /a?b=c HTTP/1.1")
            && told("Authorization: Basic dTpwQHNz")
            && told("X-Token: t:1");
        answer(stream, if right { "401 Unauthorized" } else { "500 Wrong" }, "");
    });
    let url = format!("http://u:p%40ss@{address}/a?b=c");
    let ended = run(&mut pydexec(["wait", "-t0", "--status", "200,401", "--header", "x: y", &url]));
    assert_eq!(ended.code, 124);
    let words = ["wait", "-t0", "--status", "200,401", "--header", "X-Token: t:1", &url];
    assert_eq!(run(&mut pydexec(words)).code, 0);
}

#[test]
fn an_answer_that_is_none_is_told_as_what_it_is() {
    let closes = server("127.0.0.1:0", |_, _| ());
    assert!(reason_of(&format!("http://{closes}/"), &[]).contains("closed without an answer"));
    let ssh = server("127.0.0.1:0", |stream, _| {
        use std::io::Write;
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
    });
    assert!(reason_of(&format!("http://{ssh}/"), &[]).contains("is not HTTP"));
    let moved = server("127.0.0.1:0", |stream, _| answer(stream, "301 Moved", ""));
    assert!(reason_of(&format!("http://{moved}/"), &[]).contains("status 301"));
    let hints = server("127.0.0.1:0", |stream, _| {
        use std::io::Write;
        let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
        answer(stream, "200 OK", "");
    });
    assert_eq!(run(&mut pydexec(["wait", "-t0", &format!("http://{hints}/")])).code, 0);
}

#[test]
fn a_server_that_never_answers_is_given_up_at_the_deadline() {
    // Connected by the kernel, and never accepted.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let ended = run(&mut pydexec(["wait", "--timeout", "200ms", &url]));
    assert_eq!(ended.code, 124);
    assert!(ended.stderr.contains(" in 0.2 s: "), "{}", ended.stderr);
}

#[test]
fn a_name_that_is_unknown_is_told_and_tried_again() {
    let ended = run(&mut pydexec(["wait", "tcp://no-such-host.invalid:1", "-t", "300ms"]));
    assert_eq!(ended.code, 124);
    assert!(ended.stderr.contains("tcp://no-such-host.invalid:1"), "{}", ended.stderr);
}

/// In a network of its own, with a name server that takes questions and answers none.
fn without_an_answer_from_dns(scratch: &Scratch, words: &[&str]) -> Command {
    let servers = scratch.file("resolv.conf", "nameserver 127.0.0.1\n");
    // The socket is inherited, and read by nobody.
    let server = "import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 53))
s.set_inheritable(True)
os.execv(sys.argv[1], sys.argv[1:])";
    let script = "ip link set lo up && mount --bind \"$1\" /etc/resolv.conf && shift \
                  && exec python3 -c \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", script])
        .arg(server)
        .arg(servers)
        .arg(binary())
        .args(words)
        .stdin(Stdio::null());
    command
}

#[test]
fn a_name_server_that_never_answers_stretches_no_timeout() {
    let scratch = Scratch::new();
    let words = ["wait", "-t", "300ms", "silent.example:80", "file:///", "file:///nonexistent"];
    let began = Instant::now();
    let ended = run(&mut without_an_answer_from_dns(&scratch, &words));
    // A resolver asks again after 5 s.
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(ended.code, 124, "{}", ended.stderr);
    let first =
        "no answer from tcp://silent.example:80 in 0.3 s: the first try has not come to an end";
    assert!(ended.stderr.contains(first), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("file:///nonexistent in 0.3 s: no such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_signal_is_answered_while_a_name_is_being_looked_up() {
    let scratch = Scratch::new();
    let began = Instant::now();
    let child = start(&mut without_an_answer_from_dns(
        &scratch,
        &["--wait", "silent.example:80", "--", "echo"],
    ));
    let waiting = until("the wait runs", || {
        let name = fs::read_to_string(format!("/proc/{}/comm", child.id())).ok()?;
        children(child.id()).first().copied().filter(|_| name.trim() == "pydexec")
    });
    until("it looks the name up", || {
        (fs::read_dir(format!("/proc/{waiting}/task")).ok()?.count() > 1).then_some(())
    });
    kill(&child, libc::SIGTERM);
    assert_eq!(finish(child).code, 143);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn passwords_are_in_no_message() {
    for (target, code) in [
        ("http://user:hunter2@127.0.0.1:1/?token=hunter2", 124),
        ("http://user:hunter2@127.0.0.1:99999/", 2),
        ("postgres://user:hunter2@db:5432/app", 2),
        ("user:hunter2@db:5432", 2),
    ] {
        let ended = run(&mut pydexec(["wait", "-v", "-t", "0", target, "--header=A: hunter2"]));
        assert_eq!(ended.code, code, "{target}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn what_is_wrong_in_itself_is_code_2_at_once_and_nothing_runs() {
    for words in [
        &["wait"][..],
        &["wait", "db"],
        &["wait", "db:0"],
        &["wait", "db:65536"],
        &["wait", ":80"],
        &["wait", ""],
        &["wait", "a b:80"],
        &["wait", "bücher.example:80"],
        &["wait", "::1:80"],
        &["wait", "https://db/"],
        &["wait", "file://ready"],
        &["wait", "file:///", "--timeout", "soon"],
        &["wait", "file:///", "--timeout=-1"],
        &["wait", "file:///", "--period", "1e9"],
        &["wait", "file:///", "--status", "200"],
        &["wait", "http://db/", "--status", "ok"],
        &["wait", "http://db/", "--header", "no colon"],
        &["wait", "file:///", "--bogus"],
        &["--wait", "db"],
        &["--wait-timeout", "soon"],
    ] {
        let ended = run(&mut pydexec(words.iter().chain(&["--", "echo", "started"])));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{words:?}: {}", ended.stderr);
        assert!((1..=2).contains(&ended.stderr.lines().count()), "{words:?}: {}", ended.stderr);
    }
    let ended = run(&mut pydexec(["wait", "db", "web:99999", "--", "echo"]));
    assert!(ended.stderr.contains("\"db\"") && ended.stderr.contains("\"web:99999\""));
}

#[test]
fn the_entrypoint_waits_too_by_option_and_by_variable() {
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = there.local_addr().unwrap().to_string();
    let ended =
        run(&mut pydexec(["--wait", &there, "--wait", "file:///", "--", "echo", "started"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "started\n"), "{}", ended.stderr);
    let ended = run(pydexec(["--", "sh", "-c", "echo started $PYDEXEC_WAIT"])
        .env("PYDEXEC_WAIT", format!("{there} file:///nonexistent/a"))
        .env("PYDEXEC_WAIT_TIMEOUT", "0"));
    assert_eq!((ended.code, ended.stdout.as_str()), (124, ""));
    assert!(ended.stderr.contains("file:///nonexistent/a") && !ended.stderr.contains(&there));
}

#[test]
fn an_exec_comes_after_the_wait() {
    let script = "echo $PPID; exec \"$0\" --exec --wait file:/// -- sh -c 'echo $PPID'";
    let ended = run(Command::new("sh").args(["-c", script]).arg(binary()));
    let parents: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((ended.code, parents.len()), (0, 2), "{}", ended.stderr);
    assert_eq!(parents[0], parents[1]);
}

#[test]
fn a_signal_ends_the_wait_at_once_and_the_command_never_starts() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        let mut command =
            pydexec(["--wait", "no-such-host.invalid:1", "--wait", "file:///nonexistent"]);
        let child = start(command.args(["--", "echo", "started"]));
        until("the wait runs", || children(child.id()).first().copied());
        // Not what ends anything: for the command, if it were there.
        kill(&child, libc::SIGUSR1);
        kill(&child, signal);
        let ended = finish(child);
        let want = Run { code: 128 + signal, stdout: String::new(), stderr: String::new() };
        assert_eq!(ended, want);
    }
}

#[test]
fn nothing_of_the_wait_is_left_when_pydexec_is_killed() {
    let child = start(&mut pydexec(["wait", "file:///nonexistent", "-t", "1h"]));
    let waiting = until("the wait runs", || children(child.id()).first().copied());
    // Once it has asked to be told: it has started its thread by then.
    until("it waits", || {
        (fs::read_dir(format!("/proc/{waiting}/task")).ok()?.count() > 1).then_some(())
    });
    kill(&child, libc::SIGKILL);
    assert_eq!(finish(child).code, 137);
    until("it is gone", || match fs::read_to_string(format!("/proc/{waiting}/stat")) {
        Err(_) => Some(()),
        // A zombie until whoever adopted it has looked.
        Ok(stat) => stat.contains(") Z ").then_some(()),
    });
}

#[test]
fn pid_1_reaps_while_it_waits_for_a_name_and_answers_signals() {
    let scratch = Scratch::new();
    let file = format!("file://{}", scratch.join("ready").display());
    // The orphan is there before pydexec is, and becomes a zombie that only PID 1 can reap.
    let script = format!(
        "(sh -c 'echo orphan >&2; exec sleep 0' &) ; exec {} --wait no-such-host.invalid:1 --wait {file} -- echo",
        binary().display()
    );
    let child = start(Command::new("unshare").args([
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        &script,
    ]));
    let init = until("PID 1 runs", || {
        let init = children(child.id()).first().copied()?;
        let name = fs::read_to_string(format!("/proc/{init}/comm")).ok()?;
        (name.trim() == "pydexec").then_some(init)
    });
    until("the orphan is reaped and the wait is left alone", || match children(init).as_slice() {
        [only] => {
            let name = fs::read_to_string(format!("/proc/{only}/comm")).ok()?;
            (name.trim() == "pydexec").then_some(())
        }
        _ => None,
    });
    unsafe { libc::kill(init as i32, libc::SIGTERM) };
    assert_eq!(finish(child).code, 143);
}

#[test]
fn wait_for_port_is_silent_when_all_is_well() {
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::1]:0").unwrap();
    let [four, six] = [&four, &six].map(|listener| listener.local_addr().unwrap().to_string());
    let ended = wait_for_port(&[&four, &six, "-t", "5", "--period", "0.1"]);
    assert_eq!(ended, Run { code: 0, stdout: String::new(), stderr: String::new() });
}

#[test]
fn wait_for_port_is_10_after_the_timeout_in_the_originals_words() {
    let port = Closed::new();
    let ended = wait_for_port(&[&port.address(), "-t", "0.2", "--period=0.01"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (10, ""));
    assert_eq!(ended.stderr, "CRITICAL:root:Service awaiting timeout\n");
    let ended = wait_for_port(&["no-such-host.invalid:80", "-t0"]);
    assert_eq!(ended.code, 10);
    assert_eq!(
        ended.stderr,
        "ERROR:root:Can't connect to no-such-host.invalid:80 — [Errno -2] Name or service not known\n\
         CRITICAL:root:Service awaiting timeout\n"
    );
}

#[test]
fn wait_for_port_refuses_wrong_usage_with_2() {
    let ended = wait_for_port(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.starts_with("usage: wait-for-port "), "{}", ended.stderr);
    for (address, said) in [("db", "no port"), ("db:65536", "65535"), ("::1:80", "brackets")] {
        let ended = wait_for_port(&[address]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{address}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    let ended = wait_for_port(&["--help"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.contains("--period"));
}

#[test]
fn a_connection_to_ourselves_is_no_answer() {
    // With one port for clients, the kernel connects us to us at the first try.
    let script = "ip link set lo up && echo '40000 40000' >/proc/sys/net/ipv4/ip_local_port_range \
                  && exec \"$0\" wait -t 0 127.0.0.1:40000";
    let ended = run(Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", script])
        .arg(binary())
        .stderr(Stdio::piped()));
    assert_eq!(ended.code, 124, "{}", ended.stderr);
    assert!(ended.stderr.contains("connection refused"), "{}", ended.stderr);
}
