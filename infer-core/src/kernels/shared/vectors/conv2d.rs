//! Convolution, for each position all blocks, `BLOCKS` of them in a vector.

#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use super::{Rows, STRIDE, Vector, code_of};
use crate::kernels::operands::{Conv2dOperands, Rescale};
use crate::kernels::shared::{parts, patch, taps_if_lengths_fit, window};
use crate::packing::ROWS_PER_BLOCK;

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(always)]
pub fn conv2d<V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    scratch: &mut [u32],
    output: &mut [u8],
) {
    let Some(taps) = taps_if_lengths_fit(operands, output) else { return };
    let pairs = taps.div_ceil(2);
    if operands.pool {
        if let Some(lanes) = scratch.get_mut(..4 * pairs) {
            pooled::<V, BLOCKS>(input, operands, lanes.as_chunks_mut().0, output);
        }
    } else if let Some(lanes) = scratch.get_mut(..pairs) {
        single::<V, BLOCKS>(input, operands, taps, lanes.as_chunks_mut().0, output);
    }
}

/// With a pool: for each pooled position the sums at four positions, their maximum.
#[inline(always)]
fn pooled<V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    lanes: &mut [[u32; 4]],
    output: &mut [u8],
) {
    window::each_pooled(
        operands,
        lanes,
        output,
        |y, x, lanes| gather(input, operands, y, x, lanes),
        |lanes, totals, output| position_codes::<V, BLOCKS, 4>(lanes, totals, operands, output),
    );
}

/// Without a pool.
#[inline(always)]
fn single<V: Vector<BLOCKS>, const BLOCKS: usize>(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    taps: usize,
    lanes: &mut [[u32; 1]],
    output: &mut [u8],
) {
    let width = usize::from(operands.output.width).max(1);
    let channels = usize::from(operands.output.channels).max(1);
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        lanes.fill([0]);
        // Little-endian, as all hosts that these kernels are for: the first of two taps is the lower half.
        let patch: &mut [u16] = bytemuck::cast_slice_mut(lanes.as_flattened_mut());
        patch::gather(input, operands, position / width, position % width, patch.get_mut(..taps).unwrap_or_default());
        let total = patch.iter().map(|&code| u32::from(code)).sum();
        position_codes::<V, BLOCKS, 1>(lanes, [total], operands, codes);
    }
}

/// The window at row `y` and column `x` of the output, not pooled yet: for each two taps their codes at the four positions,
/// `a | b << 16`. Returns the sums of the four; they are all zero where, and only where, all codes are.
#[inline(always)]
fn gather(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, lanes: &mut [[u32; 4]]) -> [u32; 4] {
    lanes.fill([0; 4]);
    // Little-endian, as all hosts that these kernels are for: the first of two taps is the lower half.
    let halves: &mut [[u16; 8]] = bytemuck::cast_slice_mut(lanes);
    let mut tap = 0;
    window::each_tap(input, operands, y, x, |codes| {
        if let Some(halves) = halves.get_mut(tap / 2) {
            for (code, position) in codes.into_iter().zip(halves.as_chunks_mut::<2>().0) {
                position[tap % 2] = code.into();
            }
        }
        tap += 1;
    });
    lanes.iter().fold([0; 4], |totals, lanes| {
        core::array::from_fn(|position| totals[position] + (lanes[position] & 0xFFFF) + (lanes[position] >> 16))
    })
}

