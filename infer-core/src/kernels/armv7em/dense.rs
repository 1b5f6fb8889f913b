//! Blocks of rows over a list of inputs, or over the codes under a filter.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{cpu, in_words};
use crate::kernels::shared::sparse::{Entry, List, Rows};
use crate::packing::ROWS_PER_BLOCK;

/// Adds what a list contributes.
pub fn pass(list: &List<'_>, rows: Rows<'_>) {
    let (list, weights, sums) = (list.as_ptr(), rows.weights.as_ptr(), rows.sums.as_mut_ptr());
    let aligned = in_words(rows.weights);
    // SAFETY: `sparse::sums` compared the lengths, so the offsets in the list stay inside of each block of weights, and
    // `sums` has eight words for each full block, or two for each word of the last one.
    unsafe {
        match rows.words {
            1 => last_block::<1>(list, weights, sums),
            2 => last_block::<2>(list, weights, sums),
            3 => last_block::<3>(list, weights, sums),
            _ => {
                let blocks = rows.sums.len() / ROWS_PER_BLOCK;
                let len = rows.weights.len() / blocks.max(1);
                if aligned {
                    full_blocks::<true>(list, weights, sums, blocks, len);
                } else {
                    full_blocks::<false>(list, weights, sums, blocks, len);
                }
            }
        }
    }
}

/// Eight rows at a time over a list: 16 instructions for the 16 products of an entry, and one more for every four.
///
/// r0-r3 `u`, r4-r7 `acc`, r8 `x`, r9 address of the weights, r10-r11 weights, r12 list, lr block; the stack keeps the
/// list, the sums, the number of blocks and their length.
///
/// # Safety
/// There is one block at least, of `len` bytes each, with eight words in `sums` for each. `list` has entries and an end, and
/// no entry leads outside a block. Where `ALIGNED`, weights are at a multiple of a word.
#[unsafe(naked)]
unsafe extern "C" fn full_blocks<const ALIGNED: bool>(
    list: *const Entry,
    weights: *const u8,
    sums: *mut u32,
    blocks: usize,
    len: usize,
) {
    naked_asm!(
        cpu!(),
        ".macro THIMBLE_ENTRY",
        ".if {aligned}",
        "ldrd r10, r11, [r9]",
        ".else",
        "ldr r10, [r9]",
        "ldr r11, [r9, #4]",
        ".endif",
        "smlad r4, r10, r8, r4",
        "uxtb16 r10, r10",
        "smlad r0, r10, r8, r0",
        "smlad r5, r11, r8, r5",
        "uxtb16 r11, r11",
        "smlad r1, r11, r8, r1",
        ".if {aligned}",
        "ldrd r10, r11, [r9, #8]",
        ".else",
        "ldr r10, [r9, #8]",
        "ldr r11, [r9, #12]",
        ".endif",
        "smlad r6, r10, r8, r6",
        "uxtb16 r10, r10",
        "smlad r2, r10, r8, r2",
        "smlad r7, r11, r8, r7",
        "uxtb16 r11, r11",
        "smlad r3, r11, r8, r3",
        "ldrd r8, r9, [r12], #8",
        ".endm",
        "push {{r4-r11, lr}}",
        "ldr r12, [sp, #36]",
        "push {{r0, r2, r3, r12}}",
        "mov lr, r1",
        "2:",
        "ldrd r12, r8, [sp]",
        "ldm r8, {{r0-r3}}",
        "mov r4, r0",
        "mov r5, r1",
        "mov r6, r2",
        "mov r7, r3",
        "ldrd r8, r9, [r12], #8",
        "add r9, lr, r9",
        "3:",
        "THIMBLE_ENTRY",
        "add r9, lr, r9",
        "THIMBLE_ENTRY",
        "add r9, lr, r9",
        "THIMBLE_ENTRY",
        "add r9, lr, r9",
        "THIMBLE_ENTRY",
        // The end mark, and only it, makes this addition carry.
        "adds r9, lr, r9",
        "bcc 3b",
        "ldr r12, [sp, #4]",
        "sub r4, r4, r0",
        "sub r5, r5, r1",
        "sub r6, r6, r2",
        "sub r7, r7, r3",
        "stm r12!, {{r0-r3}}",
        "ldm r12, {{r8-r11}}",
        "add r8, r8, r4, asr #8",
        "add r9, r9, r5, asr #8",
        "add r10, r10, r6, asr #8",
        "add r11, r11, r7, asr #8",
        "stm r12!, {{r8-r11}}",
        "ldrd r8, r9, [sp, #8]",
        "add lr, lr, r9",
        "subs r8, r8, #1",
        "strd r12, r8, [sp, #4]",
        "bne 2b",
        "add sp, sp, #16",
        "pop {{r4-r11, pc}}",
        ".purgem THIMBLE_ENTRY",
        aligned = const ALIGNED as usize,
    )
}

