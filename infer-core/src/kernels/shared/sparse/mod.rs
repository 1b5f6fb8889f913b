//! The part of a fully connected layer that all microcontrollers share: visit only the inputs that are not zero.
//!
//! Half of an image's pixels and most of a rectifier's outputs are zero. So the input is read once, and what is not zero
//! goes to a list, each entry with the place of its weights in a full block; then every block of rows runs over the
//! list. Between two lists the rows' sums wait in scratch, of which both have their share. Where there is too little of it for the
//! sums of all rows, some are computed after the others, and the input is read again.

pub mod singles;

use super::parts;
use crate::kernels::operands::{DenseOperands, LogitsOperands, Rescale, sparse_rows};
use crate::packing::{ROWS_PER_BLOCK, packed_len};

/// An input, or a pair of them, and where its weights are.
pub type Entry = [u32; 2];

/// How a core's kernels take nonzero inputs: in pairs or as [`singles`].
pub trait Sparse {
    /// Comes after the last entry.
    const END: Entry;
    /// An entry that adds nothing.
    const FILLER: Entry;

    /// Lists nonzero inputs, `seen` inputs having been seen before. Returns how many entries it wrote, how many inputs
    /// it saw, and their sum.
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32);

    /// Adds to the sums of some rows what a list contributes, the 128 in even rows' weights included.
    fn pass(list: &List<'_>, rows: Rows<'_>);

    /// An accumulator's code.
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8;
}

/// Lists are filled up with entries that add nothing to a multiple of this, so that loops over them can be unrolled.
const UNROLL: usize = 4;

/// Entries of a list, at most: so many pairs of products are exact without a fold.
const MOST_ENTRIES: usize = 128;

/// Bytes of weights for a pair of inputs in a full block.
pub const STRIDE: usize = 2 * ROWS_PER_BLOCK;

/// Bytes of a channel's bias and multiplier.
const RECORD: usize = 8;

/// Entries, one at least and a multiple of [`UNROLL`], and [`END`](Sparse::END) after them. They lead to no place outside
/// a block.
pub struct List<'s> {
    /// With room for the end; the others are a multiple of [`UNROLL`].
    entries: &'s mut [Entry],
    filled: usize,
}

impl List<'_> {
    /// Where it begins.
    pub fn as_ptr(&self) -> *const Entry {
        self.entries.as_ptr()
    }

    /// All but the end.
    pub fn entries(&self) -> &[Entry] {
        self.entries.get(..self.filled).unwrap_or_default()
    }

    /// Lists inputs, `seen` of which were seen before, as many as there is room for. Returns how many it saw, and their
    /// sum.
    fn fill<S: Sparse>(&mut self, inputs: &[u8], seen: usize) -> (usize, u32) {
        let Some((_, room)) = self.entries.split_last_mut() else { return (inputs.len(), 0) };
        let (filled, seen, sum) = S::fill(room, inputs, seen);
        self.filled = filled;
        (seen, sum)
    }

    /// Puts the end where it belongs; `None` if there is nothing before it.
    fn close<S: Sparse>(&mut self) -> Option<()> {
        while !self.filled.is_multiple_of(UNROLL) {
            *self.entries.get_mut(self.filled)? = S::FILLER;
            self.filled += 1;
        }
        *self.entries.get_mut(self.filled)? = S::END;
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

/// Fully connected layer.
#[inline(never)]
pub fn dense<S: Sparse>(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let table = operands.channels.bytes();
    let mut turns =
        Turns { input, weights: operands.weights, biases: table, record: RECORD, rows: table.len() / RECORD };
    let (mut blocks, mut tables) = (output.chunks_mut(ROWS_PER_BLOCK), parts(table, RECORD * ROWS_PER_BLOCK));
    while let Some((sums, total)) = turns.next::<S>(scratch) {
        for ((sums, codes), table) in sums.chunks(ROWS_PER_BLOCK).zip(&mut blocks).zip(&mut tables) {
            requantize_block::<S>(sums, total, table, operands.rescale, codes);
        }
    }
}

/// The last layer: accumulators as they are.
#[inline(never)]
pub fn logits<S: Sparse>(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
    let biases = operands.biases;
    let mut turns = Turns { input, weights: operands.weights, biases, record: 4, rows: biases.len() / 4 };
    let mut blocks = output.chunks_mut(ROWS_PER_BLOCK);
    while let Some((sums, total)) = turns.next::<S>(scratch) {
        for (sums, logits) in sums.chunks(ROWS_PER_BLOCK).zip(&mut blocks) {
            let (even, odd) = sums.split_at(sums.len() / 2);
            for (logits, sums) in logits.chunks_mut(2).zip(even.iter().zip(odd)) {
                logits.iter_mut().zip(row_sums(sums, total)).for_each(|(logit, sum)| *logit = sum);
            }
        }
    }
}

/// The rows of a layer that were not computed yet.
struct Turns<'m> {
    input: &'m [u8],
    weights: &'m [u8],
    /// A table.
    biases: &'m [u8],
    /// Bytes from one bias to the next, [`RECORD`] or 4.
    record: usize,
    /// How many.
    rows: usize,
}

