//! Convolutions: the codes under the filter at four positions, then eight rows at a time over them.
//!
//! The four positions are those of a pool's window, or four outputs in their order.

use super::requantize;
use super::tiles::{self, Tile};
use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::one_by_one::words;
use crate::kernels::shared::{parts, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;

/// Positions of a tile.
const POSITIONS: usize = 4;

/// What a tap meets at each position.
type Codes = [u8; POSITIONS];

/// The sum of the codes at each position.
type Totals = [u32; POSITIONS];

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    // Taps in pairs: a last one that is missing meets zeros.
    let Some(codes) = scratch.get_mut(..taps.next_multiple_of(2)) else { return };
    if let Some(last) = codes.last_mut() {
        *last = 0;
    }
    let codes = bytemuck::cast_slice_mut(codes);
    if operands.pool {
        pooled(input, operands, codes, output);
    } else {
        unpooled(input, operands, codes, output);
    }
}

#[inline(never)]
fn pooled(input: &[u8], operands: &Conv2dOperands<'_>, codes: &mut [Codes], output: &mut [u8]) {
    window::each_pooled(
        operands,
        codes,
        output,
        |y, x, codes| gather(input, operands, [[y, x], [y, x + 1], [y + 1, x], [y + 1, x + 1]], codes),
        |codes, totals, output| all_rows::<true>(codes, totals, operands, output),
    );
}

#[inline(never)]
fn unpooled(input: &[u8], operands: &Conv2dOperands<'_>, codes: &mut [Codes], output: &mut [u8]) {
    let width = usize::from(operands.output.width);
    let channels = usize::from(operands.output.channels).max(1);
    let (mut y, mut x) = (0, 0);
    for output in output.chunks_mut(POSITIONS * channels) {
        // Past the last output there is none; what is computed there goes nowhere.
        let positions = [(); POSITIONS].map(|()| {
            let position = [y, x];
            x += 1;
            if x == width {
                (y, x) = (y + 1, 0);
            }
            position
        });
        let totals = gather(input, operands, positions, codes);
        all_rows::<false>(codes, totals, operands, output);
    }
}

/// Fills `codes` with those under the filter at four positions of the output, not pooled yet. Returns their sums.
#[inline(never)]
fn gather(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    positions: [[usize; 2]; POSITIONS],
    codes: &mut [Codes],
) -> Totals {
    let mut totals = [0; POSITIONS];
    let taps = operands.taps();
    for (index, (total, [y, x])) in totals.iter_mut().zip(positions).enumerate() {
        let lane = codes.as_flattened_mut().get_mut(index..).unwrap_or_default();
        let mut lane = Lane { places: lane, untaken: taps, total: 0 };
        lane.fill(input, operands, y, x);
        *total = lane.total;
    }
    totals
}

/// The codes of a position: every fourth byte.
struct Lane<'c> {
    places: &'c mut [u8],
    untaken: usize,
    total: u32,
}

impl Lane<'_> {
    /// Takes the codes under the filter at row `y` and column `x` of the output.
    #[inline(always)]
    fn fill(&mut self, input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize) {
        let channels = usize::from(operands.input.channels);
        let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
        let Window { size: [rows, columns], stride: [down, along], .. } = operands.window;
        let (columns, left) = (usize::from(columns), usize::from(operands.window.left()));
        let x = x * usize::from(along);
        // Taps that hang over on the left, and the first column that is hit.
        let overhang = left.saturating_sub(x).min(columns);
        let column = x.saturating_sub(left);
        let hit = (columns - overhang).min(width.saturating_sub(column));
        let mut row = (y * usize::from(down)).wrapping_sub(operands.pad_above.into());
        for _ in 0..rows {
            if row < height {
                let start = (row * width + column) * channels;
                let run = input.get(start..start + hit * channels).unwrap_or_default();
                if hit == columns {
                    self.copy(run);
                } else {
                    self.pad(operands.pad_code, overhang * channels);
                    self.copy(run);
                    self.pad(operands.pad_code, (columns - overhang - hit) * channels);
                }
            } else {
                self.pad(operands.pad_code, columns * channels);
            }
            row = row.wrapping_add(1);
        }
    }

    /// The places of the next so many codes.
    #[inline(always)]
    fn take(&mut self, count: usize) -> (&mut [u8], usize) {
        let count = count.min(self.untaken);
        self.untaken -= count;
        let places = core::mem::take(&mut self.places);
        let (taken, rest) = places.split_at_mut((4 * count).min(places.len()));
        self.places = rest;
        (taken, count)
    }

    #[inline(always)]
    fn copy(&mut self, codes: &[u8]) {
        let total = self.total;
        let (places, count) = self.take(codes.len());
        if 4 * count < places.len() + POSITIONS {
            // SAFETY: `count` is that of the codes at most, and of the places: the last is at `4 * count - 4`.
            self.total = unsafe { tiles::spread(places.as_mut_ptr(), codes.as_ptr(), count, total) };
        }
    }

    #[inline(never)]
    fn pad(&mut self, code: u8, count: usize) {
        let (places, count) = self.take(count);
        places.iter_mut().step_by(POSITIONS).for_each(|place| *place = code);
        self.total = self.total.wrapping_add(u32::from(code).wrapping_mul(count as u32));
    }
}

