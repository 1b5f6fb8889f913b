//! What kind of image a file is, by its first bytes; its name does not matter.
//!
//! The kinds that are read, and those that are known by name only, so that a refusal can name them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that [`ImageKind::of`] looks at; more change nothing.
pub const LEADING_BYTES: usize = 512;

/// A kind of image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Portable Network Graphics, animated ones included.
    Png,
    /// JPEG.
    Jpeg,
    /// Windows or OS/2 bitmap.
    Bmp,
    /// Graphics Interchange Format.
    Gif,
    /// WebP.
    WebP,
    /// Tagged Image File Format, `BigTIFF` included.
    Tiff,
    /// A kind that is known and not read, with its article: "a HEIC image".
    Unsupported(&'static str),
}

impl ImageKind {
    /// The kind of image that begins with these bytes; `None` where they begin no image that is known.
    ///
    /// ```
    /// use trainer::image::ImageKind;
    ///
    /// assert_eq!(ImageKind::of(b"GIF89a..."), Some(ImageKind::Gif));
    /// assert_eq!(ImageKind::of(b"\0\0\0\x18ftypheic\0\0\0\0"), Some(ImageKind::Unsupported("a HEIC image")));
    /// assert_eq!(ImageKind::of(b"notes"), None);
    /// ```
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let bytes = &bytes[..bytes.len().min(LEADING_BYTES)];
        readable(bytes).or_else(|| unsupported(bytes).map(Self::Unsupported))
    }

    /// Whether files of this kind are read.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        match self {
            Self::Png | Self::Jpeg | Self::Bmp | Self::Gif | Self::WebP | Self::Tiff => true,
            Self::Unsupported(_) => false,
        }
    }
}

