//! What the tests are written in: a sentence that starts pydexec somewhere, and what can be seen
//! and done while it runs.
//!
//! ```text
//! let mut run = pydexec(["-g"]).probe(["signals"]).as_pid1().start();
//! run.says("ready");
//! run.signal(libc::SIGTERM);
//! run.says("signal 15");
//! assert_eq!(run.end(), Exit::Code(0));
//! ```
//!
//! Each run has a PID namespace of its own, which goes, with all that is in it, when the run is
//! dropped. A deadline bounds every wait; it is never what a test waits for.

// Each file of tests uses another part of it.
#![allow(dead_code, unused_imports)]
// `pydexec(…).as_pid1()` reads as it is meant.
#![allow(clippy::wrong_self_convention)]

pub mod kernel;
pub mod system;

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use kernel::{Ids, Mount, MountKind, Recipe, Started};
pub use system::{Process, Scratch};

/// After so long a test has failed. Nothing takes a tenth of it, even on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What a test needs of the machine and of the user who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// PID and mount namespaces, by root's power or in a user namespace.
    Namespaces,
    /// The power to become any user and to mount anything.
    Root,
    /// A static binary and a static probe, as `make test` has them.
    Static,
}

/// Whether the machine has what a test needs. If not, says why; under CI that is a failure.
///
/// ```text
/// if !able(Need::Root) { return; }
/// ```
pub fn able(need: Need) -> bool {
    let missing = match need {
        Need::Namespaces => system::no_namespaces(),
        Need::Root if !kernel::is_root() => Some("only root can do what this test does".to_owned()),
        Need::Root => system::no_namespaces(),
        Need::Static if std::env::var_os("PYDEXEC_BIN").is_none() => {
            Some("PYDEXEC_BIN names no static binary: run it by `make test`".to_owned())
        }
        Need::Static => None,
    };
    missing.is_none_or(|why| skip(&why))
}

/// Says why the test that calls this does not run here. Always false.
pub fn skip(why: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test} cannot run: {why}");
    // Not by eprintln, which is not shown when a test passes.
    let _ = std::io::stderr().write_all(format!("{test} did not run: {why}\n").as_bytes());
    false
}

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("PYDEXEC_BIN").map_or_else(built, PathBuf::from)
}

#[cfg(feature = "init")]
fn built() -> PathBuf {
    env!("CARGO_BIN_EXE_pydexec").into()
}

#[cfg(not(feature = "init"))]
fn built() -> PathBuf {
    panic!("the library alone has no binary to test: --features init")
}

/// The program that tests run as the child.
pub fn probe() -> PathBuf {
    std::env::var_os("PYDEXEC_PROBE").map_or_else(|| example("probe"), PathBuf::from)
}

/// An example of this package that Cargo has built beside the tests.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the test has a file");
    let file = tests.ancestors().nth(2).expect("deps/ has a parent").join("examples").join(name);
    assert!(file.exists(), "{file:?} is not there: cargo build --example {name}");
    file
}

/// `pydexec OPTIONS…`, as a child of nobody; a command follows.
pub fn pydexec<S: AsRef<OsStr>>(options: impl IntoIterator<Item = S>) -> Scene {
    Scene::new(binary(), options)
}

/// Any other program in the same place, with which to compare or from which to start pydexec.
pub fn program<S: AsRef<OsStr>>(file: impl AsRef<Path>, arguments: &[S]) -> Scene {
    Scene::new(file.as_ref().to_owned(), arguments)
}

