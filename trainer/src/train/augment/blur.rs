//! Images out of focus: a Gaussian blur.

use super::options::Augment;
use crate::dataset::ImageShape;
use crate::support::rng::{ChaCha8Rng, RngExt};

/// A blur of one strength.
#[derive(Clone, Copy, Debug)]
pub struct Blur {
    /// Standard deviation of the Gaussian, in pixels.
    deviation: f64,
}

/// Bits after the point of a weight.
const WEIGHT_BITS: u32 = 14;

/// Bits after the point of a value between the two passes.
const VALUE_BITS: u32 = 8;

impl Blur {
    pub fn draw(augment: &Augment, generator: &mut ChaCha8Rng) -> Option<Self> {
        (augment.blur > 0.0).then(|| Self { deviation: generator.random_range(0.0..=augment.blur) })
    }

    /// The weights of the pixels up to three standard deviations to both sides, which add up to one.
    fn weights(&self) -> Vec<u32> {
        let radius = (3.0 * self.deviation).ceil() as i32;
        // A blur of no width has weights of one and zero, not of zero by zero.
        let spread = 2.0 * self.deviation.max(1e-3).powi(2);
        let shares: Vec<f64> = (-radius..=radius).map(|at| (-f64::from(at * at) / spread).exp()).collect();
        let one = f64::from(1 << WEIGHT_BITS);
        let sum: f64 = shares.iter().sum();
        let mut weights: Vec<u32> = shares.iter().map(|share| (share / sum * one).round() as u32).collect();
        // What rounding has added or taken is the center's.
        let rest: u32 = weights.iter().sum::<u32>() - weights[radius as usize];
        weights[radius as usize] = (1 << WEIGHT_BITS) - rest;
        weights
    }

    /// Blurs an image `[height, width, channels]`, along its rows and then along its columns. Beyond its border are the pixels of
    /// the border.
    pub fn apply(&self, pixels: &mut [u8], shape: ImageShape) {
        let weights = self.weights();
        let radius = weights.len() / 2;
        let ImageShape { height, width, channels } = shape;
        let length = width * channels;
        let mut blurred = vec![0u16; pixels.len()];
        let mut continued = vec![0u8; length + 2 * radius * channels];
        let mut sums = vec![0u32; length];
        for (row, blurred) in pixels.chunks_exact(length).zip(blurred.chunks_exact_mut(length)) {
            let (left, rest) = continued.split_at_mut(radius * channels);
            let (middle, right) = rest.split_at_mut(length);
            left.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&row[..channels]));
            middle.copy_from_slice(row);
            right.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&row[length - channels..]));
            sums.fill(1 << (WEIGHT_BITS - VALUE_BITS - 1));
            for (weight, values) in weights.iter().zip(continued.windows(length).step_by(channels)) {
                sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += weight * u32::from(value));
            }
            blurred.iter_mut().zip(&sums).for_each(|(value, sum)| *value = (sum >> (WEIGHT_BITS - VALUE_BITS)) as u16);
        }
        for (y, row) in pixels.chunks_exact_mut(length).enumerate() {
            sums.fill(1 << (WEIGHT_BITS + VALUE_BITS - 1));
            for (at, weight) in weights.iter().enumerate() {
                let from_y = (y + at).saturating_sub(radius).min(height - 1);
                let values = &blurred[from_y * length..][..length];
                sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += weight * u32::from(value));
            }
            row.iter_mut().zip(&sums).for_each(|(value, sum)| *value = (sum >> (WEIGHT_BITS + VALUE_BITS)) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    /// The same in floats, by a double sum over the whole window.
    fn reference(pixels: &[u8], shape: ImageShape, deviation: f64) -> Vec<f64> {
        let ImageShape { height, width, channels } = shape;
        let radius = (3.0 * deviation).ceil() as i64;
        let weight = |dy: i64, dx: i64| (-((dy * dy + dx * dx) as f64) / (2.0 * deviation * deviation)).exp();
        let window = || (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| (dy, dx)));
        let whole: f64 = window().map(|(dy, dx)| weight(dy, dx)).sum();
        let inside = |at: usize, by: i64, side: usize| (at as i64 + by).clamp(0, side as i64 - 1) as usize;
        let value = |y, x, channel| {
            let from = |dy, dx| (inside(y, dy, height) * width + inside(x, dx, width)) * channels + channel;
            window().map(|(dy, dx)| weight(dy, dx) * f64::from(pixels[from(dy, dx)])).sum::<f64>() / whole
        };
        let mut blurred = Vec::new();
        for y in 0..height {
            for x in 0..width {
                blurred.extend((0..channels).map(|channel| value(y, x, channel)));
            }
        }
        blurred
    }

    #[test]
    fn a_blur_is_that_of_floats_rounded() {
        let mut generator = stream(48, Purpose::Garments, 0);
        for (shape, deviation) in [
            (ImageShape { height: 9, width: 7, channels: 1 }, 0.7),
            (ImageShape { height: 6, width: 11, channels: 3 }, 1.4),
            (ImageShape { height: 1, width: 2, channels: 2 }, 8.0),
        ] {
            let image: Vec<u8> = (0..shape.len()).map(|_| generator.random()).collect();
            let mut blurred = image.clone();
            Blur { deviation }.apply(&mut blurred, shape);
            for (value, expected) in blurred.iter().zip(reference(&image, shape, deviation)) {
                assert!((f64::from(*value) - expected).abs() < 0.56, "{value}, not {expected}");
            }
        }
    }

    #[test]
    fn an_even_image_stays_and_so_does_any_where_the_blur_has_no_width() {
        let shape = ImageShape { height: 5, width: 4, channels: 3 };
        for (deviation, value) in [(0.5, 255), (3.0, 77), (8.0, 1)] {
            let mut even = [value; 60];
            Blur { deviation }.apply(&mut even, shape);
            assert_eq!(even, [value; 60]);
        }
        let image: [u8; 60] = std::array::from_fn(|at| (at * 37) as u8);
        for deviation in [0.0, 1e-9, 0.1] {
            let mut same = image;
            Blur { deviation }.apply(&mut same, shape);
            assert_eq!(same, image, "{deviation}");
        }
    }
}
