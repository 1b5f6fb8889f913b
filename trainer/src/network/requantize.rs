//! The integers that take an accumulator to a code: `q = zp + ((acc << shift) * m + 2^31 >> 32)`.
//!
//! `m = ratio * 2^(32 - shift)`, rounded once: of all shifts the smallest that keeps every `m` under 2^31 makes it the
//! largest and so the most precise. Ratios are far below one half in practice, and the shift is 0.

/// The multipliers of a layer's channels and the shift they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipliers {
    /// Left shift before the multiplication.
    pub shift: u8,
    /// One per channel, positive.
    pub multipliers: Vec<i32>,
}

/// The most precise multipliers for these ratios of accumulator scale to output scale.
///
/// # Errors
/// The ratio that no multiplier of 31 bits expresses: not positive, under `2^-33`, or so large that even the largest
/// shift leaves it over 31 bits.
pub fn multipliers(ratios: &[f64]) -> Result<Multipliers, f64> {
    let largest = ratios.iter().copied().fold(0.0, f64::max);
    let fixed = |ratio: f64, shift: u8| (ratio * f64::from(32 - shift).exp2()).round();
    let shift = (0..=31).find(|&shift| fixed(largest, shift) <= f64::from(i32::MAX)).ok_or(largest)?;
    let multiplier = |&ratio: &f64| {
        let multiplier = fixed(ratio, shift);
        if multiplier >= 1.0 { Ok(multiplier as i32) } else { Err(ratio) }
    };
    Ok(Multipliers { shift, multipliers: ratios.iter().map(multiplier).collect::<Result<_, _>>()? })
}

/// A multiplier with a shift of its own, for kernels that round twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// `2^30` to `2^31 - 1`.
    pub multiplier: i32,
    /// Right shift after it; to the left before it where it is negative.
    pub shift: i32,
}

impl Scaled {
    /// `ratio = multiplier * 2^(-31 - shift)`, rounded once: TFLite's `QuantizeMultiplier`.
    ///
    /// # Errors
    /// The ratio, where its shift is not -30 to 31.
    pub fn of(ratio: f64) -> Result<Self, f64> {
        if !(ratio.is_finite() && ratio > 0.0) {
            return Err(ratio);
        }
        // A first guess, as a logarithm rounds.
        let mut shift = -1 - ratio.log2().floor() as i32;
        let fraction = |shift: i32| ratio * f64::from(shift).exp2();
        while fraction(shift) >= 1.0 {
            shift += 1;
        }
        while fraction(shift) < 0.5 {
            shift -= 1;
        }
        let mut multiplier = (fraction(shift) * 31f64.exp2()).round();
        if multiplier >= 31f64.exp2() {
            (multiplier, shift) = (30f64.exp2(), shift - 1);
        }
        if (-30..=31).contains(&shift) { Ok(Self { multiplier: multiplier as i32, shift }) } else { Err(ratio) }
    }
}

/// The largest magnitude that any input can bring a channel's accumulator to: `|bias| + 255 * sum(|w|)`.
#[must_use]
pub fn accumulator_bound(row: &[i8], bias: i64) -> i64 {
    let weights: i64 = row.iter().map(|&weight| i64::from(weight).abs()).sum();
    bias.saturating_abs().saturating_add(255 * weights)
}

/// A bias in steps of the accumulator, with the input's zero point folded in:
/// `sum((q - zp) * w) + b = sum(q * w) + (b - zp * sum(w))`.
///
/// # Errors
/// The [bound](accumulator_bound), where it does not fit 32 bits.
pub fn fold_bias(row: &[i8], bias: i64, zero_point: u8) -> Result<i32, i64> {
    let sum: i64 = row.iter().map(|&weight| i64::from(weight)).sum();
    let folded = bias.saturating_sub(i64::from(zero_point) * sum);
    let bound = accumulator_bound(row, folded);
    i32::try_from(folded).ok().filter(|_| bound <= i64::from(i32::MAX)).ok_or(bound)
}

/// The proof that kernels may shift a channel's accumulator left without losing bits, whatever the input.
///
/// # Errors
/// The shifted [bound](accumulator_bound), where it does not fit 32 bits.
pub fn prove_no_overflow(row: &[i8], bias: i32, shift: u8) -> Result<(), i64> {
    let bound = accumulator_bound(row, bias.into()) << shift;
    if bound > i64::from(i32::MAX) { Err(bound) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_are_the_ratios_to_31_bits() {
        for ratios in [vec![0.001, 0.0004], vec![0.7, 0.2], vec![3.5, 0.9], vec![0.499_999]] {
            let Multipliers { shift, multipliers } = multipliers(&ratios).unwrap();
            for (ratio, multiplier) in ratios.iter().zip(&multipliers) {
                let back = f64::from(*multiplier) * (f64::from(shift) - 32.0).exp2();
                assert!((back / ratio - 1.0).abs() < 1e-5, "{ratio}: {back}");
            }
            let largest = *multipliers.iter().max().unwrap();
            assert!(shift == 0 || largest > 1 << 30, "a smaller shift would have been more precise");
        }
    }

    #[test]
    fn a_multiplier_with_its_own_shift_has_31_bits_whatever_the_ratio() {
        for ratio in
            [0.5, 0.25, 0.999_999_999_99, 1.0, 3.75, 1e-9, 1e9, 0.003_921_569, f64::from(0.1f32) * f64::from(0.7f32)]
        {
            let Scaled { multiplier, shift } = Scaled::of(ratio).unwrap();
            assert!(multiplier >= 1 << 30, "{ratio}");
            let back = f64::from(multiplier) * f64::from(-31 - shift).exp2();
            assert!((back / ratio - 1.0).abs() <= 2f64.powi(-31), "{ratio}: {back}");
        }
        assert_eq!(Scaled::of(0.5), Ok(Scaled { multiplier: 1 << 30, shift: 0 }));
        assert_eq!(
            Scaled::of(1.0 - 1e-12),
            Ok(Scaled { multiplier: 1 << 30, shift: -1 }),
            "rounded to the next power of two"
        );
        for ratio in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-12, 1e12] {
            assert!(Scaled::of(ratio).is_err(), "{ratio}");
        }
    }

    #[test]
    fn ratios_beyond_any_multiplier_are_refused() {
        assert_eq!(multipliers(&[0.1, 1e-12]), Err(1e-12));
        assert_eq!(multipliers(&[1e12]), Err(1e12));
        assert_eq!(multipliers(&[0.1, 0.0]), Err(0.0));
    }

    #[test]
    fn the_bound_is_reached_by_the_worst_input() {
        let row = [127i8, -127, 3];
        assert_eq!(accumulator_bound(&row, -1000), 1000 + 255 * 257);
    }
}
