//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): four output channels at a tile.

use core::arch::naked_asm;

use super::{Armv6m, requantize};
use crate::kernels::operands::{Conv2dOperands, Rescale};
use crate::kernels::shared::winograd::tiles::{OUTPUTS, Pixels, TileLoops, place};
use crate::packing::winograd::{PRODUCTS, ROWS_PER_BLOCK};

/// Of each output of a tile, four times the sums of a block's rows.
type Sums = [[i32; ROWS_PER_BLOCK]; OUTPUTS];

impl TileLoops for Armv6m {
    const AT_ONCE: usize = 1;

    /// Two channels take as many bytes of a column of elements as they take of the weights of an element: so one address leads to both.
    #[inline]
    fn lane(pairs: usize, product: usize, _tile: usize) -> [usize; 2] {
        [product / 4 * 4 * pairs + product % 4, 4]
    }

    #[inline]
    unsafe fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize) {
        // SAFETY: the caller's part.
        unsafe { transform(pixels, lanes, groups) }
    }

    #[inline(never)]
    fn full_blocks(
        operands: &Conv2dOperands<'_>,
        tile: [usize; 2],
        _tiles: usize,
        lanes: &[u32],
        output: &mut [u8],
    ) -> usize {
        let block_len = size_of::<u32>() * ROWS_PER_BLOCK * lanes.len();
        // Weights are read in halves of words.
        if !operands.weights.as_ptr().addr().is_multiple_of(2) {
            return 0;
        }
        let (mut unread, mut sums, mut done) = (operands.weights, Sums::default(), 0);
        for records in operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>().0 {
            let Some((weights, rest)) = unread.split_at_checked(block_len) else { break };
            unread = rest;
            let pairs = lanes.len() / PRODUCTS;
            // SAFETY: the lengths were compared, and the address; there is a group at least, as a tile has one.
            unsafe { block_at_a_tile(lanes.as_ptr(), weights.as_ptr(), pairs, &mut sums) }
            put_out(operands, tile, records, &mut sums, output.get_mut(done..).unwrap_or_default());
            done += ROWS_PER_BLOCK;
        }
        done
    }

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        requantize(accumulator, multiplier, rescale)
    }
}

/// The codes of a block at a tile; `output` begins with the block's first channel.
#[inline(never)]
fn put_out(
    operands: &Conv2dOperands<'_>,
    tile: [usize; 2],
    records: &[[u8; 8]; ROWS_PER_BLOCK],
    sums: &mut Sums,
    output: &mut [u8],
) {
    if operands.pool {
        let [first, rest @ ..] = sums;
        for others in rest {
            first.iter_mut().zip(others).for_each(|(most, &mut other)| *most = other.max(*most));
        }
    }
    for (number, sums) in sums.iter().enumerate() {
        let codes = place(operands, tile, number).and_then(|start| output.get_mut(start..));
        for ((code, &sum), record) in codes.unwrap_or_default().iter_mut().zip(sums).zip(records) {
            let &[b0, b1, b2, b3, m0, m1, m2, m3] = record;
            let (bias, multiplier) = (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]));
            *code = requantize((sum >> 2).wrapping_add(bias), multiplier, operands.rescale);
        }
    }
}

