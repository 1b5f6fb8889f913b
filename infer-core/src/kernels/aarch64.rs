//! Vectors of 128 bits on aarch64: NEON, which every aarch64 has.

#![allow(unsafe_code, reason = "the compiler needs to see that every aarch64 has NEON")]

use core::arch::aarch64::{
    int16x8_t, uint8x16_t, vaddq_s32, vandq_s16, vdupq_n_s16, vdupq_n_u32, vget_low_s16, vmaxq_s32, vmull_high_s16,
    vmull_s16, vpaddq_s32, vreinterpretq_s16_s32, vreinterpretq_s16_u8, vreinterpretq_s16_u32, vreinterpretq_s32_s16,
    vreinterpretq_u32_s16, vshrq_n_s16, vshrq_n_s32, vsubq_s16, vsubq_s32, vuzp1q_s32, vuzp2q_s32,
};

use super::shared::vectors::lanes::{STRIDE, Vector};
use super::shared::vectors::vector_kernels;

/// Instructions of NEON.
macro_rules! neon {
    ($value:expr) => {
        // SAFETY: arithmetic in registers, which every aarch64 has.
        unsafe { $value }
    };
}

/// A block's eight lanes of 16 bits, or four of 32.
#[derive(Clone, Copy)]
pub struct Block(int16x8_t);

impl Vector<1> for Block {
    type OneBlock = Self;

    #[inline(always)]
    fn splat(lanes: u32) -> Self {
        Self(neon!(vreinterpretq_s16_u32(vdupq_n_u32(lanes))))
    }

    #[inline(always)]
    fn load([bytes]: [&[u8; STRIDE]; 1]) -> Self {
        Self(neon!(vreinterpretq_s16_u8(bytemuck::must_cast::<_, uint8x16_t>(*bytes))))
    }

    #[inline(always)]
    fn to_sums(self) -> [[u32; 4]; 1] {
        [bytemuck::must_cast(neon!(vreinterpretq_u32_s16(self.0)))]
    }

    #[inline(always)]
    fn low_bytes(self) -> Self {
        Self(neon!(vandq_s16(self.0, vdupq_n_s16(0xFF))))
    }

    #[inline(always)]
    fn high_bytes(self) -> Self {
        Self(neon!(vshrq_n_s16::<8>(self.0)))
    }

    #[inline(always)]
    fn subtract_lanes(self, other: Self) -> Self {
        Self(neon!(vsubq_s16(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_add(self, other: Self) -> Self {
        Self(neon!({
            let low = vmull_s16(vget_low_s16(self.0), vget_low_s16(other.0));
            vreinterpretq_s16_s32(vpaddq_s32(low, vmull_high_s16(self.0, other.0)))
        }))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(neon!(vreinterpretq_s16_s32(vaddq_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0)))))
    }

    #[inline(always)]
    fn difference_shifted(self, other: Self) -> Self {
        Self(neon!({
            let difference = vsubq_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0));
            vreinterpretq_s16_s32(vshrq_n_s32::<8>(difference))
        }))
    }

    #[inline(always)]
    fn even_lanes(self, other: Self) -> Self {
        Self(neon!(vreinterpretq_s16_s32(vuzp1q_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0)))))
    }

    #[inline(always)]
    fn odd_lanes(self, other: Self) -> Self {
        Self(neon!(vreinterpretq_s16_s32(vuzp2q_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0)))))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(neon!(vreinterpretq_s16_s32(vmaxq_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0)))))
    }
}

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Aarch64;

vector_kernels!(Aarch64, Block, 1, 8, [], true);
