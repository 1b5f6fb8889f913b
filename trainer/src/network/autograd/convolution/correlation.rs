//! What a convolution reads where, forward and backward, as correlations over padded maps.
//!
//! Forward, each output pixel sums up taps of the padded input, `stride` pixels apart. Backward, the gradient of an input
//! pixel `p` sums up the output pixels `(p - tap) / stride` of the taps for which that is whole. Which taps these are
//! depends on `p` modulo the stride alone, its phase: for each phase the gradient is a correlation with stride 1 over the
//! padded gradient of the output, with some of the taps in reverse.

use crate::network::autograd::window::Axis;

/// A map with padding around it, channels innermost.
#[derive(Clone, Copy, Debug)]
pub struct PaddedMap {
    pub rows: usize,
    pub columns: usize,
    /// Values from one pixel to the next.
    pub pixel: usize,
    /// Rows and columns of padding before the first pixel that is not.
    pub lead: [usize; 2],
}

/// Pixels of a map that lie in rows of equal distance: one for each position.
#[derive(Clone, Copy, Debug)]
pub struct Pixels {
    pub start: usize,
    /// Values from one column to the next.
    pub column: usize,
    /// Values from one row to the next.
    pub row: usize,
}

/// Rows and columns of positions, and what they read and write.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    pub rows: usize,
    pub columns: usize,
    pub from: Pixels,
    pub to: Pixels,
}

/// A tap: the value that it reads, counted from the position's pixel, and which of the window's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    pub offset: usize,
    pub index: usize,
}

/// A correlation with some of the taps, in ascending order of what they read.
#[derive(Clone, Debug)]
pub struct Correlation {
    pub taps: Vec<Tap>,
    pub walk: Walk,
}

/// Where one phase of an axis is.
struct Phase {
    /// The first index of the input.
    first: usize,
    /// How many there are, a stride apart.
    pixels: usize,
    /// Where the first of them reads the padded gradient.
    start: usize,
    /// Taps of the axis, in the order in which they read.
    taps: Vec<usize>,
}

impl PaddedMap {
    pub fn len(&self) -> usize {
        self.rows * self.columns * self.pixel
    }

    /// The pixels that are no padding.
    pub fn interior(&self) -> Pixels {
        let start = (self.lead[0] * self.columns + self.lead[1]) * self.pixel;
        Pixels { start, column: self.pixel, row: self.columns * self.pixel }
    }
}

impl Pixels {
    /// Pixels without gaps.
    pub fn dense(columns: usize, pixel: usize) -> Self {
        Self { start: 0, column: pixel, row: columns * pixel }
    }

    pub fn at(&self, row: usize, column: usize) -> usize {
        self.start + row * self.row + column * self.column
    }
}

impl Walk {
    /// All positions as one row, where rows follow each other without gaps.
    pub fn flattened(self) -> Self {
        let flat = |pixels: Pixels| self.rows == 1 || pixels.row == self.columns * pixels.column;
        match flat(self.from) && flat(self.to) {
            true => Self { rows: 1, columns: self.rows * self.columns, ..self },
            false => self,
        }
    }
}

/// The input with its padding.
pub fn padded_input([rows, columns]: &[Axis; 2], pixel: usize) -> PaddedMap {
    PaddedMap { rows: rows.padded(), columns: columns.padded(), pixel, lead: [rows.before, columns.before] }
}

/// The gradient of the output, with as many zeros around it as the taps of [`backward`] reach.
pub fn padded_gradient(axes: &[Axis; 2], pixel: usize) -> PaddedMap {
    let [rows, columns] = axes.map(|axis| {
        let last = (axis.size - 1 + axis.before) / axis.stride;
        lead(&axis) + axis.positions.max(last + 1)
    });
    PaddedMap { rows, columns, pixel, lead: axes.map(|axis| lead(&axis)) }
}

/// Taps of the first phase, which has the most, less one.
fn lead(axis: &Axis) -> usize {
    axis.window.div_ceil(axis.stride) - 1
}

/// From the padded input to the output, whose pixels have `channels` values.
pub fn forward(axes: &[Axis; 2], input: &PaddedMap, channels: usize) -> Correlation {
    let [rows, columns] = axes;
    let offset = |y: usize, x: usize| (y * input.columns + x) * input.pixel;
    let taps = (0..rows.window * columns.window)
        .map(|index| Tap { offset: offset(index / columns.window, index % columns.window), index });
    let from = Pixels { start: 0, column: columns.stride * input.pixel, row: offset(rows.stride, 0) };
    let to = Pixels::dense(columns.positions, channels);
    Correlation { taps: taps.collect(), walk: Walk { rows: rows.positions, columns: columns.positions, from, to } }
}

/// From the padded gradient of the output to that of the input, whose pixels have `channels` values: a correlation for
/// each phase. One without taps is left out: the gradient of its pixels is zero.
pub fn backward(axes: &[Axis; 2], gradient: &PaddedMap, channels: usize) -> Vec<Correlation> {
    let [rows, columns] = axes.map(|axis| phases(&axis));
    let width = axes[1].size * channels;
    let phases = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
    let correlation = |(row, column): (&Phase, &Phase)| {
        let offset = |y: usize, x: usize| (y * gradient.columns + x) * gradient.pixel;
        let taps = row.taps.iter().enumerate().flat_map(|(y, row)| {
            let index = move |column: &usize| row * axes[1].window + column;
            column.taps.iter().enumerate().map(move |(x, column)| Tap { offset: offset(y, x), index: index(column) })
        });
        let from = Pixels { start: offset(row.start, column.start), column: gradient.pixel, row: offset(1, 0) };
        let to = Pixels {
            start: row.first * width + column.first * channels,
            column: axes[1].stride * channels,
            row: axes[0].stride * width,
        };
        Correlation { taps: taps.collect(), walk: Walk { rows: row.pixels, columns: column.pixels, from, to } }
    };
    phases.map(correlation).filter(|correlation| !correlation.taps.is_empty()).collect()
}

/// The phases of an axis that have pixels.
fn phases(axis: &Axis) -> Vec<Phase> {
    let phase = |phase: usize| {
        let tap_count = axis.window.saturating_sub(phase).div_ceil(axis.stride);
        let quotient = axis.before.saturating_sub(phase).div_ceil(axis.stride);
        let first = quotient * axis.stride + phase - axis.before;
        let taps = (0..tap_count).rev().map(|tap| phase + tap * axis.stride).collect();
        let pixels = axis.size.saturating_sub(first).div_ceil(axis.stride);
        Phase { first, pixels, start: quotient + lead(axis) + 1 - tap_count, taps }
    };
    (0..axis.stride).map(phase).filter(|phase| phase.pixels > 0).collect()
}