/// The kind of image that a file is, by its first [`LEADING_BYTES`].
///
/// # Errors
/// Where the file cannot be read.
pub fn recognize(path: &Path) -> io::Result<Option<ImageKind>> {
    let mut bytes = Vec::with_capacity(LEADING_BYTES);
    File::open(path)?.take(LEADING_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(ImageKind::of(&bytes))
}

fn readable(bytes: &[u8]) -> Option<ImageKind> {
    let begins = |signature: &[u8]| bytes.starts_with(signature);
    match () {
        // Eight bytes; the first four are enough, so that a copy that lost a byte to a line-end conversion is "damaged".
        () if begins(b"\x89PNG") => Some(ImageKind::Png),
        () if begins(b"\xFF\xD8\xFF") => Some(ImageKind::Jpeg),
        () if is_bmp(bytes) => Some(ImageKind::Bmp),
        () if begins(b"GIF87a") || begins(b"GIF89a") => Some(ImageKind::Gif),
        () if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Some(ImageKind::WebP),
        // Canon's and other raw files are TIFF files with a mark of their own.
        () if bytes.get(8..10) == Some(b"CR") && begins(b"II*\0") => None,
        () if [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].into_iter().any(begins) => Some(ImageKind::Tiff),
        () => None,
    }
}

/// "BM" alone begins many a text: the length of the second header is one that exists.
fn is_bmp(bytes: &[u8]) -> bool {
    let header_len = || Some(u32::from_le_bytes(bytes.get(14..18)?.try_into().ok()?));
    bytes.starts_with(b"BM") && header_len().is_some_and(|len| matches!(len, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

/// First bytes, and the kind that begins with them.
const SIGNATURES: [(&[u8], &str); 28] = [
    (b"\xFF\x0A", "a JPEG XL image"),
    (b"\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL image"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000 image"),
    (b"\xFF\x4F\xFF\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop (PSD) image"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xC5\xD0\xD3\xC6", "a PostScript document"),
    (b"gimp xcf", "a GIMP (XCF) image"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"\0\0\x02\0", "a cursor (CUR)"),
    (b"icns", "an icon (ICNS)"),
    (b"BA", "an OS/2 bitmap array"),
    (b"qoif", "a QOI image"),
    (b"DDS ", "a DirectDraw (DDS) image"),
    (b"farbfeld", "a farbfeld image"),
    (b"\x76\x2F\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"BPG\xFB", "a BPG image"),
    (b"II\xBC\x01", "a JPEG XR image"),
    (b"\x8BJNG\r\n\x1A\n", "a JNG image"),
    (b"\x8AMNG\r\n\x1A\n", "an MNG animation"),
    (b"SIMPLE  =", "a FITS image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"FUJIFILMCCD-RAW", "a camera raw (RAF) image"),
    (b"IIU\0", "a camera raw (RW2) image"),
    (b"IIRO", "a camera raw (ORF) image"),
    (b"FOVb", "a camera raw (X3F) image"),
];

fn unsupported(bytes: &[u8]) -> Option<&'static str> {
    let signature = SIGNATURES.iter().find(|(signature, name)| {
        bytes.starts_with(signature)
            && match *name {
                // Two or four bytes that other files begin with too: the rest must be that of the kind.
                "an OS/2 bitmap array" => bytes.get(14..16) == Some(b"BM"),
                "an icon (ICO)" | "a cursor (CUR)" => {
                    bytes.get(4..6).is_some_and(|count| (1..=64).contains(&u16::from_le_bytes([count[0], count[1]])))
                }
                _ => true,
            }
    });
    let signature = signature.map(|(_, name)| *name);
    signature.or_else(|| media_file(bytes)).or_else(|| raw_or_medical(bytes)).or_else(|| text(bytes))
}

/// The ISO base media file format, by its brands: HEIC, AVIF, Canon's raw files, videos.
fn media_file(bytes: &[u8]) -> Option<&'static str> {
    let len = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let of_brand = |brand: &[u8]| match brand {
        b"avif" | b"avis" => Some("an AVIF image"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Some("a HEIC image"),
        b"crx " => Some("a camera raw (CR3) image"),
        _ => None,
    };
    // The major brand, a version, and the compatible brands: "mif1" leaves open which of them it is.
    let compatible = bytes[..len.min(bytes.len())].get(16..).unwrap_or_default().chunks_exact(4);
    let brands = bytes.get(8..12).into_iter().chain(compatible);
    let is_image = matches!(bytes.get(8..12), Some(b"mif1" | b"msf1" | b"mif2"));
    let otherwise = if is_image { "a HEIF image" } else { "a video" };
    Some(brands.into_iter().find_map(of_brand).unwrap_or(otherwise))
}

fn raw_or_medical(bytes: &[u8]) -> Option<&'static str> {
    match () {
        () if bytes.starts_with(b"II*\0") && bytes.get(8..10) == Some(b"CR") => Some("a camera raw (CR2) image"),
        () if bytes.get(6..14) == Some(b"HEAPCCDR") => Some("a camera raw (CRW) image"),
        () if bytes.get(128..132) == Some(b"DICM") => Some("a DICOM image"),
        () if bytes.starts_with(b"\x01\0\0\0") && bytes.get(40..44) == Some(b" EMF") => Some("an EMF drawing"),
        () => None,
    }
}

/// Kinds that are text: netpbm's by a number and a blank, SVG by its root element.
fn text(bytes: &[u8]) -> Option<&'static str> {
    if let [b'P', b'1'..=b'6', b' ' | b'\n' | b'\r' | b'\t', b'0'..=b'9' | b'#', ..]
    | [b'P', b'7', b'\n', b'W' | b'#', ..] = bytes
    {
        return Some("a netpbm (PBM, PGM, PPM or PAM) image");
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let is_svg = text.starts_with(b"<svg")
        || (text.starts_with(b"<?xml") || text.starts_with(b"<!")) && text.windows(4).any(|window| window == b"<svg");
    is_svg.then_some("an SVG drawing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_by_its_first_bytes_alone() {
        let media = |brands: &[u8]| {
            let len = 8 + brands.len() as u32;
            [&len.to_be_bytes()[..], b"ftyp", brands, &[0; 100]].concat()
        };
        let bmp = |header_len: u8| [&b"BM"[..], &[0; 12], &[header_len, 0, 0, 0]].concat();
        let cases: Vec<(Vec<u8>, Option<ImageKind>)> = vec![
            (b"\x89PNG\r\n\x1A\n".to_vec(), Some(ImageKind::Png)),
            (b"\xFF\xD8\xFF\xE0".to_vec(), Some(ImageKind::Jpeg)),
            (bmp(40), Some(ImageKind::Bmp)),
            (bmp(12), Some(ImageKind::Bmp)),
            (bmp(64), Some(ImageKind::Bmp)),
            (bmp(41), None),
            (b"BMW and other cars of the street".to_vec(), None),
            (b"GIF87a".to_vec(), Some(ImageKind::Gif)),
            (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), Some(ImageKind::WebP)),
            (b"RIFF\x10\0\0\0WAVEfmt ".to_vec(), None),
            (b"II*\0\x08\0\0\0".to_vec(), Some(ImageKind::Tiff)),
            (b"MM\0*\0\0\0\x08".to_vec(), Some(ImageKind::Tiff)),
            (b"II+\0\x08\0\0\0".to_vec(), Some(ImageKind::Tiff)),
            (b"II*\0\x10\0\0\0CR\x02\0".to_vec(), Some(ImageKind::Unsupported("a camera raw (CR2) image"))),
            (media(b"heic\0\0\0\0mif1heic"), Some(ImageKind::Unsupported("a HEIC image"))),
            (media(b"mif1\0\0\0\0mif1heic"), Some(ImageKind::Unsupported("a HEIC image"))),
            (media(b"avif\0\0\0\0avifmif1miaf"), Some(ImageKind::Unsupported("an AVIF image"))),
            (media(b"mif1\0\0\0\0mif1miaf"), Some(ImageKind::Unsupported("a HEIF image"))),
            (media(b"crx \0\0\0\x01crx isom"), Some(ImageKind::Unsupported("a camera raw (CR3) image"))),
            (media(b"isom\0\0\x02\0isomiso2avc1mp41"), Some(ImageKind::Unsupported("a video"))),
            (b"\xFF\x0A\xFA\x7F".to_vec(), Some(ImageKind::Unsupported("a JPEG XL image"))),
            (b"8BPS\0\x01".to_vec(), Some(ImageKind::Unsupported("a Photoshop (PSD) image"))),
            (b"%PDF-1.7".to_vec(), Some(ImageKind::Unsupported("a PDF document"))),
            (b"\0\0\x01\0\x01\0 ".to_vec(), Some(ImageKind::Unsupported("an icon (ICO)"))),
            (b"\0\0\x01\0\0\0\0\0".to_vec(), None),
            (b"P5\n3 2\n255\n".to_vec(), Some(ImageKind::Unsupported("a netpbm (PBM, PGM, PPM or PAM) image"))),
            (b"P7\nWIDTH 3\n".to_vec(), Some(ImageKind::Unsupported("a netpbm (PBM, PGM, PPM or PAM) image"))),
            (b"P5 or P6?".to_vec(), None),
            (b"Pictures".to_vec(), None),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns".to_vec(), Some(ImageKind::Unsupported("an SVG drawing"))),
            (b"<?xml version=\"1.0\"?>\n<annotation>".to_vec(), None),
            (b"<!DOCTYPE html><html>".to_vec(), None),
            (Vec::new(), None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(ImageKind::of(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn any_first_bytes_are_looked_at_without_a_panic() {
        for (signature, _) in SIGNATURES {
            for len in 0..=signature.len() {
                let _ = ImageKind::of(&signature[..len]);
                assert!(ImageKind::of(&[&signature[..len], &[0xFF; 600]].concat()) != Some(ImageKind::Png));
            }
        }
        for len in [0, 1, 7, u32::MAX] {
            let _ = ImageKind::of(&[&len.to_be_bytes()[..], b"ftypmif1"].concat());
        }
    }
}
