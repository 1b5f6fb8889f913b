//! Weights and sums of rows in vectors, and what becomes of sums.

#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length")]

use crate::kernels::operands::Rescale;
use crate::packing::ROWS_PER_BLOCK;

/// Bytes of a block's weights for a pair of inputs.
pub const STRIDE: usize = 2 * ROWS_PER_BLOCK;

/// Weights or inputs of `BLOCKS` blocks, in 16-bit lanes, or sums, in 32-bit lanes.
pub trait Vector<const BLOCKS: usize>: Copy {
    /// The vectors for a block by itself.
    type OneBlock: Vector<1>;

    /// Two 16-bit lanes over and over, or a 32-bit lane.
    fn splat(lanes: u32) -> Self;
    /// Weights.
    fn load(bytes: [&[u8; STRIDE]; BLOCKS]) -> Self;
    /// Four sums of each block.
    fn to_sums(self) -> [[u32; 4]; BLOCKS];
    /// The low byte of each 16-bit lane, without sign.
    fn low_bytes(self) -> Self;
    /// The high byte of each 16-bit lane, with its sign.
    fn high_bytes(self) -> Self;
    /// The differences of 16-bit lanes.
    fn subtract_lanes(self, other: Self) -> Self;
    /// The products of 16-bit lanes, neighbors added.
    fn multiply_add(self, other: Self) -> Self;
    /// Sums of 32-bit lanes, wrapping.
    fn add(self, other: Self) -> Self;
    /// The difference of 32-bit lanes, wrapping, shifted right by 8 with its sign.
    fn difference_shifted(self, other: Self) -> Self;
    /// The larger of each two signed 32-bit lanes.
    fn max(self, other: Self) -> Self;
    /// The even 32-bit lanes of a block, then those of the other one.
    fn even_lanes(self, other: Self) -> Self;
    /// The odd ones.
    fn odd_lanes(self, other: Self) -> Self;

    /// The codes of all rows, given their sums, and the biases and the multipliers of even and of odd rows.
    #[inline(always)]
    fn codes(
        sums: [Self; 2],
        biases: [Self; 2],
        multipliers: [Self; 2],
        rescale: Rescale,
    ) -> [[u8; ROWS_PER_BLOCK]; BLOCKS] {
        let [biases, multipliers] = [biases, multipliers].map(|[even, odd]| [even.to_sums(), odd.to_sums()]);
        let [even, odd] = sums.map(Self::to_sums);
        let in_order = |even: [u32; 4], odd: [u32; 4]| {
            let ([e0, e1, e2, e3], [o0, o1, o2, o3]) = (even, odd);
            [e0, o0, e1, o1, e2, o2, e3, o3].map(u32::cast_signed)
        };
        let mut codes = [[0; ROWS_PER_BLOCK]; BLOCKS];
        for (block, codes) in codes.iter_mut().enumerate() {
            let mut accumulators = in_order(even[block], odd[block]);
            let biases = in_order(biases[0][block], biases[1][block]);
            accumulators.iter_mut().zip(biases).for_each(|(sum, bias)| *sum = sum.wrapping_add(bias));
            *codes = requantize_lanes(accumulators, &in_order(multipliers[0][block], multipliers[1][block]), rescale);
        }
        codes
    }
}

/// Weights of eight rows of each block for a pair of inputs, taken apart; or their sums.
#[derive(Clone, Copy)]
pub struct Rows<V> {
    pub even: V,
    pub odd: V,
}

impl<V> Rows<V> {
    /// Weights, taken apart.
    #[inline(always)]
    pub fn weights<const BLOCKS: usize>(bytes: [&[u8; STRIDE]; BLOCKS]) -> Self
    where
        V: Vector<BLOCKS>,
    {
        let lanes = V::load(bytes);
        Self { even: lanes.low_bytes(), odd: lanes.high_bytes() }
    }

    /// Weights, taken apart, the 128 of even rows taken out.
    #[inline(always)]
    pub fn signed_weights<const BLOCKS: usize>(bytes: [&[u8; STRIDE]; BLOCKS]) -> Self
    where
        V: Vector<BLOCKS>,
    {
        let Self { even, odd } = Self::weights(bytes);
        Self { even: even.subtract_lanes(V::splat(128 | 128 << 16)), odd }
    }

    /// Adds the products of a pair of inputs, `a | b << 16`, and its weights.
    #[inline(always)]
    pub fn add<const BLOCKS: usize>(&mut self, pair: V, weights: Self)
    where
        V: Vector<BLOCKS>,
    {
        self.even = self.even.add(weights.even.multiply_add(pair));
        self.odd = self.odd.add(weights.odd.multiply_add(pair));
    }
}

/// As in `portable`, in 64 bits to the end: no branch, which half of the codes would mispredict.
#[inline(always)]
fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let product = i64::from(accumulator.wrapping_shl(rescale.shift.into())) * i64::from(multiplier);
    let rounded = ((product + (1 << 31)) >> 32) + i64::from(rescale.zero_point);
    rounded.clamp(0, 255) as u8
}

/// The code of a sum without its bias, given the channel's bias and multiplier.
#[inline(always)]
pub fn code_of(sum: u32, &[b0, b1, b2, b3, m0, m1, m2, m3]: &[u8; 8], rescale: Rescale) -> u8 {
    let accumulator = sum.cast_signed().wrapping_add(i32::from_le_bytes([b0, b1, b2, b3]));
    requantize(accumulator, i32::from_le_bytes([m0, m1, m2, m3]), rescale)
}

/// What becomes of accumulators, lane by lane: loops that the compiler makes vectors of.
#[inline(always)]
pub fn requantize_lanes<const LANES: usize>(
    accumulators: [i32; LANES],
    multipliers: &[i32; LANES],
    rescale: Rescale,
) -> [u8; LANES] {
    // What rounds, and the zero point.
    let constant = i64::from(rescale.zero_point) << 32 | 1 << 31;
    // Loops of one kind of number each. All of what is left after the shift fits 32 bits.
    let mut rounded = [0i32; LANES];
    for ((rounded, accumulator), &multiplier) in rounded.iter_mut().zip(accumulators).zip(multipliers) {
        let product = i64::from(accumulator.wrapping_shl(rescale.shift.into())) * i64::from(multiplier);
        *rounded = ((product + constant) >> 32) as i32;
    }
    let mut codes = [0; LANES];
    codes.iter_mut().zip(rounded).for_each(|(code, rounded)| *code = rounded.clamp(0, 255) as u8);
    codes
}

/// Codes as a kernel reads them.
pub trait Codes: Copy + Default + From<u8> {
    /// Codes that are read as they are.
    fn unwidened(codes: &[u8]) -> Option<&[Self]>;

    /// Writes codes.
    fn widen(codes: &[u8], widened: &mut [Self]);
}

impl Codes for u8 {
    #[inline(always)]
    fn unwidened(codes: &[u8]) -> Option<&[Self]> {
        Some(codes)
    }

    #[inline(always)]
    fn widen(codes: &[u8], widened: &mut [Self]) {
        if codes.len() == widened.len() {
            widened.copy_from_slice(codes);
        }
    }
}

impl Codes for u16 {
    #[inline(always)]
    fn unwidened(_codes: &[u8]) -> Option<&[Self]> {
        None
    }

    #[inline(always)]
    fn widen(codes: &[u8], widened: &mut [Self]) {
        widened.iter_mut().zip(codes).for_each(|(widened, &code)| *widened = code.into());
    }
}
