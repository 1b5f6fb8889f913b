//! Why a file is not an image that can be used.

use std::{fmt, io};

use infer_core::Shape;

use super::frame::{FrameLayout, FrameLayoutError, MOST_COUNTED, MOST_PIXELS};
use crate::support::memory::Shortage;
use crate::support::printable::is_control;

/// Rows or columns of an image at most, as of a JPEG and of a frame.
pub const LONGEST_SIDE: u32 = 65_535;

/// Bytes of a file at most.
pub const MOST_FILE_BYTES: u64 = 256 << 20;

/// Bytes that decoding an image may take at most.
pub const MOST_MEMORY: u64 = 512 << 20;

/// Characters of a decoder's own words in a message at most.
const LONGEST_REASON: usize = 200;

/// Why a file is not an image that can be used.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// More bytes than an image has.
    #[error("larger than {} MB, which no image is", MOST_FILE_BYTES >> 20)]
    LongFile,
    /// The content is none of the formats.
    #[error("by its content not a PNG, JPEG, BMP, GIF, WebP or TIFF image")]
    UnknownFormat,
    /// A header that claims more pixels than there can be.
    #[error(
        "its header claims {height} x {width} pixels; more than {} million, or {LONGEST_SIDE} a side, are not read",
        MOST_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Rows in the header.
        height: u32,
        /// Columns in the header.
        width: u32,
    },
    /// Less memory than decoding takes.
    #[error("too large to decode here: {0}")]
    Memory(#[from] Shortage),
    /// More memory than is taken for one image.
    #[error("too large: it takes more than {} MB to decode", MOST_MEMORY >> 20)]
    TooMuchMemory,
    /// The content cannot be decoded.
    #[error("damaged or truncated ({reason})")]
    Damaged {
        /// The message of the decoder.
        reason: String,
    },
    /// A sound file of a kind that its format allows and this decoder does not read.
    #[error("not supported: {what}")]
    Unsupported {
        /// The kind, and what to do: "an arithmetic-coded JPEG; save it as a baseline or progressive JPEG".
        what: String,
    },
    /// A frame of another length than its layout requires.
    #[error(
        "{}{given} bytes, but a frame {layout} has {}{}", if *.given >= MOST_COUNTED { "at least " } else { "" }, .layout.bytes(), match .layout.least_bytes() {
            least if least < .layout.bytes() => format!(", or {least} without padding after the last row"),
            _ => String::new(),
        }
    )]
    FrameLength {
        /// What a frame is.
        layout: FrameLayout,
        /// Bytes of the file.
        given: u64,
    },
    /// A frame whose file does not show what it is.
    #[error("{0}")]
    FrameName(#[from] FrameLayoutError),
    /// Not the size that is taken as it is.
    #[error("{height} high and {width} wide, but the input is {input} and takes images as they are")]
    OtherSize {
        /// Rows of the image.
        height: u32,
        /// Columns of the image.
        width: u32,
        /// Shape of the input.
        input: Shape,
    },
}

impl ImageError {
    /// Whether the machine is short of something, which is no fault of the file.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Io(error) => {
                // By number, as std has no name for these: ENFILE, EMFILE.
                error.kind() == io::ErrorKind::OutOfMemory
                    || cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
            }
            Self::LongFile
            | Self::UnknownFormat
            | Self::TooLarge { .. }
            | Self::TooMuchMemory
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::FrameLength { .. }
            | Self::FrameName(_)
            | Self::OtherSize { .. } => false,
        }
    }

    /// That the content cannot be decoded, for a reason in the words of a decoder, which come as they like: here they stay on
    /// one line.
    pub(super) fn damaged(reason: impl fmt::Display) -> Self {
        Self::Damaged { reason: one_line(&reason.to_string()) }
    }

    /// That an image of a kind, named with its article, is not read.
    pub(super) fn unsupported(what: impl fmt::Display) -> Self {
        Self::Unsupported { what: one_line(&format!("{what}; convert it to JPEG or PNG")) }
    }
}

/// A text with blanks for line breaks and without control characters, not too long for a message.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || is_control(character));
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
