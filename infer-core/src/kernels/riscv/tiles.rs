//! Four rows at four positions: the 16 products of a tap are 12 multiplications.
//!
//! What a tap meets at the four positions is four bytes side by side, a word `W`. With a weight `w`, and `S0` to `S3` the sums of
//! products at the four positions, three sums hold all four:
//!
//! ```text
//! A += W * w                       S0 + 2^8 * B + 2^24 * S3
//! B += (W >> 8 & 0xFFFF) * w       S1 + 2^8 * S2
//! C += (W >> 16) * w               S2 + 2^8 * S3
//! ```
//!
//! modulo 2^32. `A - 2^8 * B` has the lower 24 bits of `S0`. Where `S0` fits these, the others follow:
//! `2^8 * S1 = A - 2^16 * C - S0`, `2^8 * S2 = B - S1`, `2^8 * S3 = C - S2`. Weights have 8 bits, so sums fit 24 bits where the codes at each
//! position add up to 16 bits at most. Where they add up to more, there is a sum for each product.

use core::arch::naked_asm;

use super::assembly::{end_of_macros, macros};
use crate::kernels::shared::one_by_one::records::Records;

/// What a tile's codes are like.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Codes {
    /// They add up to less than 2^16 at each position.
    Small,
    /// They may add up to more.
    Large,
    /// Only those of the first position count; not with a pool.
    Single,
    /// Many are zero, each apart from the others, and are looked for.
    Sparse,
}

/// What the blocks of rows have in common.
#[repr(C)]
pub struct Tile {
    /// The codes under the filter at four positions.
    pub codes: *const u32,
    /// Where they end; there is an even number of them.
    pub end: *const u32,
    /// Of each position -128 times the sum of the codes: takes out the 128 that even rows' weights have.
    pub starts: [u32; 4],
    /// The zero point of the output.
    pub zero_point: u32,
    /// The left shift before the multiplication, less than 32.
    pub shift: u32,
    /// Which loop runs over the taps.
    pub codes_are: Codes,
    /// Where the codes go; with a pool only the first one counts. They move on.
    pub outputs: [*mut u8; 4],
}

/// [`blocks`] with or without a pool.
pub type Blocks = unsafe extern "C" fn(*mut Tile, *const u8, *const Records, *const Records);

