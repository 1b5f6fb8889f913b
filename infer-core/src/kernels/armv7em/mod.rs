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

use core::arch::asm;

use conv2d::{Pooled, Single, pooled_blocks, single_blocks};
use cpu::{PAIRS_PER_FOLD, cpu, in_words};
use dense::single_block;
use gather::gather;

use super::contract::Kernels;
use super::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale,
};
use super::shared::sparse::{self, Entry, List, Rows, Sparse, begin, pairs, requantize_block};
use super::shared::{parts, patch, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Armv7em;

impl Kernels for Armv7em {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d(input, operands, output);
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        average_pool::average_pool2d(input, operands, output);
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
    const END: Entry = pairs::END;
    const FILLER: Entry = pairs::FILLER;

    #[inline]
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
        pairs::fill(entries, inputs, seen)
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

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    let pairs = taps.div_ceil(2);
    if operands.pool {
        if let Some(lanes) = scratch.get_mut(..4 * pairs) {
            pooled(input, operands, lanes, output);
        }
    } else if let Some(lanes) = scratch.get_mut(..pairs) {
        single(input, operands, taps, lanes, output);
    }
}

/// Without a pool: for each position eight rows at a time.
#[inline(never)]
fn single(input: &[u8], operands: &Conv2dOperands<'_>, taps: usize, lanes: &mut [u32], output: &mut [u8]) {
    let width = usize::from(operands.output.width).max(1);
    let (channels, pairs) = (usize::from(operands.output.channels).max(1), lanes.len());
    // LDRD reads the weights of full blocks; those that it cannot read go block by block, as the last block does.
    let at_once = if in_words(operands.weights) { channels / ROWS_PER_BLOCK } else { 0 };
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        let patch: &mut [u16] = bytemuck::cast_slice_mut(lanes);
        if let [.., last] = patch {
            *last = 0;
        }
        patch::gather(input, operands, position / width, position % width, patch.get_mut(..taps).unwrap_or_default());
        let total = sum(lanes);
        let (codes, rest) = codes.split_at_mut((at_once * ROWS_PER_BLOCK).min(channels));
        if at_once > 0 {
            let mut position = Single {
                lanes: lanes.as_ptr(),
                end: lanes.as_ptr_range().end,
                weights: operands.weights.as_ptr(),
                channels: operands.channels.bytes().as_ptr(),
                codes: codes.as_mut_ptr(),
                blocks: at_once,
                start: total.wrapping_mul(128).wrapping_neg(),
                shift: operands.rescale.shift.into(),
                zero_point: operands.rescale.zero_point.into(),
            };
            // SAFETY: `conv2d` compared the lengths: eight codes, channels and rows of weights for each block.
            unsafe { single_blocks(&raw mut position) }
        }
        if !rest.is_empty() {
            let weights = parts(operands.weights, 2 * ROWS_PER_BLOCK * pairs).skip(at_once);
            let tables = operands.channels.bytes().chunks(8 * ROWS_PER_BLOCK).skip(at_once);
            for ((codes, weights), table) in rest.chunks_mut(ROWS_PER_BLOCK).zip(weights).zip(tables) {
                single_block_by_folds(lanes, total, weights, table, operands.rescale, codes);
            }
        }
    }
}

/// The sum of the codes in lanes of 16 bits.
fn sum(lanes: &[u32]) -> u32 {
    // Two sums in one; 256 codes do not fill 16 bits.
    let folds = lanes.chunks(256).map(|lanes| lanes.iter().fold(0u32, |sums, &pair| sums.wrapping_add(pair)));
    folds.fold(0, |total: u32, sums| total.wrapping_add(sums & 0xFFFF).wrapping_add(sums >> 16))
}

/// A block that is not full, or is not at a multiple of a word.
#[inline(never)]
fn single_block_by_folds(lanes: &[u32], total: u32, weights: &[u8], table: &[u8], rescale: Rescale, codes: &mut [u8]) {
    let words = codes.len().div_ceil(2);
    let mut sums = [0; ROWS_PER_BLOCK];
    let sums = sums.get_mut(..2 * words).unwrap_or_default();
    begin(sums, table, 8);
    for (weights, lanes) in parts(weights, 4 * words * PAIRS_PER_FOLD).zip(lanes.chunks(PAIRS_PER_FOLD)) {
        let (x, weights, sums) = (lanes.as_ptr(), weights.as_ptr(), sums.as_mut_ptr());
        // SAFETY: the lengths were compared, so each pair of lanes has its words of weights; there are two sums for each of
        // those words.
        unsafe {
            match words {
                1 => single_block::<1>(x, weights, sums, lanes.len()),
                2 => single_block::<2>(x, weights, sums, lanes.len()),
                3 => single_block::<3>(x, weights, sums, lanes.len()),
                _ => single_block::<4>(x, weights, sums, lanes.len()),
            }
        }
    }
    requantize_block::<Armv7em>(sums, total, table, rescale, codes);
}

/// With a pool: for each pooled position two rows at a time, their four sums, the maximum, one requantization.
#[inline(never)]
fn pooled(input: &[u8], operands: &Conv2dOperands<'_>, lanes: &mut [u32], output: &mut [u8]) {
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
                unsafe { pooled_blocks::<8>(&raw const window) }
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
        unsafe {
            if words == ROWS_PER_BLOCK / 2 {
                pooled_blocks::<8>(&raw const window);
            } else {
                pooled_blocks::<1>(&raw const window);
            }
        }
        codes.iter_mut().zip(block).for_each(|(code, computed)| *code = computed);
    }
}

/// As in `portable`: a shift, SMMULR and USAT.
fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let code: u32;
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            cpu!(),
            "smmulr {code}, {shifted}, {multiplier}",
            "add {code}, {code}, {zero_point}",
            "usat {code}, #8, {code}",
            code = out(reg) code,
            shifted = in(reg) shifted,
            multiplier = in(reg) multiplier,
            zero_point = in(reg) u32::from(rescale.zero_point),
            options(pure, nomem, nostack),
        );
    }
    code as u8
}
