//! What training images tell of each activation: which real values its codes span, and which channels are zero together.

use candle_core::{D, Result};
use infer_core::format::Codes;
use serde::{Deserialize, Serialize};

use super::channel_order::ZeroPairs;
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

/// What is known of a layer's output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Which values its codes span.
    pub range: Range,
    /// The channels in the order of the file; empty: as they are.
    pub channel_order: Vec<usize>,
}

impl Calibration {
    /// Whether its order is one of so many channels.
    pub(super) fn is_about(&self, channels: usize) -> bool {
        let mut sorted = self.channel_order.clone();
        sorted.sort_unstable();
        sorted.is_empty() || sorted.into_iter().eq(0..channels)
    }
}

impl From<Range> for Calibration {
    fn from(range: Range) -> Self {
        Self { range, channel_order: Vec::new() }
    }
}

/// The range and the zeros of each layer's output over [`CALIBRATION_IMAGES`] of `images`, drawn by `seed`.
///
/// A convolution in front of a pool gets the range of what leaves the pool: what the pool drops needs no code.
///
/// # Errors
/// Those of candle.
pub fn calibrate(model: &FloatModel, images: &Images, seed: u64) -> Result<Vec<Calibration>> {
    let mut indices: Vec<usize> = (0..images.len()).collect();
    rng::shuffle(&mut indices, &mut rng::stream(seed, Purpose::Calibrate, 0));
    indices.truncate(CALIBRATION_IMAGES);
    let layers = model.architecture().layers.len();
    let (mut ranges, mut zeros) = (vec![Range::default(); layers], vec![ZeroPairs::default(); layers]);
    for indices in indices.chunks(250) {
        let (pictures, _) = batch::gather(images, indices)?;
        model.forward_traced(&pictures, |layer, activation| {
            let values = activation.flatten_all()?.to_vec1::<f32>()?;
            ranges[layer].widen(&values);
            zeros[layer].count(&values, activation.dim(D::Minus1)?);
            Ok(())
        })?;
    }
    Ok(ranges
        .into_iter()
        .zip(zeros)
        .map(|(range, zeros)| Calibration { range, channel_order: zeros.order() })
        .collect())
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
