//! Inputs listed one by one, for kernels that multiply one at a time.

use super::{Entry, STRIDE};
use crate::kernels::scalar::ADVANCED;

/// Stands behind the last entry: distances are even.
pub const END: Entry = [0, 255];

/// An entry that adds nothing and does not move.
pub const FILLER: Entry = [0, ADVANCED.wrapping_neg()];

/// Lists inputs that are not zero: `[input, distance in bytes]`, from where the kernel stands after the entry before, which
/// is [`ADVANCED`] behind that one's weights, to the weights of this one in a full block.
///
/// `seen` inputs were listed before. Returns how many entries it wrote, how many inputs it saw, and their sum.
pub fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
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
        standing = place.wrapping_add(ADVANCED);
        filled += 1;
    }
    (filled, inputs.len() - unseen.len(), sum)
}
