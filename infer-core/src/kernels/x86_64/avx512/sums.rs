//! Sums of products: of blocks of rows at several positions, or at one.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{
    __m512i, _mm_maskz_loadu_epi8, _mm512_add_epi32, _mm512_broadcastq_epi64, _mm512_castsi512_si128,
    _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_set1_epi16, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_srli_epi64,
};

use super::cpu::{STEP, VECTOR, avx512};
use super::permute::Permute;
use super::weights::{Layout, part};
use crate::kernels::shared::vectors::positions::{Patches, Runs};

/// How a tile is read, compared with the lengths of runs and weights.
#[derive(Clone, Copy)]
pub struct Steps<'c, const POSITIONS: usize> {
    codes: &'c [u8],
    starts: &'c [usize; POSITIONS],
    rows: usize,
    row_len: usize,
    /// Steps of a row for which all weights and codes are there.
    whole: usize,
    /// Codes after them, in a row alone: at most eight.
    pub rest: usize,
}

impl<'c, const POSITIONS: usize> Steps<'c, POSITIONS> {
    /// `None` where codes or the weights of a block, which has `block_len` bytes, end too early.
    #[inline(always)]
    pub fn new(patches: &Patches<'c, u8, POSITIONS>, block_len: usize, step_len: usize) -> Option<Self> {
        let Runs { rows, row_len, run } = patches.runs();
        let whole = (run / STEP).min(block_len.checked_div(step_len)?);
        let rest = (run - STEP * whole).min(STEP);
        let needed = rows.checked_mul(whole)?.checked_mul(step_len)?;
        let fits = needed <= block_len && (rows == 1 || rest == 0);
        fits.then_some(Self { codes: patches.codes(), starts: patches.starts(), rows, row_len, whole, rest })
    }
}

/// For each block and position the sums of its rows, which begin with `biases`: two lanes of 32 bits a row, still to be added.
/// All rows of a block are there if `FULL`; there are codes after the last whole step if `TAIL`.
///
/// # Safety
/// The blocks have the length that `steps` were made for.
#[inline(always)]
pub unsafe fn sums<P: Permute, const BLOCKS: usize, const POSITIONS: usize, const FULL: bool, const TAIL: bool>(
    steps: &Steps<'_, POSITIONS>,
    blocks: [&[u8]; BLOCKS],
    layout: Layout<P>,
    biases: [__m512i; BLOCKS],
) -> [[__m512i; POSITIONS]; BLOCKS] {
    let mut sums = [[biases[0]; POSITIONS]; BLOCKS];
    for (sums, bias) in sums.iter_mut().zip(biases) {
        *sums = [bias; POSITIONS];
    }
    let &Steps { codes, starts, rows, row_len, whole, rest } = steps;
    let step_len = if FULL { VECTOR } else { layout.step_len };
    let mut at = 0;
    for row in 0..rows {
        for step in 0..whole {
            let mut weights = [bytemuck::must_cast([0u8; VECTOR]); BLOCKS];
            for (weights, block) in weights.iter_mut().zip(blocks) {
                // SAFETY: the steps of all rows together take no more than the blocks' length.
                let packed = unsafe { block.as_ptr().add(at) };
                *weights = layout.unpack(if FULL {
                    // SAFETY: as above; there are 64 bytes for each step.
                    unsafe { _mm512_loadu_si512(packed.cast()) }
                } else {
                    // SAFETY: as above; no bytes are read where the mask has no bit.
                    unsafe { _mm512_maskz_loadu_epi8(u64::MAX >> (VECTOR - step_len), packed.cast()) }
                });
            }
            let first = row * row_len + STEP * step;
            for (position, start) in starts.iter().enumerate() {
                // SAFETY: the last step of the last row ends in the codes.
                let codes = unsafe { codes.as_ptr().add(start + first).cast::<i64>().read_unaligned() };
                multiply_add(&mut sums, position, avx512!(_mm512_set1_epi64(codes)), weights);
            }
            at += step_len;
        }
    }
    if TAIL {
        let mut weights = [bytemuck::must_cast([0u8; VECTOR]); BLOCKS];
        for (weights, block) in weights.iter_mut().zip(blocks) {
            // Past the end 0, with the 128 of even rows.
            let zeros = avx512!(_mm512_set1_epi16(0x80));
            *weights = layout.unpack(part(block.get(at..).unwrap_or_default(), step_len, zeros));
        }
        let mask = u16::from(u8::MAX >> (STEP - rest.clamp(1, STEP)));
        for (position, start) in starts.iter().enumerate() {
            // SAFETY: there is a row, which has so many codes after its whole steps; no others are read.
            let codes = unsafe { _mm_maskz_loadu_epi8(mask, codes.as_ptr().add(start + STEP * whole).cast()) };
            multiply_add(&mut sums, position, avx512!(_mm512_broadcastq_epi64(codes)), weights);
        }
    }
    sums
}

