//! `pydexec links DIR`: the names of the other tools, as links to this binary.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::getopt::{Long, Options, Order, Short, flag};
use super::{NAMES, print};
use crate::error::reason;
use crate::init::Start;
use crate::sys::{Args, ids};

const USAGE: &str = "pydexec links DIR [--hard] [--force]";

const HELP: &str = "
Installs these names in DIR as links to this binary, which is that tool when it is called by its
name:

  ";

const AFTER_HELP: &str = "

      --hard    Hard links [default: symbolic ones]
      --force   Replace what is there [default: nothing is done if one of the names exists]
  -h, --help    Print help
";

const SHORTS: [Short; 1] = [flag(b'h')];

const LONGS: [Long; 3] = [
    Long { name: "hard", letter: b'H', value: false },
    Long { name: "force", letter: b'f', value: false },
    Long { name: "help", letter: b'h', value: false },
];

pub(super) fn main(args: Args, _start: Start) -> Result<u8, Failure> {
    run(args).map(|()| 0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Symbolic,
    Hard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Refuse,
    Replace,
}

fn run(args: Args) -> Result<(), Failure> {
    let usage = || Some(format!("usage: {USAGE}"));
    let mut options = Options::new(args, 2, &SHORTS, &LONGS, Order::Permute);
    let (mut kind, mut existing) = (Kind::Symbolic, Existing::Refuse);
    while let Some(given) = options.next() {
        match given {
            Ok((b'H', _)) => kind = Kind::Hard,
            Ok((b'f', _)) => existing = Existing::Replace,
            Ok(_) => {
                print::out(format!("Usage: {USAGE}\n{HELP}{}{AFTER_HELP}", NAMES.join(", ")));
                return Ok(());
            }
            Err(fault) => return Err(Failure::usage(String::from_utf8_lossy(&fault), usage())),
        }
    }
    let operands = options.operands();
    let mut operands = operands.iter().map(|word| OsStr::from_bytes(word.to_bytes()));
    let (Some(directory), None) = (operands.next(), operands.next()) else {
        return Err(Failure::usage("links wants one DIR", usage()));
    };
    let links = Links::plan(Path::new(directory), kind, existing)?;
    links.make(existing)
}

/// All that is to be made, checked.
struct Links {
    directory: PathBuf,
    binary: PathBuf,
    /// What a symbolic link says; a hard link has none.
    text: Option<PathBuf>,
    names: Vec<&'static str>,
}

impl Links {
    /// Looks at every name before the first is made.
    fn plan(directory: &Path, kind: Kind, existing: Existing) -> Result<Self, Failure> {
        let binary = fs::read_link("/proc/self/exe")
            .map_err(|error| failure("cannot tell where this binary is", &error, None))?;
        let this = fs::metadata(&binary)
            .map_err(|error| failure(&format!("cannot link to {binary:?}"), &error, None))?;
        let resolved = fs::canonicalize(directory).map_err(|error| {
            let hint = format!("make it first: mkdir -p {}", directory.display());
            let hint = (error.kind() == io::ErrorKind::NotFound).then_some(hint);
            failure(&format!("cannot make links in {directory:?}"), &error, hint)
        })?;
        if !resolved.is_dir() {
            let error = io::Error::from_raw_os_error(libc::ENOTDIR);
            return Err(failure(&format!("cannot make links in {directory:?}"), &error, None));
        }
        let mut taken = Vec::new();
        let mut names = Vec::new();
        for name in NAMES {
            let file = resolved.join(name);
            let Ok(there) = fs::symlink_metadata(&file) else {
                names.push(name);
                continue;
            };
            let itself = file == binary;
            match existing {
                Existing::Refuse => taken.push(directory.join(name)),
                Existing::Replace if there.is_dir() => {
                    let what =
                        format!("cannot replace {:?}: it is a directory", directory.join(name));
                    return Err(Failure { message: what, hint: None, code: 1 });
                }
                // Called by that name already, and to be linked to: it stays.
                Existing::Replace if itself => {}
                // rename(2) does nothing between two links to one file, and there is nothing to do.
                Existing::Replace
                    if kind == Kind::Hard
                        && (there.dev(), there.ino()) == (this.dev(), this.ino()) => {}
                Existing::Replace => names.push(name),
            }
        }
        if !taken.is_empty() {
            let message: Vec<String> =
                taken.iter().map(|file| format!("{file:?} exists already")).collect();
            let hint = "nothing was changed; --force replaces what is there".to_owned();
            return Err(Failure { message: message.join("\n"), hint: Some(hint), code: 1 });
        }
        let text = match kind {
            Kind::Hard => None,
            // Beside the binary, its bare name: the directory can then be copied or mounted as a
            // whole, as `COPY --from=` does. Elsewhere the full path: a relative one would be wrong
            // as soon as DIR is reached by a symbolic link, as /bin is where it leads to /usr/bin.
            Kind::Symbolic if binary.parent() == Some(&resolved) => {
                binary.file_name().map(PathBuf::from)
            }
            Kind::Symbolic => Some(binary.clone()),
        };
        Ok(Self { directory: directory.to_owned(), binary, text, names })
    }

    fn make(&self, existing: Existing) -> Result<(), Failure> {
        let mut made = Vec::new();
        let mut list = Vec::new();
        for name in &self.names {
            let file = self.directory.join(name);
            if let Err(error) = self.make_one(&file, existing) {
                // As if nothing had been: what was replaced cannot come back.
                if existing == Existing::Refuse {
                    for file in &made {
                        let _ = fs::remove_file(file);
                    }
                }
                let hint = (self.text.is_none() && error.raw_os_error() == Some(libc::EXDEV))
                    .then(|| "a hard link stays on its file system: leave --hard out".to_owned());
                return Err(failure(&format!("cannot link {file:?}"), &error, hint));
            }
            list.extend_from_slice(file.as_os_str().as_bytes());
            list.push(b'\n');
            made.push(file);
        }
        print::out(list);
        Ok(())
    }

    fn make_one(&self, file: &Path, existing: Existing) -> io::Result<()> {
        match existing {
            Existing::Refuse => self.link(file),
            // Beside it first and renamed then, so that there is no moment without one.
            Existing::Replace => {
                let mut new = file.to_owned().into_os_string();
                new.push(format!(".{}", ids::pid()));
                self.link(Path::new(&new))?;
                fs::rename(&new, file).inspect_err(|_| {
                    let _ = fs::remove_file(&new);
                })
            }
        }
    }

    fn link(&self, file: &Path) -> io::Result<()> {
        match &self.text {
            Some(text) => symlink(text, file),
            None => fs::hard_link(&self.binary, file),
        }
    }
}

fn failure(what: &str, error: &io::Error, hint: Option<String>) -> Failure {
    Failure { message: format!("{what}: {}", reason(error)), hint, code: 1 }
}
