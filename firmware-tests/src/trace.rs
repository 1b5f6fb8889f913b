//! Marks in a trace of the emulator, which knows functions by their names and nothing else of a program.

use core::hint::black_box;

/// What follows is counted.
#[inline(never)]
pub fn trace_begins() {
    black_box(0_u8);
}

/// What follows is not.
#[inline(never)]
pub fn trace_ends() {
    // Two functions of the same code might become one.
    black_box(1_u32);
}
