//! Fully connected layers: pairs of inputs that are not zero are collected, then every block runs over the list.

#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use super::lanes::{Rows, STRIDE, Vector, code_of};
use crate::kernels::operands::{DenseOperands, LogitsOperands};
use crate::kernels::shared::parts;
use crate::packing::{ROWS_PER_BLOCK, packed_len};

/// Pairs that a list has room for: a host's stack has room for more than a microcontroller's arena.
const PAIRS: usize = 1024;

/// Pairs whose sums are exact without a fold: 2^23 is more than the sum of an odd row.
const PAIRS_PER_FOLD: usize = 128;

/// A pair of inputs, `a | b << 16`, and the number of pairs before it.
type Entry = [u32; 2];

/// Fully connected layer.
#[inline(always)]
pub fn dense<V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    operands: &DenseOperands<'_>,
    scratch: &mut [u32],
    output: &mut [u8],
) {
    let table = operands.channels.bytes();
    let records = table.as_chunks::<8>().0;
    let (mut weights, mut codes) = (operands.weights, output.iter_mut().zip(records));
    while let Some(sums) = next_sums::<V, BLOCKS>(input, &mut weights, codes.len(), scratch) {
        for (&sum, (code, record)) in sums.iter().zip(&mut codes) {
            *code = code_of(sum, record, operands.rescale);
        }
    }
}

/// The last layer: accumulators as they are.
#[inline(always)]
pub fn logits<V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    operands: &LogitsOperands<'_>,
    scratch: &mut [u32],
    output: &mut [i32],
) {
    let biases = operands.biases.as_chunks::<4>().0;
    let (mut weights, mut logits) = (operands.weights, output.iter_mut().zip(biases));
    while let Some(sums) = next_sums::<V, BLOCKS>(input, &mut weights, logits.len(), scratch) {
        for (&sum, (logit, &bias)) in sums.iter().zip(&mut logits) {
            *logit = sum.cast_signed().wrapping_add(i32::from_le_bytes(bias));
        }
    }
}

/// The sums of the next rows, of which so many are left: as many as scratch holds. `None` after the last one, and where the lengths
/// do not fit each other.
#[inline(always)]
fn next_sums<'s, V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    weights: &mut &[u8],
    left: usize,
    scratch: &'s mut [u32],
) -> Option<&'s [u32]> {
    let rows = if left > scratch.len() { scratch.len() / ROWS_PER_BLOCK * ROWS_PER_BLOCK } else { left };
    // The last ones have all the rest, which must be as long as they need.
    let len = if rows == left { weights.len() } else { rows * input.len().next_multiple_of(2) };
    let (these, others) = weights.split_at_checked(len)?;
    *weights = others;
    if rows == 0 { None } else { sums::<V, BLOCKS>(input, these, rows, scratch) }
}

/// The sums of so many rows, in scratch; `None` where the lengths do not fit each other.
#[inline(always)]
fn sums<'s, V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    weights: &[u8],
    rows: usize,
    scratch: &'s mut [u32],
) -> Option<&'s [u32]> {
    if weights.len() != packed_len(u32::try_from(rows).ok()?, u32::try_from(input.len()).ok()?)? as usize {
        return None;
    }
    let sums = scratch.get_mut(..rows)?;
    sums.fill(0);
    let full = rows / ROWS_PER_BLOCK * ROWS_PER_BLOCK;
    let block_len = ROWS_PER_BLOCK * input.len().next_multiple_of(2);
    let (full_weights, last_weights) = weights.split_at_checked(rows / ROWS_PER_BLOCK * block_len)?;
    let (full_sums, last_sums) = sums.split_at_mut_checked(full)?;
    let full_sums = full_sums.as_chunks_mut::<ROWS_PER_BLOCK>().0;
    let mut total = 0u32;
    let mut list = [[0; 2]; PAIRS];
    for (part, inputs) in input.chunks(2 * PAIRS).enumerate() {
        let entries = fill(&mut list, inputs, part * PAIRS);
        total = inputs.iter().fold(total, |total, &code| total.wrapping_add(code.into()));
        let (vectors, rest) = full_sums.as_chunks_mut::<BLOCKS>();
        let (fours, rest_of_fours) = vectors.as_chunks_mut::<4>();
        let (twos, ones) = rest_of_fours.as_chunks_mut::<2>();
        let mut weights = full_weights;
        for sums in fours {
            weights = add::<V, BLOCKS, 4>(entries, weights, block_len, sums)?;
        }
        for sums in twos {
            weights = add::<V, BLOCKS, 2>(entries, weights, block_len, sums)?;
        }
        for sums in ones {
            weights = add::<V, BLOCKS, 1>(entries, weights, block_len, core::array::from_mut(sums))?;
        }
        for (sums, weights) in rest.iter_mut().zip(parts(weights, block_len)) {
            add_to_block::<V::OneBlock, STRIDE>(entries, weights, sums);
        }
        match last_sums.len() {
            0 => {}
            1 | 2 => add_to_block::<V::OneBlock, 4>(entries, last_weights, last_sums),
            3 | 4 => add_to_block::<V::OneBlock, 8>(entries, last_weights, last_sums),
            5 | 6 => add_to_block::<V::OneBlock, 12>(entries, last_weights, last_sums),
            _ => add_to_block::<V::OneBlock, STRIDE>(entries, last_weights, last_sums),
        }
    }
    // Takes the 128 out of even rows' weights.
    let excess = total.wrapping_mul(128);
    sums.iter_mut().step_by(2).for_each(|even| *even = even.wrapping_sub(excess));
    Some(sums)
}

