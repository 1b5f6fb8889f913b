//! Convolution in tiles of four positions: `BLOCKS` blocks of weights are taken apart once for all of them.

#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::marker::PhantomData;

use super::lanes::{Rows, STRIDE, Vector};
use super::positions::{Patches, Runs, Tiles};
use crate::kernels::operands::Conv2dOperands;
use crate::packing::ROWS_PER_BLOCK;

/// Tiles in the vectors `V`.
pub struct Tile<V, const BLOCKS: usize>(PhantomData<V>);

impl<V: Vector<BLOCKS>, const BLOCKS: usize> Tiles for Tile<V, BLOCKS> {
    type Code = u16;
    const POSITIONS: usize = 4;
    const STEP: usize = 2;
    const TAILS: bool = false;

    #[inline(always)]
    fn compute<const POSITIONS: usize, const UNIT: usize>(
        patches: &Patches<'_, u16, POSITIONS>,
        operands: &Conv2dOperands<'_>,
        output: &mut [u8],
    ) {
        let rows = usize::from(operands.output.channels);
        let pairs = operands.taps().div_ceil(2);
        let Runs { rows: runs, run, .. } = patches.runs();
        if runs * (run / 2) != pairs {
            return;
        }
        let mut unread = operands.weights;
        let mut row = 0;
        while row + BLOCKS * ROWS_PER_BLOCK <= rows {
            let mut blocks = [&[] as &[[u8; STRIDE]]; BLOCKS];
            for block in &mut blocks {
                let Some((bytes, rest)) = unread.split_at_checked(pairs * STRIDE) else { return };
                // All of the same length, as the compiler sees it: one comparison for all.
                let Some(all) = bytes.as_chunks().0.get(..pairs) else { return };
                (*block, unread) = (all, rest);
            }
            let sums = sums::<V, BLOCKS, POSITIONS>(patches, |pair| core::array::from_fn(|block| blocks[block][pair]));
            put_out::<V, BLOCKS, POSITIONS, UNIT>(&sums, [row, BLOCKS * ROWS_PER_BLOCK], operands, output);
            row += BLOCKS * ROWS_PER_BLOCK;
        }
        while row < rows {
            let count = ROWS_PER_BLOCK.min(rows - row);
            // A block that is not full has fewer words for each pair of taps; the others are zeros.
            let words = count.div_ceil(2) * 4;
            let Some((block, rest)) = unread.split_at_checked(pairs * words) else { return };
            let sums = sums::<V::OneBlock, 1, POSITIONS>(patches, |pair| {
                let bytes = block.get(pair * words..).unwrap_or_default();
                match bytes.first_chunk() {
                    Some(bytes) if count == ROWS_PER_BLOCK => [*bytes],
                    _ => {
                        let mut filled = [0; STRIDE];
                        filled.iter_mut().zip(bytes).take(words).for_each(|(filled, &byte)| *filled = byte);
                        [filled]
                    }
                }
            });
            put_out::<V::OneBlock, 1, POSITIONS, UNIT>(&sums, [row, count], operands, output);
            unread = rest;
            row += count;
        }
    }
}

/// For each position the sums of all rows; `weights` finds the blocks' weights for a pair of taps.
#[inline(always)]
fn sums<V: Vector<BLOCKS>, const BLOCKS: usize, const POSITIONS: usize>(
    patches: &Patches<'_, u16, POSITIONS>,
    weights: impl Fn(usize) -> [[u8; STRIDE]; BLOCKS],
) -> [Rows<V>; POSITIONS] {
    let mut sums = [Rows { even: V::splat(0), odd: V::splat(0) }; POSITIONS];
    let Runs { rows, row_len, run } = patches.runs();
    let mut pair = 0;
    for row in 0..rows {
        let mut pairs = [&[] as &[[u16; 2]]; POSITIONS];
        for (pairs, start) in pairs.iter_mut().zip(patches.starts()) {
            let codes = patches.codes().get(start + row * row_len..).unwrap_or_default().as_chunks().0;
            let Some(all) = codes.get(..run / 2) else { return sums };
            *pairs = all;
        }
        for step in 0..run / 2 {
            let weights = Rows::signed_weights(weights(pair).each_ref());
            for (sums, pairs) in sums.iter_mut().zip(pairs) {
                let [a, b] = pairs[step];
                sums.add(V::splat(u32::from(a) | u32::from(b) << 16), weights);
            }
            pair += 1;
        }
    }
    sums
}

/// Writes the codes of some blocks of sums, of so many rows from a first one on: at each position, or of the largest of `UNIT` positions.
#[inline(always)]
fn put_out<V: Vector<BLOCKS>, const BLOCKS: usize, const POSITIONS: usize, const UNIT: usize>(
    sums: &[Rows<V>; POSITIONS],
    [first, rows]: [usize; 2],
    operands: &Conv2dOperands<'_>,
    output: &mut [u8],
) {
    let table = operands.channels.bytes().get(8 * first..).unwrap_or_default();
    let (biases, multipliers) = records::<V, BLOCKS>(table, rows);
    let channels = usize::from(operands.output.channels);
    for (unit, sums) in sums.as_chunks::<UNIT>().0.iter().enumerate() {
        let mut largest = sums[0];
        for sums in &sums[1..] {
            largest = Rows { even: largest.even.max(sums.even), odd: largest.odd.max(sums.odd) };
        }
        let codes = V::codes([largest.even, largest.odd], biases, multipliers, operands.rescale);
        let output = output.get_mut(unit * channels + first..).unwrap_or_default();
        if rows == BLOCKS * ROWS_PER_BLOCK {
            let Some(output) = output.as_chunks_mut().0.first_chunk_mut() else { return };
            *output = codes;
        } else {
            output.iter_mut().zip(codes.as_flattened()).take(rows).for_each(|(output, &code)| *output = code);
        }
    }
}

/// The biases and the multipliers of so many rows, each of even rows and of odd ones.
#[inline(always)]
fn records<V: Vector<BLOCKS>, const BLOCKS: usize>(table: &[u8], rows: usize) -> ([V; 2], [V; 2]) {
    // Two records each.
    let mut pairs = [[[0; STRIDE]; ROWS_PER_BLOCK / 2]; BLOCKS];
    match table.as_chunks().0.as_chunks().0.first_chunk() {
        Some(full) if rows == BLOCKS * ROWS_PER_BLOCK => pairs = *full,
        _ => {
            let bytes = pairs.as_flattened_mut().as_flattened_mut();
            bytes.iter_mut().zip(table).take(8 * rows).for_each(|(byte, &from)| *byte = from);
        }
    }
    let load = |pair: usize| {
        let mut bytes = [&pairs[0][pair]; BLOCKS];
        for (bytes, pairs) in bytes.iter_mut().zip(&pairs) {
            *bytes = &pairs[pair];
        }
        V::load(bytes)
    };
    let [a, b, c, d] = [load(0), load(1), load(2), load(3)];
    let (biases, more_biases) = (a.even_lanes(b), c.even_lanes(d));
    let (multipliers, more_multipliers) = (a.odd_lanes(b), c.odd_lanes(d));
    (
        [biases.even_lanes(more_biases), biases.odd_lanes(more_biases)],
        [multipliers.even_lanes(more_multipliers), multipliers.odd_lanes(more_multipliers)],
    )
}
