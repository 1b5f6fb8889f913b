//! Image files: PNG, JPEG, BMP, GIF, WebP and TIFF, told apart by their content, read within bounds. Of several images in a file
//! the first is read.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use infer_core::Shape;

use super::background::Background;
use super::flatten::{Alpha, flatten};
use super::ifd::Directory;
use super::jpeg::{Jpeg, is_jpeg};
use super::kind::{ImageKind, LEADING_BYTES};
use super::{bmp, orientation, tiff};
use crate::support::memory::{Claim, Shortage};
use crate::support::printable::is_control;

/// Pixels of a picture at most: more than any camera's, few enough that a lying header costs nothing.
pub const MOST_PIXELS: u64 = 64 << 20;

/// Rows or columns of a picture at most, as of a JPEG. Scaling keeps 16 bytes for each column and each row of what comes out.
const LONGEST_SIDE: u32 = 65_535;

/// Bytes that decoding a picture may take at most.
const MOST_MEMORY: u64 = 512 << 20;

/// Bytes of a JPEG file that hold its headers, unless it has much metadata.
const JPEG_HEADER_BYTES: u64 = 64 << 10;

/// Bytes of a file at most.
const MOST_FILE_BYTES: u64 = 256 << 20;

/// Characters of a decoder's own words in a message at most.
const LONGEST_REASON: usize = 200;

/// A decoded image: gray or RGB, 8 bits a channel, the right way up, what is transparent blended onto a background. One whose
/// pixels are all gray is gray, however it was stored: BMP knows nothing else, and many a program writes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// One channel.
    Gray(GrayImage),
    /// Three channels.
    Rgb(RgbImage),
}

/// What a file says of itself before its pixels are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureHeader {
    /// Rows, the right way up.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Whether it is stored with color; its pixels may be gray all the same.
    pub is_rgb: bool,
}

impl PictureHeader {
    /// Bytes that decoding takes at most beside the file, about: 16 bits a channel and alpha, as they are stored, as 8 bits, turned, and
    /// without alpha.
    #[must_use]
    pub fn memory(&self) -> u64 {
        u64::from(self.height) * u64::from(self.width) * if self.is_rgb { 16 } else { 8 }
    }
}

/// Why a file is not a picture that can be used.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// More bytes than a picture has.
    #[error("larger than {} MB, which no picture is", MOST_FILE_BYTES >> 20)]
    LongFile,
    /// The content is none of the formats.
    #[error("by its content no PNG, JPEG, BMP, GIF, WebP or TIFF image")]
    UnknownFormat,
    /// A header that claims more pixels than there can be.
    #[error(
        "its header claims {height} x {width} pixels; more than {} million, or {LONGEST_SIDE} a side, are not read",
        MOST_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Rows in the header.
        height: u32,
        /// Columns in the header.
        width: u32,
    },
    /// Less memory than decoding takes.
    #[error("too large to decode here: {0}")]
    Memory(#[from] Shortage),
    /// The content cannot be decoded.
    #[error("damaged or truncated ({reason})")]
    Damaged {
        /// What the decoder says.
        reason: String,
    },
    /// A sound file of a kind that its format allows and this decoder does not read.
    #[error("not supported: {what}")]
    Unsupported {
        /// The kind, and what to do: "an arithmetic-coded JPEG; save it as a baseline or progressive JPEG".
        what: String,
    },
    /// Not the size that is taken as it is.
    #[error("{height} high and {width} wide, but the input is {input} and takes pictures as they are")]
    OtherSize {
        /// Rows of the picture.
        height: u32,
        /// Columns of the picture.
        width: u32,
        /// Shape of the input.
        input: Shape,
    },
}

impl PictureError {
    /// That the content cannot be decoded, for a reason in the words of a decoder, which come as they like: here they stay on
    /// one line.
    pub(super) fn damaged(reason: impl fmt::Display) -> Self {
        Self::Damaged { reason: one_line(&reason.to_string()) }
    }

    /// That an image of a kind, named with its article, is not read.
    pub(super) fn unsupported(what: impl fmt::Display) -> Self {
        Self::Unsupported { what: one_line(&format!("{what}; convert it to JPEG or PNG")) }
    }
}

/// A text with blanks for line breaks and without control characters, not too long for a message.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || is_control(character));
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

impl Picture {
    /// Rows and columns.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let (width, height) = match self {
            Self::Gray(image) => image.dimensions(),
            Self::Rgb(image) => image.dimensions(),
        };
        (height, width)
    }

    /// Makes dark what is light, and light what is dark.
    pub fn invert(&mut self) {
        match self {
            Self::Gray(image) => image::imageops::invert(image),
            Self::Rgb(image) => image::imageops::invert(image),
        }
    }
}

/// A decoded image, and what was found on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The image, opaque.
    pub picture: Picture,
    /// Whether the background shows through.
    pub transparency: Transparency,
    /// The lowest and the highest value of any channel, where the file has 16 bits a channel.
    pub sixteen_bit: Option<(u16, u16)>,
}

/// How much of an image the background shows through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transparency {
    /// Nothing.
    Opaque,
    /// Some of it.
    Partial,
    /// All of it: nothing can be seen.
    Whole,
}

/// Decodes a file, what is transparent on black.
///
/// # Errors
/// [`PictureError`], all variants but `OtherSize`.
pub fn read(path: &Path) -> Result<Picture, PictureError> {
    Ok(read_onto(path, Background::BLACK)?.picture)
}

/// Decodes a file, what is transparent on this background.
///
/// # Errors
/// As [`read`].
pub fn read_onto(path: &Path, background: Background) -> Result<Decoded, PictureError> {
    decode_onto(&read_bounded(File::open(path)?)?, background)
}

