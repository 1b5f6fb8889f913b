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
    let (slots, taps_len) = (codes.as_flattened_mut(), 4 * kernel * channels);
    let mut sums = [0; 4];
    for right in 0..2 {
        // Taps that hang over on the left, and the first column that is hit.
        let overhang = left.saturating_sub(x + right).min(kernel);
        let column = (x + right).saturating_sub(left);
        let hit = (kernel - overhang).min(width.saturating_sub(column));
        let row_len = width * channels;
        let first = (y + start).saturating_sub(above) * row_len + column * channels;
        let mut run = Run { codes: input.get(first..).unwrap_or_default(), row_len, hit: hit * channels, rows: 1 };
        // A row is at the upper positions of the same row of taps and at the lower ones of the row before.
        let upper = start * taps_len + 4 * overhang * channels + right;
        let lower = upper.wrapping_sub(taps_len).wrapping_add(2);
        let [mut upper_sum, mut lower_sum] = [0; 2];
        let (mut row, mut upper, mut lower) = (start, upper, lower);
        while row < end {
            // The first row is at upper positions only, the last one at lower positions only.
            run.rows = if row == 0 || row == kernel { 1 } else { end.min(kernel) - row };
            let places = [if row == kernel { lower } else { upper }, if row == 0 { upper } else { lower }];
            let sum = L::put(&run, slots, places, taps_len);
            upper_sum += if row == kernel { 0 } else { sum };
            lower_sum += if row == 0 { 0 } else { sum };
            row += run.rows;
            run.codes = run.codes.get(run.rows * row_len..).unwrap_or_default();
            upper = upper.wrapping_add(run.rows * taps_len);
            lower = lower.wrapping_add(run.rows * taps_len);
        }
        if !is_inside && operands.pad_code != 0 {
            let taps = kernel * kernel * channels;
            let pads = |rows: usize| (taps - rows * hit * channels) as i32 * i32::from(operands.pad_code);
            upper_sum += pads(end.min(kernel) - start.min(kernel));
            lower_sum += pads(end.max(1) - start.max(1));
        }
        for (sum, added) in sums.iter_mut().skip(right).step_by(2).zip([upper_sum, lower_sum]) {
            *sum = added;
        }
    }
    sums
}

/// Codes of the input, as many in each of some rows.
pub struct Run<'i> {
    /// From the first one on.
    pub codes: &'i [u8],
    /// From a row to the next one.
    pub row_len: usize,
    /// Codes in a row.
    pub hit: usize,
    /// How many rows, one at least.
    pub rows: usize,
}

impl Run<'_> {
    /// Whether all codes are there, and all slots from two places on.
    pub fn fits(&self, slots: &[u16], places: [usize; 2], taps_len: usize) -> bool {
        let rows = self.rows.wrapping_sub(1);
        let slots_needed = rows * taps_len + 4 * self.hit;
        // The last code's slot is at the place of its tap, and no more is needed of the tap.
        self.hit > 0
            && self.rows > 0
            && rows * self.row_len + self.hit <= self.codes.len()
            && places.iter().all(|&place| place < slots.len() && slots_needed <= slots.len() - place + place % 4)
    }
}

/// Puts codes into every fourth slot from two places on, and those of the next row `taps_len` slots after, in plain Rust;
/// returns their sum.
#[inline(never)]
pub fn put(run: &Run<'_>, slots: &mut [u16], places: [usize; 2], taps_len: usize) -> i32 {
    let mut sum = 0;
    let mut codes = run.codes;
    for row in 0..run.rows {
        let hit = codes.get(..run.hit).unwrap_or_default();
        codes = codes.get(run.row_len..).unwrap_or_default();
        let [upper, lower] = places.map(|place| place.wrapping_add(row * taps_len));
        for (slots, &code) in slots.get_mut(upper..).unwrap_or_default().chunks_mut(4).zip(hit) {
            slots[0] = code.into();
            sum += i32::from(code);
        }
        for (slots, &code) in slots.get_mut(lower..).unwrap_or_default().chunks_mut(4).zip(hit) {
            slots[0] = code.into();
        }
    }
    sum
}

/// The codes of all channels at a pooled position.
#[inline(never)]
fn position_codes<L: Loops>(window: &Window<'_>, operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let block_len = ROWS_PER_BLOCK * window.codes.len().next_multiple_of(2);
    let mut unread = operands.weights;
    let (blocks, last) = output.as_chunks_mut::<ROWS_PER_BLOCK>();
    let (tables, last_table) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
    let mut copy = [[0; 2]; ROWS_PER_BLOCK];
    for (codes, records) in blocks.iter_mut().zip(tables) {
        let Some((weights, rest)) = unread.split_at_checked(block_len) else { return };
        unread = rest;
        // What takes out the 128 of even rows' weights differs from position to position.
        let finish = Finish { records: words(records, &mut copy), start: 0, rescale: operands.rescale };
        L::pooled_block_codes(window, weights, &finish, codes);
    }
    if !last.is_empty() {
        last_codes::<L>(window, unread, last_table, operands.rescale, last);
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
