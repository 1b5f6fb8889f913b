//! Image files: PNG, JPEG, BMP, GIF, WebP and TIFF, distinguished by their content, read within bounds. Of several images in a file
//! the first is read. A file that is [named as a frame](super::FrameLayout::of_file) is one, whatever its content.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::background::Background;
use super::decoded::{Decoded, Image, ImageHeader, Transparency};
use super::error::{ImageError, LONGEST_SIDE, MOST_FILE_BYTES, MOST_MEMORY};
use super::flatten::{Alpha, flatten};
use super::frame::{FrameLayout, MOST_COUNTED, MOST_PIXELS, RawFrame};
use super::ifd::Directory;
use super::jpeg::{Jpeg, is_jpeg};
use super::kind::{ImageKind, LEADING_BYTES};
use super::{bmp, orientation, tiff};
use crate::support::memory::Claim;

/// Bytes of a JPEG file that hold its headers, unless it has much metadata.
const JPEG_HEADER_BYTES: u64 = 64 << 10;

/// Decodes a file, what is transparent on black.
///
/// # Errors
/// [`ImageError`], all variants but `OtherSize`.
pub fn read(path: &Path) -> Result<Image, ImageError> {
    Ok(read_onto(path, Background::BLACK)?.image)
}

/// Decodes a file, what is transparent on this background.
///
/// # Errors
/// As [`read`].
pub fn read_onto(path: &Path, background: Background) -> Result<Decoded, ImageError> {
    let layout = FrameLayout::of_file(path);
    if let Some(Ok(layout)) = layout {
        return read_frame(layout, File::open(path)?);
    }
    match (decode_onto(&read_bounded(File::open(path)?)?, background), layout) {
        (Err(ImageError::UnknownFormat), Some(Err(error))) => Err(error.into()),
        (decoded, _) => decoded,
    }
}

/// Reads a frame, and nothing else.
///
/// # Errors
/// [`ImageError::FrameLength`], [`ImageError::Memory`], [`ImageError::Io`].
pub fn read_frame(layout: FrameLayout, mut reader: impl Read) -> Result<Decoded, ImageError> {
    let _claim = Claim::new(layout.memory())?;
    let (least, most) = (layout.least_bytes() as u64, layout.bytes() as u64);
    let mut bytes = Vec::new();
    // What is longer is counted, and not kept; a device may have no end.
    let read = reader.by_ref().take(most).read_to_end(&mut bytes)? as u64;
    let given = read + io::copy(&mut reader.take(MOST_COUNTED), &mut io::sink())?;
    if given != least && given != most {
        return Err(ImageError::FrameLength { layout, given });
    }
    let image = Image::Raw(RawFrame { layout, bytes });
    Ok(Decoded { image, transparency: Transparency::Opaque, sixteen_bit: None })
}

/// Decodes what a reader, such as standard input, holds.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl Read, background: Background) -> Result<Decoded, ImageError> {
    decode_onto(&read_bounded(reader)?, background)
}

/// Decodes the content of a file, what is transparent on black.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Image, ImageError> {
    Ok(decode_onto(bytes, Background::BLACK)?.image)
}

/// Decodes the content of a file, what is transparent on this background.
///
/// # Errors
/// As [`read`].
pub fn decode_onto(bytes: &[u8], background: Background) -> Result<Decoded, ImageError> {
    if is_jpeg(bytes) {
        return decode_jpeg(bytes, background);
    }
    let Opened { kind, orientation, alpha, mut decoder } = open(Cursor::new(bytes))?;
    let header = header_of(&decoder, orientation)?;
    if kind == ImageKind::WebP && !is_whole_webp(bytes) {
        return Err(ImageError::damaged("the end of the WebP is missing"));
    }
    let _claim = Claim::new(header.memory())?;
    let mut limits = limits();
    // Some decoders keep the whole image in a buffer of their own.
    let copies = match kind {
        ImageKind::WebP | ImageKind::Gif | ImageKind::Tiff => 2,
        ImageKind::Png | ImageKind::Jpeg | ImageKind::Bmp | ImageKind::Unsupported(_) => 1,
    };
    limits.reserve(decoder.total_bytes().saturating_mul(copies)).map_err(refused)?;
    if kind == ImageKind::Tiff {
        // It counts the buffers itself.
        limits.free(decoder.total_bytes());
    }
    decoder.set_limits(limits).map_err(refused)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    Ok(flatten(image, alpha, background))
}

