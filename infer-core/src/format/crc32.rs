//! CRC-32 (ISO-HDLC, the one of zip and Ethernet; polynomial 0xEDB88320 reflected), four bits at a time.
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

const TABLE: [u32; 16] = table();

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
    pub fn update(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0 ^= u32::from(byte);
            self.0 = (self.0 >> 4) ^ lookup(self.0);
            self.0 = (self.0 >> 4) ^ lookup(self.0);
        }
        self
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

#[expect(clippy::indexing_slicing, reason = "masked to four bits: always inside the sixteen entries")]
fn lookup(state: u32) -> u32 {
    TABLE[(state & 0xF) as usize]
}
