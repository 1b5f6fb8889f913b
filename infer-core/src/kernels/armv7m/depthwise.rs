//! Convolution of each channel by itself with a 3x3 kernel: all rows of a channel that meet the same weights in one call.
//!
//! As in [`shared`](crate::kernels::shared::one_by_one::depthwise): three codes of a column end one sum, continue the next one and
//! begin a third. A row outside of the input is never read: the kernel meets three rows that are inside, and its weights
//! are moved by a row, or by more, with zeros for those that it does not meet. An input of two rows is met as if half a row were
//! between them, with weights of zero.

use core::arch::naked_asm;

use crate::format::Window;
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::portable;

/// Weights of a kernel, row after row, shifted as the accumulator is before it is multiplied.
type Kernel = [i32; 9];

/// What the loops over columns read; they come to it at `bias`.
#[repr(C)]
struct Job {
    /// Loaded together with what is loaded last: weights, the multiplier, the zero point, and the stride of columns.
    before: [i32; 6],
    bias: i32,
    /// Weights that are loaded together with the bias.
    after: [i32; 6],
    /// Where the loop ends in the row of the input.
    end: *const u8,
    /// The first of three rows of the input.
    row: *const u8,
    /// Where the code of a column goes: with a stride of 1 how far it is from its last column.
    store: *mut u8,
    /// From a row of the input to the next one.
    row_len: usize,
    /// Rows of output, one at least.
    rows: usize,
    /// From the rows of the input to those of the next row of output, and the same of `store`.
    steps: [usize; 2],
    /// What the sums that lack one column and two start with.
    starts: [i32; 2],
    /// What a column of padding adds that ends a sum.
    ends: i32,
    /// What one adds that continues a sum.
    continues: i32,
    /// The bias, and what a column of padding adds that begins a sum.
    next: i32,
    /// Columns, of those before the loop, that end no sum.
    heads: usize,
    /// Columns of padding on the right; with a stride of 2 whether one more code comes after the loop.
    tails: usize,
    /// Bytes from a column to the next one.
    channels: usize,
    /// With a stride of 2, whether a column of the input comes after the loop.
    has_last: usize,
}

/// What all channels have in common.
struct Walk {
    height: usize,
    above: usize,
    down: usize,
    /// Rows of output that meet no padding.
    rows_inside: usize,
    /// Columns that end no sum; columns up to the end of the loop; what comes after them.
    heads: usize,
    columns: usize,
    tails: usize,
    has_last: bool,
}

impl Walk {
    /// `None` where the loops do not do for these operands.
    fn new(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &[u8]) -> Option<Self> {
        let Window { size, stride: [down, along], padding: [_, left, _, right] } = operands.window;
        let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
        let channels = usize::from(operands.output.channels);
        let fits = operands.multiplier == 1
            && size == [3; 2]
            && down > 0
            && left.max(right) <= 2
            && width >= 3
            // Of two rows the middle is met.
            && (height >= 3 || height == 1 || height == 2 && (width * channels).is_multiple_of(2))
            && operands.input.channels == operands.output.channels
            && input.len() >= operands.input.len()
            && output.len() == operands.output.len()
            && operands.weights.len() == 9 * channels
            && operands.channels.bytes().len() == 8 * channels;
        let (left, right) = (usize::from(left), usize::from(right));
        let (heads, columns, tails, has_last, codes) = match along {
            1 => (2 - left, width, right, false, width + left + right - 2),
            2 => {
                // Pairs of columns, of which the second one ends a sum; a column before them may end or begin one.
                let before = usize::from(left != 1);
                let columns = before + (width - before) / 2 * 2;
                let has_last = columns < width;
                let tails = usize::from(if has_last { right > 0 } else { right == 2 });
                let codes = (width - before) / 2 + usize::from(left == 2) + tails;
                (left, columns, tails, has_last, codes)
            }
            _ => return None,
        };
        if !fits || codes != usize::from(operands.output.width) {
            return None;
        }
        let (above, down) = (usize::from(operands.pad_above), usize::from(down));
        let rows = 0..usize::from(operands.output.height);
        let rows_inside = rows.filter(|row| row * down >= above && row * down - above + 3 <= height).count();
        Some(Self { height, above, down, rows_inside, heads, columns, tails, has_last })
    }
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let Some(walk) = Walk::new(input, operands, output) else {
        portable::depthwise_conv2d(input, operands, output);
        return;
    };
    let (weights, table) = (operands.weights.as_chunks::<9>().0, operands.channels.iter());
    let shift = u32::from(operands.rescale.shift);
    for (channel, (weights, (bias, multiplier))) in weights.iter().zip(table).enumerate() {
        let kernel = weights.map(|weight| i32::from(weight.cast_signed()).wrapping_shl(shift));
        let bias = bias.wrapping_shl(shift);
        let mut row = 0;
        while row < usize::from(operands.output.height) {
            row += channel_rows(input, operands, &walk, (channel, &kernel, bias, multiplier), row, output);
        }
    }
}