/// The codes of full blocks of eight rows, at four positions or, pooled, their maximum; those of the first position are written
/// last.
///
/// s0-s11 and a4-a7 sums, row by row, of which three sums of four products leave every fourth one out; a0 codes, a1 weights, a2 end of
/// the codes, ra records; t6, t0 and t1 what is multiplied by a weight, or t0-t3 codes or weights; t4 weight or code, t5 product. The
/// stack keeps the tile, the weights and the end of the records.
///
/// # Safety
/// There are two codes at least and an even number of them, with eight weights for each in every block, and a block at least. The
/// outputs have room for eight codes of each block, if pooled the first one; records are aligned.
#[unsafe(naked)]
pub unsafe extern "C" fn blocks<const POOLED: bool>(
    tile: *mut Tile,
    weights: *const u8,
    records: *const Records,
    records_end: *const Records,
) {
    naked_asm!(
        macros!(),
        "
        .macro THIMBLE_LARGE weight, sum0, sum1, sum2, sum3
            mul t5, t0, \\weight
            add \\sum0, \\sum0, t5
            mul t5, t1, \\weight
            add \\sum1, \\sum1, t5
            mul t5, t2, \\weight
            add \\sum2, \\sum2, t5
            mul t5, t3, \\weight
            add \\sum3, \\sum3, t5
        .endm
        .macro THIMBLE_LARGE_TAP tap
            lbu t0, 4*\\tap(a0)
            lbu t1, 4*\\tap+1(a0)
            lbu t2, 4*\\tap+2(a0)
            lbu t3, 4*\\tap+3(a0)
            lbu t4, 2*\\tap(a1)
            THIMBLE_LARGE t4, s0, s1, s2, s3
            lb t4, 2*\\tap+1(a1)
            THIMBLE_LARGE t4, s4, s5, s6, s7
            lbu t4, 2*\\tap+4(a1)
            THIMBLE_LARGE t4, s8, s9, s10, s11
            lb t4, 2*\\tap+5(a1)
            THIMBLE_LARGE t4, a4, a5, a6, a7
        .endm
        .macro THIMBLE_THREE load, at, sum_a, sum_b, sum_c
            \\load t4, \\at(a1)
            mul t5, t6, t4
            add \\sum_a, \\sum_a, t5
            mul t5, t0, t4
            add \\sum_b, \\sum_b, t5
            mul t5, t1, t4
            add \\sum_c, \\sum_c, t5
        .endm
        .macro THIMBLE_SMALL_TAP tap
            lw t6, 4*\\tap(a0)
            beqz t6, 9f
            srli t1, t6, 16
            slli t0, t6, 8
            srli t0, t0, 16
            THIMBLE_THREE lbu, 2*\\tap, s0, s2, s3
            THIMBLE_THREE lb, 2*\\tap+1, s4, s6, s7
            THIMBLE_THREE lbu, 2*\\tap+4, s8, s10, s11
            THIMBLE_THREE lb, 2*\\tap+5, a4, a6, a7
        9:
        .endm
        .macro THIMBLE_FOUR_OF_THREE shift_right, sum0, sum1, sum2, sum3
            slli t0, \\sum2, 8
            sub t0, \\sum0, t0
            slli t0, t0, 8
            slli t1, \\sum3, 16
            sub t1, \\sum0, t1
            \\shift_right \\sum0, t0, 8
            sub t1, t1, \\sum0
            \\shift_right \\sum1, t1, 8
            sub \\sum2, \\sum2, \\sum1
            \\shift_right \\sum2, \\sum2, 8
            sub \\sum3, \\sum3, \\sum2
            \\shift_right \\sum3, \\sum3, 8
        .endm
        .macro THIMBLE_PRODUCTS sum0, sum1, sum2, sum3
            mul t5, t0, t4
            add \\sum0, \\sum0, t5
            mul t5, t1, t4
            add \\sum1, \\sum1, t5
            mul t5, t2, t4
            add \\sum2, \\sum2, t5
            mul t5, t3, t4
            add \\sum3, \\sum3, t5
        .endm
        .macro THIMBLE_POSITION sum0, sum1, sum2, sum3
            beqz t4, 8f
            THIMBLE_PRODUCTS \\sum0, \\sum1, \\sum2, \\sum3
        8:
        .endm
        .macro THIMBLE_SPARSE_TAP tap
            lw t6, 4*\\tap(a0)
            beqz t6, 9f
            lbu t0, 2*\\tap(a1)
            lb t1, 2*\\tap+1(a1)
            lbu t2, 2*\\tap+4(a1)
            lb t3, 2*\\tap+5(a1)
            andi t4, t6, 255
            THIMBLE_POSITION s0, s4, s8, a4
            lbu t4, 4*\\tap+1(a0)
            THIMBLE_POSITION s1, s5, s9, a5
            lbu t4, 4*\\tap+2(a0)
            THIMBLE_POSITION s2, s6, s10, a6
            srli t4, t6, 24
            THIMBLE_POSITION s3, s7, s11, a7
        9:
        .endm
        .macro THIMBLE_SINGLE_TAP tap
            lbu t4, 4*\\tap(a0)
            beqz t4, 9f
            lbu t0, 2*\\tap(a1)
            lb t1, 2*\\tap+1(a1)
            lbu t2, 2*\\tap+4(a1)
            lb t3, 2*\\tap+5(a1)
            THIMBLE_PRODUCTS s0, s4, s8, a4
        9:
        .endm
        .macro THIMBLE_MAXIMUM to, other
            bge \\to, \\other, 8f
            mv \\to, \\other
        8:
        .endm
        .macro THIMBLE_CODE sum, multiplier, at
            THIMBLE_REQUANTIZED \\sum, \\sum, \\multiplier, t5, a2
            sb \\sum, \\at(a1)
        .endm
        .macro THIMBLE_CODES position, sum0, sum1, sum2, sum3
            lw a1, 36+4*\\position(t6)
            THIMBLE_CODE \\sum0, t0, 0
            THIMBLE_CODE \\sum1, t1, 1
            THIMBLE_CODE \\sum2, t2, 2
            THIMBLE_CODE \\sum3, t3, 3
            addi a1, a1, 4
            sw a1, 36+4*\\position(t6)
        .endm
        .macro THIMBLE_POOLED at, bias, multiplier, sum0, sum1, sum2, sum3
            THIMBLE_MAXIMUM \\sum0, \\sum1
            THIMBLE_MAXIMUM \\sum2, \\sum3
            THIMBLE_MAXIMUM \\sum0, \\sum2
            lw \\sum1, \\bias(ra)
            add \\sum0, \\sum0, \\sum1
            sll \\sum0, \\sum0, t4
            THIMBLE_CODE \\sum0, \\multiplier, \\at
        .endm
            addi sp, sp, -64
            sw ra, 0(sp)
            THIMBLE_SAVED sw, 4
            sw a0, 52(sp)
            sw a3, 60(sp)
            mv ra, a2
            mv t6, a0
        2:
            .irp sum, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, a4, a5, a6, a7
            li \\sum, 0
            .endr
            lw a0, 0(t6)
            lw a2, 4(t6)
            lw t4, 32(t6)
            bnez t4, 4f
        3:
            THIMBLE_SMALL_TAP 0
            THIMBLE_SMALL_TAP 1
            addi a0, a0, 8
            addi a1, a1, 16
            bne a0, a2, 3b
            THIMBLE_FOUR_OF_THREE srli, s0, s1, s2, s3
            THIMBLE_FOUR_OF_THREE srai, s4, s5, s6, s7
            THIMBLE_FOUR_OF_THREE srli, s8, s9, s10, s11
            THIMBLE_FOUR_OF_THREE srai, a4, a5, a6, a7
            j 5f
            .ifeq {pooled}
        12:
            THIMBLE_SINGLE_TAP 0
            THIMBLE_SINGLE_TAP 1
            addi a0, a0, 8
            addi a1, a1, 16
            bne a0, a2, 12b
            j 5f
            .endif
        4:
            .ifeq {pooled}
            addi t4, t4, -2
            beqz t4, 12b
            addi t4, t4, 2
            .endif
            addi t4, t4, -3
            beqz t4, 13f
        4:
            THIMBLE_LARGE_TAP 0
            THIMBLE_LARGE_TAP 1
            addi a0, a0, 8
            addi a1, a1, 16
            bne a0, a2, 4b
            j 5f
        13:
            THIMBLE_SPARSE_TAP 0
            THIMBLE_SPARSE_TAP 1
            addi a0, a0, 8
            addi a1, a1, 16
            bne a0, a2, 13b
        5:
            sw a1, 56(sp)
            lw t6, 52(sp)
            // The 128 of even rows.
            .irp position, 0, 1, 2, 3
            lw t\\position, 8+4*\\position(t6)
            add s\\position, s\\position, t\\position
            .endr
            add s8, s8, t0
            add s9, s9, t1
            add s10, s10, t2
            add s11, s11, t3
            .ifeq {pooled}
            lw t0, 0(ra)
            lw t1, 8(ra)
            lw t2, 16(ra)
            lw t3, 24(ra)
            .irp sum, s0, s1, s2, s3
            add \\sum, \\sum, t0
            .endr
            .irp sum, s4, s5, s6, s7
            add \\sum, \\sum, t1
            .endr
            .irp sum, s8, s9, s10, s11
            add \\sum, \\sum, t2
            .endr
            .irp sum, a4, a5, a6, a7
            add \\sum, \\sum, t3
            .endr
            .endif
            lw t0, 4(ra)
            lw t1, 12(ra)
            lw t2, 20(ra)
            lw t3, 28(ra)
            slli t0, t0, 1
            slli t1, t1, 1
            slli t2, t2, 1
            slli t3, t3, 1
            lw t4, 28(t6)
            lw t5, 24(t6)
            li a2, 255
            .if {pooled}
            lw a1, 36(t6)
            THIMBLE_POOLED 0, 0, t0, s0, s1, s2, s3
            THIMBLE_POOLED 1, 8, t1, s4, s5, s6, s7
            THIMBLE_POOLED 2, 16, t2, s8, s9, s10, s11
            THIMBLE_POOLED 3, 24, t3, a4, a5, a6, a7
            addi a1, a1, 4
            sw a1, 36(t6)
            .else
            beqz t4, 6f
            sll s0, s0, t4
            sll s1, s1, t4
            sll s2, s2, t4
            sll s3, s3, t4
            sll s4, s4, t4
            sll s5, s5, t4
            sll s6, s6, t4
            sll s7, s7, t4
            sll s8, s8, t4
            sll s9, s9, t4
            sll s10, s10, t4
            sll s11, s11, t4
            sll a4, a4, t4
            sll a5, a5, t4
            sll a6, a6, t4
            sll a7, a7, t4
        6:
            THIMBLE_CODES 3, s3, s7, s11, a7
            THIMBLE_CODES 2, s2, s6, s10, a6
            THIMBLE_CODES 1, s1, s5, s9, a5
            THIMBLE_CODES 0, s0, s4, s8, a4
            .endif
            lw a1, 56(sp)
            addi a1, a1, -8
            lw t0, 60(sp)
            addi ra, ra, 32
            beq ra, t0, 7f
            sub t0, t0, ra
            andi t0, t0, 32
            beqz t0, 2b
            lw t0, 0(t6)
            lw t1, 4(t6)
            sub t0, t0, t1
            slli t0, t0, 1
            add a1, a1, t0
            addi a1, a1, 16
            j 2b
        7:
            lw ra, 0(sp)
            THIMBLE_SAVED lw, 4
            addi sp, sp, 64
            ret
            .purgem THIMBLE_LARGE
            .purgem THIMBLE_LARGE_TAP
            .purgem THIMBLE_THREE
            .purgem THIMBLE_SMALL_TAP
            .purgem THIMBLE_FOUR_OF_THREE
            .purgem THIMBLE_SINGLE_TAP
            .purgem THIMBLE_PRODUCTS
            .purgem THIMBLE_POSITION
            .purgem THIMBLE_SPARSE_TAP
            .purgem THIMBLE_MAXIMUM
            .purgem THIMBLE_CODE
            .purgem THIMBLE_CODES
            .purgem THIMBLE_POOLED
        ",
        end_of_macros!(),
        pooled = const POOLED as i32,
    )
}

