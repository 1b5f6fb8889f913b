//! What an image shows, whatever its file is called: a hash by which images are distinguished and shared out.

use std::str::FromStr;
use std::{fmt, io};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{ImageShape, Images};
use crate::image::held_out::Fingerprint;

/// The first 128 bits of the SHA-256 of an image as the network sees it.
///
/// It is the *converted input* that is hashed, not the file and not the decoded pixels, because:
///
/// - A network cannot distinguish two images that are the same input. If one is trained on, the other is no test. By this hash
///   they are on one side by construction: a PNG and a BMP of the same pixels, a file copied under another name or with other
///   metadata, two photographs that differ only in what scaling leaves out.
/// - The side of an image depends on that image alone. A rule that hashed the decoded pixels and moved groups that are equal
///   as inputs together would let an image that comes or goes move another one.
///
/// The price is that another `--input` or `--resize` draws other test images. Each model file names its own input, so what it
/// was not trained on is found again all the same; models of different inputs are compared on a `test` folder.
///
/// An RGB input whose three channels are equal has the hash of the gray one: the first image with color that is added to a
/// folder of gray ones changes the input of all, and moves none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 16]);

/// 2^64, the number of positions.
const POSITIONS: f64 = 18_446_744_073_709_551_616.0;

impl ContentHash {
    /// Of one image, `[height, width, channels]`.
    #[must_use]
    pub fn of(shape: ImageShape, pixels: &[u8]) -> Self {
        let is_gray = shape.channels == 3 && pixels.chunks_exact(3).all(|pixel| pixel == [pixel[0]; 3]);
        let channels = if is_gray { 1 } else { shape.channels };
        let mut hash = Sha256::new_with_prefix(format!("image {}x{}x{channels}\n", shape.height, shape.width));
        if is_gray {
            hash.update(pixels.iter().step_by(3).copied().collect::<Vec<u8>>());
        } else {
            hash.update(pixels);
        }
        Self(beginning(hash))
    }

    /// Of each image, on all cores.
    ///
    /// # Errors
    /// Where images are in a file that cannot be read.
    pub fn of_each(images: &Images) -> io::Result<Vec<Self>> {
        (0..images.len()).into_par_iter().map(|index| Ok(Self::of(images.shape(), &images.image(index)?))).collect()
    }

    /// Its place between 0 and 1, that decides whether it is held out for the test: spread evenly over images, and
    /// always the same for one.
    #[must_use]
    pub fn test_position(self) -> Position {
        let [first, ..] = self.halves();
        Position(first)
    }

    /// Its place between 0 and 1, that decides whether it is held out for validation: another one under each seed, and
    /// independent of [`test_position`](Self::test_position).
    #[must_use]
    pub fn validation_position(self, seed: u64) -> Position {
        let hash = Sha256::new_with_prefix("validation\n").chain_update(seed.to_le_bytes()).chain_update(self.0);
        let [first, ..] = Self(beginning(hash)).halves();
        Position(first)
    }

    fn halves(self) -> [u64; 2] {
        let number = u128::from_be_bytes(self.0);
        [(number >> 64) as u64, number as u64]
    }
}

/// The first 16 bytes of a hash.
fn beginning(hash: Sha256) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes
}

/// A number from 0 to 1, 1 itself left out, in steps of 2^-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

impl Position {
    /// Whether it is under a share. Exact, and so the same on every machine.
    #[must_use]
    pub fn is_under(self, share: f64) -> bool {
        // A power of two changes only the exponent, and rounding up moves no whole number to the other side.
        u128::from(self.0) < (share * POSITIONS).ceil() as u128
    }

    /// As a share, rounded.
    #[must_use]
    pub fn share(self) -> f64 {
        self.0 as f64 / POSITIONS
    }
}

/// Of images and the class of each: the same in any order of the images, another one where an image comes, goes, changes or
/// is put into another class.
#[must_use]
pub fn fingerprint(images: impl Iterator<Item = (ContentHash, usize)>) -> Fingerprint {
    let mut sorted: Vec<(ContentHash, u64)> = images.map(|(content, class)| (content, class as u64)).collect();
    sorted.par_sort_unstable();
    let mut hash = Sha256::new_with_prefix("images\n");
    for (ContentHash(content), class) in sorted {
        hash.update(content);
        hash.update(class.to_le_bytes());
    }
    Fingerprint::of_hash(&hash.finalize().into())
}

