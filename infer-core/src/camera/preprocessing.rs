//! How a frame becomes an input, as the model file has it.

use serde::{Deserialize, Serialize};

use crate::format::Shape;

/// How a frame becomes the model's input. Whether the input is gray or RGB is in its [`Shape`], by its channels.
///
/// In a model file, four bytes:
///
/// | byte | bits | |
/// |---|---|---|
/// | 0 | 0, 1 | [`Resize`]: 0 none, 1 stretch, 2 fit, 3 crop |
/// | 0 | 2, 3 | [`Rotation`], in quarter turns clockwise |
/// | 0 | 4 | whether the input is mirrored |
/// | 0 | 5 | [`YuvRange`]: 0 full, 1 limited |
/// | 0 | 6, 7 | 0 |
/// | 1 to 3 | | red, green and blue of the background |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[u8; 4]", into = "[u8; 4]")]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Preprocessing {
    /// What happens to a frame of another size than the input.
    pub resize: Resize,
    /// How far the frame is turned to be upright.
    pub rotation: Rotation,
    /// Whether left and right are exchanged at last.
    pub mirror: bool,
    /// What the values of YUV frames mean.
    pub yuv_range: YuvRange,
    /// Red, green and blue of what is around a frame under [`Resize::Fit`].
    pub background: [u8; 3],
}

/// What happens to a frame of another size than the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Resize {
    /// It is refused.
    #[default]
    None,
    /// Both sides are scaled, each by its own factor.
    Stretch,
    /// It is scaled until all of it is inside, in the middle of the background.
    Fit,
    /// It is scaled until the input is full; what reaches out on two sides is cut off.
    Crop,
}

/// Turns, clockwise. A camera that is mounted a quarter turn clockwise, as seen from behind it, gives frames that have to be turned by
/// [`Rotation::Quarter`]: the top of what it sees is at their left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// By 90 degrees: the left column becomes the top row.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees: the right column becomes the top row.
    ThreeQuarters,
}

/// What the values of YUV mean, by ITU-R BT.601.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum YuvRange {
    /// Y from 0 to 255, U and V from 0 to 255 around 128: as in JPEG, and most sensors.
    #[default]
    Full,
    /// Y from 16 to 235, U and V from 16 to 240 around 128: as in video.
    Limited,
}

const MIRROR: u8 = 1 << 4;
const LIMITED: u8 = 1 << 5;

impl Preprocessing {
    /// Of frames that are inputs as they are.
    pub const AS_IT_IS: Self = Self {
        resize: Resize::None,
        rotation: Rotation::None,
        mirror: false,
        yuv_range: YuvRange::Full,
        background: [0; 3],
    };

    /// Its bytes in a model file.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        let mut flags = match self.resize {
            Resize::None => 0,
            Resize::Stretch => 1,
            Resize::Fit => 2,
            Resize::Crop => 3,
        };
        flags |= match self.rotation {
            Rotation::None => 0,
            Rotation::Quarter => 1 << 2,
            Rotation::Half => 2 << 2,
            Rotation::ThreeQuarters => 3 << 2,
        };
        flags |= if self.mirror { MIRROR } else { 0 };
        flags |= match self.yuv_range {
            YuvRange::Full => 0,
            YuvRange::Limited => LIMITED,
        };
        let [red, green, blue] = self.background;
        [flags, red, green, blue]
    }

    /// What such bytes say; `None` where a bit is set that has no meaning.
    #[must_use]
    pub const fn from_bytes([flags, red, green, blue]: [u8; 4]) -> Option<Self> {
        if flags >> 6 != 0 {
            return None;
        }
        let resize = match flags & 3 {
            0 => Resize::None,
            1 => Resize::Stretch,
            2 => Resize::Fit,
            _ => Resize::Crop,
        };
        let rotation = match flags >> 2 & 3 {
            0 => Rotation::None,
            1 => Rotation::Quarter,
            2 => Rotation::Half,
            _ => Rotation::ThreeQuarters,
        };
        let yuv_range = if flags & LIMITED == 0 { YuvRange::Full } else { YuvRange::Limited };
        Some(Self { resize, rotation, mirror: flags & MIRROR != 0, yuv_range, background: [red, green, blue] })
    }

    /// Words of memory that [`Frame::to_input`](super::Frame::to_input) works in: one for each value of a row of the
    /// input. Where it is turned by 90 or 270 degrees, five bytes for each value of a column.
    #[must_use]
    pub const fn memory_words(self, input: Shape) -> usize {
        if self.rotation.is_on_its_side() {
            words(input.height, input.channels, 5)
        } else {
            words(input.width, input.channels, 4)
        }
    }

    /// Words of memory that a [`Resampler`](super::Resampler) works in: five bytes for each value of a row of the input, as many as
    /// two and a half rows of 16 bits.
    #[must_use]
    pub const fn resampler_words(self, input: Shape) -> usize {
        words(input.width, input.channels, 5)
    }
}

/// Words that hold so many bytes for each value of a line of pixels.
const fn words(pixels: u16, channels: u16, bytes: usize) -> usize {
    (pixels as usize * channels as usize * bytes).div_ceil(4)
}

impl Rotation {
    /// Whether rows become columns.
    #[must_use]
    pub const fn is_on_its_side(self) -> bool {
        matches!(self, Self::Quarter | Self::ThreeQuarters)
    }
}

impl From<Preprocessing> for [u8; 4] {
    fn from(preprocessing: Preprocessing) -> Self {
        preprocessing.to_bytes()
    }
}

impl TryFrom<[u8; 4]> for Preprocessing {
    type Error = &'static str;

    fn try_from(bytes: [u8; 4]) -> Result<Self, Self::Error> {
        Self::from_bytes(bytes).ok_or("not a preprocessing")
    }
}