/// The header of a file, without decoding its pixels.
///
/// # Errors
/// As [`read`].
pub fn header(path: &Path) -> Result<ImageHeader, ImageError> {
    if let Some(Ok(layout)) = FrameLayout::of_file(path) {
        let (height, width) = layout.size();
        return Ok(ImageHeader { height: height.into(), width: width.into(), is_rgb: layout.is_rgb() });
    }
    let mut file = File::open(path)?;
    if file.metadata()?.len() > MOST_FILE_BYTES {
        return Err(ImageError::LongFile);
    }
    let mut start = Vec::new();
    file.by_ref().take(JPEG_HEADER_BYTES).read_to_end(&mut start)?;
    if is_jpeg(&start) {
        return header_of_jpeg_file(start, file);
    }
    file.rewind()?;
    let opened = open(BufReader::new(file))?;
    header_of(&opened.decoder, opened.orientation)
}

fn decode_jpeg(bytes: &[u8], background: Background) -> Result<Decoded, ImageError> {
    let jpeg = Jpeg::open(bytes)?;
    let header = header_of_jpeg(&jpeg, bytes)?;
    if jpeg.memory() > MOST_MEMORY {
        return Err(ImageError::TooMuchMemory);
    }
    // Beside what the decoder takes, the pixels once more where they are turned, and once where they turn out to be gray.
    let _claim = Claim::new(jpeg.memory() + header.memory() / 2)?;
    let orientation = orientation::of(ImageKind::Jpeg, &mut Cursor::new(bytes))?;
    let mut image = jpeg.decode()?;
    image.apply_orientation(orientation);
    Ok(flatten(image, Alpha::Ignored, background))
}

/// Reads the rest of a JPEG file only where its headers are longer than what is there.
fn header_of_jpeg_file(mut bytes: Vec<u8>, rest: File) -> Result<ImageHeader, ImageError> {
    if let Ok(jpeg) = Jpeg::open(&bytes) {
        return header_of_jpeg(&jpeg, &bytes);
    }
    rest.take(MOST_FILE_BYTES).read_to_end(&mut bytes)?;
    header_of_jpeg(&Jpeg::open(&bytes)?, &bytes)
}

fn header_of_jpeg(jpeg: &Jpeg, bytes: &[u8]) -> Result<ImageHeader, ImageError> {
    let (height, width) = jpeg.size();
    checked_header(height, width, jpeg.is_rgb(), orientation::of(ImageKind::Jpeg, &mut Cursor::new(bytes))?)
}

fn read_bounded(reader: impl Read) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    reader.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_FILE_BYTES {
        return Err(ImageError::LongFile);
    }
    Ok(bytes)
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_MEMORY);
    limits
}

/// A file whose kind and metadata are known.
struct Opened<D> {
    kind: ImageKind,
    orientation: Orientation,
    alpha: Alpha,
    decoder: D,
}

