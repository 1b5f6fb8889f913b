//! Kernels for hosts: eight rows at a time in vectors of 128 bits, which every x86-64 and aarch64 has.
//!
//! A block's weights for a pair of inputs are one vector: eight 16-bit lanes, each the weights of two rows, the even row's in
//! its low byte, plus 128, and the odd row's in its high byte. Taken apart, each half times the pair of inputs, neighbors
//! added, is a vector of four sums.

#[cfg_attr(target_arch = "x86_64", path = "sse2.rs")]
#[cfg_attr(target_arch = "aarch64", path = "neon.rs")]
mod vector;

use vector::Vector;

use super::listed::{self, Entry, List, Rows, STRIDE};
use super::portable::requantize;
use super::{parts, patch, window};
use crate::packing::{ROWS_PER_BLOCK, packed_len};
use crate::stage::{Conv2dStage, DenseStage, LogitsStage};

pub use super::portable::max_pool2d;

/// Blocks that share the reading of a list.
const BLOCKS_AT_ONCE: usize = 4;

/// The sums of a block: of its even rows, then of its odd ones.
#[derive(Clone, Copy)]
struct Sums {
    even: Vector,
    odd: Vector,
}

impl Sums {
    /// Adds the products of a pair of inputs, `a | b << 16`, and its weights in a block.
    #[inline(always)]
    fn add(&mut self, pair: Vector, weights: Weights) {
        self.even = self.even.add(weights.even.multiply_add(pair));
        self.odd = self.odd.add(weights.odd.multiply_add(pair));
    }
}

/// Eight rows' weights for a pair of inputs.
#[derive(Clone, Copy)]
struct Weights {
    even: Vector,
    odd: Vector,
}

impl Weights {
    /// Of a full block.
    #[inline(always)]
    fn new(bytes: &[u8; STRIDE]) -> Self {
        let lanes = Vector::load(bytes);
        Self { even: lanes.low_bytes(), odd: lanes.high_bytes() }
    }

    /// Of a block with as many words as there are bytes for; the missing rows have weights of zero.
    fn of_words(bytes: &[u8]) -> Self {
        let mut filled = [0; STRIDE];
        filled.iter_mut().zip(bytes).for_each(|(filled, &byte)| *filled = byte);
        Self::new(&filled)
    }
}

/// Convolution, and the 2x2 maximum behind it where the stage has one.
#[inline(never)]
pub fn conv2d(input: &[u8], stage: &Conv2dStage<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let taps = usize::from(stage.kernel) * usize::from(stage.kernel) * usize::from(stage.input.channels);
    let rows = usize::from(stage.output.channels);
    let needed = u32::try_from(taps).ok().and_then(|taps| packed_len(stage.output.channels.into(), taps));
    let fits = needed == u32::try_from(stage.weights.len()).ok() && stage.channels.bytes().len() == 8 * rows;
    if !fits || taps == 0 || rows == 0 || output.len() != stage.output.len() {
        return;
    }
    let pairs = taps.div_ceil(2);
    if stage.pool {
        if let Some(lanes) = scratch.get_mut(..4 * pairs) {
            pooled(input, stage, lanes.as_chunks_mut().0, output);
        }
    } else if let Some(lanes) = scratch.get_mut(..pairs) {
        single(input, stage, taps, lanes.as_chunks_mut().0, output);
    }
}

