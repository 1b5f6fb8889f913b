//! What training images show of each activation: how its values are distributed, and which channels are zero together.

use std::fmt;

use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::channel_order::ZeroPairs;
use super::distribution::Distribution;
use super::range::Range;
use crate::dataset::Images;
use crate::dataset::batch;
use crate::network::FloatModel;
use crate::support::rng::{self, Purpose};

/// Training images that calibration looks at.
pub const CALIBRATION_IMAGES: usize = 3000;

/// Images per forward pass, at most.
const BATCH: usize = 250;

/// How the values of an activation become the range that its codes span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// All of them, the lowest and the highest.
    Range,
    /// All but one in ten thousand at each end.
    Percentile,
    /// So that the squares of what rounding and clipping change add up to the least.
    Error,
}

impl Method {
    /// Every method, the simplest first.
    pub const ALL: [Self; 3] = [Self::Range, Self::Percentile, Self::Error];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "range",
            Self::Percentile => "percentile",
            Self::Error => "error",
        })
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

/// What was seen of each layer's output, for any [`Method`] to make a calibration of.
#[derive(Clone, Debug)]
pub struct Observations(Vec<Observation>);

#[derive(Clone, Debug)]
struct Observation {
    distribution: Distribution,
    channel_order: Vec<usize>,
}

impl Observations {
    /// What the codes of each layer's output should span.
    #[must_use]
    pub fn calibration(&self, method: Method) -> Vec<Calibration> {
        let range = |distribution: &Distribution| match method {
            Method::Range => distribution.range(),
            Method::Percentile => distribution.percentile(),
            Method::Error => distribution.least_error(),
        };
        let layers = self.0.iter();
        layers
            .map(|layer| Calibration { range: range(&layer.distribution), channel_order: layer.channel_order.clone() })
            .collect()
    }
}

/// The values and the zeros of each layer's output over [`CALIBRATION_IMAGES`] of `images`, drawn by `seed`.
///
/// A convolution before a pool is observed by what leaves the pool: what the pool drops needs no code.
///
/// # Errors
/// Those of candle.
pub fn observe(model: &FloatModel, images: &Images, seed: u64) -> Result<Observations> {
    let mut layers = vec![(Distribution::default(), ZeroPairs::default()); model.architecture().layers.len()];
    calibration_batches(model, images, seed, |layer, activation| {
        let values = activation.flatten_all()?.to_vec1::<f32>()?;
        let (distribution, zeros) = &mut layers[layer];
        distribution.count(&values);
        zeros.count(&values, activation.dim(D::Minus1)?);
        Ok(())
    })?;
    let observations =
        layers.into_iter().map(|(distribution, zeros)| Observation { distribution, channel_order: zeros.order() });
    Ok(Observations(observations.collect()))
}

/// Shows `see` each layer's output, as [`FloatModel::forward_traced`] does, over [`CALIBRATION_IMAGES`] of `images`, drawn by `seed`.
///
/// # Errors
/// Those of candle and of `see`.
pub(super) fn calibration_batches(
    model: &FloatModel,
    images: &Images,
    seed: u64,
    mut see: impl FnMut(usize, &Tensor) -> Result<()>,
) -> Result<()> {
    let mut indices: Vec<usize> = (0..images.len()).collect();
    rng::shuffle(&mut indices, &mut rng::stream(seed, Purpose::Calibrate, 0));
    indices.truncate(CALIBRATION_IMAGES);
    for indices in indices.chunks(model.images_at_once(BATCH)) {
        let (inputs, _) = batch::gather(images, indices)?;
        model.forward_traced(&inputs, &mut see)?;
    }
    Ok(())
}

/// The calibration by [`Method::Range`], of what [`observe`] sees.
///
/// # Errors
/// Those of candle.
pub fn calibrate(model: &FloatModel, images: &Images, seed: u64) -> Result<Vec<Calibration>> {
    Ok(observe(model, images, seed)?.calibration(Method::Range))
}
