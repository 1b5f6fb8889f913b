//! From accumulators to codes: the one rounding.

use crate::kernels::operands::Rescale;

/// `q = clamp(zero_point + (((acc << shift) as i64 * multiplier + 2^31) >> 32), 0, 255)`: one rounding, half up.
pub fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    let product = i64::from(shifted) * i64::from(multiplier);
    let rounded = ((product + (1 << 31)) >> 32) as i32;
    rounded.saturating_add(rescale.zero_point.into()).clamp(0, 255) as u8
}
