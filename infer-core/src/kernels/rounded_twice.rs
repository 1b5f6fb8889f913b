//! Layers that compute what TFLite's reference kernels do, bit for bit and on every core: they round twice, fully connected ones once.
//!
//! A convolution gathers the codes under its filter, and the core's own kernel of fully connected layers multiplies them by the weights, which
//! lie as those of such a layer do: `i32` sums of all channels, and what takes them to codes is all that is computed here. A depthwise
//! convolution and a sum are portable. A model whose records round once links nothing of this.

use super::operands::{
    AddRescaledOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Scaling,
};
use super::portable::{self, requantize_twice, round_once, round_twice};
use super::shared::patch;
use crate::format::Window;

/// A core's kernel of fully connected layers: sums with their biases, as they are.
pub type Sums = fn(&[u8], &LogitsOperands<'_>, &mut [u32], &mut [i32]);

/// Convolution, and the 2x2 maximum after it if the operands have one. `input` and `output` are `[height, width, channels]`.
///
/// `sums` is the kernel for the layout of the weights, which is not the transformed one.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, sums: Sums, scratch: &mut [u32], output: &mut [u8]) {
    let (taps, channels) = (operands.taps(), usize::from(operands.output.channels));
    let by = if operands.pool { 2 } else { 1 };
    let (biases, scalings) = operands.channels.of_two_roundings();
    let layer = LogitsOperands {
        classes: operands.output.channels,
        scale: 1.0,
        biases,
        layout: operands.layout,
        weights: operands.weights,
    };
    let Some((patch, scratch)) = scratch.split_at_mut_checked(taps.div_ceil(size_of::<u32>())) else { return };
    let Some((maxima, scratch)) = scratch.split_at_mut_checked(channels) else { return };
    let Some((others, scratch)) = scratch.split_at_mut_checked(channels * (by - 1)) else { return };
    let Some(patch) = bytemuck::cast_slice_mut(patch).get_mut(..taps) else { return };
    let (maxima, others) = (bytemuck::cast_slice_mut(maxima), bytemuck::cast_slice_mut(others));
    let (mut y, mut x) = (0, 0);
    for codes in output.chunks_exact_mut(channels.max(1)) {
        patch::gather(input, operands, y, x, patch);
        sums(patch, &layer, scratch, maxima);
        if operands.pool {
            for [down, along] in [[0, 1], [1, 0], [1, 1]] {
                patch::gather(input, operands, y + down, x + along, patch);
                sums(patch, &layer, scratch, others);
                maxima.iter_mut().zip(&*others).for_each(|(maximum, &sum): (&mut i32, _)| *maximum = sum.max(*maximum));
            }
        }
        for ((code, &sum), scaling) in codes.iter_mut().zip(&*maxima).zip(scalings.clone()) {
            *code = requantize_twice(sum, scaling, operands.rescale.zero_point);
        }
        x += by;
        if x >= usize::from(operands.output.width) * by {
            (y, x) = (y + by, 0);
        }
    }
}

/// Fully connected layer, which those kernels round once; `sums` is the kernel for the layout of the weights.
#[inline(never)]
pub fn dense(input: &[u8], operands: &DenseOperands<'_>, sums: Sums, scratch: &mut [u32], output: &mut [u8]) {
    let (biases, scalings) = operands.channels.of_two_roundings();
    let &DenseOperands { outputs: classes, layout, weights, .. } = operands;
    let Some((totals, scratch)) = scratch.split_at_mut_checked(classes.into()) else { return };
    let totals = bytemuck::cast_slice_mut(totals);
    sums(input, &LogitsOperands { classes, scale: 1.0, biases, layout, weights }, scratch, totals);
    for ((code, &sum), scaling) in output.iter_mut().zip(&*totals).zip(scalings) {
        *code = round_once(sum, scaling).saturating_add(operands.rescale.zero_point.into()).clamp(0, 255) as u8;
    }
}

/// Channels whose sums a depthwise convolution keeps at a time.
const CHANNELS: usize = 16;

