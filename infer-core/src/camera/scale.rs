//! One row of a frame, scaled along the row and added to the rows before it.

use core::hint::black_box;
use core::num::NonZero;

use super::geometry::Span;
use super::pixel::{CHUNK, Lanes, Line, PixelFormat, Yuv};

/// Scales a row of a frame; the sums of the row of the input are in the words.
pub(super) type RowFn = fn(&[u8], &Columns, &mut Line, &mut [u32], Row<'_>);

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
const NARROW: u32 = 2;

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

    /// The pixels of a row from the first one that counts.
    #[inline(always)]
    fn pixels<F: PixelFormat, L: Lanes<CHANNELS>, const CHANNELS: usize>(&self, row: &[u8]) -> impl Iterator<Item = L> {
        F::pixels(row, self.first).map(|pixel| L::of(pixel, self.yuv))
    }
}

/// What becomes of the scaled row. Weights are in 65,536ths.
pub(super) enum Row<'r> {
    /// It is the first one of a row of the input: whatever the sums were.
    Begin {
        weight: u32,
        /// [`HALF`].
        half: u32,
    },
    /// It is added to the sums.
    Add { weight: u32 },
    /// It is the last one of a row of the input, and the first one of the next.
    Finish {
        /// In the row that ends.
        weight: u32,
        /// In the row that begins.
        next: u32,
        /// [`HALF`].
        half: u32,
        /// The row that ends.
        values: &'r mut [u8],
    },
    /// It is the last one of a row of the input.
    End { weight: u32, values: &'r mut [u8] },
    /// It is kept in the upper half of each word, and what was there goes to the lower half.
    Keep,
}

/// Writes a row between two rows that were kept.
#[inline(never)]
pub(super) fn put_between(kept: &[u32], fraction: u32, half: u32, values: &mut [u8]) {
    let (lower, upper) = (0x1_0000 - (fraction << 8), fraction << 8);
    for (value, rows) in values.iter_mut().zip(kept) {
        let sum = half.wrapping_add((rows & 0xFFFF).wrapping_mul(lower)).wrapping_add((rows >> 16).wrapping_mul(upper));
        *value = (sum >> 24) as u8;
    }
}

/// A half of a value of a row of the input: once in the sum, all that is cut off at last is rounded.
pub(super) const HALF: u32 = 1 << 23;

/// The row function of a format: scales a few pixels at a time along the row, to 256ths, and gives them to the rows.
///
/// Two loops instead of one, because one would need more registers than there are, and the second one is the same for all formats.
pub(super) fn scale_row<F: PixelFormat, L: Lanes<CHANNELS>, const CHANNELS: usize>(
    row: &[u8],
    columns: &Columns,
    line: &mut Line,
    sums: &mut [u32],
    to: Row<'_>,
) {
    let (sums, _) = sums.as_chunks_mut();
    match &columns.scale {
        Scale::Narrow(cells) => narrow::<F, L, CHANNELS>(row, columns, cells, L::of_line(line), sums, to),
        Scale::Wide(cells) => wide::<F, L, CHANNELS>(row, columns, cells, L::of_line(line), sums, to),
        Scale::Enlarge(points) => enlarge::<F, L, CHANNELS>(row, columns, points, L::of_line(line), sums, to),
    }
}

impl Row<'_> {
    /// Takes pixels that are scaled along the row, in 256ths.
    #[inline(never)]
    fn take<L: Lanes<CHANNELS>, const CHANNELS: usize>(&mut self, line: &[L], sums: &mut [[u32; CHANNELS]]) {
        let count = sums.len();
        let lines = line.iter().zip(sums);
        // Each loop has one counter, and is not unrolled: there are too few registers for more.
        match self {
            Row::Begin { weight, half } => {
                let (weight, half) = (*weight, *half);
                for (lanes, sums) in lines {
                    black_box(());
                    *sums = lanes.values().map(|value| value.wrapping_mul(weight).wrapping_add(half));
                }
            }
            Row::Add { weight } => {
                let weight = *weight;
                for (lanes, sums) in lines {
                    black_box(());
                    for (sum, value) in sums.iter_mut().zip(lanes.values()) {
                        *sum = sum.wrapping_add(value.wrapping_mul(weight));
                    }
                }
            }
            Row::Finish { weight, next, half, values } => {
                let (weight, next, half) = (*weight, *next, *half);
                for ((lanes, sums), finished) in lines.zip(first_pixels(values, count)) {
                    black_box(());
                    let values = lanes.values();
                    put(finished, *sums, values, weight);
                    *sums = values.map(|value| value.wrapping_mul(next).wrapping_add(half));
                }
            }
            Row::End { weight, values } => {
                let weight = *weight;
                for ((lanes, sums), finished) in lines.zip(first_pixels(values, count)) {
                    black_box(());
                    put(finished, *sums, lanes.values(), weight);
                }
            }
            Row::Keep => {
                for (lanes, sums) in lines {
                    black_box(());
                    for (rows, value) in sums.iter_mut().zip(lanes.values()) {
                        *rows = *rows >> 16 | value << 16;
                    }
                }
            }
        }
    }
}

/// Cuts off so many pixels.
fn first_pixels<'r, const CHANNELS: usize>(values: &mut &'r mut [u8], count: usize) -> &'r mut [[u8; CHANNELS]] {
    let (first, rest) = core::mem::take(values).split_at_mut_checked(count * CHANNELS).unwrap_or_default();
    *values = rest;
    first.as_chunks_mut().0
}

