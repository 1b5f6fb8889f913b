//! Passes over maps, each channel with numbers of its own: batch normalization and activations.
//!
//! A pass takes as many pixels at once as fill [`PERIOD`] values, with the numbers of the channels repeated for each of
//! them, so that vectors are full whatever the number of channels.

use super::clamp;
use crate::support::vector::vectorized;

/// Lanes of a vector.
const LANES: usize = 8;

/// Values that one step of a pass takes at least.
const PERIOD: usize = 128;

/// How often numbers of so many channels are repeated: until they fill whole vectors and a period.
fn repeats(channels: usize) -> usize {
    let whole = match channels % LANES {
        0 => 1,
        4 => 2,
        2 | 6 => 4,
        _ => LANES,
    };
    PERIOD.div_ceil(channels).next_multiple_of(whole)
}

/// Repeats the numbers of the channels.
pub fn repeated(channels: &[f32]) -> Vec<f32> {
    channels.repeat(repeats(channels.len()))
}

/// Adds up the channels of repeated sums.
fn folded(repeated: &[f32], sums: &mut [f64]) {
    for repeat in repeated.chunks_exact(sums.len()) {
        sums.iter_mut().zip(repeat).for_each(|(sum, &value)| *sum += f64::from(value));
    }
}

/// Sums of each channel's distances from a pivot, and of their squares. With a pivot among the values nothing cancels.
#[derive(Clone)]
pub struct Moments {
    pub pivot: Vec<f32>,
    pub sum: Vec<f64>,
    pub square: Vec<f64>,
    pub count: usize,
}

impl Moments {
    /// Of no values, about those of one pixel.
    pub fn new(pivot: &[f32]) -> Self {
        let zeros = vec![0.0; pivot.len()];
        Self { pivot: pivot.to_vec(), sum: zeros.clone(), square: zeros, count: 0 }
    }

    /// Takes in the pixels of an image.
    pub fn add(&mut self, values: &[f32]) {
        let pivot = repeated(&self.pivot);
        let (mut sum, mut square) = (vec![0.0; pivot.len()], vec![0.0; pivot.len()]);
        add_moments(values, &pivot, &mut sum, &mut square);
        folded(&sum, &mut self.sum);
        folded(&square, &mut self.square);
        self.count += values.len() / self.pivot.len();
    }

    /// Mean and biased variance of all values of a channel, from moments about pivots that differ (Chan, Golub and LeVeque
    /// 1979).
    pub fn joined(parts: &[Self], channel: usize) -> (f64, f64) {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for part in parts {
            let n = part.count as f64;
            let offset = part.sum[channel] / n;
            let own_mean = f64::from(part.pivot[channel]) + offset;
            let own_squares = part.square[channel] - offset * part.sum[channel];
            let distance = own_mean - mean;
            squares += own_squares + distance * distance * count * n / (count + n);
            mean += distance * n / (count + n);
            count += n;
        }
        (mean, (squares / count).max(0.0))
    }
}

vectorized! {
    fn add_moments(values: &[f32], pivot: &[f32], sum: &mut [f32], square: &mut [f32]) {
        for values in values.chunks(pivot.len()) {
            let ((pivot, sum), square) = ((&pivot[..values.len()], &mut sum[..values.len()]), &mut square[..values.len()]);
            for index in 0..values.len() {
                let distance = values[index] - pivot[index];
                sum[index] += distance;
                square[index] = fma!(distance, distance, square[index]);
            }
        }
    }
}

/// What a normalization does to each channel, repeated: `factor * value + offset`, then clamped to `range`.
pub struct Affine {
    pub factor: Vec<f32>,
    pub offset: Vec<f32>,
    pub range: (f32, f32),
}

vectorized! {
    /// Normalizes and activates.
    pub fn apply(affine: &Affine, values: &[f32], output: &mut [f32]) {
        let Affine { factor, offset, range } = affine;
        for (values, output) in values.chunks(factor.len()).zip(output.chunks_mut(factor.len())) {
            let (factor, offset) = (&factor[..values.len()], &offset[..values.len()]);
            for (index, output) in output.iter_mut().enumerate() {
                *output = clamp(fma!(factor[index], values[index], offset[index]), *range);
            }
        }
    }
}

