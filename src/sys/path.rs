//! Paths that every start looks at, each in a static of its own.
//!
//! A literal lies wherever the linker puts literals, a page fault away from the code that uses it. A
//! static has a name, and build/hot.ld puts it beside that code.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path of `SIZE` bytes with its NUL, which keeps it from being merged with a literal.
pub struct FixedPath<const SIZE: usize>([u8; SIZE]);

impl<const SIZE: usize> FixedPath<SIZE> {
    /// `text`, which has just that size: anything else does not compile.
    pub const fn new(text: &CStr) -> Self {
        let bytes = text.to_bytes_with_nul();
        match bytes.first_chunk() {
            Some(chunk) if bytes.len() == SIZE => Self(*chunk),
            _ => panic!("the path has another size"),
        }
    }

    pub fn path(&self) -> &Path {
        let (_nul, text) = self.0.split_last().unwrap_or((&0, &[]));
        Path::new(OsStr::from_bytes(text))
    }
}
