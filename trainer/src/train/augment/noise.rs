//! Noise of a sensor.

use super::options::Augment;
use crate::support::rng::{ChaCha8Rng, Rng, RngExt, SeedableRng};

/// Noise of one strength, each value's its own.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// Standard deviation; white is 1.
    deviation: f64,
    /// What the noise comes from. It is drawn once for an image, so that images can be changed at the same time.
    seed: u64,
}

/// Values whose noise is drawn at a time.
const AT_ONCE: usize = 64;

impl Noise {
    pub fn draw(augment: &Augment, generator: &mut ChaCha8Rng) -> Option<Self> {
        let most = augment.noise;
        (most > 0.0).then(|| Self { deviation: generator.random_range(0.0..=most), seed: generator.random() })
    }

    /// Adds it to the values of an image.
    ///
    /// The sum of four bytes at random is close enough to a Gaussian: of mean 510 and variance 4 (256^2 - 1) / 12, and at most
    /// 3.5 standard deviations from the mean.
    pub fn apply(&self, pixels: &mut [u8]) {
        let of_a_sum = ((256.0f64.powi(2) - 1.0) / 3.0).sqrt();
        let factor = (self.deviation * 255.0 / of_a_sum * 65536.0).round() as i32;
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        let mut random = [0; 4 * AT_ONCE];
        for pixels in pixels.chunks_mut(AT_ONCE) {
            generator.fill_bytes(&mut random);
            for (pixel, bytes) in pixels.iter_mut().zip(random.chunks_exact(4)) {
                let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
                let value = i32::from(*pixel) + (((sum - 510) * factor + 0x8000) >> 16);
                *pixel = value.clamp(0, 255) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_deviation_that_was_drawn_and_no_direction() {
        for deviation in [0.0, 0.02, 0.1] {
            let mut pixels = vec![128; 100_000];
            Noise { deviation, seed: 48 }.apply(&mut pixels);
            let differences = || pixels.iter().map(|&pixel| f64::from(pixel) - 128.0);
            let mean = differences().sum::<f64>() / 1e5;
            let variance = differences().map(|difference| difference * difference).sum::<f64>() / 1e5;
            assert!(mean.abs() < 0.25, "{mean}");
            // Rounding to whole values adds 1/12.
            let expected = (deviation * 255.0).powi(2) + if deviation > 0.0 { 1.0 / 12.0 } else { 0.0 };
            assert!((variance - expected).abs() <= expected * 0.02, "{variance}, not {expected}");
            let far = differences().filter(|difference| difference.abs() > 2.0 * deviation * 255.0 + 0.5).count();
            assert!(deviation == 0.0 || (3000..5000).contains(&far), "{far} of 100000 beyond two deviations");
        }
    }

    #[test]
    fn noise_ends_at_black_and_white_and_is_the_same_from_the_same_seed() {
        let noisy = |value, seed| {
            let mut pixels = [value; 100];
            Noise { deviation: 0.1, seed }.apply(&mut pixels);
            pixels
        };
        assert!(noisy(0, 1).iter().filter(|&&pixel| pixel == 0).count() > 30);
        assert!(noisy(255, 1).iter().filter(|&&pixel| pixel == 255).count() > 30);
        assert_eq!(noisy(128, 1), noisy(128, 1));
        assert_ne!(noisy(128, 1), noisy(128, 2));
        let first: [u8; 50] = noisy(128, 1)[..50].try_into().unwrap();
        assert_ne!(first, noisy(128, 1)[50..], "each value has its own");
    }
}
