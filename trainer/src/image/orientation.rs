//! Which way up the camera was held: the same answer for a header and for a decoded image, wherever the file has it.
//!
//! | kind | places, the first that has it counts |
//! |---|---|
//! | JPEG | EXIF in an APP1 segment; XMP in an APP1 segment |
//! | PNG | an `eXIf` chunk, before or after the pixels; a text chunk `Raw profile type exif` or `APP1`, which ImageMagick writes; XMP |
//! | WebP | an `EXIF` chunk; an `XMP ` chunk |
//! | TIFF | the tag of its first directory |
//! | BMP, GIF | none |
//!
//! EXIF has a tag in the directory of a TIFF structure, stored as BYTE, SHORT or LONG. XMP is text with `tiff:Orientation`.
//! What is damaged is ignored: the image stays as it is stored. A piece of metadata of more than a megabyte is skipped.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::ifd::{Directory, tag};
use super::kind::ImageKind;

/// Bytes of one piece of metadata at most, unpacked too.
const MOST_METADATA: u64 = 1 << 20;

/// Chunks or segments that are looked at; a true file of [`MOST_METADATA`] a chunk has fewer.
const MOST_CHUNKS: usize = 1 << 20;

/// Bytes of all text chunks of a PNG at most, unpacked: a file of chunks that unpack to much is not followed.
const MOST_TEXT: u64 = 4 << 20;

/// What has been found so far.
#[derive(Default)]
struct Found {
    exif: Option<Orientation>,
    xmp: Option<Orientation>,
}

/// The orientation that a file of this kind has in its metadata.
///
/// # Errors
/// Where the source cannot be read.
pub(super) fn of(kind: ImageKind, source: &mut (impl Read + Seek)) -> io::Result<Orientation> {
    source.seek(SeekFrom::Start(0))?;
    let mut found = Found::default();
    match kind {
        ImageKind::Jpeg => jpeg(source, &mut found),
        ImageKind::Png => png(source, &mut found),
        ImageKind::WebP => webp(source, &mut found),
        ImageKind::Tiff => {
            Directory::first(source).map(|directory| found.exif = directory.as_ref().and_then(of_directory))
        }
        ImageKind::Bmp | ImageKind::Gif | ImageKind::Unsupported(_) => Ok(()),
    }
    .or_else(|error| if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) })?;
    Ok(found.exif.or(found.xmp).unwrap_or(Orientation::NoTransforms))
}

/// Whether height and width change places.
pub(super) fn is_on_its_side(orientation: Orientation) -> bool {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            true
        }
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
    }
}

impl Found {
    /// EXIF data, with or without the mark that JPEG puts before them.
    fn exif(&mut self, data: &[u8]) {
        let data = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
        let directory = Directory::first(&mut Cursor::new(data)).ok().flatten();
        self.exif = self.exif.or(directory.as_ref().and_then(of_directory));
    }

    /// XMP: `tiff:Orientation="6"`, or an element `<tiff:Orientation>6<`.
    fn xmp(&mut self, text: &[u8]) {
        let name = b"tiff:Orientation";
        let value = text.windows(name.len()).position(|window| window == name).and_then(|at| {
            let rest = text[at + name.len()..].trim_ascii_start();
            match rest {
                [b'=', rest @ ..] => match rest.trim_ascii_start() {
                    [open @ (b'"' | b'\''), digit, close, ..] if open == close => Some(*digit),
                    _ => None,
                },
                [b'>', rest @ ..] => match rest.trim_ascii_start() {
                    [digit, rest @ ..] if rest.trim_ascii_start().starts_with(b"<") => Some(*digit),
                    _ => None,
                },
                _ => None,
            }
        });
        self.xmp = self.xmp.or(value.and_then(|digit| Orientation::from_exif(digit.wrapping_sub(b'0'))));
    }
}

fn of_directory(directory: &Directory) -> Option<Orientation> {
    Orientation::from_exif(u8::try_from(directory.value(tag::ORIENTATION)?).ok()?)
}

