//! `pydexec health`: 0 or 1, and one line of reason.

#![cfg(feature = "checks")]

mod steps;

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant, SystemTime};

use steps::{Closed, Run, Scratch, answer, finish, kill, pydexec, run, server, start, until};

fn health(words: &[&str]) -> Run {
    run(&mut pydexec([&["health"], words].concat()))
}

fn assert_healthy(words: &[&str]) {
    let silent = Run { code: 0, stdout: String::new(), stderr: String::new() };
    assert_eq!(health(words), silent, "{words:?}");
}

/// One line, without a hint.
fn assert_unhealthy(words: &[&str], why: &str) {
    let Run { code, stdout, stderr } = health(words);
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{words:?}: {stderr}");
    assert!(stderr.contains(" is not healthy: ") && stderr.contains(why), "{stderr}");
}

#[test]
fn a_port_is_healthy_when_it_accepts() {
    let there = TcpListener::bind("[::1]:0").unwrap();
    assert_healthy(&[&there.local_addr().unwrap().to_string()]);
    assert_unhealthy(&[&Closed::new().address()], "connection refused");
}

#[test]
fn a_socket_is_healthy_when_it_accepts() {
    let scratch = Scratch::new();
    let path = scratch.join("app.sock");
    let target = format!("unix://{}", path.display());
    assert_unhealthy(&[&target], "no such file");
    let listener = UnixListener::bind(&path).unwrap();
    assert_healthy(&[&target]);
    drop(listener);
    // A child that another test is starting just now may hold a copy of it for a moment.
    until("nobody listens", || (health(&[&target]).code == 1).then_some(()));
    assert_unhealthy(&[&target], "connection refused");
}

#[test]
fn an_answer_is_healthy_with_the_status_and_the_text_that_are_wanted() {
    let address = server("127.0.0.1:0", |stream, head| match head[0].as_str() {
        "GET /healthz HTTP/1.1" => answer(stream, "200 OK", "{\"status\": \"up\"}"),
        "GET /chunked HTTP/1.1" => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = write!(stream, "{head}5\r\n{{\"sta\r\n9\r\ntus\": \"up\r\n0\r\n\r\n");
        }
        _ => answer(stream, "503 Busy", "up"),
    });
    let url = |path: &str| format!("http://{address}{path}");
    assert_healthy(&[&url("/healthz")]);
    assert_healthy(&[&url("/healthz"), "--contains", "\"up\""]);
    assert_healthy(&[&url("/chunked"), "--contains", "status\": \"up"]);
    assert_healthy(&[&url("/"), "--status", "503", "--contains", "up"]);
    assert_unhealthy(&[&url("/")], "status 503, and not 2xx");
    assert_unhealthy(&[&url("/healthz"), "--status=204,3xx"], "status 200, and not 204, 3xx");
    assert_unhealthy(&[&url("/healthz"), "--contains", "down"], "does not contain the text");
}

#[test]
fn variables_are_put_in_and_an_empty_host_is_this_machine() {
    let port = server("[::1]:0", |stream, _| answer(stream, "200 OK", "")).port().to_string();
    let with = |target: &str, value: &str| {
        run(pydexec(["health", target]).env("PORT", value).env_remove("NOT_SET"))
    };
    assert_eq!(with("http://:${PORT}/healthz", &port).code, 0);
    assert_eq!(with(&format!("http://:${{PORT:-{port}}}/"), "").code, 0);
    assert_eq!(with(&format!("tcp://:${{NOT_SET:-{port}}}"), "").code, 0);
    let unset = with("http://:${NOT_SET}/", "");
    assert_eq!(unset.code, 1);
    assert!(unset.stderr.contains("variable NOT_SET is not set"), "{}", unset.stderr);
}

#[test]
fn a_file_is_healthy_while_it_is_young() {
    let scratch = Scratch::new();
    let path = scratch.file("heartbeat", "");
    let target = format!("file://{}", path.display());
    let file = File::options().write(true).open(&path).unwrap();
    assert_healthy(&[&target]);
    assert_healthy(&[&target, "--max-age", "1h"]);
    file.set_modified(SystemTime::now() - Duration::from_secs(90)).unwrap();
    assert_healthy(&[&target]);
    assert_healthy(&[&target, "--max-age", "1h"]);
    assert_unhealthy(&[&target, "--max-age", "30s"], "it was written 90");
    file.set_modified(SystemTime::now() + Duration::from_secs(90)).unwrap();
    assert_healthy(&[&target, "--max-age", "30s"]);
    assert_unhealthy(&["file:///nonexistent/x", "--max-age", "30s"], "no such file");
}

#[test]
fn what_never_answers_is_unhealthy_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", silent.local_addr().unwrap());
    assert_unhealthy(&[&silent, "--timeout", "200ms"], "no answer in 0.2 s");
    let headers = server("127.0.0.1:0", |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert_unhealthy(&[&format!("http://{headers}/"), "-t30s"], "its answer is too long");
    let endless = server("127.0.0.1:0", |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert_unhealthy(
        &[&format!("http://{endless}/"), "--contains", "up", "-t30s"],
        "does not contain",
    );
    // One that keeps the connection open behind its answer.
    let keeps = server("127.0.0.1:0", |stream, head| {
        match head[0].as_str() {
            "GET /chunked HTTP/1.1" => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = write!(stream, "{head}2\r\nok\r\n0\r\n\r\n");
            }
            _ => answer(stream, "200 OK", "ok"),
        }
        let _ = std::io::Read::read(stream, &mut [0]);
    });
    for path in ["", "chunked"] {
        let url = format!("http://{keeps}/{path}");
        assert_unhealthy(&[&url, "--contains", "up", "-t30s"], "does not contain");
        assert_healthy(&[&url, "--contains", "ok", "-t30s"]);
    }
}

#[test]
fn a_socket_whose_queue_is_full_is_unhealthy_after_the_timeout() {
    let scratch = Scratch::new();
    let path = scratch.join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 0) }, 0);
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let began = Instant::now();
    assert_unhealthy(&[&format!("unix://{}", path.display()), "-t", "200ms"], "no answer in 0.2 s");
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_failure_is_1_and_never_2() {
    for words in [
        &[][..],
        &["--bogus"],
        &["db"],
        &["db:65536"],
        &["https://db/"],
        &["tcp://:1", "tcp://:2"],
        &["tcp://:1", "--contains", "x"],
        &["tcp://:1", "--timeout", "soon"],
        &["tcp://:${"],
        &["http://u:hunter2@:99999/"],
    ] {
        let ended = health(words);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{words:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty() && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn a_signal_ends_it_as_any_other_tool() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let child = start(&mut pydexec(["health", &url, "--timeout", "1h"]));
    silent.accept().unwrap();
    // It has unblocked its signals before it connected.
    kill(&child, libc::SIGTERM);
    assert_eq!(finish(child).code, 143);
}
