//! The part of a fully connected layer that all microcontrollers share: visit only the pairs of inputs that are not zero.
//!
//! Half of a picture's pixels and most of a rectifier's outputs are zero. So the input is read once: its non-zero pairs
//! are listed, widened to 16-bit lanes, each with the place of its weights in a full block; then every block of rows
//! runs over the list. The list holds [`LISTED_PAIRS`] at a time, and between two lists the rows' sums wait in scratch.

use super::LISTED_PAIRS;
use crate::packing::{ROWS_PER_BLOCK, packed_len};

/// A pair of inputs `a | b << 16`, and the offset in bytes of its weights in a full block.
pub type Entry = [u32; 2];

/// Stands behind the last entry: added to any address, its offset carries.
const END: Entry = [0, u32::MAX];

/// Lists are filled up with entries of zero to a multiple of this, so that loops over them can be unrolled.
const UNROLL: usize = 4;

/// Bytes of weights for a pair of inputs in a full block.
const STRIDE: usize = 2 * ROWS_PER_BLOCK;

/// Entries, one at least and a multiple of [`UNROLL`], and [`END`] behind them. Their offsets stay inside a block.
pub struct List<'s> {
    entries: &'s mut [Entry; LISTED_PAIRS + 1],
    filled: usize,
}

impl List<'_> {
    /// Where it begins.
    pub fn as_ptr(&self) -> *const Entry {
        self.entries.as_ptr()
    }

    /// Puts the end where it belongs; `None` if there is nothing in front of it.
    fn close(&mut self) -> Option<()> {
        while !self.filled.is_multiple_of(UNROLL) {
            *self.entries.get_mut(self.filled)? = [0, 0];
            self.filled += 1;
        }
        *self.entries.get_mut(self.filled)? = END;
        (self.filled > 0).then_some(())
    }
}

/// Rows of weights, their sums, and the words of weights for each pair of inputs: four for full blocks, of which there
/// may be many; fewer for the last one, if it is not full.
pub struct Rows<'r> {
    /// Contiguous blocks.
    pub weights: &'r [u8],
    /// For each block the sums of its even rows, then those of its odd ones.
    pub sums: &'r mut [u32],
    /// 1 to 4.
    pub words: usize,
}

/// The sums of all rows, biases included, in scratch: for each block those of its even rows, then those of its odd ones.
///
/// `pass` adds to the sums of some rows what a list contributes, the 128 in even rows' weights included. `None` where
/// the lengths do not fit each other.
pub fn sums<'s>(
    input: &[u8],
    weights: &[u8],
    mut biases: impl ExactSizeIterator<Item = i32>,
    scratch: &'s mut [u32],
    mut pass: impl FnMut(&List<'_>, Rows<'_>),
) -> Option<&'s mut [u32]> {
    let rows = biases.len();
    if weights.len() != packed_len(u32::try_from(rows).ok()?, u32::try_from(input.len()).ok()?)? as usize {
        return None;
    }
    let (list, sums) = scratch.split_first_chunk_mut::<{ 2 * (LISTED_PAIRS + 1) }>()?;
    let entries: &mut [Entry; LISTED_PAIRS + 1] = list.as_chunks_mut().0.try_into().ok()?;
    let sums = sums.get_mut(..rows.next_multiple_of(2))?;
    let total = input.iter().fold(0u32, |total, &code| total.wrapping_add(code.into()));
    for block in sums.chunks_mut(ROWS_PER_BLOCK) {
        let (even, odd) = block.split_at_mut(block.len() / 2);
        for (even, odd) in even.iter_mut().zip(odd) {
            *even = biases.next().unwrap_or(0).cast_unsigned().wrapping_sub(total.wrapping_mul(128));
            *odd = biases.next().unwrap_or(0).cast_unsigned();
        }
    }
    let full = rows / ROWS_PER_BLOCK * ROWS_PER_BLOCK;
    let (full_weights, last_weights) = weights.split_at_checked(full * input.len().next_multiple_of(2))?;
    let (full_sums, last_sums) = sums.split_at_mut_checked(full)?;
    let mut run = |list: &mut List<'_>| {
        if list.close().is_some() {
            if !full_sums.is_empty() {
                pass(list, Rows { weights: full_weights, sums: full_sums, words: ROWS_PER_BLOCK / 2 });
            }
            if !last_sums.is_empty() {
                let words = last_sums.len() / 2;
                pass(list, Rows { weights: last_weights, sums: last_sums, words });
            }
        }
        list.filled = 0;
    };
    let mut list = List { entries, filled: 0 };
    let mut offset = 0;
    let (pairs, single) = input.as_chunks::<2>();
    let single = single.first().map(|&code| [code, 0]);
    for &pair in pairs.iter().chain(single.as_ref()) {
        let pair = u32::from(u16::from_le_bytes(pair));
        if pair != 0 {
            if list.filled == LISTED_PAIRS {
                run(&mut list);
            }
            if let Some(entry) = list.entries.get_mut(list.filled) {
                *entry = [(pair | pair << 8) & 0x00FF_00FF, offset];
                list.filled += 1;
            }
        }
        offset = offset.wrapping_add(STRIDE as u32);
    }
    run(&mut list);
    Some(sums)
}

/// Calls `each` with every output and the sum of its row, in order.
pub fn for_each_row<T>(sums: &[u32], output: &mut [T], mut each: impl FnMut(&mut T, i32)) {
    for (outputs, sums) in output.chunks_mut(ROWS_PER_BLOCK).zip(sums.chunks(ROWS_PER_BLOCK)) {
        let (even, odd) = sums.split_at(sums.len() / 2);
        for (outputs, (&even, &odd)) in outputs.chunks_mut(2).zip(even.iter().zip(odd)) {
            if let [first, rest @ ..] = outputs {
                each(first, even.cast_signed());
                if let [second, ..] = rest {
                    each(second, odd.cast_signed());
                }
            }
        }
    }
}