/// Lists the pairs that are not zero, without a branch on what they are; `first` is the number of the first pair.
#[inline(always)]
fn fill<'l>(list: &'l mut [Entry; PAIRS], inputs: &[u8], first: usize) -> &'l [Entry] {
    let (pairs, single) = inputs.as_chunks::<2>();
    let single = single.first().map(|&code| [code, 0]);
    let mut filled = 0;
    let mut number = first as u32;
    let mut push = |pair: [u8; 2]| {
        let [a, b] = pair.map(u32::from);
        // There are at most as many pairs as the list has room for.
        list[filled % PAIRS] = [a | b << 16, number];
        filled += usize::from(a | b != 0);
        number += 1;
    };
    pairs.iter().for_each(|&pair| push(pair));
    single.into_iter().for_each(&mut push);
    list.get(..filled).unwrap_or_default()
}

/// Adds what a list contributes to `N` times `BLOCKS` blocks of `block_len` bytes; returns the weights after them.
#[inline(always)]
fn add<'w, V: Vector<BLOCKS>, const BLOCKS: usize, const N: usize>(
    entries: &[Entry],
    mut weights: &'w [u8],
    block_len: usize,
    sums: &mut [[[u32; ROWS_PER_BLOCK]; BLOCKS]; N],
) -> Option<&'w [u8]> {
    let pairs = block_len / STRIDE;
    let mut blocks = [[&[] as &[[u8; STRIDE]]; BLOCKS]; N];
    for block in blocks.as_flattened_mut() {
        let (bytes, rest) = weights.split_at_checked(block_len)?;
        // All of the same length, as the compiler sees it: one comparison for all.
        *block = bytes.as_chunks().0.get(..pairs)?;
        weights = rest;
    }
    let zeros = Rows { even: V::splat(0), odd: V::splat(0) };
    let mut vectors = [zeros; N];
    for entries in entries.chunks(PAIRS_PER_FOLD) {
        // Both rows of a lane in one multiplication, `256 * odd + even`, and the even ones once more to take them out.
        let (mut even, mut both) = (vectors.map(|rows| rows.even), vectors.map(|rows| rows.even));
        for &[pair, number] in entries {
            let (pair, number) = (V::splat(pair), number as usize);
            if number >= pairs {
                return None;
            }
            for ((blocks, even), both) in blocks.iter().zip(&mut even).zip(&mut both) {
                let lanes = V::load(blocks.map(|block| &block[number]));
                *even = even.add(lanes.low_bytes().multiply_add(pair));
                *both = both.add(lanes.multiply_add(pair));
            }
        }
        for ((rows, even), both) in vectors.iter_mut().zip(even).zip(both) {
            *rows = Rows { even, odd: rows.odd.add(both.difference_shifted(even)) };
        }
    }
    for (sums, vectors) in sums.iter_mut().zip(vectors) {
        for ((sums, even), odd) in sums.iter_mut().zip(vectors.even.to_sums()).zip(vectors.odd.to_sums()) {
            for ((sums, even), odd) in sums.as_chunks_mut::<2>().0.iter_mut().zip(even).zip(odd) {
                *sums = [sums[0].wrapping_add(even), sums[1].wrapping_add(odd)];
            }
        }
    }
    Some(weights)
}

/// Adds what a list contributes to one block, of `BYTES` for each pair of inputs.
#[inline(always)]
fn add_to_block<B: Vector<1>, const BYTES: usize>(entries: &[Entry], weights: &[u8], sums: &mut [u32]) {
    let columns = weights.as_chunks::<BYTES>().0;
    let mut vectors = Rows { even: B::splat(0), odd: B::splat(0) };
    for &[pair, number] in entries {
        if let Some(weights) = columns.get(number as usize) {
            let mut filled = [0; STRIDE];
            if let Some(filled) = filled.first_chunk_mut::<BYTES>() {
                *filled = *weights;
            }
            vectors.add(B::splat(pair), Rows::weights([&filled]));
        }
    }
    let ([even], [odd]) = (vectors.even.to_sums(), vectors.odd.to_sums());
    for ((sums, even), odd) in sums.chunks_mut(2).zip(even).zip(odd) {
        sums.iter_mut().zip([even, odd]).for_each(|(sum, added)| *sum = sum.wrapping_add(added));
    }
}
