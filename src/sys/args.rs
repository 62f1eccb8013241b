//! The command line and the environment as the kernel laid them out, borrowed for the whole life of
//! the process.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

use super::process::StringArray;

/// The program's arguments, the name it was called by included.
///
/// Rust's `std::env::args` does not see them under a C `main` with musl, so `main` hands them over.
/// Nothing is copied: the strings live in the memory that execve filled.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// As many as there are arguments, and a null pointer.
    pointers: &'static [*const c_char],
}

impl Args {
    /// Takes what the C library gave to `main`.
    ///
    /// # Safety
    ///
    /// `argv` must be null, or point to `argc` pointers to C strings and a null pointer after them
    /// (execve(2)), all of which outlive the process's last use of the result and are never
    /// written to.
    pub unsafe fn from_main(argc: c_int, argv: *const *const c_char) -> Self {
        let length = usize::try_from(argc).unwrap_or(0);
        if argv.is_null() {
            return Self { pointers: &[std::ptr::null()] };
        }
        // SAFETY: the caller promises argc pointers and a null one at argv, unwritten for 'static.
        let pointers = unsafe { std::slice::from_raw_parts(argv, length + 1) };
        Self { pointers }
    }

    /// The same of literals.
    #[cfg(test)]
    pub fn of_test(arguments: &'static [&'static CStr]) -> Self {
        let pointers = arguments.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]);
        Self { pointers: Box::leak(pointers.collect()) }
    }

    /// How many there are, the program's name included.
    pub fn count(self) -> usize {
        self.pointers.len() - 1
    }

    /// Argument number `index`; number 0 is the name that the program was called by.
    pub fn get(self, index: usize) -> Option<&'static OsStr> {
        Some(OsStr::from_bytes(self.c_string(index)?.to_bytes()))
    }

    /// The same as C has it.
    pub fn c_string(self, index: usize) -> Option<&'static CStr> {
        let pointer = *self.pointers.get(index)?;
        // SAFETY: `from_main`'s caller promised a C string behind each pointer, for 'static.
        (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })
    }

    /// All arguments from number `first` on.
    pub fn from(self, first: usize) -> impl Iterator<Item = &'static OsStr> {
        (first..self.count()).filter_map(move |index| self.get(index))
    }

    /// All arguments from number `first` on, where they lie, for execve.
    pub fn tail(self, first: usize) -> StringArray<'static> {
        StringArray::borrowed(self.pointers.get(first..).unwrap_or(&[]))
    }
}

/// This process's environment, entry by entry where it lies, malformed ones too.
///
/// Whoever calls it keeps the rule of `std::env::set_var`: nobody changes it while the result is in
/// use. The binary never changes it; the library copies it at once.
fn entries() -> &'static [*const c_char] {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: `environ` is null or an array of C strings that ends in a null pointer (environ(7)),
    // and nobody changes it while it is in use.
    unsafe {
        if environ.is_null() {
            return &[std::ptr::null()];
        }
        let mut count = 0;
        while !(*environ.add(count)).is_null() {
            count += 1;
        }
        std::slice::from_raw_parts(environ, count + 1)
    }
}

/// This process's environment, copied entry by entry and byte for byte, malformed ones too.
pub(crate) fn environment() -> Vec<OsString> {
    Inherited::here().iter().map(|entry| OsStr::from_bytes(entry.to_bytes()).to_owned()).collect()
}

/// The environment that this process was given, as it lies in memory. For the binary, which never
/// changes it.
#[derive(Clone, Copy, Debug)]
pub struct Inherited(&'static [*const c_char]);

impl Inherited {
    pub fn here() -> Self {
        Self(entries())
    }

    /// The entries, each `NAME=value`.
    pub fn iter<'a>(self) -> impl Iterator<Item = &'a CStr> {
        // SAFETY: every pointer but the last is to a C string; `entries` says for how long.
        self.0
            .iter()
            .filter(|pointer| !pointer.is_null())
            .map(|pointer| unsafe { CStr::from_ptr(*pointer) })
    }

    /// The value of a variable, that of the first entry, as getenv(3) has it.
    pub fn get(self, name: &str) -> Option<&'static OsStr> {
        self.iter().find_map(|entry: &'static CStr| {
            match entry.to_bytes().strip_prefix(name.as_bytes())? {
                [b'=', value @ ..] => Some(OsStr::from_bytes(value)),
                _ => None,
            }
        })
    }

    /// All of it as it lies, for execve.
    pub fn array(self) -> StringArray<'static> {
        StringArray::borrowed(self.0)
    }
}
