//! Cortex-M3: a product is a load and a multiplication that adds.
//!
//! They need all fourteen registers, which only a naked function has.

#![allow(unsafe_code, reason = "a compiler keeps neither sixteen sums nor their order of loads in registers")]

mod depthwise;
mod pooled;
mod positions;
mod winograd;

use core::arch::{asm, naked_asm};

use super::operands::{Conv2dOperands, DepthwiseConv2dOperands, Rescale};
use super::shared::one_by_one::assembly::{Assembly, Inputs, PlacedRows};
use super::shared::one_by_one::columns::Window;
use super::shared::one_by_one::records::{Finish, Records};
use super::shared::one_by_one::taps::{State, Tap};
use super::shared::sparse::Entry;
use crate::packing::ROWS_PER_BLOCK;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Armv7m;

impl Assembly for Armv7m {
    const ADVANCED: u32 = 0;
    const LEFT_BY: u8 = 0;

    #[inline]
    unsafe fn fill(entries: *mut Entry, end: *mut Entry, inputs: &mut Inputs) -> *mut Entry {
        // SAFETY: the caller's part.
        unsafe { fill(entries, end, inputs) }
    }

    #[inline]
    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d(input, operands, output);
    }

    #[inline]
    fn first_positions(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) -> usize {
        positions::conv2d(input, operands, scratch, output)
    }

    #[inline]
    unsafe fn blocks_over_list(list: *const Entry, weights: *const u8, sums: *mut u32, blocks: usize, len: usize) {
        // SAFETY: the caller's part.
        unsafe { blocks_over_list(list, weights, sums, blocks, len) }
    }

    #[inline]
    unsafe fn last_block_over_list<const WORDS: usize>(list: *const Entry, weights: *const u8, sums: *mut u32) {
        // SAFETY: the caller's part.
        unsafe { last_block_over_list::<WORDS>(list, weights, sums) }
    }

    #[inline]
    unsafe fn append(entries: *mut Tap, codes: *const u8, count: usize, state: &mut State) -> *mut Tap {
        // SAFETY: the caller's part.
        unsafe { append(entries, codes, count, state) }
    }

    #[inline]
    unsafe fn block_over_taps(
        list: *const Tap,
        weights: *const u8,
        count: usize,
        finish: &Finish<'_>,
        codes: &mut [u8; ROWS_PER_BLOCK],
    ) {
        let Rescale { zero_point, shift } = finish.rescale;
        let (zero_point, shift) = (zero_point.into(), u32::from(shift) % 32);
        // SAFETY: the caller's part.
        unsafe { block_over_taps(list, weights, finish.records, count, codes, finish.start, zero_point, shift) }
    }

    #[inline]
    unsafe fn put(codes: *const u8, upper: *mut u16, rows: &PlacedRows) -> u64 {
        // SAFETY: the caller's part.
        unsafe { pooled::put(codes, upper, rows) }
    }

    #[inline]
    unsafe fn block_over_window(
        window: &Window<'_>,
        weights: *const u8,
        finish: &Finish<'_>,
        codes: &mut [u8; ROWS_PER_BLOCK],
    ) {
        let Rescale { zero_point, shift } = finish.rescale;
        let (zero_point, shift) = (zero_point.into(), u32::from(shift) % 32);
        let (starts, taps) = (&window.starts, window.codes.len());
        // SAFETY: the caller's part.
        unsafe {
            pooled::block_over_window(
                starts,
                window.codes.as_ptr(),
                weights,
                taps,
                finish.records,
                codes,
                zero_point,
                shift,
            );
        }
    }
}

/// As in `portable`: the rounding is the carry out of the lower word, the clamp is USAT.
fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let code: u32;
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            "smull {low}, {code}, {shifted}, {multiplier}",
            "lsls {low}, {low}, #1",
            "adc {code}, {code}, {zero_point}",
            "usat {code}, #8, {code}",
            low = out(reg) _,
            code = out(reg) code,
            shifted = in(reg) accumulator.wrapping_shl(rescale.shift.into()),
            multiplier = in(reg) multiplier,
            zero_point = in(reg) u32::from(rescale.zero_point),
            options(pure, nomem, nostack),
        );
    }
    code as u8
}

