//! What keeps a template from becoming a file.

use std::io;
use std::path::PathBuf;

use crate::error::reason;

/// Why a template was not rendered, or its result not written.
///
/// It shows lines of the template, and never the value of a variable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("--template {text:?} is not SRC:DEST")]
    Option { text: String },
    #[error("cannot read template {file:?}: {}", reason(.source))]
    Read { file: PathBuf, source: io::Error },
    #[error("cannot read template {file:?}: it is not a file")]
    NotAFile { file: PathBuf },
    #[error("cannot read template {file:?}: it is not UTF-8")]
    NotText { file: PathBuf },
    #[error("template {file:?} is larger than {most} KB")]
    TooLarge { file: PathBuf, most: u64 },
    #[error("cannot start a thread to render templates in: {}", reason(.source))]
    Thread { source: io::Error },
    #[error("templates {one:?} and {other:?} both become {result:?}")]
    SameResult { one: PathBuf, other: PathBuf, result: PathBuf },
    #[error("template {}:{line}: {what}{}", file.display(), shown(.text))]
    Render { file: PathBuf, line: usize, what: String, undefined: bool, text: String },
    #[error("cannot write {dest:?}: {why}")]
    Destination { dest: PathBuf, why: Unfit },
    #[error("cannot write {dest:?}: {what}: {}", reason(.source))]
    Write { dest: PathBuf, what: &'static str, source: io::Error },
}

/// What is where the result should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it has no file name")]
    NoName,
    #[error("it is a directory")]
    Directory,
    #[error("it is neither a file nor a link")]
    Special,
    #[error("its directory does not exist")]
    NoParent,
}

fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", in: {text}") }
}

impl TemplateError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Write { .. } | Self::Thread { .. } => 1,
            _ => 2,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Option { .. } => {
                "as in --template /etc/app/settings.ini.j2:/run/app/settings.ini".into()
            }
            Self::Render { undefined: true, .. } => {
                "set the variable, or give a default: {{ env.NAME | default(\"...\") }}".into()
            }
            Self::Destination { why: Unfit::NoParent, .. } => {
                "create it in the image, mount it, or set parents = true".into()
            }
            Self::Destination { why: Unfit::Directory, .. } => {
                "name the file in it, or give a directory of templates".into()
            }
            Self::Write { source, .. } => match source.raw_os_error()? {
                libc::EROFS => "mount a tmpfs or a volume there: docker run --tmpfs".into(),
                libc::EACCES | libc::EPERM => {
                    "write to a directory of the container's user, or start it as root".into()
                }
                libc::EBUSY => "it is a mount: mount the directory instead of the file".into(),
                libc::ENOSPC | libc::EDQUOT => "make room on that file system".into(),
                _ => return None,
            },
            _ => return None,
        })
    }
}