/// 32 hexadecimal digits.
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for ContentHash {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(());
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
        ImageShape { height, width, channels }
    }

    #[test]
    fn an_image_is_its_pixels_and_their_shape() {
        let content = ContentHash::of(shape(2, 3, 1), &[1, 2, 3, 4, 5, 6]);
        assert_eq!(content, ContentHash::of(shape(2, 3, 1), &[1, 2, 3, 4, 5, 6]));
        for other in [
            ContentHash::of(shape(2, 3, 1), &[1, 2, 3, 4, 5, 7]),
            ContentHash::of(shape(3, 2, 1), &[1, 2, 3, 4, 5, 6]),
            ContentHash::of(shape(1, 2, 3), &[1, 2, 3, 4, 5, 6]),
        ] {
            assert_ne!(other, content);
        }
        assert_eq!(content.to_string().parse(), Ok(content));
        // Written down, as the splits of all folders depend on it.
        assert_eq!(content.to_string(), "f43fe2aad6306b69e5e4b8f1498b9d3a");
    }

    #[test]
    fn gray_is_the_same_in_one_channel_and_in_three() {
        assert_eq!(ContentHash::of(shape(1, 2, 3), &[7, 7, 7, 9, 9, 9]), ContentHash::of(shape(1, 2, 1), &[7, 9]));
        assert_ne!(ContentHash::of(shape(1, 2, 3), &[7, 7, 7, 9, 9, 8]), ContentHash::of(shape(1, 2, 1), &[7, 9]));
    }

    #[test]
    fn other_text_is_no_hash() {
        for text in ["", "0", &"0".repeat(31), &"0".repeat(33), &"g".repeat(32), &"A".repeat(32), &"+".repeat(32)] {
            assert_eq!(text.parse::<ContentHash>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn positions_are_spread_evenly_and_those_of_two_seeds_have_nothing_to_do_with_each_other() {
        let contents: Vec<ContentHash> =
            (0..20_000u32).map(|number| ContentHash::of(shape(1, 4, 1), &number.to_le_bytes())).collect();
        let share =
            |is_under: &dyn Fn(&&ContentHash) -> bool| contents.iter().filter(is_under).count() as f64 / 20_000.0;
        let test = |content: &&ContentHash| content.test_position().is_under(0.15);
        let one = |content: &&ContentHash| content.validation_position(48).is_under(0.15);
        let other = |content: &&ContentHash| content.validation_position(49).is_under(0.15);
        // Five standard deviations of 20,000 draws.
        for (found, expected) in [
            (share(&test), 0.15),
            (share(&one), 0.15),
            (share(&other), 0.15),
            (share(&|content| test(content) && one(content)), 0.0225),
            (share(&|content| one(content) && other(content)), 0.0225),
        ] {
            assert!((found - expected).abs() < 5.0 * (expected * (1.0 - expected) / 20_000.0).sqrt(), "{found}");
        }
    }

    #[test]
    fn a_position_is_under_a_share_to_the_last_bit() {
        assert!(Position(0).is_under(f64::MIN_POSITIVE));
        assert!(!Position(1 << 63).is_under(0.5) && Position((1 << 63) - 1).is_under(0.5));
        assert!(!Position(u64::MAX).is_under(1.0 - f64::EPSILON));
        assert_eq!(Position(1 << 62).share(), 0.25);
    }

    #[test]
    fn a_fingerprint_sees_every_image_and_its_class_and_not_their_order() {
        let contents = [1, 2, 3].map(|shade| ContentHash::of(shape(1, 1, 1), &[shade]));
        let of = |contents: &[ContentHash], labels: &[usize]| {
            fingerprint(contents.iter().copied().zip(labels.iter().copied()))
        };
        let all = of(&contents, &[0, 0, 1]);
        assert_eq!(of(&[contents[2], contents[0], contents[1]], &[1, 0, 0]), all);
        for other in [
            of(&contents[..2], &[0, 0]),
            of(&contents, &[0, 1, 1]),
            of(&[contents[0], contents[1], contents[2], contents[2]], &[0, 0, 1, 1]),
        ] {
            assert_ne!(other, all);
        }
    }
}
