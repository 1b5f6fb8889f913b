//! The inverse discrete cosine transform of a block, exact to the bit as libjpeg's "islow": Loeffler, Ligtenberg and
//! Moschytz, with constants of 13 bits and two bits kept between the passes.

use std::num::Wrapping;

/// Bits of the constants.
const CONSTANT_BITS: usize = 13;

/// Bits that the first pass leaves for the second to round.
const KEPT_BITS: usize = 2;

/// Numbers that no image has wrap around, as in libjpeg, where they are undefined.
type Number = Wrapping<i32>;

const fn constant(value: f64) -> Number {
    Wrapping((value * (1 << CONSTANT_BITS) as f64 + 0.5) as i32)
}

/// Samples of a block from its coefficients, both row by row. The coefficients are those of the file times the
/// quantization table.
pub(super) fn samples(coefficients: &[i32; 64]) -> [u8; 64] {
    let mut between = [Wrapping(0); 64];
    for column in 0..8 {
        let input: [Number; 8] = std::array::from_fn(|row| Wrapping(coefficients[8 * row + column]));
        let output = if input[1..].iter().all(|&coefficient| coefficient == Wrapping(0)) {
            [input[0] << KEPT_BITS; 8]
        } else {
            transform::<{ CONSTANT_BITS - KEPT_BITS }>(input)
        };
        for (row, value) in output.into_iter().enumerate() {
            between[8 * row + column] = value;
        }
    }
    let mut samples = [0; 64];
    let (rows, _) = between.as_chunks::<8>();
    for (samples, row) in samples.as_chunks_mut::<8>().0.iter_mut().zip(rows) {
        *samples = transform::<{ CONSTANT_BITS + KEPT_BITS + 3 }>(*row).map(sample);
    }
    samples
}

/// The sample that all of a block has if only its first coefficient is not zero.
pub(super) fn flat_sample(coefficient: i32) -> u8 {
    sample((Wrapping(coefficient) + Wrapping(4)) >> 3)
}

fn sample(value: Number) -> u8 {
    (value + Wrapping(128)).0.clamp(0, 255) as u8
}

/// One dimension, scaled by the square root of 8, rounded to fewer bits.
#[inline(always)]
fn transform<const SHIFT: usize>(input: [Number; 8]) -> [Number; 8] {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = input;

    let both = (x2 + x6) * const { constant(0.541_196_100) };
    let even2 = both - x6 * const { constant(1.847_759_065) };
    let even3 = both + x2 * const { constant(0.765_366_865) };
    let even0 = (x0 + x4) << CONSTANT_BITS;
    let even1 = (x0 - x4) << CONSTANT_BITS;
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let all = (x7 + x3 + x5 + x1) * const { constant(1.175_875_602) };
    let by_71 = (x7 + x1) * const { constant(0.899_976_223) };
    let by_53 = (x5 + x3) * const { constant(2.562_915_447) };
    let by_73 = all - (x7 + x3) * const { constant(1.961_570_560) };
    let by_51 = all - (x5 + x1) * const { constant(0.390_180_644) };
    let odd = [
        x1 * const { constant(1.501_321_110) } - by_71 + by_51,
        x3 * const { constant(3.072_711_026) } - by_53 + by_73,
        x5 * const { constant(2.053_119_869) } - by_53 + by_51,
        x7 * const { constant(0.298_631_336) } - by_71 + by_73,
    ];

    let half = Wrapping(1 << (SHIFT - 1));
    std::array::from_fn(|at| match at {
        0..4 => (even[at] + odd[at] + half) >> SHIFT,
        _ => (even[7 - at] - odd[7 - at] + half) >> SHIFT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition (ITU-T T.81, A.3.3).
    fn defined(coefficients: &[i32; 64]) -> [f64; 64] {
        let cosine = |x: usize, u: usize| {
            let scale = if u == 0 { 0.5f64.sqrt() } else { 1.0 };
            scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|at| {
            let (y, x) = (at / 8, at % 8);
            let sum: f64 = (0..64).map(|k| f64::from(coefficients[k]) * cosine(y, k / 8) * cosine(x, k % 8)).sum();
            (sum / 4.0 + 128.0).clamp(0.0, 255.0)
        })
    }

    #[test]
    fn samples_are_within_one_level_of_the_definition() {
        let mut state = 48u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i32
        };
        for nonzero in [1, 2, 5, 20, 64] {
            for _ in 0..200 {
                let mut coefficients = [0; 64];
                coefficients[0] = next() % 900 - 450;
                for _ in 1..nonzero {
                    coefficients[next() as usize % 64] = next() % 300 - 150;
                }
                for (found, exact) in samples(&coefficients).into_iter().zip(defined(&coefficients)) {
                    assert!((f64::from(found) - exact).abs() < 1.0, "{found} for {exact}");
                }
            }
        }
    }

    #[test]
    fn a_block_of_one_coefficient_is_flat() {
        for coefficient in -1100..=1100 {
            let mut coefficients = [0; 64];
            coefficients[0] = coefficient;
            assert_eq!(samples(&coefficients), [flat_sample(coefficient); 64]);
        }
    }

    #[test]
    fn numbers_that_no_image_has_give_some_samples() {
        for value in [i32::MAX, i32::MIN, 1 << 27, -(1 << 27)] {
            let _ = (samples(&[value; 64]), flat_sample(value));
        }
    }
}
