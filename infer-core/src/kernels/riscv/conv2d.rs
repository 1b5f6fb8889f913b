//! Convolutions: the codes under the filter at four positions, then eight rows at a time over them.
//!
//! The four positions are those of a pool's window, or four outputs in their order.

use super::rounding::requantize;
use super::tiles::{self, Runs, Tile};
use crate::format::{Shape, Window};
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::one_by_one::records::{Records, words};
use crate::kernels::shared::{parts, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;

/// Positions of a tile.
const POSITIONS: usize = 4;

/// The sum of the codes at each position.
type Totals = [u32; POSITIONS];

/// Convolution and the 2x2 maximum after it.
#[inline(never)]
pub fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(codes) = codes_of_taps(operands, scratch, output) else { return };
    let filter = Filter::new(input, operands);
    let rows = Rows::new(operands, codes.len(), tiles::blocks::<true>);
    window::each_pooled(
        operands,
        codes,
        output,
        |y, x, codes| filter.gather([[y, x], [y, x + 1], [y + 1, x], [y + 1, x + 1]], codes),
        |codes, totals, output| rows.codes(codes, totals, output),
    );
}

/// Convolution without a pool.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(codes) = codes_of_taps(operands, scratch, output) else { return };
    let filter = Filter::new(input, operands);
    let rows = Rows::new(operands, codes.len(), tiles::blocks::<false>);
    let width = usize::from(operands.output.width);
    let channels = usize::from(operands.output.channels).max(1);
    let [mut y, mut x] = [0, 0];
    for output in output.chunks_mut(POSITIONS * channels) {
        // Those after the last output are outside, and what is computed there is overwritten.
        let positions = [(); POSITIONS].map(|()| {
            let position = [y, x];
            x += 1;
            if x == width {
                [y, x] = [y + 1, 0];
            }
            position
        });
        let totals = filter.gather(positions, codes);
        rows.codes(codes, totals, output);
    }
}

/// A word for each tap, for its codes at the four positions; `None` where lengths do not fit. Taps come in pairs: the last word is zero
/// where the second of a pair is missing.
fn codes_of_taps<'s>(operands: &Conv2dOperands<'_>, scratch: &'s mut [u32], output: &[u8]) -> Option<&'s mut [u32]> {
    let taps = taps_if_lengths_fit(operands, output)?;
    let codes = scratch.get_mut(..taps.next_multiple_of(2))?;
    if let Some(last) = codes.last_mut() {
        *last = 0;
    }
    Some(codes)
}

/// A filter over an input.
struct Filter<'i> {
    input: &'i [u8],
    operands: &'i Conv2dOperands<'i>,
    /// What is under it where it is inside of the input.
    runs: Runs,
    /// Bytes of the input from its first code to its last one.
    span: usize,
}

impl<'i> Filter<'i> {
    fn new(input: &'i [u8], operands: &'i Conv2dOperands<'i>) -> Self {
        let channels = usize::from(operands.input.channels);
        let [rows, columns] = operands.window.size.map(usize::from);
        let row_len = usize::from(operands.input.width) * channels;
        let len = columns * channels;
        let span = rows.saturating_sub(1) * row_len + len;
        Self { input, operands, runs: Runs { len, rows, skip: row_len.wrapping_sub(len) }, span }
    }

    /// Fills `codes` with those under the filter at rows and columns of the output, not pooled yet. Returns their sums.
    #[inline(never)]
    fn gather(&self, positions: [[usize; 2]; POSITIONS], codes: &mut [u32]) -> Totals {
        // A build for size goes without this faster way to the same result.
        if !cfg!(for_size)
            && let Some(totals) = self.gather_inside(positions, codes)
        {
            return totals;
        }
        let mut totals = [0; POSITIONS];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(codes);
        for (index, (total, position)) in totals.iter_mut().zip(positions).enumerate() {
            let mut places = Places { places: bytes.get_mut(index..).unwrap_or_default(), total: 0 };
            self.codes_at(position, &mut places);
            *total = places.total;
        }
        totals
    }

    /// The same where the filter is inside of the input at all four.
    #[inline(always)]
    fn gather_inside(&self, positions: [[usize; 2]; POSITIONS], codes: &mut [u32]) -> Option<Totals> {
        let mut totals = [0; POSITIONS];
        let mut from = [core::ptr::null(); POSITIONS];
        for (from, position) in from.iter_mut().zip(positions) {
            *from = self.inside(position)?.as_ptr();
        }
        if codes.len() < self.runs.rows * self.runs.len {
            return None;
        }
        // SAFETY: all runs are in the input; `codes` has a word for each tap.
        unsafe { tiles::interleave(codes.as_mut_ptr(), &raw const from, &raw const self.runs, &raw mut totals) }
        Some(totals)
    }

