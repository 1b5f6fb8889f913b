//! RISC-V without a multiplier, and any core by name: kernels for cores that multiply one code by one weight at a time, in plain
//! Rust.

use super::operands::Rescale;
use super::portable;
use super::shared::one_by_one::columns::add;
use super::shared::one_by_one::loops::Loops;
use super::shared::one_by_one::records::Finish;
use super::shared::one_by_one::taps::{Append, Taps};
use super::shared::parts;
use super::shared::sparse::{List, STRIDE};
use crate::packing::ROWS_PER_BLOCK;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Append for Scalar {
    const LEFT_BY: u8 = 0;
}

impl Loops for Scalar {
    const ADVANCED: u32 = 0;

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        portable::requantize(accumulator, multiplier, rescale)
    }

    fn full_blocks(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
        full_blocks(list, weights, sums);
    }

    fn last_block<const WORDS: usize>(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
        last_block::<WORDS>(list, weights, sums);
    }

    #[inline]
    fn block_codes(list: &Taps<'_>, weights: &[u8], finish: &Finish<'_>, codes: &mut [u8; ROWS_PER_BLOCK]) {
        finish.codes::<Self>(&block(list, weights, finish.sums()), codes);
    }
}

/// Adds what a list contributes to the sums of full blocks.
fn full_blocks(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
    let blocks = sums.as_chunks_mut::<ROWS_PER_BLOCK>().0;
    let len = weights.len() / blocks.len().max(1);
    for (weights, sums) in parts(weights, len).zip(blocks) {
        last_block::<4>(list, weights, sums);
    }
}

/// Adds what a list contributes to the sums of a block with `WORDS` words for each pair of inputs.
fn last_block<const WORDS: usize>(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
    let Some((even, odd)) = sums.split_first_chunk_mut::<WORDS>() else { return };
    let Some(odd) = odd.first_chunk_mut::<WORDS>() else { return };
    let (mut even_sums, mut odd_sums) = (*even, *odd);
    let mut place = 0u32;
    for &[code, distance] in list.entries() {
        place = place.wrapping_add(distance);
        let start = place as usize / STRIDE * (4 * WORDS) + place as usize % STRIDE;
        // The last weight of the second of two inputs is two bytes short of the next pair's.
        let Some(weights) = weights.get(start..start + 4 * WORDS - 2) else { return };
        for (weights, (even, odd)) in weights.chunks(4).zip(even_sums.iter_mut().zip(&mut odd_sums)) {
            if let Some(&weights) = weights.first_chunk() {
                [*even, *odd] = add([*even, *odd], code, weights);
            }
        }
    }
    (*even, *odd) = (even_sums, odd_sums);
}

/// Adds what a list of taps contributes to the sums of a full block.
#[inline]
fn block(list: &Taps<'_>, weights: &[u8], sums: [u32; ROWS_PER_BLOCK]) -> [u32; ROWS_PER_BLOCK] {
    let [e0, e1, e2, e3, o0, o1, o2, o3] = sums;
    let mut columns = [[e0, o0], [e1, o1], [e2, o2], [e3, o3]];
    let mut unread = weights;
    for &[code, distance] in list.entries() {
        let Some(from_here) = unread.get(usize::from(distance)..) else { break };
        unread = from_here;
        // The last weight of the second of two taps is two bytes short of the next pair's.
        let Some(&[a, b, _, _, c, d, _, _, e, f, _, _, g, h]) = unread.first_chunk() else { break };
        for (column, weights) in columns.iter_mut().zip([[a, b], [c, d], [e, f], [g, h]]) {
            *column = add(*column, code.into(), weights);
        }
    }
    let [[e0, o0], [e1, o1], [e2, o2], [e3, o3]] = columns;
    [e0, e1, e2, e3, o0, o1, o2, o3]
}
