//! Why a program could not be executed, in words, found out after the kernel has said no.
//!
//! ENOENT for a script that is there (its interpreter is not), ENOEXEC for an image of the wrong
//! platform, EACCES for a lost run bit: the errno names none of them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::lookup;
use super::plan::ExecPlan;
use crate::error::{Error, NotExecutable, NotFound};

/// How much of a file is read: more than the kernel looks at for `#!` (256 bytes), enough for the
/// program headers of every usual ELF file.
const HEAD: usize = 4096;

/// How many scripts may be each other's interpreters (the kernel's own bound, execve(2)).
const MAX_DEPTH: usize = 4;

/// The error for `errno`, which execve gave for the plan's program.
pub(super) fn explain(plan: &ExecPlan, errno: Errno) -> Error {
    let program = plan.program.clone();
    match errno {
        // Not the program's fault: no memory, or too many processes of the user (setuid(2)).
        Errno::EAGAIN | Errno::ENOMEM => return Error::Start { program, source: errno.into() },
        _ => {}
    }
    // A name that is found nowhere is told with the PATH that was searched.
    let Some(file) = locate(plan) else {
        let why = if plan.program.as_bytes().contains(&b'/') {
            NotFound::File
        } else {
            NotFound::InPath(lookup::search_path(&plan.environment).to_owned())
        };
        let by_name = matches!(why, NotFound::InPath(_));
        return match errno {
            Errno::ENOENT | Errno::ENOTDIR => Error::NotFound { program, why },
            // Some directory of PATH is closed to the user, and nothing of that name is in the others.
            Errno::EACCES if by_name => Error::NotFound { program, why },
            _ => not_executable(program, NotExecutable::Kernel(errno.into())),
        };
    };
    match errno {
        Errno::ENOENT => Error::NotFound { program, why: missing_interpreter(&file, 0) },
        Errno::EACCES => not_executable(program, denied(&file, errno, 0)),
        Errno::ENOEXEC => not_executable(program, wrong_format(&file)),
        _ => not_executable(program, NotExecutable::Kernel(errno.into())),
    }
}

/// What would keep the plan's program from being executed, as far as it can be seen without trying:
/// it is not there, or has no run bit.
pub(super) fn look_up(plan: &ExecPlan) -> Result<(), Error> {
    let metadata = locate(plan).map(fs::metadata);
    match metadata {
        Some(Ok(metadata)) if lookup::is_program(&metadata) => Ok(()),
        Some(Ok(_)) => Err(explain(plan, Errno::EACCES)),
        Some(Err(_)) | None => Err(explain(plan, Errno::ENOENT)),
    }
}

fn not_executable(program: OsString, why: NotExecutable) -> Error {
    Error::NotExecutable { program, why }
}

/// The file that was tried: the path itself, or the first in PATH with a run bit, or else the first
/// that is there at all.
fn locate(plan: &ExecPlan) -> Option<PathBuf> {
    let base = plan.workdir.clone().unwrap_or_default();
    if plan.program.is_empty() {
        return None;
    }
    if plan.program.as_bytes().contains(&b'/') {
        let file = base.join(&plan.program);
        return fs::symlink_metadata(&file).is_ok().then_some(file);
    }
    let path = lookup::search_path(&plan.environment);
    let candidates: Vec<PathBuf> =
        lookup::candidates(&plan.program, path).map(|file| base.join(file)).collect();
    let metadata = |file: &&PathBuf| fs::metadata(file);
    candidates
        .iter()
        .find(|file| metadata(file).is_ok_and(|file| lookup::is_program(&file)))
        .or_else(|| candidates.iter().find(|file| metadata(file).is_ok()))
        .cloned()
}

fn denied(file: &Path, errno: Errno, depth: usize) -> NotExecutable {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => NotExecutable::Directory,
        Ok(metadata) if metadata.is_file() && !lookup::is_program(&metadata) => {
            NotExecutable::Mode {
                file: file.to_owned(),
                mode: metadata.permissions().mode() & 0o7777,
            }
        }
        // It may be the interpreter that cannot be run.
        Ok(_) if depth < MAX_DEPTH => match shebang(&head(file)).map(PathBuf::from) {
            Some(interpreter) => denied(&interpreter, errno, depth + 1),
            None => NotExecutable::Kernel(errno.into()),
        },
        _ => NotExecutable::Kernel(errno.into()),
    }
}

/// The kernel's ENOENT for a file that is there.
fn missing_interpreter(file: &Path, depth: usize) -> NotFound {
    if let (Ok(link), Err(_)) = (fs::read_link(file), fs::metadata(file)) {
        return NotFound::DanglingLink { file: file.to_owned(), to: link };
    }
    let head = head(file);
    if let Some(interpreter) = shebang(&head) {
        let it = Path::new(&interpreter);
        // It may be there, and need something itself that is not.
        return match fs::metadata(it) {
            Ok(_) if depth < MAX_DEPTH => missing_interpreter(it, depth + 1),
            _ => NotFound::Interpreter { file: file.to_owned(), interpreter },
        };
    }
    if head.is_empty() && File::open(file).is_err() {
        return NotFound::Unreadable { file: file.to_owned() };
    }
    match Elf::parse(&head).and_then(|elf| elf.interpreter()) {
        Some(loader) => NotFound::Loader { file: file.to_owned(), loader },
        None => NotFound::File,
    }
}

