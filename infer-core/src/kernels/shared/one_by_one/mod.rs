//! Kernels for cores that multiply one code by one weight at a time: Cortex-M3, Cortex-M0+, RV32IMC.
//!
//! A product costs such a core three instructions, to load the weight, to multiply, to add, or two where multiplying adds.
//! What is left to save is everything else: an input that is zero is not visited; one that is not is read once for eight
//! rows; a convolution before a max-pool reads its weights once for the four positions of a window, and
//! requantizes once. The loops are [`Loops`], of which each core has its own version.

pub mod assembly;
pub mod columns;
pub mod depthwise;

use super::sparse::{self, Entry, List, Rows, STRIDE, Sparse, begin, requantize_block, singles};
use super::{parts, patch, taps_if_lengths_fit, window};
use crate::kernels::contract::Kernels;
use crate::kernels::operands::{Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale};
use crate::packing::ROWS_PER_BLOCK;
use columns::Window;

/// What a core does in its own way.
pub trait Loops {
    /// How far after an input's weights [`full_blocks`](Self::full_blocks) is when it comes to the next entry.
    const ADVANCED: u32;

    /// An accumulator's code, as in `portable`.
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8;

    /// Adds what a list contributes to the sums of full blocks.
    fn full_blocks(list: &List<'_>, weights: &[u8], sums: &mut [u32]);

    /// Adds what a list contributes to the sums of a last block, of `WORDS` words for each pair of inputs, 1 to 3.
    fn last_block<const WORDS: usize>(list: &List<'_>, weights: &[u8], sums: &mut [u32]);

    /// Adds what `codes` contribute to the sums of a full block.
    fn block(codes: &[u8], weights: &[u8], sums: &mut [u32; ROWS_PER_BLOCK]);

    /// The largest of a window's four sums, for the two rows in a column of a full block.
    fn maxima(window: &Window<'_>, column: &[u8]) -> [i32; 2];
}

/// Whatever has `Loops` has the kernels: only those differ between such cores.
impl<L: Loops> Kernels for L {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d::<L>(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d::<L>(input, operands, output);
    }

    fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        sparse::dense::<L>(input, operands, scratch, output);
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        sparse::logits::<L>(input, operands, scratch, output);
    }
}

impl<L: Loops> Sparse for L {
    const END: Entry = singles::END;
    const FILLER: Entry = singles::filler(L::ADVANCED);

    #[inline]
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
        singles::fill(entries, inputs, seen, L::ADVANCED)
    }

    #[inline]
    fn pass(list: &List<'_>, rows: Rows<'_>) {
        match rows.words {
            1 => L::last_block::<1>(list, rows.weights, rows.sums),
            2 => L::last_block::<2>(list, rows.weights, rows.sums),
            3 => L::last_block::<3>(list, rows.weights, rows.sums),
            _ => L::full_blocks(list, rows.weights, rows.sums),
        }
    }

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        L::requantize(accumulator, multiplier, rescale)
    }
}

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
fn conv2d<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    let scratch = bytemuck::cast_slice_mut(scratch);
    if operands.pool {
        if let Some(codes) = scratch.get_mut(..4 * taps) {
            pooled::<L>(input, operands, codes.as_chunks_mut().0, output);
        }
    } else if let Some(patch) = scratch.get_mut(..taps) {
        single::<L>(input, operands, patch, output);
    }
}

/// With a pool: for each pooled position two rows at a time, their four sums, the maximum, one requantization.
#[inline(never)]
fn pooled<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, codes: &mut [[u8; 4]], output: &mut [u8]) {
    window::each_pooled(
        operands,
        codes,
        output,
        |y, x, codes| gather(input, operands, y, x, codes),
        |codes, sums, output| {
            let starts = sums.map(|sum| sum.wrapping_mul(-128));
            position_codes::<L>(&Window { codes, starts }, operands, output);
        },
    );
}

/// Fills `codes` with the window at row `y` and column `x` of the output, not pooled yet. Returns the sums of the four
/// positions; they are all zero where, and only where, all codes are.
// Neither this nor what follows is inlined: their frames would be on the stack together.
#[inline(never)]
fn gather(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, codes: &mut [[u8; 4]]) -> [i32; 4] {
    let mut sums = [0; 4];
    let mut unfilled = codes.iter_mut();
    window::each_tap(input, operands, y, x, |found| {
        if let Some(codes) = unfilled.next() {
            *codes = found;
        }
        sums.iter_mut().zip(found).for_each(|(sum, code)| *sum += i32::from(code));
    });
    sums
}

/// The codes of all channels at a pooled position.
#[inline(never)]
fn position_codes<L: Loops>(window: &Window<'_>, operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let blocks = parts(operands.weights, ROWS_PER_BLOCK * window.codes.len().next_multiple_of(2));
    let tables = parts(operands.channels.bytes(), 8 * ROWS_PER_BLOCK);
    for ((codes, block), table) in output.chunks_mut(ROWS_PER_BLOCK).zip(blocks).zip(tables) {
        let stride = 4 * codes.len().div_ceil(2);
        let pairs = codes.chunks_mut(2).zip(table.chunks(16));
        for (word, (codes, table)) in pairs.enumerate() {
            let column = block.get(4 * word..).unwrap_or_default();
            let maxima =
                if stride == STRIDE { L::maxima(window, column) } else { columns::maxima(window, column, stride) };
            for ((code, maximum), &record) in codes.iter_mut().zip(maxima).zip(table.as_chunks().0) {
                let [b0, b1, b2, b3, m0, m1, m2, m3] = record;
                let accumulator = maximum.wrapping_add(i32::from_le_bytes([b0, b1, b2, b3]));
                *code = L::requantize(accumulator, i32::from_le_bytes([m0, m1, m2, m3]), operands.rescale);
            }
        }
    }
}

/// The sum of `codes`.
// Not inlined, for size: it would be unrolled in each place, twice.
#[inline(never)]
fn total(codes: &[u8]) -> u32 {
    codes.iter().fold(0, |total, &code| total.wrapping_add(code.into()))
}

/// Without a pool: for each position eight rows at a time.
#[inline(never)]
fn single<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, patch: &mut [u8], output: &mut [u8]) {
    let width = usize::from(operands.output.width).max(1);
    let channels = usize::from(operands.output.channels).max(1);
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        patch::gather(input, operands, position / width, position % width, patch);
        let total = total(patch);
        let blocks = parts(operands.weights, ROWS_PER_BLOCK * patch.len().next_multiple_of(2));
        let tables = parts(operands.channels.bytes(), 8 * ROWS_PER_BLOCK);
        for ((codes, block), table) in codes.chunks_mut(ROWS_PER_BLOCK).zip(blocks).zip(tables) {
            let mut sums = [0; ROWS_PER_BLOCK];
            let sums = sums.get_mut(..codes.len().next_multiple_of(2)).unwrap_or_default();
            begin(sums, table, 8);
            if let Ok(sums) = <&mut [u32; ROWS_PER_BLOCK]>::try_from(&mut *sums) {
                L::block(patch, block, sums);
            } else {
                columns::block(patch, block, sums);
            }
            requantize_block::<L>(sums, total, table, operands.rescale, codes);
        }
    }
}
