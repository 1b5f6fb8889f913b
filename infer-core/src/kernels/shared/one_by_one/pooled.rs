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
        |y, x, codes| gather(input, operands, y, x, codes),
        |codes, sums, output| {
            let starts = sums.map(|sum| sum.wrapping_mul(-128));
            position_codes::<L>(&Window { codes, starts }, operands, output);
        },
    );
}

/// Fills `codes` with the window at row `y` and column `x` of the output, not pooled yet. Returns the sums of the four
/// positions; they are all zero where, and only where, all codes are.
///
/// A row of the input is at the upper positions of one row of taps and at the lower ones of the row before.
// Neither this nor what follows is inlined: their frames would be on the stack together.
#[inline(never)]
fn gather(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, codes: &mut [Codes]) -> [i32; 4] {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let (kernel, channels) = (operands.pooled_kernel(), usize::from(operands.input.channels));
    let left = usize::from(operands.window.left());
    let mut sums = [0; 4];
    let mut row = y.wrapping_sub(operands.pad_above.into());
    let (mut before, mut unfilled): (&mut [Codes], _) = (&mut [], codes);
    for _ in 0..=kernel {
        let (taps, rest) = unfilled.split_at_mut((kernel * channels).min(unfilled.len()));
        for right in 0..2 {
            // Taps that hang over on the left, and the first column that is hit.
            let overhang = left.saturating_sub(x + right).min(kernel);
            let column = (x + right).saturating_sub(left);
            let hit = if row < height { (kernel - overhang).min(width.saturating_sub(column)) } else { 0 };
            let start = (row * width + column) * channels;
            let codes = if hit > 0 { input.get(start..start + hit * channels) } else { None };
            let run = Run { codes: codes.unwrap_or_default(), first: overhang * channels, pad_code: operands.pad_code };
            for (sum, added) in sums.iter_mut().skip(right).step_by(2).zip(run.put([&mut *taps, &mut *before], right)) {
                *sum += added;
            }
        }
        (before, unfilled) = (taps, rest);
        row = row.wrapping_add(1);
    }
    sums
}

/// What a row of taps meets at a position: codes, and padding before and after them.
struct Run<'i> {
    codes: &'i [u8],
    /// Where the codes begin.
    first: usize,
    pad_code: u8,
}

impl Run<'_> {
    /// Puts it at the upper position of a row of taps and at the lower one of the row before, where there are such rows;
    /// `right` is 1 for the positions on the right. Returns the sums.
    #[inline(never)]
    fn put(&self, [taps, before]: [&mut [Codes]; 2], right: usize) -> [i32; 2] {
        let len = taps.len().max(before.len());
        if self.codes.len() < len {
            for (taps, position) in [(&mut *taps, right), (&mut *before, 2 + right)] {
                taps.iter_mut().for_each(|codes| codes[position & 3] = self.pad_code.into());
            }
        }
        let pads = (len - self.codes.len()) as i32 * i32::from(self.pad_code);
        let (is_first, is_last) = (before.is_empty(), taps.is_empty());
        let upper = taps.get_mut(self.first..).unwrap_or_default();
        let lower = before.get_mut(self.first..).unwrap_or_default();
        if is_first {
            [pads + put(self.codes, upper, right), 0]
        } else if is_last {
            [0, pads + put(self.codes, lower, 2 + right)]
        } else {
            [pads + put_twice(self.codes, upper, lower, right); 2]
        }
    }
}

/// Puts codes at a position of taps; returns their sum.
fn put(codes: &[u8], taps: &mut [Codes], position: usize) -> i32 {
    let Some(taps) = taps.get_mut(..codes.len()) else { return 0 };
    let position = position & 3;
    let mut sum = 0;
    let mut put = |tap: &mut Codes, code: u8| {
        tap[position] = code.into();
        sum += i32::from(code);
    };
    let ((fours, rest), (codes, last)) = (taps.as_chunks_mut::<4>(), codes.as_chunks::<4>());
    fours
        .iter_mut()
        .zip(codes)
        .for_each(|(taps, codes)| taps.iter_mut().zip(codes).for_each(|(tap, &code)| put(tap, code)));
    rest.iter_mut().zip(last).for_each(|(tap, &code)| put(tap, code));
    sum
}

/// Puts codes at an upper position of taps and at the lower one of others; returns their sum.
fn put_twice(codes: &[u8], taps: &mut [Codes], before: &mut [Codes], right: usize) -> i32 {
    let (Some(taps), Some(before)) = (taps.get_mut(..codes.len()), before.get_mut(..codes.len())) else { return 0 };
    let right = right & 1;
    let mut sum = 0;
    let mut put = |tap: &mut Codes, before: &mut Codes, code: u8| {
        tap[right] = code.into();
        before[2 + right] = code.into();
        sum += i32::from(code);
    };
    let ((codes, last), (taps, last_taps)) = (codes.as_chunks::<4>(), taps.as_chunks_mut::<4>());
    let (before, last_before) = before.as_chunks_mut::<4>();
    for ((codes, taps), before) in codes.iter().zip(taps).zip(before) {
        codes.iter().zip(taps).zip(before).for_each(|((&code, tap), before)| put(tap, before, code));
    }
    last.iter().zip(last_taps).zip(last_before).for_each(|((&code, tap), before)| put(tap, before, code));
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
