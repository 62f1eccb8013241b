//! The binary's allocator: an arena first, then the C library's.
//!
//! What a start needs is some kilobytes that live until the command runs. musl's allocator asks the
//! kernel for a page or more for each size class, and gives it back; each of those costs more than
//! all of our own work with it. Here a block is cut off the front of one array in `.bss`, of which
//! only the pages that are used exist. What does not fit any more, as in a long boot or with `-v`
//! over a year, goes to the C library and comes back to it.
//!
//! Nothing is used twice, but the last block. Which pages have no block any more is known, so that
//! they can be given back when the start is over.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ops::RangeInclusive;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::memory::{self, PAGE};

/// Enough for an entrypoint file of some pages. What is not used of it costs nothing.
const SIZE: usize = 256 * 1024;

/// It may begin within a page.
const PAGES: usize = SIZE / PAGE + 1;

/// In this order: the counts are on the page of the first blocks.
#[repr(C)]
struct Arena {
    used: AtomicUsize,
    /// How many blocks have a part of each page.
    blocks: [AtomicU32; PAGES],
    memory: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: parts of `memory` are handed out once each, by an atomic counter.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena {
    used: AtomicUsize::new(0),
    blocks: [const { AtomicU32::new(0) }; PAGES],
    memory: UnsafeCell::new([0; SIZE]),
};

/// The arena, for `#[global_allocator]`.
pub struct Allocator;

impl Arena {
    fn start(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    /// Where in the arena `block` begins, if it is one of its own.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        block.addr().checked_sub(self.start().addr()).filter(|offset| *offset < SIZE)
    }

    /// Cuts off a block, if there is room for it.
    fn cut(&self, layout: Layout) -> Option<*mut u8> {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let address = self.start().addr() + used;
            // As next_multiple_of, without a division: an alignment is a power of two.
            let begin = used + (address.wrapping_neg() & (layout.align() - 1));
            let end = begin.checked_add(layout.size()).filter(|end| *end <= SIZE)?;
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.count(self.pages(begin, end), 1);
                    return Some(self.start().wrapping_add(begin));
                }
                Err(now) => used = now,
            }
        }
    }

    /// Moves the end of the last block, if that is the one that ends at `end`.
    fn resize_last(&self, end: usize, to: usize) -> bool {
        to <= SIZE
            && self.used.compare_exchange(end, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The pages that a block has a part of, the first of the arena being 0.
    fn pages(&self, begin: usize, end: usize) -> RangeInclusive<usize> {
        let within = self.start().addr() % PAGE;
        (begin + within) / PAGE..=(end - 1 + within) / PAGE
    }

    fn count(&self, pages: RangeInclusive<usize>, change: i32) {
        for page in self.blocks.get(pages).unwrap_or_default() {
            page.fetch_add(change as u32, Ordering::Relaxed);
        }
    }
}

/// Has the kernel make the pages of the next `bytes` at once, for a face that is going to want them:
/// one by one, each is a page fault. Without effect where the kernel cannot (before Linux 5.14).
pub fn expect(bytes: usize) {
    let begin = ARENA.start().addr() + ARENA.used.load(Ordering::Relaxed);
    // Not the page in use, and none beyond the arena.
    let begin = begin.next_multiple_of(PAGE);
    let end = (begin + bytes).min(ARENA.start().addr() + SIZE) & !(PAGE - 1);
    memory::populate(begin, end.saturating_sub(begin));
}

/// Gives back the pages that have no block any more. For a process with one thread.
pub(super) fn give_back() {
    let begin = ARENA.start().addr() & !(PAGE - 1);
    // The first page has other variables on it, and the last may have.
    let inner = ARENA.blocks.get(1..PAGES - 1).unwrap_or_default();
    let mut page = begin + PAGE;
    for pages in inner.chunk_by(|one, next| is_free(one) == is_free(next)) {
        if pages.first().is_some_and(is_free) {
            memory::release(page, pages.len() * PAGE);
        }
        page += pages.len() * PAGE;
    }
}

fn is_free(blocks: &AtomicU32) -> bool {
    blocks.load(Ordering::Relaxed) == 0
}

// SAFETY: blocks of the arena do not overlap (each is cut off beyond the last) and stay valid until they
// are given back; all others are the system allocator's and are given back to it alone.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match ARENA.cut(layout) {
            Some(block) => block,
            // SAFETY: the caller's promises are passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match ARENA.offset(block) {
            Some(begin) => {
                let end = begin + layout.size();
                ARENA.count(ARENA.pages(begin, end), -1);
                // Only the last one can be used again; it often is.
                ARENA.resize_last(end, begin);
            }
            // SAFETY: it is not ours, so it came from the system allocator with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(begin) = ARENA.offset(block) else {
            // SAFETY: as in dealloc.
            return unsafe { System.realloc(block, layout, size) };
        };
        let end = begin + layout.size();
        if ARENA.resize_last(end, begin + size) || size <= layout.size() {
            ARENA.count(ARENA.pages(begin, begin + size), 1);
            ARENA.count(ARENA.pages(begin, end), -1);
            return block;
        }
        // SAFETY: the size is the caller's and not 0, the alignment was valid before; the new block is
        // another one, and both have room for what is copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size());
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_free_when_no_block_has_a_part_of_it_any_more() {
        let bytes = |size| Layout::from_size_align(size, 8).unwrap();
        let counts = || ARENA.blocks.each_ref().map(|page| page.load(Ordering::Relaxed));
        let before = counts();
        assert_eq!(before.iter().sum::<u32>(), 0, "the tests have another allocator");
        // SAFETY: each block is written to, and given back once with its present size.
        unsafe {
            let first = Allocator.alloc(bytes(100));
            let long = Allocator.alloc(bytes(3 * PAGE));
            let last = Allocator.alloc(bytes(PAGE));
            assert!(ARENA.offset(long).is_some());
            long.write_bytes(7, 3 * PAGE);
            // It is not the last, and cannot grow where it is.
            let moved = Allocator.realloc(long, bytes(3 * PAGE), 5 * PAGE);
            assert_ne!(moved, long);
            assert_eq!(moved.add(3 * PAGE - 1).read(), 7);
            Allocator.dealloc(last, bytes(PAGE));
            // This one can, and shrinks there too.
            assert_eq!(Allocator.realloc(moved, bytes(5 * PAGE), 9 * PAGE), moved);
            assert_eq!(Allocator.realloc(moved, bytes(9 * PAGE), 2 * PAGE), moved);
            assert_ne!(counts(), before);
            Allocator.dealloc(moved, bytes(2 * PAGE));
            Allocator.dealloc(first, bytes(100));
            // What does not fit is the C library's.
            let large = Allocator.alloc(bytes(2 * SIZE));
            assert!(ARENA.offset(large).is_none());
            Allocator.dealloc(large, bytes(2 * SIZE));
        }
        assert_eq!(counts(), before);
        give_back();
    }
}
