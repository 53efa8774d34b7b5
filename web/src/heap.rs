//! The page's heap: blocks whose sizes are powers of two. The standard library's takes a fiftieth of all that is downloaded.
//!
//! A block that is given back is kept for the next of its size. A page's needs come again and again, so that little lies idle; nothing is
//! given back to the browser, which takes nothing back either.

#![allow(unsafe_code, reason = "an allocator is unsafe by its very definition")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::null_mut;

/// The smallest block, which can hold the address of another, and is as aligned as anything the page holds.
const SMALLEST: usize = 16;

/// As many sizes as there are.
const SIZES: usize = 28;

/// Memory is asked for in pieces of this size (WebAssembly Core Specification, section 4.2.8), or larger.
const PAGE: usize = 1 << 16;

/// The heap. `grow` gives a number of pages, and says where they begin; null where there are none.
pub(crate) struct Heap {
    grow: fn(usize) -> *mut u8,
    /// The first free block of each size; each holds where the next one is.
    free: [Cell<*mut u8>; SIZES],
    /// What is left of the newest pages.
    rest: Cell<*mut u8>,
    rest_bytes: Cell<usize>,
}

// SAFETY: a page has one thread.
unsafe impl Sync for Heap {}

impl Heap {
    /// A heap that has nothing yet.
    pub(crate) const fn new(grow: fn(usize) -> *mut u8) -> Self {
        Self {
            grow,
            free: [const { Cell::new(null_mut()) }; SIZES],
            rest: Cell::new(null_mut()),
            rest_bytes: Cell::new(0),
        }
    }

    #[cold]
    fn carve(&self, bytes: usize) -> *mut u8 {
        if bytes >= PAGE {
            return (self.grow)(bytes / PAGE);
        }
        if self.rest_bytes.get() < bytes {
            // What is left over is less than what was asked for, and is left.
            let fresh = (self.grow)(1);
            if fresh.is_null() {
                return fresh;
            }
            self.rest.set(fresh);
            self.rest_bytes.set(PAGE);
        }
        let block = self.rest.get();
        self.rest.set(block.wrapping_add(bytes));
        self.rest_bytes.set(self.rest_bytes.get() - bytes);
        block
    }
}

// SAFETY: every block is carved from fresh memory once, is in no list while it is lent, and lies at a multiple of the smallest size.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, bytes) = size_of(layout);
        let Some(first) = self.free.get(size).filter(|_| layout.align() <= SMALLEST) else {
            return null_mut();
        };
        let block = first.get();
        if block.is_null() {
            return self.carve(bytes);
        }
        // SAFETY: a free block is of no one else's, and holds an address.
        first.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(first) = self.free.get(size_of(layout).0) {
            // SAFETY: the block was lent by `alloc`, and is as large as an address at least.
            unsafe { block.cast::<*mut u8>().write(first.get()) };
            first.set(block);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, wanted: usize) -> *mut u8 {
        // The caller has seen that it is a layout.
        let Ok(larger) = Layout::from_size_align(wanted, layout.align()) else { return null_mut() };
        if size_of(larger) == size_of(layout) {
            return block;
        }
        // SAFETY: what is copied is in both blocks, and the old one was lent by `alloc`.
        unsafe {
            let other = self.alloc(larger);
            if !other.is_null() {
                other.copy_from_nonoverlapping(block, layout.size().min(wanted));
                self.dealloc(block, layout);
            }
            other
        }
    }
}

/// Which size a block for this has, and how many bytes those are.
fn size_of(layout: Layout) -> (usize, usize) {
    let bytes = layout.size().max(SMALLEST).next_power_of_two();
    ((bytes / SMALLEST).trailing_zeros() as usize, bytes)
}

/// The browser's memory.
#[cfg(target_arch = "wasm32")]
mod page {
    use super::Heap;

    #[global_allocator]
    static HEAP: Heap = Heap::new(|pages| match core::arch::wasm32::memory_grow::<0>(pages) {
        usize::MAX => std::ptr::null_mut(),
        first => (first * super::PAGE) as *mut u8,
    });
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout, System};

    use super::*;

    fn pages(count: usize) -> *mut u8 {
        // SAFETY: it is not empty.
        unsafe { System.alloc(Layout::from_size_align(count * PAGE, PAGE).unwrap()) }
    }

    fn bytes(count: usize) -> Layout {
        Layout::from_size_align(count, 8).unwrap()
    }

    #[test]
    fn blocks_do_not_overlap_and_are_used_again() {
        let heap = Heap::new(pages);
        let mut lent: Vec<(*mut u8, usize)> = vec![];
        let mut seed = 7_u32;
        for round in 0..20_000_u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = 1 + (seed >> 8) as usize % if round % 50 == 0 { 100_000 } else { 300 };
            // SAFETY: what is lent is written to within its size, and given back with its layout.
            unsafe {
                if lent.len() > 100 {
                    let (block, size) = lent.swap_remove(seed as usize % lent.len());
                    let mark = block as u8;
                    assert!((0..size).all(|at| *block.add(at) == mark), "somebody else wrote here");
                    heap.dealloc(block, bytes(size));
                }
                let block = heap.alloc(bytes(size));
                assert!(!block.is_null() && block.addr().is_multiple_of(SMALLEST));
                block.write_bytes(block as u8, size);
                lent.push((block, size));
            }
        }
    }

    #[test]
    fn a_block_given_back_is_the_next_of_its_size() {
        let heap = Heap::new(pages);
        // SAFETY: as above.
        unsafe {
            let first = heap.alloc(bytes(100));
            heap.dealloc(first, bytes(100));
            assert_ne!(heap.alloc(bytes(200)), first);
            assert_eq!(heap.alloc(bytes(65)), first);
        }
    }

    #[test]
    fn what_grows_keeps_its_bytes() {
        let heap = Heap::new(pages);
        // SAFETY: as above.
        unsafe {
            let mut block = heap.alloc(bytes(3));
            block.write_bytes(9, 3);
            let mut size = 3;
            for larger in [16, 17, 40, 70_000, 500_000, 20] {
                block = heap.realloc(block, bytes(size), larger);
                assert!((0..3).all(|at| *block.add(at) == 9), "{larger}");
                size = larger;
            }
        }
    }

    #[test]
    fn what_cannot_be_had_is_null() {
        // SAFETY: nothing is lent.
        unsafe {
            assert!(Heap::new(|_| null_mut()).alloc(bytes(1)).is_null());
            assert!(Heap::new(pages).alloc(Layout::from_size_align(64, 32).unwrap()).is_null());
        }
    }
}
