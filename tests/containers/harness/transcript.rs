//! What a container says, line by line, as it comes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use super::DEADLINE;

/// An attached client, and all that it has printed so far.
pub struct Transcript {
    client: Child,
    coming: Receiver<Line>,
    lines: Vec<Line>,
    /// How many of them have been waited for.
    seen: usize,
}

struct Line {
    stream: Stream,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Transcript {
    pub fn of(client: &mut Command) -> Self {
        let mut client = client.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, coming) = channel();
        follow(client.stdout.take().unwrap(), Stream::Stdout, sender.clone());
        follow(client.stderr.take().unwrap(), Stream::Stderr, sender);
        Self { client, coming, lines: Vec::new(), seen: 0 }
    }

    /// Waits for a line that `wanted` holds for, of those not waited for yet, and returns it.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            while let Some(line) = self.lines.get(self.seen) {
                self.seen += 1;
                if wanted(&line.text) {
                    return line.text.clone();
                }
            }
            match self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.lines.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("no line within {DEADLINE:?}: {what}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without a line: {what}"),
            }
        }
    }

    /// Waits until nothing more comes, and the client has ended.
    pub fn wait_for_end(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.lines.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("it has not ended within {DEADLINE:?}"),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.client.wait().unwrap();
    }

    /// What came on one of its streams.
    pub fn said_on(&self, stream: Stream) -> Vec<String> {
        let of = |line: &&Line| line.stream == stream;
        self.lines.iter().filter(of).map(|line| line.text.clone()).collect()
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
        self.lines.extend(self.coming.try_iter());
        if thread::panicking() {
            eprintln!("what the container said:");
            self.lines.iter().for_each(|line| eprintln!("  | {}", line.text));
        }
    }
}

fn follow(from: impl Read + Send + 'static, stream: Stream, to: Sender<Line>) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if to.send(Line { stream, text }).is_err() {
                return;
            }
        }
    });
}