/// The codes of a channel in a row of output, and in those after it that meet the same weights; returns how many rows that is.
#[inline(never)]
fn channel_rows(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    walk: &Walk,
    (channel, weights, bias, multiplier): (usize, &Kernel, i32, i32),
    row: usize,
    output: &mut [u8],
) -> usize {
    // The row of the padded input that the kernel begins in, and the one that the three rows begin in, of the input.
    let padded = row * walk.down;
    let first = padded.saturating_sub(walk.above).min(walk.height.saturating_sub(3));
    let is_inside = first + walk.above == padded && walk.height >= 3;
    let mut kernel = *weights;
    let mut bias = bias;
    let code = i32::from(operands.pad_code);
    if !is_inside {
        kernel = [0; 9];
        for (index, weights) in weights.as_chunks::<3>().0.iter().enumerate() {
            let met = (padded + index).wrapping_sub(first + walk.above);
            let met = match walk.height {
                1 | 2 => {
                    if met < walk.height {
                        2 * met
                    } else {
                        3
                    }
                }
                _ => met,
            };
            if let Some(moved) = kernel.as_chunks_mut::<3>().0.get_mut(met) {
                *moved = *weights;
            } else {
                let sum = weights.iter().fold(0i32, |sum, &weight| sum.wrapping_add(weight));
                bias = bias.wrapping_add(sum.wrapping_mul(code));
            }
        }
    }
    let [w0, w1, w2, w3, w4, w5, w6, w7, w8] = kernel;
    let pad = |weights: [i32; 3]| weights.iter().fold(0i32, |sum, weight| sum.wrapping_add(*weight)).wrapping_mul(code);
    let [begins, continues, ends] =
        if code == 0 { [0; 3] } else { [pad([w0, w3, w6]), pad([w1, w4, w7]), pad([w2, w5, w8])] };
    let next = bias.wrapping_add(begins);
    let continued = next.wrapping_add(continues);
    let channels = usize::from(operands.input.channels);
    let (row_len, output_row_len) =
        (usize::from(operands.input.width) * channels, usize::from(operands.output.width) * channels);
    let input_row = input.as_ptr().wrapping_add(first * row_len + channel);
    let output_row = output.as_mut_ptr().wrapping_add(row * output_row_len + channel);
    let zero_point = operands.rescale.zero_point.into();
    let rows = if is_inside { walk.rows_inside } else { 1 };
    let from_row_to_row = match walk.height {
        1 => 0,
        2 => row_len / 2,
        _ => row_len,
    };
    let mut job = Job {
        before: [w6, w7, w8, multiplier, zero_point, channels as i32],
        bias,
        after: [w0, w1, w2, w3, w4, w5],
        end: input_row.wrapping_add(walk.columns * channels),
        row: input_row,
        store: output_row,
        row_len: from_row_to_row,
        rows,
        steps: [walk.down * row_len, output_row_len],
        starts: [continued, next],
        ends,
        continues,
        next,
        heads: walk.heads,
        tails: walk.tails,
        channels,
        has_last: walk.has_last.into(),
    };
    let [_, along] = operands.window.stride;
    // SAFETY: `Walk::new` compared the lengths: three rows from the first one on are inside of the input, in each row of the
    // output that is inside, and a row of output has as many codes as the columns make.
    unsafe {
        if along == 1 {
            let from_last =
                output_row.expose_provenance().wrapping_sub(input_row.addr()).wrapping_sub(walk.heads * channels);
            job.store = core::ptr::without_provenance_mut(from_last);
            job.steps[1] = output_row_len.wrapping_sub(job.steps[0]);
            rows_by_one(&mut job);
        } else {
            job.before = [0, w5, w6, w8, multiplier, zero_point];
            job.after = [w1, w4, w7, w0, w2, w3];
            if walk.heads != 2 {
                job.starts[0] = next;
            }
            if !walk.has_last {
                job.ends = ends.wrapping_add(continues);
            }
            rows_by_two(&mut job);
        }
    }
    rows
}

