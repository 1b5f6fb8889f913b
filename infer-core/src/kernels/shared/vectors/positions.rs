//! Convolution in tiles: several positions of the output at a time, so that what is loaded of the weights serves them all.
//!
//! The codes of a position are runs, a row of taps each. They are read where they are: in the input, if nothing of it has
//! to be padded or widened, or in a band, which is some of its rows with their padding. Only runs of a length that a tile
//! cannot read are gathered, position by position.

use core::ops::Range;

use super::lanes::Codes;
use crate::format::{Shape, Window};
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::taps_if_lengths_fit;

/// Codes that there is room for on the stack, and for layers that need more.
const ROOM: [usize; 2] = [8 << 10, 32 << 10];

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

    /// Codes that it reads at once.
    const STEP: usize;

    /// Whether a position that has one run may have one of another length than a multiple of [`STEP`](Self::STEP). Several runs may not.
    const TAILS: bool;

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

/// Calls `compute` with room for a convolution; returns whether there is enough of it.
pub fn with_conv2d_room<T: Tiles>(operands: &Conv2dOperands<'_>, compute: &mut dyn FnMut(&mut [T::Code])) -> bool {
    let unit = if operands.pool { 2 } else { 1 };
    let size = [operands.output.height, operands.output.width].map(|side| usize::from(side) * unit);
    let Some(band) = Bands::room(&source_of(&[], operands), size, unit) else { return false };
    with_room(gathered_len::<T>(operands) + band, compute)
}

/// Calls `compute` with room for at least so many codes; returns whether there is so much.
pub fn with_room<C: Codes>(needed: usize, compute: &mut dyn FnMut(&mut [C])) -> bool {
    // At the beginning of a cache line, so that few loads are of two.
    #[repr(align(64))]
    struct Aligned<T>(T);

    // A function for each: the larger one's stack is taken where it is needed.
    #[inline(never)]
    fn room<C: Codes, const LEN: usize>(compute: &mut dyn FnMut(&mut [C])) {
        compute(Aligned([C::default(); LEN]).0.as_mut_slice());
    }
    let [few, many] = ROOM;
    if needed <= few {
        room::<C, { ROOM[0] }>(compute);
    } else if needed <= many {
        room::<C, { ROOM[1] }>(compute);
    }
    needed <= many
}

/// Codes that are gathered for a tile; 0 where runs are read where they are.
fn gathered_len<T: Tiles>(operands: &Conv2dOperands<'_>) -> usize {
    let [rows, columns] = operands.window.size.map(usize::from);
    let run = columns * usize::from(operands.input.channels);
    if run.is_multiple_of(T::STEP) || (rows == 1 && T::TAILS) {
        return 0;
    }
    // Whole cache lines, and room for a copy past the end.
    ((rows * run).next_multiple_of(T::STEP) * T::POSITIONS + 4 * COPIED).next_multiple_of(64)
}

fn source_of<'i>(input: &'i [u8], operands: &Conv2dOperands<'_>) -> Source<'i> {
    let &Conv2dOperands { window, pad_above, pad_code, .. } = operands;
    Source { input, shape: operands.input, window, pad_above, pad_code }
}

/// Convolution, and the 2x2 maximum after it if the operands have one, with the room of [`with_conv2d_room`].
#[inline(always)]
pub fn conv2d<T: Tiles>(input: &[u8], operands: &Conv2dOperands<'_>, room: &mut [T::Code], output: &mut [u8]) {
    if taps_if_lengths_fit(operands, output).is_none() {
        return;
    }
    let ([rows, columns], [down, along]) =
        (operands.window.size.map(usize::from), operands.window.stride.map(usize::from));
    let channels = usize::from(operands.input.channels);
    let unit = if operands.pool { 2 } else { 1 };
    let [height, width] = [operands.output.height, operands.output.width].map(|side| usize::from(side) * unit);
    let output_row_len = usize::from(operands.output.width) * usize::from(operands.output.channels);
    let Some((gathered, room)) = room.split_at_mut_checked(gathered_len::<T>(operands)) else { return };
    let Some(mut bands) = Bands::new(source_of(input, operands), [height, width], unit, room.len()) else { return };
    while let Some(Band { codes, row_len, rows: band }) = bands.next(room) {
        let Some(output) = output.get_mut(band.start / unit * output_row_len..band.end / unit * output_row_len) else {
            return;
        };
        let runs = Runs { rows, row_len, run: columns * channels };
        let grid = Grid { runs, down: down * row_len, along: along * channels, width: width / unit };
        grid.all::<T>(codes, operands, gathered, output);
    }
}

