//! The binary's allocator: a small arena first, then the C library's.
//!
//! What a start needs is a few kilobytes that live until the command runs. musl's allocator asks the
//! kernel for a page or more for each size class, and gives it back; each of those costs more than
//! all of our own work with it. Here a block is cut off the front of one array in `.bss`, of which
//! only the pages that are used exist. What does not fit any more, as in a long boot or with `-v`
//! over a year, goes to the C library and comes back to it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for some hundred variables and arguments.
const SIZE: usize = 256 * 1024;

/// In this order: the count is on the page of the first blocks.
#[repr(C)]
struct Arena {
    used: AtomicUsize,
    memory: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: parts of `memory` are handed out once each, by an atomic counter.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena { used: AtomicUsize::new(0), memory: UnsafeCell::new([0; SIZE]) };

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
            // An alignment is a power of two, so that this takes no division.
            let begin = used + (address.wrapping_neg() & (layout.align() - 1));
            let end = begin.checked_add(layout.size()).filter(|end| *end <= SIZE)?;
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(self.start().wrapping_add(begin)),
                Err(now) => used = now,
            }
        }
    }

    /// Moves the end of the last block, if that is the one that ends at `end`.
    fn resize_last(&self, end: usize, to: usize) -> bool {
        to <= SIZE
            && self.used.compare_exchange(end, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: blocks of the arena do not overlap (each is cut off beyond the last) and stay valid for ever;
// all others are the system allocator's and are given back to it alone.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.cut(layout) {
            Some(block) => block,
            // SAFETY: the caller's promises are passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            // Only the last one comes back; it often is.
            Some(begin) => {
                self.resize_last(begin + layout.size(), begin);
            }
            // SAFETY: it is not ours, so it came from the system allocator with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(begin) = self.offset(block) else {
            // SAFETY: as in dealloc.
            return unsafe { System.realloc(block, layout, size) };
        };
        if size <= layout.size() || self.resize_last(begin + layout.size(), begin + size) {
            return block;
        }
        // SAFETY: the size is the caller's and not 0, the alignment was valid before.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size());
            }
            new
        }
    }
}
