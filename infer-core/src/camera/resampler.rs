//! From the rows of a frame to the rows of an input.

use core::num::NonZero;
use core::ops::Range;

use super::frame::{Format, Frame};
use super::geometry::{Geometry, Placement, Span};
use super::pixel::{Line, Yuv, luma};
use super::scale::{Columns, HALF, Point, Points, Row, RowFn, put_between};
use super::{Preprocessing, Rotation, YuvRange};
use crate::Error;
use crate::format::Shape;

/// Where rows of an input go as they come about.
pub(super) trait Rows {
    /// Where the row is to be written that lies as the frame does, without background.
    fn row(&mut self, row: u16) -> &mut [u8];
    /// It was written.
    fn written(&mut self, row: u16);
}

/// What was made of the rows of a frame so far. The sums are in words of the caller.
#[derive(Clone, Debug)]
pub(super) struct Resampling {
    columns: Columns,
    scale: RowFn,
    rows: Span,
    /// Values of a row.
    values: usize,
    /// Rows of the frame that came.
    taken: u16,
    /// Rows of the input that are written.
    written: u16,
    progress: Progress,
    /// [`HALF`], read from memory: as a constant, it would be added by an instruction of its own.
    half: u32,
    line: Line,
}

#[derive(Clone, Debug)]
enum Progress {
    /// Units that the rows so far have in the row of the input that is being summed up: as those of [`Columns`].
    Shrink { begun: u32 },
    /// The next row of the input.
    Enlarge { points: Points, next: Point },
}

impl Resampling {
    /// Of the channels that `scale` makes.
    pub fn new(geometry: &Geometry, (scale, channels): (RowFn, u16), range: YuvRange) -> Self {
        let Geometry { columns, rows, .. } = geometry;
        let progress = if rows.from < rows.to {
            let mut points = Points::new(rows);
            let next = points.next_point();
            Progress::Enlarge { points, next }
        } else {
            Progress::Shrink { begun: 0 }
        };
        Self {
            columns: Columns::new(columns, Yuv::of(range)),
            scale,
            rows: *rows,
            values: usize::from(columns.to.get()) * usize::from(channels),
            taken: 0,
            written: 0,
            progress,
            half: HALF,
            line: Line::new(channels),
        }
    }

    /// Takes the next row of the frame; rows that are cut off too.
    pub fn take_row(&mut self, row: &[u8], memory: &mut [u32], to: &mut impl Rows) {
        let number = self.taken.wrapping_sub(self.rows.first);
        self.taken = self.taken.wrapping_add(1);
        // What is above the first row wraps.
        if number >= self.rows.from.get() {
            return;
        }
        let sums = memory.get_mut(..self.values).unwrap_or_default();
        let from = u32::from(self.rows.from.get());
        match &mut self.progress {
            Progress::Shrink { begun } => {
                let begin = *begun;
                let end = begin + u32::from(self.rows.to.get());
                let weight = |units: u32| (units << 16) / NonZero::<u32>::from(self.rows.from);
                let half = self.half;
                if end < from {
                    *begun = end;
                    let weight = weight(end) - weight(begin);
                    let add = if begin == 0 { Row::Begin { weight, half } } else { Row::Add { weight } };
                    (self.scale)(row, &self.columns, &mut self.line, sums, add);
                } else {
                    *begun = end - from;
                    if number == 0 {
                        sums.fill(half);
                    }
                    let (last, next) = (0x1_0000 - weight(begin), weight(end - from));
                    let values = to.row(self.written);
                    let finish = if end == from && begin != 0 {
                        Row::End { weight: last, values }
                    } else {
                        Row::Finish { weight: last, next, half, values }
                    };
                    (self.scale)(row, &self.columns, &mut self.line, sums, finish);
                    to.written(self.written);
                    self.written += 1;
                }
            }
            Progress::Enlarge { points, next } => {
                (self.scale)(row, &self.columns, &mut self.line, sums, Row::Keep);
                let is_last = u32::from(number) + 1 == from;
                while self.written < self.rows.to.get() {
                    if next.index >= u32::from(number) {
                        if !is_last {
                            break;
                        }
                        // After the center of the last row there is nothing else.
                        next.fraction = 0x100;
                    }
                    put_between(sums, next.fraction, self.half, to.row(self.written));
                    to.written(self.written);
                    self.written += 1;
                    *next = points.next_point();
                }
            }
        }
    }
}

