//! Depthwise convolution with a kernel of 3x3 and a stride of 1 or 2, one channel at a time.
//!
//! The rows of input that a few rows of output are computed from are six at most. A channel's codes in them, `r0` to `r5` in a
//! column, are gathered into three words, padding included, so that what follows knows no edges:
//!
//! ```text
//! A = r0 | r1 << 16        B = r2 | r3 << 16        C = r4 | r5 << 16
//! ```
//!
//! With the weights of kernel column `c`, `U = w0c | w1c << 16` and `V = w1c | w2c << 16`, two rows of output with a stride of 1 are
//!
//! ```text
//! y0 += smlad(U, A) + smlatb(V, B)           w0 * r0 + w1 * r1 + w2 * r2
//! y1 += smlabt(U, A) + smlad(V, B)           w0 * r1 + w1 * r2 + w2 * r3
//! ```
//!
//! and the next two the same of B and C. With a stride of 2 they are `smlad(U, A)` and the lower half of B times `w2c`, and
//! `smlad(U, B)` and the lower half of C times `w2c`. Either way 24 multiplications make the 36 products of two rows by two columns
//! of output, with the weights in registers.
//!
//! Where sums are shifted left before they are requantized, it is done to bias and weights, once for all outputs. Lanes of 16 bits
//! hold a weight times `2^8`; the rest of a larger shift, which no trained network has, is done to the codes, up to `2^7`.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;
use core::mem::offset_of;

use super::cpu::cpu;
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::portable;

/// Columns of input that are gathered at a time, of three words each.
const COLUMNS: usize = 26;
/// Rows of input in the words of a column.
const ROWS: usize = 6;
/// The most that weights can be shifted left by in lanes of 16 bits with a sign.
const MOST_SHIFT_OF_WEIGHTS: u8 = 8;
/// The same of codes.
const MOST_SHIFT_OF_CODES: u8 = 7;

/// Convolution of each channel by itself.
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let stride = match operands.window.stride {
        [1, 1] => 1,
        [2, 2] => 2,
        _ => 0,
    };
    let channels = usize::from(operands.output.channels);
    let is_fast = stride > 0
        && operands.window.size == [3; 2]
        && operands.multiplier == 1
        && operands.rescale.shift <= MOST_SHIFT_OF_WEIGHTS + MOST_SHIFT_OF_CODES
        && operands.output.channels == operands.input.channels
        && input.len() == operands.input.len()
        && output.len() == operands.output.len()
        && operands.weights.len() == 9 * channels
        && operands.channels.bytes().len() == 8 * channels
        && !input.is_empty()
        && !output.is_empty();
    if is_fast {
        three_by_three(input, operands, stride, output);
    } else {
        portable::depthwise_conv2d(input, operands, output);
    }
}