/// What the assembly below shares: `x` in r7, a word of weights in r10 or r11, sums at `r12`.
macro_rules! shared {
    () => {
        "
        .macro THIMBLE_START acc, u, at
            ldr \\u, [r2, #4 * \\at]
            mov \\acc, \\u
        .endm
        .macro THIMBLE_WORD word, acc, u
            smlad \\acc, \\word, r7, \\acc
            uxtb16 \\word, \\word
            smlad \\u, \\word, r7, \\u
        .endm
        .macro THIMBLE_FOLD acc, u, at, words
            sub \\acc, \\acc, \\u
            str \\u, [r12, #4 * \\at]
            ldr r10, [r12, #4 * \\at + 4 * \\words]
            add r10, r10, \\acc, asr #8
            str r10, [r12, #4 * \\at + 4 * \\words]
        .endm
        "
    };
}

/// Forgets the macros, so that the next function can define its own.
macro_rules! forget {
    () => {
        "
        .purgem THIMBLE_START
        .purgem THIMBLE_WORD
        .purgem THIMBLE_FOLD
        "
    };
}

/// As [`full_blocks`], for a last block of 1 to 3 words for each pair of inputs; the offsets are scaled to that.
///
/// # Safety
/// `sums` has two words for each of `WORDS`, 1 to 3; `list` has entries and an end, and no entry leads outside the block.
#[unsafe(naked)]
unsafe extern "C" fn last_block<const WORDS: usize>(list: *const Entry, weights: *const u8, sums: *mut u32) {
    naked_asm!(
        cpu!(),
        shared!(),
        "push {{r2, r4-r11, lr}}",
        "mov r12, r0",
        "mov lr, r1",
        "THIMBLE_START r4, r0, 0",
        ".if {words} > 1",
        "THIMBLE_START r5, r1, 1",
        ".endif",
        ".if {words} > 2",
        "THIMBLE_START r6, r2, 2",
        ".endif",
        "ldrd r7, r9, [r12], #8",
        "2:",
        ".if {words} == 1",
        "lsr r9, r9, #2",
        ".elseif {words} == 2",
        "lsr r9, r9, #1",
        ".else",
        "sub r9, r9, r9, lsr #2",
        ".endif",
        "ldr r10, [lr, r9]",
        ".if {words} > 1",
        "add r9, lr, r9",
        ".endif",
        "THIMBLE_WORD r10, r4, r0",
        ".if {words} > 1",
        "ldr r10, [r9, #4]",
        "THIMBLE_WORD r10, r5, r1",
        ".endif",
        ".if {words} > 2",
        "ldr r10, [r9, #8]",
        "THIMBLE_WORD r10, r6, r2",
        ".endif",
        "ldrd r7, r9, [r12], #8",
        "cmn r9, #1",
        "bne 2b",
        "pop {{r12}}",
        "THIMBLE_FOLD r4, r0, 0, {words}",
        ".if {words} > 1",
        "THIMBLE_FOLD r5, r1, 1, {words}",
        ".endif",
        ".if {words} > 2",
        "THIMBLE_FOLD r6, r2, 2, {words}",
        ".endif",
        "pop {{r4-r11, pc}}",
        forget!(),
        words = const WORDS,
    )
}
