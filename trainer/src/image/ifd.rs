//! The first directory of a TIFF structure, which TIFF files and EXIF data share: tags and their first values.
//!
//! What a file claims costs nothing: a directory has at most 65,535 entries of 20 bytes, and only values that an entry itself
//! holds are read.

use std::io::{self, Read, Seek, SeekFrom};

/// Entries of a directory at most; a true one has some dozens.
const MOST_ENTRIES: u64 = 65_535;

/// The entries of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    /// The value, or the first of several where the entry itself holds it.
    value: Option<u32>,
}

/// Tags of a TIFF file that this crate reads.
pub(super) mod tag {
    pub const NEW_SUBFILE_TYPE: u16 = 254;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const ORIENTATION: u16 = 274;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const DNG_VERSION: u16 = 50_706;
}

impl Directory {
    /// Reads the first directory of a TIFF structure that begins where `source` is at 0; `None` where there is none. One that
    /// breaks off has the entries up to there.
    ///
    /// # Errors
    /// Where the source cannot be read for another reason than its end.
    pub(super) fn first(source: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        source.seek(SeekFrom::Start(0))?;
        let mut header = [0; 16];
        let len = read_up_to(source, &mut header)?;
        let is_little = match &header[..2] {
            b"II" => true,
            b"MM" => false,
            _ => return Ok(None),
        };
        let number = |bytes: &[u8]| number(bytes, is_little);
        // BigTIFF has the same entries with wider numbers.
        let (is_big, offset) = match (number(&header[2..4]), len) {
            (42, 8..) => (false, number(&header[4..8])),
            (43, 16..) => (true, number(&header[8..16])),
            _ => return Ok(None),
        };
        source.seek(SeekFrom::Start(offset))?;
        let (count_len, entry_len) = if is_big { (8, 20) } else { (2, 12) };
        let mut count = vec![0; count_len];
        if read_up_to(source, &mut count)? < count_len {
            return Ok(None);
        }
        let mut entries = Vec::new();
        let mut entry = vec![0; entry_len];
        for _ in 0..number(&count).min(MOST_ENTRIES) {
            if read_up_to(source, &mut entry)? < entry_len {
                break;
            }
            let (count, values) = entry[4..].split_at(entry_len / 2 - 2);
            let size = match number(&entry[2..4]) {
                1 => 1, // BYTE
                3 => 2, // SHORT
                4 => 4, // LONG
                _ => 0,
            };
            let fits = size > 0 && (1..=(values.len() / size) as u64).contains(&number(count));
            let value = fits.then(|| number(&values[..size]) as u32);
            entries.push(Entry { tag: number(&entry[..2]) as u16, value });
        }
        Ok(Some(Self(entries)))
    }

    /// Whether there is such a tag, whatever its value.
    pub(super) fn has(&self, tag: u16) -> bool {
        self.0.iter().any(|entry| entry.tag == tag)
    }

    /// The value of a tag, the first of several: of type BYTE, SHORT or LONG.
    pub(super) fn value(&self, tag: u16) -> Option<u32> {
        self.0.iter().find(|entry| entry.tag == tag)?.value
    }
}

/// A number of at most 8 bytes.
fn number(bytes: &[u8], is_little: bool) -> u64 {
    let append = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
    if is_little { bytes.iter().rev().fold(0, append) } else { bytes.iter().fold(0, append) }
}

/// Fills `buffer` as far as the source goes.
fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match source.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn first(bytes: &[u8]) -> Option<Directory> {
        Directory::first(&mut Cursor::new(bytes)).unwrap()
    }

    fn value(bytes: &[u8]) -> Option<u32> {
        first(bytes)?.value(tag::ORIENTATION)
    }

    #[test]
    fn a_value_is_found_in_either_byte_order_of_any_integer_type_and_in_big_files() {
        let little = |kind: u8, count: u8| {
            [b"II*\0\x08\0\0\0\x01\0\x12\x01", &[kind, 0, count, 0, 0, 0, 6, 0, 0, 0][..]].concat()
        };
        let big =
            |kind: u8, value: [u8; 4]| [b"MM\0*\0\0\0\x08\0\x01\x01\x12", &[0, kind, 0, 0, 0, 1][..], &value].concat();
        let large = [
            &b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x12\x01\x03\0"[..],
            &1u64.to_le_bytes(),
            &6u64.to_le_bytes(),
        ];
        let cases = [
            (little(3, 1), Some(6)),
            (little(4, 1), Some(6)),
            (little(1, 1), Some(6)),
            (little(3, 2), Some(6)),
            (little(4, 2), None), // The values are elsewhere.
            (little(3, 0), None),
            (little(2, 1), None),
            (big(3, [0, 6, 0, 0]), Some(6)),
            (big(4, [0, 0, 0, 6]), Some(6)),
            (big(1, [6, 0, 0, 0]), Some(6)),
            (large.concat(), Some(6)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(value(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_breaks_off_or_claims_too_much_has_the_entries_that_are_there() {
        let mut whole = b"II*\0\x08\0\0\0\xFF\xFF".to_vec();
        whole.extend([0x12, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0]);
        assert_eq!(value(&whole), Some(8));
        for len in 0..whole.len() {
            assert_eq!(value(&whole[..len]), None, "{len}");
        }
        for offset in [0, 1, 9, 22, u32::MAX] {
            whole[4..8].copy_from_slice(&offset.to_le_bytes());
            assert_eq!(value(&whole), None, "directory at {offset}");
        }
    }
}
