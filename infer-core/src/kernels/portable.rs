//! The kernels in plain Rust: what they compute, on every target.
//!
//! Accumulators wrap, so that a hostile file gives wrong numbers and nothing worse; the exporter proves that those of
//! an honest one never come near an overflow.

mod rounding;
mod vector;

use core::ops::Range;

use super::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands,
    MaxPool2dOperands, Rescale, TILES,
};
use super::shared::winograd::{self, Lanes, Multiply, Sums};
use super::shared::{parts, patch};
use crate::format::Window;
use crate::packing::ROWS_PER_BLOCK;

pub use rounding::{requantize, requantize_twice, round_once, round_twice};
pub(super) use vector::each_depthwise_sum as each_depthwise_sum_of_vectors;
pub use vector::{conv2d_vector, dense_vector, depthwise_conv2d_vector, logits_vector};

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Convolution, and the 2x2 maximum after it if the operands have one.
///
/// `input` is `[height, width, channels]`, `output` likewise.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let taps = operands.taps();
    let window = if operands.pool { 2 } else { 1 };
    let Some(patches) = bytemuck::cast_slice_mut(scratch).get_mut(..taps * window * window) else { return };
    let width = usize::from(operands.output.width).max(1);
    let positions = output.chunks_exact_mut(usize::from(operands.output.channels).max(1));
    for (position, codes) in positions.enumerate() {
        let (y, x) = (position / width * window, position % width * window);
        for (index, patch) in patches.chunks_exact_mut(taps.max(1)).enumerate() {
            patch::gather(input, operands, y + index / 2, x + index % 2, patch);
        }
        maxima(patches, taps, operands, codes);
    }
}

/// All channels of one position: the maximum over the patches, requantized.
fn maxima(patches: &[u8], taps: usize, operands: &Conv2dOperands<'_>, codes: &mut [u8]) {
    let mut channels = operands.channels.iter();
    for (block, codes) in blocks(operands.weights, taps).zip(codes.chunks_mut(ROWS_PER_BLOCK)) {
        let mut maxima = [i32::MIN; ROWS_PER_BLOCK];
        for patch in patches.chunks_exact(taps.max(1)) {
            let sums = block_sums(patch, block, codes.len());
            maxima.iter_mut().zip(&sums).for_each(|(maximum, &sum)| *maximum = sum.max(*maximum));
        }
        for ((code, &maximum), (bias, multiplier)) in codes.iter_mut().zip(&maxima).zip(&mut channels) {
            *code = requantize(maximum.wrapping_add(bias), multiplier, operands.rescale);
        }
    }
}

/// The same with weights in the layout [`Winograd`](crate::format::Layout::Winograd).
#[inline(never)]
pub fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    winograd::conv2d::<Portable>(input, operands, scratch, output);
}

impl Multiply for Portable {
    #[inline(never)]
    fn sums(lanes: &[Lanes], weights: &[u8], product: usize) -> Sums {
        let mut sums = Sums::default();
        for (lanes, weights) in lanes.iter().zip(weights.as_chunks::<16>().0) {
            let Some(tiles) = lanes.get(product) else { continue };
            let tiles = tiles.map(halves);
            for (sums, &word) in sums.chunks_mut(TILES).zip(weights.as_chunks::<4>().0) {
                let [a, b] = halves(u32::from_le_bytes(word));
                for (sum, [first, second]) in sums.iter_mut().zip(tiles) {
                    *sum = sum.wrapping_add(a.wrapping_mul(first)).wrapping_add(b.wrapping_mul(second));
                }
            }
        }
        sums
    }

    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        requantize(accumulator, multiplier, rescale)
    }
}