/// Runs of codes, of the rows under a filter.
#[repr(C)]
pub struct Runs {
    /// Codes of a run, one at least.
    pub len: usize,
    /// How many runs, one at least.
    pub rows: usize,
    /// From the end of a run to the next one.
    pub skip: usize,
}

/// Copies runs of codes to every fourth byte; returns their sum. 3.75 instructions for a code.
///
/// a0 places, a1 codes, a3 sum, a4 length and a7 that of fours, a5 rows, a6 what is skipped; t0 code, t1 end of fours, t2 of a run.
///
/// # Safety
/// There are as many codes as the runs have, and as many places four bytes apart.
#[unsafe(naked)]
pub unsafe extern "C" fn spread(to: *mut u8, codes: *const u8, runs: *const Runs) -> u32 {
    naked_asm!(
        "
        .macro THIMBLE_SPREAD at
            lbu t0, \\at(a1)
            sb t0, 4*\\at(a0)
            add a3, a3, t0
        .endm
            lw a4, 0(a2)
            lw a5, 4(a2)
            lw a6, 8(a2)
            andi a7, a4, -4
            li a3, 0
        2:
            add t1, a1, a7
            add t2, a1, a4
            beq a1, t1, 4f
        3:
            THIMBLE_SPREAD 0
            THIMBLE_SPREAD 1
            THIMBLE_SPREAD 2
            THIMBLE_SPREAD 3
            addi a1, a1, 4
            addi a0, a0, 16
            bne a1, t1, 3b
        4:
            beq a1, t2, 5f
            THIMBLE_SPREAD 0
            addi a1, a1, 1
            addi a0, a0, 4
            j 4b
        5:
            add a1, a1, a6
            addi a5, a5, -1
            bnez a5, 2b
            mv a0, a3
            ret
            .purgem THIMBLE_SPREAD
        ",
    )
}

