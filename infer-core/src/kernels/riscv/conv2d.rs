//! Convolutions: the codes under the filter at four positions, then eight rows at a time over them.
//!
//! The four positions are those of a pool's window, or four outputs in their order.

use super::requantize;
use super::tiles::{self, Runs, Tile};
use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::one_by_one::{Records, words};
use crate::kernels::shared::{parts, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;

/// Positions of a tile.
const POSITIONS: usize = 4;

/// The sum of the codes at each position.
type Totals = [u32; POSITIONS];

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    // What a tap meets at the four positions is a word. Taps are in pairs: a last one that is missing meets zeros.
    let Some(codes) = scratch.get_mut(..taps.next_multiple_of(2)) else { return };
    if let Some(last) = codes.last_mut() {
        *last = 0;
    }
    let filter = Filter::new(input, operands);
    if operands.pool {
        pooled(&filter, codes, output);
    } else {
        unpooled(&filter, codes, output);
    }
}

#[inline(never)]
fn pooled(filter: &Filter<'_>, codes: &mut [u32], output: &mut [u8]) {
    window::each_pooled(
        filter.operands,
        codes,
        output,
        |y, x, codes| filter.gather([[y, x], [y, x + 1], [y + 1, x], [y + 1, x + 1]], codes),
        |codes, totals, output| all_rows::<true>(codes, totals, filter.operands, output),
    );
}

#[inline(never)]
fn unpooled(filter: &Filter<'_>, codes: &mut [u32], output: &mut [u8]) {
    let operands = filter.operands;
    let width = usize::from(operands.output.width);
    let channels = usize::from(operands.output.channels).max(1);
    let (mut y, mut x) = (0, 0);
    for output in output.chunks_mut(POSITIONS * channels) {
        // After the last output they are outside, and what is computed there is overwritten.
        let positions = [(); POSITIONS].map(|()| {
            let position = [y, x];
            x += 1;
            if x == width {
                (y, x) = (y + 1, 0);
            }
            position
        });
        let totals = filter.gather(positions, codes);
        all_rows::<false>(codes, totals, operands, output);
    }
}

/// A filter over an input.
struct Filter<'i> {
    input: &'i [u8],
    operands: &'i Conv2dOperands<'i>,
    /// What is under it where it is inside of the input.
    runs: Runs,
}

impl<'i> Filter<'i> {
    fn new(input: &'i [u8], operands: &'i Conv2dOperands<'i>) -> Self {
        let channels = usize::from(operands.input.channels);
        let [rows, columns] = operands.window.size.map(usize::from);
        let row_len = usize::from(operands.input.width) * channels;
        let len = columns * channels;
        Self { input, operands, runs: Runs { len, rows, skip: row_len.wrapping_sub(len) } }
    }

    /// Fills `codes` with those under the filter at four positions of the output, not pooled yet. Returns their sums.
    #[inline(never)]
    fn gather(&self, positions: [[usize; 2]; POSITIONS], codes: &mut [u32]) -> Totals {
        let mut totals = [0; POSITIONS];
        let codes: &mut [u8] = bytemuck::cast_slice_mut(codes);
        for (index, (total, position)) in totals.iter_mut().zip(positions).enumerate() {
            let places = codes.get_mut(index..).unwrap_or_default();
            *total = self.codes_at(position, places);
        }
        totals
    }

    /// Puts the codes under the filter at row `y` and column `x` of the output to every fourth place.
    #[inline(always)]
    fn codes_at(&self, [y, x]: [usize; 2], places: &mut [u8]) -> u32 {
        let &Conv2dOperands { input: shape, window: Window { stride: [down, along], .. }, pad_above, .. } = self.operands;
        let [rows, columns] = self.operands.window.size.map(usize::from);
        let (height, width) = (usize::from(shape.height), usize::from(shape.width));
        // What is less than 0 wraps, and is not inside.
        let row = (y * usize::from(down)).wrapping_sub(pad_above.into());
        let column = (x * usize::from(along)).wrapping_sub(self.operands.window.left().into());
        if row < height && row + rows <= height && column < width && column + columns <= width {
            let start = (row * width + column) * usize::from(shape.channels);
            let Runs { len, rows, skip } = self.runs;
            let under = self.input.get(start..start + rows * (len + skip) - skip);
            if let Some(codes) = under
                && POSITIONS * (rows * len) < places.len() + POSITIONS
            {
                // SAFETY: the runs end where the codes do, and the last of as many places, at `4 * count - 4`, is there.
                return unsafe { tiles::spread(places.as_mut_ptr(), codes.as_ptr(), &raw const self.runs) };
            }
        }
        self.codes_over_an_edge(row, column, places)
    }

