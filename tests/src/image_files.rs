//! Image files: those that the encoders of `image` write, and kinds that none at hand writes: metadata in all places, alpha
//! channels, TIFF by its tags.

use std::io::Cursor;
use std::path::Path;

use flate2::Crc;
use image::{DynamicImage, ImageFormat};

/// An image as a file of this format.
///
/// This function and the next two are here, not generic, so that the encoders and decoders are compiled once and not for each
/// test program anew.
///
/// # Panics
/// Where the format cannot hold such an image.
#[must_use]
pub fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap_or_else(|error| panic!("{error}"));
    bytes.into_inner()
}

/// Writes an image to a file whose extension decides how.
///
/// # Panics
/// Where it cannot be written.
pub fn save(image: impl Into<DynamicImage>, path: impl AsRef<Path>) {
    save_dynamic(&image.into(), path.as_ref());
}

fn save_dynamic(image: &DynamicImage, path: &Path) {
    image.save(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Reads an image file.
///
/// # Panics
/// Where it cannot be read.
#[must_use]
pub fn open(path: &Path) -> DynamicImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The TIFF structure of EXIF data with an orientation, little-endian, stored as `kind`: 1 BYTE, 3 SHORT, 4 LONG.
#[must_use]
pub fn exif(orientation: u8, kind: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
    exif.extend([kind, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

/// XMP with an orientation, as an attribute or as an element.
#[must_use]
pub fn xmp(orientation: u8, is_element: bool) -> Vec<u8> {
    let inside = match is_element {
        true => format!("<rdf:Description><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>"),
        false => format!("<rdf:Description tiff:Orientation=\"{orientation}\"/>"),
    };
    format!("<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF>{inside}</rdf:RDF></x:xmpmeta>").into_bytes()
}

/// A chunk of a PNG, with its length and checksum.
#[must_use]
pub fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut checksum = Crc::new();
    checksum.update(name);
    checksum.update(data);
    [&(data.len() as u32).to_be_bytes()[..], name, data, &checksum.sum().to_be_bytes()].concat()
}

/// A PNG with a chunk before its pixels, right after the header.
#[must_use]
pub fn png_with_chunk_before(png: &[u8], chunk: &[u8]) -> Vec<u8> {
    [&png[..33], chunk, &png[33..]].concat()
}

/// A PNG with a chunk after its pixels, right before the end.
#[must_use]
pub fn png_with_chunk_after(png: &[u8], chunk: &[u8]) -> Vec<u8> {
    let end = png.len() - 12;
    [&png[..end], chunk, &png[end..]].concat()
}

/// A JPEG with an APP1 segment.
#[must_use]
pub fn jpeg_with_app1(jpeg: &[u8], data: &[u8]) -> Vec<u8> {
    [&jpeg[..2], &[0xFF, 0xE1], &(data.len() as u16 + 2).to_be_bytes(), data, &jpeg[2..]].concat()
}

/// A chunk of a RIFF file, with its length and to an even number of bytes.
#[must_use]
pub fn riff_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(data.len() as u32).to_le_bytes(), data].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A WebP of one image and further chunks after it.
///
/// # Panics
/// Where `webp` is none.
#[must_use]
pub fn webp_with_chunk(webp: &[u8], (width, height): (u32, u32), chunk: &[u8]) -> Vec<u8> {
    assert_eq!(&webp[8..12], b"WEBP");
    let [width, height] = [width, height].map(|side| (side - 1).to_le_bytes());
    // What follows is announced.
    let flag = if chunk.starts_with(b"EXIF") { 0b1000 } else { 0b0100 };
    let features = [&[flag, 0, 0, 0], &width[..3], &height[..3]].concat();
    let body = [b"WEBP", &riff_chunk(b"VP8X", &features)[..], &webp[12..], chunk].concat();
    riff_chunk(b"RIFF", &body)
}

/// A little-endian TIFF of one strip with these tags, each a SHORT, or several of them.
#[must_use]
pub fn tiff((width, height): (u16, u16), tags: &[(u16, &[u16])], strip: &[u8]) -> Vec<u8> {
    let data_len = u16::try_from(strip.len()).expect("a small image");
    let mut all: Vec<(u16, Vec<u16>)> =
        vec![(256, vec![width]), (257, vec![height]), (273, vec![0]), (278, vec![height])];
    all.push((279, vec![data_len]));
    for (tag, values) in tags {
        all.retain(|(other, _)| other != tag);
        all.push((*tag, values.to_vec()));
    }
    all.sort();
    let directory_len = 2 + 12 * all.len() + 4;
    let mut after = Vec::new();
    let mut directory = (all.len() as u16).to_le_bytes().to_vec();
    let long_values: usize =
        all.iter().filter(|(_, values)| values.len() > 2).map(|(_, values)| 2 * values.len()).sum();
    for (tag, values) in &all {
        let strip_at = [(8 + directory_len + long_values) as u16];
        let values = if *tag == 273 { &strip_at[..] } else { values };
        directory.extend(tag.to_le_bytes());
        directory.extend(3u16.to_le_bytes());
        directory.extend((values.len() as u32).to_le_bytes());
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        if bytes.len() > 4 {
            directory.extend(((8 + directory_len + after.len()) as u32).to_le_bytes());
            after.extend(bytes);
        } else {
            directory.extend(bytes.iter().copied().chain(std::iter::repeat(0)).take(4));
        }
    }
    [b"II*\0\x08\0\0\0", &directory[..], &[0; 4], &after, strip].concat()
}

/// A 32-bit BMP with a V4 header and an alpha mask, of pixels `[red, green, blue, alpha]` from the top.
#[must_use]
pub fn bmp_with_alpha((width, height): (u32, u32), pixels: &[[u8; 4]]) -> Vec<u8> {
    let rows = pixels.chunks_exact(width as usize).rev();
    let data: Vec<u8> = rows.flatten().flat_map(|&[red, green, blue, alpha]| [blue, green, red, alpha]).collect();
    let mut header = Vec::new();
    for number in [108, width, height] {
        header.extend(number.to_le_bytes());
    }
    header.extend([1, 0, 32, 0]);
    for number in [3, data.len() as u32, 2835, 2835, 0, 0, 0x00FF_0000, 0xFF00, 0xFF, 0xFF00_0000] {
        header.extend(number.to_le_bytes());
    }
    header.extend(b"BGRs");
    header.resize(108, 0);
    bmp_file(&header, &data)
}

/// A 24-bit BMP with a header of 12 (OS/2 1.x), 16, 40 or 64 (OS/2 2.x) bytes, of pixels `[red, green, blue]` from the top.
#[must_use]
pub fn bmp_with_header(header_len: u8, (width, height): (u16, u16), pixels: &[[u8; 3]]) -> Vec<u8> {
    let row = |row: &[[u8; 3]]| {
        let mut bytes: Vec<u8> = row.iter().flat_map(|&[red, green, blue]| [blue, green, red]).collect();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let data: Vec<u8> = pixels.chunks_exact(width.into()).rev().flat_map(row).collect();
    let mut header = vec![header_len, 0, 0, 0];
    let side = |side: u16| match header_len {
        12 => side.to_le_bytes().to_vec(),
        _ => u32::from(side).to_le_bytes().to_vec(),
    };
    header.extend([side(width), side(height)].concat());
    header.extend([1, 0, 24, 0]);
    header.resize(header_len.into(), 0);
    bmp_file(&header, &data)
}

fn bmp_file(header: &[u8], data: &[u8]) -> Vec<u8> {
    let start = 14 + header.len() as u32;
    let (len, start) = ((start + data.len() as u32).to_le_bytes(), start.to_le_bytes());
    [b"BM", &len[..], &[0; 4], &start, header, data].concat()
}
