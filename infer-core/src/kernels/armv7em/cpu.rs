//! What the files of this folder have in common.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::asm;

use crate::kernels::operands::Rescale;

/// Tells the assembler of a core whose target's name leaves the extension open.
#[cfg(armv8m)]
macro_rules! cpu {
    () => {
        ".cpu cortex-m33"
    };
}
/// The target's name is enough.
#[cfg(not(armv8m))]
macro_rules! cpu {
    () => {
        ""
    };
}
pub(super) use cpu;

/// Pairs of taps whose sums are exact without a fold.
pub const PAIRS_PER_FOLD: usize = 128;

/// Whether bytes are at a multiple of a word, as LDRD and LDM want them.
pub fn in_words(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// As in `portable`: a shift, SMMULR and USAT.
pub fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let code: u32;
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            cpu!(),
            "smmulr {code}, {shifted}, {multiplier}",
            "add {code}, {code}, {zero_point}",
            "usat {code}, #8, {code}",
            code = out(reg) code,
            shifted = in(reg) shifted,
            multiplier = in(reg) multiplier,
            zero_point = in(reg) u32::from(rescale.zero_point),
            options(pure, nomem, nostack),
        );
    }
    code as u8
}