/// Convolution of each channel by itself. `input` and `output` are `[height, width, channels]`.
///
/// Tap by tap over neighboring channels: what is under a tap, or the padding, is decided once for all of them.
#[inline(never)]
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let multiplier = usize::from(operands.multiplier).max(1);
    let (mut y, mut x) = (0, 0);
    for codes in output.chunks_exact_mut(usize::from(operands.output.channels).max(1)) {
        for of_each in 0..multiplier {
            let mut records = records(operands).skip(of_each).step_by(multiplier);
            let mut codes = codes.iter_mut().skip(of_each).step_by(multiplier);
            for first in (0..usize::from(operands.input.channels)).step_by(CHANNELS) {
                let mut sums = [0; CHANNELS];
                add_products(input, operands, [y, x], [first, of_each], &mut sums);
                // The sums end first, or no channel is left.
                for (&sum, (code, record)) in sums.iter().zip(codes.by_ref().zip(records.by_ref())) {
                    *code = finish(operands)(sum, record);
                }
            }
        }
        x += 1;
        if x >= usize::from(operands.output.width) {
            (y, x) = (y + 1, 0);
        }
    }
}

/// The sums of products at row `y` and column `x` of the output, of input channels from `first` on, each with its output channel of that
/// number.
fn add_products(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    [y, x]: [usize; 2],
    [first, of_each]: [usize; 2],
    sums: &mut [i32; CHANNELS],
) {
    let Window { size: [rows, columns], stride: [down, along], .. } = operands.window;
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let (channels, multiplier) = (usize::from(operands.input.channels), usize::from(operands.multiplier));
    let taps = usize::from(rows) * usize::from(columns);
    let padding = [operands.pad_code; CHANNELS];
    let padding = padding.get(..CHANNELS.min(channels.saturating_sub(first))).unwrap_or_default();
    let mut tap = (first * multiplier + of_each) * taps;
    for row in 0..usize::from(rows) {
        let row = (y * usize::from(down) + row).wrapping_sub(operands.pad_above.into());
        for column in 0..usize::from(columns) {
            let column = (x * usize::from(along) + column).wrapping_sub(operands.window.left().into());
            let codes = if row < height && column < width {
                let at = (row * width + column) * channels + first;
                input.get(at..at + padding.len()).unwrap_or_default()
            } else {
                padding
            };
            let mut at = tap;
            for (sum, &code) in sums.iter_mut().zip(codes) {
                let Some(weight) = operands.weights.get(at) else { break };
                *sum = sum.wrapping_add(i32::from(code) * i32::from(weight.cast_signed()));
                at += taps * multiplier;
            }
            tap += 1;
        }
    }
}

/// The same with weights in the layout [`Vector`](crate::format::Layout::Vector).
#[inline(never)]
pub fn depthwise_conv2d_vector(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    portable::each_depthwise_sum_of_vectors(input, operands, output, || records(operands), finish(operands));
}

/// Bias and scaling of each channel.
fn records<'m>(operands: &DepthwiseConv2dOperands<'m>) -> impl Iterator<Item = (i32, Scaling)> + use<'m> {
    let (biases, scalings) = operands.channels.of_two_roundings();
    biases.as_chunks::<4>().0.iter().map(|&bias| i32::from_le_bytes(bias)).zip(scalings)
}

fn finish(operands: &DepthwiseConv2dOperands<'_>) -> impl Fn(i32, (i32, Scaling)) -> u8 + use<> {
    let zero_point = operands.rescale.zero_point;
    move |sum, (bias, scaling)| requantize_twice(sum.wrapping_add(bias), scaling, zero_point)
}

/// Adds `other`, the second input, to the first one, which is in `sums`.
#[inline(never)]
pub fn add(other: &[u8], operands: &AddRescaledOperands, sums: &mut [u8]) {
    let &AddRescaledOperands { zero_points: [zp1, zp2], inputs: [first, second], sum: scaling, zero_point, .. } =
        operands;
    let scaled =
        |code: u8, zero_point: u8, scaling| round_twice((i32::from(code) - i32::from(zero_point)) << 20, scaling);
    for (sum, &other) in sums.iter_mut().zip(other) {
        let total = scaled(*sum, zp1, first).wrapping_add(scaled(other, zp2, second));
        *sum = requantize_twice(total, scaling, zero_point);
    }
}
