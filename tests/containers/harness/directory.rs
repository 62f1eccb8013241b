//! A directory on the host for a container to see, and the fifos by which the two meet.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;

use nix::sys::stat::Mode;

use super::DEADLINE;
use super::engine::unique;

/// A directory that every user can write to, and that goes when it is dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(unique());
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of one in it, as an option takes it.
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.at(name)
    }

    /// A fifo that any user may read and write.
    pub fn fifo(&self, name: &str) -> Fifo {
        let path = self.0.join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        Fifo(path)
    }
}

/// Where a process inside leaves a word for the test.
pub struct Fifo(PathBuf);

impl Fifo {
    /// Waits for a line.
    pub fn line(&self) -> String {
        // Opened for both, it opens at once, and can wait in a thread that a failure leaves behind.
        let fifo = fs::File::options().read(true).write(true).open(&self.0).unwrap();
        let (sender, line) = channel();
        thread::spawn(move || sender.send(BufReader::new(fifo).lines().next()));
        match line.recv_timeout(DEADLINE) {
            Ok(line) => line.unwrap().unwrap(),
            Err(_) => panic!("nothing in {:?} within {DEADLINE:?}", self.0),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
