//! BMP files: sound ones of kinds that are not read are refused by name, before they pass for damaged.

use super::error::ImageError;

/// Looks at the first bytes of a BMP.
///
/// # Errors
/// [`ImageError::Unsupported`] for kinds that are not read.
pub(super) fn check(first: &[u8]) -> Result<(), ImageError> {
    let short = |at: usize| first.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let what = match (short(14), short(28), short(30)) {
        (Some(16 | 64), ..) => "an OS/2 2.x bitmap",
        // The oldest header ends here.
        (Some(12), ..) => return Ok(()),
        (_, _, Some(4)) => "a BMP with a JPEG inside",
        (_, _, Some(5)) => "a BMP with a PNG inside",
        (_, _, Some(11..=13)) => "a BMP in CMYK",
        (_, Some(64), _) => "a BMP of 64 bits a pixel",
        _ => return Ok(()),
    };
    Err(ImageError::unsupported(what))
}
