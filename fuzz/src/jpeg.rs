//! Any bytes as a JPEG: refused with a message of one line, or an image, the same each time and whatever follows the file.

use trainer::image::ImageError;
use trainer::image::decode::decode;

/// Pixels beyond which a file is not decoded, so that an input takes some milliseconds.
const MOST_PIXELS: u32 = 1 << 18;

/// Decodes a file.
///
/// # Panics
/// Where the decoder does, or decodes the same file to two images.
pub fn check(bytes: &[u8]) {
    // Frame headers, and what may be one.
    let is_large = |header: &[u8]| match *header {
        [0xFF, 0xC0..=0xC2, _, _, _, y1, y0, x1, x0] => {
            let [height, width] = [[y1, y0], [x1, x0]].map(|side| u32::from(u16::from_be_bytes(side)));
            height.saturating_mul(width) > MOST_PIXELS || height == 0 && width > 64
        }
        _ => false,
    };
    let jpeg = [&[0xFF, 0xD8, 0xFF], bytes].concat();
    if jpeg.windows(9).any(is_large) {
        return;
    }
    match decode(&jpeg) {
        Ok(image) => {
            let longer = [&jpeg[..], &[0xFF, 0xD8, 0xFF, 0xD9, 1, 2, 3]].concat();
            assert!(decode(&longer).is_ok_and(|again| again == image), "what follows the end changes the image");
        }
        Err(error @ (ImageError::Damaged { .. } | ImageError::Unsupported { .. })) => {
            let message = error.to_string();
            assert!(!message.contains('\n') && message.len() < 200, "{message}");
        }
        Err(error) => panic!("{error}"),
    }
}
