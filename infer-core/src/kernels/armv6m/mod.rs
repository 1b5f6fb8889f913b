//! Cortex-M0, M0+ and M23: a product is a load, a multiplication in one of eight registers, and an addition, which
//! reaches the other registers too. So sums live in those.
//!
//! They need all fourteen registers, which only a naked function has.

#![allow(unsafe_code, reason = "a compiler does not keep sums in the upper registers")]

use core::arch::naked_asm;

use super::operands::Rescale;
use super::shared::one_by_one::assembly::{Assembly, Inputs, PlacedRows};
use super::shared::one_by_one::columns::Window;
use super::shared::one_by_one::records::Finish;
use super::shared::one_by_one::taps::{State, Tap};
use super::shared::sparse::Entry;
use crate::packing::ROWS_PER_BLOCK;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Armv6m;

impl Assembly for Armv6m {
    const ADVANCED: u32 = 4;
    const LEFT_BY: u8 = 4;

    #[inline]
    unsafe fn fill(entries: *mut Entry, end: *mut Entry, inputs: &mut Inputs) -> *mut Entry {
        // SAFETY: the caller's part.
        unsafe { fill(entries, end, inputs) }
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
        let mut sums = finish.sums();
        // SAFETY: the caller's part.
        unsafe { block_over_taps(list, weights, &mut sums, count) }
        finish.codes::<Self>(&sums, codes);
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
        let mut sums = finish.sums();
        // SAFETY: the caller's part.
        unsafe {
            pooled::block_over_window(&window.starts, window.codes.as_ptr(), weights, window.codes.len(), &mut sums);
        }
        finish.codes::<Self>(&sums, codes);
    }
}

/// As in `portable`, without a 64-bit product, which takes this core a function call.
///
/// With `a = ah << 16 | al` and `m = mh << 16 | ml`, `ah` signed and the others not, the product is
/// `(ah * mh << 32) + ((ah * ml + al * mh) << 16) + al * ml`, of which bits 32 and up are wanted, rounded.
fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    // Half of what comes before a ReLU. Multipliers are positive.
    if shifted <= 0 && rescale.zero_point == 0 {
        return 0;
    }
    let (ah, al) = (shifted >> 16, shifted & 0xFFFF);
    let (mh, ml) = (multiplier >> 16, multiplier & 0xFFFF);
    let low = al.cast_unsigned().wrapping_mul(ml.cast_unsigned()) >> 16;
    // At most 2^31 + 2^17, as `mh` has 15 bits.
    let unsigned = al.wrapping_mul(mh).cast_unsigned().wrapping_add(low).wrapping_add(1 << 15);
    let signed = ah.wrapping_mul(ml);
    let carry = ((signed & 0xFFFF).cast_unsigned() + (unsigned & 0xFFFF)) >> 16;
    let middle = (signed >> 16).wrapping_add((unsigned >> 16).wrapping_add(carry).cast_signed());
    let rounded = ah.wrapping_mul(mh).wrapping_add(middle);
    rounded.saturating_add(rescale.zero_point.into()).clamp(0, 255) as u8
}

/// What the loops over rows share: the products of the code in r1 with the eight weights at r3, added to the sums of even
/// rows, r6 and r8-r10, and of odd rows, r7, r11, r12 and lr. r2 is overwritten, r3 moves by four, which is what
/// reaches the signed weights with r4 = 1 and r5 = 9: a signed load has no constant offset.
macro_rules! eight_rows {
    () => {
        "
        .macro THIMBLE_ADD load, offset, sum
            \\load r2, [r3, \\offset]
            muls r2, r1, r2
            add \\sum, \\sum, r2
        .endm
        .macro THIMBLE_EIGHT
            THIMBLE_ADD ldrb, #0, r6
            THIMBLE_ADD ldrb, #4, r8
            THIMBLE_ADD ldrb, #8, r9
            THIMBLE_ADD ldrb, #12, r10
            THIMBLE_ADD ldrsb, r4, r7
            THIMBLE_ADD ldrsb, r5, r12
            adds r3, r3, #4
            THIMBLE_ADD ldrsb, r4, r11
            THIMBLE_ADD ldrsb, r5, lr
        .endm
        // Eight sums at r0, by way of r1-r4.
        .macro THIMBLE_LOAD_SUMS
            ldm r0!, {{r1, r2, r3, r4}}
            mov r6, r1
            mov r8, r2
            mov r9, r3
            mov r10, r4
            ldm r0!, {{r1, r2, r3, r4}}
            mov r7, r1
            mov r11, r2
            mov r12, r3
            mov lr, r4
        .endm
        .macro THIMBLE_STORE_SUMS
            mov r1, r6
            mov r2, r8
            mov r3, r9
            mov r4, r10
            stm r0!, {{r1, r2, r3, r4}}
            mov r1, r7
            mov r2, r11
            mov r3, r12
            mov r4, lr
            stm r0!, {{r1, r2, r3, r4}}
        .endm
        "
    };
}

