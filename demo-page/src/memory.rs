//! Memory of the program: what is taken is never given back.

#![allow(unsafe_code, reason = "memory comes from WebAssembly as a number of pages")]

use core::arch::wasm32::memory_grow;
use core::cell::UnsafeCell;

/// Bytes of a page of WebAssembly's memory.
const PAGE: usize = 1 << 16;

/// So many bytes, all zero, which nothing else uses, from the beginning of a page on; `None` where the browser gives no more.
pub fn take(len: usize) -> Option<&'static mut [u8]> {
    let first = memory_grow::<0>(len.div_ceil(PAGE));
    if first == usize::MAX {
        return None;
    }
    // SAFETY: these pages are new, and no other call gives them out.
    Some(unsafe { core::slice::from_raw_parts_mut((first * PAGE) as *mut u8, len) })
}

/// A value of a program that has one thread.
pub struct Single<T>(UnsafeCell<T>);

// SAFETY: there is one thread, as the target has no others.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    /// The value at the beginning.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Gives the value to `change`.
    pub fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: there is one thread, and no function of this program calls another one of its exports while it has the value.
        change(unsafe { &mut *self.0.get() })
    }
}
