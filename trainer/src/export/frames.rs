//! Frames: a few images as the network takes them, in a file that firmware holds in flash and classifies.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `THFRAMES` |
//! | 8 | 2 | format version |
//! | 10 | 2 | number of frames |
//! | 12 | 2 | height |
//! | 14 | 2 | width |
//! | 16 | 2 | channels |
//!
//! Then, for each frame: 2 bytes of class, a byte with the length of its name, the name in UTF-8, and its bytes
//! `[height, width, channels]`. All numbers are little-endian. `firmware-example/src/frames.rs` reads it.

use std::collections::BTreeMap;
use std::io;

use infer_core::Shape;

use crate::dataset::{ImageShape, Images};
use crate::support::printable::in_one_line;

/// What the file beside a model is called.
pub const FILE: &str = "frames.bin";

/// The first eight bytes of every file of frames.
pub const MAGIC: [u8; 8] = *b"THFRAMES";

/// The format version that is written.
pub const FORMAT_VERSION: u16 = 1;

/// Frames that [`fit`](crate::train) leaves in its run.
pub const IN_A_RUN: usize = 10;

/// Bytes of images in one file: what the emulated boards have room for beside a model.
pub const MOST_BYTES: usize = 4 << 20;

/// Bytes of a name; of a longer one the end is kept.
const LONGEST_NAME: usize = 255;

/// The frames that fit in a file: `count`, or fewer where their images would take more than [`MOST_BYTES`]; at least one.
#[must_use]
pub fn at_most(count: usize, shape: ImageShape) -> usize {
    count.min(MOST_BYTES / shape.len().max(1)).min(usize::from(u16::MAX)).max(1)
}

/// Indices of `count` images, or of all where there are fewer: the first of each class, then the second of each, and so
/// on. Where there are more classes than `count`, every so many classes one image is taken.
#[must_use]
pub fn choose(images: &Images, count: usize) -> Vec<usize> {
    let mut of_class = BTreeMap::<usize, Vec<usize>>::new();
    for index in 0..images.len() {
        of_class.entry(images.label(index).into()).or_default().push(index);
    }
    let classes: Vec<Vec<usize>> = of_class.into_values().collect();
    if count < classes.len() {
        return (0..count).map(|number| classes[number * classes.len() / count][0]).collect();
    }
    let rounds = classes.iter().map(Vec::len).max().unwrap_or(0);
    (0..rounds)
        .flat_map(|round| classes.iter().filter_map(move |class| class.get(round)))
        .copied()
        .take(count)
        .collect()
}

/// The file that holds these images, each under its own name, or else its number.
///
/// # Errors
/// Where images that are in a file cannot be read.
///
/// # Panics
/// Where a side or the number of images does not fit in 16 bits, which no network takes: a mistake in the caller.
pub fn encode(images: &Images, indices: &[usize]) -> io::Result<Vec<u8>> {
    let ImageShape { height, width, channels } = images.shape();
    let half = |number: usize| u16::try_from(number).expect("sides and counts of 16 bits").to_le_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    for number in [indices.len(), height, width, channels] {
        bytes.extend(half(number));
    }
    for &index in indices {
        let number = format!("image {index}");
        let name = in_one_line(images.name(index).unwrap_or(&number));
        let name = end_of(&name, LONGEST_NAME);
        bytes.extend(images.label(index).to_le_bytes());
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend_from_slice(&images.image(index)?);
    }
    Ok(bytes)
}

/// An image in a file of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'f> {
    /// Its class.
    pub class: usize,
    /// Which image it is.
    pub name: &'f str,
    /// Its bytes, `[height, width, channels]`.
    pub pixels: &'f [u8],
}

/// Shape and images of a file of frames; `None` where it is of another kind or version, or not whole.
#[must_use]
pub fn decode(file: &[u8]) -> Option<(Shape, Vec<Frame<'_>>)> {
    let mut rest = file.strip_prefix(&MAGIC)?;
    let mut half = || take(&mut rest, 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    if half()? != FORMAT_VERSION {
        return None;
    }
    let count = half()?;
    let shape = Shape { height: half()?, width: half()?, channels: half()? };
    let len = shape.checked_len()?.try_into().ok()?;
    let mut frames = Vec::new();
    for _ in 0..count {
        let class = u16::from_le_bytes(take(&mut rest, 2)?.try_into().ok()?).into();
        let [name_len] = *take(&mut rest, 1)? else { return None };
        let name = str::from_utf8(take(&mut rest, name_len.into())?).ok()?;
        frames.push(Frame { class, name, pixels: take(&mut rest, len)? });
    }
    rest.is_empty().then_some((shape, frames))
}

/// So many bytes from the front.
fn take<'f>(rest: &mut &'f [u8], count: usize) -> Option<&'f [u8]> {
    let (bytes, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(bytes)
}

