//! Blocks of rows over a list of inputs, or over the codes under a filter.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{cpu, in_words};
use crate::kernels::shared::sparse::{Entry, List, Rows};
use crate::packing::ROWS_PER_BLOCK;

/// Comes after the last entry: added to any address, its offset carries.
pub const END: Entry = [0, u32::MAX];

/// An entry that adds nothing.
pub const FILLER: Entry = [0, 0];

/// Lists pairs of inputs that are not zero: `[a | b << 16, offset in bytes of their weights in a full block]`.
///
/// `seen` inputs, an even number, were seen before. Returns how many entries it wrote, how many inputs it saw, and their sum.
pub fn list_pairs(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
    let room = entries.as_mut_ptr_range();
    let codes = inputs.as_ptr_range();
    if entries.len() < 2 {
        return (0, inputs.len(), 0);
    }
    let mut listed = Listed {
        next: room.start,
        last: room.end.wrapping_sub(2),
        codes: codes.start,
        end: codes.end,
        before: codes.start.wrapping_sub(seen).wrapping_add(4),
    };
    // SAFETY: there is room for two entries, and `codes` to `end` are the inputs.
    let sum = unsafe { list_words(&mut listed) };
    let filled = (listed.next.addr() - room.start.addr()) / size_of::<Entry>();
    (filled, (listed.codes.addr() - codes.start.addr()).min(inputs.len()), sum)
}

/// What [`list_words`] works on.
#[repr(C)]
struct Listed {
    /// Where the next entry goes.
    next: *mut Entry,
    /// Where it goes at the latest: there is room for one more after it.
    last: *mut Entry,
    /// Inputs that were not seen yet.
    codes: *const u8,
    /// Their end.
    end: *const u8,
    /// A word after where all inputs begin.
    before: *const u8,
}

/// Lists two pairs of inputs at a time, 5 instructions where all four are zero and 20 where none is, until there is no room for two
/// entries or nothing is left. Updates `next` and `codes`, which is after `end` where a last word was not full. Returns the sum.
///
/// r1 next entry, r2 the last one, r3 codes, r4 three before their end, r5 a word after where all begin, r6-r9 a word, its
/// pairs, where their weights are, r12 zero, lr sum.
///
/// # Safety
/// There is room for two entries, and `codes` to `end` can be read.
#[unsafe(naked)]
unsafe extern "C" fn list_words(listed: &mut Listed) -> u32 {
    naked_asm!(
        cpu!(),
        "
            push {{r4-r9, lr}}
            ldm r0, {{r1-r5}}
            sub r4, r4, #3
            mov r12, #0
            mov lr, #0
        2:
            cmp r3, r4
            bhs 5f
            ldr r6, [r3], #4
            cmp r6, #0
            beq 2b
        3:
            usada8 lr, r6, r12, lr
            uxtb16 r7, r6
            uxtb16 r8, r6, ror #8
            sub r9, r3, r5
            lsl r9, r9, #3
            pkhbt r6, r7, r8, lsl #16
            pkhtb r7, r8, r7, asr #16
            cbz r6, 4f
            strd r6, r9, [r1], #8
        4:
            cbz r7, 4f
            add r9, r9, #16
            strd r7, r9, [r1], #8
        4:
            cmp r1, r2
            bls 2b
            b 7f
        5:  // Three codes or less, the last one first.
            sub r8, r4, r3
            adds r8, r8, #3
            ble 7f
            mov r6, #0
        6:
            subs r8, r8, #1
            ldrb r7, [r3, r8]
            orr r6, r7, r6, lsl #8
            bne 6b
            add r3, r3, #4
            cmp r6, #0
            bne 3b
        7:
            str r1, [r0]
            str r3, [r0, #8]
            mov r0, lr
            pop {{r4-r9, pc}}
        ",
    )
}

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
