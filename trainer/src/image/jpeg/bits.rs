//! The entropy-coded data of a scan, bit by bit: stuffed bytes are undone, and the data's end is known exactly.

use super::huffman::Huffman;

/// Why the data of a scan cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A marker or the end of the file comes before the last block.
    Ended,
    /// Bits that are no Huffman code.
    NoCode,
    /// A run of zeros or a coefficient beyond the last coefficient of its block.
    PastBlock,
    /// A coefficient that no 8-bit image has.
    OutOfRange,
    /// A run of empty blocks beyond the last block.
    PastScan,
    /// Bytes between the last block and the next marker.
    TooMany {
        /// How many.
        bytes: usize,
    },
    /// Another marker than the restart marker that belongs there.
    NoRestart {
        /// The number of the restart marker, 0 to 7.
        expected: u8,
    },
}

/// A reader of bits, the most significant first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Index of the next byte that is not yet in `word`.
    at: usize,
    /// The next bits, left-aligned. Below the `count` valid ones are zeros or the bits that follow.
    word: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, word: 0, count: 0 }
    }

    /// Reads at least 32 bits ahead, fewer only where the data end. That is a code of 16 bits and a value of 16.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let next = u64::from_be_bytes(*next);
            // A byte of `next` is 0xFF where a byte of `zeros` is 0.
            let zeros = !next;
            if zeros.wrapping_sub(0x0101_0101_0101_0101) & !zeros & 0x8080_8080_8080_8080 == 0 {
                // Bits of the byte that is only partly taken come again with the next call, at the same position.
                self.word |= next >> self.count;
                let taken = (63 - self.count) / 8;
                self.at += taken as usize;
                self.count += 8 * taken;
                return;
            }
        }
        while self.count <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xFF, 0x00, ..]) => 0xFF,
                Some([byte, ..]) if *byte != 0xFF => *byte,
                _ => return,
            };
            self.at += if byte == 0xFF { 2 } else { 1 };
            self.word |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline(always)]
    fn consume(&mut self, bits: u32) -> Result<(), Fault> {
        if bits > self.count {
            return Err(Fault::Ended);
        }
        self.word <<= bits;
        self.count -= bits;
        Ok(())
    }

    /// The symbol of the next code; a value of up to 16 bits can be read after it with [`Self::value`].
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        self.fill();
        let (length, symbol) = match table.short((self.word >> 48) as u16) {
            Some(found) => found,
            None => match table.long((self.word >> 48) as u16) {
                Some(found) => found,
                None if self.count < 16 => return Err(Fault::Ended),
                None => return Err(Fault::NoCode),
            },
        };
        self.consume(length)?;
        Ok(symbol)
    }

    /// The signed value of `size` bits, 1 to 16, right after a symbol: the lower half of the codes are the negative values.
    #[inline(always)]
    pub(super) fn value(&mut self, size: u32) -> Result<i32, Fault> {
        let code = (self.word >> 32 >> (32 - size)) as i32;
        self.consume(size)?;
        Ok(if code < 1 << (size - 1) { code + 1 - (1 << size) } else { code })
    }

    /// The next `size` bits, 0 to 16.
    #[inline(always)]
    pub(super) fn bits(&mut self, size: u32) -> Result<u32, Fault> {
        self.fill();
        let code = (self.word >> 32) >> (32 - size);
        self.consume(size)?;
        Ok(code as u32)
    }

    /// Whether the next bit is 1.
    #[inline(always)]
    pub(super) fn bit(&mut self) -> Result<bool, Fault> {
        if self.count == 0 {
            self.refill();
        }
        let is_set = self.word >> 63 == 1;
        self.consume(1)?;
        Ok(is_set)
    }

    /// Index of the next byte, where no bit was read after the last marker.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Leaves up to 7 bits that fill the last byte, and returns the index of the marker that follows.
    pub(super) fn end(&mut self) -> Result<usize, Fault> {
        match self.skip_to_marker() {
            (0, _) => Ok(self.at),
            (bytes, _) => Err(Fault::TooMany { bytes }),
        }
    }

    /// The same after the last block of a scan, where cameras that write files of a fixed size pad with zeros.
    pub(super) fn end_of_scan(&mut self) -> Result<usize, Fault> {
        match self.skip_to_marker() {
            (_, true) => Ok(self.at),
            (bytes, false) => Err(Fault::TooMany { bytes }),
        }
    }

    /// Counts the whole bytes before the next marker, and returns whether all of them are zeros.
    fn skip_to_marker(&mut self) -> (usize, bool) {
        let (fill, mut bytes) = (self.count % 8, (self.count / 8) as usize);
        let mut are_zeros = (self.word << fill).checked_shr(64 - 8 * bytes as u32).unwrap_or(0) == 0;
        loop {
            match self.bytes.get(self.at..) {
                Some([0xFF, 0x00, ..]) => (self.at, are_zeros) = (self.at + 2, false),
                Some([byte, ..]) if *byte != 0xFF => (self.at, are_zeros) = (self.at + 1, are_zeros && *byte == 0),
                _ => break,
            }
            bytes += 1;
        }
        (self.word, self.count) = (0, 0);
        (bytes, are_zeros)
    }

    /// Continues after the restart marker of a number.
    pub(super) fn restart(&mut self, expected: u8) -> Result<(), Fault> {
        let at = self.end()?;
        match marker(self.bytes, at) {
            Some((code, next)) if code == RESTART + expected => {
                self.at = next;
                Ok(())
            }
            // Whole intervals are lost.
            Some((RESTART..=LAST_RESTART, _)) => Err(Fault::NoRestart { expected }),
            Some(_) | None => Err(Fault::Ended),
        }
    }
}