/// A whole input in memory.
pub(super) struct Whole<'i> {
    input: &'i mut [u8],
    placement: Placement,
    /// Values of a row, and of a pixel.
    values: usize,
    channels: u16,
    /// A row that is to become a column; empty where rows stay rows.
    column: &'i mut [u8],
}

impl<'i> Whole<'i> {
    pub fn new(
        geometry: &Geometry,
        preprocessing: &Preprocessing,
        shape: Shape,
        input: &'i mut [u8],
        column: &'i mut [u8],
    ) -> Self {
        if geometry.has_margins() {
            fill(input, preprocessing.background, shape.channels);
        }
        let mut placement = Placement::new(preprocessing.rotation, preprocessing.mirror, shape);
        placement.skip(geometry.rows.margin, geometry.columns.margin);
        let values = usize::from(geometry.columns.to.get()) * usize::from(shape.channels);
        Self { input, placement, values, channels: shape.channels, column }
    }

    /// Where the first pixel of a row is.
    fn at(&self, row: u16) -> usize {
        self.placement.first.wrapping_add(self.placement.row.wrapping_mul(row.into()))
    }

    /// The values of a row that is a row of the input too; from right to left it begins with its last pixel.
    fn in_input(&mut self, row: u16) -> &mut [u8] {
        let mut at = self.at(row);
        if self.placement.is_from_the_right() {
            at = at.wrapping_add(self.channels.into()).wrapping_sub(self.values);
        }
        self.input.get_mut(at..at.wrapping_add(self.values)).unwrap_or_default()
    }
}

impl Rows for Whole<'_> {
    fn row(&mut self, row: u16) -> &mut [u8] {
        if self.column.is_empty() { self.in_input(row) } else { self.column }
    }

    fn written(&mut self, row: u16) {
        let channels = self.channels;
        if self.column.is_empty() {
            if self.placement.is_from_the_right() {
                reverse(self.in_input(row), channels);
            }
        } else {
            let mut at = self.at(row);
            for pixel in self.column.chunks_exact(channels.max(1).into()) {
                let place = self.input.get_mut(at..).unwrap_or_default();
                place.iter_mut().zip(pixel).for_each(|(place, value)| *place = *value);
                at = at.wrapping_add(self.placement.column);
            }
        }
    }
}

/// Exchanges left and right.
fn reverse(row: &mut [u8], channels: u16) {
    if channels == 3 {
        row.as_chunks_mut::<3>().0.reverse();
    } else {
        row.reverse();
    }
}

/// Fills with a color, or with its luma.
fn fill(values: &mut [u8], color: [u8; 3], channels: u16) {
    if channels == 3 {
        values.as_chunks_mut().0.fill(color);
    } else {
        values.fill(luma(color));
    }
}

