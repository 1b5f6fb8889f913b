//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): what
//! [its module](crate::packing::winograd) describes, two tiles at a time.
//!
//! The codes under both tiles are transformed once for all output channels. Then, block by block of output channels, each of the 16
//! elements is a sum of products over the input channels.

pub mod tiles;

use super::parts;
use crate::kernels::operands::{Conv2dOperands, Rescale, TILES};
use crate::packing::winograd::{CHANNELS_PER_GROUP, PRODUCTS, ROWS_PER_BLOCK, packed_len};

/// What a word of weights meets: the transformed codes of two channels, 16 bits each, for each element at both tiles.
pub type Lanes = [[u32; TILES]; PRODUCTS];

/// Of an element, for each row at both tiles.
pub type Sums = [i32; ROWS_PER_BLOCK * TILES];

/// What a core does in its own way.
pub trait Multiply {
    /// The sums of products of an element: four words of weights for each of the lanes.
    fn sums(lanes: &[Lanes], weights: &[u8], product: usize) -> Sums;

    /// An accumulator's code, as in `portable`.
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8;
}

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(always)]
pub fn conv2d<M: Multiply>(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(pairs) = pairs_if_lengths_fit(operands, output) else { return };
    let Some(lanes) = lanes(scratch, pairs) else { return };
    let [rows, columns] = tiles(operands);
    for y in 0..rows {
        for x in (0..columns).step_by(TILES) {
            for tile in 0..TILES {
                transform(input, operands, [y, x + tile], tile, lanes);
            }
            put_out::<M>(operands, [y, x], lanes, output);
        }
    }
}

/// The part of the scratch for transformed codes.
fn lanes(scratch: &mut [u32], pairs: usize) -> Option<&mut [Lanes]> {
    let words = scratch.as_chunks_mut::<{ TILES * PRODUCTS }>().0;
    bytemuck::must_cast_slice_mut(words).get_mut(..pairs)
}

/// Words of each row of weights for an element, if all lengths fit each other and none is zero.
fn pairs_if_lengths_fit(operands: &Conv2dOperands<'_>, output: &[u8]) -> Option<usize> {
    let (rows, channels) = (operands.output.channels, operands.input.channels);
    let fits = packed_len(rows.into(), channels.into())? as usize == operands.weights.len()
        && operands.channels.bytes().len() == 8 * usize::from(rows)
        && output.len() == operands.output.len();
    (fits && channels > 0 && rows > 0).then_some(usize::from(channels) / 2)
}

/// Rows and columns of tiles.
fn tiles(operands: &Conv2dOperands<'_>) -> [usize; 2] {
    let outputs_of_a_tile = if operands.pool { 1 } else { 2 };
    [operands.output.height, operands.output.width].map(|side| usize::from(side).div_ceil(outputs_of_a_tile))
}

/// The codes of all channels at two tiles, of which the second one may be outside.
#[inline(always)]
fn put_out<M: Multiply>(operands: &Conv2dOperands<'_>, [y, x]: [usize; 2], lanes: &[Lanes], output: &mut [u8]) {
    let [height, width, channels] =
        [operands.output.height, operands.output.width, operands.output.channels].map(usize::from);
    let mut table = operands.channels.iter();
    let block_len = PRODUCTS * 4 * ROWS_PER_BLOCK * lanes.len();
    for (block, weights) in parts(operands.weights, block_len).enumerate() {
        let mut outputs = outputs::<M>(lanes, weights);
        if operands.pool {
            let [first, rest @ ..] = &mut outputs;
            for others in rest {
                first.iter_mut().zip(others).for_each(|(most, &mut other)| *most = other.max(*most));
            }
        }
        for row in 0..ROWS_PER_BLOCK {
            let Some((bias, multiplier)) = table.next() else { break };
            let channel = block * ROWS_PER_BLOCK + row;
            for (position, sums) in outputs.iter().enumerate().take(if operands.pool { 1 } else { 4 }) {
                for (tile, &sum) in sums.iter().skip(TILES * row).take(TILES).enumerate() {
                    let (y, x) = if operands.pool {
                        (y, x + tile)
                    } else {
                        (2 * y + position / 2, 2 * (x + tile) + position % 2)
                    };
                    let is_there = y < height && x < width;
                    if let Some(code) = output.get_mut((y * width + x) * channels + channel).filter(|_| is_there) {
                        *code = M::requantize((sum >> 2).wrapping_add(bias), multiplier, operands.rescale);
                    }
                }
            }
        }
    }
}

