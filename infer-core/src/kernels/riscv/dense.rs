//! A fully connected layer's rows over a list of inputs that are not zero.

use core::arch::naked_asm;

use super::assembly::{end_of_macros, macros};
use crate::kernels::shared::sparse::{Entry, List, Rows};
use crate::packing::ROWS_PER_BLOCK;

/// Adds what a list contributes to the sums of some rows.
#[inline]
pub fn pass(list: &List<'_>, rows: Rows<'_>) {
    let Rows { weights, sums, words } = rows;
    let entries = list.entries().as_ptr_range();
    if entries.is_empty() {
        return;
    }
    let fits = sums.len() == 2 * words;
    // SAFETY: `sparse` compared the lengths, so that the entries lead to no place outside a block; a block has two sums for each
    // word, and the list has entries, in fours.
    unsafe {
        match words {
            1 if fits => last_block::<1>(entries.start, entries.end, weights.as_ptr(), sums.as_mut_ptr()),
            2 if fits => last_block::<2>(entries.start, entries.end, weights.as_ptr(), sums.as_mut_ptr()),
            3 if fits => last_block::<3>(entries.start, entries.end, weights.as_ptr(), sums.as_mut_ptr()),
            4 => {
                let blocks = sums.as_chunks_mut::<ROWS_PER_BLOCK>().0;
                let len = weights.len() / blocks.len().max(1);
                for (block, sums) in blocks.iter_mut().enumerate() {
                    let weights = weights.as_ptr().wrapping_add(block * len);
                    full_block(entries.start, entries.end, weights, sums);
                }
            }
            _ => {}
        }
    }
}

/// What the loops over rows share: the products of the code in t0 with the weights of two rows.
macro_rules! word {
    () => {
        "
        .macro THIMBLE_WORD at, even, odd
            lbu t2, \\at(a2)
            lb t3, \\at+1(a2)
            mul t2, t2, t0
            mul t3, t3, t0
            add \\even, \\even, t2
            add \\odd, \\odd, t3
        .endm
        "
    };
}

/// Eight rows over a list: 27.5 instructions for the 8 products of an entry.
///
/// a4-a7 and s0-s1, t5, t6 sums; a0 list, a1 its end, a2 weights, a3 sums in memory; t0 code, t1 distance, t2 and t3 weights
/// and products.
///
/// # Safety
/// There are entries, in fours, and none leads outside the block.
#[unsafe(naked)]
unsafe extern "C" fn full_block(
    list: *const Entry,
    end: *const Entry,
    weights: *const u8,
    sums: *mut [u32; ROWS_PER_BLOCK],
) {
    naked_asm!(
        macros!(),
        word!(),
        "
            addi sp, sp, -16
            sw s0, 0(sp)
            sw s1, 4(sp)
            lw a4, 0(a3)
            lw a5, 4(a3)
            lw a6, 8(a3)
            lw a7, 12(a3)
            lw s0, 16(a3)
            lw s1, 20(a3)
            lw t5, 24(a3)
            lw t6, 28(a3)
        2:
            .set THIMBLE_ENTRY, 0
            .rept 4
            lw t0, THIMBLE_ENTRY(a0)
            lw t1, THIMBLE_ENTRY+4(a0)
            add a2, a2, t1
            THIMBLE_WORD 0, a4, s0
            THIMBLE_WORD 4, a5, s1
            THIMBLE_WORD 8, a6, t5
            THIMBLE_WORD 12, a7, t6
            .set THIMBLE_ENTRY, THIMBLE_ENTRY+8
            .endr
            addi a0, a0, 32
            bne a0, a1, 2b
            sw a4, 0(a3)
            sw a5, 4(a3)
            sw a6, 8(a3)
            sw a7, 12(a3)
            sw s0, 16(a3)
            sw s1, 20(a3)
            sw t5, 24(a3)
            sw t6, 28(a3)
            lw s0, 0(sp)
            lw s1, 4(sp)
            addi sp, sp, 16
            ret
            .purgem THIMBLE_WORD
        ",
        end_of_macros!(),
    )
}

/// Less than eight rows over a list, whose places are scaled to their block.
///
/// a4-a6 sums of even rows, a7, t5 and t6 of odd ones; t4 place in a full block, s0 the weights' start, and as above.
///
/// # Safety
/// There are entries, and none leads outside the block. `sums` has two for each of its `WORDS` words.
#[unsafe(naked)]
unsafe extern "C" fn last_block<const WORDS: usize>(
    list: *const Entry,
    end: *const Entry,
    weights: *const u8,
    sums: *mut u32,
) {
    naked_asm!(
        macros!(),
        word!(),
        "
            addi sp, sp, -16
            sw s0, 0(sp)
            mv s0, a2
            li t4, 0
            lw a4, 0(a3)
            lw a7, 4*{words}(a3)
            .if {words} > 1
            lw a5, 4(a3)
            lw t5, 4*{words}+4(a3)
            .endif
            .if {words} > 2
            lw a6, 8(a3)
            lw t6, 4*{words}+8(a3)
            .endif
        2:
            lw t0, 0(a0)
            lw t1, 4(a0)
            addi a0, a0, 8
            add t4, t4, t1
            srli t1, t4, 4
            andi t2, t4, 15
            .if {words} == 1
            slli t1, t1, 2
            .endif
            .if {words} == 2
            slli t1, t1, 3
            .endif
            .if {words} == 3
            slli t3, t1, 3
            slli t1, t1, 2
            add t1, t1, t3
            .endif
            add t1, t1, t2
            add a2, s0, t1
            THIMBLE_WORD 0, a4, a7
            .if {words} > 1
            THIMBLE_WORD 4, a5, t5
            .endif
            .if {words} > 2
            THIMBLE_WORD 8, a6, t6
            .endif
            bne a0, a1, 2b
            sw a4, 0(a3)
            sw a7, 4*{words}(a3)
            .if {words} > 1
            sw a5, 4(a3)
            sw t5, 4*{words}+4(a3)
            .endif
            .if {words} > 2
            sw a6, 8(a3)
            sw t6, 4*{words}+8(a3)
            .endif
            lw s0, 0(sp)
            addi sp, sp, 16
            ret
            .purgem THIMBLE_WORD
        ",
        end_of_macros!(),
        words = const WORDS,
    )
}
