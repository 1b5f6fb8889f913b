//! Nonzero inputs in pairs, for kernels that multiply two of them at once.

use super::{Entry, STRIDE};

/// Comes after the last entry: added to any address, its offset carries.
pub const END: Entry = [0, u32::MAX];

/// An entry that adds nothing.
pub const FILLER: Entry = [0, 0];

/// Lists pairs of inputs that are not zero: `[a | b << 16, offset in bytes of their weights in a full block]`.
///
/// `seen` inputs were seen before. Returns how many entries it wrote, how many inputs it saw, and their sum.
pub fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
    let (pairs, single) = inputs.as_chunks::<2>();
    let single = single.first().map(|&code| [code, 0]);
    let pairs = if pairs.is_empty() { single.as_slice() } else { pairs };
    let mut offset = (seen / 2 * STRIDE) as u32;
    let mut unseen = pairs.iter();
    let mut filled = 0;
    // Two sums in one: as many codes as fill a list do not fill 16 bits.
    let mut sums = 0u32;
    for entry in entries {
        let pair = loop {
            let Some(&pair) = unseen.next() else { break 0 };
            offset = offset.wrapping_add(STRIDE as u32);
            let pair = u32::from(u16::from_le_bytes(pair));
            if pair != 0 {
                break (pair | pair << 8) & 0x00FF_00FF;
            }
        };
        if pair == 0 {
            break;
        }
        sums = sums.wrapping_add(pair);
        *entry = [pair, offset.wrapping_sub(STRIDE as u32)];
        filled += 1;
    }
    (filled, 2 * (pairs.len() - unseen.len()), (sums & 0xFFFF) + (sums >> 16))
}
