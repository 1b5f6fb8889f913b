//! Convolution of each channel by itself with a 3x3 kernel: a channel's weights are read once for all rows.
//!
//! A row of output takes one walk along three rows of input. A column of three codes is read once for all the outputs that it is
//! part of: with a stride of 1 it ends one sum, continues the next one and begins a third.

use super::Loops;
use crate::format::Window;
use crate::kernels::operands::{DepthwiseConv2dOperands, Rescale};
use crate::kernels::portable;

/// Weights of a kernel, row after row.
type Kernel = [i32; 9];

/// Three rows of a channel of the input, and how they become a row of the output.
struct Rows<'i> {
    /// From the channel's first code on, of one length.
    codes: [&'i [u8]; 3],
    /// The weights; zeros where a row is outside of the input.
    kernel: Kernel,
    /// The bias, with what the padding of rows outside adds.
    bias: i32,
    /// What a column of padding adds to the sum that begins, that continues and that ends with it.
    pads: [i32; 3],
    /// Columns of padding on the left and on the right, 0 to 2.
    padding: [u8; 2],
    /// From a pixel to the next one, in the input and in the output.
    channels: usize,
    multiplier: i32,
    rescale: Rescale,
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d<L: Loops>(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    if !has_walk(operands) {
        portable::depthwise_conv2d(input, operands, output);
        return;
    }
    let channels = usize::from(operands.input.channels);
    let (weights, table) = (operands.weights.as_chunks().0, operands.channels.iter());
    for (channel, (weights, (bias, multiplier))) in (0..channels).zip(weights.iter().zip(table)) {
        channel_codes::<L>(input, operands, (channel, weights, bias, multiplier), output);
    }
}

/// Whether [`walk`] and [`walk_by_two`] do for these operands.
fn has_walk(operands: &DepthwiseConv2dOperands<'_>) -> bool {
    let Window { size, stride: [_, along], padding } = operands.window;
    operands.multiplier == 1
        && size == [3; 2]
        && (along == 1 || along == 2)
        && padding.iter().all(|&pad| pad <= 2)
        && operands.input.channels == operands.output.channels
}

/// The codes of a channel in all rows.
#[inline(never)]
fn channel_codes<L: Loops>(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    (channel, weights, bias, multiplier): (usize, &[u8; 9], i32, i32),
    output: &mut [u8],
) {
    let Window { stride: [down, along], padding: [_, left, _, right], .. } = operands.window;
    let channels = usize::from(operands.input.channels);
    let (height, row_len) = (usize::from(operands.input.height), usize::from(operands.input.width) * channels);
    let kernel = weights.map(|weight| i32::from(weight.cast_signed()));
    let output_row_len = usize::from(operands.output.width) * channels;
    let mut first = 0usize.wrapping_sub(operands.pad_above.into());
    let mut unwritten = output;
    while let Some((row, rest)) = core::mem::take(&mut unwritten).split_at_mut_checked(output_row_len) {
        unwritten = rest;
        let Some(row) = row.get_mut(channel..) else { return };
        let mut rows = Rows {
            codes: [&[]; 3],
            kernel,
            bias,
            pads: [0; 3],
            padding: [left, right],
            channels,
            multiplier,
            rescale: operands.rescale,
        };
        let mut at = first;
        for (codes, weights) in rows.codes.iter_mut().zip(rows.kernel.as_chunks_mut::<3>().0) {
            // A row outside is any other one, times zero.
            let is_inside = at < height;
            let start = if is_inside { at * row_len } else { 0 };
            *codes = input.get(start + channel..start + row_len).unwrap_or_default();
            if !is_inside {
                let sum = weights.iter().sum::<i32>();
                rows.bias = rows.bias.wrapping_add(i32::from(operands.pad_code) * sum);
                *weights = [0; 3];
            }
            at = at.wrapping_add(1);
        }
        if operands.pad_code != 0 {
            for weights in rows.kernel.as_chunks::<3>().0 {
                rows.pads
                    .iter_mut()
                    .zip(weights)
                    .for_each(|(pad, weight)| *pad += i32::from(operands.pad_code) * weight);
            }
        }
        if along == 1 {
            walk::<L>(&rows, row)
        } else {
            walk_by_two::<L>(&rows, row)
        }
        first = first.wrapping_add(down.into());
    }
}

/// The products of a column of codes and a column of the kernel, added up.
#[inline(always)]
fn column(sum: i32, codes: [u8; 3], kernel: &Kernel, at: usize) -> i32 {
    let [a, b, c] = codes.map(i32::from);
    let [w0, w1, w2, w3, w4, w5, w6, w7, w8] = *kernel;
    let [a_weight, b_weight, c_weight] = match at {
        0 => [w0, w3, w6],
        1 => [w1, w4, w7],
        _ => [w2, w5, w8],
    };
    sum.wrapping_add(a * a_weight).wrapping_add(b * b_weight).wrapping_add(c * c_weight)
}

/// A row of output, with a stride of 1.
#[inline(never)]
fn walk<L: Loops>(rows: &Rows<'_>, output: &mut [u8]) {
    let &Rows { codes: [a, b, c], ref kernel, bias, pads: [begins, continues, ends], channels, .. } = rows;
    let (Some(b), Some(c)) = (b.get(..a.len()), c.get(..a.len())) else { return };
    let kernel = *kernel;
    let [left, right] = rows.padding;
    // Of two sums one lacks its last column and the other its last two.
    let next = bias.wrapping_add(begins);
    let mut sums = [next.wrapping_add(continues), next];
    // What the first columns end are no outputs: the index of those is far outside.
    let mut index = usize::from(left).wrapping_sub(2).wrapping_mul(channels);
    let mut put_out = |sum: i32| {
        if let Some(code) = output.get_mut(index) {
            *code = L::requantize(sum, rows.multiplier, rows.rescale);
        }
        index = index.wrapping_add(channels);
    };
    let mut at = 0;
    while let (Some(&a), Some(&b), Some(&c)) = (a.get(at), b.get(at), c.get(at)) {
        let codes = [a, b, c];
        put_out(column(sums[0], codes, &kernel, 2));
        sums = [column(sums[1], codes, &kernel, 1), column(bias, codes, &kernel, 0)];
        at += channels;
    }
    for _ in 0..right {
        put_out(sums[0].wrapping_add(ends));
        sums = [sums[1].wrapping_add(continues), next];
    }
}

/// A row of output, with a stride of 2: the columns that end a sum begin the next one.
#[inline(never)]
fn walk_by_two<L: Loops>(rows: &Rows<'_>, output: &mut [u8]) {
    let &Rows { codes: [a, b, c], ref kernel, bias, pads: [begins, continues, ends], channels, .. } = rows;
    let (Some(b), Some(c)) = (b.get(..a.len()), c.get(..a.len())) else { return };
    let kernel = *kernel;
    let [left, right] = rows.padding;
    let mut sum = bias.wrapping_add(begins);
    // What the first column ends is no output where there is no padding.
    let mut index = if left == 2 { 0 } else { 0usize.wrapping_sub(channels) };
    let mut put_out = |sum: i32| {
        if let Some(code) = output.get_mut(index) {
            *code = L::requantize(sum, rows.multiplier, rows.rescale);
        }
        index = index.wrapping_add(channels);
    };
    if left == 2 {
        sum = sum.wrapping_add(continues);
    }
    let mut is_between = left == 1;
    if is_between {
        put_out(0);
    }
    let mut at = 0;
    while let (Some(&a), Some(&b), Some(&c)) = (a.get(at), b.get(at), c.get(at)) {
        let codes = [a, b, c];
        if is_between {
            sum = column(sum, codes, &kernel, 1);
        } else {
            put_out(column(sum, codes, &kernel, 2));
            sum = column(bias, codes, &kernel, 0);
        }
        is_between = !is_between;
        at += channels;
    }
    for _ in 0..right {
        if is_between {
            sum = sum.wrapping_add(continues);
        } else {
            put_out(sum.wrapping_add(ends));
            sum = bias.wrapping_add(begins);
        }
        is_between = !is_between;
    }
}
