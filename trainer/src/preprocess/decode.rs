//! Picture files: PNG, JPEG and BMP, told apart by their content, read within bounds.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use infer_core::Shape;

use super::jpeg::{Jpeg, is_jpeg};

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

/// A decoded picture: gray or RGB, 8 bits a channel, the right way up, what is transparent blended onto black. One whose
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
    #[error("neither PNG nor JPEG nor BMP by its content")]
    UnknownFormat,
    /// The content is a picture of another format.
    #[error("a picture of format {format}; PNG, JPEG and BMP can be read")]
    OtherFormat {
        /// The format.
        format: String,
    },
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

/// Decodes a file.
///
/// # Errors
/// [`PictureError`], all variants but `OtherSize`.
pub fn read(path: &Path) -> Result<Picture, PictureError> {
    decode(&read_bounded(File::open(path)?)?)
}

/// Decodes what a reader, such as standard input, holds.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl Read) -> Result<Picture, PictureError> {
    decode(&read_bounded(reader)?)
}

/// Decodes the content of a file.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
    if is_jpeg(bytes) {
        return decode_jpeg(bytes);
    }
    let mut decoder = open(Cursor::new(bytes))?;
    header_of(&mut decoder)?;
    let orientation = orientation_of(&mut decoder);
    let mut limits = limits();
    limits.reserve(decoder.total_bytes()).map_err(refused)?;
    decoder.set_limits(limits).map_err(refused)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    Ok(flatten(image))
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
    header_of(&mut open(BufReader::new(file))?)
}

fn decode_jpeg(bytes: &[u8]) -> Result<Picture, PictureError> {
    let jpeg = Jpeg::open(bytes)?;
    header_of_jpeg(&jpeg)?;
    if jpeg.memory() > MOST_MEMORY {
        return Err(too_much_memory());
    }
    let orientation = jpeg.orientation();
    let mut image = jpeg.decode()?;
    image.apply_orientation(orientation);
    Ok(flatten(image))
}

/// Reads the rest of a JPEG file only where its headers are longer than what is there.
fn header_of_jpeg_file(mut bytes: Vec<u8>, rest: File) -> Result<PictureHeader, PictureError> {
    if let Ok(jpeg) = Jpeg::open(&bytes) {
        return header_of_jpeg(&jpeg);
    }
    rest.take(MOST_FILE_BYTES).read_to_end(&mut bytes)?;
    header_of_jpeg(&Jpeg::open(&bytes)?)
}

fn header_of_jpeg(jpeg: &Jpeg) -> Result<PictureHeader, PictureError> {
    let (height, width) = jpeg.size();
    checked_header(height, width, jpeg.is_rgb(), jpeg.orientation())
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

fn open<'a>(source: impl BufRead + Seek + 'a) -> Result<impl ImageDecoder + 'a, PictureError> {
    let mut reader = ImageReader::new(source);
    reader.limits(limits());
    let reader = reader.with_guessed_format()?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Bmp) => {}
        Some(format) => return Err(PictureError::OtherFormat { format: format!("{format:?}") }),
        None => return Err(PictureError::UnknownFormat),
    }
    reader.into_decoder().map_err(refused)
}

fn header_of(decoder: &mut impl ImageDecoder) -> Result<PictureHeader, PictureError> {
    let (width, height) = decoder.dimensions();
    let orientation = orientation_of(decoder);
    checked_header(height, width, decoder.color_type().has_color(), orientation)
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
        return Err(PictureError::Damaged { reason: "it has no pixels".to_owned() });
    }
    let on_its_side = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (height, width) = if on_its_side { (width, height) } else { (height, width) };
    Ok(PictureHeader { height, width, is_rgb })
}

/// Which way up the camera was held. A file whose metadata is damaged stands as it is.
fn orientation_of(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

fn refused(error: ImageError) -> PictureError {
    match error {
        ImageError::IoError(error) => PictureError::Damaged { reason: error.to_string() },
        ImageError::Limits(_) => too_much_memory(),
        error => PictureError::Damaged { reason: error.to_string() },
    }
}

fn too_much_memory() -> PictureError {
    PictureError::Damaged { reason: format!("it takes more than {} MB to decode", MOST_MEMORY >> 20) }
}

/// Two kinds of pictures out of all that the formats know.
fn flatten(image: DynamicImage) -> Picture {
    // Codes 0 to 255: rounds `value * alpha / 255`.
    let blend = |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
    let color = image.color();
    match (color.has_color(), color.has_alpha()) {
        (false, false) => Picture::Gray(image.into_luma8()),
        (true, false) => gray_or_rgb(image.into_rgb8()),
        (false, true) => {
            let image = image.into_luma_alpha8();
            let pixels = image.pixels().map(|&image::LumaA([value, alpha])| blend(value, alpha));
            Picture::Gray(buffer(image.dimensions(), pixels.collect()))
        }
        (true, true) => {
            let image = image.into_rgba8();
            let pixels = image.pixels().flat_map(|&image::Rgba([r, g, b, alpha])| [r, g, b].map(|c| blend(c, alpha)));
            gray_or_rgb(buffer(image.dimensions(), pixels.collect()))
        }
    }
}

fn gray_or_rgb(image: RgbImage) -> Picture {
    let is_gray = image.pixels().all(|&image::Rgb([r, g, b])| r == g && g == b);
    if !is_gray {
        return Picture::Rgb(image);
    }
    let pixels = image.pixels().map(|pixel| pixel.0[0]).collect();
    Picture::Gray(buffer(image.dimensions(), pixels))
}

/// Bytes that are as many as the size says.
pub(super) fn buffer<P: image::Pixel<Subpixel = u8>>(
    (width, height): (u32, u32),
    bytes: Vec<u8>,
) -> image::ImageBuffer<P, Vec<u8>> {
    image::ImageBuffer::from_raw(width, height, bytes).expect("as many bytes as pixels were given")
}
