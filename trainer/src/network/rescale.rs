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
/// The [bound](accumulator_bound), where it is more than 32 bits hold.
pub fn fold_bias(row: &[i8], bias: i64, zero_point: u8) -> Result<i32, i64> {
    let sum: i64 = row.iter().map(|&weight| i64::from(weight)).sum();
    let folded = bias.saturating_sub(i64::from(zero_point) * sum);
    let bound = accumulator_bound(row, folded);
    i32::try_from(folded).ok().filter(|_| bound <= i64::from(i32::MAX)).ok_or(bound)
}

/// The proof that kernels may shift a channel's accumulator left without losing bits, whatever the input.
///
/// # Errors
/// The shifted [bound](accumulator_bound), where it is more than 32 bits hold.
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
