//! One row of a frame, scaled along the row and added to the rows before it.

use core::num::NonZero;

use super::geometry::Span;
use super::pixel::{Lanes, PixelFormat, Yuv};

/// Scales a row of a frame; the sums of the row of the input are in the words.
pub(super) type RowFn = fn(&[u8], &Columns, &mut [u32], Row<'_>);

/// What happens along a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    first: usize,
    /// Pixels that count from there on.
    from: usize,
    yuv: &'static Yuv,
    scale: Scale,
}

#[derive(Clone, Copy, Debug)]
enum Scale {
    /// Up to [`NARROW`] pixels become one, with weights of 8 bits.
    Narrow(Cells),
    /// More pixels become one, with weights of 24 bits.
    Wide(Cells),
    /// One pixel becomes several.
    Enlarge(Points),
}

/// The most pixels that become one with weights of 8 bits.
const NARROW: u32 = 4;

impl Columns {
    pub fn new(span: &Span, yuv: &'static Yuv) -> Self {
        let (from, to) = (u32::from(span.from.get()), u32::from(span.to.get()));
        let scale = if from < to {
            Scale::Enlarge(Points::new(span))
        } else if from <= NARROW * to {
            Scale::Narrow(Cells::new(span))
        } else {
            Scale::Wide(Cells::new(span))
        };
        Self { first: span.first.into(), from: span.from.get().into(), yuv, scale }
    }
}

/// What becomes of the scaled row.
pub(super) enum Row<'r> {
    /// It is added to the sums.
    Add {
        /// In 65,536ths.
        weight: u32,
    },
    /// It is the last one of a row of the input, and the first one of the next.
    Finish {
        /// In 65,536ths, in the row that ends.
        weight: u32,
        /// In the row that begins.
        next: u32,
        /// The row that ends.
        values: &'r mut [u8],
    },
    /// It is kept in the upper half of each word, and what was there goes to the lower half.
    Keep,
}

/// What the sums of a row begin with: a half, so that they are rounded when they end. They are in 2^24ths.
pub(super) const HALF: u32 = 1 << 23;

/// Writes a row between two rows that were kept.
#[inline(never)]
pub(super) fn put_between(kept: &[u32], fraction: u32, values: &mut [u8]) {
    let (lower, upper) = (0x1_0000 - (fraction << 8), fraction << 8);
    for (value, rows) in values.iter_mut().zip(kept) {
        let sum = (rows & 0xFFFF).wrapping_mul(lower).wrapping_add((rows >> 16).wrapping_mul(upper));
        *value = (sum.wrapping_add(HALF) >> 24) as u8;
    }
}

/// The row function of a format.
pub(super) fn scale_row<F: PixelFormat, L: Lanes<CHANNELS>, const CHANNELS: usize>(
    row: &[u8],
    columns: &Columns,
    sums: &mut [u32],
    to: Row<'_>,
) {
    let pixels = F::pixels(row, columns.first).map(|pixel| L::of(pixel, columns.yuv));
    let (sums, _) = sums.as_chunks_mut::<CHANNELS>();
    match to {
        Row::Add { weight } => scale::<L, CHANNELS>(pixels, columns, sums, |sums, values| {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(value.wrapping_mul(weight));
            }
        }),
        Row::Finish { weight, next, values } => {
            let mut finished = values.as_chunks_mut::<CHANNELS>().0.iter_mut();
            scale::<L, CHANNELS>(pixels, columns, sums, |sums, values| {
                let Some(finished) = finished.next() else { return };
                for ((sum, value), finished) in sums.iter_mut().zip(values).zip(finished) {
                    *finished = (sum.wrapping_add(value.wrapping_mul(weight)) >> 24) as u8;
                    *sum = value.wrapping_mul(next).wrapping_add(HALF);
                }
            });
        }
        Row::Keep => scale::<L, CHANNELS>(pixels, columns, sums, |sums, values| {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = *sum >> 16 | value << 16;
            }
        }),
    }
}

/// Scales a row, and gives `take` each pixel, its values in 256ths.
#[inline(always)]
fn scale<L: Lanes<CHANNELS>, const CHANNELS: usize>(
    mut pixels: impl Iterator<Item = L>,
    columns: &Columns,
    sums: &mut [[u32; CHANNELS]],
    take: impl FnMut(&mut [u32; CHANNELS], [u32; CHANNELS]),
) {
    match columns.scale {
        Scale::Narrow(cells) => narrow(&mut pixels, cells, sums, take),
        Scale::Wide(cells) => wide(&mut pixels, cells, sums, take),
        Scale::Enlarge(points) => enlarge(&mut pixels.take(columns.from), points, sums, take),
    }
}

/// Weights of 8 bits, so that all channels of a pixel stay in their lanes.
#[inline(always)]
fn narrow<L: Lanes<CHANNELS>, const CHANNELS: usize>(
    pixels: &mut impl Iterator<Item = L>,
    mut cells: Cells,
    sums: &mut [[u32; CHANNELS]],
    mut take: impl FnMut(&mut [u32; CHANNELS], [u32; CHANNELS]),
) {
    let inside_weight = cells.weight(cells.pixel) >> 16;
    let mut edge = L::ZERO;
    for sums in sums {
        let Cell { left, inside } = cells.next_cell();
        let left_weight = cells.weight(left) >> 16;
        let right_weight = 0x100 - left_weight - inside * inside_weight;
        let mut total = edge.times(left_weight);
        let mut middle = L::ZERO;
        for _ in 0..inside {
            middle = middle.plus(pixels.next().unwrap_or(L::ZERO));
        }
        edge = pixels.next().unwrap_or(L::ZERO);
        total = total.plus(middle.times(inside_weight)).plus(edge.times(right_weight));
        take(sums, total.values());
    }
}

