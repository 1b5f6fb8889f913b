//! Vectors of 128 bits of WebAssembly: simd128, where the program is compiled for it.

use core::arch::wasm32::{
    i16x8, i16x8_shr, i16x8_sub, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane, i32x4_max, i32x4_shr, i32x4_shuffle,
    i32x4_splat, i32x4_sub, i64x2, v128, v128_and,
};

use super::shared::vectors::lanes::{STRIDE, Vector};
use super::shared::vectors::vector_kernels;

/// A block's eight lanes of 16 bits, or four of 32.
#[derive(Clone, Copy)]
pub struct Block(v128);

impl Vector<1> for Block {
    type OneBlock = Self;

    #[inline(always)]
    fn splat(lanes: u32) -> Self {
        Self(i32x4_splat(lanes.cast_signed()))
    }

    #[inline(always)]
    fn load([bytes]: [&[u8; STRIDE]; 1]) -> Self {
        let [low, high]: [[u8; 8]; 2] = bytemuck::must_cast(*bytes);
        // A load, as the compiler sees it.
        Self(i64x2(i64::from_le_bytes(low), i64::from_le_bytes(high)))
    }

    #[inline(always)]
    fn to_sums(self) -> [[u32; 4]; 1] {
        let lanes = [
            i32x4_extract_lane::<0>(self.0),
            i32x4_extract_lane::<1>(self.0),
            i32x4_extract_lane::<2>(self.0),
            i32x4_extract_lane::<3>(self.0),
        ];
        [lanes.map(i32::cast_unsigned)]
    }

    #[inline(always)]
    fn low_bytes(self) -> Self {
        Self(v128_and(self.0, i16x8(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)))
    }

    #[inline(always)]
    fn high_bytes(self) -> Self {
        Self(i16x8_shr(self.0, 8))
    }

    #[inline(always)]
    fn subtract_lanes(self, other: Self) -> Self {
        Self(i16x8_sub(self.0, other.0))
    }

    #[inline(always)]
    fn multiply_add(self, other: Self) -> Self {
        Self(i32x4_dot_i16x8(self.0, other.0))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(i32x4_add(self.0, other.0))
    }

    #[inline(always)]
    fn difference_shifted(self, other: Self) -> Self {
        Self(i32x4_shr(i32x4_sub(self.0, other.0), 8))
    }

    #[inline(always)]
    fn even_lanes(self, other: Self) -> Self {
        Self(i32x4_shuffle::<0, 2, 4, 6>(self.0, other.0))
    }

    #[inline(always)]
    fn odd_lanes(self, other: Self) -> Self {
        Self(i32x4_shuffle::<1, 3, 5, 7>(self.0, other.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(i32x4_max(self.0, other.0))
    }
}

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Wasm;

vector_kernels!(Wasm, Block, 1, 8, [], true);
