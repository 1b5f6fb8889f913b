//! Convolution in tiles: several positions of the output at a time, so that what is loaded of the weights serves them all.
//!
//! The codes of a position are runs, a row of taps each. They are read where they are: in the input, if nothing of it has
//! to be padded or widened, or in a band, which is some of its rows with their padding. Only runs of a length that a tile
//! cannot read are gathered, position by position.

use core::ops::Range;

use super::Codes;
use crate::format::{Shape, Window};
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::taps_if_lengths_fit;

/// Codes of a band: a host's stack has room for them.
const BAND: usize = 8192;

/// Codes that are gathered for a tile.
const GATHERED: usize = 4096;

/// Codes that are copied at once where more than the run may be overwritten.
const COPIED: usize = 16;

/// The codes that a tile is computed from. All of them are there: kernels read them without a comparison.
#[derive(Clone, Copy)]
pub struct Patches<'c, C, const POSITIONS: usize> {
    codes: &'c [C],
    starts: &'c [usize; POSITIONS],
    runs: Runs,
}

/// The runs of a position.
#[derive(Clone, Copy)]
pub struct Runs {
    /// How many.
    pub rows: usize,
    /// From the beginning of a run to that of the next.
    pub row_len: usize,
    /// Codes of a run.
    pub run: usize,
}

impl<'c, C> Patches<'c, C, 1> {
    /// One position, whose run is all of the codes.
    pub const fn all(codes: &'c [C]) -> Self {
        Self { codes, starts: &[0], runs: Runs { rows: 1, row_len: 0, run: codes.len() } }
    }
}

impl<'c, C, const POSITIONS: usize> Patches<'c, C, POSITIONS> {
    /// `None` where the codes end before the runs. `last` is the largest of the `starts`.
    // It is not computed of the starts: a vector of them would wait for the stores of each.
    #[inline(always)]
    fn new(codes: &'c [C], starts: &'c [usize; POSITIONS], last: usize, runs: Runs) -> Option<Self> {
        let Runs { rows, row_len, run } = runs;
        let end = row_len.checked_mul(rows.saturating_sub(1))?.checked_add(run)?.checked_add(last)?;
        (end <= codes.len()).then_some(Self { codes, starts, runs })
    }

    /// What the runs are in.
    #[inline(always)]
    pub const fn codes(&self) -> &'c [C] {
        self.codes
    }

    /// Where each position's first run begins.
    #[inline(always)]
    pub const fn starts(&self) -> &'c [usize; POSITIONS] {
        self.starts
    }

    /// How long runs are, and how many of them a position has.
    #[inline(always)]
    pub const fn runs(&self) -> Runs {
        self.runs
    }
}

/// What computes a tile.
pub trait Tiles {
    /// How it reads a code.
    type Code: Codes;

    /// Positions of the largest tile: 8 or 4.
    const POSITIONS: usize;

    /// Codes that it reads at once: the length of a run is a multiple of it where a position has more than one.
    const STEP: usize;

    /// Puts the runs of a tile of eight positions one after the other, each position's from a multiple of [`STEP`](Self::STEP)
    /// on, with a zero after an odd number of taps; returns whether it did.
    #[inline(always)]
    fn gather(_patches: &Patches<'_, Self::Code, 8>, _gathered: &mut [Self::Code]) -> bool {
        false
    }

    /// All channels at the positions, or, where `UNIT` is 4, the largest of each four; `output` is `[positions / UNIT, channels]`.
    fn compute<const POSITIONS: usize, const UNIT: usize>(
        patches: &Patches<'_, Self::Code, POSITIONS>,
        operands: &Conv2dOperands<'_>,
        output: &mut [u8],
    );
}

/// Convolution, and the 2x2 maximum after it if the operands have one. Returns whether it was computed: bands of images that
/// are very wide, and very long runs, have no room.
#[inline(always)]
pub fn conv2d<T: Tiles>(input: &[u8], operands: &Conv2dOperands<'_>, output: &mut [u8]) -> bool {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return true };
    let [rows, columns] = operands.window.size.map(usize::from);
    let run = columns * usize::from(operands.input.channels);
    let gathered = rows > 1 && !run.is_multiple_of(T::STEP);
    if gathered && taps.next_multiple_of(T::STEP) * T::POSITIONS + COPIED > GATHERED {
        return false;
    }
    if gathered {
        let mut gathering = Aligned([T::Code::default(); GATHERED]);
        bands::<T>(input, operands, gathering.0.as_mut_slice(), output)
    } else {
        bands::<T>(input, operands, &mut [], output)
    }
}