/// The last whole characters of a text, `bytes` at most.
fn end_of(text: &str, bytes: usize) -> &str {
    let first = text.len().saturating_sub(bytes);
    let first = (first..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    &text[first..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { height: 1, width: 2, channels: 1 };

    /// Images of these classes; the pixels of each are its index.
    fn images(labels: &[u16]) -> Images {
        let pixels = (0..labels.len()).flat_map(|index| [index as u8; 2]).collect();
        Images::new(SHAPE, pixels, labels.to_vec())
    }

    #[test]
    fn the_classes_take_turns_and_are_spread_where_there_are_more_of_them_than_frames() {
        let cases: [(&[u16], usize, &[usize]); 6] = [
            (&[0, 0, 0, 1, 1, 2], 10, &[0, 3, 5, 1, 4, 2]),
            (&[0, 0, 0, 1, 1, 2], 4, &[0, 3, 5, 1]),
            (&[2, 1, 0], 3, &[2, 1, 0]),
            // Of eight classes the first of the first, the third, the sixth.
            (&[0, 1, 2, 3, 4, 5, 6, 7], 3, &[0, 2, 5]),
            (&[5, 9], 1, &[0]),
            (&[], 3, &[]),
        ];
        for (labels, count, expected) in cases {
            assert_eq!(choose(&images(labels), count), expected, "{count} of {labels:?}");
        }
    }

    #[test]
    fn a_file_of_frames_has_the_bytes_that_are_documented() {
        let names = ["a/0.png", "b/1.png"].map(str::to_owned);
        let bytes = encode(&images(&[300, 1]).with_names(names), &[1, 0]).unwrap();
        let header = b"THFRAMES\x01\0\x02\0\x01\0\x02\0\x01\0";
        let expected = [header.as_slice(), b"\x01\0\x07b/1.png\x01\x01", b"\x2C\x01\x07a/0.png\0\0"];
        assert_eq!(bytes, expected.concat());
        let shape = Shape { height: 1, width: 2, channels: 1 };
        let frames = [
            Frame { class: 1, name: "b/1.png", pixels: &[1, 1] },
            Frame { class: 300, name: "a/0.png", pixels: &[0, 0] },
        ];
        assert_eq!(decode(&bytes), Some((shape, frames.to_vec())));
        // Images that were drawn have numbers only.
        assert_eq!(encode(&images(&[3, 1]), &[1]).unwrap()[18..], *b"\x01\0\x07image 1\x01\x01");
    }

    #[test]
    fn a_file_that_is_cut_off_too_long_or_of_another_kind_or_version_holds_no_frames() {
        let bytes = encode(&images(&[1]), &[0]).unwrap();
        assert!(decode(&bytes).is_some());
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "{end} bytes");
        }
        for at in [0, 8, 10] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(decode(&other), None, "byte {at}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        let mut endless = bytes.clone();
        endless[12..18].fill(0xFF);
        assert_eq!(decode(&endless), None);
    }

    #[test]
    fn names_keep_their_end_and_their_whole_characters() {
        assert_eq!(end_of("crow/1.png", 5), "1.png");
        assert_eq!(end_of("äöü", 5), "öü");
        assert_eq!(end_of("crow", 255), "crow");
        let bytes = encode(&images(&[0]).with_names(["ä".repeat(200)]), &[0]).unwrap();
        assert_eq!(bytes.len(), 18 + 2 + 1 + 254 + 2);
    }

    #[test]
    fn large_images_are_fewer_and_at_least_one() {
        let square = |side| ImageShape { height: side, width: side, channels: 3 };
        assert_eq!([28, 96, 256, 1024, 2048].map(|side| at_most(10, square(side))), [10, 10, 10, 1, 1]);
        assert_eq!(at_most(1000, square(256)), 21);
    }
}
