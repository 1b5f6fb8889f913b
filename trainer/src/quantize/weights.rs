//! Symmetric `i8` weights: `w = scale * q`, q from -127 to 127.

/// A bias takes at most this many steps of the accumulator, so that a channel whose weights are all next to zero does
/// not drown in its own bias.
const MOST_BIAS_STEPS: f64 = (1 << 24) as f64;

/// A channel's scale is at least this share of the layer's largest: weights that are nothing beside the other channels'
/// need no precision of their own, and their multiplier stays within the range of integers.
const LEAST_SHARE: f64 = 1.0 / (1 << 16) as f64;

/// The scale of each output channel, given a row of weights and a bias for each.
#[must_use]
pub fn scales(rows: &[impl AsRef<[f32]>], biases: &[f32], input_scale: f32) -> Vec<f64> {
    let scales: Vec<f64> = rows.iter().zip(biases).map(|(row, &bias)| scale(row.as_ref(), bias, input_scale)).collect();
    let largest = largest(&scales);
    // A layer of zeros has no scale of its own; any will do.
    let least = if largest > 0.0 { largest * LEAST_SHARE } else { 1.0 / 127.0 };
    scales.into_iter().map(|scale| scale.max(least)).collect()
}

/// The scale that all channels of the last layer share.
#[must_use]
pub fn largest(scales: &[f64]) -> f64 {
    scales.iter().copied().fold(0.0, f64::max)
}

/// The scale of one output channel: its largest weight becomes 127.
fn scale(row: &[f32], bias: f32, input_scale: f32) -> f64 {
    let largest = row.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
    let for_weights = f64::from(largest) / 127.0;
    let for_bias = f64::from(bias.abs()) / (f64::from(input_scale) * MOST_BIAS_STEPS);
    for_weights.max(for_bias)
}

/// The nearest codes, ties away from zero.
#[must_use]
pub fn quantize(row: &[f32], scale: f64) -> Vec<i8> {
    row.iter().map(|&weight| code(weight, scale) as i8).collect()
}

/// The nearest code of one weight.
#[inline(always)]
pub(super) fn code(weight: f32, scale: f64) -> f64 {
    (f64::from(weight) / scale).round().clamp(-127.0, 127.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_weight_becomes_127_and_no_weight_is_off_by_more_than_half_a_step() {
        let row = [0.3, -0.75, 0.0, 0.01, 0.5];
        let scale = scale(&row, 0.0, 1.0 / 255.0);
        let codes = quantize(&row, scale);
        assert_eq!(codes[1], -127);
        for (weight, code) in row.iter().zip(codes) {
            assert!((f64::from(*weight) - scale * f64::from(code)).abs() <= scale / 2.0 * 1.000_001);
        }
    }

    #[test]
    fn a_channel_of_zeros_keeps_a_bias_that_fits() {
        let scale = scale(&[0.0; 4], 0.5, 1.0 / 255.0);
        assert!(0.5 / (scale / 255.0) <= MOST_BIAS_STEPS * 1.000_001);
        assert_eq!(quantize(&[0.0; 4], scale), [0; 4]);
        assert_eq!(scales(&[vec![0.0; 4]], &[0.0], 1.0), [1.0 / 127.0]);
    }

    #[test]
    fn a_channel_next_to_zero_borrows_precision_from_its_neighbors() {
        assert_eq!(scales(&[vec![127.0], vec![1e-30]], &[0.0; 2], 1.0), [1.0, LEAST_SHARE]);
    }
}
