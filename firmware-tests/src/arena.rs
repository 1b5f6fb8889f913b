//! The one mutable static.
#![allow(unsafe_code, reason = "a mutable static, lent once")]

use core::cell::{Cell, UnsafeCell};

use critical_section::Mutex;

/// `N` bytes of working memory that are handed out once.
///
/// In a static rather than on the stack, so that the linker sees whether it fits.
pub struct Arena<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    taken: Mutex<Cell<bool>>,
}

// SAFETY: `take` gives the bytes to one caller only; the flag that sees to it changes in critical sections.
unsafe impl<const N: usize> Sync for Arena<N> {}

impl<const N: usize> Arena<N> {
    /// Memory that is not taken yet. All of it is zero, the flag too, so that it costs no flash.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made in statics, where Default cannot be called")]
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; N]), taken: Mutex::new(Cell::new(false)) }
    }

    /// The memory, to the first caller; an empty slice to all others, which `Network::new` refuses as too small.
    #[expect(clippy::mut_from_ref, reason = "it is given out once")]
    pub fn take(&'static self) -> &'static mut [u8] {
        if critical_section::with(|section| self.taken.borrow(section).replace(true)) {
            return &mut [];
        }
        // SAFETY: the flag was not set yet and is never cleared: this is the only reference there will be.
        unsafe { &mut *self.bytes.get() }
    }
}
