//! From the many kinds of pixels of the formats to two: gray and RGB, 8 bits a channel, opaque.
//!
//! 16 bits become 8 by `value / 257`, rounded. What is transparent is blended onto a background.

use image::{DynamicImage, ImageBuffer, Luma, LumaA, Pixel, Rgb, RgbImage, Rgba};

use super::background::Background;
use super::decoded::{Decoded, Image, Transparency};

/// What the alpha channel of a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// The opacity of a color that is stored as it is.
    Straight,
    /// The same, unless it is 0 everywhere: many programs write BMP files with a channel that they never fill, and all viewers
    /// show them opaque.
    StraightUnlessZero,
    /// The opacity of a color that is stored multiplied by it.
    Associated,
    /// A channel of something else.
    Ignored,
}

/// An image of gray or RGB, and what was found on the way there.
pub(super) fn flatten(image: DynamicImage, alpha: Alpha, background: Background) -> Decoded {
    let sixteen_bit = sixteen_bit_range(&image);
    let color = image.color();
    let (image, transparency) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (Image::Gray(image.into_luma8()), Transparency::Opaque),
        (true, false) => (gray_or_rgb(image.into_rgb8()), Transparency::Opaque),
        (_, true) => blended(&image.into_rgba8(), alpha, background),
    };
    Decoded { image, transparency, sixteen_bit }
}

fn blended(image: &image::RgbaImage, alpha: Alpha, background: Background) -> (Image, Transparency) {
    let alphas = || image.pixels().map(|pixel| pixel.0[3]);
    let is_all = |value: u8| alphas().all(|alpha| alpha == value);
    let alpha = match alpha {
        Alpha::StraightUnlessZero if is_all(0) => Alpha::Ignored,
        Alpha::StraightUnlessZero => Alpha::Straight,
        other => other,
    };
    let transparency = match alpha {
        Alpha::Ignored => Transparency::Opaque,
        _ if is_all(255) => Transparency::Opaque,
        _ if is_all(0) => Transparency::Whole,
        _ => Transparency::Partial,
    };
    let blend = |&Rgba([red, green, blue, opacity]): &Rgba<u8>| {
        let color = [red, green, blue];
        match alpha {
            Alpha::Ignored => color,
            Alpha::Straight | Alpha::StraightUnlessZero => background.blend(color, opacity),
            Alpha::Associated => {
                let behind = background.blend([0; 3], opacity);
                std::array::from_fn(|channel| color[channel].saturating_add(behind[channel]))
            }
        }
    };
    let pixels = image.pixels().flat_map(blend).collect();
    (gray_or_rgb(buffer(image.dimensions(), pixels)), transparency)
}

/// One whose pixels are all gray is gray.
fn gray_or_rgb(image: RgbImage) -> Image {
    let is_gray = image.pixels().all(|&Rgb([r, g, b])| r == g && g == b);
    if !is_gray {
        return Image::Rgb(image);
    }
    let pixels = image.pixels().map(|pixel| pixel.0[0]).collect();
    Image::Gray(buffer(image.dimensions(), pixels))
}

/// The lowest and the highest value of an image of 16 bits a channel, where it can be seen.
fn sixteen_bit_range(image: &DynamicImage) -> Option<(u16, u16)> {
    fn range(values: impl Iterator<Item = u16>) -> Option<(u16, u16)> {
        values.fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    }
    match image {
        DynamicImage::ImageLuma16(image) => range(image.pixels().map(|&Luma([value])| value)),
        DynamicImage::ImageLumaA16(image) => {
            range(image.pixels().filter(|&&LumaA([_, alpha])| alpha > 0).map(|&LumaA([value, _])| value))
        }
        DynamicImage::ImageRgb16(image) => range(image.pixels().flat_map(|&Rgb(values)| values)),
        DynamicImage::ImageRgba16(image) => {
            range(image.pixels().filter(|pixel| pixel.0[3] > 0).flat_map(|&Rgba([r, g, b, _])| [r, g, b]))
        }
        // `DynamicImage` may grow; what is not of 16 bits has no such range.
        _ => None,
    }
}

