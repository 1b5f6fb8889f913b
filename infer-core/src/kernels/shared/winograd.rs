//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): what
//! [its module](crate::packing::winograd) describes, two tiles at a time.
//!
//! The codes under both tiles are transformed once for all output channels. Then, block by block of output channels, each of the 16
//! elements is a sum of products over the input channels.

use super::parts;
use crate::kernels::operands::{Conv2dOperands, Rescale, TILES};
use crate::packing::winograd::{CHANNELS_PER_GROUP, PRODUCTS, ROWS_PER_BLOCK, packed_len};

/// What a word of weights meets: the transformed codes of two channels, 16 bits each, for each element at both tiles.
pub type Lanes = [[u32; TILES]; PRODUCTS];

/// Of an element, for each row at both tiles.
pub type Sums = [[i32; TILES]; ROWS_PER_BLOCK];

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
    let words = scratch.as_chunks_mut::<{ TILES * PRODUCTS }>().0;
    let Some(lanes) = bytemuck::must_cast_slice_mut::<_, Lanes>(words).get_mut(..pairs) else { return };
    let block_len = pairs * PRODUCTS * 4 * ROWS_PER_BLOCK;
    let [rows, columns] = tiles(operands);
    for (y, x) in (0..rows).flat_map(|y| (0..columns).step_by(TILES).map(move |x| (y, x))) {
        for tile in 0..TILES {
            transform(input, operands, [y, x + tile], tile, lanes);
        }
        let mut channels = operands.channels.iter();
        for (block, weights) in parts(operands.weights, block_len).enumerate() {
            let outputs = outputs::<M>(lanes, weights);
            for (row, outputs) in outputs.iter().enumerate() {
                let Some((bias, multiplier)) = channels.next() else { break };
                let channel = block * ROWS_PER_BLOCK + row;
                let mut put = |y: usize, x: usize, sum: i32| {
                    if let Some(code) = output.get_mut(place(operands, y, x, channel)) {
                        *code = M::requantize((sum >> 2).wrapping_add(bias), multiplier, operands.rescale);
                    }
                };
                for (tile, &sums) in outputs.iter().enumerate().take(columns - x) {
                    if operands.pool {
                        let [a, b, c, d] = sums;
                        put(y, x + tile, a.max(b).max(c).max(d));
                        continue;
                    }
                    for (position, sum) in sums.into_iter().enumerate() {
                        put(2 * y + position / 2, 2 * (x + tile) + position % 2, sum);
                    }
                }
            }
        }
    }
}

/// Words of each row of weights for an element, if all lengths fit each other and none is zero.
pub fn pairs_if_lengths_fit(operands: &Conv2dOperands<'_>, output: &[u8]) -> Option<usize> {
    let (rows, channels) = (operands.output.channels, operands.input.channels);
    let fits = packed_len(rows.into(), channels.into())? as usize == operands.weights.len()
        && operands.channels.bytes().len() == 8 * usize::from(rows)
        && output.len() == operands.output.len();
    (fits && channels > 0 && rows > 0).then_some(usize::from(channels).div_ceil(CHANNELS_PER_GROUP) * 2)
}

/// Rows and columns of tiles.
pub fn tiles(operands: &Conv2dOperands<'_>) -> [usize; 2] {
    let outputs_of_a_tile = if operands.pool { 1 } else { 2 };
    [operands.output.height, operands.output.width].map(|side| usize::from(side).div_ceil(outputs_of_a_tile))
}

/// Where the code of a channel is; outside of the output for a row or a column that there is not.
fn place(operands: &Conv2dOperands<'_>, y: usize, x: usize, channel: usize) -> usize {
    let width = usize::from(operands.output.width);
    if x < width { (y * width + x) * usize::from(operands.output.channels) + channel } else { usize::MAX }
}

