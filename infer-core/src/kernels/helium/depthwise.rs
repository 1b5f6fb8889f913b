//! Convolution of each channel by itself: eight channels at a time, at one position or at two neighbors.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{cpu, in_words};
use super::gather::span;
use crate::format::Window;
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::portable;
use crate::packing::vector::CHANNELS_PER_VECTOR;

/// What the assembly works on.
#[repr(C)]
struct Run {
    /// The first code under the filter that is inside of the input, at the first position.
    codes: *const u8,
    /// Bytes from there to that of the second one.
    to_second: usize,
    /// Bytes from a column of the input to the next one.
    channels: usize,
    /// Bytes from the end of a row of codes under the filter to the next row.
    to_next_row: usize,
    /// Rows and columns of the filter that are inside.
    rows: usize,
    columns: usize,
    /// Taps before the first one inside, between those of two rows, and after the last one.
    before: usize,
    between: usize,
    after: usize,
    /// What these taps meet.
    pad_code: u32,
    weights: *const u8,
    table: *const u8,
    output: *mut u8,
    /// Vectors of channels.
    vectors: usize,
    zero_point: u32,
    shift: u32,
    /// Whether three columns are inside at both positions, the second one of which is a column further on, and taps that are not
    /// inside add nothing.
    three_columns: usize,
    /// One position, or two neighbors: how often.
    count: usize,
}

/// Convolution of each channel by itself.
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let &DepthwiseConv2dOperands { input: shape, output: codes_shape, window, .. } = operands;
    let Window { size: [rows, columns], stride: [down, along], .. } = window;
    let (rows, columns) = (usize::from(rows), usize::from(columns));
    let (height, width) = (usize::from(shape.height), usize::from(shape.width));
    let (channels, table) = (usize::from(shape.channels), operands.channels.bytes());
    let vectors = channels / CHANNELS_PER_VECTOR;
    let taps = rows * columns;
    let fits = operands.multiplier == 1
        && codes_shape.channels == shape.channels
        && channels.is_multiple_of(CHANNELS_PER_VECTOR)
        && taps * channels > 0
        && operands.weights.len() == taps * channels
        && table.len() == 8 * channels
        && in_words(table)
        && input.len() == shape.len()
        && output.len() == codes_shape.len();
    if !fits {
        portable::depthwise_conv2d_vector(input, operands, output);
        return;
    }
    let mut run = Run {
        codes: input.as_ptr(),
        to_second: usize::from(along) * channels,
        channels,
        to_next_row: 0,
        rows: 0,
        columns: 0,
        before: 0,
        between: 0,
        after: 0,
        pad_code: operands.pad_code.into(),
        weights: operands.weights.as_ptr(),
        table: table.as_ptr(),
        output: output.as_mut_ptr(),
        vectors,
        zero_point: operands.rescale.zero_point.into(),
        shift: operands.rescale.shift.into(),
        three_columns: 0,
        count: 0,
    };
    let output_rows = output.chunks_exact_mut((usize::from(codes_shape.width) * channels).max(1));
    for (y, codes) in output_rows.enumerate() {
        let [above, first_row, rows_inside] = span(y * usize::from(down), operands.pad_above.into(), rows, height);
        let mut x = 0;
        let mut rest = codes;
        while !rest.is_empty() {
            let start = x * usize::from(along);
            let [left, first_column, columns_inside] = span(start, window.left().into(), columns, width);
            // Neighbors that have all columns inside are computed two by two.
            let beyond = (width + usize::from(window.left())).saturating_sub(start + columns);
            let pairs = if columns_inside < columns { 0 } else { (beyond / usize::from(along).max(1)).div_ceil(2) };
            let pairs = pairs.min(rest.len() / (2 * channels).max(1));
            let two = pairs > 0;
            run.count = pairs.max(1);
            let positions = if two { 2 * pairs } else { 1 };
            let Some((codes, others)) = core::mem::take(&mut rest).split_at_mut_checked(positions * channels) else {
                return;
            };
            rest = others;
            x += positions;
            let any = rows_inside * columns_inside > 0;
            run.rows = if any { rows_inside } else { 0 };
            run.columns = columns_inside;
            run.before = if any { above * columns + left } else { taps };
            run.between = columns - columns_inside;
            // What is after the last row begins with the taps on the right of it.
            run.after = if any { taps - run.before - (rows_inside - 1) * columns - columns_inside } else { 0 };
            let adds_nothing = operands.pad_code == 0 || run.before + run.after == 0;
            run.three_columns = (columns == 3 && along == 1 && any && adds_nothing).into();
            run.codes = input.as_ptr().wrapping_add((first_row * width + first_column) * channels);
            run.to_next_row = (width - columns_inside) * channels;
            run.output = codes.as_mut_ptr();
            // SAFETY: the codes of all rows and columns are in the input, at both positions; lengths were compared.
            unsafe {
                if two {
                    vectors_of_channels::<true>(&raw mut run);
                } else {
                    vectors_of_channels::<false>(&raw mut run);
                }
            }
        }
    }
}

