//! Huffman tables: from the lengths and symbols of a file to a decoder of codes.

/// Codes of up to so many bits are found by one look-up.
const SHORT: u32 = 10;

/// Decodes the codes of one table.
#[derive(Clone)]
pub(super) struct Huffman {
    /// By the first [`SHORT`] bits: length of the code times 256, plus its symbol; 0 where the code is longer.
    short: Box<[u16; 1 << SHORT]>,
    /// By length: the first 16-bit string that is beyond the codes of this length.
    limits: [u32; 17],
    /// By length: what to add to a code for the index of its symbol.
    offsets: [i32; 17],
    symbols: Box<[u8; 256]>,
}

impl Huffman {
    /// Codes of a length follow each other, as do the lengths (ITU-T T.81, annex C). `None` where there are more codes
    /// than a length has room for, or a code is all ones, which the standard leaves out.
    pub(super) fn new(counts: &[u8; 16], of_file: &[u8]) -> Option<Self> {
        let mut table =
            Self { short: Box::new([0; 1 << SHORT]), limits: [0; 17], offsets: [0; 17], symbols: Box::new([0; 256]) };
        table.symbols.get_mut(..of_file.len())?.copy_from_slice(of_file);
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for &symbol in of_file.get(index..index + usize::from(count))? {
                if length <= SHORT {
                    let start = (code << (SHORT - length)) as usize;
                    let entries = table.short.get_mut(start..start + (1 << (SHORT - length)))?;
                    entries.fill((length << 8) as u16 | u16::from(symbol));
                }
                code += 1;
            }
            if count > 0 && code >= 1 << length {
                return None;
            }
            index += usize::from(count);
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        (index == of_file.len()).then_some(table)
    }

    /// Length and symbol of the code that 16 bits begin with, if the code is short.
    #[inline(always)]
    pub(super) fn short(&self, bits: u16) -> Option<(u32, u8)> {
        let entry = self.short[usize::from(bits >> (16 - SHORT))];
        (entry != 0).then_some((u32::from(entry >> 8), entry as u8))
    }

    /// The same of any code; `None` where the bits begin with none.
    pub(super) fn long(&self, bits: u16) -> Option<(u32, u8)> {
        let length = (1..17).find(|&length| u32::from(bits) < self.limits[length])?;
        let index = i32::from(bits >> (16 - length)) + self.offsets[length];
        Some((length as u32, *self.symbols.get(usize::try_from(index).ok()?)?))
    }
}

/// The four tables that a file without any means, as Motion JPEG frames do: those of annex K.3.
pub(super) fn standard(is_ac: bool, number: usize) -> Option<Huffman> {
    let (counts, symbols): ([u8; 16], &[u8]) = match (is_ac, number) {
        (false, 0) => ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC),
        (false, 1) => ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC),
        (true, 0) => ([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], &LUMA_AC),
        (true, 1) => ([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], &CHROMA_AC),
        (_, _) => return None,
    };
    Huffman::new(&counts, symbols)
}

const DC: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMA_AC: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

#[rustfmt::skip]
const CHROMA_AC: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
    0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
    0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
    0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_standard_tables_decodes_to_its_symbol() {
        for (is_ac, number, symbols) in
            [(false, 0, &DC[..]), (false, 1, &DC), (true, 0, &LUMA_AC), (true, 1, &CHROMA_AC)]
        {
            let table = standard(is_ac, number).unwrap();
            let (mut bits, mut found) = (0u32, Vec::new());
            while let Some((length, symbol)) = table.long(bits as u16) {
                if length <= SHORT {
                    assert_eq!(table.short(bits as u16), Some((length, symbol)));
                } else {
                    assert_eq!(table.short(bits as u16), None);
                }
                found.push(symbol);
                bits += 1 << (16 - length);
            }
            assert_eq!(found, symbols);
            assert_eq!(table.long(0xFFFF), None, "all ones is no code");
        }
    }

    #[test]
    fn tables_with_more_codes_than_bits_or_other_than_their_symbols_are_refused() {
        let counts = |first: u8, second: u8| {
            let mut counts = [0; 16];
            counts[..2].copy_from_slice(&[first, second]);
            counts
        };
        assert!(Huffman::new(&counts(1, 1), &[4, 5]).is_some());
        assert!(Huffman::new(&counts(2, 0), &[4, 5]).is_none(), "a code of all ones");
        assert!(Huffman::new(&counts(1, 2), &[4, 5, 6]).is_none(), "a code of all ones");
        assert!(Huffman::new(&counts(1, 3), &[4, 5, 6, 7]).is_none(), "too many codes");
        assert!(Huffman::new(&counts(1, 1), &[4]).is_none());
        assert!(Huffman::new(&counts(1, 1), &[4, 5, 6]).is_none());
    }
}
