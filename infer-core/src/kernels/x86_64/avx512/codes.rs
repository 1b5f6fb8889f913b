//! Accumulators become codes.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm512_add_epi64, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_mul_epi32, _mm512_packs_epi32, _mm512_packus_epi16, _mm512_permutexvar_epi16, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_shuffle_ps, _mm512_sll_epi32, _mm512_srli_epi64,
};

use super::cpu::{VECTOR, avx512, table};
use super::weights::part;
use crate::kernels::operands::Rescale;
use crate::packing::ROWS_PER_BLOCK;

/// What the accumulators of a layer become.
#[derive(Clone, Copy)]
pub struct Requantize {
    shift: u8,
    /// What rounds, and the zero point.
    constant: __m512i,
}

impl Requantize {
    #[inline(always)]
    pub fn new(rescale: Rescale) -> Self {
        let constant = i64::from(rescale.zero_point) << 32 | 1 << 31;
        Self { shift: rescale.shift & 31, constant: avx512!(_mm512_set1_epi64(constant)) }
    }

    /// Codes that are not clamped yet, in the upper half of 64 bits; accumulators and multipliers are in the lower half.
    #[inline(always)]
    pub fn scale(self, mut accumulators: __m512i, multipliers: __m512i) -> __m512i {
        if self.shift > 0 {
            accumulators = avx512!(_mm512_sll_epi32(accumulators, _mm_cvtsi32_si128(self.shift.into())));
        }
        avx512!(_mm512_add_epi64(_mm512_mul_epi32(accumulators, multipliers), self.constant))
    }
}

/// Where [`clamp`] finds the codes of rows `i % 4 * 2` and the next one of vector `i / 4`.
const CLAMPED: [u16; VECTOR / 2] = table!([u16; VECTOR / 2], at => at % 4 * 8 + at / 4);

/// The upper halves of 64 bits, two of each vector in turns.
#[inline(always)]
fn upper_halves(a: __m512i, b: __m512i) -> __m512i {
    avx512!(_mm512_castps_si512(_mm512_shuffle_ps::<0b11_01_11_01>(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))))
}

/// The codes of eight vectors of eight rows each, clamped.
#[inline(always)]
pub fn clamp(codes: [__m512i; 8]) -> [[u8; ROWS_PER_BLOCK]; 8] {
    let [a, b, c, d, e, f, g, h] = codes;
    let clamped = avx512!({
        let first = _mm512_packs_epi32(upper_halves(a, b), upper_halves(c, d));
        let second = _mm512_packs_epi32(upper_halves(e, f), upper_halves(g, h));
        _mm512_permutexvar_epi16(bytemuck::must_cast(CLAMPED), _mm512_packus_epi16(first, second))
    });
    bytemuck::must_cast(clamped)
}

/// Bias and multiplier of each of at most eight channels from `channel` on, in the lower half of 64 bits.
#[inline(always)]
pub fn records<const FULL: bool>(table: &[u8], channel: usize, rows: usize) -> [__m512i; 2] {
    avx512!({
        let table = table.get(8 * channel..).unwrap_or_default();
        let records = if FULL {
            bytemuck::must_cast(table.first_chunk().copied().unwrap_or([0u8; VECTOR]))
        } else {
            part(table, 8 * rows, _mm512_setzero_si512())
        };
        let lower = _mm512_set1_epi64(0xFFFF_FFFF);
        [_mm512_and_si512(records, lower), _mm512_srli_epi64::<32>(records)]
    })
}