    /// As `codes_at`, given a row and a column of the input that may be outside.
    #[inline(never)]
    fn codes_over_an_edge(&self, first_row: usize, first_column: usize, places: &mut [u8]) -> u32 {
        let [rows, columns] = self.operands.window.size.map(usize::from);
        let (height, width) = (usize::from(self.operands.input.height), usize::from(self.operands.input.width));
        let channels = usize::from(self.operands.input.channels);
        let pad_code = self.operands.pad_code;
        let mut places = places.chunks_mut(POSITIONS);
        let mut total = 0u32;
        let mut row = first_row;
        for _ in 0..rows {
            let mut column = first_column;
            for _ in 0..columns {
                let start = (row.wrapping_mul(width)).wrapping_add(column).wrapping_mul(channels);
                let is_inside = row < height && column < width;
                let pixel = self.input.get(start..).filter(|_| is_inside).unwrap_or_default();
                if pixel.is_empty() {
                    for place in places.by_ref().take(channels) {
                        place[0] = pad_code;
                    }
                    total = total.wrapping_add(u32::from(pad_code).wrapping_mul(channels as u32));
                } else {
                    for (place, &code) in places.by_ref().take(channels).zip(pixel) {
                        place[0] = code;
                        total = total.wrapping_add(code.into());
                    }
                }
                column = column.wrapping_add(1);
            }
            row = row.wrapping_add(1);
        }
        total
    }
}

/// Of the taps under a filter this many are looked at, to decide whether zeros are worth looking for.
const SAMPLES: usize = 8;

/// Whether over a fifth of the codes is zero, as far as a few of them tell.
fn is_sparse(codes: &[u32]) -> bool {
    // Odd: channels repeat after an even number of taps.
    let step = codes.len() / SAMPLES | 1;
    // What is not zero, counted for each position in a byte.
    let mut counts = 0u32;
    let mut samples = 0;
    let mut at = 0;
    while let Some(word) = codes.get(at) {
        counts += (((word & 0x7F7F_7F7F) + 0x7F7F_7F7F) | word) >> 7 & 0x0101_0101;
        samples += 1;
        at += step;
    }
    5 * (counts.wrapping_mul(0x0101_0101) >> 24) < 16 * samples
}

/// The codes of all channels at the positions that the output has, or their maximum.
#[inline(never)]
fn all_rows<const POOLED: bool>(codes: &[u32], totals: Totals, operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let channels = usize::from(operands.output.channels);
    let block_len = ROWS_PER_BLOCK * codes.len();
    let first = output.as_mut_ptr();
    let positions = if POOLED { 1 } else { output.len() / channels.max(1) };
    let mut tile = Tile {
        codes: codes.as_ptr(),
        end: codes.as_ptr_range().end,
        starts: totals.map(|total| total.wrapping_mul(128).wrapping_neg()),
        zero_point: operands.rescale.zero_point.into(),
        shift: u32::from(operands.rescale.shift) % 32,
        is_sparse: is_sparse(codes).into(),
        // What has no position goes where the first one's codes will.
        outputs: [0, 1, 2, 3].map(|position| {
            if position < positions { first.wrapping_add(position * channels) } else { first }
        }),
    };
    let (tables, last_table) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
    let Some((weights, last_weights)) = operands.weights.split_at_checked(tables.len() * block_len) else { return };
    if output.len() < positions.max(1) * channels {
        return;
    }
    if let Ok(records) = bytemuck::try_cast_slice(tables)
        && !tables.is_empty()
    {
        let records: core::ops::Range<*const Records> = records.as_ptr_range();
        // SAFETY: the codes are pairs, one at least; each block has weights and records, and outputs of all channels.
        unsafe { tiles::blocks::<POOLED>(&raw mut tile, weights.as_ptr(), records.start, records.end) }
    } else {
        let mut copy = [[0; 2]; ROWS_PER_BLOCK];
        for (records, weights) in tables.iter().zip(parts(weights, block_len)) {
            let records = words(records, &mut copy);
            let end = (&raw const *records).wrapping_add(1);
            // SAFETY: as above, block by block.
            unsafe { tiles::blocks::<POOLED>(&raw mut tile, weights.as_ptr(), records, end) }
        }
    }
    if !last_table.is_empty() {
        let first = tables.len() * ROWS_PER_BLOCK;
        let last = LastRows { codes, starts: tile.starts, table: last_table, weights: last_weights };
        last.codes::<POOLED>(operands, first, output);
    }
}

/// A block that is not full.
struct LastRows<'t> {
    codes: &'t [u32],
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
        let codes: &[[u8; POSITIONS]] = bytemuck::cast_slice(self.codes);
        for (codes, weights) in codes.as_chunks::<2>().0.iter().zip(parts(column, stride)) {
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
