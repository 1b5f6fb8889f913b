//! Frames as a camera delivers them, in files: bytes of a format and a size that are in the file's name, or given with it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use infer_core::camera::{Format, Frame};

/// Pixels of an image at most: more than any camera's, few enough that a lying header costs nothing.
pub const MOST_PIXELS: u64 = 64 << 20;

/// Bytes after a frame that are counted, at most: a device may have no end.
pub(super) const MOST_COUNTED: u64 = 256 << 20;

/// Bytes of a frame at most: those of so many pixels in any format, with what follows them in each row.
const MOST_BYTES: u64 = 4 * MOST_PIXELS;

/// How the file of a frame ends; before that come its format and size: `crow.rgb565be.160x120.raw`.
const EXTENSION: &str = "raw";

/// What the bytes of a frame are.
///
/// ```
/// use trainer::image::FrameLayout;
///
/// let layout: FrameLayout = "rgb565be:160x120".parse()?;
/// assert_eq!(layout.bytes(), 160 * 120 * 2);
/// // Each row begins 384 bytes after the one before.
/// let layout: FrameLayout = "rgb565be:160x120:384".parse()?;
/// assert_eq!(layout.bytes(), 384 * 120);
/// # Ok::<(), trainer::image::FrameLayoutError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLayout {
    format: Format,
    width: u16,
    height: u16,
    /// Bytes from one row to the next.
    stride: usize,
}

/// What is wrong with the text or the file name of a [`FrameLayout`].
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FrameLayoutError {
    /// Not of the form.
    #[error(
        "{text:?} is not a layout of frames; write FORMAT:WIDTHxHEIGHT or FORMAT:WIDTHxHEIGHT:STRIDE, such as rgb565be:160x120 \
         (stride: bytes from one row to the next)"
    )]
    Text {
        /// The text.
        text: String,
    },
    /// A file name that does not show what the frame is.
    #[error(
        "its name does not show format and size; name it NAME.FORMAT.WIDTHxHEIGHT.raw, such as crow.rgb565be.160x120.raw"
    )]
    Name,
    /// Not the name of a format.
    #[error("{text:?} is not a format of frames; the formats are {}", Format::ALL.map(Format::name).join(", "))]
    Format {
        /// The text.
        text: String,
    },
    /// No pixel, or too many.
    #[error("a frame of {width} x {height} pixels; each side is 1 to 65535, and at most {} million are read", MOST_PIXELS / 1_000_000)]
    Size {
        /// Pixels of a row.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// Rows that overlap.
    #[error("rows that begin every {stride} bytes are too short: {width} pixels of {} have {needed} bytes", .format.name())]
    Stride {
        /// The format.
        format: Format,
        /// Pixels of a row.
        width: u16,
        /// Bytes of a row.
        needed: usize,
        /// Bytes from one row to the next.
        stride: usize,
    },
    /// Rows that are too far from each other.
    #[error("{rows} rows that begin every {stride} bytes; at most {} MB are read", MOST_BYTES >> 20)]
    Length {
        /// Rows.
        rows: u16,
        /// Bytes from one row to the next.
        stride: usize,
    },
}

impl FrameLayout {
    /// The layout that a file's name shows, and why it shows none; `None` where the name is not that of a frame.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Result<Self, FrameLayoutError>> {
        let name = path.file_name()?.to_string_lossy();
        let (name, extension) = name.rsplit_once('.')?;
        extension.eq_ignore_ascii_case(EXTENSION).then(|| {
            let (name, size) = name.rsplit_once('.').ok_or(FrameLayoutError::Name)?;
            let (_, format) = name.rsplit_once('.').ok_or(FrameLayoutError::Name)?;
            Self::new(format, size, None)?.ok_or(FrameLayoutError::Name)
        })
    }

    /// `None` where the numbers are none.
    fn new(format: &str, size: &str, stride: Option<&str>) -> Result<Option<Self>, FrameLayoutError> {
        // Digits alone, as a number would also take a sign.
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let sides = size.split_once('x').and_then(|(width, height)| Some((number(width)?, number(height)?)));
        let Some((width, height)) = sides else { return Ok(None) };
        let name = format.to_ascii_lowercase();
        let format = Format::named(&name).ok_or_else(|| FrameLayoutError::Format { text: format.to_owned() })?;
        let (Ok(columns @ 1..), Ok(rows @ 1..)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(FrameLayoutError::Size { width, height });
        };
        if width * height > MOST_PIXELS {
            return Err(FrameLayoutError::Size { width, height });
        }
        let needed = format.row_bytes(columns);
        let stride = match stride.map(number) {
            None => needed,
            Some(Some(stride)) => usize::try_from(stride).unwrap_or(usize::MAX),
            Some(None) => return Ok(None),
        };
        if stride < needed {
            return Err(FrameLayoutError::Stride { format, width: columns, needed, stride });
        }
        if (stride as u64).saturating_mul(rows.into()) > MOST_BYTES {
            return Err(FrameLayoutError::Length { rows, stride });
        }
        Ok(Some(Self { format, width: columns, height: rows, stride }))
    }

    /// The format of its pixels.
    #[must_use]
    pub const fn format(self) -> Format {
        self.format
    }

    /// Rows and columns.
    #[must_use]
    pub const fn size(self) -> (u16, u16) {
        (self.height, self.width)
    }

    /// Whether its pixels have color.
    #[must_use]
    pub const fn is_rgb(self) -> bool {
        !matches!(self.format, Format::Gray8)
    }

    /// Bytes of a frame, with what follows the pixels of each row.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.stride * self.height as usize
    }

    /// Bytes that reading a frame takes at most, about: a buffer that grows is there twice.
    #[must_use]
    pub const fn memory(self) -> u64 {
        2 * self.bytes() as u64
    }

    /// The same without what follows the pixels of the last row.
    pub(super) const fn least_bytes(self) -> usize {
        self.stride * (self.height as usize - 1) + self.format.row_bytes(self.width)
    }
}

