//! The segments of a JPEG file: markers, tables and headers between the scans.

use super::bits::{LAST_RESTART, RESTART, marker};
use super::frame::Frame;
use super::huffman::{Huffman, standard};
use super::refusal::{damaged, unsupported};
use super::zigzag::ZIGZAG;
use crate::image::error::ImageError;

/// Start of image.
const START: u8 = 0xD8;
/// End of image.
const END: u8 = 0xD9;
/// Number of lines, where the frame header leaves it out.
const LINES: u8 = 0xDC;

/// What is between scans.
pub(super) enum Segment<'a> {
    /// The header of a scan; the data follow.
    Scan(&'a [u8]),
    /// The number of lines.
    Lines(u32),
    /// The end of the image.
    End,
}

/// A file up to some index, and what was read until there.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    /// Index of the next byte.
    pub(super) at: usize,
    pub(super) frame: Option<Frame>,
    /// In natural order.
    pub(super) quantization: [Option<[u16; 64]>; 4],
    /// First those for DC, then those for AC coefficients.
    huffman: [[Option<Huffman>; 4]; 2],
    /// MCUs between restart markers, or 0.
    pub(super) restart_interval: u32,
    pub(super) has_jfif: bool,
    /// The color transform of an Adobe segment.
    pub(super) adobe: Option<u8>,
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 2,
            frame: None,
            quantization: [None; 4],
            huffman: Default::default(),
            restart_interval: 0,
            has_jfif: false,
            adobe: None,
        }
    }

    /// The number of lines that is after the data of the first scan, whose header has just been read.
    pub(super) fn lines_after_scan(&self) -> Result<u32, ImageError> {
        let mut at = self.at;
        loop {
            match self.bytes.get(at..) {
                Some([0xFF, 0x00 | RESTART..=LAST_RESTART, ..]) => at += 2,
                Some([0xFF, LINES, 0, 4, high, low, ..]) => return Ok(u32::from(u16::from_be_bytes([*high, *low]))),
                Some([first, second, ..]) if *first != 0xFF || *second == 0xFF => at += 1,
                _ => return Err(damaged("neither its frame header nor its first scan states how many lines it has")),
            }
        }
    }

    /// Reads tables and metadata up to what has to be acted on.
    pub(super) fn next(&mut self) -> Result<Segment<'a>, ImageError> {
        loop {
            // Zeros are what some cameras fill up with; anything else is the rest of a segment that was damaged.
            while self.bytes.get(self.at) == Some(&0) {
                self.at += 1;
            }
            let Some((code, content_at)) = marker(self.bytes, self.at) else {
                return Err(match self.bytes.get(self.at..) {
                    Some(rest) if rest.iter().any(|&byte| byte != 0xFF) => {
                        damaged(format!("no marker, but other data at byte {}", self.at))
                    }
                    Some(_) | None => damaged("the end of the JPEG is missing"),
                });
            };
            match code {
                END => return Ok(Segment::End),
                START => return Err(damaged(format!("a second image begins at byte {}, within the first", self.at))),
                0x01 | RESTART..=LAST_RESTART => {
                    return Err(damaged(format!("a restart marker outside of a scan, at byte {}", self.at)));
                }
                0x02..=0xBF => return Err(damaged(format!("no marker of a JPEG at byte {}", self.at))),
                _ => {}
            }
            let content = self.content(content_at)?;
            self.at = content_at + 2 + content.len();
            match code {
                0xC4 => self.read_huffman(content)?,
                0xDB => self.read_quantization(content)?,
                0xC0..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                    if self.frame.is_some() {
                        return Err(damaged("it has two frame headers"));
                    }
                    self.frame = Some(Frame::parse(code, content)?);
                }
                0xDE | 0xDF => return Err(unsupported("a hierarchical JPEG")),
                0xDA => return Ok(Segment::Scan(content)),
                LINES => match content {
                    &[high, low] => return Ok(Segment::Lines(u32::from(u16::from_be_bytes([high, low])))),
                    _ => return Err(damaged("the segment of the number of lines is not 4 bytes long")),
                },
                0xDD => match content {
                    &[high, low] => self.restart_interval = u32::from(u16::from_be_bytes([high, low])),
                    _ => return Err(damaged("the segment of the restart interval is not 4 bytes long")),
                },
                0xE0 if content.starts_with(b"JFIF\0") => self.has_jfif = true,
                0xEE if content.starts_with(b"Adobe") => self.adobe = content.get(11).copied(),
                // Metadata, comments, conditions of arithmetic coding, which the frame header refuses.
                0xE0..=0xEF | 0xFE | 0xCC => {}
                _ => return Err(damaged(format!("no marker of a JPEG at byte {}", self.at))),
            }
        }
    }

    /// What follows the two bytes of a segment's length.
    fn content(&self, at: usize) -> Result<&'a [u8], ImageError> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let (&[high, low], _) = rest.split_first_chunk().ok_or_else(|| damaged("it ends within its headers"))?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(damaged(format!("a segment of length {length} at byte {at}")));
        }
        rest.get(2..length).ok_or_else(|| damaged("it ends within its headers"))
    }

    fn read_quantization(&mut self, mut content: &'a [u8]) -> Result<(), ImageError> {
        while let Some((&first, rest)) = content.split_first() {
            let (wide, number) = (usize::from(first >> 4), usize::from(first & 15));
            let values = rest.get(..64 * (wide + 1)).filter(|_| wide < 2 && number < 4);
            let values = values.ok_or_else(|| damaged("a segment of quantization tables is broken"))?;
            let mut table = [0; 64];
            for (value, &at) in values.chunks_exact(wide + 1).zip(&ZIGZAG) {
                table[usize::from(at)] = value.iter().fold(0, |number, &byte| number << 8 | u16::from(byte));
            }
            if table.contains(&0) {
                return Err(damaged(format!("quantization table {number} has a zero")));
            }
            self.quantization[number] = Some(table);
            content = &rest[values.len()..];
        }
        Ok(())
    }

    fn read_huffman(&mut self, mut content: &'a [u8]) -> Result<(), ImageError> {
        let broken = || damaged("a segment of Huffman tables is broken");
        while let Some((&first, rest)) = content.split_first() {
            let (class, number) = (usize::from(first >> 4), usize::from(first & 15));
            let (counts, rest) = rest.split_first_chunk().ok_or_else(broken)?;
            let symbols = rest.get(..counts.iter().map(|&count| usize::from(count)).sum()).ok_or_else(broken)?;
            let slot = self.huffman.get_mut(class).and_then(|tables| tables.get_mut(number)).ok_or_else(broken)?;
            *slot = Some(Huffman::new(counts, symbols).ok_or_else(broken)?);
            content = &rest[symbols.len()..];
        }
        Ok(())
    }

    /// The Huffman table of a number for DC or AC coefficients. A file that defines none means those of the standard.
    pub(super) fn huffman(&self, is_ac: bool, number: usize) -> Result<Huffman, ImageError> {
        let table = match self.huffman[usize::from(is_ac)].get(number) {
            Some(Some(table)) => Some(table.clone()),
            _ if self.huffman.iter().flatten().all(Option::is_none) => standard(is_ac, number),
            _ => None,
        };
        table.ok_or_else(|| {
            damaged(format!("it uses {} Huffman table {number}, which it lacks", if is_ac { "AC" } else { "DC" }))
        })
    }
}
