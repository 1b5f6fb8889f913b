//! What is worth a word about an image that became an input: that it is one flat color, and why; that 16 bits hold few values.

use infer_core::camera::luma;

use super::decoded::{Decoded, Image, Transparency};
use super::error::ImageError;
use super::{Background, Conversion, FrameLayout};

/// What was found about one image on its way to an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Where all pixels of the input are equal: their color, and why.
    pub flat: Option<Flat>,
    /// The lowest and the highest value of any channel, where the file has 16 bits a channel.
    pub sixteen_bit: Option<(u16, u16)>,
    /// What it is, where it is a camera's frame.
    pub frame: Option<FrameLayout>,
}

/// An input of one color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flat {
    /// Red, green and blue, or gray three times.
    pub color: [u8; 3],
    /// Why.
    pub cause: FlatCause,
}

/// Why an input is one color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlatCause {
    /// What is drawn has the color that its transparent background became.
    Background,
    /// The whole image is transparent.
    Transparent,
    /// Its 16-bit values are too near to each other for 8 bits.
    SixteenBit,
    /// It is not before color and size are converted.
    Conversion,
    /// It is in the file.
    Image,
}

impl Conversion {
    /// The bytes of the input, `[height, width, channels]`, and what is worth a word about it.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn input(&self, decoded: &Decoded) -> Result<(Vec<u8>, Observed), ImageError> {
        let input = self.apply(&decoded.image)?;
        let color = color_of(input.chunks_exact(self.shape().channels.into()));
        let flat = color.map(|color| Flat { color, cause: self.cause(decoded, color) });
        let frame = match &decoded.image {
            Image::Gray(_) | Image::Rgb(_) => None,
            Image::Raw(frame) => Some(frame.layout()),
        };
        Ok((input, Observed { flat, sixteen_bit: decoded.sixteen_bit, frame }))
    }

    fn cause(&self, decoded: &Decoded, color: [u8; 3]) -> FlatCause {
        let is_flat = decoded.image.frame().is_ok_and(|frame| {
            // A pair of pixels, where the format has pairs.
            let unit = frame.format().row_bytes(1);
            let mut units = frame.rows().flat_map(|row| row.chunks_exact(unit));
            let first = units.next();
            units.all(|unit| Some(unit) == first)
        });
        let ground = match self.shape().channels {
            1 => [luma(self.background().rgb()); 3],
            _ => self.background().rgb(),
        };
        match decoded.transparency {
            Transparency::Whole => FlatCause::Transparent,
            _ if !is_flat => FlatCause::Conversion,
            Transparency::Partial if color == ground => FlatCause::Background,
            Transparency::Partial | Transparency::Opaque => match decoded.sixteen_bit {
                Some((low, high)) if low < high => FlatCause::SixteenBit,
                _ => FlatCause::Image,
            },
        }
    }
}

impl FlatCause {
    /// The cause and what to do, of `its` or `their` pixels: a sentence's end.
    #[must_use]
    pub fn explain(self, conversion: &Conversion, its: &str) -> String {
        let background = conversion.background();
        match self {
            Self::Background => {
                let [red, green, blue] = background.rgb().map(u32::from);
                let other = if red + green + blue < 3 * 128 { Background::WHITE } else { Background::BLACK };
                format!("{its} transparent background became {background}, like the drawing: --background {other}")
            }
            Self::Transparent => format!("all of {its} pixels are transparent"),
            Self::SixteenBit => {
                format!("{its} 16-bit values are too close together for 8 bits: scale them to 0 to 65535 first")
            }
            Self::Conversion => format!("nothing else is left of {its} pixels as {conversion}"),
            Self::Image => format!("all of {its} pixels are equal in the file"),
        }
    }
}

/// The color of all pixels, where it is one.
fn color_of<'a>(mut pixels: impl Iterator<Item = &'a [u8]>) -> Option<[u8; 3]> {
    let first = pixels.next()?;
    pixels.all(|pixel| pixel == first).then_some(match *first {
        [gray] => [gray; 3],
        [red, green, blue] => [red, green, blue],
        _ => [0; 3],
    })
}

/// The 16-bit images of a set, taken together.
///
/// ```
/// use trainer::image::SixteenBit;
///
/// let mut thermal = SixteenBit::default();
/// [(7_565, 8_240), (7_570, 8_286)].into_iter().for_each(|range| thermal.add(range));
/// assert!(thermal.note().unwrap().starts_with("NOTE: 2 images have 16 bits a channel, and values from 7565 to 8286 only"));
/// thermal.add((0, 65_535));
/// assert_eq!(thermal.note(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SixteenBit {
    images: usize,
    range: Option<(u16, u16)>,
}

/// Values apart from which 16-bit images count as scaled to their range: those of 14 bits are a quarter of that.
const NARROW: u16 = 1 << 14;

