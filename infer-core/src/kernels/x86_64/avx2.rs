//! Vectors of 256 bits on x86-64: AVX2, used where the processor reports it when the program runs.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_madd_epi16, _mm256_max_epi32, _mm256_set_m128i,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_srai_epi16, _mm256_srai_epi32, _mm256_sub_epi16, _mm256_sub_epi32,
};

use super::sse2::Block;
use crate::kernels::shared::vectors::{STRIDE, Vector, vector_kernels};

cpufeatures::new!(avx2, "avx2");

/// Whether the processor has AVX2; only the first call has to find out.
pub fn is_there() -> bool {
    avx2::get()
}

/// Instructions of AVX2.
macro_rules! avx2 {
    ($value:expr) => {
        // SAFETY: arithmetic in registers; `TwoBlocks` is used only below, where AVX2 is there.
        unsafe { $value }
    };
}

/// Lanes of 16 bits, or of 32, eight or four of each of two blocks.
#[derive(Clone, Copy)]
struct TwoBlocks(__m256i);

impl Vector<2> for TwoBlocks {
    type OneBlock = Block;

    #[inline(always)]
    fn splat(lanes: u32) -> Self {
        Self(avx2!(_mm256_set1_epi32(lanes.cast_signed())))
    }

    #[inline(always)]
    fn load([first, second]: [&[u8; STRIDE]; 2]) -> Self {
        Self(avx2!(_mm256_set_m128i(bytemuck::must_cast(*second), bytemuck::must_cast(*first))))
    }

    #[inline(always)]
    fn to_sums(self) -> [[u32; 4]; 2] {
        bytemuck::must_cast(self.0)
    }

    #[inline(always)]
    fn low_bytes(self) -> Self {
        Self(avx2!(_mm256_and_si256(self.0, _mm256_set1_epi16(0xFF))))
    }

    #[inline(always)]
    fn high_bytes(self) -> Self {
        Self(avx2!(_mm256_srai_epi16::<8>(self.0)))
    }

    #[inline(always)]
    fn subtract_lanes(self, other: Self) -> Self {
        Self(avx2!(_mm256_sub_epi16(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_add(self, other: Self) -> Self {
        Self(avx2!(_mm256_madd_epi16(self.0, other.0)))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(avx2!(_mm256_add_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn difference_shifted(self, other: Self) -> Self {
        Self(avx2!(_mm256_srai_epi32::<8>(_mm256_sub_epi32(self.0, other.0))))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(avx2!(_mm256_max_epi32(self.0, other.0)))
    }
}

/// See the [module](self). Where the processor has no AVX2, these kernels are portable.
#[derive(Clone, Copy, Debug)]
pub struct Avx2;

vector_kernels!(Avx2, TwoBlocks, 2, 16, [target_feature(enable = "avx2")], is_there());