/// Pixels of 8 bits whose sum fits a lane.
const MOST_IN_LANES: u32 = 256;

/// Weights of 24 bits: of so many pixels, each has little.
#[inline(always)]
fn wide<L: Lanes<CHANNELS>, const CHANNELS: usize>(
    pixels: &mut impl Iterator<Item = L>,
    mut cells: Cells,
    sums: &mut [[u32; CHANNELS]],
    mut take: impl FnMut(&mut [u32; CHANNELS], [u32; CHANNELS]),
) {
    let inside_weight = cells.weight(cells.pixel);
    let mut edge = L::ZERO;
    for sums in sums {
        let Cell { left, mut inside } = cells.next_cell();
        let left_weight = cells.weight(left);
        let right_weight = (1 << 24) - left_weight - inside * inside_weight;
        let mut total = [1_u32 << 15; CHANNELS];
        let mut add = |lanes: L, weight: u32| {
            for (sum, value) in total.iter_mut().zip(lanes.values()) {
                *sum = sum.wrapping_add(value.wrapping_mul(weight));
            }
        };
        add(edge, left_weight);
        while inside > 0 {
            let count = inside.min(MOST_IN_LANES);
            let mut middle = L::ZERO;
            for _ in 0..count {
                middle = middle.plus(pixels.next().unwrap_or(L::ZERO));
            }
            add(middle, inside_weight);
            inside -= count;
        }
        edge = pixels.next().unwrap_or(L::ZERO);
        add(edge, right_weight);
        take(sums, total.map(|sum| sum >> 16));
    }
}

/// Between two neighbors.
#[inline(always)]
fn enlarge<L: Lanes<CHANNELS>, const CHANNELS: usize>(
    pixels: &mut impl Iterator<Item = L>,
    mut points: Points,
    sums: &mut [[u32; CHANNELS]],
    mut take: impl FnMut(&mut [u32; CHANNELS], [u32; CHANNELS]),
) {
    let mut left = pixels.next().unwrap_or(L::ZERO);
    let mut right = pixels.next().unwrap_or(left);
    let mut left_index = 0;
    for sums in sums {
        let Point { index, fraction } = points.next_point();
        if index != left_index {
            (left, left_index) = (right, index);
            right = pixels.next().unwrap_or(right);
        }
        take(sums, left.times(0x100 - fraction).plus(right.times(fraction)).values());
    }
}

/// Cells, each of which covers the pixels that become one. A pixel is `pixel` units long, a cell as many units as there are pixels, so
/// that both together are whole numbers.
#[derive(Clone, Copy, Debug)]
struct Cells {
    /// Units of a pixel.
    pixel: u32,
    /// A cell is so many pixels and `rest` units, of 1 to `pixel`.
    whole: u32,
    rest: u32,
    /// What a unit weighs, in 2^24ths of a cell.
    unit: u32,
    /// Units at the beginning of the next cell that are of the pixel at the end of the cell before.
    left: u32,
}

/// One of them: what its last pixel weighs is what is left over.
struct Cell {
    /// Units of its first pixel.
    left: u32,
    /// Pixels that are in no other cell; the last pixel is not among them.
    inside: u32,
}

impl Cells {
    fn new(span: &Span) -> Self {
        let (from, to) = (NonZero::<u32>::from(span.from), NonZero::<u32>::from(span.to));
        let pixel = to.get();
        let whole = (from.get() - 1) / to;
        Self { pixel, whole, rest: from.get() - whole * pixel, unit: (1 << 24) / from, left: 0 }
    }

    /// What so many units weigh.
    #[inline(always)]
    fn weight(&self, units: u32) -> u32 {
        units.wrapping_mul(self.unit)
    }

    #[inline(always)]
    fn next_cell(&mut self) -> Cell {
        let left = self.left;
        // The last pixel has at least a unit in this cell; the rest of it is in the next one.
        let inside = if left < self.rest {
            self.left = left + self.pixel - self.rest;
            self.whole
        } else {
            self.left = left - self.rest;
            self.whole.wrapping_sub(1)
        };
        Cell { left, inside }
    }
}

/// Points between the centers of pixels, of which there are more than pixels.
///
/// Point `j` of `to` is at `((2 j + 1) from - to) / (2 to)`, in pixels from the center of the first of `from`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Points {
    /// In 256ths of a pixel, rounded to the nearest: what is left is `remainder` in `divisor`ths of that.
    position: i32,
    remainder: i32,
    step: i32,
    step_remainder: i32,
    divisor: NonZero<u16>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// The pixel before it.
    pub index: u32,
    /// 256ths of the way to the next one.
    pub fraction: u32,
}

impl Points {
    pub fn new(span: &Span) -> Self {
        let (from, to) = (i32::from(span.from.get()), NonZero::<i32>::from(span.to));
        let divide = |by: i32| (by.div_euclid(2 * to.get()), by.rem_euclid(2 * to.get()));
        let (position, remainder) = divide(256 * from - 255 * to.get());
        let (step, step_remainder) = divide(512 * from);
        Self { position, remainder, step, step_remainder, divisor: span.to }
    }

    pub fn next_point(&mut self) -> Point {
        // Before the center of the first pixel there is nothing else.
        let position = self.position.max(0) as u32;
        self.position += self.step;
        self.remainder += self.step_remainder;
        let divisor = 2 * i32::from(self.divisor.get());
        if self.remainder >= divisor {
            self.remainder -= divisor;
            self.position += 1;
        }
        Point { index: position >> 8, fraction: position & 0xFF }
    }
}
