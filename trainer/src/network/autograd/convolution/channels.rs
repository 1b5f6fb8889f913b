//! Passes over maps, each channel with numbers of its own: batch normalization and activations.
//!
//! A pass takes as many pixels at once as fill [`PERIOD`] values, with the numbers of the channels repeated for each of
//! them, so that vectors are full whatever the number of channels.

use crate::network::autograd::clamp;
use crate::support::vector::vectorized;

/// Values that one step of a pass takes at least.
const PERIOD: usize = 128;

/// Repeats the numbers of the channels.
pub fn repeated(channels: &[f32]) -> Vec<f32> {
    channels.repeat(PERIOD.div_ceil(channels.len()))
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
            for (((value, pivot), sum), square) in values.iter().zip(pivot).zip(&mut *sum).zip(&mut *square) {
                let distance = value - pivot;
                *sum += distance;
                *square = fma!(distance, distance, *square);
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
    pub fn apply(affine: &Affine, values: &[f32], output: &mut [f32]) {
        let (factor, offset) = (affine.factor.as_slice(), affine.offset.as_slice());
        for (values, output) in values.chunks(factor.len()).zip(output.chunks_mut(factor.len())) {
            for (((output, value), factor), offset) in output.iter_mut().zip(values).zip(factor).zip(offset) {
                *output = clamp(fma!(*factor, *value, *offset), affine.range);
            }
        }
    }
}

vectorized! {
    /// The gradient where the activation passes it, which is where the output is strictly inside of the range.
    pub fn mask(output: &[f32], range: (f32, f32), gradient: &[f32], masked: &mut [f32]) {
        let (low, high) = range;
        for ((output, gradient), masked) in output.iter().zip(gradient).zip(masked) {
            *masked = if (*output > low) & (*output < high) { *gradient } else { 0.0 };
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
    let mut repeated = vec![0.0; sums.len() * PERIOD.div_ceil(sums.len())];
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
    pub fn add(&mut self, affine: &Affine, mean: &[f32], values: &[f32], gradient: &[f32]) {
        let (mut sum, mut product) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
        reduce(affine, mean, values, gradient, &mut sum, &mut product);
        folded(&sum, &mut self.gradient);
        folded(&product, &mut self.product);
    }
}

vectorized! {
    fn reduce(affine: &Affine, mean: &[f32], values: &[f32], gradient: &[f32], sum: &mut [f32], product: &mut [f32]) {
        let (low, high) = affine.range;
        let length = mean.len();
        let (factor, offset) = (&affine.factor[..length], &affine.offset[..length]);
        let (sum, product) = (&mut sum[..length], &mut product[..length]);
        for (values, gradient) in values.chunks(length).zip(gradient.chunks(length)) {
            let gradient = &gradient[..values.len()];
            for index in 0..values.len() {
                let output = fma!(factor[index], values[index], offset[index]);
                let gradient = if (output > low) & (output < high) { gradient[index] } else { 0.0 };
                sum[index] += gradient;
                product[index] = fma!(gradient, values[index] - mean[index], product[index]);
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
    pub fn unapply(affine: &Affine, slopes: &Slopes, values: &[f32], gradient: &[f32], result: &mut [f32]) {
        let (low, high) = affine.range;
        let length = affine.factor.len();
        let (factor, offset) = (&affine.factor[..length], &affine.offset[..length]);
        let (shift, slope) = (&slopes.offset[..length], &slopes.slope[..length]);
        for ((values, gradient), result) in values.chunks(length).zip(gradient.chunks(length)).zip(result.chunks_mut(length)) {
            let gradient = &gradient[..values.len()];
            let result = &mut result[..values.len()];
            for index in 0..values.len() {
                let output = fma!(factor[index], values[index], offset[index]);
                let gradient = if (output > low) & (output < high) { gradient[index] } else { 0.0 };
                result[index] = fma!(factor[index], gradient, fma!(slope[index], values[index], shift[index]));
            }
        }
    }
}