    /// The row and the column of the input that the filter begins at; what is less than 0 wraps.
    #[inline(always)]
    fn first(&self, [y, x]: [usize; 2]) -> [usize; 2] {
        let Window { stride: [down, along], .. } = self.operands.window;
        let row = (y * usize::from(down)).wrapping_sub(self.operands.pad_above.into());
        [row, (x * usize::from(along)).wrapping_sub(self.operands.window.left().into())]
    }

    /// The codes of the input from the first to the last one under the filter; `None` where it hangs over an edge.
    #[inline(always)]
    fn inside(&self, position: [usize; 2]) -> Option<&[u8]> {
        let Shape { height, width, channels } = self.operands.input;
        let [height, width] = [height, width].map(usize::from);
        let [rows, columns] = self.operands.window.size.map(usize::from);
        let [row, column] = self.first(position);
        if row >= height || row + rows > height || column >= width || column + columns > width {
            return None;
        }
        let start = (row * width + column) * usize::from(channels);
        self.input.get(start..start + self.span)
    }

    /// Puts the codes under the filter to every fourth place.
    #[inline(never)]
    fn codes_at(&self, position: [usize; 2], places: &mut Places<'_>) {
        let [row, column] = self.first(position);
        let Runs { len, rows, .. } = self.runs;
        let [y, _] = position;
        if !self.operands.pool && y >= usize::from(self.operands.output.height) {
            // After the last output: zeros cost least.
            places.pad(0, rows * len);
            return;
        }
        let columns = usize::from(self.operands.window.size[1]);
        let (height, width) = (usize::from(self.operands.input.height), usize::from(self.operands.input.width));
        let channels = usize::from(self.operands.input.channels);
        let pad_code = self.operands.pad_code;
        let (above, first_row, hit_rows) = overlap(row, rows, height);
        let (left, first_column, hit_columns) = overlap(column, columns, width);
        let row_len = width * channels;
        let start = first_row * row_len + first_column * channels;
        let mut unread = self.input.get(start..).unwrap_or_default();
        places.pad(pad_code, above * len);
        if hit_columns == columns {
            places.copy(unread, &Runs { rows: hit_rows, ..self.runs });
        } else {
            let run = Runs { len: hit_columns * channels, rows: 1, skip: 0 };
            for _ in 0..hit_rows {
                places.pad(pad_code, left * channels);
                places.copy(unread, &run);
                places.pad(pad_code, (columns - left - hit_columns) * channels);
                unread = unread.get(row_len..).unwrap_or_default();
            }
        }
        places.pad(pad_code, (rows - above - hit_rows) * len);
    }
}

/// How many of `size` rows from `first` on, which may be less than 0, are before the first one; the first one that is inside, and
/// how many are.
fn overlap(first: usize, size: usize, side: usize) -> (usize, usize, usize) {
    let before = if first.cast_signed() < 0 { first.wrapping_neg().min(size) } else { 0 };
    let inside = first.wrapping_add(before);
    (before, inside, (size - before).min(side.saturating_sub(inside)))
}

/// Every fourth byte, for the codes of a position.
struct Places<'c> {
    places: &'c mut [u8],
    total: u32,
}

impl Places<'_> {
    /// As many of the next ones, if there are; the last one ends with itself.
    fn take(&mut self, count: usize) -> Option<&mut [u8]> {
        let places = core::mem::take(&mut self.places);
        if count == 0 || POSITIONS * count >= places.len() + POSITIONS {
            self.places = places;
            return None;
        }
        let (taken, rest) = places.split_at_mut((POSITIONS * count).min(places.len()));
        self.places = rest;
        Some(taken)
    }

    #[inline(never)]
    fn pad(&mut self, code: u8, count: usize) {
        if let Some(places) = self.take(count) {
            places.iter_mut().step_by(POSITIONS).for_each(|place| *place = code);
            self.total = self.total.wrapping_add(u32::from(code).wrapping_mul(count as u32));
        }
    }

    fn copy(&mut self, codes: &[u8], runs: &Runs) {
        let &Runs { len, rows, skip } = runs;
        if rows > 0
            && codes.len() >= rows * (len + skip) - skip
            && let Some(places) = self.take(rows * len)
        {
            // SAFETY: there are as many codes, and as many places.
            let total = unsafe { tiles::spread(places.as_mut_ptr(), codes.as_ptr(), &raw const *runs) };
            self.total = self.total.wrapping_add(total);
        }
    }
}

/// Of the taps under a filter this many are looked at, to decide whether single zeros are worth looking for.
const SAMPLES: usize = 8;

/// Whether a tap that meets a code has less than 2.25 of them, as far as a few taps tell.
fn is_sparse(codes: &[u32]) -> bool {
    // Odd: channels repeat after an even number of taps.
    let step = (codes.len() / SAMPLES) | 1;
    // What is not zero, counted for each position in a byte.
    let mut counts = 0u32;
    let mut samples = 0;
    let mut at = 0;
    while let Some(&word) = codes.get(at) {
        counts += ((((word & 0x7F7F_7F7F) + 0x7F7F_7F7F) | word) >> 7) & 0x0101_0101;
        samples += u32::from(word != 0);
        at += step;
    }
    4 * (counts.wrapping_mul(0x0101_0101) >> 24) < 9 * samples
}