/// Requantizes a sum and stores the code: `THIMBLE_CODE sum, multiplier, zero point, low word, place`.
macro_rules! code {
    () => {
        "
        .macro THIMBLE_CODE sum, multiplier, zero_point, low, base, offset
            smull \\low, \\sum, \\sum, \\multiplier
            lsls \\low, \\low, #1
            adc \\sum, \\sum, \\zero_point
            usat \\sum, #8, \\sum
            strb \\sum, [\\base, \\offset]
        .endm
        "
    };
}

/// With a stride of 1: 24 instructions for a column, which is 9 products and a code.
///
/// r0 column, r1 length of a row, r2 from the column to its code, r3-r5 sums in turns, r6 code, r7-r12 weights, and at last
/// multiplier, zero point and stride; lr job.
///
/// # Safety
/// The job's pointers and lengths lead to no place outside of the input and the output.
#[unsafe(naked)]
unsafe extern "C" fn rows_by_one(job: *mut Job) {
    naked_asm!(
        code!(),
        "
        // The products of a column, all but those that end a sum.
        .macro THIMBLE_HEAD
            ldm lr, {{r5, r7-r12}}
            ldrb r6, [r0]
            mla r5, r6, r7, r5
            mla r4, r6, r8, r4
            ldrb r6, [r0, r1]
            mla r5, r6, r10, r5
            mla r4, r6, r11, r4
            ldmdb lr, {{r7-r12}}
            ldrb r6, [r0, r1, lsl #1]
            mla r5, r6, r7, r5
            mla r4, r6, r8, r4
            add r0, r0, r12
        .endm
        .macro THIMBLE_COLUMN ending, continued, begun
            ldm lr, {{\\begun, r7-r12}}
            ldrb r6, [r0]
            mla \\begun, r6, r7, \\begun
            mla \\continued, r6, r8, \\continued
            mla \\ending, r6, r9, \\ending
            ldrb r6, [r0, r1]
            mla \\begun, r6, r10, \\begun
            mla \\continued, r6, r11, \\continued
            mla \\ending, r6, r12, \\ending
            ldmdb lr, {{r7-r12}}
            ldrb r6, [r0, r1, lsl #1]
            mla \\begun, r6, r7, \\begun
            mla \\continued, r6, r8, \\continued
            mla \\ending, r6, r9, \\ending
            THIMBLE_CODE \\ending, r10, r11, r6, r0, r2
            ldr r6, [lr, #28]
            add r0, r0, r12
            cmp r0, r6
        .endm
            push {{r4-r11, lr}}
            add lr, r0, #24
            ldr r1, [lr, #40]
        2:
            ldrd r0, r2, [lr, #32]
            ldrd r3, r4, [lr, #56]
            ldr r6, [lr, #76]
            cmp r6, #1
            blo 5f
            beq 4f
            THIMBLE_HEAD
            mov r4, r5
        4:
            THIMBLE_HEAD
            mov r3, r4
            mov r4, r5
        5:
            THIMBLE_COLUMN r3, r4, r5
            beq 6f
            THIMBLE_COLUMN r4, r5, r3
            beq 7f
            THIMBLE_COLUMN r5, r3, r4
            bne 5b
            b 8f
        6:
            mov r3, r4
            mov r4, r5
            b 8f
        7:
            mov r4, r3
            mov r3, r5
        8:
            ldr r5, [lr, #80]
            cbz r5, 10f
            ldrd r7, r8, [lr, #64]
            ldr r9, [lr, #72]
        9:
            add r3, r3, r7
            THIMBLE_CODE r3, r10, r11, r6, r0, r2
            add r0, r0, r12
            add r3, r4, r8
            mov r4, r9
            subs r5, r5, #1
            bne 9b
        10:
            ldrd r3, r4, [lr, #48]
            ldr r5, [lr, #44]
            ldr r6, [lr, #28]
            ldrd r7, r8, [lr, #32]
            add r6, r6, r3
            add r7, r7, r3
            add r8, r8, r4
            str r6, [lr, #28]
            strd r7, r8, [lr, #32]
            subs r5, r5, #1
            str r5, [lr, #44]
            bne 2b
            pop {{r4-r11, pc}}
            .purgem THIMBLE_HEAD
            .purgem THIMBLE_COLUMN
            .purgem THIMBLE_CODE
        ",
    )
}

/// With a stride of 2: 31 instructions for two columns, which are 9 products and a code.
///
/// r0 column, r1 length of a row, r2 code, r3 sum that ends, r4 sum that begins, r5 code of the input, r6 stride, r7-r12 weights
/// and at last multiplier and zero point, lr job.
///
/// # Safety
/// As [`rows_by_one`].
#[unsafe(naked)]
unsafe extern "C" fn rows_by_two(job: *mut Job) {
    naked_asm!(
        code!(),
        "
        .macro THIMBLE_BETWEEN
            ldrb r5, [r0]
            mla r3, r5, r7, r3
            ldrb r5, [r0, r1]
            mla r3, r5, r8, r3
            ldrb r5, [r0, r1, lsl #1]
            mla r3, r5, r9, r3
        .endm
            push {{r4-r11, lr}}
            add lr, r0, #24
            ldr r1, [lr, #40]
            ldr r6, [lr, #84]
        2:
            ldrd r0, r2, [lr, #32]
            ldr r5, [lr, #76]
            ldr r3, [lr, #56]
            cmp r5, #1
            beq 3f
            ldm lr, {{r4, r7-r12}}
            bhi 4f
            // A column that begins a sum and ends none.
            ldrb r5, [r0]
            mla r3, r5, r10, r4
            ldrb r5, [r0, r1]
            mla r3, r5, r12, r3
            ldr r7, [lr, #-16]
            ldrb r5, [r0, r1, lsl #1]
            mla r3, r5, r7, r3
            add r0, r0, r6
        3:
            ldm lr, {{r4, r7-r12}}
            THIMBLE_BETWEEN
            add r0, r0, r6
        4:
            ldrb r5, [r0]
            mla r4, r5, r10, r4
            mla r3, r5, r11, r3
            ldrb r5, [r0, r1]
            mla r4, r5, r12, r4
            ldmdb lr, {{r7-r11}}
            mla r3, r5, r7, r3
            ldrb r5, [r0, r1, lsl #1]
            mla r4, r5, r8, r4
            mla r3, r5, r9, r3
            THIMBLE_CODE r3, r10, r11, r5, r2, #0
            ldr r5, [lr, #28]
            add r2, r2, r6
            mov r3, r4
            add r0, r0, r6
            cmp r0, r5
            bne 3b
            ldr r5, [lr, #80]
            cbz r5, 6f
            ldr r5, [lr, #88]
            ldr r12, [lr, #64]
            add r3, r3, r12
            cbz r5, 5f
            ldm lr, {{r4, r7-r9}}
            THIMBLE_BETWEEN
        5:
            THIMBLE_CODE r3, r10, r11, r5, r2, #0
        6:
            ldrd r3, r4, [lr, #48]
            ldr r5, [lr, #44]
            ldrd r7, r8, [lr, #28]
            ldr r9, [lr, #36]
            add r7, r7, r3
            add r8, r8, r3
            add r9, r9, r4
            strd r7, r8, [lr, #28]
            str r9, [lr, #36]
            subs r5, r5, #1
            str r5, [lr, #44]
            bne 2b
            pop {{r4-r11, pc}}
            .purgem THIMBLE_BETWEEN
            .purgem THIMBLE_CODE
        ",
    )
}