/// Band by band; runs are gathered if there is room for it.
#[inline(always)]
fn bands<T: Tiles>(input: &[u8], operands: &Conv2dOperands<'_>, gathered: &mut [T::Code], output: &mut [u8]) -> bool {
    let &Conv2dOperands { window, pad_above, pad_code, .. } = operands;
    let ([rows, columns], [down, along]) = (window.size.map(usize::from), window.stride.map(usize::from));
    let channels = usize::from(operands.input.channels);
    let pooled = if operands.pool { 2 } else { 1 };
    let [height, width] = [operands.output.height, operands.output.width].map(|side| usize::from(side) * pooled);
    let output_row_len = usize::from(operands.output.width) * usize::from(operands.output.channels);
    let source = Source { input, shape: operands.input, window, pad_above, pad_code };
    source.each_band([height, width], pooled, |codes, row_len, band| {
        let band = band.start / pooled * output_row_len..band.end / pooled * output_row_len;
        if let Some(output) = output.get_mut(band) {
            let runs = Runs { rows, row_len, run: columns * channels };
            Grid { runs, down: down * row_len, along: along * channels, width: width / pooled }
                .all::<T>(codes, operands, gathered, output);
        }
    })
}

/// At the beginning of a cache line, so that few loads are of two.
#[repr(align(64))]
struct Aligned<T>(T);

/// What windows are on.
pub struct Source<'i> {
    pub input: &'i [u8],
    pub shape: Shape,
    pub window: Window,
    pub pad_above: u8,
    pub pad_code: u8,
}

impl Source<'_> {
    /// Calls `compute` with the codes of some rows of an output of `[height, width]`, the length of their rows, and which rows
    /// those are: multiples of `at_once`. Windows on the codes have no edges: what hung over is padded. Returns whether
    /// that was all of the output; it is nothing where a band has no room.
    #[inline(always)]
    pub fn each_band<C: Codes>(
        &self,
        [output_height, output_width]: [usize; 2],
        at_once: usize,
        mut compute: impl FnMut(&[C], usize, Range<usize>),
    ) -> bool {
        let Self { input, shape, window, .. } = *self;
        let ([rows, columns], [down, along]) = (window.size.map(usize::from), window.stride.map(usize::from));
        let (height, width, channels) =
            (usize::from(shape.height), usize::from(shape.width), usize::from(shape.channels));
        if input.len() != shape.len() || output_height * output_width == 0 || down == 0 {
            return false;
        }
        let (above, left) = (usize::from(self.pad_above), usize::from(window.left()));
        let needed_rows = (output_height - 1) * down + rows;
        let needed_columns = (output_width - 1) * along + columns;
        if above == 0
            && left == 0
            && needed_rows <= height
            && needed_columns <= width
            && let Some(codes) = C::unwidened(input)
        {
            compute(codes, width * channels, 0..output_height);
            return true;
        }
        // A row of a band is as long as the windows need it; what they do not reach of the input is left out.
        let row_len = needed_columns * channels;
        let band_rows = BAND.checked_div(row_len).unwrap_or_default().min(needed_rows);
        let rows_at_once = (band_rows + down).saturating_sub(rows) / down / at_once * at_once;
        if rows_at_once == 0 {
            return false;
        }
        let pad = C::from(self.pad_code);
        let mut band = Aligned([C::default(); BAND]);
        let band = &mut band.0;
        let inside = width.min(needed_columns.saturating_sub(left)) * channels;
        for first in (0..output_height).step_by(rows_at_once) {
            let end = output_height.min(first + rows_at_once);
            let band_rows = (end - first - 1) * down + rows;
            for (index, row) in band.chunks_exact_mut(row_len.max(1)).take(band_rows).enumerate() {
                let in_input = (first * down + index).checked_sub(above).filter(|&row| row < height);
                let codes = in_input.and_then(|row| input.get(row * width * channels..)?.get(..inside));
                let (before, rest) = row.split_at_mut(row.len().min(left * channels));
                before.fill(pad);
                let codes = codes.unwrap_or_default();
                let (within, after) = rest.split_at_mut(codes.len().min(rest.len()));
                C::widen(codes, within);
                after.fill(pad);
            }
            compute(band.as_slice(), row_len, first..end);
        }
        true
    }
}

/// Where positions are in codes.
#[derive(Clone, Copy)]
struct Grid {
    runs: Runs,
    /// Codes from a position to the one below.
    down: usize,
    /// Codes from a position to the next.
    along: usize,
    /// Positions of a row of the output.
    width: usize,
}