/// A kernel of 3x3, one output for each input channel. All lengths fit, and nothing is empty.
#[inline(never)]
fn three_by_three(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, stride: usize, output: &mut [u8]) {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let (output_height, output_width) = (usize::from(operands.output.height), usize::from(operands.output.width));
    let channels = usize::from(operands.input.channels);
    let pad_code = u32::from(operands.pad_code);
    let shift = operands.rescale.shift.min(MOST_SHIFT_OF_WEIGHTS);
    let shift_of_codes = u32::from(operands.rescale.shift - shift);
    let edge = (pad_code << 16 | pad_code) << shift_of_codes;
    let (above, left) = (usize::from(operands.pad_above), usize::from(operands.window.left()));
    // Rows and columns of output from which the gathered ones are computed.
    let (most_rows, most_columns) = if stride == 1 { (ROWS - 2, COLUMNS - 2) } else { (2, COLUMNS / 2 - 1) };
    // A column more, as rows of padding are written two columns at a time.
    let mut lanes = [0; 3 * (COLUMNS + 1)];
    for y in (0..output_height).step_by(most_rows) {
        let output_rows = most_rows.min(output_height - y);
        for x in (0..output_width).step_by(most_columns) {
            let columns = most_columns.min(output_width - x);
            let end = x * stride + (columns - 1) * stride + 3;
            // The columns under the kernel that are inside of the input, and how many come before them.
            let first = (x * stride).saturating_sub(left);
            let before = left.saturating_sub(x * stride);
            let inside = end.saturating_sub(left).min(width).saturating_sub(first);
            let Some((left_edge, rest)) = lanes.split_at_mut_checked(3 * before) else { return };
            let gathered = rest.as_mut_ptr();
            let Some(right_edge) = rest.get_mut(3 * inside..) else { return };
            left_edge.fill(edge);
            right_edge.fill(edge);
            let mut rows_and_shift = shift_of_codes;
            let rows = core::array::from_fn(|number| {
                let row = (y * stride + number).wrapping_sub(above);
                // Those that no output is computed from may hold anything.
                if row >= height && number < (output_rows - 1) * stride + 3 {
                    rows_and_shift |= 1 << (8 + number);
                }
                let row = if row < height { row } else { 0 };
                input.as_ptr().wrapping_add((row * width + first) * channels)
            });
            if inside == 0 {
                return;
            }
            let row_len = output_width * channels;
            let mut block = Block {
                rows,
                channels,
                gathered,
                gathered_len: inside * channels,
                is_inside_odd: inside % 2,
                inside,
                pad_code: edge & 0xFFFF,
                rows_and_shift,
                shift: shift.into(),
                shift_of_biases: operands.rescale.shift.into(),
                weights: operands.weights.as_ptr(),
                table: operands.channels.bytes().as_ptr(),
                lanes: lanes.as_ptr(),
                pairs_len: columns / 2 * stride * 2 * 12,
                is_odd: columns % 2,
                output: output.as_mut_ptr().wrapping_add(y * row_len + x * channels),
                second: if output_rows > 2 { 2 * row_len } else { 0 },
                zero_point: operands.rescale.zero_point.into(),
                lower: if output_rows > 1 { row_len } else { 0 },
                lower_of_second: if output_rows > 3 { row_len } else { 0 },
            };
            // SAFETY: `depthwise_conv2d` compared the lengths. The rows are in `input` from their first gathered column to the last
            // one, and these and the columns that pad them are in `lanes`: as many as the outputs need. The outputs are in
            // `output`.
            unsafe {
                if stride == 1 {
                    channels_of_block::<1>(&raw mut block);
                } else {
                    channels_of_block::<2>(&raw mut block);
                }
            }
        }
    }
}

/// What [`channels_of_block`] works on: up to four rows and 24 columns of output, or two rows and twelve columns.
#[repr(C)]
struct Block {
    /// The first code in each row of input. Those outside of the input are some row of it.
    rows: [*const u8; ROWS],
    /// Channels, which is how far a column is from the next one.
    channels: usize,
    /// Where the columns inside of the input go.
    gathered: *mut u32,
    /// Bytes of them in a row of the input.
    gathered_len: usize,
    /// Whether their number is odd.
    is_inside_odd: usize,
    /// Their number, one at least.
    inside: usize,
    /// What surrounds the input, shifted as codes are.
    pad_code: u32,
    /// A bit for each row that is outside of the input, from bit 8 on, and what codes are shifted left by.
    rows_and_shift: u32,
    /// Left shift of weights.
    shift: u32,
    /// That of biases, which is the whole.
    shift_of_biases: u32,
    /// Nine bytes for each channel.
    weights: *const u8,
    /// Bias and multiplier of each channel.
    table: *const u8,
    /// Three words for each column, padding included, and for one more column.
    lanes: *const u32,
    /// Bytes of them from the first pair of columns of output to where no pair is left.
    pairs_len: usize,
    /// One more column of output.
    is_odd: usize,
    /// The first code of the output.
    output: *mut u8,
    /// Bytes from it to the third row of output, 0 if there is none.
    second: usize,
    /// Added to codes.
    zero_point: u32,
    /// Bytes from the first row of output to the second one, 0 if there is none.
    lower: usize,
    /// The same of the third and the fourth.
    lower_of_second: usize,
}

