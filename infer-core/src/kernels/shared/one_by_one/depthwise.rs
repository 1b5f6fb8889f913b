//! Convolution of each channel by itself with a 3x3 kernel: a channel's weights are read once for all rows.
//!
//! A row of output takes one walk along three rows of input. A column of three codes is read once for all the outputs that it is
//! part of: with a stride of 1 it ends one sum, continues the next one and begins a third.

use crate::format::Window;
use crate::kernels::operands::{DepthwiseConv2dOperands, Rescale};
use crate::kernels::portable;
use crate::kernels::shared::sparse::Sparse;

/// Weights of a kernel, row after row, shifted as the accumulator is before it is multiplied.
type Kernel = [i32; 9];

/// How a channel's codes become those of a row of the output, given three rows of the input.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Channel {
    /// The weights; zeros where a row is outside of the input.
    pub kernel: Kernel,
    /// The bias, with what the padding of rows outside adds, shifted as the weights are.
    pub bias: i32,
    /// The channel's multiplier.
    pub multiplier: i32,
    /// The zero point of the output.
    pub zero_point: u32,
    /// What a column of padding adds to the sum that begins, that continues and that ends with it.
    pads: [i32; 3],
}

impl Channel {
    fn code<L: Sparse>(&self, sum: i32) -> u8 {
        // The shift is in the weights already.
        L::requantize(sum, self.multiplier, Rescale { zero_point: self.zero_point as u8, shift: 0 })
    }

    /// Sets the sums of columns of padding, of a code that is not zero.
    #[inline(never)]
    fn set_pads(&mut self, code: u8) {
        self.pads = [0; 3];
        for weights in self.kernel.as_chunks::<3>().0 {
            let products = weights.map(|weight| weight.wrapping_mul(code.into()));
            self.pads.iter_mut().zip(products).for_each(|(pad, product)| *pad = pad.wrapping_add(product));
        }
    }

    /// Takes out the weights of rows that are outside, of which padding of a code is.
    #[inline(never)]
    fn without(mut self, is_inside: [bool; 3], code: u8) -> Self {
        for (weights, is_inside) in self.kernel.as_chunks_mut::<3>().0.iter_mut().zip(is_inside) {
            if !is_inside {
                let sum = weights.iter().fold(0i32, |sum, &weight| sum.wrapping_add(weight));
                self.bias = self.bias.wrapping_add(sum.wrapping_mul(code.into()));
                *weights = [0; 3];
            }
        }
        if code != 0 {
            self.set_pads(code);
        }
        self
    }
}

