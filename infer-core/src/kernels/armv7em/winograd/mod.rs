//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): four output channels at two tiles.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

mod blocks;
mod codes;

use blocks::{Run, blocks_at_two_tiles};
use codes::{Codes, transform};

use super::cpu::{in_words, requantize};
use crate::kernels::operands::{Conv2dOperands, TILES};
use crate::kernels::shared::winograd::{pairs_if_lengths_fit, tiles};
use crate::packing::winograd::{PRODUCTS, ROWS_PER_BLOCK};

/// Rows and columns of the input under two tiles.
const ROWS: usize = 4;
const COLUMNS: usize = 6;

/// Outputs of a tile before a pool, and how many rows and columns it moves by.
const OUTPUTS: usize = 4;
const STEP: usize = 2;

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(pairs) = pairs_if_lengths_fit(operands, output) else { return };
    let groups = pairs / 2;
    let (Some((lanes, pad)), true) =
        (scratch.split_at_mut_checked(TILES * PRODUCTS * pairs), input.len() >= operands.input.len() && groups > 0)
    else {
        return;
    };
    let Some(pad) = pad.get_mut(..groups) else { return };
    pad.fill(u32::from(operands.pad_code).wrapping_mul(0x0101_0101));
    let mut codes = Codes::new(input, operands, pad);
    // LDRD and LDM read weights and channels.
    let at_once = in_words(operands.weights) && in_words(operands.channels.bytes());
    let [rows, columns] = tiles(operands);
    for y in 0..rows {
        codes.enter_row(STEP * y);
        for x in (0..columns).step_by(TILES) {
            let both = x + 1 < columns;
            codes.find(STEP * x, if both { COLUMNS } else { ROWS });
            // SAFETY: every pixel has four codes for each group, and there are lanes for them.
            unsafe {
                transform(codes.pixels.as_ptr(), lanes.as_mut_ptr(), groups);
                if both {
                    transform(codes.pixels.as_ptr().wrapping_add(STEP), lanes.as_mut_ptr().wrapping_add(1), groups);
                }
            }
            put_out(operands, [y, x], both, lanes, at_once, output);
        }
    }
}

/// All channels of both tiles, of which the second one may not be there.
#[inline(never)]
fn put_out(
    operands: &Conv2dOperands<'_>,
    tile: [usize; 2],
    both: bool,
    lanes: &[u32],
    at_once: bool,
    output: &mut [u8],
) {
    let (channels, pairs) = (usize::from(operands.output.channels), lanes.len() / (TILES * PRODUCTS));
    let blocks = if at_once { channels / ROWS_PER_BLOCK } else { 0 };
    if blocks > 0 {
        let mut run = Run {
            lanes: lanes.as_ptr(),
            weights: operands.weights.as_ptr(),
            channels: operands.channels.bytes().as_ptr().cast(),
            pairs,
            blocks,
            zero_point: operands.rescale.zero_point.into(),
            shift: operands.rescale.shift.into(),
            pool: operands.pool.into(),
            outputs: [core::ptr::null_mut(); TILES * OUTPUTS],
        };
        let first = place(operands, tile, 0).unwrap_or_default();
        for (number, codes) in run.outputs.iter_mut().enumerate() {
            // Outputs that there are not get the place of the first one, which is written last.
            let start = place(operands, tile, number).filter(|_| both || number % TILES == 0).unwrap_or(first);
            *codes = output.get_mut(start..).unwrap_or_default().as_mut_ptr();
        }
        // SAFETY: the lengths were compared: for each block four codes of each output, channels and rows of weights; lanes for
        // each pair, all words at multiples of four bytes.
        unsafe { blocks_at_two_tiles(&raw const run) }
    }
    for channel in blocks * ROWS_PER_BLOCK..channels {
        for number in 0..TILES {
            one_by_one(operands, tile, channel, number, lanes, output);
        }
    }
}

/// Where the codes of an output are, of both tiles: of the first output, then of the second one. `None` where there is no such output.
fn place(operands: &Conv2dOperands<'_>, [y, x]: [usize; 2], number: usize) -> Option<usize> {
    let (output, tile) = (number / TILES, number % TILES);
    let (y, x) =
        if operands.pool { (y + output, x + tile) } else { (STEP * y + output / 2, STEP * (x + tile) + output % 2) };
    let [height, width, channels] =
        [operands.output.height, operands.output.width, operands.output.channels].map(usize::from);
    // With a pool a tile has one output.
    let is_there = y < height && x < width && !(operands.pool && output > 0);
    is_there.then_some((y * width + x) * channels)
}

/// A channel of a tile: of a last block that is not full, or where words of weights or of channels are at any address.
#[inline(never)]
fn one_by_one(
    operands: &Conv2dOperands<'_>,
    tile: [usize; 2],
    channel: usize,
    number: usize,
    lanes: &[u32],
    output: &mut [u8],
) {
    /// Of A^T, the columns: how an element counts in an upper and in a lower output, and in a left and in a right one.
    static SHARES: [[i32; 2]; 4] = [[1, 1], [1, -1], [1, 0], [0, 1]];
    let pairs = lanes.len() / (TILES * PRODUCTS);
    let Some(&[b0, b1, b2, b3, m0, m1, m2, m3]) = operands.channels.bytes().as_chunks::<8>().0.get(channel) else {
        return;
    };
    let (bias, multiplier) = (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]));
    let words = operands.weights.as_chunks::<4>().0;
    let start = (channel / ROWS_PER_BLOCK * PRODUCTS * pairs) * ROWS_PER_BLOCK + channel % ROWS_PER_BLOCK;
    let mut weights = words.get(start..).unwrap_or_default().iter().step_by(ROWS_PER_BLOCK);
    let mut sums = [0i32; OUTPUTS];
    for product in 0..PRODUCTS {
        let mut sum = 0i32;
        let of_product = lanes.iter().skip(product * TILES + number).step_by(TILES * PRODUCTS);
        for (&codes, &word) in of_product.zip(&mut weights) {
            let (word, codes) = (i32::from_le_bytes(word), codes.cast_signed());
            sum = sum.wrapping_add((word >> 16).wrapping_mul(codes >> 16));
            sum = sum.wrapping_add(i32::from(word as i16).wrapping_mul(codes as i16 as i32));
        }
        let [Some(rows), Some(columns)] = [product % 4, product / 4].map(|at| SHARES.get(at)) else { return };
        for (output, total) in sums.iter_mut().enumerate() {
            if let (Some(row), Some(column)) = (rows.get(output / 2), columns.get(output % 2)) {
                *total = total.wrapping_add(sum.wrapping_mul(row * column));
            }
        }
    }
    if operands.pool {
        let [first, rest @ ..] = &mut sums;
        *first = rest.iter().fold(*first, |most, &sum| sum.max(most));
    }
    for (position, sum) in sums.into_iter().enumerate() {
        let code = place(operands, tile, TILES * position + number).and_then(|start| output.get_mut(start + channel));
        if let Some(code) = code {
            *code = requantize((sum >> 2).wrapping_add(bias), multiplier, operands.rescale);
        }
    }
}
