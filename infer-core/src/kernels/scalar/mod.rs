//! Kernels for cores that multiply one code by one weight at a time: Cortex-M3, Cortex-M0+, RV32IMC.
//!
//! A product costs such a core three instructions, to load the weight, to multiply, to add, or two where multiplying adds.
//! What is left to save is everything else: an input that is zero is not visited; one that is not is read once for eight
//! rows; a convolution in front of a max-pool reads its weights once for the four positions of a window, and
//! requantizes once. The loops are in [`inner`], which each core has its own version of.

#[cfg_attr(any(kernels = "armv6m", kernels = "armv7m"), path = "assembly.rs")]
#[cfg_attr(kernels = "scalar", path = "any.rs")]
mod inner;
mod rows;

use super::listed::{self, List, Rows, STRIDE, begin, requantize_block};
use super::{parts, patch, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;
use crate::stage::{Conv2dStage, DenseStage, LogitsStage};

pub use super::portable::max_pool2d;
pub use inner::ADVANCED;

/// The codes under a filter at the four positions of a window, `[taps, 4]`.
struct Window<'w> {
    /// Four codes for each tap.
    codes: &'w [[u8; 4]],
    /// At each position -128 times the sum of the codes: takes out the 128 that even rows' weights have.
    starts: [i32; 4],
}

/// Convolution, and the 2x2 maximum behind it where the stage has one.
#[inline(never)]
pub fn conv2d(input: &[u8], stage: &Conv2dStage<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(stage, output) else { return };
    let scratch = bytemuck::cast_slice_mut(scratch);
    if stage.pool {
        if let Some(codes) = scratch.get_mut(..4 * taps) {
            pooled(input, stage, codes.as_chunks_mut().0, output);
        }
    } else if let Some(patch) = scratch.get_mut(..taps) {
        single(input, stage, patch, output);
    }
}

/// With a pool: for each pooled position two rows at a time, their four sums, the maximum, one requantization.
#[inline(never)]
fn pooled(input: &[u8], stage: &Conv2dStage<'_>, codes: &mut [[u8; 4]], output: &mut [u8]) {
    window::each_pooled(
        stage,
        codes,
        output,
        |y, x, codes| gather(input, stage, y, x, codes),
        |codes, sums, output| {
            let starts = sums.map(|sum| sum.wrapping_mul(-128));
            position_codes(&Window { codes, starts }, stage, output);
        },
    );
}

/// Fills `codes` with the window at row `y` and column `x` of the output, not pooled yet. Returns the sums of the four
/// positions; they are all zero where, and only where, all codes are.
// Neither this nor what follows is inlined: their frames would stand on the stack together.
#[inline(never)]
fn gather(input: &[u8], stage: &Conv2dStage<'_>, y: usize, x: usize, codes: &mut [[u8; 4]]) -> [i32; 4] {
    let mut sums = [0; 4];
    let mut unfilled = codes.iter_mut();
    window::each_tap(input, stage, y, x, |found| {
        if let Some(codes) = unfilled.next() {
            *codes = found;
        }
        sums.iter_mut().zip(found).for_each(|(sum, code)| *sum += i32::from(code));
    });
    sums
}

/// The codes of all channels at a pooled position.
#[inline(never)]
fn position_codes(window: &Window<'_>, stage: &Conv2dStage<'_>, output: &mut [u8]) {
    let blocks = parts(stage.weights, ROWS_PER_BLOCK * window.codes.len().next_multiple_of(2));
    let tables = parts(stage.channels.bytes(), 8 * ROWS_PER_BLOCK);
    for ((codes, block), table) in output.chunks_mut(ROWS_PER_BLOCK).zip(blocks).zip(tables) {
        let stride = 4 * codes.len().div_ceil(2);
        let pairs = codes.chunks_mut(2).zip(table.chunks(16));
        for (word, (codes, table)) in pairs.enumerate() {
            let column = block.get(4 * word..).unwrap_or_default();
            let maxima =
                if stride == STRIDE { inner::maxima(window, column) } else { rows::maxima(window, column, stride) };
            for ((code, maximum), &record) in codes.iter_mut().zip(maxima).zip(table.as_chunks().0) {
                let [b0, b1, b2, b3, m0, m1, m2, m3] = record;
                let accumulator = maximum.wrapping_add(i32::from_le_bytes([b0, b1, b2, b3]));
                *code = inner::requantize(accumulator, i32::from_le_bytes([m0, m1, m2, m3]), stage.rescale);
            }
        }
    }
}

/// Without a pool: for each position eight rows at a time.
#[inline(never)]
fn single(input: &[u8], stage: &Conv2dStage<'_>, patch: &mut [u8], output: &mut [u8]) {
    let width = usize::from(stage.output.width).max(1);
    let channels = usize::from(stage.output.channels).max(1);
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        patch::gather(input, stage, position / width, position % width, patch);
        let total = patch.iter().fold(0u32, |total, &code| total.wrapping_add(code.into()));
        let blocks = parts(stage.weights, ROWS_PER_BLOCK * patch.len().next_multiple_of(2));
        let tables = parts(stage.channels.bytes(), 8 * ROWS_PER_BLOCK);
        for ((codes, block), table) in codes.chunks_mut(ROWS_PER_BLOCK).zip(blocks).zip(tables) {
            let mut sums = [0; ROWS_PER_BLOCK];
            let sums = sums.get_mut(..codes.len().next_multiple_of(2)).unwrap_or_default();
            begin(sums, table, 8);
            if let Ok(sums) = <&mut [u32; ROWS_PER_BLOCK]>::try_from(&mut *sums) {
                inner::block(patch, block, sums);
            } else {
                rows::block(patch, block, sums);
            }
            requantize_block(sums, total, table, stage.rescale, codes, &inner::requantize);
        }
    }
}

/// Fully connected layer.
#[inline(never)]
pub fn dense(input: &[u8], stage: &DenseStage<'_>, scratch: &mut [u32], output: &mut [u8]) {
    listed::dense(input, stage, scratch, output, pass, inner::requantize);
}

/// The last layer: accumulators as they are.
#[inline(never)]
pub fn logits(input: &[u8], stage: &LogitsStage<'_>, scratch: &mut [u32], output: &mut [i32]) {
    listed::logits(input, stage, scratch, output, pass);
}

/// Adds what a list contributes.
fn pass(list: &List<'_>, rows: Rows<'_>) {
    match rows.words {
        1 => inner::last_block::<1>(list, rows.weights, rows.sums),
        2 => inner::last_block::<2>(list, rows.weights, rows.sums),
        3 => inner::last_block::<3>(list, rows.weights, rows.sums),
        _ => inner::full_blocks(list, rows.weights, rows.sums),
    }
}