/// What is to be started, and where.
pub struct Scene {
    file: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    standard: [Standard; 3],
    terminal: bool,
    further: Vec<(RawFd, OwnedFd)>,
    pid1: bool,
    mapped_user: Option<u32>,
    mounts: Vec<Mount>,
    root: Option<PathBuf>,
    directory: PathBuf,
    user: Option<Ids>,
    dropped: Vec<i32>,
    ambient: Vec<i32>,
    mask: u64,
    ignored: u64,
    pending: Vec<i32>,
    traced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standard {
    Pipe,
    Closed,
    /// A pipe that nobody reads.
    Unread,
}

impl Scene {
    fn new<S: AsRef<OsStr>>(file: PathBuf, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let path = ("PATH", "/usr/local/bin:/usr/bin:/bin");
        Self {
            file,
            arguments,
            environment: BTreeMap::from(
                [path].map(|(name, value): (&str, &str)| (name.into(), value.into())),
            ),
            standard: [Standard::Pipe; 3],
            terminal: false,
            further: Vec::new(),
            pid1: false,
            mapped_user: None,
            mounts: Vec::new(),
            root: None,
            directory: "/".into(),
            user: None,
            dropped: Vec::new(),
            ambient: Vec::new(),
            mask: 0,
            ignored: 0,
            pending: Vec::new(),
            traced: false,
        }
    }

    /// `-- WORDS…`
    pub fn command<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.arguments.push("--".into());
        self.arguments.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// `-- PROBE WORDS…`
    pub fn probe<S: AsRef<OsStr>>(self, words: impl IntoIterator<Item = S>) -> Self {
        let words = words.into_iter().map(|word| word.as_ref().to_owned());
        let command: Vec<OsString> = [probe().into()].into_iter().chain(words).collect();
        self.command(command)
    }

    /// PID 1 of its namespace, and not one that has another init.
    pub fn as_pid1(mut self) -> Self {
        self.pid1 = true;
        self
    }

    /// In a session of its own, with a terminal for stdin, stdout and stderr.
    pub fn on_a_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Without these of the descriptors 0 to 2.
    pub fn without(mut self, closed: &[usize]) -> Self {
        for fd in closed {
            self.standard[*fd] = Standard::Closed;
        }
        self
    }

    /// With a stderr whose reader has gone.
    pub fn with_stderr_unread(mut self) -> Self {
        self.standard[2] = Standard::Unread;
        self
    }

    /// With one more descriptor.
    pub fn with_descriptor(mut self, number: RawFd, fd: OwnedFd) -> Self {
        self.further.push((number, fd));
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Started in this directory; `/` otherwise.
    pub fn in_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = directory.as_ref().to_owned();
        self
    }

    /// With this directory as its root.
    pub fn in_root(mut self, root: impl AsRef<Path>) -> Self {
        self.root = Some(root.as_ref().to_owned());
        self
    }

    /// With `source` in place of `target`.
    pub fn with_mount(self, source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        self.mount(MountKind::Bind, source.as_ref(), target.as_ref())
    }

    /// With nothing that can be written to below `target`.
    pub fn with_read_only(self, target: impl AsRef<Path>) -> Self {
        self.mount(MountKind::ReadOnly, target.as_ref(), target.as_ref())
    }

    /// With an empty file system at `target`.
    pub fn with_tmpfs(self, target: impl AsRef<Path>) -> Self {
        self.mount(MountKind::Tmpfs, target.as_ref(), target.as_ref())
    }

    fn mount(mut self, kind: MountKind, source: &Path, target: &Path) -> Self {
        self.mounts.push(Mount { source: c_string(source), target: c_string(target), kind });
        self
    }

    /// Started as this user, and not as the one who runs the test.
    pub fn as_user(mut self, uid: u32, gid: u32, groups: &[u32]) -> Self {
        self.user = Some(Ids { uid, gid, groups: groups.to_vec() });
        self
    }

    /// Started as root of a user namespace that this user of the host has made.
    pub fn as_root_of_user(mut self, uid: u32) -> Self {
        self.mapped_user = Some(uid);
        self
    }

    /// Without this capability, for good.
    pub fn without_capability(mut self, capability: i32) -> Self {
        self.dropped.push(capability);
        self
    }

    /// With these capabilities, though not root: ambient ones.
    pub fn with_ambient(mut self, capabilities: &[i32]) -> Self {
        self.ambient = capabilities.to_vec();
        self
    }

