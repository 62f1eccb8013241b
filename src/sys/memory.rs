//! Giving memory back before a wait that may last for years.

use std::hint::black_box;

use libc::{Elf64_Phdr, c_void};
use nix::errno::Errno;

use super::arena;

/// The pages that the arithmetic here is about. Where the kernel has larger ones (aarch64 may), nothing
/// is given back: madvise(2) would round a length up to theirs.
pub(super) const PAGE: usize = 4096;

/// How far below its frames a stack is given back, which is what the kernel maps of it at first.
const STACK: usize = 128 * 1024;

/// What the calls of [`give_back`] stand on themselves.
const FRAMES: usize = PAGE;

/// Gives back the pages of the program's code and constants, which are read from its file again when
/// they are wanted, those of the stack that nothing stands on any more, and those of the arena that have
/// no block any more.
///
/// Most of them were for the start. What is wanted next is brought back by the same fault that brought
/// it first.
pub fn give_back() {
    // SAFETY: takes an integer.
    if unsafe { libc::getauxval(libc::AT_PAGESZ) } != PAGE as u64 {
        return;
    }
    for (start, length) in read_only_parts() {
        if is_of_a_file(start, length) {
            release(start, length);
        }
    }
    arena::give_back();
    let here = 0u8;
    let top = (black_box(&raw const here).addr() - FRAMES) & !(PAGE - 1);
    release(top - STACK, STACK);
}

/// The segments of this program that nobody can write to, as its program headers have them
/// (getauxval(3), elf(5)).
fn read_only_parts() -> impl Iterator<Item = (usize, usize)> {
    // SAFETY: takes an integer.
    let (table, count) =
        unsafe { (libc::getauxval(libc::AT_PHDR), libc::getauxval(libc::AT_PHNUM)) };
    let table: *const Elf64_Phdr = std::ptr::with_exposed_provenance(table as usize);
    let headers = match table.is_null() {
        true => &[],
        // SAFETY: the kernel says that so many headers lie there; they are a part of the program.
        false => unsafe { std::slice::from_raw_parts(table, count as usize) },
    };
    // The first segment has the headers in it, which tells how far the program was moved.
    let first = headers.iter().find(|header| header.p_type == libc::PT_LOAD);
    let begin = table.addr() & !(PAGE - 1);
    let moved = begin.wrapping_sub(first.map_or(begin, |first| first.p_vaddr as usize));
    headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0)
        .map(move |header| {
            let start = moved.wrapping_add(header.p_vaddr as usize);
            (start & !(PAGE - 1), header.p_memsz as usize + start % PAGE)
        })
}

/// Whether the kernel can read that part again. Whoever was unpacked into memory, or put there by a loader
/// of another program's, has nothing else.
///
/// MADV_WIPEONFORK is refused for anything but anonymous memory (madvise(2)), and is taken back where it is
/// not. Between the two nobody forks.
fn is_of_a_file(start: usize, length: usize) -> bool {
    let start: *mut c_void = std::ptr::without_provenance_mut(start);
    // SAFETY: it changes no page.
    let refused = unsafe { libc::madvise(start, length, libc::MADV_WIPEONFORK) } != 0;
    let of_a_file = refused && Errno::last() == Errno::EINVAL;
    if !of_a_file {
        // SAFETY: as above.
        unsafe { libc::madvise(start, length, libc::MADV_KEEPONFORK) };
    }
    of_a_file
}

/// MADV_DONTNEED of madvise(2). An error means that there is nothing to be given back.
pub(super) fn release(start: usize, length: usize) {
    let start: *mut c_void = std::ptr::without_provenance_mut(start);
    // SAFETY: only called for a private mapping of a file that is not written to, which the kernel reads
    // again, for what lies below every frame of this thread's stack, which nothing refers to, and for pages
    // of the arena without a block, likewise.
    unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
}

/// MADV_POPULATE_WRITE of madvise(2). An error means that the pages are made when they are written to.
pub(super) fn populate(start: usize, length: usize) {
    let start: *mut c_void = std::ptr::without_provenance_mut(start);
    // SAFETY: it changes no page that is there.
    unsafe { libc::madvise(start, length, libc::MADV_POPULATE_WRITE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unpacked_into_memory_is_not_taken_for_a_file() {
        let parts: Vec<_> = read_only_parts().collect();
        assert!(!parts.is_empty(), "the code of this test is somewhere");
        for (start, length) in parts {
            assert!(is_of_a_file(start, length), "{start:x}");
        }
        let mut memory = vec![7u8; 3 * PAGE];
        let start = memory.as_mut_ptr().addr().next_multiple_of(PAGE);
        assert!(!is_of_a_file(start, PAGE));
        assert!(memory.iter().all(|byte| *byte == 7));
    }
}
