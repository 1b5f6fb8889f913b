//! Weights of a block for eight inputs: a vector in the order that VPDPBUSD multiplies them in.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{__m512i, _mm512_mask_loadu_epi8, _mm512_xor_si512};
use core::marker::PhantomData;

use super::cpu::{STEP, VECTOR, avx512};
use super::permute::Permute;

/// How the weights of a block are read, given the words that a pair of inputs takes: four, or fewer of the last block.
#[derive(Clone, Copy)]
pub struct Layout<P> {
    /// Bytes for eight inputs.
    pub step_len: usize,
    /// Where each weight comes from.
    order: __m512i,
    permute: PhantomData<P>,
}

/// The bit that the 128 of even rows changes.
const SIGNS: [u64; 8] =
    [0x8080_8080_8080_8080, 0, 0x8080_8080_8080_8080, 0, 0x8080_8080_8080_8080, 0, 0x8080_8080_8080_8080, 0];

impl<P: Permute> Layout<P> {
    /// That of a block of so many rows, 1 to 8.
    #[inline(always)]
    pub fn new(rows: usize) -> Self {
        let words = rows.div_ceil(2).max(1);
        Self { step_len: 4 * STEP / 2 * words, order: P::order(words), permute: PhantomData }
    }

    /// Weights as they are in the file, in the order of rows.
    #[inline(always)]
    pub fn unpack(self, packed: __m512i) -> __m512i {
        avx512!(_mm512_xor_si512(P::ordered(packed, self.order), bytemuck::must_cast(SIGNS)))
    }
}

/// The first bytes, at most `most`, and `others` for the rest.
#[inline(always)]
pub fn part(bytes: &[u8], most: usize, others: __m512i) -> __m512i {
    let len = bytes.len().min(most).min(VECTOR);
    let mask = if len == VECTOR { u64::MAX } else { (1 << len) - 1 };
    // SAFETY: the mask has bits for bytes of the slice alone, and no others are read.
    unsafe { _mm512_mask_loadu_epi8(others, mask, bytes.as_ptr().cast()) }
}