    /// Started with these signals blocked.
    pub fn blocking(mut self, signals: &[i32]) -> Self {
        self.mask = set(signals);
        self
    }

    /// Started with every signal blocked: what is sent to it is kept, however early.
    pub fn blocking_all(mut self) -> Self {
        self.mask = kernel::EVERY;
        self
    }

    /// Started with every signal blocked, and with this one sent already.
    pub fn with_pending(mut self, signal: i32) -> Self {
        self.pending.push(signal);
        self.blocking_all()
    }

    /// Started with these signals ignored.
    pub fn ignoring(mut self, signals: &[i32]) -> Self {
        self.ignored = set(signals);
        self
    }

    /// Stopped after its execve, for the test to follow its system calls.
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Starts it. It runs the program when this returns, and has perhaps done nothing yet.
    #[track_caller]
    pub fn start(self) -> Running {
        match self.try_start() {
            Ok(running) => running,
            Err(error) => panic!("cannot start the scene: {error}"),
        }
    }

    /// Starts it, waits for its end, and returns all that there is.
    #[track_caller]
    pub fn output(self) -> Output {
        let mut run = self.start();
        run.close_input();
        let (stdout, stderr) = (run.rest(), run.stderr());
        Output { exit: run.end(), stdout, stderr }
    }

    pub fn try_start(self) -> std::io::Result<Running> {
        let mut descriptors = self.further;
        let (mut input, mut output, mut errors) = (None, None, None);
        let open = |fd: usize| self.standard[fd] != Standard::Closed;
        let mut terminal = None;
        if self.terminal {
            let (person, side) = kernel::terminal()?;
            for fd in (0..3).filter(|fd| open(*fd)) {
                descriptors.push((fd as RawFd, side.try_clone()?));
                terminal = terminal.or(Some(fd as RawFd));
            }
            output = Some(File::from(person.try_clone()?));
            input = Some(File::from(person));
        } else {
            if open(0) {
                let (reader, writer) = kernel::pipe()?;
                descriptors.push((0, reader));
                input = Some(writer.into());
            }
            for (fd, ours) in [(1, &mut output), (2, &mut errors)] {
                if open(fd) {
                    let (reader, writer) = kernel::pipe()?;
                    descriptors.push((fd as RawFd, writer));
                    *ours = (self.standard[fd] == Standard::Pipe).then(|| reader.into());
                }
            }
        }
        let entry = |(name, value): (&OsString, &OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).expect("no NUL in it")
        };
        let words = [self.file.as_os_str()].into_iter().chain(self.arguments.iter().map(|w| &**w));
        let recipe = Recipe {
            program: c_string(&self.file),
            arguments: words.map(c_string).collect(),
            environment: self.environment.iter().map(entry).collect(),
            pid1: self.pid1,
            mapped_user: self.mapped_user,
            mounts: self.mounts,
            root: self.root.map(c_string),
            directory: c_string(&self.directory),
            user: self.user,
            dropped: self.dropped,
            ambient: self.ambient,
            descriptors,
            terminal,
            mask: self.mask,
            ignored: self.ignored,
            pending: self.pending,
            traced: self.traced,
        };
        let forking = system::forking();
        let started = kernel::start(&recipe)?;
        drop(forking);
        let process = Process(started.pid);
        let end = kernel::pidfd(started.pid)?;
        Ok(Running {
            started,
            process,
            input,
            output,
            errors,
            end,
            exit: None,
            read: Vec::new(),
            told: String::new(),
        })
    }
}

fn c_string(text: impl AsRef<OsStr>) -> CString {
    CString::new(text.as_ref().as_bytes()).expect("no NUL in it")
}

