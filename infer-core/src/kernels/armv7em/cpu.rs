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

/// What the assembly shares that sums up rows in pairs: `u` in r0-r3, `acc` in r4-r7, and at `at` on the stack the sums of odd rows in
/// earlier folds. Uses r8-r11.
macro_rules! folds {
    () => {
        "
        // Sums of odd rows, 256 of each.
        .macro THIMBLE_DIFFERENCES
            sub r4, r4, r0
            sub r5, r5, r1
            sub r6, r6, r2
            sub r7, r7, r3
        .endm
        // Sums of odd rows, with those of earlier folds.
        .macro THIMBLE_ADD_FOLDS at
            ldrd r8, r9, [sp, #\\at]
            ldrd r10, r11, [sp, #\\at + 8]
            add r4, r8, r4, asr #8
            add r5, r9, r5, asr #8
            add r6, r10, r6, asr #8
            add r7, r11, r7, asr #8
        .endm
        // Keeps these for the next fold, where sums begin anew.
        .macro THIMBLE_KEEP_FOLDS at
            strd r4, r5, [sp, #\\at]
            strd r6, r7, [sp, #\\at + 8]
            mov r4, r0
            mov r5, r1
            mov r6, r2
            mov r7, r3
        .endm
        // There were none.
        .macro THIMBLE_CLEAR_FOLDS at
            mov r8, #0
            strd r8, r8, [sp, #\\at]
            strd r8, r8, [sp, #\\at + 8]
        .endm
        "
    };
}
pub(super) use folds;

/// Forgets the macros, so that the next function can define them.
macro_rules! forget_folds {
    () => {
        "
        .purgem THIMBLE_DIFFERENCES
        .purgem THIMBLE_ADD_FOLDS
        .purgem THIMBLE_KEEP_FOLDS
        .purgem THIMBLE_CLEAR_FOLDS
        "
    };
}
pub(super) use forget_folds;

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