/// Adds the products of eight codes at a position and their weights.
#[inline(always)]
fn multiply_add<const BLOCKS: usize, const POSITIONS: usize>(
    sums: &mut [[__m512i; POSITIONS]; BLOCKS],
    position: usize,
    codes: __m512i,
    weights: [__m512i; BLOCKS],
) {
    for (sums, weights) in sums.iter_mut().zip(weights) {
        sums[position] = avx512!(_mm512_dpbusd_epi32(sums[position], codes, weights));
    }
}

/// A row's sum in the lower half of its 64 bits.
#[inline(always)]
pub fn added(sums: __m512i) -> __m512i {
    avx512!(_mm512_add_epi32(sums, _mm512_srli_epi64::<32>(sums)))
}

/// As [`sums`], of one position, in `PARTS` sums each: a sum by itself would wait for each of its products.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
pub unsafe fn row_sums<P: Permute, const BLOCKS: usize, const PARTS: usize, const FULL: bool>(
    steps: &Steps<'_, 1>,
    blocks: [&[u8]; BLOCKS],
    layout: Layout<P>,
    biases: [__m512i; BLOCKS],
) -> [__m512i; BLOCKS] {
    let zero = avx512!(_mm512_setzero_si512());
    let mut parts = [[zero; PARTS]; BLOCKS];
    for (parts, bias) in parts.iter_mut().zip(biases) {
        parts[0] = bias;
    }
    let step_len = if FULL { VECTOR } else { layout.step_len };
    let &Steps { codes, whole, rest, .. } = steps;
    for first in (0..whole).step_by(PARTS) {
        for part in 0..PARTS {
            let step = first + part;
            if PARTS > 1 && step >= whole {
                break;
            }
            // SAFETY: the steps take no more than the codes.
            let codes = unsafe { codes.as_ptr().add(STEP * step).cast::<i64>().read_unaligned() };
            let codes = avx512!(_mm512_set1_epi64(codes));
            for (parts, block) in parts.iter_mut().zip(blocks) {
                // SAFETY: nor more than the blocks' length; no bytes are read where the mask has no bit.
                let packed = unsafe {
                    let packed = block.as_ptr().add(step * step_len);
                    if FULL {
                        _mm512_loadu_si512(packed.cast())
                    } else {
                        _mm512_maskz_loadu_epi8(u64::MAX >> (VECTOR - step_len), packed.cast())
                    }
                };
                parts[part] = avx512!(_mm512_dpbusd_epi32(parts[part], codes, layout.unpack(packed)));
            }
        }
    }
    let mut sums = [zero; BLOCKS];
    for ((sums, parts), block) in sums.iter_mut().zip(parts).zip(blocks) {
        for part in parts {
            *sums = avx512!(_mm512_add_epi32(*sums, part));
        }
        if rest > 0 {
            // Past the end 0, with the 128 of even rows.
            let zeros = avx512!(_mm512_set1_epi16(0x80));
            let packed = part(block.get(whole * step_len..).unwrap_or_default(), step_len, zeros);
            let codes = part(codes.get(STEP * whole..).unwrap_or_default(), STEP, zero);
            let codes = avx512!(_mm512_broadcastq_epi64(_mm512_castsi512_si128(codes)));
            *sums = avx512!(_mm512_dpbusd_epi32(*sums, codes, layout.unpack(packed)));
        }
    }
    sums
}
