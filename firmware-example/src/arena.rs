//! The one mutable static.
#![allow(unsafe_code, reason = "a mutable static, lent once")]

use core::cell::{Cell, UnsafeCell};

use critical_section::Mutex;

/// `N` bytes of working memory that are handed out once.
///
/// In a static rather than on the stack, so that the linker sees whether it fits.
pub struct Arena<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    free: Mutex<Cell<bool>>,
}

// SAFETY: `take` gives the bytes to one caller only; the flag that sees to it changes in critical sections.
unsafe impl<const N: usize> Sync for Arena<N> {}

impl<const N: usize> Arena<N> {
    /// Memory that nobody has taken yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made in statics, where Default cannot be called")]
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; N]), free: Mutex::new(Cell::new(true)) }
    }

    /// The memory, to the first who asks; nothing to all others, which `Network::new` refuses as too small.
    pub fn take(&'static self) -> &'static mut [u8] {
        if critical_section::with(|section| self.free.borrow(section).replace(false)) {
            // SAFETY: the flag was still set and nobody sets it again: this is the only reference there will be.
            unsafe { &mut *self.bytes.get() }
        } else {
            &mut []
        }
    }
}
