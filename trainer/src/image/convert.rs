//! An image's way to an input: the very code that the chip runs, [`infer_core::camera`]. A decoded file is a frame of gray or RGB.

use infer_core::camera::{Format, Frame};

use super::decoded::Image;
use super::error::ImageError;
use super::flatten::buffer;
use super::{Conversion, FrameLayout};

impl Image {
    /// A gray image of `[height, width]` bytes, such as an IDX file holds.
    ///
    /// # Panics
    /// Where there are not `height * width` bytes: a mistake in the caller.
    #[must_use]
    pub fn from_gray_bytes(height: u32, width: u32, bytes: Vec<u8>) -> Self {
        Self::Gray(buffer((width, height), bytes))
    }

    /// The same as a camera would deliver it.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`], which nothing is that was decoded.
    pub fn frame(&self) -> Result<Frame<'_>, ImageError> {
        let (height, width) = self.size();
        let too_large = ImageError::TooLarge { height, width };
        let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else { return Err(too_large) };
        let frame = match self {
            Self::Gray(image) => Frame::new(Format::Gray8, columns, rows, image.as_raw()),
            Self::Rgb(image) => Frame::new(Format::Rgb888, columns, rows, image.as_raw()),
            Self::Raw(frame) => frame.view(),
        };
        frame.map_err(|_| too_large)
    }
}

impl Conversion {
    /// The bytes of the input, `[height, width, channels]`.
    ///
    /// # Errors
    /// [`ImageError::OtherSize`], and only under [`Resize::AsTheyAre`](super::Resize::AsTheyAre); as [`Image::frame`].
    pub fn apply(&self, image: &Image) -> Result<Vec<u8>, ImageError> {
        let preprocessing = match image {
            Image::Gray(_) | Image::Rgb(_) => self.of_images(),
            Image::Raw(_) => self.of_frames(),
        };
        let shape = self.shape();
        let mut memory = vec![0; preprocessing.memory_words(shape)];
        let mut input = vec![0; shape.len()];
        let (height, width) = image.size();
        // Nothing else can be wrong: a conversion has 1 or 3 channels, and lengths are what they have to be.
        let other_size = |_| ImageError::OtherSize { height, width, input: shape };
        image.frame()?.to_input(&preprocessing, shape, &mut memory, &mut input).map_err(other_size)?;
        Ok(input)
    }

    /// Rows and columns of a frame once it is upright.
    pub(super) fn upright(&self, frame: FrameLayout) -> (u16, u16) {
        let (rows, columns) = frame.size();
        if self.camera().rotation.is_on_its_side() { (columns, rows) } else { (rows, columns) }
    }
}

#[cfg(test)]
mod tests {
    use infer_core::Shape;
    use infer_core::camera::{Rotation, YuvRange};

    use super::*;
    use crate::image::decode::read_frame;
    use crate::image::{Background, CameraSetup, Resize};

    /// Two columns and four rows: top row 10, bottom row 250, 100 between.
    fn tall() -> Image {
        Image::from_gray_bytes(4, 2, vec![10, 10, 100, 100, 100, 100, 250, 250])
    }

    fn convert(image: &Image, [height, width, channels]: [u16; 3], resize: Resize) -> Vec<u8> {
        Conversion::new(Shape { height, width, channels }, resize).unwrap().apply(image).unwrap()
    }

    #[test]
    fn an_image_of_the_inputs_size_stays_as_it_is_in_every_mode() {
        let pixels = vec![10, 10, 100, 100, 100, 100, 250, 250];
        for resize in [Resize::AsTheyAre, Resize::Stretch, Resize::Fit, Resize::Crop] {
            assert_eq!(convert(&tall(), [4, 2, 1], resize), pixels, "{resize}");
        }
    }

    #[test]
    fn stretch_takes_all_fit_pads_with_black_and_crop_cuts_off() {
        // Half the height: the mean of two rows.
        assert_eq!(convert(&tall(), [2, 2, 1], Resize::Stretch), [55, 55, 175, 175]);
        assert_eq!(convert(&tall(), [4, 4, 1], Resize::Fit)[..8], [0, 10, 10, 0, 0, 100, 100, 0]);
        assert_eq!(convert(&tall(), [2, 2, 1], Resize::Crop), [100; 4]);
        // What is odd goes to the right and to the bottom.
        assert_eq!(convert(&tall(), [4, 3, 1], Resize::Fit)[..3], [10, 10, 0]);
        // At least one pixel is left of an image as thin as a line.
        let line = Image::from_gray_bytes(1, 100, vec![7; 100]);
        assert_eq!(convert(&line, [3, 3, 1], Resize::Fit), [0, 0, 0, 7, 7, 7, 0, 0, 0]);
        assert_eq!(convert(&line, [3, 3, 1], Resize::Crop), [7; 9]);
    }

