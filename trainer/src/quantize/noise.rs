//! How much of a signal quantization loses.

use crate::support::number::finite;

/// Signal and noise: the squares of values, and of what quantizing them changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    /// Takes in a value, and what quantizing it changed.
    pub fn add(&mut self, value: f32, change: f64) {
        self.signal += f64::from(value).powi(2);
        self.noise += change.powi(2);
    }

    /// The signal-to-quantization-noise ratio, `10 log10(sum(x^2) / sum((x - quantized x)^2))`; `None` where there is no
    /// signal or no noise, or where one of them has no end.
    #[must_use]
    pub fn decibels(&self) -> Option<f64> {
        (self.signal > 0.0 && self.noise > 0.0).then(|| 10.0 * (self.signal / self.noise).log10()).and_then(finite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_decibels_are_half_the_error() {
        let mut noise = Noise::default();
        assert_eq!(noise.decibels(), None);
        noise.add(1.0, 0.0);
        assert_eq!(noise.decibels(), None, "no noise");
        let mut endless = noise;
        endless.add(f32::INFINITY, 0.1);
        assert_eq!(endless.decibels(), None, "no end of a signal");
        noise.add(-3.0, -0.1);
        let before = noise.decibels().unwrap();
        assert!((before - 10.0 * (10.0f64 / 0.01).log10()).abs() < 1e-4);
        let mut halved = Noise::default();
        halved.add(1.0, 0.0);
        halved.add(-3.0, -0.05);
        assert!((halved.decibels().unwrap() - before - 6.02).abs() < 0.01);
    }
}
