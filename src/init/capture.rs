//! What a step prints, kept back until it is known whether somebody wants to see it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

/// So much of the beginning is kept, and so much of the end: more than an installer has to say.
const KEPT: usize = 512 * 1024;

/// A pipe into which a child prints, and what has come out of it.
#[derive(Debug)]
pub(crate) struct Capture {
    reader: Option<File>,
    writer: OwnedFd,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Capture {
    pub fn new() -> io::Result<Self> {
        // Only our end may not block, and that is a matter of how it is opened: both have a
        // description of their own.
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let flags = OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(reader.as_fd(), nix::fcntl::FcntlArg::F_SETFL(flags))?;
        let (head, tail) = (Vec::new(), VecDeque::new());
        Ok(Self { reader: Some(reader.into()), writer, head, tail, left_out: 0 })
    }

    /// Where the child is to print.
    pub(super) fn descriptor(&self) -> RawFd {
        self.writer.as_raw_fd()
    }

    /// What becomes readable when it has printed.
    pub(super) fn reader(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(File::as_fd)
    }

    /// Takes what is there now.
    pub(super) fn read(&mut self) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let mut buffer = [0; 16 * 1024];
        // Bounded, so that a child that never stops printing does not keep us from its signals.
        for _ in 0..64 {
            match reader.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => self.keep(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
        self.reader = Some(reader);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.head.extend(head);
        self.tail.extend(tail);
        let excess = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..excess);
        self.left_out += excess;
    }

    /// All that was printed, but for the middle of very much.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.read();
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend(format!("\n[... {} bytes left out ...]\n", self.left_out).bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn captured(parts: &[&[u8]]) -> Vec<u8> {
        let mut capture = Capture::new().unwrap();
        let mut writer = File::from(capture.writer.try_clone().unwrap());
        for part in parts {
            for piece in part.chunks(4096) {
                writer.write_all(piece).unwrap();
                capture.read();
            }
        }
        capture.into_bytes()
    }

    #[test]
    fn what_was_printed_comes_back_whole() {
        assert_eq!(captured(&[]), b"");
        assert_eq!(captured(&[b"one\n", b"\xff two"]), b"one\n\xff two");
        let much = vec![b'x'; 2 * KEPT];
        assert_eq!(captured(&[&much]), much);
    }

    #[test]
    fn of_very_much_the_beginning_and_the_end_are_kept() {
        let middle = vec![b'-'; 2 * KEPT];
        let text = captured(&[b"begin", &middle, b"end"]);
        assert!(text.starts_with(b"begin-") && text.ends_with(b"-end"));
        assert!(text.len() < 2 * KEPT + 100, "{}", text.len());
        let said = b"[... 8 bytes left out ...]";
        assert!(text.windows(said.len()).any(|window| window == said));
    }
}
