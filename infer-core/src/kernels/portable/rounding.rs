//! From accumulators to codes: one rounding, or two.

use crate::kernels::operands::{Rescale, Scaling};

/// `q = clamp(zero_point + (((acc << shift) as i64 * multiplier + 2^31) >> 32), 0, 255)`: one rounding, half up.
pub fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    let product = i64::from(shifted) * i64::from(multiplier);
    let rounded = ((product + (1 << 31)) >> 32) as i32;
    rounded.saturating_add(rescale.zero_point.into()).clamp(0, 255) as u8
}

/// `round(round(2^-31 * number * multiplier) * 2^-shift)`: the first rounding half up, the second half away from zero. This is
/// `MultiplyByQuantizedMultiplier` of TFLite.
#[inline(always)]
pub fn round_twice(number: i32, scaling: Scaling) -> i32 {
    let Scaling { multiplier, shift } = scaling;
    let (left, right) = (shift.min(0).unsigned_abs(), shift.max(0).unsigned_abs());
    let product = i64::from(number.wrapping_shl(left)) * i64::from(multiplier);
    let once = ((product + (1 << 30)) >> 31) as i32;
    // What is shifted out, and half of a step; of a negative number exactly a half stays below.
    let mask = 1i32.wrapping_shl(right).wrapping_sub(1);
    let is_up = once & mask > (mask >> 1) + i32::from(once < 0);
    once.wrapping_shr(right).wrapping_add(is_up.into())
}

/// `round(2^-31 * number * multiplier * 2^-shift)`, a half up: one rounding, with all bits of the multiplier.
///
/// Nothing leaves 64 bits: a product is at most `2^62`, a half of the step at most `2^61`.
#[inline(always)]
pub fn round_once(number: i32, scaling: Scaling) -> i32 {
    let Scaling { multiplier, shift } = scaling;
    let (left, right) = (shift.min(0).unsigned_abs(), shift.max(0).unsigned_abs());
    let product = i64::from(number.wrapping_shl(left)) * i64::from(multiplier);
    (product + 1i64.wrapping_shl(30 + right)).wrapping_shr(31 + right) as i32
}

/// `q = clamp(zero_point + round_twice(acc), 0, 255)`.
pub fn requantize_twice(accumulator: i32, scaling: Scaling, zero_point: u8) -> u8 {
    round_twice(accumulator, scaling).saturating_add(zero_point.into()).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_rounding_takes_a_half_away_from_zero_and_the_first_one_up() {
        // A multiplier of 2^30 is a half.
        let rounded = |shift, numbers: [i32; 8]| {
            numbers.map(|number| round_twice(number, Scaling { multiplier: 1 << 30, shift }))
        };
        let numbers = [-6, -5, -3, -1, 1, 3, 5, 6];
        assert_eq!(rounded(0, numbers), [-3, -2, -1, 0, 1, 2, 3, 3]);
        // Of -3, -2, -1, 0, 1, 2, 3, 3 halves.
        assert_eq!(rounded(1, numbers), [-2, -1, -1, 0, 1, 1, 2, 2]);
        assert_eq!(rounded(-1, numbers), numbers);
        assert_eq!(
            rounded(31, [i32::MIN, i32::MIN + 1, -1, 0, 1, 2, i32::MAX - 1, i32::MAX]),
            [-1, 0, 0, 0, 0, 0, 0, 1]
        );
    }

    #[test]
    fn one_rounding_takes_a_half_up_whatever_the_shift() {
        let rounded =
            |shift, numbers: [i32; 6]| numbers.map(|number| round_once(number, Scaling { multiplier: 1 << 30, shift }));
        // Halves, then quarters.
        assert_eq!(rounded(0, [-3, -2, -1, 1, 2, 3]), [-1, -1, 0, 1, 1, 2]);
        assert_eq!(rounded(1, [-6, -5, -2, 1, 2, 6]), [-1, -1, 0, 0, 1, 2]);
        assert_eq!(rounded(-1, [-3, -2, -1, 1, 2, 3]), [-3, -2, -1, 1, 2, 3]);
        let most = Scaling { multiplier: i32::MAX, shift: 31 };
        assert_eq!([i32::MIN, -1, i32::MAX].map(|number| round_once(number, most)), [-1, 0, 1]);
    }

    #[test]
    fn codes_are_clamped_whatever_the_numbers() {
        for accumulator in [i32::MIN, -1, 0, 1, i32::MAX] {
            for multiplier in [1, 1 << 30, i32::MAX] {
                for shift in -30..=31 {
                    let code = requantize_twice(accumulator, Scaling { multiplier, shift }, 7);
                    match accumulator {
                        0 => assert_eq!(code, 7, "{multiplier} {shift}"),
                        ..0 if shift >= 0 => assert!(code <= 7, "{accumulator} {multiplier} {shift}"),
                        1.. if shift >= 0 => assert!(code >= 7, "{accumulator} {multiplier} {shift}"),
                        // What leaves 32 bits wraps.
                        ..0 | 1.. => {}
                    }
                }
            }
        }
    }
}