/// With a pool: for each pooled position a block at a time, its sums at four positions, their maximum.
fn pooled(input: &[u8], stage: &Conv2dStage<'_>, lanes: &mut [[u32; 4]], output: &mut [u8]) {
    let width = usize::from(stage.output.width).max(1);
    let channels = usize::from(stage.output.channels).max(1);
    let mut zeros = None;
    for position in 0..output.len() / channels {
        let start = position * channels;
        let Some((before, output)) = output.split_at_mut_checked(start) else { return };
        let Some(output) = output.get_mut(..channels) else { return };
        lanes.fill([0; 4]);
        let mut totals = [0; 4];
        let mut tap = 0;
        window::each_tap(input, stage, 2 * (position / width), 2 * (position % width), |codes| {
            let codes = codes.map(u32::from);
            if let Some(lanes) = lanes.get_mut(tap / 2) {
                lanes.iter_mut().zip(codes).for_each(|(lanes, code)| *lanes |= code << (16 * (tap % 2)));
            }
            totals.iter_mut().zip(codes).for_each(|(total, code)| *total += code);
            tap += 1;
        });
        if totals == [0; 4] {
            // Zeros under the filter leave the biases: the same codes everywhere.
            if let Some(row) = zeros.and_then(|start: usize| before.get(start..start + channels)) {
                output.iter_mut().zip(row).for_each(|(code, &zeros)| *code = zeros);
                continue;
            }
            zeros = Some(start);
        }
        position_codes(lanes, totals, stage, output);
    }
}

/// Without a pool: for each position a block at a time.
fn single(input: &[u8], stage: &Conv2dStage<'_>, taps: usize, lanes: &mut [[u32; 1]], output: &mut [u8]) {
    let width = usize::from(stage.output.width).max(1);
    let channels = usize::from(stage.output.channels).max(1);
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        lanes.fill([0]);
        // Little-endian, as all hosts that these kernels are for: the first of two taps is the lower half.
        let patch: &mut [u16] = bytemuck::cast_slice_mut(lanes.as_flattened_mut());
        patch::gather(input, stage, position / width, position % width, patch.get_mut(..taps).unwrap_or_default());
        let total = patch.iter().map(|&code| u32::from(code)).sum();
        position_codes(lanes, [total], stage, codes);
    }
}

/// The codes of all channels at a position: the maximum over `POSITIONS`, requantized. `totals` are the sums of the codes
/// in `lanes`, `[pairs of taps, POSITIONS]`.
fn position_codes<const POSITIONS: usize>(
    lanes: &[[u32; POSITIONS]],
    totals: [u32; POSITIONS],
    stage: &Conv2dStage<'_>,
    output: &mut [u8],
) {
    let starts =
        totals.map(|total| Sums { even: Vector::splat(total.wrapping_mul(128).wrapping_neg()), odd: Vector::splat(0) });
    let blocks = parts(stage.weights, STRIDE * lanes.len());
    let tables = parts(stage.channels.bytes(), 8 * ROWS_PER_BLOCK);
    for ((codes, block), table) in output.chunks_mut(ROWS_PER_BLOCK).zip(blocks).zip(tables) {
        let mut sums = starts;
        let mut add = |pairs: &[u32; POSITIONS], weights: Weights| {
            sums.iter_mut().zip(pairs).for_each(|(sums, &pair)| sums.add(Vector::splat(pair), weights));
        };
        if codes.len() > ROWS_PER_BLOCK - 2 {
            for (pairs, bytes) in lanes.iter().zip(block.as_chunks().0) {
                add(pairs, Weights::new(bytes));
            }
        } else {
            for (pairs, bytes) in lanes.iter().zip(parts(block, 4 * codes.len().div_ceil(2))) {
                add(pairs, Weights::of_words(bytes));
            }
        }
        let [first, rest @ ..] = sums.as_slice() else { return };
        let [even, odd] =
            rest.iter().fold([first.even, first.odd], |[even, odd], sums| [even.max(sums.even), odd.max(sums.odd)]);
        let maxima = even.to_array().into_iter().zip(odd.to_array()).flat_map(|(even, odd)| [even, odd]);
        for ((code, maximum), &[b0, b1, b2, b3, m0, m1, m2, m3]) in
            codes.iter_mut().zip(maxima).zip(table.as_chunks().0)
        {
            let accumulator = maximum.cast_signed().wrapping_add(i32::from_le_bytes([b0, b1, b2, b3]));
            *code = requantize(accumulator, i32::from_le_bytes([m0, m1, m2, m3]), stage.rescale);
        }
    }
}

/// Fully connected layer.
#[inline(never)]
pub fn dense(input: &[u8], stage: &DenseStage<'_>, scratch: &mut [u32], output: &mut [u8]) {
    listed::dense(input, stage, scratch, output, pass, requantize);
}