/// The two lanes of a word.
fn halves(word: u32) -> [i32; 2] {
    [i32::from(word as i16), word.cast_signed() >> 16]
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let &DepthwiseConv2dOperands { input: shape, output: codes_shape, window, .. } = operands;
    let Window { size: [kernel_rows, kernel_columns], stride: [down, along], .. } = window;
    let taps = (usize::from(kernel_rows) * usize::from(kernel_columns)).max(1);
    let (width, channels) = (usize::from(shape.width), usize::from(shape.channels));
    let (pixel_len, multiplier) = (usize::from(codes_shape.channels).max(1), usize::from(operands.multiplier).max(1));
    let output_rows = output.chunks_exact_mut((usize::from(codes_shape.width) * pixel_len).max(1));
    for (y, codes) in output_rows.enumerate() {
        let rows = covered(y, down, operands.pad_above, kernel_rows.into(), shape.height);
        for (x, codes) in codes.chunks_exact_mut(pixel_len).enumerate() {
            let columns = covered(x, along, window.left(), kernel_columns.into(), shape.width);
            let start = (rows.start * width + columns.start) * channels;
            let is_inside = rows.len() == kernel_rows.into() && columns.len() == kernel_columns.into();
            let pixels = input.get(start..).filter(|_| is_inside);
            let (mut weights, mut table) = (parts(operands.weights, taps), operands.channels.iter());
            for (channel, codes) in codes.chunks_mut(multiplier).enumerate() {
                for ((code, (bias, multiplier)), weights) in codes.iter_mut().zip(&mut table).zip(&mut weights) {
                    let sum = match pixels {
                        Some(pixels) => products(pixels, operands, channel, weights),
                        None => products_at_an_edge(input, operands, [y, x], channel, weights),
                    };
                    *code = requantize(sum.wrapping_add(bias), multiplier, operands.rescale);
                }
            }
        }
    }
}

/// The sum of products of a channel's kernel and the codes under it, which are `pixels` from the first one on.
fn products(pixels: &[u8], operands: &DepthwiseConv2dOperands<'_>, channel: usize, weights: &[u8]) -> i32 {
    let channels = usize::from(operands.input.channels).max(1);
    let row_len = usize::from(operands.input.width) * channels;
    let [_, columns] = operands.window.size;
    let mut codes = pixels.get(channel..).unwrap_or_default();
    let mut sum = 0i32;
    // Not by chunks, whose number some cores divide for in a call.
    for weights in parts(weights, columns.into()) {
        for (&code, weight) in codes.iter().step_by(channels).zip(weights) {
            sum = sum.wrapping_add(i32::from(code) * i32::from(weight.cast_signed()));
        }
        codes = codes.get(row_len..).unwrap_or_default();
    }
    sum
}

/// The same at row `y` and column `x` of the output, where the kernel hangs over an edge and meets the padding code.
#[inline(never)]
fn products_at_an_edge(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    [y, x]: [usize; 2],
    channel: usize,
    weights: &[u8],
) -> i32 {
    let Window { size: [_, columns], stride: [down, along], .. } = operands.window;
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let mut sum = 0i32;
    let mut row = (y * usize::from(down)).wrapping_sub(operands.pad_above.into());
    for weights in parts(weights, columns.into()) {
        let mut column = (x * usize::from(along)).wrapping_sub(operands.window.left().into());
        for weight in weights {
            let code = if row < height && column < width {
                input.get((row * width + column) * usize::from(operands.input.channels) + channel)
            } else {
                None
            };
            let code = *code.unwrap_or(&operands.pad_code);
            sum = sum.wrapping_add(i32::from(code) * i32::from(weight.cast_signed()));
            column = column.wrapping_add(1);
        }
        row = row.wrapping_add(1);
    }
    sum
}

/// The rows of an input that the window of a row of output covers, or the columns of one of a column.
fn covered(position: usize, stride: u8, padding: u8, size: usize, side: u16) -> Range<usize> {
    let start = position * usize::from(stride);
    start.saturating_sub(padding.into())..(start + size).saturating_sub(padding.into()).min(side.into())
}

/// The maximum of what each window has of the input, channel by channel.
pub fn max_pool2d(input: &[u8], operands: &MaxPool2dOperands, output: &mut [u8]) {
    let &MaxPool2dOperands { input: shape, output: maxima, size, window, pad_above } = operands;
    let halves = |side: u16, positions: u16| u32::from(positions) * 2 <= u32::from(side);
    if size == [2; 2]
        && window.stride == [2; 2]
        && pad_above | window.left() == 0
        && halves(shape.height, maxima.height)
        && halves(shape.width, maxima.width)
    {
        max_pool2x2(input, operands, output);
        return;
    }
    let ([down, along], [window_rows, window_columns]) = (window.stride, size.map(usize::from));
    let (width, channels) = (usize::from(shape.width), usize::from(shape.channels).max(1));
    let output_rows = output.chunks_exact_mut((usize::from(maxima.width) * channels).max(1));
    for (y, maxima) in output_rows.enumerate() {
        let rows = covered(y, down, pad_above, window_rows, shape.height);
        for (x, maxima) in maxima.chunks_exact_mut(channels).enumerate() {
            let columns = covered(x, along, window.left(), window_columns, shape.width);
            // No code is less.
            maxima.fill(0);
            for row in rows.clone() {
                let at = |column: usize| (row * width + column) * channels;
                let pixels = input.get(at(columns.start)..at(columns.end)).unwrap_or_default();
                for pixel in parts(pixels, channels) {
                    maxima.iter_mut().zip(pixel).for_each(|(maximum, code)| *maximum = *code.max(maximum));
                }
            }
        }
    }
}