/// Code of restart marker 0.
pub(super) const RESTART: u8 = 0xD0;

/// Code of restart marker 7.
pub(super) const LAST_RESTART: u8 = 0xD7;

/// The code of the marker at an index, and the index after it. Any count of bytes 0xFF may precede the code.
pub(super) fn marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let fill = rest.iter().take_while(|&&byte| byte == 0xFF).count();
    let &code = rest.get(fill)?;
    (fill > 0 && code != 0).then_some((code, at + fill + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_across_stuffed_bytes_and_end_at_the_marker() {
        let data = [0b1010_0101, 0xFF, 0x00, 0x0F, 0xFF, 0xD9];
        let mut bits = Bits::new(&data, 0);
        assert_eq!(bits.bits(4), Ok(0b1010));
        assert_eq!(bits.bits(12), Ok(0x5FF));
        assert_eq!(bits.bit(), Ok(false));
        assert_eq!(bits.end(), Ok(4));
        let mut bits = Bits::new(&data, 0);
        assert_eq!(bits.bits(16).and_then(|_| bits.bits(8)), Ok(0x0F));
        assert_eq!(bits.bit(), Err(Fault::Ended));
        let mut bits = Bits::new(&data, 0);
        assert_eq!(bits.bit(), Ok(true));
        assert_eq!(bits.end(), Err(Fault::TooMany { bytes: 2 }));
    }

    #[test]
    fn zeros_may_pad_the_end_of_a_scan_and_nothing_else_may() {
        // The first byte's four last bits fill it; few bytes are read ahead before the marker, many are not.
        for (padding, is_allowed) in [
            (vec![], true),
            (vec![0; 1], true),
            (vec![0; 5], true),
            (vec![0; 40], true),
            (vec![0xFF; 9], true),
            (vec![0, 0, 1], false),
            (vec![0x80; 1], false),
            ([vec![0; 30], vec![7]].concat(), false),
            (vec![0xFF, 0x00], false),
        ] {
            let data = [&[0b1010_1111][..], &padding, &[0xFF, 0xD9]].concat();
            let mut bits = Bits::new(&data, 0);
            assert_eq!(bits.bits(4), Ok(0b1010));
            let end = bits.end_of_scan().map(|at| marker(&data, at).map(|(code, _)| code));
            assert_eq!(end.is_ok(), is_allowed, "{padding:?}: {end:?}");
            assert_eq!(end.unwrap_or(Some(0xD9)), Some(0xD9));
        }
    }

    #[test]
    fn every_length_of_reads_sees_the_same_bits_as_one_at_a_time() {
        let data: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(0x9E37_79B9) >> 24) as u8 & 0x7F).collect();
        for size in 1..=16 {
            let (mut whole, mut single) = (Bits::new(&data, 0), Bits::new(&data, 0));
            for _ in 0..200 * 8 / size {
                let expected = (0..size).try_fold(0, |code, _| single.bit().map(|is_set| code * 2 + u32::from(is_set)));
                assert_eq!(whole.bits(size), expected);
            }
        }
    }

    #[test]
    fn a_restart_marker_is_passed_only_with_its_number() {
        let data = [0x80, 0xFF, 0xFF, 0xD3, 0x40];
        assert_eq!(Bits::new(&data, 1).restart(3), Ok(()));
        assert_eq!(Bits::new(&data, 2).restart(4), Err(Fault::NoRestart { expected: 4 }));
        assert_eq!(Bits::new(&[0xFF, 0xD9], 0).restart(0), Err(Fault::Ended));
        assert_eq!(Bits::new(&data, 0).restart(3), Err(Fault::TooMany { bytes: 1 }));
    }
}
