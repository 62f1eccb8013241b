//! In place of the library that walks the stack.
//!
//! The standard library would print a panic's stack where RUST_BACKTRACE asks for it, and brings an
//! unwinder of C++ for that, with the C library's printf behind it: 70 KB. The static binary has neither
//! symbols nor unwind tables, so there is no stack to print, and where a panic aborts nothing else asks
//! the unwinder for anything. With these names the linker takes nothing from it.
//!
//! This file belongs to the binary, as `entry` does, and to that alone which build/static makes with a
//! standard library of its own (`--cfg no_unwinder`): the one that rustup ships asks for more names.

use std::ffi::{c_int, c_void};
use std::ptr;

/// `_URC_END_OF_STACK` of the Itanium C++ ABI: there are no (more) frames.
const END_OF_STACK: c_int = 5;

/// Tells `_callback` of no frame.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_callback: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Questions about a frame. None is ever handed out, so nobody has one to ask about.
macro_rules! of_no_frame {
    ($($question:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $question(_frame: *mut c_void, _detail: *mut c_void) -> *mut c_void {
            ptr::null_mut()
        }
    )*};
}

of_no_frame! {
    _Unwind_GetIP
    _Unwind_GetIPInfo
    _Unwind_GetDataRelBase
    _Unwind_GetTextRelBase
    _Unwind_GetRegionStart
    _Unwind_GetLanguageSpecificData
    _Unwind_SetGR
    _Unwind_SetIP
}