/// Eight channels at a time, at one position or at `TWO`. A code times a weight has 32 bits, those of even channels in one vector, of
/// odd ones in another.
///
/// r0 `run`, r1 weights, r2 first code, r3 and r4 codes, r5 rows left, r6 channels, r7 table, r8 and r12 output, r9 bytes to the next
/// row, r10 vectors left, r11 scratch, lr taps left.
///
/// # Safety
/// Every pointer of `run` leads to as many bytes as its numbers need; the table is at a multiple of a word.
#[unsafe(naked)]
unsafe extern "C" fn vectors_of_channels<const TWO: bool>(run: *mut Run) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_PRODUCTS code, even, odd
            vmullb.s16 q6, q4, \\code
            vadd.i32 \\even, \\even, q6
            vmullt.s16 q6, q4, \\code
            vadd.i32 \\odd, \\odd, q6
        .endm
        .macro THIMBLE_PADDING at
            ldr r11, [r0, #\\at]
            cmp r11, #0
            beq 5f
            ldr lr, [r0, #36]
            cmp lr, #0
            itt eq
            addeq r1, r1, r11, lsl #3
            beq 5f
            vdup.16 q5, lr
            dls lr, r11
        4:
            vldrb.s16 q4, [r1], #8
            THIMBLE_PRODUCTS q5, q0, q1
        .if {two}
            vadd.i32 q3, q3, q6
            vmullb.s16 q6, q4, q5
            vadd.i32 q2, q2, q6
        .endif
            le lr, 4b
        5:
        .endm
        .macro THIMBLE_REQUANTIZE even, odd
            vadd.i32 \\even, \\even, q4
            vadd.i32 \\odd, \\odd, q6
            vshl.s32 \\even, r11
            vshl.s32 \\odd, r11
            vrmulh.s32 \\even, \\even, q5
            vrmulh.s32 \\odd, \\odd, q7
            vadd.i32 \\even, \\even, r12
            vadd.i32 \\odd, \\odd, r12
            vqmovunb.s32 \\even, \\even
            vqmovunt.s32 \\even, \\odd
            vqmovnb.u16 \\even, \\even
        .endm
            push {{r4-r11, lr}}
            vpush {{d8-d15}}
        1:
            ldrd r2, r4, [r0]
            ldrd r6, r9, [r0, #8]
            ldrd r1, r8, [r0, #40]
            ldrd r7, r10, [r0, #48]
        2:
            mov r3, r2
            vmov.i32 q0, #0
            vmov.i32 q1, #0
        .if {two}
            ldr r4, [r0, #4]
            add r4, r4, r2
            vmov.i32 q2, #0
            vmov.i32 q3, #0
        .endif
        .if {two}
            ldr r5, [r0, #64]
            cmp r5, #0
            beq.w 3f
            ldr r11, [r0, #24]
            ldr r5, [r0, #16]
            add r1, r1, r11, lsl #3
        4:
            vldrb.s16 q4, [r1], #8
            vldrb.u16 q5, [r3]
            add r3, r3, r6
            THIMBLE_PRODUCTS q5, q0, q1
            vldrb.u16 q5, [r3]
            add r3, r3, r6
            THIMBLE_PRODUCTS q5, q2, q3
            vldrb.s16 q4, [r1], #8
            THIMBLE_PRODUCTS q5, q0, q1
            vldrb.u16 q5, [r3]
            add r3, r3, r6
            THIMBLE_PRODUCTS q5, q2, q3
            vldrb.s16 q4, [r1], #8
            THIMBLE_PRODUCTS q5, q0, q1
            vldrb.u16 q5, [r3]
            add r3, r3, r9
            THIMBLE_PRODUCTS q5, q2, q3
            subs r5, r5, #1
            bne 4b
            ldr r11, [r0, #32]
            add r1, r1, r11, lsl #3
            b.w 20f
        3:
        .endif
            THIMBLE_PADDING 24
            ldr r5, [r0, #16]
            cmp r5, #0
            beq.w 9f
            b 7f
        6:
            THIMBLE_PADDING 28
            add r3, r3, r9
        .if {two}
            add r4, r4, r9
        .endif
        7:
            ldr r11, [r0, #20]
            dls lr, r11
        8:
            vldrb.s16 q4, [r1], #8
            vldrb.u16 q5, [r3]
            add r3, r3, r6
            THIMBLE_PRODUCTS q5, q0, q1
        .if {two}
            vldrb.u16 q5, [r4]
            add r4, r4, r6
            THIMBLE_PRODUCTS q5, q2, q3
        .endif
            le lr, 8b
            subs r5, r5, #1
            bne 6b
        9:
            THIMBLE_PADDING 32
        20:
            vld40.32 {{q4, q5, q6, q7}}, [r8]
            vld41.32 {{q4, q5, q6, q7}}, [r8]
            vld42.32 {{q4, q5, q6, q7}}, [r8]
            vld43.32 {{q4, q5, q6, q7}}, [r8]!
            ldr r12, [r0, #56]
            ldr r11, [r0, #60]
            THIMBLE_REQUANTIZE q0, q1
            vstrb.16 q0, [r7]
        .if {two}
            THIMBLE_REQUANTIZE q2, q3
            add r5, r7, r6
            vstrb.16 q2, [r5]
        .endif
            add r2, r2, #8
            add r7, r7, #8
            subs r10, r10, #1
            bne.w 2b
        .if {two}
            ldrd r2, r4, [r0]
            ldr r5, [r0, #68]
            add r2, r2, r4, lsl #1
            str r2, [r0]
            // Codes of the first position end where those of the second one begin.
            add r7, r7, r6
            str r7, [r0, #48]
            subs r5, r5, #1
            str r5, [r0, #68]
            bne.w 1b
        .endif
            vpop {{d8-d15}}
            pop {{r4-r11, pc}}
            .purgem THIMBLE_PRODUCTS
            .purgem THIMBLE_PADDING
            .purgem THIMBLE_REQUANTIZE
        ",
        two = const TWO as usize,
    )
}