/// What all channels have in common.
struct Walk {
    /// From a pixel to the next one, in the input and in the output.
    channels: usize,
    /// Columns of padding on the left and on the right, 0 to 2.
    padding: [u8; 2],
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d<L: Sparse>(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
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

/// Whether [`walk_by_one`] and [`walk_by_two`] do for these operands.
fn has_walk(operands: &DepthwiseConv2dOperands<'_>) -> bool {
    let Window { size, stride: [_, along], padding } = operands.window;
    operands.multiplier == 1
        && size == [3; 2]
        && (along == 1 || along == 2)
        && padding.iter().all(|&pad| pad <= 2)
        // The columns that end no sum are all inside.
        && operands.input.width >= 2
        && operands.input.channels == operands.output.channels
}

/// The codes of a channel in all rows.
#[inline(never)]
fn channel_codes<L: Sparse>(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    (index, weights, bias, multiplier): (usize, &[u8; 9], i32, i32),
    output: &mut [u8],
) {
    let Window { stride: [down, along], padding: [_, left, _, right], .. } = operands.window;
    let channels = usize::from(operands.input.channels);
    let walk = Walk { channels, padding: [left, right] };
    let (height, row_len) = (usize::from(operands.input.height), usize::from(operands.input.width) * channels);
    let shift = operands.rescale.shift.into();
    let mut channel = Channel {
        kernel: weights.map(|weight| i32::from(weight.cast_signed()).wrapping_shl(shift)),
        bias: bias.wrapping_shl(shift),
        multiplier,
        zero_point: operands.rescale.zero_point.into(),
        pads: [0; 3],
    };
    if operands.pad_code != 0 {
        channel.set_pads(operands.pad_code);
    }
    let output_row_len = usize::from(operands.output.width) * channels;
    let mut first = 0usize.wrapping_sub(operands.pad_above.into());
    let mut unwritten = output;
    while let Some((row, rest)) = core::mem::take(&mut unwritten).split_at_mut_checked(output_row_len) {
        unwritten = rest;
        let Some(row) = row.get_mut(index..) else { return };
        let rows = [first, first.wrapping_add(1), first.wrapping_add(2)];
        let is_inside = rows.map(|row| row < height);
        // A row outside is any other one, times zero.
        let codes = rows.map(|row| {
            let start = if row < height { row * row_len } else { 0 };
            input.get(start + index..start + row_len).unwrap_or_default()
        });
        let edge;
        let channel = if is_inside == [true; 3] {
            &channel
        } else {
            edge = channel.without(is_inside, operands.pad_code);
            &edge
        };
        if along == 1 {
            walk_by_one::<L>(channel, &walk, codes, row);
        } else {
            walk_by_two::<L>(channel, &walk, codes, row);
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
    let products = [a.wrapping_mul(a_weight), b.wrapping_mul(b_weight), c.wrapping_mul(c_weight)];
    products.iter().fold(sum, |sum, &product| sum.wrapping_add(product))
}

/// A row of output, with a stride of 1.
#[inline(never)]
fn walk_by_one<L: Sparse>(channel: &Channel, walk: &Walk, [a, b, c]: [&[u8]; 3], output: &mut [u8]) {
    let (Some(b), Some(c)) = (b.get(..a.len()), c.get(..a.len())) else { return };
    let &Walk { channels, padding: [left, right] } = walk;
    let [begins, continues, ends] = channel.pads;
    // Of two sums one lacks its last column and the other its last two.
    let next = channel.bias.wrapping_add(begins);
    let mut sums = [next.wrapping_add(continues), next];
    let mut at = 0;
    // The first columns end no sum.
    for _ in left..2 {
        let (Some(&a), Some(&b), Some(&c)) = (a.get(at), b.get(at), c.get(at)) else { break };
        let codes = [a, b, c];
        sums = [column(sums[1], codes, &channel.kernel, 1), column(channel.bias, codes, &channel.kernel, 0)];
        at += channels;
    }
    let rest = [a, b, c].map(|codes| codes.get(at..).unwrap_or_default());
    let mut index = columns::<L>(channel, channels, rest, output, &mut sums);
    for _ in 0..right {
        if let Some(code) = output.get_mut(index) {
            *code = channel.code::<L>(sums[0].wrapping_add(ends));
        }
        sums = [sums[1].wrapping_add(continues), next];
        index += channels;
    }
}

/// Columns of codes with a stride of 1, each of which ends a sum: the code goes to the output, every `channels` bytes. Returns
/// where in the output it ended. `sums` are those that lack one column and two.
#[inline(always)]
pub fn columns<L: Sparse>(
    channel: &Channel,
    channels: usize,
    [a, b, c]: [&[u8]; 3],
    output: &mut [u8],
    sums: &mut [i32; 2],
) -> usize {
    let (Some(b), Some(c)) = (b.get(..a.len()), c.get(..a.len())) else { return 0 };
    let Channel { kernel, bias, .. } = *channel;
    let [mut ending, mut continued] = *sums;
    let mut at = 0;
    while let (Some(&a), Some(&b), Some(&c), Some(code)) = (a.get(at), b.get(at), c.get(at), output.get_mut(at)) {
        let codes = [a, b, c];
        *code = channel.code::<L>(column(ending, codes, &kernel, 2));
        ending = column(continued, codes, &kernel, 1);
        continued = column(bias, codes, &kernel, 0);
        at += channels;
    }
    *sums = [ending, continued];
    at
}

/// A row of output, with a stride of 2: the columns that end a sum begin the next one.
#[inline(never)]
fn walk_by_two<L: Sparse>(channel: &Channel, walk: &Walk, [a, b, c]: [&[u8]; 3], output: &mut [u8]) {
    let (Some(b), Some(c)) = (b.get(..a.len()), c.get(..a.len())) else { return };
    let &Walk { channels, padding: [left, right] } = walk;
    let Channel { kernel, bias, pads: [begins, continues, ends], .. } = *channel;
    let mut sum = bias.wrapping_add(begins);
    // What the first column ends is no output where there is no padding.
    let mut index = if left == 0 { 0usize.wrapping_sub(channels) } else { 0 };
    let mut put_out = |sum: i32| {
        if let Some(code) = output.get_mut(index) {
            *code = channel.code::<L>(sum);
        }
        index = index.wrapping_add(channels);
    };
    if left == 2 {
        sum = sum.wrapping_add(continues);
    }
    let mut is_between = left == 1;
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
