//! The command line as the kernel laid it out, borrowed for the whole life of the process.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

/// The program's arguments, the name it was called by included.
///
/// Rust's `std::env::args` does not see them under a C `main` with musl, so `main` hands them over.
/// Nothing is copied: the strings live in the memory that execve filled.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    pointers: &'static [*const c_char],
}

impl Args {
    /// Takes what the C library gave to `main`.
    ///
    /// # Safety
    ///
    /// `argv` must point to `argc` pointers to C strings, all of which outlive the process's last
    /// use of the result and are never written to.
    pub unsafe fn from_main(argc: c_int, argv: *const *const c_char) -> Self {
        let length = usize::try_from(argc).unwrap_or(0);
        if argv.is_null() || length == 0 {
            return Self { pointers: &[] };
        }
        // SAFETY: the caller promises argc pointers at argv, valid and unwritten for 'static.
        let pointers = unsafe { std::slice::from_raw_parts(argv, length) };
        Self { pointers }
    }

    /// Argument number `index`; number 0 is the name that the program was called by.
    pub fn get(self, index: usize) -> Option<&'static OsStr> {
        let pointer = *self.pointers.get(index)?;
        // SAFETY: `from_main`'s caller promised a C string behind each pointer, for 'static.
        let text = unsafe { CStr::from_ptr(pointer) };
        Some(OsStr::from_bytes(text.to_bytes()))
    }

    /// All arguments from number `first` on.
    pub fn from(self, first: usize) -> impl Iterator<Item = &'static OsStr> {
        (first..self.pointers.len()).filter_map(move |index| self.get(index))
    }
}

/// This process's environment, entry by entry and byte for byte, malformed ones too.
///
/// The library's callers keep the rule of `std::env::set_var`: nobody changes it meanwhile.
pub(crate) fn environment() -> Vec<OsString> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: `environ` is null or an array of C strings that ends in a null pointer (environ(7)).
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            entries.push(OsStr::from_bytes(CStr::from_ptr(*next).to_bytes()).to_owned());
            next = next.add(1);
        }
    }
    entries
}
