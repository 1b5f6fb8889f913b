//! A convolution before a 2x2 max-pool: two rows of weights meet the codes at the four positions of a window.

use super::columns::{self, Codes, Window};
use super::{Finish, Loops, words};
use crate::kernels::operands::{Conv2dOperands, Rescale};
use crate::kernels::shared::sparse::STRIDE;
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

/// Rows of the input under a window, for its positions on the left or on the right.
pub struct Rows<'i> {
    /// Codes from the first one that is hit on.
    pub codes: &'i [u8],
    /// From a row of the input to the next one.
    pub row_len: usize,
    /// Codes of a row that are hit.
    pub hit: usize,
    /// The first row of the window, which has one more than the kernel, that is inside of the input.
    pub start: usize,
    /// Where these rows end.
    pub end: usize,
    /// Rows of the kernel.
    pub kernel: usize,
    /// Taps of a row before those that are hit.
    pub overhang: usize,
    /// Taps of a row.
    pub taps_in_a_row: usize,
    /// 0 for the positions on the left, 1 for those on the right.
    pub right: usize,
}

impl Rows<'_> {
    /// Whether there is a row, whether all of their codes are there, and all taps.
    pub fn fit(&self, taps: &[Codes]) -> bool {
        self.hit > 0
            && self.start < self.end
            && self.end <= self.kernel + 1
            && self.overhang + self.hit <= self.taps_in_a_row
            && self.kernel * self.taps_in_a_row <= taps.len()
            && (self.end - self.start - 1) * self.row_len + self.hit <= self.codes.len()
    }
}

/// Puts rows of the input at the upper positions of the same rows of taps and at the lower ones of the rows before, in plain
/// Rust; returns the sums of both.
#[inline(never)]
pub fn put(rows: &Rows<'_>, taps: &mut [Codes]) -> [i32; 2] {
    let mut sums = [0; 2];
    let mut unread = rows.codes;
    for row in rows.start..rows.end {
        let codes = unread.get(..rows.hit).unwrap_or_default();
        unread = unread.get(rows.row_len..).unwrap_or_default();
        for (lower, sum) in sums.iter_mut().enumerate() {
            let Some(row) = row.checked_sub(lower).filter(|&row| row < rows.kernel) else { continue };
            let tap = row * rows.taps_in_a_row + rows.overhang;
            let slots = taps.as_flattened_mut().get_mut(4 * tap + 2 * lower + rows.right..).unwrap_or_default();
            for (slot, &code) in slots.iter_mut().step_by(4).zip(codes) {
                *slot = code.into();
                *sum += i32::from(code);
            }
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

/// Adds to the sums of a full block the largest of the four sums of each row, in plain Rust.
pub fn sums(window: &Window<'_>, weights: &[u8], mut sums: [u32; ROWS_PER_BLOCK]) -> [u32; ROWS_PER_BLOCK] {
    let (even, odd) = sums.split_at_mut(ROWS_PER_BLOCK / 2);
    for (word, sums) in even.iter_mut().zip(odd).enumerate() {
        let maxima = columns::maxima(window, weights.get(4 * word..).unwrap_or_default(), STRIDE);
        for (sum, maximum) in <[_; 2]>::from(sums).into_iter().zip(maxima) {
            *sum = sum.wrapping_add(maximum.cast_unsigned());
        }
    }
    sums
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
