//! Frames: images as a network takes them, in the file that `trainer frames` writes and `trainer fit` leaves in its run.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `THFRAMES` |
//! | 8 | 2 | format version |
//! | 10 | 2 | number of frames |
//! | 12 | 6 | height, width, channels |
//!
//! Then, for each frame: 2 bytes of class, a byte with the length of its name, the name in UTF-8, and its bytes
//! `[height, width, channels]`. All numbers are little-endian.

use core::fmt;

use infer_core::Shape;

const MAGIC: [u8; 8] = *b"THFRAMES";

/// The format version that is read.
const FORMAT_VERSION: u16 = 1;

/// An image and what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'f> {
    /// The true class.
    pub class: usize,
    /// Which image of the data set it is.
    pub name: &'f str,
    /// Its bytes, `[height, width, channels]`.
    pub pixels: &'f [u8],
}

/// A checked file of frames; it yields them in order.
#[derive(Clone, Debug)]
pub struct Frames<'f> {
    shape: Shape,
    records: Records<'f>,
    left: u16,
}

/// Why there are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramesError {
    /// There is no file of frames, and the model is of none of the data sets whose images are here.
    Missing {
        /// What the model takes.
        model: Shape,
    },
    /// The bytes do not begin with the magic.
    NotFrames,
    /// A format that this program does not read.
    Version {
        /// The version in the file.
        found: u16,
    },
    /// The bytes end inside a frame, continue after the last one, or a name is not UTF-8.
    Damaged,
    /// The images have another shape than the model takes.
    OtherShape {
        /// What the file holds.
        frames: Shape,
        /// What the model takes.
        model: Shape,
    },
}

impl<'f> Frames<'f> {
    /// Checks a file whole.
    ///
    /// # Errors
    /// [`FramesError::NotFrames`], [`FramesError::Version`], [`FramesError::Damaged`].
    pub fn parse(file: &'f [u8]) -> Result<Self, FramesError> {
        let mut records = Records(file);
        if records.bytes(MAGIC.len()) != Some(&MAGIC) {
            return Err(FramesError::NotFrames);
        }
        let mut half = || records.half().ok_or(FramesError::Damaged);
        let found = half()?;
        if found != FORMAT_VERSION {
            return Err(FramesError::Version { found });
        }
        let left = half()?;
        let shape = Shape { height: half()?, width: half()?, channels: half()? };
        let frames = Self { shape, records, left };
        let mut rest = frames.clone();
        if rest.by_ref().count() == usize::from(left) && rest.records.0.is_empty() {
            Ok(frames)
        } else {
            Err(FramesError::Damaged)
        }
    }

    /// The same frames, if a model that takes `model` takes them.
    ///
    /// # Errors
    /// [`FramesError::OtherShape`].
    pub fn for_input(self, model: Shape) -> Result<Self, FramesError> {
        if self.shape == model { Ok(self) } else { Err(FramesError::OtherShape { frames: self.shape, model }) }
    }

    /// The shape of each.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }
}

impl<'f> Iterator for Frames<'f> {
    type Item = Frame<'f>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let class = self.records.half()?.into();
        let [name_len] = *self.records.bytes(1)? else { return None };
        let name = str::from_utf8(self.records.bytes(name_len.into())?).ok()?;
        let pixels = self.records.bytes(self.shape.checked_len()?.try_into().ok()?)?;
        Some(Frame { class, name, pixels })
    }
}

/// What is not read yet.
#[derive(Clone, Copy, Debug)]
struct Records<'f>(&'f [u8]);

impl<'f> Records<'f> {
    fn bytes(&mut self, count: usize) -> Option<&'f [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn half(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(2)?.try_into().ok()?))
    }
}

impl fmt::Display for FramesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { model } => write!(
                f,
                "there are no images of {model} here; name the run, THIMBLE_RUN=DIRECTORY, or have them written, trainer \
                 frames MODEL --data DIRECTORY --out FILE, and name them, THIMBLE_FRAMES=FILE"
            ),
            Self::NotFrames => f.write_str("the file of THIMBLE_FRAMES has no frames; trainer frames writes them"),
            Self::Version { found } => write!(
                f,
                "the frames are of format version {found}, and this program reads version {FORMAT_VERSION}; write them \
                 again with the trainer that belongs to it"
            ),
            Self::Damaged => {
                f.write_str("the file of frames is damaged; copy it again, or write it with trainer frames")
            }
            Self::OtherShape { frames, model } => write!(
                f,
                "the frames are images of {frames}, and the model takes {model}; trainer frames MODEL --data DIRECTORY \
                 --out FILE writes the right ones, THIMBLE_FRAMES=FILE names them"
            ),
        }
    }
}