/// Copies runs of codes of four positions, so that what a tap meets is side by side; writes their sums. 13.5 instructions for
/// the four codes of a tap.
///
/// a0 places, a4-a7 codes, t1-t4 sums, t0 code, t5 end of fours and t6 end of a run, a1 rows.
///
/// # Safety
/// There are as many codes as the runs have from each of the addresses on, and a word for each tap.
#[unsafe(naked)]
pub unsafe extern "C" fn interleave(
    to: *mut u32,
    codes: *const [*const u8; 4],
    runs: *const Runs,
    totals: *mut [u32; 4],
) {
    naked_asm!(
        "
        .macro THIMBLE_TAP at
            lbu t0, \\at(a4)
            sb t0, 4*\\at(a0)
            add t1, t1, t0
            lbu t0, \\at(a5)
            sb t0, 4*\\at+1(a0)
            add t2, t2, t0
            lbu t0, \\at(a6)
            sb t0, 4*\\at+2(a0)
            add t3, t3, t0
            lbu t0, \\at(a7)
            sb t0, 4*\\at+3(a0)
            add t4, t4, t0
        .endm
        .macro THIMBLE_MOVE by
            addi a4, a4, \\by
            addi a5, a5, \\by
            addi a6, a6, \\by
            addi a7, a7, \\by
            addi a0, a0, 4*\\by
        .endm
            lw a4, 0(a1)
            lw a5, 4(a1)
            lw a6, 8(a1)
            lw a7, 12(a1)
            lw a1, 4(a2)
            li t1, 0
            li t2, 0
            li t3, 0
            li t4, 0
        2:
            lw t5, 0(a2)
            add t6, a4, t5
            andi t5, t5, -4
            add t5, a4, t5
            beq a4, t5, 4f
        3:
            THIMBLE_TAP 0
            THIMBLE_TAP 1
            THIMBLE_TAP 2
            THIMBLE_TAP 3
            THIMBLE_MOVE 4
            bne a4, t5, 3b
        4:
            beq a4, t6, 5f
            THIMBLE_TAP 0
            THIMBLE_MOVE 1
            j 4b
        5:
            lw t5, 8(a2)
            add a4, a4, t5
            add a5, a5, t5
            add a6, a6, t5
            add a7, a7, t5
            addi a1, a1, -1
            bnez a1, 2b
            sw t1, 0(a3)
            sw t2, 4(a3)
            sw t3, 8(a3)
            sw t4, 12(a3)
            ret
            .purgem THIMBLE_TAP
            .purgem THIMBLE_MOVE
        ",
    )
}
