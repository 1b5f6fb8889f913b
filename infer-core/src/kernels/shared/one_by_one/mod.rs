//! Kernels for cores that multiply one code by one weight at a time and have few registers: Cortex-M3, Cortex-M0+.
//!
//! A product costs such a core three instructions, to load the weight, to multiply, to add, or two where multiplying adds.
//! What is left to save is everything else: an input that is zero is not visited; one that is not is read once for eight
//! rows; a convolution before a max-pool reads its weights once for the four positions of a window, and
//! requantizes once; one without a pool lists its [`taps`] once for all output channels; [`depthwise`] kernels read a column of
//! codes once. The loops are [`Loops`], of which each core has its own version.

pub mod assembly;
mod average_pool;
pub mod columns;
pub mod depthwise;
mod pooled;
pub mod taps;

use super::sparse::{self, Entry, List, Rows, Sparse, singles};
use super::taps_if_lengths_fit;
use crate::kernels::contract::Kernels;
use crate::kernels::operands::{
    AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale,
};
use crate::packing::ROWS_PER_BLOCK;
use columns::{Codes, Window};
use taps::{Append, Taps};

/// What a core does in its own way.
pub trait Loops: Append + Sized {
    /// How far after an input's weights [`full_blocks`](Self::full_blocks) is when it comes to the next entry.
    const ADVANCED: u32;

    /// Lists inputs that are not zero, as [`singles::fill`].
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
        singles::fill(entries, inputs, seen, Self::ADVANCED)
    }

    /// An accumulator's code, as in `portable`.
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8;

    /// The codes of the first positions of a convolution without a pool, where the core has a way that is better than lists;
    /// returns how many positions that is.
    fn first_positions(
        _input: &[u8],
        _operands: &Conv2dOperands<'_>,
        _scratch: &mut [u32],
        _output: &mut [u8],
    ) -> usize {
        0
    }

    /// Convolution of each channel by itself.
    fn depthwise(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d::<Self>(input, operands, output);
    }

    /// Adds what a list contributes to the sums of full blocks.
    fn full_blocks(list: &List<'_>, weights: &[u8], sums: &mut [u32]);

    /// Adds what a list contributes to the sums of a last block, of `WORDS` words for each pair of inputs, 1 to 3.
    fn last_block<const WORDS: usize>(list: &List<'_>, weights: &[u8], sums: &mut [u32]);

    /// The codes of a full block, out of a list of taps.
    fn block_codes(list: &Taps<'_>, weights: &[u8], finish: &Finish<'_>, codes: &mut [u8; ROWS_PER_BLOCK]);

    /// Puts codes into the window of a pooled position, as [`pooled::put`].
    fn put(rows: &pooled::Rows<'_>, taps: &mut [Codes]) -> [i32; 2] {
        pooled::put(rows, taps)
    }

    /// The codes of a full block at a pooled position.
    fn pooled_block_codes(window: &Window<'_>, weights: &[u8], finish: &Finish<'_>, codes: &mut [u8; ROWS_PER_BLOCK]) {
        finish.codes::<Self>(&pooled::sums(window, weights, finish.sums()), codes);
    }
}

/// Whatever has `Loops` has the kernels: only those differ between such cores.
impl<L: Loops> Kernels for L {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d::<L>(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        L::depthwise(input, operands, output);
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        average_pool::average_pool2d::<L>(input, operands, output);
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
        L::fill(entries, inputs, seen)
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
    if operands.pool {
        let codes = bytemuck::cast_slice_mut(scratch.as_chunks_mut::<2>().0);
        if let Some(codes) = codes.get_mut(..taps) {
            pooled::conv2d::<L>(input, operands, codes, output);
        }
    } else {
        let done = L::first_positions(input, operands, scratch, output);
        if let Some(scratch) = bytemuck::cast_slice_mut(scratch).get_mut(..2 * taps) {
            single::<L>(input, operands, scratch, output, done);
        }
    }
}

/// Without a pool: for each position the codes that are not zero are listed, then every eight rows run over the list. The first
/// positions, `done` of them, are not computed.
#[inline(never)]
fn single<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u8], output: &mut [u8], done: usize) {
    let width = usize::from(operands.output.width);
    let channels = usize::from(operands.output.channels).max(1);
    let entries = scratch.as_chunks_mut().0;
    // Counted, as some cores divide in a call.
    let (mut y, mut x) = (0, 0);
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        if position >= done {
            let list = Taps::list::<L>(input, operands, [y, x], entries);
            listed_codes::<L>(&list, operands, codes);
        }
        x += 1;
        if x == width {
            (y, x) = (y + 1, 0);
        }
    }
}

