//! System calls by their instruction: for what is done at each signal and each child, where the C library's
//! way by a function of its own, `errno` and back is as long as all the rest.

use libc::c_long;
use nix::errno::Errno;

/// A call with four arguments, as all are here.
///
/// # Safety
///
/// What the call's manual page asks of them must hold.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn call(number: c_long, [a, b, c, d]: [usize; 4]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: by the caller. The kernel leaves all registers but these as they are (syscall(2)).
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    said(result)
}

/// The same for this processor.
///
/// # Safety
///
/// As above.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(super) unsafe fn call(number: c_long, [a, b, c, d]: [usize; 4]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            options(nostack),
        );
    }
    said(result)
}

/// By the C library, where nobody has looked up the instruction.
///
/// # Safety
///
/// As above.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn call(number: c_long, [a, b, c, d]: [usize; 4]) -> Result<usize, Errno> {
    // SAFETY: by the caller.
    super::check(unsafe { libc::syscall(number, a, b, c, d) }).map(|result| result as usize)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn said(result: isize) -> Result<usize, Errno> {
    // The last page of the address space is no result of any call.
    match result {
        -4095..=-1 => Err(Errno::from_raw(-result as i32)),
        _ => Ok(result as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_the_kernels_or_an_errno() {
        // SAFETY: getpid takes nothing, and close an integer.
        let (pid, closed) = unsafe {
            (call(libc::SYS_getpid, [0; 4]), call(libc::SYS_close, [usize::MAX, 0, 0, 0]))
        };
        assert_eq!(pid, Ok(std::process::id() as usize));
        assert_eq!(closed, Err(Errno::EBADF));
    }
}