/// Four times the sum of each output of the tiles, without its bias: four outputs for each row at each tile.
fn outputs<M: Multiply>(lanes: &[Lanes], weights: &[u8]) -> [[[i32; 4]; TILES]; ROWS_PER_BLOCK] {
    let mut outputs = [[[0i32; 4]; TILES]; ROWS_PER_BLOCK];
    for (product, weights) in parts(weights, 4 * ROWS_PER_BLOCK * lanes.len()).enumerate() {
        // Of A^T, the column for this element: how it counts in an upper and in a lower row, to the left and to the right.
        const SHARES: [[i32; 2]; 4] = [[1, 1], [1, -1], [1, 0], [0, 1]];
        let [Some(&[upper, lower]), Some(&[left, right])] = [product % 4, product / 4].map(|at| SHARES.get(at)) else {
            continue;
        };
        let shares = [upper * left, upper * right, lower * left, lower * right];
        for (outputs, sums) in outputs.iter_mut().zip(M::sums(lanes, weights, product)) {
            for (outputs, sum) in outputs.iter_mut().zip(sums) {
                for (output, share) in outputs.iter_mut().zip(shares) {
                    *output = output.wrapping_add(sum.wrapping_mul(share));
                }
            }
        }
    }
    outputs
}

/// Transforms the codes under a tile. One that is further to the right than the last gets lanes too.
#[inline(never)]
pub fn transform(input: &[u8], operands: &Conv2dOperands<'_>, [y, x]: [usize; 2], tile: usize, lanes: &mut [Lanes]) {
    let channels = usize::from(operands.input.channels);
    let pixels = [(); 4];
    let mut row = 0;
    let pixels = pixels.map(|()| {
        row += 1;
        let mut column = 0;
        [(); 4].map(|()| {
            column += 1;
            pixel(input, operands, 2 * y + row - 1, 2 * x + column - 1)
        })
    });
    for (group, lanes) in lanes.chunks_mut(2).enumerate() {
        for (odd, lanes) in lanes.iter_mut().enumerate() {
            let elements = [0, 2].map(|above| {
                let channel = CHANNELS_PER_GROUP * group + odd + above;
                // Weights are zero where there is no such channel; the lanes are zero too, as other kernels may have them.
                let outside = if channel < channels { operands.pad_code } else { 0 };
                transformed(pixels.map(|row| {
                    row.map(|pixel| i16::from(*pixel.and_then(|pixel| pixel.get(channel)).unwrap_or(&outside)))
                }))
            });
            let [first, second] = elements;
            for ((lanes, low), high) in lanes.iter_mut().zip(first).zip(second) {
                if let Some(lane) = lanes.get_mut(tile) {
                    *lane = u32::from(low.cast_unsigned()) | u32::from(high.cast_unsigned()) << 16;
                }
            }
        }
    }
}

/// The channels at a row and a column of the padded input; `None` outside of the input.
pub fn pixel<'i>(input: &'i [u8], operands: &Conv2dOperands<'_>, row: usize, column: usize) -> Option<&'i [u8]> {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let row = row.checked_sub(operands.pad_above.into()).filter(|&row| row < height)?;
    let column = column.checked_sub(operands.window.left().into()).filter(|&column| column < width)?;
    let channels = usize::from(operands.input.channels);
    let start = (row * width + column) * channels;
    input.get(start..start + channels)
}

/// `B^T d B`, column by column.
fn transformed(codes: [[i16; 4]; 4]) -> [i16; PRODUCTS] {
    /// Times `B`, from the right.
    const fn by_b([a, b, c, d]: [i16; 4]) -> [i16; 4] {
        [b + c, c - b, a - c, d - b]
    }
    let [upper, second, third, lower] = codes.map(by_b);
    let mut elements = [0; PRODUCTS];
    let columns = upper.into_iter().zip(second).zip(third).zip(lower);
    for (elements, (((a, b), c), d)) in elements.chunks_mut(4).zip(columns) {
        elements.iter_mut().zip(by_b([a, b, c, d])).for_each(|(element, value)| *element = value);
    }
    elements
}