impl Turns<'_> {
    /// The sums of the next rows, biases included, in scratch, and the sum of the inputs; [`row_sums`] reads them. `None` after the
    /// last row, and where the lengths do not fit each other.
    #[inline(never)]
    fn next<'s, S: Sparse>(&mut self, scratch: &'s mut [u32]) -> Option<(&'s [u32], u32)> {
        let (rows, is_last) = match sparse_rows(self.rows) {
            0 => return None,
            rows => (rows, rows == self.rows),
        };
        // The last ones have all the rest, which must be as long as they need.
        let len = if is_last { self.weights.len() } else { rows * self.input.len().next_multiple_of(2) };
        let (weights, others) = self.weights.split_at_checked(len)?;
        let (sums, list) = scratch.split_at_mut_checked(rows.next_multiple_of(2))?;
        let mut biases = parts(self.biases, self.record * ROWS_PER_BLOCK);
        for (sums, biases) in sums.chunks_mut(ROWS_PER_BLOCK).zip(&mut biases) {
            begin(sums, biases, self.record);
        }
        self.biases = self.biases.get(rows * self.record..)?;
        self.weights = others;
        self.rows -= rows;
        let list = list.as_chunks_mut().0;
        let entries = list.len().checked_sub(1)?.min(MOST_ENTRIES) & !(UNROLL - 1);
        let total = add::<S>(self.input, weights, rows, list.get_mut(..=entries)?, sums)?;
        Some((sums, total))
    }
}

/// Codes of a block out of its sums, biases included; `total` is the sum of the inputs.
#[inline(never)]
fn requantize_block<S: Sparse>(sums: &[u32], total: u32, table: &[u8], rescale: Rescale, codes: &mut [u8]) {
    let (even, odd) = sums.split_at(sums.len() / 2);
    // Taken out of even rows' sums, whose weights have 128 more.
    let extra = total.wrapping_mul(128);
    for (row, (code, record)) in codes.iter_mut().zip(table.as_chunks::<RECORD>().0).enumerate() {
        let [_, _, _, _, m0, m1, m2, m3] = *record;
        let (sums, extra) = if row % 2 == 0 { (even, extra) } else { (odd, 0) };
        let Some(sum) = sums.get(row / 2) else { return };
        let sum = sum.wrapping_sub(extra).cast_signed();
        *code = S::requantize(sum, i32::from_le_bytes([m0, m1, m2, m3]), rescale);
    }
}

/// Starts the sums of a block at the biases, of which there is one every `record` bytes of a table.
fn begin(sums: &mut [u32], biases: &[u8], record: usize) {
    let half = sums.len() / 2;
    // The last of an odd number of rows shares its weights with one that has no bias.
    if let Some(last) = sums.last_mut() {
        *last = 0;
    }
    let (even, odd) = sums.split_at_mut(half);
    let mut unread = biases;
    for (even, odd) in even.iter_mut().zip(odd) {
        for sum in [even, odd] {
            let Some(bytes) = unread.first_chunk() else { return };
            *sum = u32::from_le_bytes(*bytes);
            unread = unread.get(record..).unwrap_or_default();
        }
    }
}

/// Lists all inputs, list by list, and passes over each; returns the sum of the inputs.
fn add<S: Sparse>(input: &[u8], weights: &[u8], rows: usize, list: &mut [Entry], sums: &mut [u32]) -> Option<u32> {
    if list.len() <= UNROLL
        || weights.len() != packed_len(u32::try_from(rows).ok()?, u32::try_from(input.len()).ok()?)? as usize
    {
        return None;
    }
    let full = rows / ROWS_PER_BLOCK * ROWS_PER_BLOCK;
    let (full_weights, last_weights) = weights.split_at_checked(full * input.len().next_multiple_of(2))?;
    let (full_sums, last_sums) = sums.split_at_mut_checked(full)?;
    let (mut total, mut seen) = (0u32, 0);
    while let Some(unseen @ [_, ..]) = input.get(seen..) {
        let mut list = List { entries: list, filled: 0 };
        let (more, sum) = list.fill::<S>(unseen, seen);
        seen += more;
        total = total.wrapping_add(sum);
        if list.close::<S>().is_none() {
            continue;
        }
        if !full_sums.is_empty() {
            S::pass(&list, Rows { weights: full_weights, sums: full_sums, words: ROWS_PER_BLOCK / 2 });
        }
        if !last_sums.is_empty() {
            let words = last_sums.len() / 2;
            S::pass(&list, Rows { weights: last_weights, sums: last_sums, words });
        }
    }
    Some(total)
}

/// The sums of an even row and of the odd one next to it; `total` is the sum of the inputs.
fn row_sums((even, odd): (&u32, &u32), total: u32) -> [i32; 2] {
    [even.wrapping_sub(total.wrapping_mul(128)).cast_signed(), odd.cast_signed()]
}