/// All channels of a block: two rows by two columns of output in 47 or 48 instructions, after 13 or 11 for each column that is gathered.
///
/// While gathering: r0-r5 rows, r6 channels, r7 lanes, r8 end, r9-r12 codes, lr offset. Then r0-r5 weights (stride 2: r0-r4,
/// and r5 is A), r6-r9 sums of the upper left, lower left, upper right, lower right output, r10-r11 lanes, r12 their address, lr
/// that of the output.
///
/// The stack keeps 0 and 4 the bias twice, 8 the end of the pairs, 12 whether a column follows them, 16 multiplier, 20 zero point,
/// 24 bytes from the upper output to the lower one, 28 channels, 32 the channel, 36 output, 40 the block, 44 bytes to the third row
/// of output, 48 the end of the pairs for the first two rows, 52 lanes. If there is no lower row, its codes go where those of the
/// upper one go right after.
///
/// # Safety
/// What `block` points to is as its fields describe.
#[unsafe(naked)]
unsafe extern "C" fn channels_of_block<const STRIDE: usize>(block: *mut Block) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_GATHER
            ldrb r9, [r0, lr]
            ldrb r11, [r1, lr]
            ldrb r10, [r2, lr]
            ldrb r12, [r3, lr]
            orr r9, r9, r11, lsl #16
            ldrb r11, [r4, lr]
            orr r10, r10, r12, lsl #16
        .if {stride} == 1
            ldrb r12, [r5, lr]
            add lr, lr, r6
            orr r11, r11, r12, lsl #16
        .else
            add lr, lr, r6
        .endif
            stm r7!, {{r9, r10, r11}}
        .endm
        .macro THIMBLE_LANES advance
        .if {stride} == 1
        .if \\advance
            ldrd r10, r11, [r12], #12
        .else
            ldrd r10, r11, [r12]
        .endif
        .elseif \\advance
            ldm r12!, {{r5, r10, r11}}
        .else
            ldm r12, {{r5, r10, r11}}
        .endif
        .endm
        // A column of the kernel; the upper sum is read from where the bias may be.
        .macro THIMBLE_COLUMN column, upper, lower, start
        .if {stride} == 1
        .if \\column == 0
            smlabt \\lower, r0, r10, \\start
            smlad \\upper, r0, r10, \\upper
            smlad \\lower, r3, r11, \\lower
            smlatb \\upper, r3, r11, \\upper
        .elseif \\column == 1
            smlabt \\lower, r1, r10, \\start
            smlad \\upper, r1, r10, \\upper
            smlad \\lower, r4, r11, \\lower
            smlatb \\upper, r4, r11, \\upper
        .else
            smlabt \\lower, r2, r10, \\start
            smlad \\upper, r2, r10, \\upper
            smlad \\lower, r5, r11, \\lower
            smlatb \\upper, r5, r11, \\upper
        .endif
        .else
        .if \\column == 0
            smlad \\lower, r0, r10, \\start
            smlad \\upper, r0, r5, \\upper
            smlabb \\lower, r3, r11, \\lower
            smlabb \\upper, r3, r10, \\upper
        .elseif \\column == 1
            smlad \\lower, r1, r10, \\start
            smlad \\upper, r1, r5, \\upper
            smlabb \\lower, r4, r11, \\lower
            smlabb \\upper, r4, r10, \\upper
        .else
            smlad \\lower, r2, r10, \\start
            smlad \\upper, r2, r5, \\upper
            smlatb \\lower, r3, r11, \\lower
            smlatb \\upper, r3, r10, \\upper
        .endif
        .endif
        .endm
        .macro THIMBLE_SHIFT word
            lsl \\word, \\word, r7
            bic \\word, \\word, r8
        .endm
            push {{r4-r11, lr}}
            sub sp, sp, #60
            ldrd r1, r2, [r0, #{zero_point}]
            ldr r3, [r0, #{channels}]
            movs r4, #0
            ldrd r5, r6, [r0, #{output}]
            ldrd r7, r8, [r0, #{lanes}]
            ldr r9, [r0, #{is_odd}]
            add r8, r8, r7
            strd r8, r9, [sp, #8]
            strd r1, r2, [sp, #20]
            strd r3, r4, [sp, #28]
            strd r5, r0, [sp, #36]
            strd r6, r8, [sp, #44]
            str r7, [sp, #52]
        2:  // A channel.
            ldr r12, [sp, #40]
            ldr lr, [sp, #32]
            ldm r12, {{r0-r8}}
            ldr r9, [r12, #{is_inside_odd}]
            add r8, r8, lr
            cmp r9, #0
            bne 4f
        3:
            THIMBLE_GATHER
        4:
            THIMBLE_GATHER
            cmp lr, r8
            bne 3b
            ldr r12, [sp, #40]
            ldr r0, [r12, #{rows_and_shift}]
            cbz r0, 6f
            ldrd r7, r8, [r12, #{inside}]
            ldr r1, [r12, #{gathered}]
            ands r2, r0, #0xFF
            beq 4f
            mov r3, r1
            mov r9, r7
        3:  // Codes that are shifted, of a column.
            ldm r3, {{r4, r5, r6}}
            lsl r4, r4, r2
            lsl r5, r5, r2
            lsl r6, r6, r2
            stm r3!, {{r4, r5, r6}}
            subs r9, r9, #1
            bne 3b
        4:
            lsrs r2, r0, #8
            beq 6f
        3:  // A row of padding; the column after the last one may be written too.
            rbit r3, r2
            clz r3, r3
            add r4, r1, r3, lsl #1
            mov r5, r7
        5:
            strh r8, [r4], #12
            strh r8, [r4], #12
            subs r5, r5, #2
            bgt 5b
            sub r3, r2, #1
            ands r2, r2, r3
            bne 3b
        6:  // Bias, multiplier, weights.
            ldrd r6, r7, [r12, #{weights}]
            ldr r8, [r6], #3
            ldr r9, [r6], #2
            ldr r10, [r6], #4
            ldr r11, [r7], #4
            ldr lr, [r7], #4
            strd r6, r7, [r12, #{weights}]
            sxtb16 r0, r8
            sxtb16 r1, r8, ror #8
            sxtb16 r4, r9, ror #8
            sxtb16 r9, r9
            ldr r7, [r12, #{shift}]
            pkhtb r2, r9, r0, asr #16
            pkhbt r0, r0, r9, lsl #16
            pkhbt r1, r1, r4, lsl #16
        .if {stride} == 1
            sxtb16 r5, r10, ror #8
            sxtb16 r6, r10, ror #16
            pkhbt r3, r9, r5, lsl #16
            pkhbt r4, r4, r6, lsl #16
            pkhtb r5, r5, r9, asr #16
        .else
            sxtb16 r3, r10, ror #8
            sxtb16 r4, r10, ror #16
        .endif
            cbz r7, 3f
            ldr r6, [r12, #{shift_of_biases}]
            mov r8, #0x10000
            lsl r11, r11, r6
            lsl r6, r8, r7
            sub r8, r6, r8
            THIMBLE_SHIFT r0
            THIMBLE_SHIFT r1
            THIMBLE_SHIFT r2
            THIMBLE_SHIFT r3
            THIMBLE_SHIFT r4
        .if {stride} == 1
            THIMBLE_SHIFT r5
        .endif
        3:
            strd r11, r11, [sp]
            str lr, [sp, #16]
            ldrd r7, lr, [sp, #32]
            ldr r12, [sp, #52]
            add lr, lr, r7
        4:  // Two rows of output.
            ldm sp, {{r6, r8, r10}}
            cmp r12, r10
            beq 6f
        5:  // Two columns of it.
            THIMBLE_LANES 1
            THIMBLE_COLUMN 0, r6, r7, r6
            THIMBLE_LANES 1
            THIMBLE_COLUMN 1, r6, r7, r7
        .if {stride} == 1
            THIMBLE_COLUMN 0, r8, r9, r8
            ldrd r10, r11, [r12]
            THIMBLE_COLUMN 2, r6, r7, r7
            THIMBLE_COLUMN 1, r8, r9, r9
            ldrd r10, r11, [r12, #12]
        .else
            THIMBLE_LANES 1
            THIMBLE_COLUMN 2, r6, r7, r7
            THIMBLE_COLUMN 0, r8, r9, r8
            THIMBLE_LANES 1
            THIMBLE_COLUMN 1, r8, r9, r9
            THIMBLE_LANES 0
        .endif
            THIMBLE_COLUMN 2, r8, r9, r9
            ldrd r10, r11, [sp, #16]
            smmlar r6, r6, r10, r11
            smmlar r7, r7, r10, r11
            smmlar r8, r8, r10, r11
            smmlar r9, r9, r10, r11
            ldrd r10, r11, [sp, #24]
            usat r6, #8, r6
            usat r7, #8, r7
            usat r8, #8, r8
            usat r9, #8, r9
            strb r7, [lr, r10]
            strb r6, [lr]
            add lr, lr, r11
            strb r9, [lr, r10]
            strb r8, [lr]
            add lr, lr, r11
            ldm sp, {{r6, r8, r10}}
            cmp r12, r10
            bne 5b
        6:
            ldr r7, [sp, #12]
            cbz r7, 7f
            THIMBLE_LANES 1
            THIMBLE_COLUMN 0, r6, r7, r6
            THIMBLE_LANES 1
            THIMBLE_COLUMN 1, r6, r7, r7
            THIMBLE_LANES 0
            THIMBLE_COLUMN 2, r6, r7, r7
            ldrd r10, r11, [sp, #16]
            ldr r8, [sp, #24]
            smmlar r6, r6, r10, r11
            smmlar r7, r7, r10, r11
            usat r6, #8, r6
            usat r7, #8, r7
            strb r7, [lr, r8]
            strb r6, [lr]
        7:
        .if {stride} == 1
            ldr r7, [sp, #44]
            cbz r7, 9f
            ldr r8, [sp, #8]
            ldr r9, [sp, #48]
            ldr r12, [sp, #40]
            cmp r8, r9
            bne 8f
            // Two more rows: of the words next to these.
            ldr r10, [r12, #{lower_of_second}]
            add r8, r8, #4
            str r8, [sp, #8]
            str r10, [sp, #24]
            ldrd r6, lr, [sp, #32]
            ldr r12, [sp, #52]
            add lr, lr, r6
            add lr, lr, r7
            add r12, r12, #4
            b 4b
        8:
            ldr r10, [r12, #{lower}]
            str r9, [sp, #8]
            str r10, [sp, #24]
        9:
        .endif
            ldrd r7, r8, [sp, #28]
            add r8, r8, #1
            str r8, [sp, #32]
            cmp r7, r8
            bne.w 2b
            add sp, sp, #60
            pop {{r4-r11, pc}}
            .purgem THIMBLE_GATHER
            .purgem THIMBLE_LANES
            .purgem THIMBLE_COLUMN
            .purgem THIMBLE_SHIFT
        ",
        stride = const STRIDE,
        zero_point = const offset_of!(Block, zero_point),
        channels = const offset_of!(Block, channels),
        is_odd = const offset_of!(Block, is_odd),
        is_inside_odd = const offset_of!(Block, is_inside_odd),
        rows_and_shift = const offset_of!(Block, rows_and_shift),
        gathered = const offset_of!(Block, gathered),
        inside = const offset_of!(Block, inside),
        weights = const offset_of!(Block, weights),
        shift = const offset_of!(Block, shift),
        shift_of_biases = const offset_of!(Block, shift_of_biases),
        output = const offset_of!(Block, output),
        lanes = const offset_of!(Block, lanes),
        lower = const offset_of!(Block, lower),
        lower_of_second = const offset_of!(Block, lower_of_second),
    )
}
