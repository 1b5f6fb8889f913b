//! Nonzero inputs one by one, for kernels that multiply one at a time.

use super::{Entry, STRIDE};

/// Comes after the last entry: distances are even. Where none is negative, it alone makes the addition of a distance to an address carry.
pub const END: Entry = [0, u32::MAX];

/// An entry that adds nothing and does not move a kernel that is `advanced` bytes after an input's weights when it comes to
/// the next entry.
pub const fn filler(advanced: u32) -> Entry {
    [0, advanced.wrapping_neg()]
}

/// Lists inputs that are not zero: `[input, distance in bytes]`, from where the kernel is after the previous entry, which
/// is `advanced` bytes after that one's weights, to the weights of this one in a full block.
///
/// `seen` inputs were seen before. Returns how many entries it wrote, how many inputs it saw, and their sum.
pub fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize, advanced: u32) -> (usize, usize, u32) {
    let mut unseen = inputs.iter();
    let mut filled = 0;
    let mut sum = 0;
    let mut standing = 0;
    for entry in entries {
        let code = loop {
            match unseen.next() {
                Some(0) => {}
                Some(&code) => break u32::from(code),
                None => break 0,
            }
        };
        if code == 0 {
            break;
        }
        let input = seen + (inputs.len() - unseen.len()) - 1;
        let place = (input / 2 * STRIDE + input % 2 * 2) as u32;
        sum += code;
        *entry = [code, place.wrapping_sub(standing)];
        standing = place.wrapping_add(advanced);
        filled += 1;
    }
    (filled, inputs.len() - unseen.len(), sum)
}
