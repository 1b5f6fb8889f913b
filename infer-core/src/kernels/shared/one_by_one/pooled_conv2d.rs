//! A convolution before a 2x2 max-pool: two rows of weights meet the codes at the four positions of a window.

use super::columns::{self, Codes, Window};
use super::loops::Loops;
use super::pooled::Rows;
use super::records::{Finish, words};
use crate::kernels::operands::{Conv2dOperands, Rescale};
use crate::kernels::shared::window;
use crate::packing::ROWS_PER_BLOCK;

/// For each pooled position two rows at a time, their four sums, the maximum, one requantization.
#[inline(never)]
pub fn conv2d<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, codes: &mut [Codes], output: &mut [u8]) {
    window::each_pooled(
        operands,
        codes,
        output,
        |y, x, codes| gather::<L>(input, operands, y, x, codes),
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
fn gather<L: Loops>(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, codes: &mut [Codes]) -> [i32; 4] {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let (kernel, channels) = (operands.pooled_kernel(), usize::from(operands.input.channels));
    let (above, left) = (usize::from(operands.pad_above), usize::from(operands.window.left()));
    // Rows of the window that are inside of the input.
    let end = (height + above).saturating_sub(y).min(kernel + 1);
    let start = above.saturating_sub(y).min(end);
    let is_inside = end - start > kernel && x >= left && x + kernel < width + left;
    if !is_inside {
        codes.fill([operands.pad_code.into(); 4]);
    }
    let row_len = width * channels;
    let mut sums = [0; 4];
    for right in 0..2 {
        // Taps that hang over on the left, and the first column that is hit.
        let overhang = left.saturating_sub(x + right).min(kernel);
        let column = (x + right).saturating_sub(left);
        let hit = (kernel - overhang).min(width.saturating_sub(column));
        let first = (y + start).saturating_sub(above) * row_len + column * channels;
        let rows = Rows {
            codes: input.get(first..).unwrap_or_default(),
            row_len,
            hit: hit * channels,
            start,
            end,
            kernel,
            overhang: overhang * channels,
            taps_in_a_row: kernel * channels,
            right,
        };
        let [mut upper, mut lower] = L::put(&rows, codes);
        if !is_inside && operands.pad_code != 0 {
            let pads = |rows: usize| (codes.len() - rows * hit * channels) as i32 * i32::from(operands.pad_code);
            upper += pads(end.min(kernel) - start.min(kernel));
            lower += pads(end.max(1) - start.max(1));
        }
        for (sum, added) in sums.iter_mut().skip(right).step_by(2).zip([upper, lower]) {
            *sum = added;
        }
    }
    sums
}

/// The codes of all channels at a pooled position.
#[inline(always)]
fn position_codes<L: Loops>(window: &Window<'_>, operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let (blocks, last) = output.as_chunks_mut::<ROWS_PER_BLOCK>();
    let full = blocks.len();
    block_codes::<L>(window, operands, blocks);
    if !last.is_empty() {
        let block_len = ROWS_PER_BLOCK * window.codes.len().next_multiple_of(2);
        let block = operands.weights.get(full * block_len..).unwrap_or_default();
        let (_, table) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
        last_codes::<L>(window, block, table, operands.rescale, last);
    }
}

/// The codes of full blocks.
// Not inlined: the copy of records would be on the stack with the last block's loops.
#[inline(never)]
fn block_codes<L: Loops>(window: &Window<'_>, operands: &Conv2dOperands<'_>, blocks: &mut [[u8; ROWS_PER_BLOCK]]) {
    let block_len = ROWS_PER_BLOCK * window.codes.len().next_multiple_of(2);
    let mut unread = operands.weights;
    let tables = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>().0;
    let mut copy = [[0; 2]; ROWS_PER_BLOCK];
    for (codes, records) in blocks.iter_mut().zip(tables) {
        let Some((weights, rest)) = unread.split_at_checked(block_len) else { return };
        unread = rest;
        // What takes out the 128 of even rows' weights differs from position to position.
        let finish = Finish { records: words(records, &mut copy), start: 0, rescale: operands.rescale };
        L::pooled_block_codes(window, weights, &finish, codes);
    }
}

/// The codes of a block that is not full.
#[inline(never)]
fn last_codes<L: Loops>(window: &Window<'_>, block: &[u8], table: &[[u8; 8]], rescale: Rescale, output: &mut [u8]) {
    let stride = 4 * output.len().div_ceil(2);
    for (word, (codes, records)) in output.chunks_mut(2).zip(table.chunks(2)).enumerate() {
        let maxima = columns::maxima(window, block.get(4 * word..).unwrap_or_default(), stride);
        for ((code, maximum), &[b0, b1, b2, b3, m0, m1, m2, m3]) in codes.iter_mut().zip(maxima).zip(records) {
            let sum = maximum.wrapping_add(i32::from_le_bytes([b0, b1, b2, b3]));
            *code = L::requantize(sum, i32::from_le_bytes([m0, m1, m2, m3]), rescale);
        }
    }
}
