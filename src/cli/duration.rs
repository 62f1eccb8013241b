//! Durations as options have them.

use std::ffi::OsStr;
use std::time::Duration;

use super::failure::Failure;
use crate::boot::duration::{FORMS, parse};

/// The value of `option`.
pub(super) fn parse_duration(option: &str, text: &OsStr) -> Result<Duration, Failure> {
    text.to_str().and_then(parse).ok_or_else(|| {
        let why = format!("{option} {:?} is no duration", text.to_string_lossy());
        Failure::usage(why, Some(format!("a duration is {FORMS}")))
    })
}
