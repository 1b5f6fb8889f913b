//! The products of a convolution that reads all channels: tiles of sums in registers.
//!
//! A tile is 12 vectors of 8 lanes, the lanes being output channels: 6 pixels by 2 vectors forward and for the gradient
//! of the input, 6 taps by 2 vectors for the gradient of the weights. Each step loads two vectors and six single values for
//! twelve multiply-adds.

use rayon::prelude::*;

use super::correlation::{Correlation, Pixels, Tap, Walk};
use crate::network::autograd::clamp;
use crate::support::vector::{multiply_add, vectorized};

/// Lanes of a vector.
const LANES: usize = 8;

/// Positions of a tile.
const PIXELS: usize = 6;

/// Vectors of a tile.
const VECTORS: usize = 2;

/// Lanes of a tile: a block of channels, filled up where there are fewer.
pub const WIDE: usize = VECTORS * LANES;

/// Positions whose input and gradient stay in the first-level cache while all taps pass over them, in bytes.
const STRIP_BYTES: usize = 16 << 10;

/// Taps that follow each other in the map: `length` values from `offset` on.
struct Run {
    offset: usize,
    length: usize,
}

/// A correlation with its weights, as [`correlate`] reads them.
pub struct Packed {
    pub walk: Walk,
    runs: Vec<Run>,
    /// For each block of channels: `[runs, lanes]`.
    weight: Vec<f32>,
    channels: usize,
}

/// The blocks of so many channels: the first channel of each, and how many it has.
fn blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(WIDE).map(move |first| (first, (channels - first).min(WIDE)))
}

fn runs(taps: &[Tap], pixel: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for tap in taps {
        match runs.last_mut() {
            Some(run) if run.offset + run.length == tap.offset => run.length += pixel,
            Some(_) | None => runs.push(Run { offset: tap.offset, length: pixel }),
        }
    }
    runs
}

impl Packed {
    /// `weight(channel, tap, read)` is what channel `channel` of the result takes of channel `read` at a tap.
    pub fn new(
        correlation: &Correlation,
        channels: usize,
        read_channels: usize,
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let values = correlation.taps.len() * read_channels;
        let mut packed = vec![0.0; values * channels.next_multiple_of(WIDE)];
        let rows = packed.par_chunks_mut((values * WIDE).max(1)).zip(blocks(channels).collect::<Vec<_>>());
        rows.for_each(|(packed, (first, count))| {
            let reads = correlation.taps.iter().flat_map(|tap| (0..read_channels).map(|read| (tap.index, read)));
            for (lanes, (tap, read)) in packed.chunks_exact_mut(WIDE).zip(reads) {
                lanes[..count].iter_mut().zip(first..).for_each(|(lane, channel)| *lane = weight(channel, tap, read));
            }
        });
        let runs = runs(&correlation.taps, read_channels);
        Self { walk: correlation.walk.flattened(), runs, weight: packed, channels }
    }
}

vectorized! {
    /// Writes the correlation of `source` to its pixels of `output`, plus a bias where there is one, clamped to `range`.
    pub fn correlate(
        packed: &Packed,
        walk: &Walk,
        source: &[f32],
        bias: Option<&[f32]>,
        range: (f32, f32),
        output: &mut [f32],
    ) {
        let values: usize = packed.runs.iter().map(|run| run.length).sum();
        let mut weight = packed.weight.as_slice();
        for (first, count) in blocks(packed.channels) {
            let (block, rest) = weight.split_at(values * WIDE);
            weight = rest;
            let mut biases = [0f32; WIDE];
            if let Some(bias) = bias {
                biases[..count].copy_from_slice(&bias[first..][..count]);
            }
            let vectors = block.as_chunks::<LANES>().0;
            let finish = Finish { first, count, biases, range };
            positions::<FUSED>(&packed.runs, vectors.as_chunks().0, walk, source, &finish, output);
        }
    }
}

/// What happens to the sums of a block.
struct Finish {
    first: usize,
    count: usize,
    biases: [f32; WIDE],
    range: (f32, f32),
}

