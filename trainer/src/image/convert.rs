//! An image's way to an input: first to gray where the input is gray, then to size, then to three channels where it is RGB.
//!
//! Scaling is `image`'s with a triangle filter, widened by the factor where an image becomes smaller, so that every
//! pixel of it counts. It adds and multiplies in `f32` and nothing else, in a fixed order: the same bytes everywhere.

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Pixel, RgbImage};
use infer_core::Shape;

use super::decoded::Image;
use super::error::ImageError;
use super::flatten::buffer;
use super::{Conversion, Resize};

impl Image {
    /// A gray image of `[height, width]` bytes, such as an IDX file holds.
    ///
    /// # Panics
    /// Where there are not `height * width` bytes: a mistake in the caller.
    #[must_use]
    pub fn from_gray_bytes(height: u32, width: u32, bytes: Vec<u8>) -> Self {
        Self::Gray(buffer((width, height), bytes))
    }
}

impl Conversion {
    /// The bytes of the input, `[height, width, channels]`.
    ///
    /// # Errors
    /// [`ImageError::OtherSize`], and only under [`Resize::AsTheyAre`].
    pub fn apply(&self, image: &Image) -> Result<Vec<u8>, ImageError> {
        let input = self.shape();
        let (height, width) = image.size();
        let is_same = (height, width) == (input.height.into(), input.width.into());
        if self.resize() == Resize::AsTheyAre && !is_same {
            return Err(ImageError::OtherSize { height, width, input });
        }
        let color = self.background().rgb();
        let gray = [luma_of(color)];
        let repeated = |gray: Vec<u8>| gray.into_iter().flat_map(|value| [value; 3]).collect();
        Ok(match (image, input.channels) {
            (Image::Gray(image), 1) => self.resized(image, gray.into()).into_raw(),
            (Image::Gray(image), _) if self.background().is_gray() => {
                repeated(self.resized(image, gray.into()).into_raw())
            }
            (Image::Gray(image), _) => {
                let rgb: RgbImage = buffer(image.dimensions(), repeated(image.as_raw().clone()));
                self.resized(&rgb, color.into()).into_raw()
            }
            (Image::Rgb(rgb), 1) => self.resized(&luma(rgb), gray.into()).into_raw(),
            (Image::Rgb(rgb), _) => self.resized(rgb, color.into()).into_raw(),
        })
    }

    fn resized<P: Pixel<Subpixel = u8> + 'static>(
        &self,
        image: &ImageBuffer<P, Vec<u8>>,
        ground: P,
    ) -> ImageBuffer<P, Vec<u8>> {
        let Shape { height, width, .. } = self.shape();
        let target = (u32::from(width), u32::from(height));
        let scale = |width, height| imageops::resize(image, width, height, FilterType::Triangle);
        match self.resize() {
            Resize::AsTheyAre => image.clone(),
            Resize::Stretch => scale(target.0, target.1),
            Resize::Fit => {
                let (width, height) = largest_inside(image.dimensions(), target);
                let mut padded = ImageBuffer::from_pixel(target.0, target.1, ground);
                let (left, top) = ((target.0 - width) / 2, (target.1 - height) / 2);
                imageops::replace(&mut padded, &scale(width, height), left.into(), top.into());
                padded
            }
            Resize::Crop => {
                let (width, height) = largest_inside(target, image.dimensions());
                let (left, top) = ((image.width() - width) / 2, (image.height() - height) / 2);
                let middle = imageops::crop_imm(image, left, top, width, height);
                imageops::resize(&*middle, target.0, target.1, FilterType::Triangle)
            }
        }
    }
}

/// The largest size of the aspect ratio of `shape` that fits into `frame`, both `(width, height)`.
fn largest_inside(shape: (u32, u32), frame: (u32, u32)) -> (u32, u32) {
    let [shape, frame] = [shape, frame].map(|(width, height)| (u64::from(width), u64::from(height)));
    let rounded = |product: u64, divisor: u64, most: u64| ((product + divisor / 2) / divisor).clamp(1, most) as u32;
    if shape.0 * frame.1 > shape.1 * frame.0 {
        (frame.0 as u32, rounded(shape.1 * frame.0, shape.0, frame.1))
    } else {
        (rounded(shape.0 * frame.1, shape.1, frame.0), frame.1 as u32)
    }
}

/// The luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded: the Y that a camera with YUV output delivers.
fn luma(rgb: &RgbImage) -> GrayImage {
    buffer(rgb.dimensions(), rgb.pixels().map(|pixel| luma_of(pixel.0)).collect())
}

/// The luma of one color.
pub(super) fn luma_of(rgb: [u8; 3]) -> u8 {
    let [r, g, b] = rgb.map(u32::from);
    ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Background;

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
        // Half the height, by a triangle twice as wide: rows weigh 3, 3 and 1 from the edge inwards.
        assert_eq!(convert(&tall(), [2, 2, 1], Resize::Stretch), [61, 61, 164, 164]);
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
    fn as_they_are_refuses_another_size_with_both() {
        let conversion = Conversion::new(Shape { height: 2, width: 4, channels: 1 }, Resize::AsTheyAre).unwrap();
        let message = conversion.apply(&tall()).unwrap_err().to_string();
        assert_eq!(message, "4 high and 2 wide, but the input is 2x4x1 and takes images as they are");
    }
}
