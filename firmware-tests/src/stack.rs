//! How deep the stack gets.
#![allow(
    unsafe_code,
    reason = "paints free memory below the stack pointer, and uses the linker's symbols for where it ends"
)]

use core::hint::black_box;

use crate::arch;

/// A word that work is unlikely to leave behind by chance.
const PAINT: u32 = 0xC0DE_F00D;

/// Painted at most.
const DEEPEST: usize = 32 * 1024;

/// Runs `work` and measures the bytes of stack that it takes: the memory below is painted first, and what is still
/// painted afterwards was not used.
///
/// The frame of `work` itself counts, its result does not.
#[inline(never)]
pub fn used_by<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let top = arch::stack_pointer();
    let bottom = stack_end().max(top.saturating_sub(DEEPEST));
    for address in (bottom..top).step_by(size_of::<u32>()) {
        // SAFETY: between the end of the statics and the stack pointer nothing lives; no interrupt is enabled.
        unsafe { (address as *mut u32).write_volatile(PAINT) };
    }
    let result = in_a_frame_of_its_own(work);
    let deepest = (bottom..top)
        .step_by(size_of::<u32>())
        // SAFETY: the same memory, initialized above.
        .find(|&address| unsafe { (address as *const u32).read_volatile() } != PAINT)
        .unwrap_or(top);
    (result, top - deepest)
}

/// Otherwise the work's frame would be part of the measuring function's, above the paint.
#[inline(never)]
fn in_a_frame_of_its_own<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

/// Where the statics end and the stack's room begins.
fn stack_end() -> usize {
    unsafe extern "C" {
        static __sheap: u32;
    }
    &raw const __sheap as usize
}
