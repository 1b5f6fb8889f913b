//! The loops of [`scalar`](super) in assembly: what is checked in front of each.

#![allow(unsafe_code, reason = "calls what is written for all fourteen registers")]

#[cfg_attr(kernels = "armv6m", path = "armv6m.rs")]
#[cfg_attr(kernels = "armv7m", path = "armv7m.rs")]
mod loops;

pub use loops::{ADVANCED, requantize};
use loops::{block_over_codes, blocks_over_list, column_maxima, last_block_over_list};

use super::Window;
use crate::kernels::listed::{List, STRIDE};
use crate::packing::ROWS_PER_BLOCK;

/// Adds what a list contributes to the sums of full blocks.
pub fn full_blocks(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
    let blocks = sums.len() / ROWS_PER_BLOCK;
    let len = weights.len() / blocks.max(1);
    // SAFETY: `listed` compared the lengths, so that the entries lead to no place outside a block, and each block has
    // eight sums; there is one block at least.
    unsafe { blocks_over_list(list.as_ptr(), weights.as_ptr(), sums.as_mut_ptr(), blocks, len) }
}

/// Adds what a list contributes to the sums of a last block, of `WORDS` words for each pair of inputs, 1 to 3.
pub fn last_block<const WORDS: usize>(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
    if sums.len() == 2 * WORDS {
        // SAFETY: `listed` compared the lengths, so that the entries lead to no place outside the block.
        unsafe { last_block_over_list::<WORDS>(list.as_ptr(), weights.as_ptr(), sums.as_mut_ptr()) }
    }
}

/// Adds what `codes` contribute to the sums of a full block.
pub fn block(codes: &[u8], weights: &[u8], sums: &mut [u32; ROWS_PER_BLOCK]) {
    if !codes.is_empty() && weights.len() >= ROWS_PER_BLOCK * codes.len().next_multiple_of(2) {
        // SAFETY: the lengths were compared; there is one code at least.
        unsafe { block_over_codes(codes.as_ptr(), weights.as_ptr(), sums, codes.len()) }
    }
}

/// The largest of a window's four sums, for the two rows in a column of a full block.
pub fn maxima(window: &Window<'_>, column: &[u8]) -> [i32; 2] {
    let taps = window.codes.len();
    // From a column's first word to its last: the columns beside it need not follow.
    if column.len() + STRIDE - 4 < STRIDE * taps.div_ceil(2) {
        return [0; 2];
    }
    // SAFETY: the lengths were compared.
    let maxima = unsafe { column_maxima(&window.starts, window.codes.as_ptr(), column.as_ptr(), taps) };
    [maxima as i32, (maxima >> 32) as i32]
}