/// Bytes that are as many as the size requires.
pub(super) fn buffer<P: Pixel<Subpixel = u8>>((width, height): (u32, u32), bytes: Vec<u8>) -> ImageBuffer<P, Vec<u8>> {
    ImageBuffer::from_raw(width, height, bytes).expect("as many bytes as pixels were given")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgba(pixels: &[[u8; 4]]) -> DynamicImage {
        image::RgbaImage::from_raw(pixels.len() as u32, 1, pixels.concat()).unwrap().into()
    }

    #[test]
    fn each_meaning_of_alpha_gives_its_own_color_on_its_background() {
        let pixel = [[100, 50, 0, 128]];
        let cases = [
            (Alpha::Straight, Background::BLACK, [50, 25, 0], Transparency::Partial),
            (Alpha::Straight, Background::WHITE, [177, 152, 127], Transparency::Partial),
            (Alpha::StraightUnlessZero, Background::WHITE, [177, 152, 127], Transparency::Partial),
            (Alpha::Associated, Background::BLACK, [100, 50, 0], Transparency::Partial),
            (Alpha::Associated, Background::WHITE, [227, 177, 127], Transparency::Partial),
            (Alpha::Ignored, Background::WHITE, [100, 50, 0], Transparency::Opaque),
        ];
        for (alpha, background, expected, transparency) in cases {
            let decoded = flatten(rgba(&pixel), alpha, background);
            let Image::Rgb(rgb) = &decoded.image else { panic!("gray") };
            assert_eq!(
                (rgb.as_raw()[..].to_vec(), decoded.transparency),
                (expected.to_vec(), transparency),
                "{alpha:?}"
            );
        }
    }

    #[test]
    fn a_channel_that_is_zero_everywhere_is_opaque_where_nobody_fills_it_and_transparent_elsewhere() {
        let pixels = [[9, 8, 7, 0], [1, 2, 3, 0]];
        let opaque = flatten(rgba(&pixels), Alpha::StraightUnlessZero, Background::WHITE);
        assert_eq!(opaque.image, Image::Rgb(buffer((2, 1), vec![9, 8, 7, 1, 2, 3])));
        assert_eq!(opaque.transparency, Transparency::Opaque);
        let whole = flatten(rgba(&pixels), Alpha::Straight, Background::WHITE);
        assert_eq!(
            (whole.image, whole.transparency),
            (Image::from_gray_bytes(1, 2, vec![255; 2]), Transparency::Whole)
        );
        // One that is filled anywhere is meant.
        let partial = flatten(rgba(&[[9, 8, 7, 0], [1, 2, 3, 255]]), Alpha::StraightUnlessZero, Background::BLACK);
        assert_eq!(partial.image, Image::Rgb(buffer((2, 1), vec![0, 0, 0, 1, 2, 3])));
    }

    #[test]
    fn gray_on_a_colored_background_becomes_color() {
        let image = image::GrayAlphaImage::from_raw(2, 1, vec![200, 255, 200, 0]).unwrap();
        let decoded = flatten(image.into(), Alpha::Straight, "red".parse().unwrap());
        assert_eq!(decoded.image, Image::Rgb(buffer((2, 1), vec![200, 200, 200, 255, 0, 0])));
    }

    #[test]
    fn sixteen_bits_become_eight_by_rounding_and_their_range_is_that_of_what_is_seen() {
        let gray = ImageBuffer::<Luma<u16>, _>::from_raw(4, 1, vec![0, 128, 129, 65_535]).unwrap();
        let decoded = flatten(gray.into(), Alpha::Straight, Background::BLACK);
        assert_eq!(decoded.image, Image::from_gray_bytes(1, 4, vec![0, 0, 1, 255]));
        assert_eq!(decoded.sixteen_bit, Some((0, 65_535)));
        let seen = ImageBuffer::<LumaA<u16>, _>::from_raw(3, 1, vec![700, 65_535, 900, 1, 60_000, 0]).unwrap();
        assert_eq!(flatten(seen.into(), Alpha::Straight, Background::BLACK).sixteen_bit, Some((700, 900)));
        assert_eq!(flatten(rgba(&[[1, 2, 3, 255]]), Alpha::Straight, Background::BLACK).sixteen_bit, None);
    }
}
