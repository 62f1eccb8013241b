//! Our own work in a child of its own, as a step of the boot.
//!
//! What blocks (a name that does not resolve, a tree of a million files) must not keep PID 1 from
//! its signals and orphans. So it is done in a forked child that is watched like any other, and
//! what went wrong comes back over an anonymous file.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::error::BootError;
use super::killed_by;
use crate::error::Error;
use crate::init::{Supervisor, asks_to_end};

/// An error as it crosses from one process to the other.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    code: u8,
    message: String,
    hint: Option<String>,
}

/// Does `work` in a child. `Some` is the exit code with which the boot ends here, because somebody
/// asked it to end meanwhile.
pub(super) fn run(
    supervisor: &mut Supervisor,
    name: &str,
    work: impl FnOnce() -> Result<(), BootError>,
) -> Result<Option<u8>, BootError> {
    if let Some(signal) = supervisor.asked_to_end()? {
        return Ok(Some(killed_by(signal)));
    }
    let system = |what| move |source| Error::System { what, source };
    let file = memfd_create(c"pydexec", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from);
    let mut file = File::from(file.map_err(system("cannot make a memory file"))?);
    let ended = supervisor.run_own(name, || match work() {
        Ok(()) => 0,
        Err(error) => {
            let _ = file.write_all(&Told::from(&error).encode());
            1
        }
    })?;
    let asked = ended.asked_to_end.or(ended.status.signal().filter(|signal| asks_to_end(*signal)));
    match (ended.status.code(), asked) {
        (_, Some(signal)) => Ok(Some(killed_by(signal))),
        (0, None) => Ok(None),
        (code, None) => {
            let mut bytes = Vec::new();
            file.rewind()
                .and_then(|()| file.read_to_end(&mut bytes))
                .map_err(system("cannot read a memory file"))?;
            Err(match Told::decode(&bytes) {
                Some(Told { code, message, hint }) => BootError::Told { message, hint, code },
                None => BootError::Died { step: name.to_owned(), code },
            })
        }
    }
}

impl From<&BootError> for Told {
    fn from(error: &BootError) -> Self {
        Self { code: error.exit_code(), message: error.to_string(), hint: error.hint() }
    }
}

impl Told {
    /// The code, then the message, then the hint if there is one, with a NUL between.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.code];
        bytes.extend(self.message.bytes().filter(|byte| *byte != 0));
        if let Some(hint) = &self.hint {
            bytes.push(0);
            bytes.extend(hint.bytes().filter(|byte| *byte != 0));
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (code, text) = bytes.split_first()?;
        let mut parts = text.splitn(2, |byte| *byte == 0);
        let mut text = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
        Some(Self { code: *code, message: text()?, hint: text() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_crosses_whole() {
        for hint in [None, Some("do this".to_owned())] {
            let told = Told { code: 124, message: "two\nlines".into(), hint };
            assert_eq!(Told::decode(&told.encode()), Some(told));
        }
        assert_eq!(Told::decode(b""), None);
    }
}