/// What the loops over rows share: the products of the code in r8 with eight weights, which begin `at` bytes after r11,
/// added to the sums of even rows, r0-r3, and of odd rows, r4-r7.
macro_rules! eight_rows {
    () => {
        "
        .macro THIMBLE_WORD at, even, odd
            ldrb r10, [r11, #\\at]
            ldrsb r9, [r11, #\\at + 1]
            mla \\even, r8, r10, \\even
            mla \\odd, r8, r9, \\odd
        .endm
        .macro THIMBLE_EIGHT at
            THIMBLE_WORD \\at, r0, r4
            THIMBLE_WORD \\at + 4, r1, r5
            THIMBLE_WORD \\at + 8, r2, r6
            THIMBLE_WORD \\at + 12, r3, r7
        .endm
        "
    };
}

/// Forgets the macros of [`eight_rows`].
macro_rules! forget {
    () => {
        "
        .purgem THIMBLE_WORD
        .purgem THIMBLE_EIGHT
        "
    };
}

/// Eight rows at a time over a list: 18.5 instructions for the 8 products of an entry.
///
/// r0-r7 sums, r8 input, r9 distance and weight, r10 weight, r11 address of weights, r12 list, lr block; the stack keeps
/// the list, the sums, the number of blocks and their length.
///
/// # Safety
/// As [`Assembly::blocks_over_list`].
#[unsafe(naked)]
unsafe extern "C" fn blocks_over_list(
    list: *const Entry,
    weights: *const u8,
    sums: *mut u32,
    blocks: usize,
    len: usize,
) {
    naked_asm!(
        eight_rows!(),
        "
            push {{r4-r11, lr}}
            ldr r12, [sp, #36]
            push {{r0, r2, r3, r12}}
            mov lr, r1
        2:
            ldrd r12, r8, [sp]
            ldm r8, {{r0-r7}}
            mov r11, lr
            ldrd r8, r9, [r12], #8
        3:
            .rept 4
            add r11, r11, r9
            THIMBLE_EIGHT 0
            ldrd r8, r9, [r12], #8
            .endr
            cmp r9, #255
            bne 3b
            ldr r12, [sp, #4]
            stm r12!, {{r0-r7}}
            ldrd r8, r9, [sp, #8]
            add lr, lr, r9
            subs r8, r8, #1
            strd r12, r8, [sp, #4]
            bne 2b
            add sp, sp, #16
            pop {{r4-r11, pc}}
        ",
        forget!(),
    )
}

/// Less than eight rows over a list, whose places are scaled to their block.
///
/// r0-r2 and r4-r6 sums, r3 where they are in memory, r7 place in a full block, and as above.
///
/// # Safety
/// As [`Assembly::last_block_over_list`].
#[unsafe(naked)]
unsafe extern "C" fn last_block_over_list<const WORDS: usize>(list: *const Entry, weights: *const u8, sums: *mut u32) {
    naked_asm!(
        eight_rows!(),
        "
            push {{r4-r11, lr}}
            mov r12, r0
            mov lr, r1
            mov r3, r2
            ldr r0, [r3]
            ldr r4, [r3, #4 * {words}]
            .if {words} > 1
            ldr r1, [r3, #4]
            ldr r5, [r3, #4 * {words} + 4]
            .endif
            .if {words} > 2
            ldr r2, [r3, #8]
            ldr r6, [r3, #4 * {words} + 8]
            .endif
            mov r7, #0
            ldrd r8, r9, [r12], #8
        2:
            add r7, r7, r9
            lsr r11, r7, #4
            and r10, r7, #15
            .if {words} == 3
            add r11, r11, r11, lsl #1
            add r11, r10, r11, lsl #2
            .else
            add r11, r10, r11, lsl #{words} + 1
            .endif
            add r11, lr, r11
            THIMBLE_WORD 0, r0, r4
            .if {words} > 1
            THIMBLE_WORD 4, r1, r5
            .endif
            .if {words} > 2
            THIMBLE_WORD 8, r2, r6
            .endif
            ldrd r8, r9, [r12], #8
            cmp r9, #255
            bne 2b
            str r0, [r3]
            str r4, [r3, #4 * {words}]
            .if {words} > 1
            str r1, [r3, #4]
            str r5, [r3, #4 * {words} + 4]
            .endif
            .if {words} > 2
            str r2, [r3, #8]
            str r6, [r3, #4 * {words} + 8]
            .endif
            pop {{r4-r11, pc}}
        ",
        forget!(),
        words = const WORDS,
    )
}

/// The codes of a block out of a list of taps: 19.5 instructions for the 8 products of an entry, and 10 for each code. The loop
/// of four entries is entered so that as many as are left over make its first round.
///
/// r0-r7 sums, r8 code, r9 distance and weight, r10 weight, r11 address of weights, r12 list, lr its end; the stack keeps the
/// records.
///
/// # Safety
/// As [`Assembly::block_over_taps`].
#[unsafe(naked)]
unsafe extern "C" fn block_over_taps(
    list: *const Tap,
    weights: *const u8,
    records: *const Records,
    count: usize,
    codes: *mut [u8; ROWS_PER_BLOCK],
    start: u32,
    zero_point: u32,
    shift: u32,
) {
    naked_asm!(
        eight_rows!(),
        "
        .macro THIMBLE_CODE sum, at
            ldr r10, [r8, #8 * \\at + 4]
            lsl \\sum, \\sum, lr
            smull r10, r11, \\sum, r10
            lsls r10, r10, #1
            adc r11, r11, r12
            usat r11, #8, r11
            strb r11, [r9, #\\at]
        .endm
            push {{r2, r4-r11, lr}}
            mov r12, r0
            mov r11, r1
            add lr, r0, r3, lsl #1
            rsb r8, r3, #0
            and r8, r8, #3
            adr.w r9, 2f
            movs r10, #76
            mla r9, r8, r10, r9
            orr r9, r9, #1
            mov r10, r2
            ldr r8, [sp, #44]
            ldr r0, [r10]
            ldr r4, [r10, #8]
            ldr r1, [r10, #16]
            ldr r5, [r10, #24]
            ldr r2, [r10, #32]
            ldr r6, [r10, #40]
            ldr r3, [r10, #48]
            ldr r7, [r10, #56]
            add r0, r0, r8
            add r1, r1, r8
            add r2, r2, r8
            add r3, r3, r8
            bx r9
            .p2align 2
        2:
            .rept 4
            ldrb r8, [r12], #1
            ldrb r9, [r12], #1
            add.w r11, r11, r9
            THIMBLE_EIGHT 0
            .endr
            cmp r12, lr
            bne 2b
            ldr r8, [sp]
            ldr r9, [sp, #40]
            ldr r12, [sp, #48]
            ldr lr, [sp, #52]
            THIMBLE_CODE r0, 0
            THIMBLE_CODE r4, 1
            THIMBLE_CODE r1, 2
            THIMBLE_CODE r5, 3
            THIMBLE_CODE r2, 4
            THIMBLE_CODE r6, 5
            THIMBLE_CODE r3, 6
            THIMBLE_CODE r7, 7
            pop {{r2, r4-r11, pc}}
            .purgem THIMBLE_CODE
        ",
        forget!(),
    )
}

/// Lists inputs: 10 instructions for one that is not zero, 5 for one that is.
///
/// r0 list, r1 its end, r2 inputs, r3 where these are kept, r4 their end, r5 distance, r6 sum, r7 input.
///
/// # Safety
/// As [`Assembly::fill`].
#[unsafe(naked)]
unsafe extern "C" fn fill(entries: *mut Entry, end: *mut Entry, inputs: *mut Inputs) -> *mut Entry {
    naked_asm!(
        "
        .macro THIMBLE_INPUT step
            ldrb r7, [r2], #1
            cbz r7, 3f
            strd r7, r5, [r0], #8
            add r6, r6, r7
            movs r5, #0
            cmp r0, r1
            beq 5f
        3:
            adds r5, r5, #\\step
        .endm
            push {{r4-r7, lr}}
            mov r3, r2
            ldm r3, {{r2, r4, r5, r6, r7}}
            cmp r7, #0
            bne 4f
        2:
            THIMBLE_INPUT 2
            cmp r2, r4
            beq 5f
        4:
            THIMBLE_INPUT 14
            cmp r2, r4
            bne 2b
        5:
            str r2, [r3]
            str r6, [r3, #12]
            pop {{r4-r7, pc}}
            .purgem THIMBLE_INPUT
        ",
    )
}

/// Lists codes: 8 instructions for a code that is not zero, 4 for one that is, and 2 for each pair.
///
/// r0 list, r1 codes, r2 their end, r3 state, r4-r6 what it holds, r7 code; r6 is what is written, too.
///
/// # Safety
/// As [`Assembly::append`].
#[unsafe(naked)]
unsafe extern "C" fn append(entries: *mut Tap, codes: *const u8, count: usize, state: *mut State) -> *mut Tap {
    naked_asm!(
        "
            push {{r3-r7, lr}}
            ldm r3, {{r4, r5, r6}}
            adds r2, r2, r1
            cmp r6, #0
            bne 4f
        2:
            cmp r4, #0xE0
            bhs 7f
        3:
            ldrb r7, [r1], #1
            cbz r7, 13f
            orr r6, r7, r4, lsl #8
            strh r6, [r0], #2
            add r5, r5, r7
            movs r4, #0
        13:
            adds r4, r4, #2
            cmp r1, r2
            beq 6f
        4:
            ldrb r7, [r1], #1
            cbz r7, 5f
            orr r6, r7, r4, lsl #8
            strh r6, [r0], #2
            add r5, r5, r7
            movs r4, #0
        5:
            adds r4, r4, #14
            cmp r1, r2
            bne 2b
            movs r6, #0
            b 8f
        6:
            movs r6, #1
            b 8f
        7:
            lsls r6, r4, #8
            strh r6, [r0], #2
            movs r4, #0
            b 3b
        8:
            pop {{r3}}
            stm r3!, {{r4, r5, r6}}
            pop {{r4-r7, pc}}
        ",
    )
}