/// The last layer: accumulators as they are.
#[inline(never)]
pub fn logits(input: &[u8], stage: &LogitsStage<'_>, scratch: &mut [u32], output: &mut [i32]) {
    listed::logits(input, stage, scratch, output, pass);
}

/// Adds what a list contributes.
fn pass(list: &List<'_>, rows: Rows<'_>) {
    let entries = list.entries();
    if rows.words < ROWS_PER_BLOCK / 2 {
        last_block(entries, rows);
        return;
    }
    let sums = rows.sums.as_chunks_mut::<ROWS_PER_BLOCK>().0;
    let len = rows.weights.len() / sums.len().max(1);
    let (many, few) = sums.as_chunks_mut::<BLOCKS_AT_ONCE>();
    let mut weights = rows.weights;
    for sums in many {
        weights = blocks(entries, weights, len, sums);
    }
    for sums in few {
        weights = blocks(entries, weights, len, core::array::from_mut(sums));
    }
}

/// Adds what a list contributes to `BLOCKS` blocks of `len` bytes each; returns the weights behind them.
fn blocks<'w, const BLOCKS: usize>(
    entries: &[Entry],
    mut weights: &'w [u8],
    len: usize,
    sums: &mut [[u32; ROWS_PER_BLOCK]; BLOCKS],
) -> &'w [u8] {
    let mut blocks = [&[] as &[[u8; STRIDE]]; BLOCKS];
    for block in &mut blocks {
        let Some((bytes, rest)) = weights.split_at_checked(len) else { return &[] };
        *block = bytes.as_chunks().0;
        weights = rest;
    }
    let mut vectors = sums.map(|sums| load(&sums));
    for &[pair, offset] in entries {
        let pair = Vector::splat(pair);
        for (block, vectors) in blocks.iter().zip(&mut vectors) {
            if let Some(bytes) = block.get(offset as usize / STRIDE) {
                vectors.add(pair, Weights::new(bytes));
            }
        }
    }
    for (sums, vectors) in sums.iter_mut().zip(&vectors) {
        store(*vectors, sums);
    }
    weights
}

/// Adds what a list contributes to a block of less than eight rows.
fn last_block(entries: &[Entry], rows: Rows<'_>) {
    let (even, odd) = rows.sums.split_at_mut(rows.words.min(rows.sums.len()));
    let mut sums = [0; ROWS_PER_BLOCK];
    let (low, high) = sums.split_at_mut(ROWS_PER_BLOCK / 2);
    low.iter_mut().zip(&*even).for_each(|(sum, &begun)| *sum = begun);
    high.iter_mut().zip(&*odd).for_each(|(sum, &begun)| *sum = begun);
    let mut vectors = load(&sums);
    for &[pair, offset] in entries {
        let start = offset as usize / STRIDE * 4 * rows.words;
        let bytes = rows.weights.get(start..start + 4 * rows.words).unwrap_or_default();
        vectors.add(Vector::splat(pair), Weights::of_words(bytes));
    }
    store(vectors, &mut sums);
    let (low, high) = sums.split_at(ROWS_PER_BLOCK / 2);
    even.iter_mut().zip(low).for_each(|(sum, &added)| *sum = added);
    odd.iter_mut().zip(high).for_each(|(sum, &added)| *sum = added);
}

/// Sums of even rows, then of odd ones.
fn load(&[e0, e1, e2, e3, o0, o1, o2, o3]: &[u32; ROWS_PER_BLOCK]) -> Sums {
    Sums { even: Vector::from_array([e0, e1, e2, e3]), odd: Vector::from_array([o0, o1, o2, o3]) }
}

/// The reverse of [`load`].
fn store(vectors: Sums, sums: &mut [u32; ROWS_PER_BLOCK]) {
    let ([e0, e1, e2, e3], [o0, o1, o2, o3]) = (vectors.even.to_array(), vectors.odd.to_array());
    *sums = [e0, e1, e2, e3, o0, o1, o2, o3];
}