/// Decodes what a reader, such as standard input, holds.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl Read, background: Background) -> Result<Decoded, PictureError> {
    decode_onto(&read_bounded(reader)?, background)
}

/// Decodes the content of a file, what is transparent on black.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
    Ok(decode_onto(bytes, Background::BLACK)?.picture)
}

/// Decodes the content of a file, what is transparent on this background.
///
/// # Errors
/// As [`read`].
pub fn decode_onto(bytes: &[u8], background: Background) -> Result<Decoded, PictureError> {
    if is_jpeg(bytes) {
        return decode_jpeg(bytes, background);
    }
    let Opened { kind, orientation, alpha, mut decoder } = open(Cursor::new(bytes))?;
    let header = header_of(&decoder, orientation)?;
    if kind == ImageKind::WebP && !is_whole_webp(bytes) {
        return Err(PictureError::damaged("the end of the WebP is missing"));
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

/// What a file says of itself, without decoding its pixels.
///
/// # Errors
/// As [`read`].
pub fn header(path: &Path) -> Result<PictureHeader, PictureError> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() > MOST_FILE_BYTES {
        return Err(PictureError::LongFile);
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

fn decode_jpeg(bytes: &[u8], background: Background) -> Result<Decoded, PictureError> {
    let jpeg = Jpeg::open(bytes)?;
    let header = header_of_jpeg(&jpeg, bytes)?;
    if jpeg.memory() > MOST_MEMORY {
        return Err(too_much_memory());
    }
    // Beside what the decoder takes, the pixels once more where they are turned, and once where they turn out to be gray.
    let _claim = Claim::new(jpeg.memory() + header.memory() / 2)?;
    let orientation = orientation::of(ImageKind::Jpeg, &mut Cursor::new(bytes))?;
    let mut image = jpeg.decode()?;
    image.apply_orientation(orientation);
    Ok(flatten(image, Alpha::Ignored, background))
}

/// Reads the rest of a JPEG file only where its headers are longer than what is there.
fn header_of_jpeg_file(mut bytes: Vec<u8>, rest: File) -> Result<PictureHeader, PictureError> {
    if let Ok(jpeg) = Jpeg::open(&bytes) {
        return header_of_jpeg(&jpeg, &bytes);
    }
    rest.take(MOST_FILE_BYTES).read_to_end(&mut bytes)?;
    header_of_jpeg(&Jpeg::open(&bytes)?, &bytes)
}

fn header_of_jpeg(jpeg: &Jpeg, bytes: &[u8]) -> Result<PictureHeader, PictureError> {
    let (height, width) = jpeg.size();
    checked_header(height, width, jpeg.is_rgb(), orientation::of(ImageKind::Jpeg, &mut Cursor::new(bytes))?)
}

fn read_bounded(reader: impl Read) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    reader.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_FILE_BYTES {
        return Err(PictureError::LongFile);
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

fn open<'a>(mut source: impl BufRead + Seek + 'a) -> Result<Opened<impl ImageDecoder + 'a>, PictureError> {
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
        Some(ImageKind::Unsupported(what)) => return Err(PictureError::unsupported(what)),
        None if first.is_empty() => return Err(PictureError::damaged("the file is empty")),
        // A JPEG has a decoder of its own, and does not come here.
        Some(ImageKind::Jpeg) | None => return Err(PictureError::UnknownFormat),
    };
    let orientation = orientation::of(kind, &mut source)?;
    source.seek(SeekFrom::Start(0))?;
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits());
    Ok(Opened { kind, orientation, alpha, decoder: reader.into_decoder().map_err(refused)? })
}

fn header_of(decoder: &impl ImageDecoder, orientation: Orientation) -> Result<PictureHeader, PictureError> {
    let (width, height) = decoder.dimensions();
    let header = checked_header(height, width, decoder.color_type().has_color(), orientation)?;
    // Values that are not bytes have no agreed range: 0 to 1, 0 to 255, degrees or meters.
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(PictureError::unsupported("an image of 32 bits a channel"));
    }
    Ok(header)
}

/// A header of an image of so many rows and columns as they are stored, if it is not too large.
fn checked_header(
    height: u32,
    width: u32,
    is_rgb: bool,
    orientation: Orientation,
) -> Result<PictureHeader, PictureError> {
    if u64::from(width) * u64::from(height) > MOST_PIXELS || width.max(height) > LONGEST_SIDE {
        return Err(PictureError::TooLarge { height, width });
    }
    if width == 0 || height == 0 {
        return Err(PictureError::damaged("it has no pixels"));
    }
    let (height, width) = if orientation::is_on_its_side(orientation) { (width, height) } else { (height, width) };
    Ok(PictureHeader { height, width, is_rgb })
}

fn refused(error: ImageError) -> PictureError {
    match error {
        ImageError::IoError(error) => PictureError::damaged(error),
        ImageError::Limits(_) => too_much_memory(),
        ImageError::Unsupported(error) => PictureError::unsupported(format!("this kind of image ({error})")),
        error => PictureError::damaged(error),
    }
}

fn too_much_memory() -> PictureError {
    PictureError::damaged(format!("it takes more than {} MB to decode", MOST_MEMORY >> 20))
}

/// Whether all bytes are there that the header announces; the decoder takes what is missing for zeros.
fn is_whole_webp(bytes: &[u8]) -> bool {
    let announced = bytes.get(4..8).and_then(|len| len.try_into().ok()).map(u32::from_le_bytes);
    announced.is_some_and(|len| bytes.len() as u64 >= u64::from(len) + 8)
}