/// All positions of one block.
#[inline(always)]
fn positions<const FUSED: bool>(
    runs: &[Run],
    weight: &[[[f32; LANES]; VECTORS]],
    walk: &Walk,
    source: &[f32],
    finish: &Finish,
    output: &mut [f32],
) {
    let mut cursor = Cursor { walk, row: 0, column: 0 };
    let mut left = walk.rows * walk.columns;
    while left > 0 {
        tile::<FUSED>(runs, weight, &mut cursor, source, finish, output);
        left = left.saturating_sub(PIXELS);
    }
}

/// Goes through the positions of a walk in the order of rows.
struct Cursor<'a> {
    walk: &'a Walk,
    row: usize,
    column: usize,
}

impl Cursor<'_> {
    /// The next positions: what they read and what they write. The last one again where there are no more.
    #[inline(always)]
    fn take(&mut self) -> ([usize; PIXELS], [usize; PIXELS]) {
        let (mut from, mut to) = ([0; PIXELS], [0; PIXELS]);
        for (from, to) in from.iter_mut().zip(&mut to) {
            *from = self.walk.from.at(self.row, self.column);
            *to = self.walk.to.at(self.row, self.column);
            if self.column + 1 < self.walk.columns {
                self.column += 1;
            } else if self.row + 1 < self.walk.rows {
                (self.row, self.column) = (self.row + 1, 0);
            }
        }
        (from, to)
    }
}

#[inline(always)]
fn tile<const FUSED: bool>(
    runs: &[Run],
    weight: &[[[f32; LANES]; VECTORS]],
    cursor: &mut Cursor<'_>,
    source: &[f32],
    finish: &Finish,
    output: &mut [f32],
) {
    let (from, to) = cursor.take();
    let mut sums = [[[0f32; LANES]; VECTORS]; PIXELS];
    let mut weight = weight;
    for run in runs {
        let (own, rest) = weight.split_at(run.length);
        weight = rest;
        let values: [&[f32]; PIXELS] = std::array::from_fn(|pixel| &source[from[pixel] + run.offset..][..run.length]);
        for (tap, weight) in own.iter().enumerate() {
            for pixel in 0..PIXELS {
                let value = values[pixel][tap];
                for vector in 0..VECTORS {
                    for lane in 0..LANES {
                        let sum = &mut sums[pixel][vector][lane];
                        *sum = multiply_add::<FUSED>(value, weight[vector][lane], *sum);
                    }
                }
            }
        }
    }
    for (pixel, to) in to.into_iter().enumerate() {
        // Sums stay in registers only if no slice of them is taken.
        let mut done = [[0f32; LANES]; VECTORS];
        for vector in 0..VECTORS {
            for lane in 0..LANES {
                let sum = sums[pixel][vector][lane] + finish.biases[vector * LANES + lane];
                done[vector][lane] = clamp(sum, finish.range);
            }
        }
        let output = &mut output[to + finish.first..];
        match output.get_mut(..WIDE) {
            Some(output) if finish.count == WIDE => output.copy_from_slice(done.as_flattened()),
            Some(_) | None => output[..finish.count].copy_from_slice(&done.as_flattened()[..finish.count]),
        }
    }
}

/// The gradient of the weights, being summed up.
pub struct WeightGradient {
    /// For each run, taps that follow each other: what the first one reads, and how many there are, 6 at most.
    groups: Vec<Run>,
    /// Of all taps.
    values: usize,
    channels: usize,
    /// For each block of channels: `[taps and read channels, lanes]`.
    pub sums: Vec<f32>,
}

impl WeightGradient {
    /// Zeros, for a forward correlation that reads pixels of `read_channels` values.
    pub fn new(forward: &Correlation, channels: usize, read_channels: usize) -> Self {
        let mut groups = Vec::new();
        for Run { offset, length } in runs(&forward.taps, read_channels) {
            let count = length.div_ceil(6);
            groups.extend((0..count).map(|group| {
                let (first, end) = (group * length / count, (group + 1) * length / count);
                Run { offset: offset + first, length: end - first }
            }));
        }
        let values = forward.taps.len() * read_channels;
        let lanes = channels.next_multiple_of(WIDE);
        Self { groups, values, channels, sums: vec![0.0; values * lanes] }
    }

