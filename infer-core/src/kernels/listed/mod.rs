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

    /// Lists the pairs that are not zero, as many as there is room for. Returns how many pairs it saw, and the sum of
    /// their codes. The weights of the first stand at `offset`.
    fn fill(&mut self, pairs: &[[u8; 2]], mut offset: u32) -> (usize, u32) {
        let mut unseen = pairs.iter();
        // Two sums in one: 48 codes do not fill 16 bits.
        let mut sums = 0u32;
        let entries = self.entries.get_mut(..LISTED_PAIRS).unwrap_or_default();
        for entry in &mut *entries {
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
            self.filled += 1;
        }
        (pairs.len() - unseen.len(), (sums & 0xFFFF) + (sums >> 16))
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

/// The sums of all rows, biases included, in scratch, and the sum of the inputs.
///
/// `biases` begin every `RECORD` bytes of a table. `pass` adds to the sums of some rows what a list contributes, the 128
/// in even rows' weights included; [`in_order`] takes them out. `None` where the lengths do not fit each other.
pub fn sums<'s, const RECORD: usize>(
    input: &[u8],
    weights: &[u8],
    biases: &[u8],
    scratch: &'s mut [u32],
    pass: fn(&List<'_>, Rows<'_>),
) -> Option<(&'s [u32], u32)> {
    let rows = biases.len() / RECORD;
    let (list, sums) = scratch.split_first_chunk_mut::<{ 2 * (LISTED_PAIRS + 1) }>()?;
    let sums = sums.get_mut(..rows.next_multiple_of(2))?;
    for (sums, biases) in sums.chunks_mut(ROWS_PER_BLOCK).zip(biases.chunks(RECORD * ROWS_PER_BLOCK)) {
        begin::<RECORD>(sums, biases);
    }
    let total = add(input, weights, rows, list.as_chunks_mut().0.try_into().ok()?, sums, pass)?;
    Some((sums, total))
}

/// Lets the sums of a block begin at the biases, which begin every `RECORD` bytes of a table.
pub fn begin<const RECORD: usize>(sums: &mut [u32], biases: &[u8]) {
    let (even, odd) = sums.split_at_mut(sums.len() / 2);
    let mut biases = biases.as_chunks::<RECORD>().0.iter();
    let mut bias = || {
        let bytes = biases.next().and_then(|record| record.first_chunk());
        bytes.map_or(0, |&bytes| u32::from_le_bytes(bytes))
    };
    for (even, odd) in even.iter_mut().zip(odd) {
        *even = bias();
        *odd = bias();
    }
}

/// Lists all inputs, list by list, and has `pass` run over each; returns the sum of the inputs.
fn add(
    input: &[u8],
    weights: &[u8],
    rows: usize,
    list: &mut [Entry; LISTED_PAIRS + 1],
    sums: &mut [u32],
    pass: fn(&List<'_>, Rows<'_>),
) -> Option<u32> {
    if weights.len() != packed_len(u32::try_from(rows).ok()?, u32::try_from(input.len()).ok()?)? as usize {
        return None;
    }
    let full = rows / ROWS_PER_BLOCK * ROWS_PER_BLOCK;
    let (full_weights, last_weights) = weights.split_at_checked(full * input.len().next_multiple_of(2))?;
    let (full_sums, last_sums) = sums.split_at_mut_checked(full)?;
    let (pairs, single) = input.as_chunks::<2>();
    let single = single.first().map(|&code| [code, 0]);
    let mut total = 0u32;
    let mut offset = 0;
    for mut pairs in [pairs, single.as_slice()] {
        while !pairs.is_empty() {
            let mut list = List { entries: list, filled: 0 };
            let (seen, sum) = list.fill(pairs, offset);
            pairs = pairs.get(seen..)?;
            offset = offset.wrapping_add((seen * STRIDE) as u32);
            total = total.wrapping_add(sum);
            if list.close().is_none() {
                continue;
            }
            if !full_sums.is_empty() {
                pass(&list, Rows { weights: full_weights, sums: full_sums, words: ROWS_PER_BLOCK / 2 });
            }
            if !last_sums.is_empty() {
                let words = last_sums.len() / 2;
                pass(&list, Rows { weights: last_weights, sums: last_sums, words });
            }
        }
    }
    Some(total)
}

/// The sums of a block of rows, in their order; `total` is the sum of the inputs.
pub fn in_order(sums: &[u32], total: u32) -> [i32; ROWS_PER_BLOCK] {
    let mut rows = [0; ROWS_PER_BLOCK];
    let (even, odd) = sums.split_at(sums.len() / 2);
    for (row, (even, odd)) in rows.as_chunks_mut::<2>().0.iter_mut().zip(even.iter().zip(odd)) {
        *row = [even.wrapping_sub(total.wrapping_mul(128)).cast_signed(), odd.cast_signed()];
    }
    rows
}