    #[test]
    fn fit_pads_with_the_background_in_the_color_of_the_input() {
        let orange: Background = "#ff8000".parse().unwrap();
        let fit = |image: &Image, channels| {
            let shape = Shape { height: 1, width: 2, channels };
            Conversion::new(shape, Resize::Fit).unwrap().with_background(orange).apply(image).unwrap()
        };
        let gray = Image::from_gray_bytes(1, 1, vec![9]);
        assert_eq!(fit(&gray, 1), [9, 151]);
        assert_eq!(fit(&gray, 3), [9, 9, 9, 255, 128, 0]);
        let rgb = Image::Rgb(buffer((1, 1), vec![1, 2, 3]));
        assert_eq!(fit(&rgb, 3), [1, 2, 3, 255, 128, 0]);
        assert_eq!(fit(&rgb, 1), [2, 151]);
    }

    #[test]
    fn gray_is_repeated_and_color_becomes_its_luma() {
        let gray = Image::from_gray_bytes(1, 2, vec![5, 9]);
        assert_eq!(convert(&gray, [1, 2, 3], Resize::AsTheyAre), [5, 5, 5, 9, 9, 9]);
        let rgb = Image::Rgb(buffer((4, 1), vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]));
        assert_eq!(convert(&rgb, [1, 4, 1], Resize::AsTheyAre), [76, 150, 29, 255]);
        assert_eq!(convert(&rgb, [1, 4, 3], Resize::AsTheyAre)[..3], [255, 0, 0]);
    }

    #[test]
    fn a_frame_is_turned_to_be_upright_then_mirrored_and_an_image_is_upright_already() {
        let converted = |image: &Image, rotation, mirror, yuv_range| {
            let conversion = Conversion::new(Shape { height: 2, width: 2, channels: 1 }, Resize::Stretch).unwrap();
            conversion.with_camera(CameraSetup { rotation, mirror, yuv_range }).apply(image).unwrap()
        };
        let frame = |layout: &str, bytes: &[u8]| read_frame(layout.parse().unwrap(), bytes).unwrap().image;
        let (image, raw) = (Image::from_gray_bytes(2, 2, vec![1, 2, 3, 4]), frame("gray8:2x2", &[1, 2, 3, 4]));
        let (full, limited) = (YuvRange::Full, YuvRange::Limited);
        let cases = [
            (Rotation::None, false, [1, 2, 3, 4]),
            (Rotation::None, true, [2, 1, 4, 3]),
            // Clockwise: the left column is the top row.
            (Rotation::Quarter, false, [3, 1, 4, 2]),
            (Rotation::Quarter, true, [1, 3, 2, 4]),
            (Rotation::Half, false, [4, 3, 2, 1]),
            (Rotation::ThreeQuarters, false, [2, 4, 1, 3]),
        ];
        for (rotation, mirror, expected) in cases {
            assert_eq!(converted(&raw, rotation, mirror, full), expected, "{rotation:?} {mirror}");
            assert_eq!(converted(&image, rotation, mirror, limited), [1, 2, 3, 4]);
        }
        let yuyv = frame("yuyv:2x2", &[16, 128, 235, 128, 16, 128, 235, 128]);
        assert_eq!(converted(&yuyv, Rotation::None, false, full), [16, 235, 16, 235]);
        assert_eq!(converted(&yuyv, Rotation::None, false, limited), [0, 255, 0, 255]);
    }

    #[test]
    fn as_they_are_refuses_another_size_with_both() {
        let conversion = Conversion::new(Shape { height: 2, width: 4, channels: 1 }, Resize::AsTheyAre).unwrap();
        let message = conversion.apply(&tall()).unwrap_err().to_string();
        assert_eq!(message, "4 high and 2 wide, but the input is 2x4x1 and takes images as they are");
    }
}
