//! What the tests of the boot's steps share: the binary run to its end within a deadline, a
//! directory of one's own, and servers that do as they are told.

#![allow(dead_code)] // Each file of tests uses another part of it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// After so long a test has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub fn binary() -> PathBuf {
    std::env::var_os("PYDEXEC_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_pydexec").into()).into()
}

/// Where any user can execute it. By another process: a child that another test starts just then would
/// hold the file open for writing, and nobody could execute it (ETXTBSY).
pub fn copy_of_binary(to: &Path) {
    assert!(Command::new("cp").arg(binary()).arg(to).status().unwrap().success());
}

pub fn pydexec<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(words).stdin(Stdio::null());
    command
}

/// How a run ended: the exit code, or 128 + N as a shell has it, and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Run {
    finish(start(command))
}

pub fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn finish(mut child: Child) -> Run {
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            pipe.unwrap().read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let pid = child.id() as i32;
    let (done, watched) = std::sync::mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if watched.recv_timeout(DEADLINE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    });
    let status = child.wait().unwrap();
    drop(done);
    watchdog.join().unwrap();
    Run {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap()),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// Sends a signal to a process that was started here and has not been waited for.
pub fn kill(child: &Child, signal: i32) {
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Looks until it is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

pub fn is_root() -> bool {
    unsafe { libc::geteuid() == 0 }
}

/// Says why a test does not run here, which under CI is a failure.
pub fn skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    let _ = io::stderr().write_all(format!("a test did not run: {why}\n").as_bytes());
}

/// A directory that goes with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pydexec-steps-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of all that is in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that gives each connection to `serve`, with the lines of the request's head.
pub fn server(
    address: &str,
    mut serve: impl FnMut(&mut TcpStream, &[String]) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                match reader.read_line(&mut line) {
                    Ok(count) if count > 2 => head.push(line.trim_end().to_owned()),
                    _ => break,
                }
            }
            serve(&mut stream, &head);
        }
    });
    address
}

pub fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
}

/// A port of this machine on which nobody listens, kept from others by being bound.
pub struct Closed {
    _socket: std::os::fd::OwnedFd,
    pub port: u16,
}

impl Closed {
    pub fn new() -> Self {
        use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
        unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            assert!(fd >= 0);
            let socket = OwnedFd::from_raw_fd(fd);
            let mut address: libc::sockaddr_in = std::mem::zeroed();
            address.sin_family = libc::AF_INET as _;
            address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
            let mut length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            let pointer = (&raw mut address).cast();
            assert_eq!(libc::bind(socket.as_raw_fd(), pointer, length), 0);
            assert_eq!(libc::getsockname(socket.as_raw_fd(), pointer, &mut length), 0);
            Self { port: u16::from_be(address.sin_port), _socket: socket }
        }
    }

    /// Listens from now on.
    pub fn listen(&self) {
        use std::os::fd::AsRawFd;
        assert_eq!(unsafe { libc::listen(self._socket.as_raw_fd(), 5) }, 0);
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