impl SixteenBit {
    /// One more image, by its lowest and highest value.
    pub fn add(&mut self, (low, high): (u16, u16)) {
        let (lowest, highest) = self.range.unwrap_or((low, high));
        self.range = Some((lowest.min(low), highest.max(high)));
        self.images += 1;
    }

    /// The message where all images together use a quarter of the range or less: little of it is left in 8 bits.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let (low, high) = self.range.filter(|(low, high)| high - low < NARROW)?;
        let levels = eight_bits(high) - eight_bits(low) + 1;
        let (images, have) = if self.images == 1 { ("image", "has") } else { ("images", "have") };
        let scale = match high - low {
            0 => String::new(),
            range => format!(", such as (value - {low}) * 65535 / {range}"),
        };
        Some(format!(
            "NOTE: {} {images} {have} 16 bits a channel, and values from {low} to {high} only: {levels} of 256 levels are left in 8 \
             bits. Scale all images alike to 0 to 65535 first{scale}",
            self.images
        ))
    }
}

/// How 16 bits become 8.
fn eight_bits(value: u16) -> u32 {
    (u32::from(value) + 128) / 257
}

#[cfg(test)]
mod tests {
    use infer_core::Shape;

    use super::*;
    use crate::image::Resize;

    fn conversion(channels: u16, resize: Resize) -> Conversion {
        Conversion::new(Shape { height: 2, width: 2, channels }, resize).unwrap()
    }

    fn gray(width: u32, pixels: &[u8], transparency: Transparency, sixteen_bit: Option<(u16, u16)>) -> Decoded {
        let image = Image::from_gray_bytes(pixels.len() as u32 / width, width, pixels.to_vec());
        Decoded { image, transparency, sixteen_bit }
    }

    #[test]
    fn every_cause_of_a_flat_input_is_named() {
        let crop = conversion(1, Resize::Crop);
        let white = crop.with_background(Background::WHITE);
        let red = conversion(3, Resize::Crop).with_background("red".parse().unwrap());
        let (opaque, partial, whole) = (Transparency::Opaque, Transparency::Partial, Transparency::Whole);
        let cases = [
            (crop, gray(2, &[0; 4], partial, None), Some(FlatCause::Background)),
            (white, gray(2, &[255; 4], partial, None), Some(FlatCause::Background)),
            (crop, gray(2, &[7; 4], partial, None), Some(FlatCause::Image)),
            (red, gray(2, &[0; 4], partial, None), Some(FlatCause::Image)),
            (crop, gray(2, &[0; 4], whole, None), Some(FlatCause::Transparent)),
            (crop, gray(2, &[3; 4], opaque, Some((700, 800))), Some(FlatCause::SixteenBit)),
            (crop, gray(2, &[3; 4], opaque, Some((700, 700))), Some(FlatCause::Image)),
            (crop, gray(2, &[3; 4], opaque, None), Some(FlatCause::Image)),
            (crop, gray(4, &[9, 3, 3, 9, 9, 3, 3, 9], opaque, None), Some(FlatCause::Conversion)),
            (crop, gray(4, &[9, 0, 0, 9, 9, 0, 0, 9], partial, None), Some(FlatCause::Conversion)),
            (crop, gray(2, &[0, 0, 0, 1], partial, None), None),
        ];
        for (conversion, decoded, expected) in cases {
            let (_, observed) = conversion.input(&decoded).unwrap();
            assert_eq!(observed.flat.map(|flat| flat.cause), expected, "{decoded:?}");
        }
        assert!(
            FlatCause::Background.explain(&crop, "its").ends_with("became black, like the drawing: --background white")
        );
        assert!(
            FlatCause::Background
                .explain(&white, "its")
                .ends_with("became white, like the drawing: --background black")
        );
    }

    #[test]
    fn sixteen_bit_images_are_worth_a_note_where_all_together_use_a_quarter_of_the_range_or_less() {
        /// The ranges of some images, and the note.
        type Case = (&'static [(u16, u16)], Option<&'static str>);
        let cases: [Case; 8] = [
            (&[], None),
            (&[(0, 65_535)], None),
            (&[(0, 255)], Some("values from 0 to 255 only: 2 of 256 levels are left")),
            (&[(0, 4_095)], Some("values from 0 to 4095 only: 17 of 256 levels are left")),
            (&[(0, 16_383)], Some("values from 0 to 16383 only: 65 of 256 levels are left")),
            (&[(0, 16_384)], None),
            (&[(30_000, 31_000)], Some("such as (value - 30000) * 65535 / 1000")),
            // One dark and one bright image of a set that uses the range.
            (&[(0, 100), (60_000, 60_100)], None),
        ];
        for (ranges, expected) in cases {
            let mut set = SixteenBit::default();
            ranges.iter().for_each(|&range| set.add(range));
            let note = set.note();
            assert_eq!(note.is_some(), expected.is_some(), "{ranges:?}: {note:?}");
            assert!(note.unwrap_or_default().contains(expected.unwrap_or_default()), "{ranges:?}");
        }
    }
}
