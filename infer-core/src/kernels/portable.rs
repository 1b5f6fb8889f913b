//! The kernels in plain Rust: what they compute, on every target.
//!
//! Accumulators wrap, so that a hostile file gives wrong numbers and nothing worse; the exporter proves that those of
//! an honest one never come near an overflow.

use crate::stage::{Conv2dStage, DenseStage, LogitsStage, MaxPool2dStage, Rescale};

/// Convolution, and the 2x2 maximum behind it where the stage has one.
///
/// `input` is `[height, width, channels]`, `output` likewise.
pub fn conv2d(input: &[u8], stage: &Conv2dStage<'_>, output: &mut [u8]) {
    let window = if stage.pool { 2 } else { 1 };
    let positions = output.chunks_exact_mut(usize::from(stage.output.channels).max(1));
    let filter_len = usize::from(stage.kernel) * usize::from(stage.kernel) * usize::from(stage.input.channels);
    let coordinates = (0..stage.output.height).flat_map(|y| (0..stage.output.width).map(move |x| (y, x)));
    for ((y, x), position) in coordinates.zip(positions) {
        let (y, x) = (usize::from(y) * window, usize::from(x) * window);
        let filters = stage.weights.chunks_exact(filter_len.max(1));
        for ((code, filter), (bias, multiplier)) in position.iter_mut().zip(filters).zip(stage.channels.iter()) {
            let mut maximum = filter_sum(input, stage, y, x, filter);
            if stage.pool {
                for (dy, dx) in [(0, 1), (1, 0), (1, 1)] {
                    maximum = maximum.max(filter_sum(input, stage, y + dy, x + dx, filter));
                }
            }
            *code = requantize(maximum.wrapping_add(bias), multiplier, stage.rescale);
        }
    }
}

/// The maximum of each 2x2 window, channel by channel.
pub fn max_pool2d(input: &[u8], stage: &MaxPool2dStage, output: &mut [u8]) {
    let channels = usize::from(stage.input.channels).max(1);
    let row_len = usize::from(stage.input.width) * channels;
    let output_rows = output.chunks_exact_mut((usize::from(stage.output.width) * channels).max(1));
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

/// Fully connected layer.
pub fn dense(input: &[u8], stage: &DenseStage<'_>, output: &mut [u8]) {
    let rows = stage.weights.chunks_exact((stage.inputs as usize).max(1));
    for ((code, row), (bias, multiplier)) in output.iter_mut().zip(rows).zip(stage.channels.iter()) {
        *code = requantize(dot(input, row).wrapping_add(bias), multiplier, stage.rescale);
    }
}

/// The last layer: accumulators as they are.
pub fn logits(input: &[u8], stage: &LogitsStage<'_>, output: &mut [i32]) {
    let rows = stage.weights.chunks_exact((stage.inputs as usize).max(1));
    let biases = stage.biases.as_chunks::<4>().0;
    for ((logit, row), &bias) in output.iter_mut().zip(rows).zip(biases) {
        *logit = dot(input, row).wrapping_add(i32::from_le_bytes(bias));
    }
}

/// `q = clamp(zero_point + (((acc << shift) as i64 * multiplier + 2^31) >> 32), 0, 255)`: one rounding, half up.
fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    let product = i64::from(shifted) * i64::from(multiplier);
    let rounded = ((product + (1 << 31)) >> 32) as i32;
    rounded.saturating_add(rescale.zero_point.into()).clamp(0, 255) as u8
}

/// Sum of `u8` codes times `i8` weights.
fn dot(codes: &[u8], weights: &[u8]) -> i32 {
    codes.iter().zip(weights).fold(0i32, |sum, (&code, &weight)| {
        sum.wrapping_add(i32::from(i16::from(code)) * i32::from(weight.cast_signed()))
    })
}

/// Sum over the filter placed at row `y` and column `x` of the output, not pooled yet.
///
/// A row of taps inside the input is one contiguous run of `kernel * channels` codes; what hangs over an edge meets
/// the padding code instead.
fn filter_sum(input: &[u8], stage: &Conv2dStage<'_>, y: usize, x: usize, filter: &[u8]) -> i32 {
    let channels = usize::from(stage.input.channels);
    let (height, width) = (usize::from(stage.input.height), usize::from(stage.input.width));
    let (kernel, pad) = (usize::from(stage.kernel), usize::from(stage.pad_before));
    // Taps that hang over on the left, and the first column that is hit.
    let overhang = pad.saturating_sub(x);
    let column = x.saturating_sub(pad);
    let hit = kernel.saturating_sub(overhang).min(width.saturating_sub(column));
    let mut sum = 0i32;
    for (tap_row, weights) in filter.chunks_exact((kernel * channels).max(1)).enumerate() {
        let padded = |weights: &[u8]| {
            let total = weights.iter().fold(0i32, |sum, &weight| sum.wrapping_add(weight.cast_signed().into()));
            total.wrapping_mul(stage.pad_code.into())
        };
        let row = (y + tap_row).checked_sub(pad).filter(|&row| row < height);
        let codes = row.and_then(|row| {
            let start = (row * width + column) * channels;
            input.get(start..start + hit * channels)
        });
        let Some(codes) = codes else {
            sum = sum.wrapping_add(padded(weights));
            continue;
        };
        let (left, rest) = weights.split_at((overhang * channels).min(weights.len()));
        let (inside, right) = rest.split_at((hit * channels).min(rest.len()));
        sum = sum.wrapping_add(dot(codes, inside));
        if stage.pad_code != 0 {
            sum = sum.wrapping_add(padded(left)).wrapping_add(padded(right));
        }
    }
    sum
}