/// The kernel's set of these signals.
pub fn set(signals: &[i32]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    pub fn of(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// What a program that has ended left.
#[derive(Debug)]
pub struct Output {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The value behind `KEY` in what `probe state` printed.
    #[track_caller]
    pub fn state(&self, key: &str) -> &str {
        let found = self.stdout.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {key:?} in {self:?}"))
    }
}

/// A started scene. Dropping it ends all of its processes.
pub struct Running {
    started: Started,
    /// The process that was started.
    pub process: Process,
    input: Option<File>,
    output: Option<File>,
    errors: Option<File>,
    end: OwnedFd,
    exit: Option<Exit>,
    read: Vec<u8>,
    /// All that was read, for the message of a failure.
    told: String,
}

impl Running {
    /// The next line of its stdout, or of its terminal; `None` when there will be no more.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                return Some(self.remember(&line[..at]));
            }
            if !self.read_more() {
                let rest = std::mem::take(&mut self.read);
                return (!rest.is_empty()).then(|| self.remember(&rest));
            }
        }
    }

    fn remember(&mut self, line: &[u8]) -> String {
        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
        self.told.push_str(&line);
        self.told.push('\n');
        line
    }

    #[track_caller]
    fn read_more(&mut self) -> bool {
        let Some(output) = &mut self.output else {
            return false;
        };
        if !kernel::readable(output.as_raw_fd(), DEADLINE.as_millis() as i32) {
            self.fail("it said nothing more");
        }
        let mut buffer = [0; 4096];
        match output.read(&mut buffer) {
            // A terminal whose programs have all gone answers with EIO.
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
        }
    }

    /// The next line, or none as soon as the process has ended and left nothing to read.
    #[track_caller]
    pub fn line_or_end(&mut self) -> Option<String> {
        let output = self.output.as_ref()?.as_raw_fd();
        if self.read.contains(&b'\n') {
            return self.line();
        }
        let ends = [output, self.end.as_raw_fd()];
        match kernel::first_readable(&ends, DEADLINE.as_millis() as i32) {
            None => self.fail("it said nothing more and did not end"),
            // What it said before it ended is there by now.
            Some(1) if !kernel::readable(output, 0) => None,
            Some(_) => self.line(),
        }
    }

    /// Takes the next line, which has to be this one.
    #[track_caller]
    pub fn says(&mut self, expected: &str) {
        match self.line() {
            Some(line) if line == expected => {}
            other => self.fail(&format!("expected {expected:?}, and it said {other:?}")),
        }
    }

    /// Takes lines up to the first that has this in it, which is returned.
    #[track_caller]
    pub fn until(&mut self, part: &str) -> String {
        loop {
            match self.line() {
                Some(line) if line.contains(part) => return line,
                Some(_) => {}
                None => self.fail(&format!("it never said {part:?}")),
            }
        }
    }

    /// Reads on until this stands there, with or without an end of the line: a prompt.
    #[track_caller]
    pub fn until_prompt(&mut self, part: &str) {
        loop {
            let found = self.read.windows(part.len()).position(|window| window == part.as_bytes());
            if let Some(at) = found {
                let text: Vec<u8> = self.read.drain(..at + part.len()).collect();
                self.remember(&text);
                return;
            }
            if !self.read_more() {
                self.fail(&format!("it never said {part:?}"));
            }
        }
    }

    /// All that is still to come of its stdout.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        while self.read_more() {}
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned();
        self.told.push_str(&rest);
        rest
    }

    /// All that is still to come of its stderr.
    #[track_caller]
    pub fn stderr(&mut self) -> String {
        let mut text = Vec::new();
        if let Some(mut errors) = self.errors.take() {
            let mut buffer = [0; 4096];
            loop {
                if !kernel::readable(errors.as_raw_fd(), DEADLINE.as_millis() as i32) {
                    self.fail("its stderr did not end");
                }
                match errors.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => text.extend_from_slice(&buffer[..count]),
                }
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Writes to its stdin, or types on its terminal.
    pub fn types(&mut self, text: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("it has a stdin");
        input.write_all(text.as_ref()).expect("its stdin takes what is written");
    }

    /// Ends its stdin; a terminal stays.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Hangs up: nobody sits at the terminal any more.
    pub fn hang_up(&mut self) {
        (self.input, self.output) = (None, None);
    }

    /// Gives its terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let terminal = self.input.as_ref().expect("it has a terminal").try_clone();
        kernel::resize(&terminal.expect("a descriptor can be doubled").into(), rows, columns);
    }

    /// Sends a signal to the process that was started.
    #[track_caller]
    pub fn signal(&self, signal: i32) {
        assert!(kernel::kill(self.process.0, signal), "cannot send signal {signal}");
    }

    /// Sends it with a value.
    #[track_caller]
    pub fn queue(&self, signal: i32, value: usize) {
        assert!(kernel::queue(self.process.0, signal, value), "cannot queue signal {signal}");
    }

    /// The only child of the process that was started: the command.
    #[track_caller]
    pub fn child(&self) -> Process {
        match self.process.children().as_slice() {
            [child] => *child,
            others => self.fail(&format!("it has the children {others:?}, not one")),
        }
    }

    /// The process of this program that has outlived the one which was started.
    #[track_caller]
    pub fn orphan(&self, file: &Path) -> Process {
        let keeper = self.started.keeper.expect("as PID 1 it would have no orphans").to_owned();
        let found = Process(keeper).children();
        let name = file.to_string_lossy();
        found.into_iter().find(|process| process.name() == name).expect("it is still there")
    }

    /// Every process of its namespace, zombies too, but for a keeper's, by its PID in there.
    pub fn table(&self) -> BTreeMap<i32, String> {
        system::table(self.process, self.started.keeper.is_some())
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn end(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        if !kernel::readable(self.end.as_raw_fd(), DEADLINE.as_millis() as i32) {
            self.fail("it did not end");
        }
        let exit = Exit::of(kernel::wait(self.started.pid, 0).expect("it is our child"));
        *self.exit.insert(exit)
    }

    /// Gives it so much time to end by itself; whether it has.
    pub fn ends_within(&self, time: Duration) -> bool {
        kernel::readable(self.end.as_raw_fd(), time.as_millis() as i32)
    }

    /// Kills it, and as PID 1 with it all that it has started; returns when they are gone.
    #[track_caller]
    pub fn kill(mut self) {
        kernel::kill(self.process.0, libc::SIGKILL);
        self.end();
    }

    /// Fails the test, with what is known.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        let mut errors = String::new();
        if let Some(file) = &self.errors {
            let mut buffer = [0; 8192];
            if kernel::readable(file.as_raw_fd(), 0) {
                let count = (&*file).read(&mut buffer).unwrap_or(0);
                errors = String::from_utf8_lossy(&buffer[..count]).into_owned();
            }
        }
        let waiting = String::from_utf8_lossy(&self.read).into_owned();
        let table = self.table();
        panic!(
            "{why}\n--- it had said:\n{}{waiting}\n--- on stderr:\n{errors}--- processes: {table:?}",
            self.told
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The init of a namespace takes all the others along.
        if let Some(keeper) = self.started.keeper {
            kernel::kill(keeper, libc::SIGKILL);
        }
        if self.exit.is_none() {
            kernel::kill(self.started.pid, libc::SIGKILL);
            let _ = kernel::wait(self.started.pid, 0);
        }
        if let Some(keeper) = self.started.keeper {
            let _ = kernel::wait(keeper, 0);
        }
    }
}

/// Waits until the kernel says so. For what has no event of its own to wait for.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "it never came about that {what}");
        std::thread::yield_now();
    }
}

/// Runs pydexec as anybody would, without a namespace: for what ends by itself.
pub fn plainly<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Plain {
    let mut command = std::process::Command::new(binary());
    command.args(words).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir("/");
    command.stdin(Stdio::null());
    Plain { command }
}

pub struct Plain {
    command: std::process::Command,
}

impl Plain {
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn in_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(mut self) -> Output {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let forking = system::forking();
        let child = self.command.spawn().expect("the binary under test can be started");
        drop(forking);
        let output = child.wait_with_output().expect("its output can be read");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = std::os::unix::process::ExitStatusExt::into_raw(output.status);
        Output { exit: Exit::of(status), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
