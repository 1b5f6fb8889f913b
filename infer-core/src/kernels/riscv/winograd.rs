//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): four output channels at two tiles.

use core::arch::naked_asm;

use super::Riscv;
use super::assembly::{end_of_macros, macros};
use super::rounding::requantize;
use crate::kernels::operands::Rescale;
use crate::kernels::shared::winograd::tiles::{Pixels, Run, TwoTileLoops};

impl TwoTileLoops for Riscv {
    const TRANSFORM: unsafe extern "C" fn(*const Pixels, *mut u32, usize) = transform;
    const BLOCKS: unsafe extern "C" fn(*const Run) = blocks_at_two_tiles;

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        requantize(accumulator, multiplier, rescale)
    }
}

/// Transforms the codes under a tile: 174 instructions for two channels.
///
/// Two channels are in a number, `first + 65,536 * second`, which is linear too. A negative first one would borrow from the second
/// one: so codes begin with what makes each element 32,768 more, which flips the sign bit of its first channel and is taken out
/// there at the end. Of the pixels in a column that is 2, 0, 1 and 1 times as much as of the column, and of columns likewise.
///
/// a0 pixels, column by column, a1 lanes, a2 where the first channel is in each pixel, a3 where channels end; s0-s7 two columns, s8-s11
/// their sum; t0 address or element, t1 second channel; a5-a7 1, 2 and 4 times 32,768.
///
/// # Safety
/// As [`TileLoops::transform`](crate::kernels::shared::winograd::tiles::TileLoops::transform).
#[unsafe(naked)]
unsafe extern "C" fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize) {
    naked_asm!(
        macros!(),
        "
        .macro THIMBLE_CODES at, pixel
            lw t0, \\at(a0)
            add t0, t0, a2
            lbu t1, 2(t0)
            lbu \\pixel, 0(t0)
            slli t1, t1, 16
            or \\pixel, \\pixel, t1
        .endm
        .macro THIMBLE_COLUMN column, a, b, c, d
            THIMBLE_CODES 16*\\column, \\a
            THIMBLE_CODES 16*\\column+4, \\b
            THIMBLE_CODES 16*\\column+8, \\c
            THIMBLE_CODES 16*\\column+12, \\d
        .endm
        .macro THIMBLE_MORE twice, once, a, c, d
            add \\a, \\a, \\twice
            add \\c, \\c, \\once
            add \\d, \\d, \\once
        .endm
        .macro THIMBLE_ELEMENT at
            xor t0, t0, a5
            sw t0, \\at(a1)
        .endm
        // B^T times a column.
        .macro THIMBLE_ELEMENTS at, a, b, c, d
            add t0, \\b, \\c
            THIMBLE_ELEMENT \\at
            sub t0, \\c, \\b
            THIMBLE_ELEMENT \\at+8
            sub t0, \\a, \\c
            THIMBLE_ELEMENT \\at+16
            sub t0, \\d, \\b
            THIMBLE_ELEMENT \\at+24
        .endm
            addi sp, sp, -48
            THIMBLE_SAVED sw, 0
            slli a3, a2, 2
            li a2, 0
            lui a5, 8
            lui a6, 16
            lui a7, 32
        2:
            THIMBLE_COLUMN 0, s0, s1, s2, s3
            THIMBLE_MORE a7, a6, s0, s2, s3
            THIMBLE_COLUMN 2, s4, s5, s6, s7
            THIMBLE_MORE a6, a5, s4, s6, s7
            sub s0, s0, s4
            sub s1, s1, s5
            sub s2, s2, s6
            sub s3, s3, s7
            THIMBLE_ELEMENTS 64, s0, s1, s2, s3
            THIMBLE_COLUMN 1, s0, s1, s2, s3
            add s8, s0, s4
            add s9, s1, s5
            add s10, s2, s6
            add s11, s3, s7
            THIMBLE_ELEMENTS 0, s8, s9, s10, s11
            sub s4, s4, s0
            sub s5, s5, s1
            sub s6, s6, s2
            sub s7, s7, s3
            THIMBLE_ELEMENTS 32, s4, s5, s6, s7
            THIMBLE_COLUMN 3, s4, s5, s6, s7
            THIMBLE_MORE a6, a5, s4, s6, s7
            sub s4, s4, s0
            sub s5, s5, s1
            sub s6, s6, s2
            sub s7, s7, s3
            THIMBLE_ELEMENTS 96, s4, s5, s6, s7
            addi a1, a1, 128
            // Channels 0, 1, 4, 5 and so on, each with the second one after it.
            addi a2, a2, 1
            andi t0, a2, 2
            add a2, a2, t0
            bne a2, a3, 2b
            THIMBLE_SAVED lw, 0
            addi sp, sp, 48
            ret
            .purgem THIMBLE_CODES
            .purgem THIMBLE_COLUMN
            .purgem THIMBLE_MORE
            .purgem THIMBLE_ELEMENT
            .purgem THIMBLE_ELEMENTS
        ",
        end_of_macros!(),
    )
}

