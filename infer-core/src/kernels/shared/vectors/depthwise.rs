//! Depthwise convolution of 3x3, some channels at a time, in loops that the compiler makes vectors of.
//!
//! A lane is a channel: the weights of `LANES` channels are brought together once, and then meet the codes of position after
//! position. Fewer channels than lanes, where they divide them, fill the lanes with those of the next columns.

use super::lanes::requantize_lanes;
use super::positions::{Band, Bands, Source};
use crate::kernels::operands::DepthwiseConv2dOperands;

/// Taps of a kernel of 3x3.
const TAPS: usize = 9;

/// Columns in the lanes; `None` of kernels that are not 3x3, and of channels that do not fill the lanes: those are not computed here.
fn columns<const LANES: usize>(operands: &DepthwiseConv2dOperands<'_>) -> Option<usize> {
    let &DepthwiseConv2dOperands { input: shape, output, window, .. } = operands;
    let channels = usize::from(shape.channels);
    let columns = if channels >= LANES { 1 } else { LANES.checked_div(channels)? };
    let [_, along] = window.stride;
    let is_full =
        channels >= LANES || (along == 1 && columns * channels == LANES && usize::from(output.width) >= columns);
    (window.size == [3, 3]
        && operands.multiplier == 1
        && output.channels == shape.channels
        && is_full
        && operands.weights.len() == TAPS * channels
        && operands.channels.bytes().len() == 8 * channels)
        .then_some(columns)
}

/// Whether it is computed, and in what room.
pub fn needed<const LANES: usize>(operands: &DepthwiseConv2dOperands<'_>) -> Option<usize> {
    columns::<LANES>(operands).map(|_| room(operands))
}

/// Room for a band.
pub fn room(operands: &DepthwiseConv2dOperands<'_>) -> usize {
    let size = [operands.output.height, operands.output.width].map(usize::from);
    Bands::room(&source_of(&[], operands), size, 1).unwrap_or(usize::MAX)
}

/// The bands of a depthwise convolution.
pub fn bands<'i>(input: &'i [u8], operands: &DepthwiseConv2dOperands<'_>, room: usize) -> Option<Bands<'i>> {
    let size = [operands.output.height, operands.output.width].map(usize::from);
    Bands::new(source_of(input, operands), size, 1, room)
}

fn source_of<'i>(input: &'i [u8], operands: &DepthwiseConv2dOperands<'_>) -> Source<'i> {
    let &DepthwiseConv2dOperands { window, pad_above, pad_code, .. } = operands;
    Source { input, shape: operands.input, window, pad_above, pad_code }
}

/// Convolution of each channel by itself, with the room that is [needed].
#[inline(always)]
pub fn depthwise_conv2d<const LANES: usize>(
    input: &[u8],
    operands: &DepthwiseConv2dOperands<'_>,
    room: &mut [u8],
    output: &mut [u8],
) {
    let Some(columns) = columns::<LANES>(operands) else { return };
    let [down, along] = operands.window.stride.map(usize::from);
    let (channels, width) = (usize::from(operands.input.channels), usize::from(operands.output.width));
    let row_len = width * channels;
    if output.len() != operands.output.len() {
        return;
    }
    let Some(mut bands) = bands(input, operands, room.len()) else { return };
    while let Some(Band { codes, row_len: band_row_len, rows }) = bands.next(room) {
        let Some(output) = output.get_mut(rows.start * row_len..rows.end * row_len) else { return };
        let mut channel = 0;
        while channel < channels {
            // The last lanes end with the channels: some are computed twice.
            let first = channel.min(channels.saturating_sub(LANES));
            let lanes = Lanes::<LANES>::new(operands, first, channels);
            for (row, output) in output.chunks_exact_mut(row_len.max(1)).enumerate() {
                let from = row * down * band_row_len + first;
                let mut column = 0;
                while column < width {
                    let here = column.min(width - columns);
                    let from = from + here * along * channels;
                    let Some(found) = lanes.codes(codes, [from, band_row_len, channels], operands) else { return };
                    let output = output.get_mut(here * channels + first..);
                    if let Some(output) = output.and_then(|output| output.first_chunk_mut()) {
                        *output = found;
                    }
                    column += columns;
                }
            }
            channel += LANES;
        }
    }
}

/// What is the same for all positions.
struct Lanes<const LANES: usize> {
    weights: [[i32; LANES]; TAPS],
    biases: [i32; LANES],
    multipliers: [i32; LANES],
}

impl<const LANES: usize> Lanes<LANES> {
    #[inline(always)]
    fn new(operands: &DepthwiseConv2dOperands<'_>, first: usize, channels: usize) -> Self {
        let mut lanes = Self { weights: [[0; LANES]; TAPS], biases: [0; LANES], multipliers: [0; LANES] };
        let weights = operands.weights.as_chunks::<TAPS>().0;
        let records = operands.channels.bytes().as_chunks::<8>().0;
        for lane in 0..LANES {
            let channel = first + if channels < LANES { lane % channels.max(1) } else { lane };
            let (Some(weights), Some(&[b0, b1, b2, b3, m0, m1, m2, m3])) = (weights.get(channel), records.get(channel))
            else {
                continue;
            };
            for (lanes, &weight) in lanes.weights.iter_mut().zip(weights) {
                if let Some(lane) = lanes.get_mut(lane) {
                    *lane = weight.cast_signed().into();
                }
            }
            if let (Some(bias), Some(multiplier)) = (lanes.biases.get_mut(lane), lanes.multipliers.get_mut(lane)) {
                *bias = i32::from_le_bytes([b0, b1, b2, b3]);
                *multiplier = i32::from_le_bytes([m0, m1, m2, m3]);
            }
        }
        lanes
    }

    /// The codes of the lanes, given where the first code is, and the codes of a row and of a column.
    #[inline(always)]
    fn codes(
        &self,
        codes: &[u8],
        [from, row_len, channels]: [usize; 3],
        operands: &DepthwiseConv2dOperands<'_>,
    ) -> Option<[u8; LANES]> {
        let mut sums = self.biases;
        for (row, weights) in self.weights.as_chunks::<3>().0.iter().enumerate() {
            for (column, weights) in weights.iter().enumerate() {
                let codes = codes.get(from + row * row_len + column * channels..)?.first_chunk::<LANES>()?;
                for ((sum, &code), &weight) in sums.iter_mut().zip(codes).zip(weights) {
                    *sum = sum.wrapping_add(i32::from(code) * weight);
                }
            }
        }
        Some(requantize_lanes(sums, &self.multipliers, operands.rescale))
    }
}
