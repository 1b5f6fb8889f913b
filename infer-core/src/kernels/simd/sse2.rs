//! Vectors of 128 bits on x86-64.

#![allow(unsafe_code, reason = "the compiler wants to be told that every x86-64 has SSE2")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_cmpgt_epi32, _mm_madd_epi16, _mm_or_si128,
    _mm_set1_epi16, _mm_set1_epi32, _mm_srai_epi16,
};

/// Instructions of SSE2.
macro_rules! sse2 {
    ($value:expr) => {
        // SAFETY: arithmetic in registers, which every x86-64 has.
        unsafe { $value }
    };
}

/// Eight lanes of 16 bits, or four of 32.
#[derive(Clone, Copy)]
pub struct Vector(__m128i);

impl Vector {
    /// Two 16-bit lanes, four times; or a 32-bit lane.
    #[inline(always)]
    pub fn splat(lanes: u32) -> Self {
        Self(sse2!(_mm_set1_epi32(lanes.cast_signed())))
    }

    /// From memory.
    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Self {
        Self(bytemuck::must_cast(*bytes))
    }

    /// 32-bit lanes.
    #[inline(always)]
    pub fn from_array(lanes: [u32; 4]) -> Self {
        Self(bytemuck::must_cast(lanes))
    }

    /// 32-bit lanes.
    #[inline(always)]
    pub fn to_array(self) -> [u32; 4] {
        bytemuck::must_cast(self.0)
    }

    /// The low byte of each 16-bit lane, without sign.
    #[inline(always)]
    pub fn low_bytes(self) -> Self {
        Self(sse2!(_mm_and_si128(self.0, _mm_set1_epi16(0xFF))))
    }

    /// The high byte of each 16-bit lane, with its sign.
    #[inline(always)]
    pub fn high_bytes(self) -> Self {
        Self(sse2!(_mm_srai_epi16::<8>(self.0)))
    }

    /// The products of 16-bit lanes, neighbors added.
    #[inline(always)]
    pub fn multiply_add(self, other: Self) -> Self {
        Self(sse2!(_mm_madd_epi16(self.0, other.0)))
    }

    /// Sums of 32-bit lanes, wrapping.
    #[inline(always)]
    pub fn add(self, other: Self) -> Self {
        Self(sse2!(_mm_add_epi32(self.0, other.0)))
    }

    /// The larger of each two signed 32-bit lanes.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self(sse2!({
            let greater = _mm_cmpgt_epi32(self.0, other.0);
            _mm_or_si128(_mm_and_si128(greater, self.0), _mm_andnot_si128(greater, other.0))
        }))
    }
}
