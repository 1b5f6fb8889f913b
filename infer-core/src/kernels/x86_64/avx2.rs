//! Vectors of 256 bits on x86-64: AVX2, used where the processor reports it when the program runs.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]

use core::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_blend_epi32,
    _mm256_castps_si256, _mm256_castsi256_ps, _mm256_madd_epi16, _mm256_max_epi32, _mm256_mul_epi32,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_set_m128i, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_epi64x, _mm256_shuffle_ps, _mm256_sll_epi32, _mm256_srai_epi16, _mm256_srai_epi32, _mm256_srli_epi64,
    _mm256_sub_epi16, _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpacklo_epi32,
};

use super::sse2::Block;
use crate::kernels::operands::Rescale;
use crate::kernels::shared::vectors::lanes::{STRIDE, Vector};
use crate::kernels::shared::vectors::vector_kernels;
use crate::packing::ROWS_PER_BLOCK;

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
    fn even_lanes(self, other: Self) -> Self {
        Self(avx2!(_mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(
            _mm256_castsi256_ps(self.0),
            _mm256_castsi256_ps(other.0)
        ))))
    }

    #[inline(always)]
    fn odd_lanes(self, other: Self) -> Self {
        Self(avx2!(_mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(
            _mm256_castsi256_ps(self.0),
            _mm256_castsi256_ps(other.0)
        ))))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(avx2!(_mm256_max_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn codes(
        sums: [Self; 2],
        biases: [Self; 2],
        multipliers: [Self; 2],
        rescale: Rescale,
    ) -> [[u8; ROWS_PER_BLOCK]; 2] {
        let [even, odd] = sums;
        let [even, odd] =
            [scaled(even.add(biases[0]), multipliers[0], rescale), scaled(odd.add(biases[1]), multipliers[1], rescale)];
        let packed: [[u8; 16]; 2] = bytemuck::must_cast(avx2!({
            let words = _mm256_packs_epi32(_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd));
            _mm256_packus_epi16(words, words)
        }));
        let [[a0, a1, a2, a3, a4, a5, a6, a7, ..], [b0, b1, b2, b3, b4, b5, b6, b7, ..]] = packed;
        [[a0, a1, a2, a3, a4, a5, a6, a7], [b0, b1, b2, b3, b4, b5, b6, b7]]
    }
}

/// Codes that are not clamped yet, 32 bits each.
#[inline(always)]
fn scaled(accumulators: TwoBlocks, multipliers: TwoBlocks, rescale: Rescale) -> __m256i {
    avx2!({
        // What rounds, and the zero point.
        let constant = _mm256_set1_epi64x(i64::from(rescale.zero_point) << 32 | 1 << 31);
        let accumulators = _mm256_sll_epi32(accumulators.0, _mm_cvtsi32_si128((rescale.shift & 31).into()));
        let even = _mm256_mul_epi32(accumulators, multipliers.0);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(accumulators), _mm256_srli_epi64::<32>(multipliers.0));
        let even = _mm256_srli_epi64::<32>(_mm256_add_epi64(even, constant));
        _mm256_blend_epi32::<0b1010_1010>(even, _mm256_add_epi64(odd, constant))
    })
}

/// See the [module](self). Where the processor has no AVX2, these kernels are portable.
#[derive(Clone, Copy, Debug)]
pub struct Avx2;

vector_kernels!(Avx2, TwoBlocks, 2, 16, [target_feature(enable = "avx2")], is_there());