/// Segments of a JPEG up to its first scan.
fn jpeg(source: &mut (impl Read + Seek), found: &mut Found) -> io::Result<()> {
    source.seek(SeekFrom::Start(2))?;
    for _ in 0..MOST_CHUNKS {
        let mut marker = [0; 2];
        source.read_exact(&mut marker)?;
        // Fill bytes may come before a marker.
        while marker == [0xFF, 0xFF] {
            source.read_exact(&mut marker[1..])?;
        }
        match marker {
            // Start of scan, end of image, or no marker.
            [0xFF, 0xDA | 0xD9 | 0x00] | [0..0xFF, _] => return Ok(()),
            // Without a length.
            [0xFF, 0x01 | 0xD0..=0xD8] => continue,
            _ => {}
        }
        let mut len = [0; 2];
        source.read_exact(&mut len)?;
        let Some(len) = u16::from_be_bytes(len).checked_sub(2) else { return Ok(()) };
        if marker[1] != 0xE1 {
            source.seek_relative(len.into())?;
            continue;
        }
        let mut data = vec![0; len.into()];
        source.read_exact(&mut data)?;
        if data.starts_with(b"Exif\0\0") {
            found.exif(&data);
        } else if let Some(text) = data.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
            found.xmp(text);
        }
    }
    Ok(())
}

/// All chunks of a PNG: those after the pixels count too.
fn png(source: &mut (impl Read + Seek), found: &mut Found) -> io::Result<()> {
    // EXIF in a text chunk counts where no other is.
    let mut profile = Found::default();
    let outcome = png_chunks(source, found, &mut profile);
    // The end of a file that is cut off is no reason to forget what came before.
    found.exif = found.exif.or(profile.exif);
    outcome
}

fn png_chunks(source: &mut (impl Read + Seek), found: &mut Found, profile: &mut Found) -> io::Result<()> {
    source.seek(SeekFrom::Start(8))?;
    let mut text_left = MOST_TEXT;
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 8];
        source.read_exact(&mut head)?;
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let name = &head[4..];
        let is_wanted = matches!(name, b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt") && u64::from(len) <= MOST_METADATA;
        if name == b"IEND" {
            break;
        } else if !is_wanted {
            source.seek_relative(i64::from(len) + 4)?;
            continue;
        }
        let mut data = vec![0; len as usize];
        source.read_exact(&mut data)?;
        let mut checksum = [0; 4];
        source.read_exact(&mut checksum)?;
        let mut computed = Crc::new();
        computed.update(name);
        computed.update(&data);
        if computed.sum() != u32::from_be_bytes(checksum) {
            continue;
        }
        if name == b"eXIf" {
            found.exif(&data);
        } else if let Some((keyword, text)) = text_chunk(name, &data, &mut text_left) {
            match keyword {
                b"Raw profile type exif" | b"Raw profile type APP1" => profile.exif(&raw_profile(&text)),
                b"XML:com.adobe.xmp" => found.xmp(&text),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Keyword and text of a text chunk, unpacked; of the keywords that may hold an orientation only. `left` bytes are looked at.
fn text_chunk<'a>(name: &[u8], data: &'a [u8], left: &mut u64) -> Option<(&'a [u8], Vec<u8>)> {
    let (keyword, rest) = split_at_zero(data)?;
    if !(keyword.starts_with(b"Raw profile type ") || keyword == b"XML:com.adobe.xmp") {
        return None;
    }
    let (is_packed, text) = match name {
        b"tEXt" => (false, rest),
        b"zTXt" => (true, rest.strip_prefix(b"\0")?),
        _ => {
            let (&[is_packed, 0], rest) = rest.split_first_chunk()? else { return None };
            let (_language, rest) = split_at_zero(rest)?;
            let (_translated, text) = split_at_zero(rest)?;
            (is_packed == 1, text)
        }
    };
    let mut unpacked = Vec::new();
    let most = MOST_METADATA.min(*left);
    let outcome = if is_packed {
        ZlibDecoder::new(text).take(most).read_to_end(&mut unpacked)
    } else {
        text.take(most).read_to_end(&mut unpacked)
    };
    *left -= unpacked.len() as u64;
    outcome.ok()?;
    Some((keyword, unpacked))
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// What ImageMagick writes: a line break, a name, a length, and hexadecimal digits in lines.
fn raw_profile(text: &[u8]) -> Vec<u8> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(2);
    let digits: Vec<u8> =
        words.by_ref().flatten().map_while(|&digit| Some(char::from(digit).to_digit(16)? as u8)).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// All chunks of a WebP.
fn webp(source: &mut (impl Read + Seek), found: &mut Found) -> io::Result<()> {
    source.seek(SeekFrom::Start(12))?;
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 8];
        source.read_exact(&mut head)?;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let padded = i64::from(len) + i64::from(len % 2);
        let name = &head[..4];
        if !matches!(name, b"EXIF" | b"XMP ") || u64::from(len) > MOST_METADATA {
            source.seek_relative(padded)?;
            continue;
        }
        let mut data = vec![0; padded as usize];
        source.read_exact(&mut data)?;
        data.truncate(len as usize);
        if name == b"EXIF" { found.exif(&data) } else { found.xmp(&data) }
    }
    Ok(())
}
