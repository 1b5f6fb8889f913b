//! CRC-32 (ISO-HDLC, the one of zip and Ethernet; polynomial 0xEDB88320 reflected), four bits at a time, four bytes a load.
//!
//! A table of sixteen words costs 64 bytes of flash; the usual one of 256 would cost 1 KB to save time once per boot.

/// A CRC-32 in the making: feed it bytes in as many pieces as convenient.
///
/// ```
/// use infer_core::Crc32;
/// assert_eq!(Crc32::new().update(b"1234").update(b"56789").finish(), 0xCBF4_3926);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

static TABLE: [u32; 16] = table();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a wrong index is a compile error")]
const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut rest = nibble as u32;
        let mut bit = 0;
        while bit < 4 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ 0xEDB8_8320 } else { rest >> 1 };
            bit += 1;
        }
        table[nibble] = rest;
        nibble += 1;
    }
    table
}

impl Crc32 {
    /// The CRC of no bytes yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xFFFF_FFFF)
    }

    /// The CRC of all bytes so far and `bytes`.
    // Not inlined: it is unrolled, once.
    #[inline(never)]
    #[must_use]
    pub fn update(self, bytes: &[u8]) -> Self {
        let (before, words, after) = bytemuck::pod_align_to::<u8, u32>(bytes);
        let mut state = self.0;
        for &byte in before {
            state = shifted(state ^ u32::from(byte));
        }
        for &word in words {
            // Four bytes in one load: each reaches the lowest place when it is its turn.
            state = shifted(shifted(shifted(shifted(state ^ u32::from_le(word)))));
        }
        for &byte in after {
            state = shifted(state ^ u32::from(byte));
        }
        Self(state)
    }

    /// The finished sum.
    #[must_use]
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

/// The state once its lowest byte is taken in.
fn shifted(state: u32) -> u32 {
    let half = (state >> 4) ^ lookup(state);
    (half >> 4) ^ lookup(half)
}

#[expect(clippy::indexing_slicing, reason = "masked to four bits: always inside the sixteen entries")]
fn lookup(state: u32) -> u32 {
    TABLE[(state & 0xF) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit.
    fn by_definition(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |state, &byte| {
            (0..8).fold(
                state ^ u32::from(byte),
                |rest, _| if rest & 1 == 1 { (rest >> 1) ^ 0xEDB8_8320 } else { rest >> 1 },
            )
        })
    }

    #[test]
    fn bytes_at_any_address_and_in_any_pieces_have_the_crc_of_the_definition() {
        let bytes: [u8; 32] = core::array::from_fn(|index| (index as u8).wrapping_mul(37) ^ 0x5A);
        for start in 0..8 {
            for end in start..=bytes.len() {
                let bytes = bytes.get(start..end).unwrap_or_default();
                assert_eq!(Crc32::new().update(bytes).finish(), by_definition(bytes));
                let (first, rest) = bytes.split_at(bytes.len() / 3);
                assert_eq!(Crc32::new().update(first).update(rest).finish(), by_definition(bytes));
            }
        }
    }
}