/// Where the activation passes a gradient: strictly inside of its range.
#[inline(always)]
fn passed(output: f32, (low, high): (f32, f32), gradient: f32) -> f32 {
    if (output > low) & (output < high) { gradient } else { 0.0 }
}

vectorized! {
    /// The gradient where the activation passes it.
    pub fn mask(output: &[f32], range: (f32, f32), gradient: &[f32], masked: &mut [f32]) {
        for ((output, gradient), masked) in output.iter().zip(gradient).zip(masked) {
            *masked = passed(*output, range, *gradient);
        }
    }
}

vectorized! {
    fn add_rows(values: &[f32], sum: &mut [f32]) {
        for values in values.chunks(sum.len()) {
            values.iter().zip(&mut *sum).for_each(|(value, sum)| *sum += value);
        }
    }
}

/// Adds the values of each channel.
pub fn add_channels(values: &[f32], sums: &mut [f64]) {
    let mut repeated = vec![0.0; sums.len() * repeats(sums.len())];
    add_rows(values, &mut repeated);
    folded(&repeated, sums);
}

/// Sums over the values of a channel: of the gradient that reaches the normalized value, and of its products with the
/// distance of the value from the mean.
#[derive(Clone)]
pub struct Reductions {
    pub gradient: Vec<f64>,
    pub product: Vec<f64>,
}

impl Reductions {
    pub fn new(channels: usize) -> Self {
        Self { gradient: vec![0.0; channels], product: vec![0.0; channels] }
    }

    /// Takes in the pixels of an image: values before normalization, and the gradient of the output.
    pub fn add(&mut self, affine: &Affine, means: &[f32], values: &[f32], gradient: &[f32]) {
        let (mut sum, mut product) = (vec![0.0; means.len()], vec![0.0; means.len()]);
        reduce(affine, means, values, gradient, &mut sum, &mut product);
        folded(&sum, &mut self.gradient);
        folded(&product, &mut self.product);
    }
}

vectorized! {
    fn reduce(affine: &Affine, means: &[f32], values: &[f32], gradient: &[f32], sum: &mut [f32], product: &mut [f32]) {
        let Affine { factor, offset, range } = affine;
        for (values, gradient) in values.chunks(factor.len()).zip(gradient.chunks(factor.len())) {
            let length = values.len();
            let (factor, offset, means) = (&factor[..length], &offset[..length], &means[..length]);
            let (gradient, sum, product) = (&gradient[..length], &mut sum[..length], &mut product[..length]);
            for index in 0..length {
                let value = values[index];
                let passed = passed(fma!(factor[index], value, offset[index]), *range, gradient[index]);
                sum[index] += passed;
                product[index] = fma!(passed, value - means[index], product[index]);
            }
        }
    }
}

/// The gradient of values before normalization, repeated: `factor * gradient + offset + slope * value`, the gradient being
/// that of the output where the activation passes it.
pub struct Slopes {
    pub offset: Vec<f32>,
    pub slope: Vec<f32>,
}

vectorized! {
    /// The gradient of values before normalization.
    pub fn unapply(affine: &Affine, slopes: &Slopes, values: &[f32], gradient: &[f32], result: &mut [f32]) {
        let Affine { factor, offset, range } = affine;
        let Slopes { offset: shift, slope } = slopes;
        let maps = values.chunks(factor.len()).zip(gradient.chunks(factor.len()));
        for ((values, gradient), result) in maps.zip(result.chunks_mut(factor.len())) {
            let length = values.len();
            let (factor, offset) = (&factor[..length], &offset[..length]);
            let (shift, slope, gradient) = (&shift[..length], &slope[..length], &gradient[..length]);
            for (index, result) in result[..length].iter_mut().enumerate() {
                let value = values[index];
                let passed = passed(fma!(factor[index], value, offset[index]), *range, gradient[index]);
                *result = fma!(factor[index], passed, fma!(slope[index], value, shift[index]));
            }
        }
    }
}
