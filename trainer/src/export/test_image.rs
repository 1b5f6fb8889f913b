//! Images that a model can be tried with where there is no camera: those of a file of frames, or of data sets that are always here.

use infer_core::{Metadata, Shape};

use super::frames;
use crate::support::printable::in_one_line;

/// The first test image of each class of two data sets that every model of them can be tried with.
const BUNDLED: [(&str, &[u8]); 2] = [
    ("fashion-mnist", include_bytes!("../../assets/frames/fashion-mnist.frames")),
    ("garments", include_bytes!("../../assets/frames/garments.frames")),
];

/// Bytes of an image as a network takes them, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestImage {
    /// `[height, width, channels]`.
    pub bytes: Vec<u8>,
    /// Which image it is, where there is one.
    pub name: Option<String>,
    /// Its true class, where that is known.
    pub class: Option<usize>,
}

impl TestImage {
    /// The images in a file of frames; `None` where it holds none that a model of this input takes.
    #[must_use]
    pub fn of_frames(file: &[u8], input: Shape) -> Option<Vec<Self>> {
        let (_, frames) = frames::decode(file).filter(|(shape, frames)| *shape == input && !frames.is_empty())?;
        let image = |frame: frames::Frame<'_>| Self {
            bytes: frame.pixels.to_vec(),
            name: Some(in_one_line(frame.name).into_owned()),
            class: Some(frame.class),
        };
        Some(frames.into_iter().map(image).collect())
    }

    /// Those that are always here, for a model of one of their data sets: a name of the set, and its images.
    #[must_use]
    pub fn bundled(metadata: &Metadata<'_>, input: Shape) -> Option<(&'static str, Vec<Self>)> {
        let (name, file) = BUNDLED.iter().find(|(name, _)| *name == metadata.dataset)?;
        Some((name, Self::of_frames(file, input)?))
    }

    /// All gray, where there is no image.
    #[must_use]
    pub fn gray(input: Shape) -> Self {
        Self { bytes: vec![128; input.len()], name: None, class: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_images_are_read_for_models_that_take_them() {
        for (name, file) in BUNDLED {
            let input = Shape { height: 28, width: 28, channels: 1 };
            let images = TestImage::of_frames(file, input).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(
                images.iter().map(|image| image.class).collect::<Vec<_>>(),
                (0..10).map(Some).collect::<Vec<_>>()
            );
            assert!(images.iter().all(|image| image.bytes.len() == 784), "{name}");
            assert_eq!(TestImage::of_frames(file, Shape { height: 32, ..input }), None, "{name}");
        }
        assert_eq!(TestImage::gray(Shape { height: 2, width: 3, channels: 3 }).bytes, [128; 18]);
    }
}
