//! Fully connected layers: eight rows at a time.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{cpu, in_words, requantize};
use super::gather::sum;
use crate::kernels::operands::{DenseOperands, LogitsOperands};
use crate::kernels::portable;
use crate::packing::vector::{CODES_PER_VECTOR, ROWS_PER_GROUP};

/// Fully connected layer.
pub fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let table = operands.channels.bytes();
    let rows = output.len();
    if table.len() != 8 * rows || !in_words(table) || !sums(input, operands.weights, rows, scratch) {
        portable::dense_vector(input, operands, scratch, output);
        return;
    }
    let full = rows / 4;
    if full > 0 {
        let (zero_point, shift) = (operands.rescale.zero_point.into(), operands.rescale.shift.into());
        // SAFETY: four sums, records and codes for each of `full`.
        unsafe { requantize_fours(scratch.as_ptr(), table.as_ptr(), output.as_mut_ptr(), full, zero_point, shift) }
    }
    let rest = output.iter_mut().zip(operands.channels.iter()).zip(scratch.iter()).skip(4 * full);
    for ((code, (bias, multiplier)), sum) in rest {
        *code = portable::requantize(sum.cast_signed().wrapping_add(bias), multiplier, operands.rescale);
    }
}

/// The last layer: accumulators as they are.
pub fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
    if !sums(input, operands.weights, output.len(), scratch) {
        portable::logits_vector(input, operands, scratch, output);
        return;
    }
    let biases = operands.biases.as_chunks::<4>().0;
    for ((logit, sum), bias) in output.iter_mut().zip(scratch.iter()).zip(biases) {
        *logit = sum.cast_signed().wrapping_add(i32::from_le_bytes(*bias));
    }
}

/// What [`eight_rows`] works on.
#[repr(C)]
struct Run {
    codes: *const u8,
    /// What sums start at: -128 times the sum of the codes.
    start: u32,
    /// Vectors of codes but for the last one, and codes in that.
    vectors: usize,
    last: usize,
    weights: *const u8,
    /// Bytes of weights in a group.
    group_len: usize,
    sums: *mut u32,
    /// Two groups each.
    blocks: usize,
}

/// The sum of products of each row, in a multiple of eight words; whether all lengths fit.
fn sums(input: &[u8], weights: &[u8], rows: usize, sums: &mut [u32]) -> bool {
    let groups = rows.div_ceil(ROWS_PER_GROUP);
    let Some(vectors) = input.len().div_ceil(CODES_PER_VECTOR).checked_sub(1) else { return false };
    let group_len = ROWS_PER_GROUP * CODES_PER_VECTOR * (vectors + 1);
    if weights.len() != groups * group_len || sums.len() < rows.next_multiple_of(2 * ROWS_PER_GROUP) {
        return false;
    }
    let mut run = Run {
        codes: input.as_ptr(),
        start: sum(input).wrapping_mul(128).wrapping_neg(),
        vectors,
        last: input.len() - CODES_PER_VECTOR * vectors,
        weights: weights.as_ptr(),
        group_len,
        sums: sums.as_mut_ptr(),
        blocks: groups / 2,
    };
    if run.blocks > 0 {
        // SAFETY: two groups of weights and eight sums for each block.
        unsafe { eight_rows(&raw mut run) }
    }
    if !groups.is_multiple_of(2) {
        // A last group alone is computed twice.
        run.weights = weights.as_ptr().wrapping_add((groups - 1) * group_len);
        run.sums = sums.as_mut_ptr().wrapping_add((groups - 1) * ROWS_PER_GROUP);
        (run.group_len, run.blocks) = (0, 1);
        // SAFETY: a group of weights and eight sums.
        unsafe { eight_rows(&raw mut run) }
    }
    true
}

/// Eight rows at a time.
///
/// r1 weights of the first four, r5 of the other four, r3 codes, r7 vectors left, even registers sums.
///
/// # Safety
/// Every pointer of `run` leads to as many bytes as its numbers need.
#[unsafe(naked)]
unsafe extern "C" fn eight_rows(run: *mut Run) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_TWO_ROWS weights, first, second
            vldrb.u8 q1, [\\weights], #16
            vmladava.u8 \\first, q0, q1
            vldrb.u8 q2, [\\weights], #16
            vmladava.u8 \\second, q0, q2
        .endm
        .macro THIMBLE_ROWS
            THIMBLE_TWO_ROWS r1, r0, r2
            THIMBLE_TWO_ROWS r1, r4, r6
            THIMBLE_TWO_ROWS r5, r8, r10
            THIMBLE_TWO_ROWS r5, r12, lr
        .endm
            push {{r4-r11, lr}}
            mov r9, r0
            ldr r1, [r9, #16]
        2:
            ldrd r3, r0, [r9]
            ldr r11, [r9, #20]
            add r5, r1, r11
            mov r2, r0
            mov r4, r0
            mov r6, r0
            mov r8, r0
            mov r10, r0
            mov r12, r0
            mov lr, r0
            ldr r7, [r9, #8]
            lsrs r7, r7, #1
            bcc 4f
            vldrb.u8 q0, [r3], #16
            THIMBLE_ROWS
            b 4f
        3:
            vldrb.u8 q0, [r3], #16
            THIMBLE_ROWS
            vldrb.u8 q0, [r3], #16
            THIMBLE_ROWS
        4:
            subs r7, r7, #1
            bpl.w 3b
            ldr r7, [r9, #12]
            vctp.8 r7
            vpst
            vldrbt.u8 q0, [r3]
            THIMBLE_ROWS
            ldr r3, [r9, #24]
            ldr r7, [r9, #28]
            strd r0, r2, [r3], #8
            strd r4, r6, [r3], #8
            strd r8, r10, [r3], #8
            strd r12, lr, [r3], #8
            str r3, [r9, #24]
            add r1, r1, r11
            subs r7, r7, #1
            str r7, [r9, #28]
            bne.w 2b
            pop {{r4-r11, pc}}
            .purgem THIMBLE_ROWS
            .purgem THIMBLE_TWO_ROWS
        ",
    )
}

/// Four codes at a time.
///
/// # Safety
/// There are four sums, records of the table and codes for each of `fours`, one at least; sums and table are at multiples of a
/// word.
#[unsafe(naked)]
unsafe extern "C" fn requantize_fours(
    sums: *const u32,
    table: *const u8,
    codes: *mut u8,
    fours: usize,
    zero_point: u32,
    shift: u32,
) {
    naked_asm!(
        cpu!(),
        "
            push {{r4, lr}}
            ldrd r4, r12, [sp, #8]
            dls lr, r3
        2:
            vldrw.u32 q0, [r0], #16
            vld20.32 {{q2, q3}}, [r1]
            vld21.32 {{q2, q3}}, [r1]!
            vadd.i32 q0, q0, q2
        ",
        requantize!("q0", "r12", "q3", "r4", "r2"),
        "
            le lr, 2b
            pop {{r4, pc}}
        ",
    )
}
