//! The image that a project classifies until a camera's driver is there.

use infer_core::{Metadata, Shape};

use crate::export::frames;
use crate::support::printable::in_one_line;

/// The first test image of each class of two data sets that every model of them can be tried with.
const BUNDLED: [(&str, &[u8]); 2] = [
    ("fashion-mnist", include_bytes!("../../../assets/frames/fashion-mnist.frames")),
    ("garments", include_bytes!("../../../assets/frames/garments.frames")),
];

/// Bytes of an image as a network takes them, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestImage {
    /// `[height, width, channels]`.
    pub bytes: Vec<u8>,
    /// Which image it is, where there is one.
    pub name: Option<String>,
}

impl TestImage {
    /// The first image in a file of frames; `None` where it holds none that a model of this input takes.
    #[must_use]
    pub fn first_of_frames(file: &[u8], input: Shape) -> Option<Self> {
        let (shape, name, bytes) = frames::first(file)?;
        (shape == input).then(|| Self { bytes: bytes.to_vec(), name: Some(in_one_line(name).into_owned()) })
    }

    /// The first of those that are always here, for a model of one of their data sets.
    #[must_use]
    pub fn bundled(metadata: &Metadata<'_>, input: Shape) -> Option<Self> {
        let (name, file) = BUNDLED.iter().find(|(name, _)| *name == metadata.dataset)?;
        let image = Self::first_of_frames(file, input)?;
        Some(Self { name: Some(format!("the first of {name}")), ..image })
    }

    /// All gray, where there is no image.
    #[must_use]
    pub fn gray(input: Shape) -> Self {
        Self { bytes: vec![128; input.len()], name: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_images_are_read_for_models_that_take_them() {
        for (name, file) in BUNDLED {
            let input = Shape { height: 28, width: 28, channels: 1 };
            let image = TestImage::first_of_frames(file, input).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(image.bytes.len(), 784, "{name}");
            assert_eq!(TestImage::first_of_frames(file, Shape { height: 32, ..input }), None, "{name}");
        }
        assert_eq!(TestImage::gray(Shape { height: 2, width: 3, channels: 3 }).bytes, [128; 18]);
    }
}
