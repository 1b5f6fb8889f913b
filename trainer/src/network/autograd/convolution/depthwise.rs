//! The products of a depthwise convolution: each channel for itself, so the lanes of a vector are channels.
//!
//! Maps have a multiple of 8 channels here, filled up with zeros; with a multiplier each channel is there so many times.

use super::correlation::{Correlation, Walk};
use crate::network::autograd::clamp;
use crate::support::vector::{multiply_add, vectorized};

/// Lanes of a vector.
pub const LANES: usize = 8;

/// Positions whose sums stay in registers.
const PIXELS: usize = 8;

/// Taps whose sums stay in registers.
const TAPS: usize = 9;

/// A correlation with its weights.
pub struct Packed {
    walk: Walk,
    offsets: Vec<usize>,
    /// For each block of 8 channels: `[taps, lanes]`.
    weight: Vec<[f32; LANES]>,
}

impl Packed {
    /// `weight` is `[channels, taps of the window]`.
    pub fn new(correlation: &Correlation, channels: usize, window_taps: usize, weight: &[f32]) -> Self {
        let mut packed = Vec::with_capacity(channels.div_ceil(LANES) * correlation.taps.len());
        for block in weight.chunks(LANES * window_taps) {
            for tap in &correlation.taps {
                let mut lanes = [0f32; LANES];
                for (lane, taps) in lanes.iter_mut().zip(block.chunks_exact(window_taps)) {
                    *lane = taps[tap.index];
                }
                packed.push(lanes);
            }
        }
        let offsets = correlation.taps.iter().map(|tap| tap.offset).collect();
        Self { walk: correlation.walk, offsets, weight: packed }
    }
}

vectorized! {
    /// Writes the correlation of `source` to its pixels of `output`, which have `channels` values, plus a bias where there
    /// is one, clamped to `range`.
    pub fn correlate(
        packed: &Packed,
        channels: usize,
        source: &[f32],
        bias: Option<&[f32]>,
        range: (f32, f32),
        output: &mut [f32],
    ) {
        for (block, weight) in packed.weight.chunks_exact(packed.offsets.len()).enumerate() {
            let first = block * LANES;
            let count = LANES.min(channels - first);
            let mut biases = [0f32; LANES];
            if let Some(bias) = bias {
                biases[..count].copy_from_slice(&bias[first..][..count]);
            }
            let walk = &packed.walk;
            for row in 0..walk.rows {
                let source = &source[walk.from.at(row, 0) + first..];
                let output = &mut output[walk.to.at(row, 0) + first..];
                let steps = (walk.from.column, walk.to.column);
                let mut column = 0;
                while column + PIXELS <= walk.columns {
                    let (source, output) = (&source[column * steps.0..], &mut output[column * steps.1..]);
                    tile::<FUSED, PIXELS>(&packed.offsets, weight, source, output, steps, count, &biases, range);
                    column += PIXELS;
                }
                while column < walk.columns {
                    let (source, output) = (&source[column * steps.0..], &mut output[column * steps.1..]);
                    match walk.columns - column {
                        1 => {
                            tile::<FUSED, 1>(&packed.offsets, weight, source, output, steps, count, &biases, range);
                            column += 1;
                        }
                        2 | 3 => {
                            tile::<FUSED, 2>(&packed.offsets, weight, source, output, steps, count, &biases, range);
                            column += 2;
                        }
                        _ => {
                            tile::<FUSED, 4>(&packed.offsets, weight, source, output, steps, count, &biases, range);
                            column += 4;
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile<const FUSED: bool, const PIXELS: usize>(
    offsets: &[usize],
    weight: &[[f32; LANES]],
    source: &[f32],
    output: &mut [f32],
    (from, to): (usize, usize),
    count: usize,
    biases: &[f32; LANES],
    range: (f32, f32),
) {
    let mut sums = [*biases; PIXELS];
    for (weight, &offset) in weight.iter().zip(offsets) {
        let values = &source[offset..];
        for (pixel, sums) in sums.iter_mut().enumerate() {
            let values = &values[pixel * from..][..LANES];
            for lane in 0..LANES {
                sums[lane] = multiply_add::<FUSED>(values[lane], weight[lane], sums[lane]);
            }
        }
    }
    for (pixel, sums) in sums.iter().enumerate() {
        // Sums stay in registers only if no slice of them is taken.
        let done = sums.map(|sum| clamp(sum, range));
        let output = &mut output[pixel * to..];
        match output.first_chunk_mut::<LANES>() {
            Some(output) if count == LANES => *output = done,
            Some(_) | None => output[..count].copy_from_slice(&done[..count]),
        }
    }
}

/// The gradient of the weights, being summed up.
pub struct WeightGradient {
    offsets: Vec<usize>,
    /// For each block of 8 channels: `[taps, lanes]`.
    pub sums: Vec<[f32; LANES]>,
}

impl WeightGradient {
    /// Zeros, for a forward correlation.
    pub fn new(forward: &Correlation, channels: usize) -> Self {
        let offsets: Vec<usize> = forward.taps.iter().map(|tap| tap.offset).collect();
        let sums = vec![[0.0; LANES]; channels.div_ceil(LANES) * offsets.len()];
        Self { offsets, sums }
    }

    /// `[channels, taps]`.
    pub fn unpacked(&self, channels: usize) -> Vec<f32> {
        let taps = self.offsets.len();
        let sum = |index: usize| {
            let (channel, tap) = (index / taps, index % taps);
            self.sums[channel / LANES * taps + tap][channel % LANES]
        };
        (0..channels * taps).map(sum).collect()
    }
}

vectorized! {
    /// Adds what an image gives: at each position of `walk`, the products of what the taps read of `source` and the
    /// gradient of the output, which is what the walk goes to.
    pub fn add_weight_gradient(sum: &mut WeightGradient, walk: &Walk, source: &[f32], gradient: &[f32]) {
        let taps = sum.offsets.len();
        for (block, sums) in sum.sums.chunks_exact_mut(taps).enumerate() {
            let first = block * LANES;
            for (total, group) in sums.chunks_mut(TAPS).zip(sum.offsets.chunks(TAPS)) {
                // A group that is not full visits its first tap again, and drops what comes of it.
                let mut offsets = [group[0]; TAPS];
                offsets[..group.len()].copy_from_slice(group);
                let mut sums = [[0f32; LANES]; TAPS];
                sums[..group.len()].copy_from_slice(total);
                for row in 0..walk.rows {
                    let values = &source[walk.from.at(row, 0) + first..];
                    let gradients = &gradient[walk.to.at(row, 0) + first..];
                    for column in 0..walk.columns {
                        let Some(gradient) = gradients[column * walk.to.column..].first_chunk::<LANES>() else { break };
                        let values = &values[column * walk.from.column..];
                        for (sums, &offset) in sums.iter_mut().zip(&offsets) {
                            let values = &values[offset..][..LANES];
                            for lane in 0..LANES {
                                sums[lane] = fma!(values[lane], gradient[lane], sums[lane]);
                            }
                        }
                    }
                }
                total.copy_from_slice(&sums[..group.len()]);
            }
        }
    }
}