/// Four output channels at two tiles: an input channel takes 22 instructions for the 8 products of an element.
///
/// Elements come column by column, `m0` to `m3` in each. `m1` is summed up on top of `m0`, `m2` on top of that, and `m3` on top of
/// `m0 - m1`, which is `2 * m0 - (m0 + m1)`: so sums become those of two rows of outputs, where only columns are left to be added up.
///
/// s0-s7 sums, of each row at both tiles; s8-s11 and a4-a7 `m0 - m1`; t0-t1 codes, t2 weight, t3 product; a0 lanes, a1 weights, a2
/// where the lanes of the element end, a3 bytes from there to the next element, t4 column, t5 outputs, t6 where to return to. Then s0-s7
/// biases and multipliers, s8 shift, s9 zero point, s10 255, s11 the block's place among the channels. The stack keeps
///
/// | offset | holds |
/// |---|---|
/// | 0, 32, 64, 96 | of an output at upper left, upper right, lower left, lower right: four sums of each tile |
/// | 128 | registers |
/// | 180, 184 | the run, records of the block |
/// | 188, 192 | blocks left, the block's place among the channels |
///
/// # Safety
/// What `run` points to is as its fields describe: for each block four codes of each output, four channels and rows of weights; lanes for
/// each pair. Channels and weights are at multiples of a word. There is one block, and two pairs or a multiple of them.
#[unsafe(naked)]
unsafe extern "C" fn blocks_at_two_tiles(run: *const Run) {
    naked_asm!(
        macros!(),
        "
        .macro THIMBLE_ROW at, first, second
            lh t2, \\at(a1)
            mul t3, t0, t2
            add \\first, \\first, t3
            mul t3, t1, t2
            add \\second, \\second, t3
        .endm
        .macro THIMBLE_CHANNEL lanes, weights
            lh t0, \\lanes(a0)
            lh t1, \\lanes+4(a0)
            THIMBLE_ROW \\weights, s0, s1
            THIMBLE_ROW \\weights+4, s2, s3
            THIMBLE_ROW \\weights+8, s4, s5
            THIMBLE_ROW \\weights+12, s6, s7
        .endm
        // Of all sums, in the order of their places.
        .macro THIMBLE_EACH operation
            \\operation 0, s0
            \\operation 4, s2
            \\operation 8, s4
            \\operation 12, s6
            \\operation 16, s1
            \\operation 20, s3
            \\operation 24, s5
            \\operation 28, s7
        .endm
        .macro THIMBLE_PUT at, sum
            sw \\sum, \\at(t5)
            sw \\sum, \\at+32(t5)
        .endm
        .macro THIMBLE_BUTTERFLY at, sum
            lw t0, \\at(t5)
            sub t1, t0, \\sum
            add t0, t0, \\sum
            sw t1, \\at+32(t5)
            sw t0, \\at(t5)
        .endm
        .macro THIMBLE_ADD at, sum
            lw t0, \\at(t5)
            add t0, t0, \\sum
            sw t0, \\at(t5)
        .endm
        .macro THIMBLE_MAXIMUM other
            lw t1, \\other(t5)
            bge t0, t1, 8f
            mv t0, t1
        8:
        .endm
        .macro THIMBLE_CODE row, bias, multiplier
            lw t0, 4*\\row(t5)
            srai t0, t0, 2
            add t0, t0, \\bias
            sll t0, t0, s8
            THIMBLE_REQUANTIZED t0, t0, \\multiplier, s9, s10
            sb t0, \\row(a5)
        .endm
            addi sp, sp, -208
            THIMBLE_SAVED sw, 128
            sw a0, 180(sp)
            lw t0, 8(a0)
            sw t0, 184(sp)
            lw t0, 16(a0)
            sw t0, 188(sp)
            sw zero, 192(sp)
            lw a1, 4(a0)
            lw a3, 12(a0)
            slli a3, a3, 7
            addi a3, a3, -8
        1:  // A block.
            lw a0, 180(sp)
            lw a0, 0(a0)
            add a2, a0, a3
            addi a2, a2, 8
            li t4, 0
        2:  // A column.
            .irp sum, s0, s1, s2, s3, s4, s5, s6, s7
            li \\sum, 0
            .endr
            jal t6, 3f
            slli s8, s0, 1
            slli s9, s1, 1
            slli s10, s2, 1
            slli s11, s3, 1
            slli a4, s4, 1
            slli a5, s5, 1
            slli a6, s6, 1
            slli a7, s7, 1
            jal t6, 3f
            sub s8, s8, s0
            sub s9, s9, s1
            sub s10, s10, s2
            sub s11, s11, s3
            sub a4, a4, s4
            sub a5, a5, s5
            sub a6, a6, s6
            sub a7, a7, s7
            jal t6, 3f
            mv t5, sp
            jal t6, 4f
            mv s0, s8
            mv s1, s9
            mv s2, s10
            mv s3, s11
            mv s4, a4
            mv s5, a5
            mv s6, a6
            mv s7, a7
            jal t6, 3f
            addi t5, sp, 64
            jal t6, 4f
            addi t4, t4, 1
            li t0, 4
            bne t4, t0, 2b
            // Codes.
            lw a4, 180(sp)
            lw t0, 184(sp)
            lw s0, 0(t0)
            lw s1, 8(t0)
            lw s2, 16(t0)
            lw s3, 24(t0)
            lw s4, 4(t0)
            lw s5, 12(t0)
            lw s6, 20(t0)
            lw s7, 28(t0)
            addi t0, t0, 32
            sw t0, 184(sp)
            slli s4, s4, 1
            slli s5, s5, 1
            slli s6, s6, 1
            slli s7, s7, 1
            lw s8, 24(a4)
            lw s9, 20(a4)
            li s10, 255
            lw s11, 192(sp)
            lw t0, 28(a4)
            beqz t0, 6f
            // The largest of a tile's outputs takes the place of the first one.
            addi t5, sp, 28
        5:
            lw t0, 0(t5)
            THIMBLE_MAXIMUM 32
            THIMBLE_MAXIMUM 64
            THIMBLE_MAXIMUM 96
            sw t0, 0(t5)
            addi t5, t5, -4
            bgeu t5, sp, 5b
            addi t5, sp, 16
            addi a4, a4, 36
            j 7f
        6:
            addi t5, sp, 112
            addi a4, a4, 60
        7:  // Of an output and a tile, from the last one on.
            lw a5, 0(a4)
            add a5, a5, s11
            THIMBLE_CODE 0, s0, s4
            THIMBLE_CODE 1, s1, s5
            THIMBLE_CODE 2, s2, s6
            THIMBLE_CODE 3, s3, s7
            addi a4, a4, -4
            addi t5, t5, -16
            bgeu t5, sp, 7b
            addi s11, s11, 4
            sw s11, 192(sp)
            lw t0, 188(sp)
            addi t0, t0, -1
            sw t0, 188(sp)
            bnez t0, 1b
            THIMBLE_SAVED lw, 128
            addi sp, sp, 208
            ret
        3:  // An element, on top of the sums.
            THIMBLE_CHANNEL 0, 0
            THIMBLE_CHANNEL 2, 2
            THIMBLE_CHANNEL 128, 16
            THIMBLE_CHANNEL 130, 18
            addi a0, a0, 256
            addi a1, a1, 32
            bne a0, a2, 3b
            addi a2, a2, 8
            sub a0, a0, a3
            jr t6
        4:  // A column's share of a row, whose left output is at t5.
            beqz t4, 41f
            addi t0, t4, -1
            beqz t0, 42f
            addi t0, t4, -2
            beqz t0, 43f
            addi t5, t5, 32
        43:
            THIMBLE_EACH THIMBLE_ADD
            jr t6
        41:
            THIMBLE_EACH THIMBLE_PUT
            jr t6
        42:
            THIMBLE_EACH THIMBLE_BUTTERFLY
            jr t6
            .purgem THIMBLE_ROW
            .purgem THIMBLE_CHANNEL
            .purgem THIMBLE_EACH
            .purgem THIMBLE_PUT
            .purgem THIMBLE_BUTTERFLY
            .purgem THIMBLE_ADD
            .purgem THIMBLE_MAXIMUM
            .purgem THIMBLE_CODE
        ",
        end_of_macros!(),
    )
}
