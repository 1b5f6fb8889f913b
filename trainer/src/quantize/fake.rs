//! Rounding to codes and back: what is left of float numbers once a model file holds them.
//!
//! The grids are those of the exporter: [`weights`] decides both what a weight becomes in the file and
//! what it becomes here.

use infer_core::format::Codes;

use super::weights;
use crate::support::vector::vectorized;

/// Rounds weights `[channels, inputs]` to the codes of their channel's scale, one for each channel.
pub fn fake_weights(weights: &mut [f32], scales: &[f64]) {
    let inputs = weights.len() / scales.len().max(1);
    for (row, &scale) in weights.chunks_exact_mut(inputs.max(1)).zip(scales) {
        fake_row(row, scale);
    }
}

/// Rounds biases to steps of the accumulator: those of their channel's weights times those of the input.
pub fn fake_biases(biases: &mut [f32], scales: &[f64], input_scale: f32) {
    for (bias, scale) in biases.iter_mut().zip(scales) {
        let step = scale * f64::from(input_scale);
        *bias = ((f64::from(*bias) / step).round() * step) as f32;
    }
}

vectorized! {
    fn fake_row(row: &mut [f32], scale: f64) {
        for weight in row {
            *weight = (weights::code(*weight, scale) * scale) as f32;
        }
    }
}

vectorized! {
    /// Rounds activations to their codes; what lies outside becomes the nearest code.
    pub fn fake_activations(values: &mut [f32], codes: Codes) {
        for value in values {
            *value = fake_activation(*value, codes);
        }
    }
}

vectorized! {
    /// The gradient of rounding, taken straight through (Bengio and others 2013): as it is where one of `values` had a code
    /// of its own, zero where it was clipped, since there nothing that it does changes the code.
    pub fn stop_clipped(gradient: &mut [f32], values: &[f32], codes: Codes) {
        for (gradient, &value) in gradient.iter_mut().zip(values) {
            *gradient = if clips(value, codes) { 0.0 } else { *gradient };
        }
    }
}

/// The value that the nearest code means.
#[inline(always)]
#[must_use]
pub fn fake_activation(value: f32, codes: Codes) -> f32 {
    let (lowest, highest) = ends(codes);
    steps(value, codes).clamp(lowest, highest) * codes.scale
}

/// Whether a value lies outside of what codes mean; what rounds to the first or the last one does not.
#[inline(always)]
#[must_use]
pub fn clips(value: f32, codes: Codes) -> bool {
    let (lowest, highest) = ends(codes);
    let steps = steps(value, codes);
    steps < lowest || steps > highest
}

/// Steps from zero, a half rounded up as requantizing does it.
#[inline(always)]
fn steps(value: f32, codes: Codes) -> f32 {
    (value / codes.scale + 0.5).floor()
}

/// Steps from zero to the first and to the last code.
#[inline(always)]
fn ends(codes: Codes) -> (f32, f32) {
    (-f32::from(codes.zero_point), 255.0 - f32::from(codes.zero_point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_what_the_file_holds() {
        let rows = [[0.3, -0.75, 0.0, 0.013, 0.5], [9.0, -2.0, 1.49, 1e-9, -9.1]];
        let scales = weights::scales(&rows, &[0.0; 2], 1.0);
        let mut rounded = rows.concat();
        fake_weights(&mut rounded, &scales);
        for ((row, scale), rounded) in rows.iter().zip(&scales).zip(rounded.chunks(5)) {
            for (code, rounded) in weights::quantize(row, *scale).into_iter().zip(rounded) {
                assert_eq!(*rounded, (f64::from(code) * scale) as f32);
            }
        }
    }

    #[test]
    fn biases_become_steps_of_the_accumulator() {
        let mut biases = [0.7, -0.2, 0.05];
        fake_biases(&mut biases, &[0.5, 0.25, 0.25], 0.5);
        assert_eq!(biases, [0.75, -0.25, 0.0]);
    }

    #[test]
    fn activations_become_their_nearest_code_halves_the_higher_one() {
        let codes = Codes { scale: 0.5, zero_point: 2 };
        let mut values = [-9.0, -1.0, -0.75, -0.2, 0.0, 0.25, 0.3, 126.5, 126.7, 127.0];
        fake_activations(&mut values, codes);
        assert_eq!(values, [-1.0, -1.0, -0.5, 0.0, 0.0, 0.5, 0.5, 126.5, 126.5, 126.5]);
    }

    #[test]
    fn what_rounds_to_the_last_code_does_not_clip() {
        let codes = Codes { scale: 0.5, zero_point: 2 };
        for (value, expected) in [(0.0, false), (-1.2, false), (-1.3, true), (126.7, false), (126.75, true)] {
            assert_eq!(clips(value, codes), expected, "{value}");
        }
    }

    #[test]
    fn a_gradient_flows_where_no_value_was_clipped() {
        let codes = Codes { scale: 0.5, zero_point: 2 };
        let values = [-1.3, -1.25, -1.0, 0.1, 126.5, 126.7, 126.8, f32::INFINITY];
        let mut gradient = [3.0; 8];
        stop_clipped(&mut gradient, &values, codes);
        assert_eq!(gradient, [0.0, 3.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0]);
    }
}
