//! Test pictures in flash.
//!
//! The first test picture of each class of Fashion-MNIST and of the built-in garments, 28x28: `pictures/README.md`.

use core::fmt;

/// Height and width of the pictures here.
pub const SIDE: usize = 28;

/// Bytes of one picture.
pub const PIXELS: usize = SIDE * SIDE;

const FASHION_MNIST: &[u8] = include_bytes!("../pictures/fashion-mnist.pictures");
const GARMENTS: &[u8] = include_bytes!("../pictures/garments.pictures");

/// A test picture and its class.
#[derive(Clone, Copy)]
pub struct Picture {
    /// The true class.
    pub label: usize,
    /// Codes, row after row, 0 for the background.
    pub pixels: &'static [u8; PIXELS],
}

/// The test pictures of the data set that a model was trained on; those of Fashion-MNIST where it is unknown.
pub fn of(dataset: &str) -> impl Iterator<Item = Picture> + Clone + use<> {
    let records = if dataset == "garments" { GARMENTS } else { FASHION_MNIST };
    records.chunks_exact(1 + PIXELS).filter_map(|record| {
        let (&label, pixels) = record.split_first()?;
        Some(Picture { label: label.into(), pixels: pixels.try_into().ok()? })
    })
}

/// Two rows of a picture in one line of characters, as characters are twice as high as wide.
pub struct Line<'p>(pub &'p [u8]);

/// The lines of a picture.
pub fn lines(pixels: &[u8; PIXELS]) -> impl Iterator<Item = Line<'_>> {
    pixels.chunks_exact(2 * SIDE).map(Line)
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHADES: &[u8] = b" .:-=+*#%@";
        let (upper, lower) = self.0.split_at(self.0.len() / 2);
        for (&upper, &lower) in upper.iter().zip(lower) {
            let brightness = (usize::from(upper) + usize::from(lower)) / 2;
            let shade = SHADES.get(brightness * SHADES.len() / 256).copied().unwrap_or(b'?');
            write!(f, "{}", char::from(shade))?;
        }
        Ok(())
    }
}