/// The codes of all channels at a position: the maximum over `POSITIONS`, requantized. `totals` are the sums of the codes
/// in `lanes`, `[pairs of taps, POSITIONS]`.
#[inline(always)]
fn position_codes<V: Vector<BLOCKS>, const BLOCKS: usize, const POSITIONS: usize>(
    lanes: &[[u32; POSITIONS]],
    totals: [u32; POSITIONS],
    operands: &Conv2dOperands<'_>,
    output: &mut [u8],
) {
    // The sum of the codes takes the 128 out of even rows' weights.
    let starts = totals.map(|total| total.wrapping_mul(128).wrapping_neg());
    let pairs = lanes.len();
    let (codes, last_codes) = output.as_chunks_mut::<ROWS_PER_BLOCK>();
    let (records, last_records) = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>();
    let Some((weights, last_weights)) = operands.weights.split_at_checked(codes.len() * pairs * STRIDE) else { return };
    let (many, few) = codes.as_chunks_mut::<BLOCKS>();
    let (many_records, few_records) = records.as_chunks::<BLOCKS>();
    let mut unread = weights.as_chunks::<STRIDE>().0;
    for (codes, records) in many.iter_mut().zip(many_records) {
        let mut blocks = [&[] as &[[u8; STRIDE]]; BLOCKS];
        for block in &mut blocks {
            let Some((bytes, rest)) = unread.split_at_checked(pairs) else { return };
            (*block, unread) = (bytes, rest);
        }
        let maxima = maxima::<V, BLOCKS, POSITIONS>(lanes, starts, |pair| blocks.map(|block| &block[pair]));
        for ((codes, maxima), records) in codes.iter_mut().zip(maxima).zip(records) {
            requantize_block(codes, maxima, records, operands.rescale);
        }
    }
    for ((codes, records), block) in few.iter_mut().zip(few_records).zip(unread.chunks(pairs.max(1))) {
        let [maxima] =
            one::<V::OneBlock, POSITIONS>(lanes, starts, |pair| block.get(pair).copied().unwrap_or_default());
        requantize_block(codes, maxima, records, operands.rescale);
    }
    if !last_codes.is_empty() {
        let words = last_codes.len().div_ceil(2);
        let mut columns = parts(last_weights, 4 * words);
        let [maxima] = one::<V::OneBlock, POSITIONS>(lanes, starts, |_| filled(columns.next().unwrap_or_default()));
        for ((code, maximum), record) in last_codes.iter_mut().zip(maxima).zip(last_records) {
            *code = code_of(maximum, record, operands.rescale);
        }
    }
}

/// Eight codes: all lengths known, so unrolled.
#[inline(always)]
fn requantize_block(
    codes: &mut [u8; ROWS_PER_BLOCK],
    maxima: [u32; ROWS_PER_BLOCK],
    records: &[[u8; 8]; ROWS_PER_BLOCK],
    rescale: Rescale,
) {
    for ((code, maximum), record) in codes.iter_mut().zip(maxima).zip(records) {
        *code = code_of(maximum, record, rescale);
    }
}

/// As [`maxima`], of a block alone.
#[inline(always)]
fn one<B: Vector<1>, const POSITIONS: usize>(
    lanes: &[[u32; POSITIONS]],
    starts: [u32; POSITIONS],
    mut weights: impl FnMut(usize) -> [u8; STRIDE],
) -> [[u32; ROWS_PER_BLOCK]; 1] {
    let mut sums = starts.map(|start| Rows { even: B::splat(start), odd: B::splat(0) });
    for (index, pairs) in lanes.iter().enumerate() {
        let weights = Rows::weights([&weights(index)]);
        sums.iter_mut().zip(pairs).for_each(|(sums, &pair)| sums.add(B::splat(pair), weights));
    }
    largest(&sums)
}

/// For each row the largest of its sums at the positions; `weights` finds the blocks' weights for a pair of taps.
#[inline(always)]
fn maxima<'w, V: Vector<BLOCKS>, const BLOCKS: usize, const POSITIONS: usize>(
    lanes: &[[u32; POSITIONS]],
    starts: [u32; POSITIONS],
    weights: impl Fn(usize) -> [&'w [u8; STRIDE]; BLOCKS],
) -> [[u32; ROWS_PER_BLOCK]; BLOCKS] {
    let mut sums = starts.map(|start| Rows { even: V::splat(start), odd: V::splat(0) });
    for (index, pairs) in lanes.iter().enumerate() {
        let weights = Rows::weights(weights(index));
        sums.iter_mut().zip(pairs).for_each(|(sums, &pair)| sums.add(V::splat(pair), weights));
    }
    largest(&sums)
}

/// For each row the largest of its sums, in the order of rows.
#[inline(always)]
fn largest<V: Vector<BLOCKS>, const BLOCKS: usize, const POSITIONS: usize>(
    sums: &[Rows<V>; POSITIONS],
) -> [[u32; ROWS_PER_BLOCK]; BLOCKS] {
    let [first, rest @ ..] = sums.as_slice() else { return [[0; ROWS_PER_BLOCK]; BLOCKS] };
    let largest = rest
        .iter()
        .fold(*first, |largest, sums| Rows { even: largest.even.max(sums.even), odd: largest.odd.max(sums.odd) });
    let (even, odd) = (largest.even.to_sums(), largest.odd.to_sums());
    core::array::from_fn(|block| {
        let ([e0, e1, e2, e3], [o0, o1, o2, o3]) = (even[block], odd[block]);
        [e0, o0, e1, o1, e2, o2, e3, o3]
    })
}

/// The weights of a block that is not full, filled up with rows of zeros.
#[inline(always)]
fn filled(bytes: &[u8]) -> [u8; STRIDE] {
    let mut filled = [0; STRIDE];
    filled.iter_mut().zip(bytes).for_each(|(filled, &byte)| *filled = byte);
    filled
}
