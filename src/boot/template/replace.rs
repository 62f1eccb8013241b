//! A file that takes the place of another in one step.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{self, OFlag, OpenHow, ResolveFlag};

use super::super::own::Owner;
use super::error::{TemplateError, Unfit};
use crate::command::launch::Blocked;
use crate::sys::ids;

/// The permissions of a new file.
const MODE: u32 = 0o644;

/// What a template has become, and where it is to be written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub dest: PathBuf,
    pub content: Vec<u8>,
    pub mode: Option<u32>,
    pub owner: Option<Owner>,
    pub parents: bool,
}

impl std::fmt::Debug for Rendered {
    /// Without the content, which has secrets in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { dest, mode, owner, .. } = self;
        f.debug_struct("Rendered")
            .field("dest", dest)
            .field("mode", mode)
            .field("owner", owner)
            .finish()
    }
}

impl Rendered {
    /// Whether it is written at once: a little, to the root file system and not through it to another one,
    /// which may be that of a machine or a process that does not answer. PID 1 has signals to heed.
    ///
    /// The root is where this program and the command come from; nothing else is touched to find that
    /// out. A kernel before 5.6, which cannot say, has it written by a child.
    pub fn is_quick(&self) -> bool {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_XDEV);
        self.content.len() <= 1 << 16
            && !self.parents
            && self.dest.is_absolute()
            && matches!(
                fcntl::openat2(fcntl::AT_FDCWD, &self.dest, how),
                Ok(_) | Err(Errno::ENOENT)
            )
    }

    /// Writes it beside its destination and renames it, so that no reader ever sees half of it.
    /// A file that is like it already, with content, mode and owner, is left alone. A symbolic link
    /// is replaced, and what it leads to stays as it is.
    ///
    /// Without fsync(2): after a crash of the machine the container starts anew, and so does this.
    pub fn write(&self) -> Result<(), TemplateError> {
        let unfit = |why| TemplateError::Destination { dest: self.dest.clone(), why };
        if self.dest.file_name().is_none() {
            return Err(unfit(Unfit::NoName));
        }
        let present = match fs::symlink_metadata(&self.dest) {
            Ok(metadata) if metadata.is_dir() => return Err(unfit(Unfit::Directory)),
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Ok(metadata) if metadata.is_symlink() => None,
            Ok(_) => return Err(unfit(Unfit::Special)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(self.failed("looking at it")(source)),
        };
        if present.as_ref().is_some_and(|present| self.is_like(present)) {
            return Ok(());
        }
        let parent = match self.dest.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if self.parents {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)
                .map_err(self.failed("making its directory"))?;
        }
        // A signal that ends us waits until there is no temporary file.
        let _blocked = Blocked::all();
        let (path, file) = temporary(parent).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => unfit(Unfit::NoParent),
            _ => self.failed("making a temporary file beside it")(source),
        })?;
        let result = self.fill(file, present.as_ref()).and_then(|()| {
            fs::rename(&path, &self.dest).map_err(self.failed("renaming a temporary file"))
        });
        if result.is_err() {
            let _ = fs::remove_file(&path);
        }
        result
    }

    fn failed(&self, what: &'static str) -> impl Fn(io::Error) -> TemplateError + '_ {
        move |source| TemplateError::Write { dest: self.dest.clone(), what, source }
    }

    /// Owner before mode: a change of the owner clears the setuid bit (chown(2)).
    fn fill(&self, mut file: File, present: Option<&Metadata>) -> Result<(), TemplateError> {
        file.write_all(&self.content).map_err(self.failed("writing a temporary file"))?;
        let made = file.metadata().map_err(self.failed("looking at a temporary file"))?;
        let change = |owner: Owner| match owner == of(&made) {
            true => Ok(()),
            false => fchown(&file, Some(owner.uid), Some(owner.gid)),
        };
        match (self.owner, present) {
            (Some(owner), _) => change(owner).map_err(self.failed("changing its owner"))?,
            // Nobody asked for it: who may not, need not.
            (None, Some(present)) => drop(change(of(present))),
            (None, None) => {}
        }
        let mode = self.mode.or(present.map(|present| present.mode() & 0o7777)).unwrap_or(MODE);
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(self.failed("changing its permissions"))
    }

    fn is_like(&self, present: &Metadata) -> bool {
        let mode = self.mode.is_none_or(|mode| mode == present.mode() & 0o7777);
        let owner = self.owner.is_none_or(|owner| owner == of(present));
        mode && owner && present.len() == self.content.len() as u64 && self.is_content()
    }

    fn is_content(&self) -> bool {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&self.dest) else {
            return false;
        };
        let mut content = Vec::new();
        let most = self.content.len() as u64 + 1;
        file.take(most).read_to_end(&mut content).is_ok() && content == self.content
    }
}

fn of(metadata: &Metadata) -> Owner {
    Owner { uid: metadata.uid(), gid: metadata.gid() }
}

/// A new file for nobody else's eyes, by a name that no other process takes.
fn temporary(directory: &Path) -> io::Result<(PathBuf, File)> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut number = now.as_nanos();
    loop {
        let path = directory.join(format!(".pydexec-{}-{number:x}", ids::pid()));
        // Neither a file that is there nor a link is ever opened (O_EXCL).
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    #[test]
    fn only_a_little_on_the_root_file_system_is_written_without_a_child() {
        let rendered = |dest: &str, length| Rendered {
            dest: dest.into(),
            content: vec![b'x'; length],
            mode: None,
            owner: None,
            parents: false,
        };
        assert!(rendered("/nothing-of-this-name", 1 << 16).is_quick());
        assert!(!rendered("/nothing-of-this-name", (1 << 16) + 1).is_quick());
        assert!(!Rendered { parents: true, ..rendered("/nothing-of-this-name", 1) }.is_quick());
        // Through a mount, and from a directory that may lie behind one.
        assert!(!rendered("/proc/self/comm", 1).is_quick());
        assert!(!rendered("/proc", 1).is_quick());
        assert!(!rendered("nothing-of-this-name", 1).is_quick());
    }

    #[test]
    fn the_mode_and_the_directories_above_are_as_asked_for() {
        let directory = env::temp_dir().join(format!("pydexec-replace-{}", ids::pid()));
        let mut rendered = Rendered {
            dest: directory.join("a/b"),
            content: b"x".to_vec(),
            mode: Some(0o4750),
            owner: None,
            parents: false,
        };
        let refused = rendered.write().unwrap_err();
        assert!(matches!(refused, TemplateError::Destination { why: Unfit::NoParent, .. }));
        rendered.parents = true;
        rendered.write().unwrap();
        let metadata = fs::metadata(&rendered.dest).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o4750);
        // Another mode is a difference, none is not.
        rendered.mode = None;
        rendered.write().unwrap();
        assert_eq!(fs::metadata(&rendered.dest).unwrap().ino(), metadata.ino());
        rendered.mode = Some(0o600);
        rendered.write().unwrap();
        assert_eq!(fs::metadata(&rendered.dest).unwrap().mode() & 0o7777, 0o600);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_to_be_written_is_in_no_debug_text() {
        let rendered = Rendered {
            dest: "/a".into(),
            content: b"hunter2".to_vec(),
            mode: None,
            owner: None,
            parents: false,
        };
        assert!(!format!("{rendered:?}").contains("104, 117"));
    }
}
