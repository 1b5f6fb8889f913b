//! Vectors of 128 bits on aarch64.

#![allow(unsafe_code, reason = "the compiler wants to be told that every aarch64 has NEON")]

use core::arch::aarch64::{
    int16x8_t, uint8x16_t, uint32x4_t, vaddq_s32, vandq_s16, vdupq_n_s16, vdupq_n_u32, vget_low_s16, vmaxq_s32,
    vmull_high_s16, vmull_s16, vpaddq_s32, vreinterpretq_s16_s32, vreinterpretq_s16_u8, vreinterpretq_s16_u32,
    vreinterpretq_s32_s16, vreinterpretq_u32_s16, vshrq_n_s16,
};

/// Instructions of NEON.
macro_rules! neon {
    ($value:expr) => {
        // SAFETY: arithmetic in registers, which every aarch64 has.
        unsafe { $value }
    };
}

/// Eight lanes of 16 bits, or four of 32.
#[derive(Clone, Copy)]
pub struct Vector(int16x8_t);

impl Vector {
    /// Two 16-bit lanes, four times; or a 32-bit lane.
    #[inline(always)]
    pub fn splat(lanes: u32) -> Self {
        Self(neon!(vreinterpretq_s16_u32(vdupq_n_u32(lanes))))
    }

    /// From memory.
    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Self {
        Self(neon!(vreinterpretq_s16_u8(bytemuck::must_cast::<_, uint8x16_t>(*bytes))))
    }

    /// 32-bit lanes.
    #[inline(always)]
    pub fn from_array(lanes: [u32; 4]) -> Self {
        Self(neon!(vreinterpretq_s16_u32(bytemuck::must_cast::<_, uint32x4_t>(lanes))))
    }

    /// 32-bit lanes.
    #[inline(always)]
    pub fn to_array(self) -> [u32; 4] {
        bytemuck::must_cast(neon!(vreinterpretq_u32_s16(self.0)))
    }

    /// The low byte of each 16-bit lane, without sign.
    #[inline(always)]
    pub fn low_bytes(self) -> Self {
        Self(neon!(vandq_s16(self.0, vdupq_n_s16(0xFF))))
    }

    /// The high byte of each 16-bit lane, with its sign.
    #[inline(always)]
    pub fn high_bytes(self) -> Self {
        Self(neon!(vshrq_n_s16::<8>(self.0)))
    }

    /// The products of 16-bit lanes, neighbors added.
    #[inline(always)]
    pub fn multiply_add(self, other: Self) -> Self {
        Self(neon!({
            let low = vmull_s16(vget_low_s16(self.0), vget_low_s16(other.0));
            vreinterpretq_s16_s32(vpaddq_s32(low, vmull_high_s16(self.0, other.0)))
        }))
    }

    /// Sums of 32-bit lanes, wrapping.
    #[inline(always)]
    pub fn add(self, other: Self) -> Self {
        Self(neon!(vreinterpretq_s16_s32(vaddq_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0)))))
    }

    /// The larger of each two signed 32-bit lanes.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self(neon!(vreinterpretq_s16_s32(vmaxq_s32(vreinterpretq_s32_s16(self.0), vreinterpretq_s32_s16(other.0)))))
    }
}
