//! Which real values the codes of each activation span, seen on training images.

use candle_core::Result;
use infer_core::format::Codes;
use serde::{Deserialize, Serialize};

use crate::batch;
use crate::data::Images;
use crate::model::FloatModel;
use crate::rng::{self, Purpose};

/// Training images that calibration looks at.
pub const CALIBRATION_IMAGES: usize = 3000;

/// The span of an activation's values. Zero is always inside, so that a code means exactly zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Lowest value, at most 0.
    pub low: f32,
    /// Highest value, at least 0.
    pub high: f32,
}

impl Range {
    /// Codes that span the range: the lowest value is code 0, the highest 255.
    #[must_use]
    pub fn codes(self) -> Codes {
        let span = self.high - self.low;
        // An activation that was never anything but zero: any scale will do.
        let scale = if span > 0.0 { span / 255.0 } else { 1.0 };
        Codes { scale, zero_point: (-self.low / scale).round().clamp(0.0, 255.0) as u8 }
    }

    fn widen(&mut self, values: &[f32]) {
        for &value in values {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }
}

/// The range of each layer's output over [`CALIBRATION_IMAGES`] of `images`, drawn by `seed`.
///
/// A convolution in front of a pool gets the range of what leaves the pool: what the pool drops needs no code.
///
/// # Errors
/// Those of candle.
pub fn calibrate(model: &FloatModel, images: &Images, seed: u64) -> Result<Vec<Range>> {
    let mut indices: Vec<usize> = (0..images.len()).collect();
    rng::shuffle(&mut indices, &mut rng::stream(seed, Purpose::Calibrate, 0));
    indices.truncate(CALIBRATION_IMAGES);
    let mut ranges = vec![Range::default(); model.architecture().layers.len()];
    for indices in indices.chunks(250) {
        let (pictures, _) = batch::gather(images, indices)?;
        model.forward_traced(&pictures, |layer, activation| {
            ranges[layer].widen(&activation.flatten_all()?.to_vec1::<f32>()?);
            Ok(())
        })?;
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zero_point_means_zero_and_the_ends_meet_the_last_codes() {
        let codes = Range { low: -1.0, high: 3.0 }.codes();
        assert_eq!(codes.zero_point, 64);
        assert!((codes.scale * 255.0 - 4.0).abs() < 1e-6);
        assert_eq!(Range { low: 0.0, high: 2.55 }.codes().zero_point, 0);
    }

    #[test]
    fn a_dead_activation_still_has_a_scale() {
        assert_eq!(Range::default().codes(), Codes { scale: 1.0, zero_point: 0 });
    }
}
