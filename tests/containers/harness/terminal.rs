//! A terminal with a docker client on it, and the person before it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use nix::pty::{Winsize, openpty};
use nix::unistd::ttyname;

use super::DEADLINE;

/// What a person types goes in, what the screen shows comes out.
pub struct Terminal {
    keyboard: File,
    device: PathBuf,
    screen: Receiver<String>,
    text: String,
    /// Up to where the text has been waited for.
    seen: usize,
    client: Child,
}

impl Terminal {
    /// A terminal of 80 columns and 24 rows, with this command as the leader of its session.
    pub fn of(command: &Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let device = ttyname(&pty.slave).unwrap();
        let stream = |slave: &std::os::fd::OwnedFd| Stdio::from(slave.try_clone().unwrap());
        let client = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(stream(&pty.slave))
            .stdout(stream(&pty.slave))
            .stderr(stream(&pty.slave))
            .spawn()
            .unwrap();
        drop(pty.slave);
        let keyboard = File::from(pty.master);
        let mut master = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The kernel ends it by EIO when nobody has the other side any more.
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
                if sender.send(text.into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, device, screen, text: String::new(), seen: 0, client }
    }

    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen has shown this, after what was waited for before.
    pub fn wait_for(&mut self, wanted: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.text.get(self.seen..).and_then(|rest| rest.find(wanted)) {
                self.seen += at + wanted.len();
                return;
            }
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(text) => self.text.push_str(&text),
                Err(RecvTimeoutError::Timeout) => panic!("not within {DEADLINE:?}: {wanted}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without: {wanted}"),
            }
        }
    }

    /// Whether the screen has shown this by now.
    pub fn has_shown(&mut self, text: &str) -> bool {
        self.text.extend(self.screen.try_iter());
        self.text.contains(text)
    }

    /// Makes the window another size, as by dragging its corner.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = ["cols", &columns.to_string(), "rows", &rows.to_string()].map(str::to_owned);
        let mut stty = Command::new("stty");
        let status = stty.arg("--file").arg(&self.device).args(size).status().unwrap();
        assert!(status.success(), "stty: {status}");
    }

    /// Waits for the end of the client, and returns all that the screen has shown.
    pub fn wait_for_end(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(text) => self.text.push_str(&text),
                Err(RecvTimeoutError::Timeout) => panic!("it has not ended within {DEADLINE:?}"),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.client.wait().unwrap();
        self.text.clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
        self.text.extend(self.screen.try_iter());
        if thread::panicking() {
            eprintln!("what the screen showed:\n{}", self.text);
        }
    }
}