/// Transforms the codes under a tile: 190 instructions for two channels.
///
/// Two channels are in a number, `first + 65,536 * second`, which is linear too. A negative first one has borrowed from the second one:
/// 32,768 more gives that back and flips the sign bit of the first one, which is flipped again.
///
/// r0 pixels, column by column, r1 and r2 where the codes of a channel and of the next but one are in each pixel, r3 anything, r4-r7
/// a column, or r4-r6 elements of a row and r7 = 32,768; then r0 lanes, r1-r3 bytes from a column to the next ones. r8 pixels, r9 lanes,
/// r10 channel, r11 bytes of a column, r12 first channels of the last group. The stack keeps the transformed columns.
///
/// # Safety
/// As [`TileLoops::transform`].
#[unsafe(naked)]
unsafe extern "C" fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize) {
    naked_asm!(
        "
        .macro THIMBLE_CODES pixel
            ldrb r3, [\\pixel, r2]
            ldrb \\pixel, [\\pixel, r1]
            lsls r3, r3, #16
            adds \\pixel, \\pixel, r3
        .endm
        .macro THIMBLE_FIX element
            adds \\element, \\element, r7
            eors \\element, r7
        .endm
        ",
        enter!(),
        "
            mov r8, r0
            mov r9, r1
            lsls r3, r2, #5
            mov r11, r3
            lsls r2, r2, #2
            subs r2, r2, #3
            mov r12, r2
            movs r1, #0
            sub sp, sp, #64
        2:  // Two channels.
            mov r10, r1
            mov r0, r8
            adds r2, r1, #2
            .set THIMBLE_AT, 0
            .rept 4
            ldm r0!, {{r4-r7}}
            THIMBLE_CODES r4
            THIMBLE_CODES r5
            THIMBLE_CODES r6
            THIMBLE_CODES r7
            subs r4, r4, r6
            str r4, [sp, #THIMBLE_AT + 8]
            subs r7, r7, r5
            str r7, [sp, #THIMBLE_AT + 12]
            adds r4, r5, r6
            str r4, [sp, #THIMBLE_AT]
            subs r6, r6, r5
            str r6, [sp, #THIMBLE_AT + 4]
            .set THIMBLE_AT, THIMBLE_AT + 16
            .endr
            mov r0, r9
            mov r1, r11
            lsls r2, r1, #1
            adds r3, r1, r2
            movs r7, #1
            lsls r7, r7, #15
            .set THIMBLE_AT, 0
            .rept 4
            ldr r4, [sp, #THIMBLE_AT]
            ldr r6, [sp, #THIMBLE_AT + 32]
            subs r4, r4, r6
            THIMBLE_FIX r4
            str r4, [r0, r2]
            ldr r4, [sp, #THIMBLE_AT + 48]
            ldr r5, [sp, #THIMBLE_AT + 16]
            subs r4, r4, r5
            THIMBLE_FIX r4
            str r4, [r0, r3]
            adds r4, r5, r6
            THIMBLE_FIX r4
            str r4, [r0]
            subs r6, r6, r5
            THIMBLE_FIX r6
            str r6, [r0, r1]
            adds r0, r0, #4
            .set THIMBLE_AT, THIMBLE_AT + 4
            .endr
            mov r9, r0
            mov r1, r10
            movs r2, #1
            movs r3, r1
            adds r1, r1, #1
            ands r3, r2
            bne 3f
            b 2b
        3:  // The next group.
            adds r1, r1, #2
            cmp r1, r12
            bhi 4f
            b 2b
        4:
            add sp, sp, #64
        ",
        leave!(),
        "
            .purgem THIMBLE_CODES
            .purgem THIMBLE_FIX
        ",
    )
}

/// Four times the sums of a block at a tile: two channels take 28 instructions for the 8 products of an element.
///
/// Elements come column by column, `m0` to `m3` in each. `m1` is summed up on top of `m0`, `m2` on top of that, and `m3` on top of
/// `m0 - m1`, which is `2 * m0 - (m0 + m1)`: so sums become those of two rows of outputs, where only columns are left to be added up.
///
/// r0 code, r1 weights, r2 weight, r3 from the weights to the codes, r4-r7 = 0, 4, 8, 12, r8-r11 sums, r12 where the weights of the
/// element end. The stack keeps
///
/// | offset | holds |
/// |---|---|
/// | 0 | `m0`, then `m0 - m1` |
/// | 16 | where sums go |
/// | 20, 24 | bytes of an element, where to enter the unrolled loop |
/// | 28 | columns left |
///
/// # Safety
/// There are as many pairs of channels as two or a multiple of them, lanes for each and weights, these at an even address.
#[unsafe(naked)]
unsafe extern "C" fn block_at_a_tile(lanes: *const u32, weights: *const u8, pairs: usize, sums: *mut Sums) {
    naked_asm!(
        "
        .macro THIMBLE_PRODUCT at, sum
            ldrsh r2, [r1, \\at]
            muls r2, r0, r2
            add \\sum, \\sum, r2
        .endm
        .macro THIMBLE_CHANNEL next
            ldrsh r0, [r1, r3]
            THIMBLE_PRODUCT r4, r8
            THIMBLE_PRODUCT r5, r9
            THIMBLE_PRODUCT r6, r10
            THIMBLE_PRODUCT r7, r11
            adds r1, r1, #\\next
        .endm
        ",
        enter!(),
        "
            sub sp, sp, #32
            str r3, [sp, #16]
            subs r3, r0, r1
            lsls r0, r2, #4
            str r0, [sp, #20]
            adr r0, 3f
            lsls r2, r2, #30
            beq 1f
            adr r0, 4f
        1:
            adds r0, r0, #1
            str r0, [sp, #24]
            movs r0, #4
            str r0, [sp, #28]
            movs r4, #0
            movs r5, #4
            movs r6, #8
            movs r7, #12
        2:  // A column.
            mov r8, r4
            mov r9, r4
            mov r10, r4
            mov r11, r4
            bl 5f
            mov r0, sp
            .irp sum, r8, r9, r10, r11
            mov r2, \\sum
            stm r0!, {{r2}}
            .endr
            bl 5f
            .set THIMBLE_AT, 0
            .irp sum, r8, r9, r10, r11
            ldr r0, [sp, #THIMBLE_AT]
            lsls r0, r0, #1
            mov r2, \\sum
            subs r0, r0, r2
            str r0, [sp, #THIMBLE_AT]
            .set THIMBLE_AT, THIMBLE_AT + 4
            .endr
            bl 5f
            ldr r0, [sp, #16]
            bl 30f
            mov r0, sp
            .irp sum, r8, r9, r10, r11
            ldm r0!, {{r2}}
            mov \\sum, r2
            .endr
            bl 5f
            ldr r0, [sp, #16]
            adds r0, r0, #32
            bl 30f
            // The lanes of the next column.
            ldr r2, [sp, #20]
            subs r2, r2, #16
            adds r3, r3, r2
            ldr r0, [sp, #28]
            subs r0, r0, #1
            str r0, [sp, #28]
            bne 2b
            add sp, sp, #32
        ",
        leave!(),
        "
            .balign 4
        3:
            .rept 2
            THIMBLE_CHANNEL 2
            THIMBLE_CHANNEL 14
            .endr
            .balign 4
        4:
            .rept 2
            THIMBLE_CHANNEL 2
            THIMBLE_CHANNEL 14
            .endr
            cmp r1, r12
            bne 3b
            ldr r2, [sp, #20]
            subs r3, r3, r2
            adds r3, r3, #4
            bx lr
        5:  // The products of an element.
            ldr r2, [sp, #20]
            adds r2, r2, r1
            mov r12, r2
            ldr r2, [sp, #24]
            bx r2
        30: // A column's share of a row, whose left output is at r0.
            ldr r2, [sp, #28]
            cmp r2, #3
            beq 32f
            bhi 31f
            cmp r2, #2
            beq 33f
            adds r0, r0, #16
        33:
            .set THIMBLE_AT, 0
            .irp sum, r8, r9, r10, r11
            ldr r2, [r0, #THIMBLE_AT]
            add r2, r2, \\sum
            str r2, [r0, #THIMBLE_AT]
            .set THIMBLE_AT, THIMBLE_AT + 4
            .endr
            bx lr
        31:
            .irp sum, r8, r9, r10, r11
            mov r2, \\sum
            stm r0!, {{r2}}
            .endr
            bx lr
        32:
            .set THIMBLE_AT, 0
            .irp sum, r8, r9, r10, r11
            ldr r2, [r0, #THIMBLE_AT]
            mov r1, \\sum
            subs r1, r2, r1
            add r2, r2, \\sum
            str r2, [r0, #THIMBLE_AT]
            str r1, [r0, #THIMBLE_AT + 16]
            .set THIMBLE_AT, THIMBLE_AT + 4
            .endr
            // Where the weights of the element end is where those of the next one begin.
            mov r1, r12
            bx lr
            .purgem THIMBLE_PRODUCT
            .purgem THIMBLE_CHANNEL
        ",
    )
}
