//! A view of what a camera delivered.

use super::pixel::{Bgr888, Color, Gray, Gray8, PixelFormat, Rgb565Be, Rgb565Le, Rgb888, Uyvy, Yuyv};
use super::scale::{RowFn, scale_row};
use crate::Error;

/// The pixel format of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Format {
    /// A byte a pixel.
    Gray8,
    /// Three bytes a pixel: red, green, blue.
    Rgb888,
    /// Three bytes a pixel: blue, green, red.
    Bgr888,
    /// Two bytes a pixel, the lower one first: from the highest bit on five of red, six of green, five of blue.
    Rgb565Le,
    /// The same with the higher byte first, as most sensors send it.
    Rgb565Be,
    /// Four bytes for two neighbors: Y, U, Y, V. Also called YUY2 and YUV422.
    Yuyv,
    /// Four bytes for two neighbors: U, Y, V, Y.
    Uyvy,
}

/// How the rows of a format are scaled, to gray and to RGB.
#[derive(Clone, Copy)]
pub(super) struct RowFunctions {
    gray: RowFn,
    color: RowFn,
}

impl RowFunctions {
    const fn of<F: PixelFormat>() -> Self {
        Self { gray: scale_row::<F, Gray, 1>, color: scale_row::<F, Color, 3> }
    }

    /// The function for an input of so many channels, and the channels.
    pub const fn to(&self, channels: u16) -> Result<(RowFn, u16), Error> {
        match channels {
            1 => Ok((self.gray, 1)),
            3 => Ok((self.color, 3)),
            _ => Err(Error::InputChannels { channels }),
        }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Gray8, Self::Rgb888, Self::Bgr888, Self::Rgb565Le, Self::Rgb565Be, Self::Yuyv, Self::Uyvy];

    /// Its name, in lower case, as in a command line: `rgb565le`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gray8 => "gray8",
            Self::Rgb888 => "rgb888",
            Self::Bgr888 => "bgr888",
            Self::Rgb565Le => "rgb565le",
            Self::Rgb565Be => "rgb565be",
            Self::Yuyv => "yuyv",
            Self::Uyvy => "uyvy",
        }
    }

    /// The format of that [name](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Bytes of a row of so many pixels. Formats of pairs have a whole pair for an odd last pixel.
    #[must_use]
    pub const fn row_bytes(self, width: u16) -> usize {
        let width = width as usize;
        match self {
            Self::Gray8 => width,
            Self::Rgb888 | Self::Bgr888 => 3 * width,
            Self::Rgb565Le | Self::Rgb565Be => 2 * width,
            Self::Yuyv | Self::Uyvy => 4 * width.div_ceil(2),
        }
    }

    /// Inlined where the format is a constant, this leaves the functions of one format; the linker drops the others.
    #[inline(always)]
    pub(super) const fn row_functions(self) -> &'static RowFunctions {
        match self {
            Self::Gray8 => const { &RowFunctions::of::<Gray8>() },
            Self::Rgb888 => const { &RowFunctions::of::<Rgb888>() },
            Self::Bgr888 => const { &RowFunctions::of::<Bgr888>() },
            Self::Rgb565Le => const { &RowFunctions::of::<Rgb565Le>() },
            Self::Rgb565Be => const { &RowFunctions::of::<Rgb565Be>() },
            Self::Yuyv => const { &RowFunctions::of::<Yuyv>() },
            Self::Uyvy => const { &RowFunctions::of::<Uyvy>() },
        }
    }
}

/// A frame of a camera, borrowed from wherever the camera's driver put it: its lengths are checked.
///
/// ```
/// use infer_core::camera::{Format, Frame};
///
/// let buffer = [0; 160 * 120 * 2];
/// let frame = Frame::new(Format::Rgb565Be, 160, 120, &buffer)?;
/// assert_eq!((frame.width(), frame.height()), (160, 120));
/// # Ok::<(), infer_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub(super) functions: &'static RowFunctions,
    format: Format,
    width: u16,
    height: u16,
    stride: usize,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame whose rows follow each other. `bytes` may be longer than the frame.
    ///
    /// Only the code for this format is linked, where the format is a constant.
    ///
    /// # Errors
    /// [`Error::FrameSize`], [`Error::FrameLength`].
    #[inline(always)]
    pub const fn new(format: Format, width: u16, height: u16, bytes: &'a [u8]) -> Result<Self, Error> {
        Self::with_stride(format, width, height, format.row_bytes(width), bytes)
    }

    /// A frame whose rows begin every `stride` bytes, such as a part of a larger one. The last row may end with its last pixel.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::FrameStride`] where a row is longer than the stride.
    #[inline(always)]
    pub const fn with_stride(
        format: Format,
        width: u16,
        height: u16,
        stride: usize,
        bytes: &'a [u8],
    ) -> Result<Self, Error> {
        match Self::check(format, width, height, stride, bytes.len()) {
            Ok(()) => Ok(Self { functions: format.row_functions(), format, width, height, stride, bytes }),
            Err(error) => Err(error),
        }
    }

    #[inline(never)]
    const fn check(format: Format, width: u16, height: u16, stride: usize, given: usize) -> Result<(), Error> {
        if width == 0 || height == 0 {
            return Err(Error::FrameSize { width, height });
        }
        let row = format.row_bytes(width);
        if stride < row {
            return Err(Error::FrameStride { needed: row, given: stride });
        }
        let needed = stride.saturating_mul(height as usize - 1).saturating_add(row);
        if given < needed { Err(Error::FrameLength { needed, given }) } else { Ok(()) }
    }

    /// Pixels of a row.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.height
    }

    /// The format of its pixels.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Its rows from the top, each with all bytes of its pixels.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (bytes, stride, row) = (self.bytes, self.stride, self.format.row_bytes(self.width));
        (0..usize::from(self.height)).map_while(move |number| {
            let start = number.wrapping_mul(stride);
            bytes.get(start..start.wrapping_add(row))
        })
    }
}

impl core::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Frame({} {}x{}, stride {})", self.format.name(), self.width, self.height, self.stride)
    }
}
