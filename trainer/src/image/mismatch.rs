//! Where a camera's frames cannot agree with the input: it is larger than they are, or has colors that they have not.

use infer_core::Shape;
use infer_core::camera::Format;

use super::{Conversion, FrameLayout, Resize};

/// What was found about some frames.
///
/// The inputs that the two messages advise agree: where some frames are gray and some too small, both name one for gray frames of
/// that size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mismatches {
    gray: usize,
    /// How many are enlarged, and the first of them.
    enlarged: Option<(usize, FrameLayout)>,
}

impl Mismatches {
    /// One more frame that becomes an input.
    pub fn add(&mut self, conversion: &Conversion, frame: FrameLayout) {
        let Shape { height, width, channels } = conversion.shape();
        if channels > 1 && matches!(frame.format(), Format::Gray8) {
            self.gray += 1;
        }
        let (rows, columns) = conversion.upright(frame);
        let (is_lower, is_narrower) = (rows < height, columns < width);
        let is_enlarged = match conversion.resize() {
            Resize::AsTheyAre => false,
            Resize::Stretch | Resize::Crop => is_lower || is_narrower,
            Resize::Fit => is_lower && is_narrower,
        };
        if is_enlarged {
            let (count, first) = self.enlarged.unwrap_or((0, frame));
            self.enlarged = Some((count + 1, first));
        }
    }

    /// A message about each; none where all agrees.
    #[must_use]
    pub fn warnings(&self, conversion: &Conversion) -> Vec<String> {
        let shape = conversion.shape();
        let (rows, columns) = self.enlarged.map_or((shape.height, shape.width), |(_, first)| conversion.upright(first));
        let advised = Shape {
            height: shape.height.min(rows),
            width: shape.width.min(columns),
            channels: if self.gray > 0 { 1 } else { shape.channels },
        };
        let frames = |count: usize| if count == 1 { "1 frame is".to_owned() } else { format!("{count} frames are") };
        let gray = (self.gray > 0).then(|| {
            format!(
                "WARNING: {} gray, and the input {shape} has colors: colors that the model has learned do not help with this camera; \
                 train with --input {advised}",
                frames(self.gray),
            )
        });
        let enlarged = self.enlarged.map(|(count, first)| {
            format!(
                "WARNING: {} smaller than the input {shape}, such as {first}: enlarged, without the details of larger training images; \
                 train with --input {advised}, or smaller",
                frames(count),
            )
        });
        gray.into_iter().chain(enlarged).collect()
    }
}

#[cfg(test)]
mod tests {
    use infer_core::camera::Rotation;

    use super::*;
    use crate::image::CameraSetup;

    #[test]
    fn gray_frames_of_a_color_input_and_frames_smaller_than_it_are_worth_a_warning() {
        let conversion = |channels, resize| Conversion::new(Shape { height: 48, width: 64, channels }, resize).unwrap();
        let turned = CameraSetup { rotation: Rotation::Quarter, ..CameraSetup::default() };
        let (stretch, fit) = (conversion(3, Resize::Stretch), conversion(1, Resize::Fit));
        let too_small = |input: &str| format!("train with --input {input}, or smaller");
        let cases = [
            (stretch, "rgb888:64x48", vec![]),
            (stretch, "gray8:64x48", vec!["train with --input 48x64x1".to_owned()]),
            (conversion(1, Resize::Stretch), "gray8:64x48", vec![]),
            (stretch, "gray8:32x24", vec!["train with --input 24x32x1".to_owned(), too_small("24x32x1")]),
            (stretch, "yuyv:160x40", vec![too_small("40x64x3")]),
            (conversion(3, Resize::Crop), "yuyv:60x50", vec![too_small("48x60x3")]),
            (fit, "yuyv:160x40", vec![]),
            (fit, "yuyv:60x40", vec![too_small("40x60x1")]),
            (stretch.with_camera(turned), "yuyv:48x64", vec![]),
            (stretch.with_camera(turned), "yuyv:64x48", vec![too_small("48x48x3")]),
        ];
        for (conversion, frame, expected) in cases {
            let mut mismatches = Mismatches::default();
            mismatches.add(&conversion, frame.parse().unwrap());
            let warnings = mismatches.warnings(&conversion);
            assert_eq!(warnings.len(), expected.len(), "{conversion} of {frame}: {warnings:?}");
            for (warning, expected) in warnings.iter().zip(&expected) {
                assert!(warning.starts_with("WARNING: 1 frame is") && warning.ends_with(expected), "{warning}");
            }
        }
    }
}