fn open<'a>(mut source: impl BufRead + Seek + 'a) -> Result<Opened<impl ImageDecoder + 'a>, ImageError> {
    let mut first = Vec::with_capacity(LEADING_BYTES);
    source.by_ref().take(LEADING_BYTES as u64).read_to_end(&mut first)?;
    let kind = ImageKind::of(&first);
    let (kind, format, alpha) = match kind {
        Some(kind @ ImageKind::Png) => (kind, ImageFormat::Png, Alpha::Straight),
        Some(kind @ ImageKind::Bmp) => {
            bmp::check(&first)?;
            (kind, ImageFormat::Bmp, Alpha::StraightUnlessZero)
        }
        Some(kind @ ImageKind::Gif) => (kind, ImageFormat::Gif, Alpha::Straight),
        Some(kind @ ImageKind::WebP) => (kind, ImageFormat::WebP, Alpha::Straight),
        Some(kind @ ImageKind::Tiff) => {
            let directory = Directory::first(&mut source)?.unwrap_or_default();
            (kind, ImageFormat::Tiff, tiff::check(&directory)?)
        }
        Some(ImageKind::Unsupported(what)) => return Err(ImageError::unsupported(what)),
        None if first.is_empty() => return Err(ImageError::damaged("the file is empty")),
        // A JPEG has a decoder of its own, and does not come here.
        Some(ImageKind::Jpeg) | None => return Err(ImageError::UnknownFormat),
    };
    let orientation = orientation::of(kind, &mut source)?;
    source.seek(SeekFrom::Start(0))?;
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits());
    Ok(Opened { kind, orientation, alpha, decoder: reader.into_decoder().map_err(refused)? })
}

fn header_of(decoder: &impl ImageDecoder, orientation: Orientation) -> Result<ImageHeader, ImageError> {
    let (width, height) = decoder.dimensions();
    let header = checked_header(height, width, decoder.color_type().has_color(), orientation)?;
    // Values that are not bytes have no agreed range: 0 to 1, 0 to 255, degrees or meters.
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(ImageError::unsupported("an image of 32 bits a channel"));
    }
    Ok(header)
}

/// A header of an image of so many rows and columns as they are stored, if it is not too large.
fn checked_header(height: u32, width: u32, is_rgb: bool, orientation: Orientation) -> Result<ImageHeader, ImageError> {
    if u64::from(width) * u64::from(height) > MOST_PIXELS || width.max(height) > LONGEST_SIDE {
        return Err(ImageError::TooLarge { height, width });
    }
    if width == 0 || height == 0 {
        return Err(ImageError::damaged("it has no pixels"));
    }
    let (height, width) = if orientation::is_on_its_side(orientation) { (width, height) } else { (height, width) };
    Ok(ImageHeader { height, width, is_rgb })
}

fn refused(error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ImageError::damaged("it ends too soon")
        }
        image::ImageError::IoError(error) => ImageError::damaged(error),
        image::ImageError::Limits(_) => ImageError::TooMuchMemory,
        image::ImageError::Unsupported(error) => ImageError::unsupported(format!("this kind of image ({error})")),
        error => ImageError::damaged(chunk_names(&error.to_string())),
    }
}

/// The message of the PNG decoder, with the names of chunks in place of the records about them.
fn chunk_names(text: &str) -> String {
    const RECORD: &str = "ChunkType { type: ";
    let mut parts = text.split(RECORD);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (record, rest) = part.split_once('}').unwrap_or((part, ""));
        format!("{text}{}{rest}", record.split(',').next().unwrap_or_default())
    })
}

/// Whether all bytes are there that the header announces; the decoder takes what is missing for zeros.
fn is_whole_webp(bytes: &[u8]) -> bool {
    let announced = bytes.get(4..8).and_then(|len| len.try_into().ok()).map(u32::from_le_bytes);
    announced.is_some_and(|len| bytes.len() as u64 >= u64::from(len) + 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_another_length_is_refused_with_the_right_one() {
        let read = |text: &str, bytes: usize| {
            let frame = read_frame(text.parse().unwrap(), &vec![0; bytes][..]);
            frame.map(drop).map_err(|error| error.to_string())
        };
        for (text, lengths) in [("rgb565le:4x3", [24, 24]), ("rgb565le:4x3:10", [30, 28])] {
            for length in 0..40 {
                assert_eq!(read(text, length).is_ok(), lengths.contains(&length), "{text} of {length}");
            }
        }
        assert_eq!(read("rgb565le:4x3", 25).unwrap_err(), "25 bytes, but a frame rgb565le:4x3 has 24");
        let message = "29 bytes, but a frame rgb565le:4x3:10 has 30, or 28 without padding after the last row";
        assert_eq!(read("rgb565le:4x3:10", 29).unwrap_err(), message);
    }
}
