//! A container: how it is made, what is asked of it, how it ends.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::DEADLINE;
use super::engine::{Engine, label, unique};
use super::terminal::Terminal;
use super::transcript::{Stream, Transcript};

/// What a container is to be made of.
pub struct Recipe<'e> {
    engine: &'e Engine,
    image: String,
    options: Vec<String>,
    command: Vec<String>,
}

impl Engine {
    /// A container of this image.
    pub fn container(&self, image: &str) -> Recipe<'_> {
        Recipe { engine: self, image: image.to_owned(), options: Vec::new(), command: Vec::new() }
    }
}

impl<'e> Recipe<'e> {
    /// With these options of `docker create`, separated by blanks.
    pub fn with(mut self, options: &str) -> Self {
        self.options.extend(options.split_whitespace().map(str::to_owned));
        self
    }

    /// Running this command instead of the image's.
    pub fn running<const N: usize>(mut self, command: [&str; N]) -> Self {
        self.command.extend(command.map(str::to_owned));
        self
    }

    pub fn create(self) -> Container<'e> {
        let Self { engine, image, options, command } = self;
        let name = unique();
        let label = label();
        let fixed = ["create", "--name", &name, "--label", &label].map(str::to_owned);
        engine.docker(fixed.into_iter().chain(options).chain([image]).chain(command));
        Container { engine, name, transcript: None }
    }

    pub fn start(self) -> Container<'e> {
        let mut container = self.create();
        container.start();
        container
    }

    /// Starts it on a terminal of the test's own.
    pub fn start_on_terminal(self) -> (Container<'e>, Terminal) {
        let container = self.with("--interactive --tty").create();
        let client =
            container.engine.client(["start", "--attach", "--interactive", &container.name]);
        let terminal = Terminal::of(&client);
        (container, terminal)
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        self.start().wait()
    }
}

/// A container that goes when it is dropped.
pub struct Container<'e> {
    engine: &'e Engine,
    name: String,
    transcript: Option<Transcript>,
}

/// How a container ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
    /// From the request that it end to its end.
    pub took: Duration,
}

/// A line of the process table, read from /proc inside.
#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub state: String,
    pub uid: u32,
    pub command: String,
}

impl<'e> Container<'e> {
    pub fn start(&mut self) {
        let mut client = self.engine.client(["start", "--attach", &self.name]);
        self.transcript = Some(Transcript::of(&mut client));
    }

    fn transcript(&mut self) -> &mut Transcript {
        self.transcript.as_mut().expect("a container that was started")
    }

    /// Waits for a line with this text in it, of those not waited for yet, and returns it.
    pub fn wait_for(&mut self, text: &str) -> String {
        self.transcript().wait_for(text, |line| line.contains(text))
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Ended {
        let began = Instant::now();
        self.transcript().wait_for_end();
        let took = began.elapsed();
        let code = self.exit_code();
        let transcript = self.transcript();
        let [stdout, stderr] = [Stream::Stdout, Stream::Stderr].map(|of| transcript.said_on(of));
        Ended { code, stdout, stderr, took }
    }

    /// The code that the engine has for its end.
    pub fn exit_code(&self) -> i32 {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let state = self.engine.docker(["inspect", "--format", format, &self.name]);
        let code = state.strip_prefix("exited ").unwrap_or_else(|| panic!("it is {state}"));
        code.parse().unwrap()
    }

    /// `docker stop`, and waits for its end.
    pub fn stop(&mut self) -> Ended {
        self.ask_to_stop(|_| ())
    }

    /// Fails unless a stop takes less than a second: this one, or one of the next few starts. A machine
    /// that is busy with something else slows down one of them, and not all.
    pub fn assert_stops_within_a_second(&mut self, first: &Ended, up: impl Fn(&mut Self)) {
        let mut took = vec![first.took];
        while took.iter().all(|took| *took >= Duration::from_secs(1)) {
            assert!(took.len() < 6, "the stops took {took:?}");
            self.start();
            up(self);
            took.push(self.stop().took);
        }
    }

    /// `docker stop`, and while that waits, something that lets it end.
    pub fn ask_to_stop(&mut self, meanwhile: impl FnOnce(&mut Self)) -> Ended {
        let began = Instant::now();
        let mut client =
            self.engine.client(["stop", &self.name]).stdout(Stdio::null()).spawn().unwrap();
        meanwhile(self);
        let ended = Ended { took: began.elapsed(), ..self.wait() };
        let took = began.elapsed();
        assert!(client.wait().unwrap().success(), "docker stop failed");
        Ended { took, ..ended }
    }

    /// `docker kill --signal`.
    pub fn signal(&self, signal: &str) {
        self.engine.docker(["kill", "--signal", signal, &self.name]);
    }

    /// `docker exec` of a command that succeeds; what it printed.
    pub fn exec<const N: usize>(&self, command: [&str; N]) -> String {
        self.engine.docker(["exec", &self.name].into_iter().chain(command))
    }

    /// The processes inside, but for those of `docker exec`.
    pub fn processes(&self) -> Vec<Process> {
        const TABLE: &str = r#"
import os
for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
    try:
        status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
        command = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        continue
    words = lambda key: status[key].split()
    print(pid, words("PPid")[0], words("State")[0], words("Uid")[1], *(command.split() or words("Name")))
"#;
        let table = self.exec(["python3", "-c", TABLE]);
        let process = |line: &str| {
            let mut words = line.splitn(5, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("{line:?}"));
            Process {
                pid: word().parse().unwrap(),
                parent: word().parse().unwrap(),
                state: word().to_owned(),
                uid: word().parse().unwrap(),
                command: word().trim_end().to_owned(),
            }
        };
        table.lines().map(process).filter(|one| one.pid == 1 || one.parent != 0).collect()
    }

    /// Looks at them again until this holds; each look takes a process inside.
    pub fn until_processes(&self, holds: impl Fn(&[Process]) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let table = self.processes();
            if holds(&table) {
                return;
            }
            assert!(Instant::now() < deadline, "still, after {DEADLINE:?}: {table:?}");
        }
    }

    /// The body of the page at `path` of port 8000.
    pub fn get(&self, path: &str) -> String {
        self.request("GET", path)
    }

    /// The answer's body, from a server that listens already, or will at any moment.
    pub fn request(&self, method: &str, path: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = self.engine.docker(["inspect", "--format", format, &self.name]);
        let answer = fetch(&address, method, path);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('2'), "{method} {path}: {answer}");
        body.to_owned()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.engine.ask(["rm", "--force", "--volumes", &self.name]);
    }
}

fn fetch(address: &str, method: &str, path: &str) -> String {
    let deadline = Instant::now() + DEADLINE;
    let mut stream = loop {
        match TcpStream::connect((address, 8000)) {
            Ok(stream) => break stream,
            // Some say that they listen just before they do.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                assert!(Instant::now() < deadline, "nobody listens at {address}: {error}");
                thread::yield_now();
            }
            Err(error) => panic!("cannot connect to {address}: {error}"),
        }
    };
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.0\r\n");
    write!(request, "Host: {address}\r\nContent-Length: 0\r\n\r\n").unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