/// Bias and multiplier of each row of a full block.
pub type Records = [[u32; 2]; ROWS_PER_BLOCK];

/// Records as they are where they are aligned, which they are in an aligned model, else a copy of them.
pub fn words<'r>(bytes: &'r [[u8; 8]; ROWS_PER_BLOCK], copy: &'r mut Records) -> &'r Records {
    if cfg!(target_endian = "little")
        && let Ok(words) = bytemuck::try_cast_ref(bytes)
    {
        return words;
    }
    copy_words(bytes, copy);
    copy
}

#[inline(never)]
fn copy_words(bytes: &[[u8; 8]; ROWS_PER_BLOCK], copy: &mut Records) {
    for (words, bytes) in copy.as_flattened_mut().iter_mut().zip(bytes.as_flattened().as_chunks().0) {
        *words = u32::from_le_bytes(*bytes);
    }
}

/// What becomes of a full block's sums.
pub struct Finish<'r> {
    /// Biases and multipliers.
    pub records: &'r Records,
    /// What is added to the sums of even rows: takes out the 128 that their weights have.
    pub start: u32,
    /// The part that is the same for all channels.
    pub rescale: Rescale,
}

impl Finish<'_> {
    /// What the sums begin with, those of even rows first.
    #[inline(always)]
    pub fn sums(&self) -> [u32; ROWS_PER_BLOCK] {
        let [[r0, _], [r1, _], [r2, _], [r3, _], [r4, _], [r5, _], [r6, _], [r7, _]] = *self.records;
        let [e0, e1, e2, e3] = [r0, r2, r4, r6].map(|bias| bias.wrapping_add(self.start));
        [e0, e1, e2, e3, r1, r3, r5, r7]
    }

    /// The codes of sums in that order.
    // Not inlined: multipliers would be read before the sums are made, and wait on the stack.
    #[inline(never)]
    pub fn codes<L: Loops>(&self, sums: &[u32; ROWS_PER_BLOCK], codes: &mut [u8; ROWS_PER_BLOCK]) {
        let [e0, e1, e2, e3, o0, o1, o2, o3] = *sums;
        for ((code, sum), [_, multiplier]) in codes.iter_mut().zip([e0, o0, e1, o1, e2, o2, e3, o3]).zip(self.records) {
            *code = L::requantize(sum.cast_signed(), multiplier.cast_signed(), self.rescale);
        }
    }
}

/// The codes of all channels at a position.
#[inline(never)]
fn listed_codes<L: Loops>(list: &Taps<'_>, operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let start = list.total().wrapping_mul(128).wrapping_neg();
    let block_len = list.block_len();
    let mut unread = operands.weights;
    let (blocks, last) = output.as_chunks_mut::<ROWS_PER_BLOCK>();
    let (tables, last_table) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
    let mut copy = [[0; 2]; ROWS_PER_BLOCK];
    for (codes, records) in blocks.iter_mut().zip(tables) {
        let Some((weights, rest)) = unread.split_at_checked(block_len) else { return };
        unread = rest;
        let finish = Finish { records: words(records, &mut copy), start, rescale: operands.rescale };
        L::block_codes(list, weights, &finish, codes);
    }
    if !last.is_empty() {
        last_codes::<L>(list, unread, last_table, operands.rescale, last);
    }
}

/// The codes of a block that is not full.
#[inline(never)]
fn last_codes<L: Loops>(list: &Taps<'_>, block: &[u8], table: &[[u8; 8]], rescale: Rescale, output: &mut [u8]) {
    let start = list.total().wrapping_mul(128).wrapping_neg();
    let stride = 4 * output.len().div_ceil(2);
    let [mut even, mut odd] = [0; 2];
    for (row, (code, &[b0, b1, b2, b3, m0, m1, m2, m3])) in output.iter_mut().zip(table).enumerate() {
        if row % 2 == 0 {
            [even, odd] = list.column(block.get(2 * row..).unwrap_or_default(), stride);
            even = even.wrapping_add(start);
        }
        let sum = if row % 2 == 0 { even } else { odd };
        let sum = sum.wrapping_add(u32::from_le_bytes([b0, b1, b2, b3]));
        *code = L::requantize(sum.cast_signed(), i32::from_le_bytes([m0, m1, m2, m3]), rescale);
    }
}