fn wrong_format(file: &Path) -> NotExecutable {
    let head = head(file);
    match Elf::parse(&head) {
        Some(elf) if elf.machine() != Some(OWN_MACHINE) => NotExecutable::Machine {
            built_for: machine_name(elf.machine().unwrap_or_default()),
            this: machine_name(OWN_MACHINE),
        },
        Some(_) => NotExecutable::Kernel(Errno::ENOEXEC.into()),
        None if head.is_empty() => NotExecutable::Empty,
        None if head.starts_with(b"\x7fELF") => NotExecutable::Kernel(Errno::ENOEXEC.into()),
        None => NotExecutable::NoShebang,
    }
}

fn head(file: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // Only a regular file: a fifo would block us, and what cannot be read explains nothing.
    if fs::metadata(file).is_ok_and(|metadata| metadata.is_file()) {
        if let Ok(file) = File::open(file) {
            let _ = file.take(HEAD as u64).read_to_end(&mut head);
        }
    }
    head
}

/// The interpreter of a `#!` line as the kernel takes it: up to a blank or the end of the line, a
/// carriage return included (execve(2)).
fn shebang(head: &[u8]) -> Option<OsString> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let start = line.iter().position(|byte| !b" \t".contains(byte))?;
    let word = line.get(start..)?.split(|byte| b" \t\0".contains(byte)).next()?;
    Some(OsString::from_vec(word.to_vec()))
}

#[cfg(target_arch = "x86_64")]
const OWN_MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const OWN_MACHINE: u16 = 183;

/// `e_machine` of elf(5), for the platforms that images are built for.
fn machine_name(machine: u16) -> String {
    match machine {
        3 => "i386".to_owned(),
        8 => "mips".to_owned(),
        21 => "ppc64".to_owned(),
        22 => "s390x".to_owned(),
        40 => "arm".to_owned(),
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        243 => "riscv".to_owned(),
        258 => "loongarch".to_owned(),
        other => format!("machine {other}"),
    }
}

/// The head of an ELF file, of either class and byte order. Nothing in it is trusted.
struct Elf<'a> {
    head: &'a [u8],
    wide: bool,
    big_endian: bool,
}

impl<'a> Elf<'a> {
    fn parse(head: &'a [u8]) -> Option<Self> {
        head.starts_with(b"\x7fELF").then_some(())?;
        Some(Self { head, wide: *head.get(4)? == 2, big_endian: *head.get(5)? == 2 })
    }

    fn number(&self, at: usize, length: usize) -> Option<usize> {
        let bytes = self.head.get(at..at.checked_add(length)?)?;
        let fold = |value: usize, byte: &u8| (value << 8) | usize::from(*byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        })
    }

    fn machine(&self) -> Option<u16> {
        self.number(18, 2)?.try_into().ok()
    }

    /// The dynamic loader that the program asks for (PT_INTERP).
    fn interpreter(&self) -> Option<PathBuf> {
        const PT_INTERP: usize = 3;
        let (table, entry_size, entries) = if self.wide {
            (self.number(32, 8)?, self.number(54, 2)?, self.number(56, 2)?)
        } else {
            (self.number(28, 4)?, self.number(42, 2)?, self.number(44, 2)?)
        };
        for index in 0..entries {
            let entry = table.checked_add(index.checked_mul(entry_size)?)?;
            if self.number(entry, 4)? != PT_INTERP {
                continue;
            }
            let offset = if self.wide {
                self.number(entry.checked_add(8)?, 8)?
            } else {
                self.number(entry.checked_add(4)?, 4)?
            };
            let path = self.head.get(offset..)?.split(|byte| *byte == 0).next()?;
            return Some(PathBuf::from(OsStr::from_bytes(path)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_what_the_kernel_takes_it_for() {
        let interpreter = |head: &[u8]| shebang(head).map(|word| word.into_string().unwrap());
        assert_eq!(interpreter(b"#!/bin/sh\necho"), Some("/bin/sh".into()));
        assert_eq!(interpreter(b"#! /usr/bin/env python\n"), Some("/usr/bin/env".into()));
        assert_eq!(interpreter(b"#!/bin/sh\r\necho"), Some("/bin/sh\r".into()));
        assert_eq!(interpreter(b"echo"), None);
        assert_eq!(interpreter(b"#!"), None);
    }

    #[test]
    fn our_own_loader_is_found_and_no_cut_of_the_file_is_misread() {
        let own = head(Path::new("/proc/self/exe"));
        let elf = Elf::parse(&own).unwrap();
        assert_eq!(elf.machine(), Some(OWN_MACHINE));
        if cfg!(target_env = "gnu") {
            let loader = elf.interpreter().unwrap();
            assert!(loader.starts_with("/lib") || loader.starts_with("/lib64"), "{loader:?}");
        }
        for length in 0..own.len() {
            // Only that it ends without a panic.
            let _ = Elf::parse(&own[..length]).and_then(|elf| elf.interpreter());
        }
    }
}
