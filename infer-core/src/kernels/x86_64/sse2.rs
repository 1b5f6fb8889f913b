//! Vectors of 128 bits on x86-64: SSE2, which every x86-64 has.

#![allow(unsafe_code, reason = "the compiler needs to see that every x86-64 has SSE2")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_castps_si128, _mm_castsi128_ps, _mm_cmpgt_epi32,
    _mm_madd_epi16, _mm_or_si128, _mm_set1_epi16, _mm_set1_epi32, _mm_shuffle_ps, _mm_srai_epi16, _mm_srai_epi32,
    _mm_sub_epi16, _mm_sub_epi32,
};

use crate::kernels::shared::vectors::lanes::{STRIDE, Vector};
use crate::kernels::shared::vectors::vector_kernels;

/// Instructions of SSE2.
macro_rules! sse2 {
    ($value:expr) => {
        // SAFETY: arithmetic in registers, which every x86-64 has.
        unsafe { $value }
    };
}

/// A block's eight lanes of 16 bits, or four of 32.
#[derive(Clone, Copy)]
pub struct Block(__m128i);

impl Vector<1> for Block {
    type OneBlock = Self;

    #[inline(always)]
    fn splat(lanes: u32) -> Self {
        Self(sse2!(_mm_set1_epi32(lanes.cast_signed())))
    }

    #[inline(always)]
    fn load([bytes]: [&[u8; STRIDE]; 1]) -> Self {
        Self(bytemuck::must_cast(*bytes))
    }

    #[inline(always)]
    fn to_sums(self) -> [[u32; 4]; 1] {
        [bytemuck::must_cast(self.0)]
    }

    #[inline(always)]
    fn low_bytes(self) -> Self {
        Self(sse2!(_mm_and_si128(self.0, _mm_set1_epi16(0xFF))))
    }

    #[inline(always)]
    fn high_bytes(self) -> Self {
        Self(sse2!(_mm_srai_epi16::<8>(self.0)))
    }

    #[inline(always)]
    fn subtract_lanes(self, other: Self) -> Self {
        Self(sse2!(_mm_sub_epi16(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_add(self, other: Self) -> Self {
        Self(sse2!(_mm_madd_epi16(self.0, other.0)))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(sse2!(_mm_add_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn difference_shifted(self, other: Self) -> Self {
        Self(sse2!(_mm_srai_epi32::<8>(_mm_sub_epi32(self.0, other.0))))
    }

    #[inline(always)]
    fn even_lanes(self, other: Self) -> Self {
        Self(sse2!(_mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(
            _mm_castsi128_ps(self.0),
            _mm_castsi128_ps(other.0)
        ))))
    }

    #[inline(always)]
    fn odd_lanes(self, other: Self) -> Self {
        Self(sse2!(_mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(
            _mm_castsi128_ps(self.0),
            _mm_castsi128_ps(other.0)
        ))))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(sse2!({
            let greater = _mm_cmpgt_epi32(self.0, other.0);
            _mm_or_si128(_mm_and_si128(greater, self.0), _mm_andnot_si128(greater, other.0))
        }))
    }
}

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Sse2;

vector_kernels!(Sse2, Block, 1, 8, [], true);
