//! What differs between cores that multiply one by one.

use super::columns::{Codes, Window};
use super::records::Finish;
use super::taps::{Append, Taps};
use super::{depthwise, pooled};
use crate::kernels::operands::{Conv2dOperands, DepthwiseConv2dOperands, Rescale};
use crate::kernels::portable;
use crate::kernels::shared::sparse::{Entry, List, singles};
use crate::packing::ROWS_PER_BLOCK;

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

    /// Convolution with weights in the layout [`Winograd`](crate::format::Layout::Winograd).
    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        portable::conv2d_winograd(input, operands, scratch, output);
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
