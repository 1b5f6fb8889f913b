//! Cores with the DSP extension: Cortex-M4, M7, M33.
//!
//! SMLAD multiplies two pairs of 16-bit lanes and adds both products. A word of packed weights holds rows `r` and `s`
//! for the inputs `a` and `b`, a lane being `256 * s + (r + 128)`, so with `x = a | b << 16`
//!
//! ```text
//! acc += smlad(word, x)            256 * S + U
//! u   += smlad(uxtb16(word), x)    U = R + 128 * sum(x)
//! S = (acc - U) >> 8               exact while |S| < 2^23: folded every 128 pairs
//! ```
//!
//! Sums start at the bias, those of even rows at `bias - 128 * sum(x)`, so that nothing is left to correct at the end.
//! `acc` starts where `u` does: the difference is what counts.
//!
//! The hot loops need all fourteen registers, which only a naked function has.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

mod add;
mod average_pool;
mod conv2d;
mod cpu;
mod dense;
mod depthwise;
mod gather;
mod unpooled;
mod widen;
mod winograd;

use conv2d::{Pooled, pooled_blocks};
use cpu::{in_words, requantize};
use gather::gather;

use super::contract::Kernels;
use super::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale,
};
use super::portable;
use super::shared::sparse::{self, Entry, List, Rows, Sparse};
use super::shared::winograd::tiles;
use super::shared::{parts, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Armv7em;

impl Kernels for Armv7em {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d(input, operands, scratch, output);
    }

    fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        pooled_conv2d(input, operands, scratch, output);
    }

    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        tiles::conv2d::<Self>(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d(input, operands, output);
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        // In a build for size 400 bytes count more than the time of a small layer.
        if cfg!(for_size) {
            portable::average_pool2d(input, operands, output);
        } else {
            average_pool::average_pool2d(input, operands, output);
        }
    }

    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        add::add(other, operands, sums);
    }

    fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        sparse::dense::<Self>(input, operands, scratch, output);
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        sparse::logits::<Self>(input, operands, scratch, output);
    }
}

impl Sparse for Armv7em {
    const END: Entry = dense::END;
    const FILLER: Entry = dense::FILLER;

    #[inline]
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
        dense::list_pairs(entries, inputs, seen)
    }

    #[inline]
    fn pass(list: &List<'_>, rows: Rows<'_>) {
        dense::pass(list, rows);
    }

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        requantize(accumulator, multiplier, rescale)
    }
}

/// Convolution without a pool.
#[inline(never)]
fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let lanes = taps_if_lengths_fit(operands, output).and_then(|taps| scratch.get_mut(..2 * taps.div_ceil(2)));
    if let Some(lanes) = lanes {
        unpooled::conv2d(input, operands, lanes, output);
    }
}

/// Convolution and the 2x2 maximum after it.
#[inline(never)]
fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let lanes = taps_if_lengths_fit(operands, output).and_then(|taps| scratch.get_mut(..4 * taps.div_ceil(2)));
    if let Some(lanes) = lanes {
        pooled(input, operands, lanes, output);
    }
}

/// With a pool: for each pooled position two rows at a time, their four sums, the maximum, one requantization.
#[inline(never)]
fn pooled(input: &[u8], operands: &Conv2dOperands<'_>, lanes: &mut [u32], output: &mut [u8]) {
    let Some(input) = operands.input.checked_len().and_then(|len| input.get(..len as usize)) else { return };
    let (channels, pairs) = (usize::from(operands.output.channels), lanes.len() / 4);
    let table = operands.channels.bytes();
    // LDM reads the table of channels; one that it cannot read goes block by block, as the last block does.
    let at_once = if in_words(table) { channels / ROWS_PER_BLOCK } else { 0 };
    window::each_pooled(
        operands,
        lanes,
        output,
        |y, x, lanes| gather(input, operands, y, x, lanes),
        |lanes, sums, codes| {
            let (codes, rest) = codes.split_at_mut((at_once * ROWS_PER_BLOCK).min(channels));
            let window = Pooled {
                sums: sums.map(|sum| sum.wrapping_mul(-128)),
                codes: codes.as_mut_ptr(),
                channels: table.as_ptr().cast(),
                lanes: lanes.as_ptr(),
                weights: operands.weights.as_ptr(),
                pairs,
                blocks: at_once,
                zero_point: operands.rescale.zero_point.into(),
                shift: operands.rescale.shift.into(),
                stride: 2 * ROWS_PER_BLOCK,
            };
            if at_once > 0 {
                // SAFETY: `conv2d` compared the lengths: eight codes, channels and rows of weights for each block, four
                // words of lanes for each pair; the channels are at a multiple of a word.
                unsafe { pooled_blocks(&raw const window) }
            }
            if !rest.is_empty() {
                block_by_block(operands, &window, at_once, rest);
            }
        },
    );
}

/// The blocks of a pooled position from number `first` on: a last one that is not full, or all where LDM cannot read the
/// table of channels.
///
/// Not inlined, so that what it needs is on the stack only where it is needed.
#[inline(never)]
fn block_by_block(operands: &Conv2dOperands<'_>, window: &Pooled, first: usize, codes: &mut [u8]) {
    let tables = operands.channels.bytes().chunks(8 * ROWS_PER_BLOCK).skip(first);
    let weights = parts(operands.weights, 2 * ROWS_PER_BLOCK * window.pairs).skip(first);
    for ((codes, table), weights) in codes.chunks_mut(ROWS_PER_BLOCK).zip(tables).zip(weights) {
        let mut channels = [0; 2 * ROWS_PER_BLOCK];
        for (word, &bytes) in channels.iter_mut().zip(table.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(bytes);
        }
        let mut block = [0; ROWS_PER_BLOCK];
        let words = codes.len().div_ceil(2);
        let window = Pooled {
            codes: block.as_mut_ptr(),
            channels: channels.as_ptr(),
            weights: weights.as_ptr(),
            // Counts to four in its upper two bits; begins as if the words that are missing had been there.
            blocks: 1 | words.wrapping_neg() << 30,
            stride: 4 * words,
            ..*window
        };
        // SAFETY: `conv2d` compared the lengths, as in `pooled`; codes and channels are in arrays that suffice for any
        // block.
        unsafe { pooled_blocks(&raw const window) }
        codes.iter_mut().zip(block).for_each(|(code, computed)| *code = computed);
    }
}