/// Adds the last of the values, and writes the sums.
#[inline(always)]
fn put<const CHANNELS: usize>(pixel: &mut [u8; CHANNELS], sums: [u32; CHANNELS], last: [u32; CHANNELS], weight: u32) {
    // One by one, as else the bytes would be put together first.
    for ((byte, sum), value) in pixel.iter_mut().zip(sums).zip(last) {
        *byte = (sum.wrapping_add(value.wrapping_mul(weight)) >> 24) as u8;
    }
}

/// Weights of 8 bits, so that all channels of a pixel stay in their lanes.
#[inline(never)]
fn narrow<F: PixelFormat, L: Lanes<CHANNELS>, const CHANNELS: usize>(
    row: &[u8],
    columns: &Columns,
    &Cells { pixel, whole, rest }: &Cells,
    line: &mut [L],
    sums: &mut [[u32; CHANNELS]],
    mut to: Row<'_>,
) {
    let mut pixels = columns.pixels::<F, L, CHANNELS>(row);
    let pixel_weight = pixel >> 16;
    // Where pixels are cells, there is never a pixel inside of one.
    let rest = if whole == 0 { 0 } else { rest };
    let (mut edge, mut left) = (L::ZERO, 0_u32);
    for sums in sums.chunks_mut(CHUNK) {
        let line = line.get_mut(..sums.len()).unwrap_or_default();
        for scaled in line.iter_mut() {
            let left_weight = left >> 16 & 0xFF;
            let mut right_weight = 0x100 - left_weight;
            let mut total = edge.times(left_weight);
            let after = left.wrapping_sub(rest);
            if left < rest {
                let Some(inside) = pixels.next() else { return };
                total = total.plus(inside.times(pixel_weight));
                right_weight -= pixel_weight;
                left = after.wrapping_add(pixel);
            } else {
                left = after;
            }
            let Some(last) = pixels.next() else { return };
            edge = last;
            *scaled = total.plus(edge.times(right_weight));
        }
        to.take(line, sums);
    }
}

/// Pixels of 8 bits whose sum fits a lane.
const MOST_IN_LANES: u32 = 256;

/// Weights of 24 bits: of so many pixels, each has little.
#[inline(never)]
fn wide<F: PixelFormat, L: Lanes<CHANNELS>, const CHANNELS: usize>(
    row: &[u8],
    columns: &Columns,
    &Cells { pixel, whole, rest }: &Cells,
    line: &mut [L],
    sums: &mut [[u32; CHANNELS]],
    mut to: Row<'_>,
) {
    let mut pixels = columns.pixels::<F, L, CHANNELS>(row);
    let (mut edge, mut left) = (L::ZERO, 0_u32);
    for sums in sums.chunks_mut(CHUNK) {
        let line = line.get_mut(..sums.len()).unwrap_or_default();
        for scaled in line.iter_mut() {
            let mut total = [1_u32 << 15; CHANNELS];
            let mut add = |lanes: L, weight: u32| {
                for (sum, value) in total.iter_mut().zip(lanes.values()) {
                    *sum = sum.wrapping_add(value.wrapping_mul(weight));
                }
            };
            add(edge, left);
            let after = left.wrapping_sub(rest);
            let mut inside = if left < rest { whole } else { whole - 1 };
            let right = (1 << 24) - left - inside * pixel;
            left = if left < rest { after.wrapping_add(pixel) } else { after };
            while inside > 0 {
                let count = inside.min(MOST_IN_LANES);
                let mut middle = L::ZERO;
                for _ in 0..count {
                    let Some(pixel) = pixels.next() else { return };
                    middle = middle.plus(pixel);
                }
                add(middle, pixel);
                inside -= count;
            }
            let Some(last) = pixels.next() else { return };
            edge = last;
            add(edge, right);
            *scaled = L::of_values(total.map(|sum| sum >> 16));
        }
        to.take(line, sums);
    }
}

/// Between two neighbors.
#[inline(never)]
fn enlarge<F: PixelFormat, L: Lanes<CHANNELS>, const CHANNELS: usize>(
    row: &[u8],
    columns: &Columns,
    points: &Points,
    line: &mut [L],
    sums: &mut [[u32; CHANNELS]],
    mut to: Row<'_>,
) {
    let mut pixels = columns.pixels::<F, L, CHANNELS>(row).take(columns.from);
    let mut points = *points;
    let Some(mut left) = pixels.next() else { return };
    let mut right = pixels.next().unwrap_or(left);
    let mut left_index = 0;
    for sums in sums.chunks_mut(CHUNK) {
        let line = line.get_mut(..sums.len()).unwrap_or_default();
        for scaled in line.iter_mut() {
            let Point { index, fraction } = points.next_point();
            if index != left_index {
                (left_index, left) = (index, right);
                right = pixels.next().unwrap_or(right);
            }
            *scaled = left.times(0x100 - fraction).plus(right.times(fraction));
        }
        to.take(line, sums);
    }
}

/// Cells, each of which covers the pixels that become one. As a pixel is `to` units long and a cell `from`, both together are whole
/// numbers. All lengths are in 2^24ths of a cell, rounded down to those of units.
#[derive(Clone, Copy, Debug)]
struct Cells {
    /// Length of a pixel.
    pixel: u32,
    /// A cell is so many pixels and `rest`, of one unit to a pixel.
    whole: u32,
    rest: u32,
}

impl Cells {
    fn new(span: &Span) -> Self {
        let (from, to) = (NonZero::<u32>::from(span.from), NonZero::<u32>::from(span.to));
        let unit = (1 << 24) / from;
        let whole = (from.get() - 1) / to;
        Self { pixel: unit * to.get(), whole, rest: unit * (from.get() - whole * to.get()) }
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