/// Four times the sum of each output of the tiles, without its bias: upper left, upper right, lower left, lower right.
fn outputs<M: Multiply>(lanes: &[Lanes], weights: &[u8]) -> [Sums; 4] {
    // Of A^T, the columns: how an element counts in an upper and in a lower row, to the left and to the right.
    const SHARES: [[i32; 2]; 4] = [[1, 1], [1, -1], [1, 0], [0, 1]];
    let mut outputs = [Sums::default(); 4];
    let mut elements = parts(weights, 4 * ROWS_PER_BLOCK * lanes.len()).enumerate();
    for [left, right] in SHARES {
        for [upper, lower] in SHARES {
            let Some((product, weights)) = elements.next() else { return outputs };
            let sums = M::sums(lanes, weights, product);
            for (outputs, share) in outputs.iter_mut().zip([upper * left, upper * right, lower * left, lower * right]) {
                let shares = sums.map(|sum| sum.wrapping_mul(share));
                outputs.iter_mut().zip(shares).for_each(|(output, share)| *output = output.wrapping_add(share));
            }
        }
    }
    outputs
}

/// Transforms the codes under a tile, two channels in a number: `first + 65,536 * second` is linear too. One that is further to
/// the right than the last gets lanes too.
#[inline(never)]
fn transform(input: &[u8], operands: &Conv2dOperands<'_>, [y, x]: [usize; 2], tile: usize, lanes: &mut [Lanes]) {
    let mut pixels = [[None; 4]; 4];
    for (column, pixels) in pixels.iter_mut().enumerate() {
        for (row, pixel) in pixels.iter_mut().enumerate() {
            *pixel = place(operands, 2 * y + row, 2 * x + column);
        }
    }
    for (word, lanes) in lanes.iter_mut().enumerate() {
        let first = word / 2 * CHANNELS_PER_GROUP + word % 2;
        let mut columns = [[0; 4]; 4];
        for (column, pixels) in columns.iter_mut().zip(&pixels) {
            for (codes, &pixel) in column.iter_mut().zip(pixels) {
                let code = |channel: usize| {
                    let code = pixel.and_then(|pixel| input.get(pixel + channel));
                    u32::from(*code.unwrap_or(&operands.pad_code))
                };
                *codes = code(first) | code(first + 2) << 16;
            }
            by_b(column);
        }
        for row in 0..4 {
            let mut elements = columns.map(|column| *column.get(row).unwrap_or(&0));
            by_b(&mut elements);
            for (lanes, element) in lanes.iter_mut().skip(row).step_by(4).zip(elements) {
                if let Some(lane) = lanes.get_mut(tile) {
                    // A negative first one has borrowed from the second one.
                    *lane = element.wrapping_add(element << 1 & 0x1_0000);
                }
            }
        }
    }
}

/// Where the channels at a row and a column of the padded input are; `None` outside of the input.
fn place(operands: &Conv2dOperands<'_>, row: usize, column: usize) -> Option<usize> {
    let [height, width, channels] =
        [operands.input.height, operands.input.width, operands.input.channels].map(usize::from);
    let row = row.checked_sub(operands.pad_above.into()).filter(|&row| row < height)?;
    let column = column.checked_sub(operands.window.left().into()).filter(|&column| column < width)?;
    Some((row * width + column) * channels)
}

/// `B^T` times a column.
#[inline(never)]
fn by_b(column: &mut [u32; 4]) {
    let [a, b, c, d] = *column;
    *column = [b.wrapping_add(c), c.wrapping_sub(b), a.wrapping_sub(c), d.wrapping_sub(b)];
}