    /// `[channels, taps, read channels]`.
    pub fn unpacked(&self) -> Vec<f32> {
        let mut weight = vec![0.0; self.channels * self.values];
        let mut sums = self.sums.as_slice();
        for (first, count) in blocks(self.channels) {
            let (block, rest) = sums.split_at(self.values * WIDE);
            sums = rest;
            for (value, block) in block.chunks_exact(WIDE).enumerate() {
                for (channel, sum) in (first..first + count).zip(block) {
                    weight[channel * self.values + value] = *sum;
                }
            }
        }
        weight
    }
}

vectorized! {
    /// Adds what an image gives: at each position of `walk`, the products of what the taps read of `source` and the
    /// gradient of the output, which is what the walk goes to. Lanes beyond the channels take in what is there, so that it has
    /// [`WIDE`] more values than its pixels.
    pub fn add_weight_gradient(sum: &mut WeightGradient, walk: &Walk, source: &[f32], gradient: &[f32]) {
        let walk = walk.flattened();
        // As many positions as stay in the first-level cache, in rows or in parts of the only row.
        let bytes = size_of::<f32>() * (walk.from.column + walk.to.column);
        let positions = (STRIP_BYTES / bytes).max(24);
        let (rows, columns) = match walk.rows {
            1 => (1, positions),
            _ => ((positions / walk.columns).max(1), walk.columns),
        };
        for row in (0..walk.rows).step_by(rows) {
            for column in (0..walk.columns).step_by(columns) {
                let start = |pixels: Pixels| Pixels { start: pixels.at(row, column), ..pixels };
                let strip = Walk {
                    rows: rows.min(walk.rows - row),
                    columns: columns.min(walk.columns - column),
                    from: start(walk.from),
                    to: start(walk.to),
                };
                let mut sums = sum.sums.as_mut_slice();
                for (first, _) in blocks(sum.channels) {
                    let (block, rest) = sums.split_at_mut(sum.values * WIDE);
                    sums = rest;
                    let block = block.as_chunks_mut::<LANES>().0;
                    groups::<FUSED>(&sum.groups, &strip, source, gradient, first, block.as_chunks_mut().0);
                }
            }
        }
    }
}

/// All taps, for one block of channels.
#[inline(always)]
fn groups<const FUSED: bool>(
    groups: &[Run],
    strip: &Walk,
    source: &[f32],
    gradient: &[f32],
    first: usize,
    sums: &mut [[[f32; LANES]; VECTORS]],
) {
    let mut sums = sums;
    for group in groups {
        let (own, rest) = sums.split_at_mut(group.length);
        sums = rest;
        match group.length {
            6 => weight_tile::<FUSED, 6>(group.offset, strip, source, gradient, first, own),
            5 => weight_tile::<FUSED, 5>(group.offset, strip, source, gradient, first, own),
            4 => weight_tile::<FUSED, 4>(group.offset, strip, source, gradient, first, own),
            3 => weight_tile::<FUSED, 3>(group.offset, strip, source, gradient, first, own),
            2 => weight_tile::<FUSED, 2>(group.offset, strip, source, gradient, first, own),
            _ => weight_tile::<FUSED, 1>(group.offset, strip, source, gradient, first, own),
        }
    }
}

#[inline(always)]
fn weight_tile<const FUSED: bool, const TAPS: usize>(
    offset: usize,
    strip: &Walk,
    source: &[f32],
    gradient: &[f32],
    first: usize,
    total: &mut [[[f32; LANES]; VECTORS]],
) {
    let mut sums = [[[0f32; LANES]; VECTORS]; TAPS];
    sums.copy_from_slice(total);
    for row in 0..strip.rows {
        let values = &source[strip.from.at(row, 0) + offset..];
        let gradients = &gradient[strip.to.at(row, 0) + first..];
        for column in 0..strip.columns {
            let values = &values[column * strip.from.column..];
            let gradients = &gradients[column * strip.to.column..];
            let Some(values) = values.first_chunk::<TAPS>() else { break };
            let Some(vectors) = gradients.as_chunks::<LANES>().0.first_chunk::<VECTORS>() else { break };
            for tap in 0..TAPS {
                for vector in 0..VECTORS {
                    for lane in 0..LANES {
                        let sum = &mut sums[tap][vector][lane];
                        *sum = multiply_add::<FUSED>(values[tap], vectors[vector][lane], *sum);
                    }
                }
            }
        }
    }
    total.copy_from_slice(&sums);
}
