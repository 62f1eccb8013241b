//! The entrypoint file: what replaces forty lines of shell.
//!
//! Read and parsed ([`shape`], [`schema`]), its `${…}` replaced ([`interpolate`], [`variables`]),
//! lowered to a boot plan ([`lower`]), and shown ([`render`]). Nothing here has an effect; all that
//! is wrong is found before anything is done, and told at once ([`faults`]).

#![forbid(unsafe_code)]

mod cgroup;
mod faults;
mod interpolate;
#[cfg(test)]
mod json_schema;
mod lower;
mod mask;
mod render;
mod schema;
mod shape;
mod variables;

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use toml::de::DeTable;

use crate::command::Environment;
use crate::error::{Error, reason};
pub(crate) use faults::BadFile;
use faults::{At, Faults};
pub(crate) use lower::Lowered;
use lower::Refusal;
pub(crate) use render::{Format, show};

/// No file that a person wrote is longer.
const LONGEST: u64 = 1 << 20;

/// Why a file is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntrypointError {
    #[error(transparent)]
    File(#[from] BadFile),
    #[error(transparent)]
    Program(Error),
}

/// What `file` means for these words and this environment.
pub(crate) fn plan(
    file: &Path,
    words: &[OsString],
    environment: &Environment,
) -> Result<Lowered, EntrypointError> {
    let text = read(file)?;
    let (document, errors) = DeTable::parse_recoverable(&text);
    let mut faults = Faults::default();
    for error in &errors {
        let at = At { key: String::new(), start: error.span().map_or(0, |span| span.start) };
        let mut what = error.message().replace('\n', ", ");
        // Of anything else the text may be a value, and a secret.
        if let Some(key) =
            error.span().filter(|_| what == "duplicate key").and_then(|at| text.get(at))
        {
            what.push_str(&format!(" {key:?}"));
        }
        faults.add(&at, what);
    }
    let unmasked = |faults: Faults| faults.locate(file, &text, str::to_owned);
    if !faults.is_empty() {
        return Err(unmasked(faults).into());
    }
    let Some(read) = schema::File::of_table(&At::default(), document.get_ref(), &mut faults) else {
        return Err(unmasked(faults).into());
    };
    lower::lower(&read, words, environment, faults).map_err(|refusal| match refusal {
        Refusal::Faults(faults, mask) => faults.locate(file, &text, |what| mask.text(what)).into(),
        Refusal::Program(error) => EntrypointError::Program(error),
    })
}

fn read(file: &Path) -> Result<String, BadFile> {
    let refuse =
        |error: std::io::Error| BadFile::whole(file, format!("cannot read it: {}", reason(&error)));
    let metadata = fs::metadata(file).map_err(refuse)?;
    if metadata.is_dir() {
        return Err(BadFile::whole(
            file,
            "it is a directory; Docker makes one where the mounted file does not exist on the host",
        ));
    }
    // To open a fifo waits for somebody to write.
    if !metadata.is_file() {
        return Err(BadFile::whole(file, "it is not a file"));
    }
    // One byte more shows the end without another look.
    let mut bytes = Vec::with_capacity(metadata.len().min(LONGEST) as usize + 1);
    let open = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file);
    open.map_err(refuse)?.take(LONGEST + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > LONGEST {
        return Err(BadFile::whole(file, "it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let mut faults = Faults::default();
        let at = At { key: String::new(), start: valid };
        faults.add(&at, "it is not UTF-8 from here on");
        faults.locate(file, &String::from_utf8_lossy(before), str::to_owned)
    })
}