/// What windows are on.
#[derive(Clone, Copy)]
pub struct Source<'i> {
    pub input: &'i [u8],
    pub shape: Shape,
    pub window: Window,
    pub pad_above: u8,
    pub pad_code: u8,
}

/// The codes under some rows of the output. Windows on them have no edges: what hung over is padded.
pub struct Band<'b, C> {
    pub codes: &'b [C],
    /// From a row to the next.
    pub row_len: usize,
    /// Rows of the output.
    pub rows: Range<usize>,
}

/// The bands of an output, one after the other: the input as it is, if it can be read so, or some of its rows with their padding.
pub struct Bands<'i> {
    source: Source<'i>,
    /// Rows of the output, and those that are done.
    rows: Range<usize>,
    /// Rows of the output that a band is for.
    at_once: usize,
    /// Codes of a row of a band: as many as the windows need. What they do not reach of the input is left out.
    row_len: usize,
    /// Whether nothing hangs over.
    is_inside: bool,
}

impl<'i> Bands<'i> {
    /// Room for bands of an output of `[height, width]`, for at least `unit` of its rows; `None` where a size is 0.
    pub fn room(source: &Source<'_>, [height, width]: [usize; 2], unit: usize) -> Option<usize> {
        let ([rows, columns], [down, along]) =
            (source.window.size.map(usize::from), source.window.stride.map(usize::from));
        let row_len = (width.checked_sub(1)? * along + columns) * usize::from(source.shape.channels);
        let rows = height.min(unit).checked_sub(1)? * down + rows;
        (row_len > 0).then_some(rows * row_len)
    }

    /// Bands for multiples of `unit` rows, in so much `room`.
    pub fn new(source: Source<'i>, [height, width]: [usize; 2], unit: usize, room: usize) -> Option<Self> {
        let Source { input, shape, window, pad_above, .. } = source;
        let ([rows, columns], [down, along]) = (window.size.map(usize::from), window.stride.map(usize::from));
        let columns = width.checked_sub(1)? * along + columns;
        let row_len = columns * usize::from(shape.channels);
        let is_inside = pad_above | window.left() == 0
            && height.checked_sub(1)? * down + rows <= shape.height.into()
            && columns <= shape.width.into();
        let at_once = (room.checked_div(row_len)? + down).saturating_sub(rows).checked_div(down)? / unit * unit;
        (input.len() == shape.len()).then_some(Self { source, rows: 0..height, at_once, row_len, is_inside })
    }

    /// The next band, in that room.
    #[inline(always)]
    pub fn next<'b, C: Codes>(&mut self, room: &'b mut [C]) -> Option<Band<'b, C>>
    where
        'i: 'b,
    {
        let Source { input, shape, window, pad_above, pad_code } = self.source;
        let (width, channels) = (usize::from(shape.width), usize::from(shape.channels));
        if self.is_inside
            && let Some(codes) = C::unwidened(input)
        {
            let rows = core::mem::replace(&mut self.rows, 0..0);
            return (!rows.is_empty()).then_some(Band { codes, row_len: width * channels, rows });
        }
        let (first, end) = (self.rows.start, self.rows.end.min(self.rows.start + self.at_once));
        if first >= end {
            return None;
        }
        self.rows.start = end;
        let ([rows, _], [down, _]) = (window.size.map(usize::from), window.stride.map(usize::from));
        let (row_len, left) = (self.row_len, usize::from(window.left()) * channels);
        let inside = (width * channels).min(row_len.saturating_sub(left));
        let band_rows = (end - first - 1) * down + rows;
        let pad = C::from(pad_code);
        for (index, row) in room.chunks_exact_mut(row_len.max(1)).take(band_rows).enumerate() {
            let row_of_input =
                (first * down + index).checked_sub(pad_above.into()).filter(|&row| row < shape.height.into());
            let codes = row_of_input.and_then(|row| input.get(row * width * channels..)?.get(..inside));
            let (before, rest) = row.split_at_mut(row.len().min(left));
            before.fill(pad);
            let codes = codes.unwrap_or_default();
            let (within, after) = rest.split_at_mut(codes.len().min(rest.len()));
            C::widen(codes, within);
            after.fill(pad);
        }
        Some(Band { codes: room, row_len, rows: first..end })
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