/// Of windows of 2x2 with a stride of 2 and no padding.
#[inline(never)]
fn max_pool2x2(input: &[u8], operands: &MaxPool2dOperands, output: &mut [u8]) {
    let channels = usize::from(operands.input.channels).max(1);
    let row_len = usize::from(operands.input.width) * channels;
    let output_rows = output.chunks_exact_mut((usize::from(operands.output.width) * channels).max(1));
    for (output_row, rows) in output_rows.zip(input.chunks_exact((2 * row_len).max(1))) {
        let (upper, lower) = rows.split_at(row_len.min(rows.len()));
        let windows = upper.chunks_exact(2 * channels).zip(lower.chunks_exact(2 * channels));
        for (position, (upper, lower)) in output_row.chunks_exact_mut(channels).zip(windows) {
            let (a, b) = upper.split_at(channels.min(upper.len()));
            let (c, d) = lower.split_at(channels.min(lower.len()));
            for ((((code, a), b), c), d) in position.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *code = *a.max(b).max(c).max(d);
            }
        }
    }
}

/// The mean of what each window has of the input, channel by channel: its sum without the zero points, requantized.
#[inline(never)]
pub fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
    let (width, channels) = (usize::from(operands.input.width), usize::from(operands.input.channels).max(1));
    each_mean(operands, output, |Mean { rows, columns, bias, multiplier }, means| {
        for (channel, code) in means.iter_mut().enumerate() {
            let mut sum = bias;
            for row in rows.clone() {
                let at = |column: usize| (row * width + column) * channels;
                let pixels = input.get(at(columns.start) + channel..at(columns.end)).unwrap_or_default();
                sum = pixels.iter().step_by(channels).fold(sum, |sum, &code| sum.wrapping_add(code.into()));
            }
            *code = requantize(sum, multiplier, operands.rescale);
        }
    });
}

/// What a window of an average pool has of the input, and what its sums become.
pub(super) struct Mean {
    /// Rows of the input.
    pub rows: Range<usize>,
    /// Columns of it.
    pub columns: Range<usize>,
    /// What the sum of a channel's codes begins with: the zero points, taken off.
    pub bias: i32,
    /// What it is multiplied by.
    pub multiplier: i32,
}

/// Calls `compute` for each window, with the means of its channels.
#[inline(always)]
pub(super) fn each_mean(operands: &AveragePool2dOperands, output: &mut [u8], mut compute: impl FnMut(Mean, &mut [u8])) {
    let &AveragePool2dOperands { input: shape, output: means, size, window, .. } = operands;
    let ([down, along], [window_rows, window_columns]) = (window.stride, size.map(usize::from));
    let channels = usize::from(shape.channels).max(1);
    let output_rows = output.chunks_exact_mut((usize::from(means.width) * channels).max(1));
    // Computed where the number of values changes, which it does at edges with padding alone.
    let (mut values, mut bias, mut multiplier) = (0, 0i32, 0);
    for (y, means) in output_rows.enumerate() {
        let rows = covered(y, down, operands.pad_above, window_rows, shape.height);
        for (x, means) in means.chunks_exact_mut(channels).enumerate() {
            let columns = covered(x, along, window.left(), window_columns, shape.width);
            let inside = rows.len() * columns.len();
            if inside != values {
                // The product may wrap, and so may a sum: their difference is right modulo 2^32.
                bias = (inside as i32).wrapping_mul(operands.input_zero_point.into()).wrapping_neg();
                multiplier = share(operands.multiplier, inside as u32);
                values = inside;
            }
            compute(Mean { rows: rows.clone(), columns, bias, multiplier }, means);
        }
    }
}

