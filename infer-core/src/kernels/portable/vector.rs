//! Weights in the layout [`Vector`](crate::format::Layout::Vector), for cores that have no kernels of their own for it.

use super::rounding::requantize;
use crate::format::Window;
use crate::kernels::operands::{Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands};
use crate::kernels::shared::patch;
use crate::packing::vector::{CHANNELS_PER_VECTOR, CODES_PER_VECTOR, depthwise_position, position};

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
pub fn conv2d_vector(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let taps = operands.taps().max(1);
    let window = if operands.pool { 2 } else { 1 };
    let Some(patches) = bytemuck::cast_slice_mut(scratch).get_mut(..taps * window * window) else { return };
    let width = usize::from(operands.output.width).max(1);
    let positions = output.chunks_exact_mut(usize::from(operands.output.channels).max(1));
    for (at, codes) in positions.enumerate() {
        let (y, x) = (at / width * window, at % width * window);
        for (index, patch) in patches.chunks_exact_mut(taps).enumerate() {
            patch::gather(input, operands, y + index / 2, x + index % 2, patch);
        }
        for ((row, code), (bias, multiplier)) in codes.iter_mut().enumerate().zip(operands.channels.iter()) {
            let sums = patches.chunks_exact(taps).map(|patch| row_sum(patch, operands.weights, row));
            let maximum = sums.max().unwrap_or_default();
            *code = requantize(maximum.wrapping_add(bias), multiplier, operands.rescale);
        }
    }
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d_vector(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let finish = |sum: i32, (bias, multiplier)| requantize(sum.wrapping_add(bias), multiplier, operands.rescale);
    each_depthwise_sum(input, operands, output, || operands.channels.iter(), finish);
}

/// As that of the compact layout.
#[inline(always)]
pub(in crate::kernels) fn each_depthwise_sum<T: Iterator>(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    output: &mut [u8],
    table: impl Fn() -> T,
    finish: impl Fn(i32, T::Item) -> u8,
) {
    let channels = usize::from(operands.output.channels).max(1);
    let width = usize::from(operands.output.width).max(1);
    for (at, codes) in output.chunks_exact_mut(channels).enumerate() {
        for ((channel, code), record) in codes.iter_mut().enumerate().zip(table()) {
            *code = finish(products(input, operands, [at / width, at % width], channel), record);
        }
    }
}

/// The sum of products of the kernel of an output channel at row `y` and column `x` of the output.
fn products(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, [y, x]: [usize; 2], channel: usize) -> i32 {
    let Window { size: [rows, columns], stride: [down, along], .. } = operands.window;
    let taps = usize::from(rows) * usize::from(columns);
    let weights = operands.weights.get(depthwise_position(channel, taps)..).unwrap_or_default();
    let mut weights = weights.iter().step_by(CHANNELS_PER_VECTOR);
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let of_input = channel / usize::from(operands.multiplier).max(1);
    let mut sum = 0i32;
    for row in 0..usize::from(rows) {
        let row = (y * usize::from(down) + row).wrapping_sub(operands.pad_above.into());
        for (column, weight) in (0..usize::from(columns)).zip(&mut weights) {
            let column = (x * usize::from(along) + column).wrapping_sub(operands.window.left().into());
            let code = if row < height && column < width {
                input.get((row * width + column) * usize::from(operands.input.channels) + of_input)
            } else {
                None
            };
            let code = *code.unwrap_or(&operands.pad_code);
            sum = sum.wrapping_add(i32::from(code) * i32::from(weight.cast_signed()));
        }
    }
    sum
}

/// Fully connected layer.
#[inline(never)]
pub fn dense_vector(input: &[u8], operands: &DenseOperands<'_>, _scratch: &mut [u32], output: &mut [u8]) {
    for ((row, code), (bias, multiplier)) in output.iter_mut().enumerate().zip(operands.channels.iter()) {
        let sum = row_sum(input, operands.weights, row);
        *code = requantize(sum.wrapping_add(bias), multiplier, operands.rescale);
    }
}

/// The last layer: accumulators as they are.
#[inline(never)]
pub fn logits_vector(input: &[u8], operands: &LogitsOperands<'_>, _scratch: &mut [u32], output: &mut [i32]) {
    for ((row, logit), &bias) in output.iter_mut().enumerate().zip(operands.biases.as_chunks::<4>().0) {
        *logit = row_sum(input, operands.weights, row).wrapping_add(i32::from_le_bytes(bias));
    }
}

/// The sum of products of codes and the weights of a row.
#[inline(never)]
fn row_sum(codes: &[u8], weights: &[u8], row: usize) -> i32 {
    let vectors = codes.len().div_ceil(CODES_PER_VECTOR);
    let mut sum = 0i32;
    for (vector, codes) in codes.chunks(CODES_PER_VECTOR).enumerate() {
        let weights = weights.get(position(row, vector, vectors)..).unwrap_or_default();
        for (&code, &weight) in codes.iter().zip(weights) {
            sum = sum.wrapping_add(i32::from(code) * (i32::from(weight) - 128));
        }
    }
    sum
}
