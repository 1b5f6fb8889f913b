//! Memory between two fences: a read or write of a byte on either side is a fault.
#![allow(unsafe_code, reason = "a mutable static, lent once")]

use core::cell::{Cell, UnsafeCell};

use critical_section::Mutex;

use crate::arch;

/// Bytes of a fence.
pub const FENCE: usize = 1024;

/// `N` bytes, a multiple of [`FENCE`], that are handed out once, between two fences.
///
/// The memory protection unit of a Cortex-M3, M4 or M7 holds the fences, eight in all, and so does the physical memory protection of
/// RV32IMC. On the M33 there are none.
// A fence is as large as the emulator's pages, and aligned as they are: a smaller one makes its whole page slow.
#[repr(C, align(1024))]
pub struct Fenced<const N: usize> {
    before: UnsafeCell<[u8; FENCE]>,
    bytes: UnsafeCell<[u8; N]>,
    after: UnsafeCell<[u8; FENCE]>,
    taken: Mutex<Cell<bool>>,
}

// SAFETY: `take` gives the bytes to one caller only; the flag that sees to it changes in critical sections. The fences are
// never read.
unsafe impl<const N: usize> Sync for Fenced<N> {}

impl<const N: usize> Fenced<N> {
    /// Memory that is not taken yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made in statics, where Default cannot be called")]
    pub const fn new() -> Self {
        const { assert!(N.is_multiple_of(FENCE), "a fence is at a multiple of its own length") };
        Self {
            before: UnsafeCell::new([0; FENCE]),
            bytes: UnsafeCell::new([0; N]),
            after: UnsafeCell::new([0; FENCE]),
            taken: Mutex::new(Cell::new(false)),
        }
    }

    /// The memory, with its fences up, to the first caller; an empty slice to all others.
    #[expect(clippy::mut_from_ref, reason = "it is given out once")]
    pub fn take(&'static self) -> &'static mut [u8] {
        if critical_section::with(|section| self.taken.borrow(section).replace(true)) {
            return &mut [];
        }
        for fence in [self.before.get(), self.after.get()] {
            arch::fence(fence.addr());
        }
        // SAFETY: the flag was not set yet and is never cleared: this is the only reference there will be.
        unsafe { &mut *self.bytes.get() }
    }

    /// Reads the first byte after the memory, to see the fence hold.
    pub fn read_after(&self) {
        // SAFETY: a byte of this very static; where there is a fence, this does not return.
        unsafe { self.after.get().cast::<u8>().read_volatile() };
    }
}