/// What the sum of so many values is multiplied by, given the multiplier of one.
fn share(multiplier: i32, values: u32) -> i32 {
    let values = values.max(1);
    (multiplier.cast_unsigned().wrapping_add(values / 2) / values).cast_signed()
}

/// `q = clamp(zp + (((q1 - zp1) * m1 + (q2 - zp2) * m2 + 2^(k - 1)) >> k), 0, 255)`, `q1` being what `sums` holds.
#[inline(never)]
pub fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
    let &AddOperands { multipliers: [m1, m2], zero_point, shift, .. } = operands;
    let product = |code: u8, multiplier: i32| i32::from(code).wrapping_mul(multiplier);
    for (sum, &other) in sums.iter_mut().zip(other) {
        let total = product(*sum, m1).wrapping_add(product(other, m2)).wrapping_add(operands.start());
        *sum = total.wrapping_shr(shift.into()).wrapping_add(zero_point.into()).clamp(0, 255) as u8;
    }
}

/// Fully connected layer.
#[inline(never)]
pub fn dense(input: &[u8], operands: &DenseOperands<'_>, _scratch: &mut [u32], output: &mut [u8]) {
    let mut channels = operands.channels.iter();
    for (block, codes) in blocks(operands.weights, input.len()).zip(output.chunks_mut(ROWS_PER_BLOCK)) {
        let sums = block_sums(input, block, codes.len());
        for ((code, &sum), (bias, multiplier)) in codes.iter_mut().zip(&sums).zip(&mut channels) {
            *code = requantize(sum.wrapping_add(bias), multiplier, operands.rescale);
        }
    }
}

/// The last layer: accumulators as they are.
#[inline(never)]
pub fn logits(input: &[u8], operands: &LogitsOperands<'_>, _scratch: &mut [u32], output: &mut [i32]) {
    let mut biases = operands.biases.as_chunks::<4>().0.iter();
    for (block, logits) in blocks(operands.weights, input.len()).zip(output.chunks_mut(ROWS_PER_BLOCK)) {
        let sums = block_sums(input, block, logits.len());
        for ((logit, &sum), &bias) in logits.iter_mut().zip(&sums).zip(&mut biases) {
            *logit = sum.wrapping_add(i32::from_le_bytes(bias));
        }
    }
}

/// The packed weights of each block of rows.
fn blocks(weights: &[u8], inputs: usize) -> core::slice::Chunks<'_, u8> {
    weights.chunks((ROWS_PER_BLOCK * inputs.next_multiple_of(2)).max(1))
}

/// For each row of a block the sum of `u8` codes times `i8` weights.
fn block_sums(codes: &[u8], block: &[u8], rows: usize) -> [i32; ROWS_PER_BLOCK] {
    let mut sums = [0; ROWS_PER_BLOCK];
    match rows {
        0 => {}
        1 | 2 => accumulate::<4>(codes, block, &mut sums),
        3 | 4 => accumulate::<8>(codes, block, &mut sums),
        5 | 6 => accumulate::<12>(codes, block, &mut sums),
        _ => accumulate::<16>(codes, block, &mut sums),
    }
    let total = codes.iter().fold(0i32, |total, &code| total.wrapping_add(code.into()));
    for even in sums.iter_mut().step_by(2) {
        *even = even.wrapping_sub(total.wrapping_mul(128));
    }
    sums
}

/// Adds the products, those of even rows with the 128 still in their weights. `BYTES` is that of a pair of inputs.
fn accumulate<const BYTES: usize>(codes: &[u8], block: &[u8], sums: &mut [i32; ROWS_PER_BLOCK]) {
    for (codes, words) in codes.chunks(2).zip(block.as_chunks::<BYTES>().0) {
        let (a, b) = (codes.first().map_or(0, |&a| i32::from(a)), codes.get(1).map_or(0, |&b| i32::from(b)));
        if a | b == 0 {
            continue;
        }
        let sums = sums.as_chunks_mut::<2>().0;
        for ([even, odd], &[even_a, odd_a, even_b, odd_b]) in sums.iter_mut().zip(words.as_chunks::<4>().0) {
            let [odd_a, odd_b] = [odd_a, odd_b].map(|weight| i32::from(weight.cast_signed()));
            *even = even.wrapping_add(a * i32::from(even_a) + b * i32::from(even_b));
            *odd = odd.wrapping_add(a * odd_a + b * odd_b);
        }
    }
}
