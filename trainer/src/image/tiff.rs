//! TIFF files: which of the many that the format allows are read, by the tags of the first directory.
//!
//! Read are gray, RGB and CMYK of 8 or 16 bits and bilevel images, uncompressed or by LZW, Deflate or `PackBits`, the first image
//! of a file. Everything else is refused by name, before a pixel is decoded: a decoder that guesses is worse than none.

use super::error::ImageError;
use super::flatten::Alpha;
use super::ifd::{Directory, tag};

/// What the alpha channel of such a file means.
///
/// # Errors
/// [`ImageError::Unsupported`] for kinds that are not read.
pub(super) fn check(directory: &Directory) -> Result<Alpha, ImageError> {
    let compression = directory.value(tag::COMPRESSION).unwrap_or(1);
    let is_preview = directory.value(tag::NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1);
    let bits = directory.value(tag::BITS_PER_SAMPLE);
    let color = match directory.value(tag::PHOTOMETRIC) {
        Some(3) => Some("a TIFF with a palette"),
        Some(6) => Some("a TIFF in YCbCr"),
        Some(8..=10) => Some("a TIFF in Lab colors"),
        Some(32_803 | 34_892) => Some("a camera raw image"),
        _ if bits == Some(32) || bits == Some(64) => Some("a TIFF of 32 bits a channel or more"),
        _ => None,
    };
    let what = match compression {
        _ if directory.has(tag::DNG_VERSION) => "a camera raw (DNG) image",
        // Nikon, Sony and others put a small preview first and the raw data after.
        _ if is_preview => "a TIFF that begins with a preview, as camera raw files do",
        1 | 5 | 8 | 32_773 | 32_946 => match color {
            Some(color) => color,
            None => return Ok(alpha(directory)),
        },
        2..=4 => "a TIFF with fax compression",
        6 | 7 => "a TIFF with JPEG compression",
        50_000 => "a TIFF with Zstandard compression",
        50_001 => "a TIFF with WebP compression",
        _ => "a TIFF of this compression",
    };
    Err(ImageError::unsupported(what))
}

fn alpha(directory: &Directory) -> Alpha {
    match directory.value(tag::EXTRA_SAMPLES) {
        Some(1) => Alpha::Associated,
        // Writers that leave the tag out mean opacity by a fourth channel.
        Some(2) | None => Alpha::Straight,
        // Unspecified: whatever it is, nothing states that it is opacity.
        Some(_) => Alpha::Ignored,
    }
}