/// What is the same for all tiles of a layer.
struct Rows<'m> {
    operands: &'m Conv2dOperands<'m>,
    /// Bytes of a block of weights.
    block_len: usize,
    /// Records and weights of full blocks.
    tables: &'m [[[u8; 8]; ROWS_PER_BLOCK]],
    weights: &'m [u8],
    /// Those of a last block that is not full.
    last_table: &'m [[u8; 8]],
    last_weights: &'m [u8],
    /// The records where they are aligned, which they are in an aligned model.
    records: &'m [Records],
    /// The loops over full blocks.
    blocks: tiles::Blocks,
}

impl<'m> Rows<'m> {
    fn new(operands: &'m Conv2dOperands<'m>, taps: usize, blocks: tiles::Blocks) -> Self {
        let block_len = ROWS_PER_BLOCK * taps;
        let (tables, last_table) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
        let full = tables.len() * block_len;
        let (weights, last_weights) = operands.weights.split_at_checked(full).unwrap_or_default();
        let tables = if weights.len() == full { tables } else { &[] };
        let records = bytemuck::try_cast_slice(tables).unwrap_or_default();
        Self { operands, block_len, tables, weights, last_table, last_weights, records, blocks }
    }

    /// The codes of all channels at the positions that the output has, or their maximum.
    #[inline(never)]
    fn codes(&self, codes: &[u32], totals: Totals, output: &mut [u8]) {
        let channels = usize::from(self.operands.output.channels);
        if output.len() < channels || ROWS_PER_BLOCK * codes.len() != self.block_len {
            return;
        }
        let mut to = output.as_mut_ptr();
        let mut unwritten = output.len();
        let outputs = [(); POSITIONS].map(|()| {
            // What has no position goes where the first one's codes will.
            let is_there = unwritten >= channels;
            let position = if is_there { to } else { output.as_mut_ptr() };
            unwritten = unwritten.saturating_sub(channels);
            to = to.wrapping_add(channels);
            position
        });
        let codes_are = if !self.operands.pool && output.len() < 2 * channels {
            tiles::Codes::Single
        } else if is_sparse(codes) {
            tiles::Codes::Sparse
        } else if totals.iter().all(|&total| total >> 16 == 0) {
            tiles::Codes::Small
        } else {
            tiles::Codes::Large
        };
        let mut tile = Tile {
            codes: codes.as_ptr(),
            end: codes.as_ptr_range().end,
            starts: totals.map(|total| total.wrapping_mul(128).wrapping_neg()),
            zero_point: self.operands.rescale.zero_point.into(),
            shift: u32::from(self.operands.rescale.shift) % 32,
            codes_are,
            outputs,
        };
        let weights = self.weights.as_ptr();
        if self.records.is_empty() {
            self.unaligned(&mut tile);
        } else {
            let records = self.records.as_ptr_range();
            // SAFETY: the codes are pairs, one at least; each block has weights and records, and outputs of all channels.
            unsafe { (self.blocks)(&raw mut tile, weights, records.start, records.end) }
        }
        if !self.last_table.is_empty() {
            let last = LastRows { codes, starts: tile.starts, table: self.last_table, weights: self.last_weights };
            last.codes(self.operands, self.tables.len() * ROWS_PER_BLOCK, output);
        }
    }

    /// Full blocks one by one, their records copied.
    #[inline(never)]
    fn unaligned(&self, tile: &mut Tile) {
        let mut copy = [[0; 2]; ROWS_PER_BLOCK];
        for (records, weights) in self.tables.iter().zip(parts(self.weights, self.block_len)) {
            let records = words(records, &mut copy);
            let end = (&raw const *records).wrapping_add(1);
            // SAFETY: as in `codes`, block by block.
            unsafe { (self.blocks)(&raw mut *tile, weights.as_ptr(), records, end) }
        }
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
    fn codes(&self, operands: &Conv2dOperands<'_>, first: usize, output: &mut [u8]) {
        let stride = 4 * self.table.len().div_ceil(2);
        let channels = usize::from(operands.output.channels).max(1);
        for (word, records) in self.table.chunks(2).enumerate() {
            let sums = self.columns(self.weights.get(4 * word..).unwrap_or_default(), stride);
            for ((row, &[b0, b1, b2, b3, m0, m1, m2, m3]), sums) in (2 * word..).zip(records).zip(sums) {
                let (bias, multiplier) = (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]));
                let sums = sums.map(u32::cast_signed);
                let [a, b, c, d] = sums;
                let sums = if operands.pool { [a.max(b).max(c.max(d)); POSITIONS] } else { sums };
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
