//! A decoded image, and what is known of it.

use image::{GrayImage, RgbImage};

use super::frame::RawFrame;

/// A decoded image: gray or RGB, 8 bits a channel, the right way up, what is transparent blended onto a background. One whose
/// pixels are all gray is gray, however it was stored: BMP has nothing else, and many a program writes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// One channel.
    Gray(GrayImage),
    /// Three channels.
    Rgb(RgbImage),
    /// As a camera delivered it: it may have to be turned, and is of another format.
    Raw(RawFrame),
}

/// The header of a file, read before its pixels are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Rows, the right way up.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Whether it is stored with color; its pixels may be gray all the same.
    pub is_rgb: bool,
}

impl ImageHeader {
    /// Bytes that decoding takes at most beside the file, about: 16 bits a channel and alpha, as they are stored, as 8 bits, turned, and
    /// without alpha.
    #[must_use]
    pub fn memory(&self) -> u64 {
        u64::from(self.height) * u64::from(self.width) * if self.is_rgb { 16 } else { 8 }
    }
}

impl Image {
    /// Rows and columns.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let (width, height) = match self {
            Self::Gray(image) => image.dimensions(),
            Self::Rgb(image) => image.dimensions(),
            Self::Raw(frame) => {
                let (height, width) = frame.layout.size();
                (width.into(), height.into())
            }
        };
        (height, width)
    }

    /// Makes dark what is light, and light what is dark.
    pub fn invert(&mut self) {
        match self {
            Self::Gray(image) => image::imageops::invert(image),
            Self::Rgb(image) => image::imageops::invert(image),
            // Whatever the format, each channel is as far from its other end.
            Self::Raw(frame) => frame.bytes.iter_mut().for_each(|byte| *byte = !*byte),
        }
    }
}

/// A decoded image, and what was found on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The image, opaque.
    pub image: Image,
    /// Whether the background shows through.
    pub transparency: Transparency,
    /// The lowest and the highest value of any channel, where the file has 16 bits a channel.
    pub sixteen_bit: Option<(u16, u16)>,
}

/// How much of an image the background shows through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transparency {
    /// Nothing.
    Opaque,
    /// Some of it.
    Partial,
    /// All of it: nothing can be seen.
    Whole,
}
