//! Kernels for cores that multiply one code by one weight at a time and have few registers: Cortex-M3, Cortex-M0+.
//!
//! A product costs such a core three instructions, to load the weight, to multiply, to add, or two where multiplying adds.
//! What is left to save is everything else: an input that is zero is not visited; one that is not is read once for eight
//! rows; a convolution before a max-pool reads its weights once for the four positions of a window, and
//! requantizes once; one without a pool lists its [`taps`] once for all output channels; [`depthwise`] kernels read a column of
//! codes once. The loops are [`Loops`], of which each core has its own version.

pub mod add;
pub mod assembly;
mod average_pool;
pub mod columns;
pub mod depthwise;
pub mod loops;
mod pooled;
mod pooled_conv2d;
pub mod records;
pub mod taps;

use super::sparse::{self, Entry, List, Rows, Sparse, singles};
use super::taps_if_lengths_fit;
use crate::kernels::contract::Kernels;
use crate::kernels::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale,
};
use crate::packing::ROWS_PER_BLOCK;
use loops::Loops;
use records::{Finish, words};
use taps::Taps;

/// Whatever has `Loops` has the kernels: only those differ between such cores.
impl<L: Loops> Kernels for L {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d::<L>(input, operands, scratch, output);
    }

    fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        pooled_conv2d::<L>(input, operands, scratch, output);
    }

    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        L::conv2d_winograd(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        L::depthwise(input, operands, output);
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        average_pool::average_pool2d::<L>(input, operands, output);
    }

    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        L::add(other, operands, sums);
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

/// Convolution without a pool.
#[inline(never)]
fn conv2d<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    let done = L::first_positions(input, operands, scratch, output);
    if let Some(scratch) = bytemuck::cast_slice_mut(scratch).get_mut(..2 * taps) {
        single::<L>(input, operands, scratch, output, done);
    }
}

/// Convolution and the 2x2 maximum after it.
#[inline(never)]
fn pooled_conv2d<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    let codes = bytemuck::cast_slice_mut(scratch.as_chunks_mut::<2>().0);
    if let Some(codes) = codes.get_mut(..taps) {
        pooled_conv2d::conv2d::<L>(input, operands, codes, output);
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