impl fmt::Display for FrameLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, width, height, stride } = *self;
        write!(f, "{}:{width}x{height}", format.name())?;
        if stride == format.row_bytes(width) { Ok(()) } else { write!(f, ":{stride}") }
    }
}

impl FromStr for FrameLayout {
    type Err = FrameLayoutError;

    fn from_str(text: &str) -> Result<Self, FrameLayoutError> {
        let mut parts = text.split(':');
        let layout = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(format), Some(size), stride, None) => Self::new(format, size, stride)?,
            _ => None,
        };
        layout.ok_or_else(|| FrameLayoutError::Text { text: text.to_owned() })
    }
}

/// A frame that was read: its bytes are as many as its layout requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    pub(super) layout: FrameLayout,
    pub(super) bytes: Vec<u8>,
}

impl RawFrame {
    /// What its bytes are.
    #[must_use]
    pub const fn layout(&self) -> FrameLayout {
        self.layout
    }

    pub(super) fn view(&self) -> Result<Frame<'_>, infer_core::Error> {
        let FrameLayout { format, width, height, stride } = self.layout;
        Frame::with_stride(format, width, height, stride, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Result<FrameLayout, String> {
        text.parse().map_err(|error: FrameLayoutError| error.to_string())
    }

    #[test]
    fn a_layout_is_a_format_a_size_and_maybe_a_stride() {
        for (text, bytes) in [
            ("gray8:3x2", 6),
            ("rgb888:3x2", 18),
            ("bgr888:3x2:10", 20),
            ("rgb565le:160x120", 38_400),
            ("rgb565be:1x1", 2),
            // A whole pair for the odd last pixel.
            ("yuyv:3x2", 16),
            ("uyvy:4x2", 16),
        ] {
            let layout = layout(text).unwrap();
            assert_eq!((layout.bytes(), &*layout.to_string()), (bytes, text));
        }
        for (text, message) in [
            ("", "is not a layout of frames; write FORMAT:WIDTHxHEIGHT"),
            ("gray8", "is not a layout"),
            ("gray8:3", "is not a layout"),
            ("gray8:+3x2", "is not a layout"),
            ("gray8:3x2:", "is not a layout"),
            ("gray8:3x2:3:3", "is not a layout"),
            (
                "rgb555:3x2",
                "\"rgb555\" is not a format of frames; the formats are gray8, rgb888, bgr888, rgb565le, rgb565be, yuyv, uyvy",
            ),
            ("gray8:0x2", "a frame of 0 x 2 pixels; each side is 1 to 65535"),
            ("gray8:65536x2", "a frame of 65536 x 2 pixels"),
            ("gray8:65535x65535", "at most 67 million are read"),
            ("rgb888:3x2:8", "rows that begin every 8 bytes are too short: 3 pixels of rgb888 have 9 bytes"),
            ("gray8:1x2:134217729", "2 rows that begin every 134217729 bytes; at most 256 MB are read"),
            ("gray8:1x2:18446744073709551615", "at most 256 MB are read"),
        ] {
            let found = layout(text).unwrap_err();
            assert!(found.contains(message), "{text:?}: {found}");
        }
    }

    #[test]
    fn the_name_of_a_file_shows_its_layout() {
        let of_file = |name: &str| {
            let layout = FrameLayout::of_file(Path::new(name));
            layout.map(|layout| layout.map_or_else(|error| error.to_string(), |layout| layout.to_string()))
        };
        assert_eq!(of_file("birds/crow.1.RGB565BE.160x120.RAW").as_deref(), Some("rgb565be:160x120"));
        for name in ["crow.png", "crow", "raw", ".raw/crow"] {
            assert_eq!(of_file(name), None, "{name}");
        }
        for name in ["crow.raw", "crow.160x120.raw", "rgb565be.160x120.raw", "crow.rgb565be.160.raw"] {
            assert!(of_file(name).unwrap().starts_with("its name does not show format and size"), "{name}");
        }
        assert!(of_file("crow.rgb555.160x120.raw").unwrap().starts_with("\"rgb555\" is not a format"));
    }
}
