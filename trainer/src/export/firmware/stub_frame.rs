//! The test image as the frame that a camera would deliver.

use infer_core::Shape;
use infer_core::camera::{Format, Preprocessing, Rotation};

/// A frame that becomes the test image on its way into the network: turned and mirrored back, of the input's size, so that nothing is scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubFrame {
    /// Gray for a gray input, RGB for one in color.
    pub format: Format,
    /// Pixels of a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// `[height, width, channels]`.
    pub bytes: Vec<u8>,
}

impl StubFrame {
    /// The format of a stub for such an input; `None` where the input is no image in gray or color, and no frame becomes it.
    #[must_use]
    pub const fn format_for(input: Shape) -> Option<Format> {
        match input.channels {
            1 => Some(Format::Gray8),
            3 => Some(Format::Rgb888),
            _ => None,
        }
    }

    /// The frame for an image of as many bytes as `input` has.
    #[must_use]
    pub fn of(image: &[u8], input: Shape, preprocessing: &Preprocessing) -> Option<Self> {
        let format = Self::format_for(input)?;
        let [rows, columns, channels] = [input.height, input.width, input.channels].map(usize::from);
        let (width, height) = match preprocessing.rotation.is_on_its_side() {
            true => (input.height, input.width),
            false => (input.width, input.height),
        };
        let mut bytes = vec![0; image.len()];
        for (number, pixel) in image.chunks_exact(channels).enumerate() {
            let (row, column) = (number / columns, number % columns);
            let column = if preprocessing.mirror { columns - 1 - column } else { column };
            let (row, column) = match preprocessing.rotation {
                Rotation::None => (row, column),
                Rotation::Quarter => (columns - 1 - column, row),
                Rotation::Half => (rows - 1 - row, columns - 1 - column),
                Rotation::ThreeQuarters => (column, rows - 1 - row),
            };
            let start = (row * usize::from(width) + column) * channels;
            bytes[start..start + channels].copy_from_slice(pixel);
        }
        Some(Self { format, width, height, bytes })
    }
}

#[cfg(test)]
mod tests {
    use infer_core::camera::{Frame, Resize};

    use super::*;

    #[test]
    fn the_frame_becomes_the_image_however_the_camera_is_mounted() {
        for channels in [1, 3] {
            let input = Shape { height: 3, width: 5, channels };
            let image: Vec<u8> = (0..input.len() as u8).map(|number| 5 * number).collect();
            for resize in [Resize::None, Resize::Stretch, Resize::Fit, Resize::Crop] {
                for rotation in [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters] {
                    for mirror in [false, true] {
                        let preprocessing = Preprocessing { resize, rotation, mirror, ..Preprocessing::AS_IT_IS };
                        let stub = StubFrame::of(&image, input, &preprocessing).unwrap();
                        let frame = Frame::new(stub.format, stub.width, stub.height, &stub.bytes).unwrap();
                        let mut memory = vec![0; preprocessing.memory_words(input)];
                        let mut seen = vec![0; input.len()];
                        frame.to_input(&preprocessing, input, &mut memory, &mut seen).unwrap();
                        assert_eq!(seen, image, "{preprocessing:?}");
                    }
                }
            }
        }
        let input = Shape { height: 3, width: 5, channels: 2 };
        assert_eq!(StubFrame::of(&[0; 30], input, &Preprocessing::AS_IT_IS), None);
    }
}