/// Of codes this many taps are looked at, to decide whether zeros are worth looking for.
const SAMPLES: usize = 8;

/// Whether over a fifth of the codes is zero, as far as a few of them tell.
fn is_sparse(codes: &[Codes]) -> bool {
    // Odd: channels repeat after an even number of taps.
    let step = codes.len() / SAMPLES | 1;
    let mut zeros = 0;
    let mut all = 0;
    for codes in codes.iter().step_by(step) {
        zeros += codes.iter().filter(|&&code| code == 0).count();
        all += POSITIONS;
    }
    5 * zeros > all
}

/// The codes of all channels at the positions that the output has, or their maximum.
#[inline(never)]
fn all_rows<const POOLED: bool>(codes: &[Codes], totals: Totals, operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let channels = usize::from(operands.output.channels);
    let block_len = ROWS_PER_BLOCK * codes.len();
    let end = codes.as_ptr_range().end;
    let mut nowhere = [0u8; ROWS_PER_BLOCK];
    let nowhere = nowhere.as_mut_ptr();
    let mut tile = Tile {
        codes: codes.as_ptr(),
        end,
        starts: totals.map(|total| total.wrapping_mul(128).wrapping_neg()),
        zero_point: operands.rescale.zero_point.into(),
        shift: u32::from(operands.rescale.shift) % 32,
        is_sparse: is_sparse(codes).into(),
        outputs: [nowhere; POSITIONS],
    };
    let (tables, last_table) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
    let mut unread = operands.weights;
    let mut copy = [[0; 2]; ROWS_PER_BLOCK];
    let mut first = 0;
    for records in tables {
        let Some((weights, rest)) = unread.split_at_checked(block_len) else { return };
        unread = rest;
        for (to, position) in tile.outputs.iter_mut().zip(0..) {
            let start = position * channels + first;
            *to = output.get_mut(start..start + ROWS_PER_BLOCK).map_or(nowhere, <[u8]>::as_mut_ptr);
        }
        first += ROWS_PER_BLOCK;
        // SAFETY: the codes are pairs, one at least, of words; the weights have a block's length; each output has eight
        // codes.
        unsafe { tiles::block::<POOLED>(&raw mut tile, weights.as_ptr(), words(records, &mut copy)) }
    }
    if !last_table.is_empty() {
        let sparse_rows = LastRows { codes, starts: tile.starts, table: last_table, weights: unread };
        sparse_rows.codes::<POOLED>(operands, first, output);
    }
}

/// A block that is not full.
struct LastRows<'t> {
    codes: &'t [Codes],
    starts: [u32; POSITIONS],
    table: &'t [[u8; 8]],
    weights: &'t [u8],
}

impl LastRows<'_> {
    /// Its codes, the first of which is at `first`.
    #[inline(never)]
    fn codes<const POOLED: bool>(&self, operands: &Conv2dOperands<'_>, first: usize, output: &mut [u8]) {
        let stride = 4 * self.table.len().div_ceil(2);
        let channels = usize::from(operands.output.channels).max(1);
        for (word, records) in self.table.chunks(2).enumerate() {
            let sums = self.columns(self.weights.get(4 * word..).unwrap_or_default(), stride);
            for ((row, &[b0, b1, b2, b3, m0, m1, m2, m3]), sums) in (2 * word..).zip(records).zip(sums) {
                let (bias, multiplier) = (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]));
                let sums = sums.map(u32::cast_signed);
                let [a, b, c, d] = sums;
                let sums = if POOLED { [a.max(b).max(c.max(d)); POSITIONS] } else { sums };
                for (output, sum) in output.chunks_mut(channels).zip(sums) {
                    if let Some(code) = output.get_mut(first + row) {
                        *code = requantize(sum.wrapping_add(bias), multiplier, operands.rescale);
                    }
                }
            }
        }
    }

    /// The sums of two rows at four positions.
    #[inline(never)]
    fn columns(&self, column: &[u8], stride: usize) -> [[u32; POSITIONS]; 2] {
        let (mut even, mut odd) = (self.starts, [0u32; POSITIONS]);
        for (codes, weights) in self.codes.as_chunks::<2>().0.iter().zip(parts(column, stride)) {
            for (codes, &[even_weight, odd_weight]) in codes.iter().zip(weights.as_chunks().0) {
                let odd_weight = i32::from(odd_weight.cast_signed()).cast_unsigned();
                for ((&code, even), odd) in codes.iter().zip(&mut even).zip(&mut odd) {
                    *even = even.wrapping_add(u32::from(code) * u32::from(even_weight));
                    *odd = odd.wrapping_add(u32::from(code).wrapping_mul(odd_weight));
                }
            }
        }
        [even, odd]
    }
}
