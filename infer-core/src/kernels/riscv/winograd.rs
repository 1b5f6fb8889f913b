//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): four output channels at two tiles.

use core::arch::naked_asm;

use super::Riscv;
use crate::kernels::operands::Rescale;
use crate::kernels::portable::Portable;
use crate::kernels::shared::winograd::{Lanes, Multiply, Sums, outputs};
use crate::packing::winograd::{PRODUCTS, ROWS_PER_BLOCK};

impl Multiply for Riscv {
    fn sums(lanes: &[Lanes], weights: &[u8], product: usize) -> Sums {
        Portable::sums(lanes, weights, product)
    }

    #[inline(never)]
    fn outputs(lanes: &[Lanes], weights: &[u8]) -> [Sums; 4] {
        let fits = weights.len() == 4 * PRODUCTS * ROWS_PER_BLOCK * lanes.len() && !weights.is_empty();
        if !fits || !weights.as_ptr().addr().is_multiple_of(2) || !lanes.len().is_multiple_of(2) {
            return outputs::<Self>(lanes, weights);
        }
        let mut outputs = [Sums::default(); 4];
        // SAFETY: there are weights for all lanes, an even number of them, at a multiple of two bytes.
        unsafe { block_at_two_tiles(lanes.as_ptr(), weights.as_ptr(), lanes.len(), &raw mut outputs) }
        outputs
    }

    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        super::rounding::requantize(accumulator, multiplier, rescale)
    }
}

/// Four output channels at two tiles: an input channel takes 22 instructions for the 8 products of an element.
///
/// Elements come column by column, `m0` to `m3` in each, and are summed up on top of each other: `m0`, `m0 + m1` and
/// `m0 + m1 + m2`, which is a column's share of the upper outputs. Twice the first less the second is `m0 - m1`, and `m3` on top of it the
/// share of the lower ones.
///
/// s0-s7 sums, of each row at both tiles; s8-s11 and a4-a7 `m0 - m1`; t0-t1 codes, t2 weight, t3 product; a0 lanes, a1 weights, a2
/// where the lanes of the element end, a3 bytes from there to the next element, t4 column, t5 outputs, t6 and ra where to return to.
///
/// # Safety
/// There are `pairs` lanes, an even number and not 0, weights of a block for them, at a multiple of two bytes. `outputs` are 0.
#[unsafe(naked)]
unsafe extern "C" fn block_at_two_tiles(
    lanes: *const Lanes,
    weights: *const u8,
    pairs: usize,
    outputs: *mut [Sums; 4],
) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
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
        .macro THIMBLE_SHARE operation, output, sum
            lw t0, \\output(t5)
            \\operation t0, t0, \\sum
            sw t0, \\output(t5)
        .endm
        .macro THIMBLE_SHARES operation, output
            THIMBLE_SHARE \\operation, \\output, s0
            THIMBLE_SHARE \\operation, \\output+4, s1
            THIMBLE_SHARE \\operation, \\output+8, s2
            THIMBLE_SHARE \\operation, \\output+12, s3
            THIMBLE_SHARE \\operation, \\output+16, s4
            THIMBLE_SHARE \\operation, \\output+20, s5
            THIMBLE_SHARE \\operation, \\output+24, s6
            THIMBLE_SHARE \\operation, \\output+28, s7
        .endm
            addi sp, sp, -64
            sw ra, 0(sp)
            sw s0, 4(sp)
            sw s1, 8(sp)
            sw s2, 12(sp)
            sw s3, 16(sp)
            sw s4, 20(sp)
            sw s5, 24(sp)
            sw s6, 28(sp)
            sw s7, 32(sp)
            sw s8, 36(sp)
            sw s9, 40(sp)
            sw s10, 44(sp)
            sw s11, 48(sp)
            mv t5, a3
            slli a3, a2, 7
            add a2, a0, a3
            addi a3, a3, -8
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
            addi t5, t5, 64
            jal t6, 4f
            addi t5, t5, -64
            addi t4, t4, 1
            li t0, 4
            bne t4, t0, 2b
            lw ra, 0(sp)
            lw s0, 4(sp)
            lw s1, 8(sp)
            lw s2, 12(sp)
            lw s3, 16(sp)
            lw s4, 20(sp)
            lw s5, 24(sp)
            lw s6, 28(sp)
            lw s7, 32(sp)
            lw s8, 36(sp)
            lw s9, 40(sp)
            lw s10, 44(sp)
            lw s11, 48(sp)
            addi sp, sp, 64
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
        4:  // The share of a column.
            li t1, 1
            beq t4, t1, 5f
            li t1, 3
            beq t4, t1, 6f
            THIMBLE_SHARES add, 0
            beqz t4, 6f
            jr t6
        5:
            THIMBLE_SHARES add, 0
            THIMBLE_SHARES sub, 32
            jr t6
        6:
            THIMBLE_SHARES add, 32
            jr t6
            .purgem THIMBLE_ROW
            .purgem THIMBLE_CHANNEL
            .purgem THIMBLE_SHARE
            .purgem THIMBLE_SHARES
            .option pop
        ",
    )
}