impl Frame<'_> {
    /// Writes the whole input, `[height, width, channels]` of `shape`, for a model of this preprocessing.
    /// [`Network::classify_frame`](crate::Network::classify_frame) does the same in the network's own arena.
    ///
    /// `memory` has at least [`Preprocessing::memory_words`] words.
    ///
    /// # Errors
    /// [`Error::InputChannels`], [`Error::FrameShape`], [`Error::InputLength`], [`Error::FrameMemory`].
    #[inline(never)]
    pub fn to_input(
        &self,
        preprocessing: &Preprocessing,
        shape: Shape,
        memory: &mut [u32],
        input: &mut [u8],
    ) -> Result<(), Error> {
        let scale = self.functions.to(shape.channels)?;
        let geometry = Geometry::new(preprocessing, shape, self.width(), self.height())?;
        let mut resampling = Resampling::new(&geometry, scale, preprocessing.yuv_range);
        let needed = preprocessing.memory_words(shape);
        let given = memory.len();
        let Some(memory) = memory.get_mut(..needed) else { return Err(Error::FrameMemory { needed, given }) };
        if input.len() != shape.len() {
            return Err(Error::InputLength { needed: shape.len(), given: input.len() });
        }
        // Of a row that becomes a column, there is none in the input to write it to.
        let values = usize::from(geometry.columns.to.get()) * usize::from(shape.channels);
        let (memory, column) =
            memory.split_at_mut_checked(usize::from(geometry.width) * usize::from(shape.channels)).unwrap_or_default();
        let column = bytemuck::must_cast_slice_mut(column);
        let column = column.get_mut(..values).unwrap_or_default();
        let mut whole = Whole::new(&geometry, preprocessing, shape, input, column);
        for row in self.rows() {
            resampling.take_row(row, memory, &mut whole);
        }
        Ok(())
    }
}

/// Makes an input row by row, for a camera that delivers a frame row by row and a program that has no memory for a whole frame.
///
/// The bytes are those of [`Frame::to_input`].
///
/// ```
/// use infer_core::Shape;
/// use infer_core::camera::{Format, Preprocessing, Resampler, Resize};
///
/// let shape = Shape { height: 96, width: 96, channels: 3 };
/// let preprocessing = Preprocessing { resize: Resize::Crop, ..Preprocessing::default() };
/// let mut memory = [0; 96 * 3 * 5 / 4];
/// assert_eq!(memory.len(), preprocessing.resampler_words(shape));
///
/// let mut resampler = Resampler::new(Format::Rgb565Be, 160, 120, &preprocessing, shape, &mut memory)?;
/// let mut input = [[0; 96 * 3]; 96];
/// for _ in 0..120 {
///     let line_of_the_camera = [0; 160 * 2];
///     resampler.push_row(&line_of_the_camera, |number, row| input[usize::from(number)].copy_from_slice(row))?;
/// }
/// # Ok::<(), infer_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Resampler<'m> {
    geometry: Geometry,
    preprocessing: Preprocessing,
    shape: Shape,
    row_bytes: usize,
    frame_height: u16,
    resampling: Resampling,
    memory: &'m mut [u32],
}

impl<'m> Resampler<'m> {
    /// For frames of this format and size, and an input of `shape`.
    ///
    /// `memory` has at least [`Preprocessing::resampler_words`] words. Only the code for this format is linked, where the format is a
    /// constant.
    ///
    /// # Errors
    /// [`Error::RotationNeedsInput`] for a rotation by 90 or 270 degrees, of which no row is complete before the last row of the frame
    /// is there; [`Error::InputChannels`], [`Error::FrameSize`], [`Error::FrameShape`], [`Error::FrameMemory`].
    #[inline(always)]
    pub fn new(
        format: Format,
        width: u16,
        height: u16,
        preprocessing: &Preprocessing,
        shape: Shape,
        memory: &'m mut [u32],
    ) -> Result<Self, Error> {
        let functions = format.row_functions();
        Self::with_functions(
            functions.to(shape.channels),
            format.row_bytes(width),
            (width, height),
            preprocessing,
            shape,
            memory,
        )
    }

    #[inline(never)]
    fn with_functions(
        scale: Result<(RowFn, u16), Error>,
        row_bytes: usize,
        (width, height): (u16, u16),
        preprocessing: &Preprocessing,
        shape: Shape,
        memory: &'m mut [u32],
    ) -> Result<Self, Error> {
        if preprocessing.rotation.is_on_its_side() {
            return Err(Error::RotationNeedsInput);
        }
        let geometry = Geometry::new(preprocessing, shape, width, height)?;
        let resampling = Resampling::new(&geometry, scale?, preprocessing.yuv_range);
        let (needed, given) = (preprocessing.resampler_words(shape), memory.len());
        let Some(memory) = memory.get_mut(..needed) else { return Err(Error::FrameMemory { needed, given }) };
        let preprocessing = *preprocessing;
        Ok(Self { geometry, preprocessing, shape, row_bytes, frame_height: height, resampling, memory })
    }

