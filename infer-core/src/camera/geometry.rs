//! Which part of a frame goes where in the input.

use core::num::NonZero;

use super::{Preprocessing, Resize, Rotation};
use crate::Error;
use crate::format::Shape;

/// A part of a row or a column of a frame, and what it is scaled to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The first pixel that counts.
    pub first: u16,
    /// Pixels that count.
    pub from: NonZero<u16>,
    /// Pixels of the input that they become.
    pub to: NonZero<u16>,
    /// Pixels of background before them.
    pub margin: u16,
}

/// What happens along the rows of a frame and down its columns, before the input is turned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub columns: Span,
    pub rows: Span,
    /// Width and height of the input as long as it lies as the frame does.
    pub width: u16,
    pub height: u16,
}

type Size = (NonZero<u16>, NonZero<u16>);

impl Geometry {
    pub fn new(preprocessing: &Preprocessing, shape: Shape, width: u16, height: u16) -> Result<Self, Error> {
        let is_on_its_side = preprocessing.rotation.is_on_its_side();
        let (across, down) = if is_on_its_side { (shape.height, shape.width) } else { (shape.width, shape.height) };
        let (Some(frame_width), Some(frame_height)) = (NonZero::new(width), NonZero::new(height)) else {
            return Err(Error::FrameSize { width, height });
        };
        let (Some(across), Some(down)) = (NonZero::new(across), NonZero::new(down)) else {
            return Err(Error::Dimensions { layer: 0 });
        };
        let (frame, input) = ((frame_width, frame_height), (across, down));
        let (mut from, mut to) = (frame, input);
        match preprocessing.resize {
            Resize::None if frame != input => {
                let (width, height) = (frame_width.get(), frame_height.get());
                return Err(Error::FrameShape { width, height, needed_width: across.get(), needed_height: down.get() });
            }
            Resize::None | Resize::Stretch => {}
            Resize::Fit => to = largest_inside(frame, input),
            Resize::Crop => from = largest_inside(input, frame),
        }
        let span = |frame: NonZero<u16>, from: NonZero<u16>, to: NonZero<u16>, input: NonZero<u16>| {
            let half_of_rest = |whole: NonZero<u16>, part: NonZero<u16>| whole.get().saturating_sub(part.get()) / 2;
            Span { first: half_of_rest(frame, from), from, to, margin: half_of_rest(input, to) }
        };
        Ok(Self {
            columns: span(frame.0, from.0, to.0, input.0),
            rows: span(frame.1, from.1, to.1, input.1),
            width: across.get(),
            height: down.get(),
        })
    }

    /// Whether there is background around the frame.
    pub const fn has_margins(&self) -> bool {
        self.columns.to.get() < self.width || self.rows.to.get() < self.height
    }
}

/// The largest size of the aspect ratio of `shape` that fits into `frame`, both width and height; the shorter side is rounded to the
/// nearest whole number, up from a half.
fn largest_inside(shape: Size, frame: Size) -> Size {
    // Not past 65535^2 + 65535 / 2, which is below 2^32.
    let product = |a: NonZero<u16>, b: NonZero<u16>| u32::from(a.get()) * u32::from(b.get());
    let scaled = |side: NonZero<u16>, by: NonZero<u16>, of: NonZero<u16>, most: NonZero<u16>| {
        let side = (product(side, by) + u32::from(of.get() / 2)) / NonZero::<u32>::from(of);
        NonZero::new(side.clamp(1, u32::from(most.get())) as u16).unwrap_or(most)
    };
    if product(shape.0, frame.1) > product(shape.1, frame.0) {
        (frame.0, scaled(shape.1, frame.0, shape.0, frame.1))
    } else {
        (scaled(shape.0, frame.1, shape.1, frame.0), frame.1)
    }
}

/// Where the pixels of a frame are in an input, in values: the first one, and how far it is to the next row and the next column of the
/// frame. Distances wrap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub first: usize,
    pub row: usize,
    pub column: usize,
}

impl Placement {
    pub fn new(rotation: Rotation, mirror: bool, shape: Shape) -> Self {
        let (bottom, right) = (shape.height.wrapping_sub(1) as usize, shape.width.wrapping_sub(1) as usize);
        let back = usize::MAX;
        // Row and column in the input of the frame's first pixel, and what a row and a column of the frame add to them.
        let (y, mut x) = match rotation {
            Rotation::None => ([0, 1, 0], [0, 0, 1]),
            Rotation::Quarter => ([0, 0, 1], [right, back, 0]),
            Rotation::Half => ([bottom, back, 0], [right, 0, back]),
            Rotation::ThreeQuarters => ([bottom, 0, back], [0, 1, 0]),
        };
        if mirror {
            let [first, row, column] = x;
            x = [right.wrapping_sub(first), row.wrapping_neg(), column.wrapping_neg()];
        }
        let value =
            |y: usize, x: usize| y.wrapping_mul(shape.width.into()).wrapping_add(x).wrapping_mul(shape.channels.into());
        let ([y, y_row, y_column], [x, x_row, x_column]) = (y, x);
        Self { first: value(y, x), row: value(y_row, x_row), column: value(y_column, x_column) }
    }

    /// Whether columns of the frame go to the left.
    pub const fn is_from_the_right(&self) -> bool {
        self.column > isize::MAX as usize
    }

    /// Begins so many rows and columns of the frame later.
    pub fn skip(&mut self, rows: u16, columns: u16) {
        let skipped = self.row.wrapping_mul(rows.into()).wrapping_add(self.column.wrapping_mul(columns.into()));
        self.first = self.first.wrapping_add(skipped);
    }
}
