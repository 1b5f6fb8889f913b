//! Images small enough for a page: pixels as PNG.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageShape;
use crate::image::LONGEST_SIDE;

/// Longest side that is kept; larger images are made smaller by whole factors.
const LONGEST: usize = 64;

/// Pixels of an image at most: so long and thin that none would be left of its short side.
const MOST_PIXELS: usize = LONGEST_SIDE as usize * (LONGEST_SIDE as usize / LONGEST);

/// Memory for what surrounds the pixels of an image's file.
const DECODER_BYTES: usize = 1 << 20;

/// A gray or RGB image within a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The PNG file in base64.
    pub png: String,
}

impl Thumbnail {
    /// An image of a data set, `[height, width, channels]`. Three channels are red, green and blue; any other number is
    /// shown by its mean.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn of_image(pixels: &[u8], shape: ImageShape) -> Result<Self, png::EncodingError> {
        let factor = shape.height.max(shape.width).div_ceil(LONGEST).max(1);
        let (height, width) = (shape.height / factor, shape.width / factor);
        if height == 0 || width == 0 {
            // So long and thin that nothing would be left of its short side.
            return Self::of_channels(pixels, shape);
        }
        let smaller = ImageShape { height, width, channels: shape.channels };
        let mut means = Vec::with_capacity(smaller.len());
        for index in 0..smaller.len() {
            let (pixel, channel) = (index / shape.channels, index % shape.channels);
            let (top, left) = (pixel / width * factor, pixel % width * factor);
            let block = (0..factor * factor).map(|cell| {
                let (y, x) = (top + cell / factor, left + cell % factor);
                usize::from(pixels[(y * shape.width + x) * shape.channels + channel])
            });
            means.push((block.sum::<usize>() / (factor * factor)) as u8);
        }
        Self::of_channels(&means, smaller)
    }

    fn of_channels(pixels: &[u8], shape: ImageShape) -> Result<Self, png::EncodingError> {
        match shape.channels {
            1 => Self::encode(pixels, shape, png::ColorType::Grayscale),
            3 => Self::encode(pixels, shape, png::ColorType::Rgb),
            channels => {
                let mean =
                    |pixel: &[u8]| (pixel.iter().map(|&value| usize::from(value)).sum::<usize>() / channels) as u8;
                let means: Vec<u8> = pixels.chunks_exact(channels.max(1)).map(mean).collect();
                Self::encode(&means, shape, png::ColorType::Grayscale)
            }
        }
    }

    /// An RGB image of colors in rows.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn rgb(colors: &[[u8; 3]], width: usize) -> Result<Self, png::EncodingError> {
        let shape = ImageShape { height: colors.len() / width.max(1), width, channels: 3 };
        Self::encode(colors.as_flattened(), shape, png::ColorType::Rgb)
    }

    /// The image again, if it is one that a report can hold: its file is a PNG of the size that it states, and no larger than
    /// [`of_image`](Self::of_image) makes them. Nothing but its pixels is kept of the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checked(&self) -> Result<Self, String> {
        if self.width.saturating_mul(self.height) > MOST_PIXELS {
            return Err(format!("an image of {}x{} is too large for a report", self.height, self.width));
        }
        let file = BASE64_STANDARD.decode(&self.png).map_err(|error| format!("an image is not base64: {error}"))?;
        let limits = png::Limits { bytes: DECODER_BYTES };
        let unreadable = |error: png::DecodingError| format!("an image cannot be decoded: {error}");
        let decoder = png::Decoder::new_with_limits(std::io::Cursor::new(file), limits);
        let mut reader = decoder.read_info().map_err(unreadable)?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        if (width, height) != (self.width, self.height) {
            return Err(format!("an image states {}x{} and its file is {height}x{width}", self.height, self.width));
        }
        let (color, depth) = reader.output_color_type();
        if depth != png::BitDepth::Eight || !matches!(color, png::ColorType::Grayscale | png::ColorType::Rgb) {
            return Err("an image is neither gray nor RGB".to_owned());
        }
        let mut pixels = vec![0; width * height * color.samples()];
        reader.next_frame(&mut pixels).map_err(unreadable)?;
        Self::encode(&pixels, ImageShape { height, width, channels: color.samples() }, color)
            .map_err(|error| format!("an image cannot be encoded: {error}"))
    }

    fn encode(pixels: &[u8], shape: ImageShape, color: png::ColorType) -> Result<Self, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, shape.width as u32, shape.height as u32);
        encoder.set_color(color);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels)?;
        writer.finish()?;
        Ok(Self { width: shape.width, height: shape.height, png: BASE64_STANDARD.encode(file) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(thumbnail: &Thumbnail) -> (png::ColorType, Vec<u8>) {
        let file = BASE64_STANDARD.decode(&thumbnail.png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width as usize, frame.height as usize), (thumbnail.width, thumbnail.height));
        (frame.color_type, pixels)
    }

    #[test]
    fn small_images_keep_every_pixel() {
        let pixels: Vec<u8> = (0..3 * 5 * 3).map(|value| value * 5).collect();
        let rgb = Thumbnail::of_image(&pixels, ImageShape { height: 3, width: 5, channels: 3 }).unwrap();
        assert_eq!(decode(&rgb), (png::ColorType::Rgb, pixels.clone()));
        let gray = Thumbnail::of_image(&pixels, ImageShape { height: 5, width: 9, channels: 1 }).unwrap();
        assert_eq!(decode(&gray), (png::ColorType::Grayscale, pixels));
    }

    #[test]
    fn an_image_that_is_read_back_is_as_it_states_or_refused() {
        let shape = |height, width, channels| ImageShape { height, width, channels };
        for shape in [shape(28, 28, 1), shape(96, 130, 3), shape(1024, 15, 1)] {
            let thumbnail = Thumbnail::of_image(&vec![7; shape.len()], shape).unwrap();
            assert_eq!(thumbnail.checked().as_ref(), Ok(&thumbnail));
        }
        let thumbnail = Thumbnail::rgb(&[[1, 2, 3]; 4], 2).unwrap();
        // The header of the file, with another width and a checksum that is right: its memory is never requested.
        let mut bomb = BASE64_STANDARD.decode(&thumbnail.png).unwrap();
        bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let bomb = BASE64_STANDARD.encode(bomb);
        for (hostile, expected) in [
            (Thumbnail { width: 60_000, png: bomb.clone(), ..thumbnail.clone() }, "2x60000 is too large for a report"),
            (Thumbnail { png: bomb, ..thumbnail.clone() }, "states 2x2 and its file is 2x60000"),
            (Thumbnail { width: usize::MAX, ..thumbnail.clone() }, "is too large for a report"),
            (Thumbnail { png: "?".to_owned(), ..thumbnail.clone() }, "is not base64"),
            (Thumbnail { png: String::new(), ..thumbnail.clone() }, "cannot be decoded"),
            (Thumbnail { png: BASE64_STANDARD.encode("<svg onload=alert(1)>"), ..thumbnail }, "cannot be decoded"),
        ] {
            let message = hostile.checked().unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn large_images_become_means_of_blocks() {
        let shape = ImageShape { height: 96, width: 130, channels: 1 };
        let pixels: Vec<u8> = (0..shape.len()).map(|index| if index / 130 < 48 { 10 } else { 200 }).collect();
        let thumbnail = Thumbnail::of_image(&pixels, shape).unwrap();
        assert_eq!((thumbnail.height, thumbnail.width), (32, 43));
        let (_, pixels) = decode(&thumbnail);
        assert_eq!((pixels[0], pixels[15 * 43 + 42], pixels[16 * 43], pixels[32 * 43 - 1]), (10, 10, 200, 200));
    }

    #[test]
    fn any_other_number_of_channels_is_shown_by_its_mean() {
        let thumbnail =
            Thumbnail::of_image(&[0, 10, 100, 200], ImageShape { height: 1, width: 2, channels: 2 }).unwrap();
        assert_eq!(decode(&thumbnail), (png::ColorType::Grayscale, vec![5, 150]));
    }
}