/// Forgets the macros of [`eight_rows`].
macro_rules! forget {
    () => {
        "
        .purgem THIMBLE_ADD
        .purgem THIMBLE_EIGHT
        .purgem THIMBLE_LOAD_SUMS
        .purgem THIMBLE_STORE_SUMS
        "
    };
}

/// Saves the registers that belong to the caller.
macro_rules! enter {
    () => {
        "
            push {{r4-r7, lr}}
            mov r4, r8
            mov r5, r9
            mov r6, r10
            mov r7, r11
            push {{r4-r7}}
        "
    };
}

/// Restores them and returns.
macro_rules! leave {
    () => {
        "
            pop {{r4-r7}}
            mov r8, r4
            mov r9, r5
            mov r10, r6
            mov r11, r7
            pop {{r4-r7, pc}}
        "
    };
}

// After the macros that they use.
mod pooled;
mod winograd;

/// Eight rows at a time over a list: 27.5 instructions for the 8 products of an entry.
///
/// r0 list, r1 input, r2 distance and weight, r3 address of weights; the stack keeps list, block, sums, number of blocks
/// and their length.
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
        enter!(),
        "
            ldr r4, [sp, #36]
            push {{r0-r4}}
        2:
            ldr r0, [sp, #8]
            THIMBLE_LOAD_SUMS
            ldr r0, [sp]
            ldr r3, [sp, #4]
            movs r4, #1
            movs r5, #9
            ldm r0!, {{r1, r2}}
        3:
            .rept 4
            adds r3, r3, r2
            THIMBLE_EIGHT
            ldm r0!, {{r1, r2}}
            .endr
            cmp r2, #255
            bne 3b
            ldr r0, [sp, #8]
            THIMBLE_STORE_SUMS
            str r0, [sp, #8]
            ldr r0, [sp, #4]
            ldr r1, [sp, #16]
            adds r0, r0, r1
            str r0, [sp, #4]
            ldr r0, [sp, #12]
            subs r0, r0, #1
            str r0, [sp, #12]
            beq 4f
            b 2b
        4:
            add sp, sp, #20
        ",
        leave!(),
        forget!(),
    )
}

/// Less than eight rows over a list, whose places are scaled to their block.
///
/// r0 list, r1 input, r2 weight, r3 address of weights, r4 = 1, r5 where sums are in memory, r6 block, r7 place in a full
/// block, r8-r10 and r11, r12, lr sums.
///
/// # Safety
/// As [`Assembly::last_block_over_list`].
#[unsafe(naked)]
unsafe extern "C" fn last_block_over_list<const WORDS: usize>(list: *const Entry, weights: *const u8, sums: *mut u32) {
    naked_asm!(
        eight_rows!(),
        "
        .macro THIMBLE_TO_REGISTER sum, at
            ldr r3, [r5, #4 * (\\at)]
            mov \\sum, r3
        .endm
        .macro THIMBLE_TO_MEMORY sum, at
            mov r3, \\sum
            str r3, [r5, #4 * (\\at)]
        .endm
        .macro THIMBLE_SUMS move
            \\move r8, 0
            \\move r11, {words}
            .if {words} > 1
            \\move r9, 1
            \\move r12, {words} + 1
            .endif
            .if {words} > 2
            \\move r10, 2
            \\move lr, {words} + 2
            .endif
        .endm
        ",
        enter!(),
        "
            mov r5, r2
            mov r6, r1
            THIMBLE_SUMS THIMBLE_TO_REGISTER
            movs r4, #1
            movs r7, #0
            ldm r0!, {{r1, r2}}
        2:
            adds r7, r7, r2
            lsrs r3, r7, #4
            .if {words} == 3
            lsls r2, r3, #3
            lsls r3, r3, #2
            adds r3, r3, r2
            .else
            lsls r3, r3, #{words} + 1
            .endif
            movs r2, #15
            ands r2, r2, r7
            adds r3, r3, r2
            adds r3, r3, r6
            adds r7, r7, #4
            THIMBLE_ADD ldrb, #0, r8
            THIMBLE_ADD ldrsb, r4, r11
            .if {words} > 1
            adds r3, r3, #4
            THIMBLE_ADD ldrb, #0, r9
            THIMBLE_ADD ldrsb, r4, r12
            .endif
            .if {words} > 2
            adds r3, r3, #4
            THIMBLE_ADD ldrb, #0, r10
            THIMBLE_ADD ldrsb, r4, lr
            .endif
            ldm r0!, {{r1, r2}}
            cmp r2, #255
            bne 2b
            THIMBLE_SUMS THIMBLE_TO_MEMORY
        ",
        leave!(),
        "
            .purgem THIMBLE_TO_REGISTER
            .purgem THIMBLE_TO_MEMORY
            .purgem THIMBLE_SUMS
        ",
        forget!(),
        words = const WORDS,
    )
}

/// A block over a list of taps: 29 instructions for the 8 products of an entry. The loop of four entries is entered so that as
/// many as are left over make its first round.
///
/// r0 list, r1 code, r2 distance and weight, r3 address of weights, which begins an entry four bytes after them, r4 = 1,
/// r5 = 9, sums as in [`eight_rows`]; the stack keeps where sums are and where the list ends.
///
/// # Safety
/// As [`Assembly::block_over_taps`].
#[unsafe(naked)]
unsafe extern "C" fn block_over_taps(
    list: *const Tap,
    weights: *const u8,
    sums: *mut [u32; ROWS_PER_BLOCK],
    count: usize,
) {
    naked_asm!(
        eight_rows!(),
        enter!(),
        "
            lsls r4, r3, #1
            adds r4, r4, r0
            rsbs r3, r3, #0
            movs r5, #3
            ands r3, r3, r5
            lsls r5, r3, #1
            subs r0, r0, r5
            movs r5, #56
            muls r3, r5, r3
            adr r5, 2f
            adds r5, r5, r3
            adds r5, r5, #1
            push {{r0, r1, r2, r4, r5}}
            mov r0, r2
            THIMBLE_LOAD_SUMS
            ldr r0, [sp]
            ldr r3, [sp, #4]
            ldr r2, [sp, #16]
            movs r4, #1
            movs r5, #9
            bx r2
            .p2align 2
        2:
            .set THIMBLE_AT, 0
            .rept 4
            ldrb r1, [r0, #THIMBLE_AT]
            ldrb r2, [r0, #THIMBLE_AT + 1]
            adds r3, r3, r2
            THIMBLE_ADD ldrb, #0, r8
            THIMBLE_ADD ldrb, #4, r9
            THIMBLE_ADD ldrb, #8, r10
            THIMBLE_ADD ldrsb, r4, r11
            THIMBLE_ADD ldrsb, r5, lr
            subs r3, r3, #4
            THIMBLE_ADD ldrb, #0, r6
            THIMBLE_ADD ldrsb, r4, r7
            THIMBLE_ADD ldrsb, r5, r12
            .set THIMBLE_AT, THIMBLE_AT + 2
            .endr
            adds r0, r0, #8
            ldr r2, [sp, #12]
            cmp r0, r2
            bne 2b
            ldr r0, [sp, #8]
            THIMBLE_STORE_SUMS
            add sp, sp, #20
        ",
        leave!(),
        forget!(),
    )
}

/// Lists inputs: 13 instructions for one that is not zero, 7 for one that is.
///
/// r0 list, r1 its end, r2 inputs, r3 code, r4 distance, r5 sum, r6 end of inputs, r7 as r3; the stack keeps where inputs are kept.
///
/// # Safety
/// As [`Assembly::fill`].
#[unsafe(naked)]
unsafe extern "C" fn fill(entries: *mut Entry, end: *mut Entry, inputs: *mut Inputs) -> *mut Entry {
    naked_asm!(
        "
        .macro THIMBLE_INPUT step
            ldrb r3, [r2]
            adds r2, r2, #1
            cmp r3, #0
            beq 3f
            stm r0!, {{r3, r4}}
            adds r5, r5, r3
            movs r4, #4
            rsbs r4, r4, #0
            cmp r0, r1
            beq 5f
        3:
            adds r4, r4, #\\step
        .endm
            push {{r2, r4-r7, lr}}
            ldm r2!, {{r3, r6}}
            ldm r2!, {{r4, r5, r7}}
            movs r2, r3
            cmp r7, #0
            bne 4f
        2:
            THIMBLE_INPUT 2
            cmp r2, r6
            beq 5f
        4:
            THIMBLE_INPUT 14
            cmp r2, r6
            bne 2b
        5:
            ldr r3, [sp]
            str r2, [r3]
            str r5, [r3, #12]
            pop {{r2, r4-r7, pc}}
            .purgem THIMBLE_INPUT
        ",
    )
}

/// Lists codes: 13 instructions for a code that is not zero, 7 for one that is, and 2 for each pair.
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
            ldm r3!, {{r4, r5, r6}}
            adds r2, r2, r1
            cmp r6, #0
            bne 4f
        2:
            cmp r4, #0xE0
            bhs 7f
        3:
            ldrb r7, [r1]
            adds r1, r1, #1
            cmp r7, #0
            beq 13f
            lsls r6, r4, #8
            adds r6, r6, r7
            strh r6, [r0]
            adds r0, r0, #2
            adds r5, r5, r7
            movs r4, #4
        13:
            adds r4, r4, #2
            cmp r1, r2
            beq 6f
        4:
            ldrb r7, [r1]
            adds r1, r1, #1
            cmp r7, #0
            beq 5f
            lsls r6, r4, #8
            adds r6, r6, r7
            strh r6, [r0]
            adds r0, r0, #2
            adds r5, r5, r7
            movs r4, #4
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
            strh r6, [r0]
            adds r0, r0, #2
            movs r4, #4
            b 3b
        8:
            pop {{r3}}
            stm r3!, {{r4, r5, r6}}
            pop {{r4-r7, pc}}
        ",
    )
}
