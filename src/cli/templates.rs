//! `--template`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::entrypoint::owner;
use super::options::Options;
use crate::boot::{BootError, Step, Template, TemplateError};
use crate::command::ExecPlan;

/// The files that are to be written for the command of this plan, rendered.
pub(super) fn step(options: &Options, plan: &ExecPlan) -> Result<Option<Step>, BootError> {
    let mut files = Vec::new();
    for text in &options.template {
        files.extend(template(text, plan)?.render(&plan.environment)?);
    }
    Ok((!files.is_empty()).then_some(Step::Write(files)))
}

/// `SRC:DEST`. The result belongs to the user of the command.
fn template(text: &OsStr, plan: &ExecPlan) -> Result<Template, TemplateError> {
    let bytes = text.as_bytes();
    let wrong = || TemplateError::Option { text: text.to_string_lossy().into_owned() };
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or_else(wrong)?;
    let (src, dest) = (&bytes[..colon], &bytes[colon + 1..]);
    if src.is_empty() || dest.is_empty() {
        return Err(wrong());
    }
    let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
    let (src, dest) = (path(src), path(dest));
    Ok(Template { src, dest, mode: None, owner: owner(plan), parents: false })
}