impl Grid {
    /// All positions of an output.
    #[inline(always)]
    fn all<T: Tiles>(
        &self,
        codes: &[T::Code],
        operands: &Conv2dOperands<'_>,
        gathered: &mut [T::Code],
        output: &mut [u8],
    ) {
        let units = output.len() / usize::from(operands.output.channels).max(1);
        match (operands.pool, T::POSITIONS) {
            (true, 8) if units >= 2 => self.tiles::<T, 8, 4>(units, codes, operands, gathered, output),
            (true, _) => self.tiles::<T, 4, 4>(units, codes, operands, gathered, output),
            (false, 8) if units >= 8 => self.tiles::<T, 8, 1>(units, codes, operands, gathered, output),
            (false, _) if units >= 4 => self.tiles::<T, 4, 1>(units, codes, operands, gathered, output),
            (false, _) => self.tiles::<T, 1, 1>(units, codes, operands, gathered, output),
        }
    }

    /// In tiles of `POSITIONS`. The last one begins where it ends with the output: some positions are computed twice.
    #[inline(always)]
    fn tiles<T: Tiles, const POSITIONS: usize, const UNIT: usize>(
        &self,
        units: usize,
        codes: &[T::Code],
        operands: &Conv2dOperands<'_>,
        gathered: &mut [T::Code],
        output: &mut [u8],
    ) {
        let channels = usize::from(operands.output.channels);
        let at_once = POSITIONS / UNIT;
        // Of the pool's window.
        let size = if UNIT == 4 { 2 } else { 1 };
        let (down, along, width) = (size * self.down, size * self.along, self.width.max(1));
        let corners = [0, self.along, self.down, self.down + self.along];
        // Where the next unit is, where its row begins, and how many are left of it.
        let (mut next, mut row, mut left) = (0, 0, width);
        let mut number = 0;
        while number < units {
            if number + at_once > units {
                number = units.saturating_sub(at_once);
                row = number / width * down;
                next = row + number % width * along;
                left = width - number % width;
            }
            let (mut starts, mut last) = ([0; POSITIONS], 0);
            for start in starts.chunks_exact_mut(UNIT) {
                for (start, corner) in start.iter_mut().zip(corners) {
                    *start = next + corner;
                    last = last.max(*start);
                }
                next += along;
                left -= 1;
                if left == 0 {
                    row += down;
                    (next, left) = (row, width);
                }
            }
            let Some(output) = output.get_mut(number * channels..(number + at_once) * channels) else { return };
            let Some(patches) = Patches::new(codes, &starts, last, self.runs) else { return };
            if gathered.is_empty() {
                T::compute::<POSITIONS, UNIT>(&patches, operands, output);
            } else {
                gather::<T, POSITIONS, UNIT>(patches, operands, gathered, output);
            }
            number += at_once;
        }
    }
}

/// A tile whose runs are put together first.
#[inline(always)]
fn gather<T: Tiles, const POSITIONS: usize, const UNIT: usize>(
    patches: Patches<'_, T::Code, POSITIONS>,
    operands: &Conv2dOperands<'_>,
    gathered: &mut [T::Code],
    output: &mut [u8],
) {
    let Patches { codes, starts, runs } = patches;
    let Runs { rows, row_len, run } = runs;
    let taps = (rows * run).next_multiple_of(T::STEP);
    let is_done = <&[usize; 8]>::try_from(starts.as_slice())
        .is_ok_and(|starts| T::gather(&Patches { codes, starts, runs }, gathered));
    if !is_done {
        for (position, start) in starts.iter().enumerate() {
            for row in 0..rows {
                copy_run(codes, *start + row * row_len, gathered, position * taps + row * run, run);
            }
            // An odd tap's neighbor may have any weight.
            let after = gathered.get_mut(position * taps + rows * run);
            after.into_iter().filter(|_| rows * run % 2 == 1).for_each(|after| *after = T::Code::default());
        }
    }
    let mut starts = [0; POSITIONS];
    starts.iter_mut().enumerate().for_each(|(position, start)| *start = position * taps);
    let runs = Runs { rows: 1, row_len: 0, run: taps };
    if let Some(patches) = Patches::new(gathered, &starts, (POSITIONS - 1) * taps, runs) {
        T::compute::<POSITIONS, UNIT>(&patches, operands, output);
    }
}

/// Copies a run, and what is after it up to the next [`COPIED`]: no call for a few bytes.
#[inline(always)]
fn copy_run<C: Copy>(codes: &[C], from: usize, gathered: &mut [C], to: usize, run: usize) {
    let mut at = 0;
    while at < run {
        let source = codes.get(from + at..).unwrap_or_default();
        let target = gathered.get_mut(to + at..).unwrap_or_default();
        match (source.first_chunk::<COPIED>(), target.first_chunk_mut::<COPIED>()) {
            (Some(source), Some(target)) => *target = *source,
            _ => target.iter_mut().zip(source).take(run - at).for_each(|(target, &code)| *target = code),
        }
        at += COPIED;
    }
}