    /// Takes the next row of a frame, from the top, and gives `put` the rows of the input that are complete by it: their numbers,
    /// counted from the top, and their `[width, channels]` values. Under a rotation by 180 degrees the last row comes first.
    ///
    /// Returns whether the input is complete; the next row is then the first one of the next frame.
    ///
    /// # Errors
    /// [`Error::FrameLength`] where the row is too short; nothing happens then.
    #[inline(never)]
    pub fn push_row(&mut self, row: &[u8], put: impl FnMut(u16, &[u8])) -> Result<bool, Error> {
        let (needed, given) = (self.row_bytes, row.len());
        if given < needed {
            return Err(Error::FrameLength { needed, given });
        }
        let Self { geometry: Geometry { columns, rows, width, height }, preprocessing, shape, .. } = *self;
        let values = usize::from(shape.width) * usize::from(shape.channels);
        let (sums, buffer) = self.memory.split_at_mut_checked(values).unwrap_or_default();
        let buffer = bytemuck::must_cast_slice_mut(buffer).get_mut(..values).unwrap_or_default();
        let is_from_below = matches!(preprocessing.rotation, Rotation::Half);
        let is_from_the_right = preprocessing.mirror != is_from_below;
        let channels = usize::from(shape.channels);
        let margin_left = if is_from_the_right { width - columns.to.get() - columns.margin } else { columns.margin };
        let start = usize::from(margin_left) * channels;
        let inside = start..start + usize::from(columns.to.get()) * channels;
        let mut lines = Lines {
            buffer,
            inside,
            channels: shape.channels,
            height,
            margin: rows.margin,
            is_from_below,
            is_from_the_right,
            put,
        };
        if self.resampling.taken == 0 {
            fill(lines.buffer, preprocessing.background, shape.channels);
            lines.put_rows(0..rows.margin);
        }
        self.resampling.take_row(row, sums, &mut lines);
        if self.resampling.taken < self.frame_height {
            return Ok(false);
        }
        fill(lines.buffer, preprocessing.background, shape.channels);
        lines.put_rows(rows.margin + rows.to.get()..height);
        let channels = (self.resampling.scale, shape.channels);
        self.resampling = Resampling::new(&self.geometry, channels, preprocessing.yuv_range);
        Ok(true)
    }
}

/// One row of an input at a time.
struct Lines<'m, P> {
    buffer: &'m mut [u8],
    /// Where the frame is between its margins.
    inside: Range<usize>,
    channels: u16,
    /// Of the input.
    height: u16,
    /// Rows of background above.
    margin: u16,
    is_from_below: bool,
    is_from_the_right: bool,
    put: P,
}

impl<P: FnMut(u16, &[u8])> Lines<'_, P> {
    /// Rows as the frame has them, background included.
    fn put_rows(&mut self, rows: Range<u16>) {
        for row in rows {
            let row = if self.is_from_below { self.height.wrapping_sub(row).wrapping_sub(1) } else { row };
            (self.put)(row, self.buffer);
        }
    }
}

impl<P: FnMut(u16, &[u8])> Rows for Lines<'_, P> {
    fn row(&mut self, _: u16) -> &mut [u8] {
        self.buffer.get_mut(self.inside.clone()).unwrap_or_default()
    }

    fn written(&mut self, row: u16) {
        if self.is_from_the_right {
            let channels = self.channels;
            reverse(self.row(row), channels);
        }
        let row = self.margin.wrapping_add(row);
        self.put_rows(row..row.wrapping_add(1));
    }
}
