//! What quantization costs a network, layer by layer, so that a collapse can be located.
//!
//! Each layer is looked at by itself, in a network that is float everywhere else: what its rounding changes is then its
//! own doing. All of it is measured on images that the caller gives, the validation images in practice.

use candle_core::{Result as CandleResult, Tensor};
use infer_core::format::Codes;
use serde::Serialize;

use super::QuantizeError;
use super::calibrate::Calibration;
use super::fake::{clips, fake_activation, fake_activations, fake_weights};
use super::noise::Noise;
use super::range::Range;
use super::scales::{LayerScales, layer_scales};
use crate::dataset::Images;
use crate::dataset::batch;
use crate::network::FloatModel;
use crate::train::evaluate::{self, Answers};
use crate::train::score::Estimate;

/// Images per forward pass, at most.
const BATCH: usize = 250;

/// What quantization costs a network.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Images that it was measured on.
    pub images: usize,
    /// The float network's answers.
    pub float: Answered,
    /// The layers that have weights, or codes of their own.
    pub layers: Vec<LayerReport>,
    /// The answers of the model file, by infer-core.
    pub int8: Answered,
}

/// Right answers, and the float network's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answered {
    /// Loss and accuracy.
    #[serde(flatten)]
    pub score: Estimate,
    /// Share of the images that were given the float network's class, 0 to 1.
    pub agreement_with_float: f64,
}

/// One layer: its weights, its output, and the network in which nothing else is quantized.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Counted from 0.
    pub layer: usize,
    /// What it does.
    pub name: String,
    /// Its weights; `None` of a layer without.
    pub weights: Option<WeightReport>,
    /// Its output; of a convolution before a pool, the output of the pool.
    pub activation: ActivationReport,
    /// The answers of the network in which this layer's weights and output are quantized, and all others are float.
    pub alone: Answered,
}

/// A layer's weights.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WeightReport {
    /// Lowest.
    pub low: f32,
    /// Highest.
    pub high: f32,
    /// The smallest scale of a channel.
    pub smallest_scale: f64,
    /// The largest.
    pub largest_scale: f64,
    /// [Signal to noise](Noise::decibels) over all weights of the layer.
    pub sqnr_db: Option<f64>,
}

/// A layer's output, as the float network computes it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ActivationReport {
    /// Lowest value, at most 0.
    pub low: f32,
    /// Highest value, at least 0.
    pub high: f32,
    /// Its codes; `None` of the last layer, whose accumulators are the logits.
    pub codes: Option<CodesReport>,
}

/// The codes of a layer's output.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CodesReport {
    /// Real value of one step.
    pub scale: f32,
    /// The code that means 0.
    pub zero_point: u8,
    /// What code 0 means.
    pub low: f32,
    /// What code 255 means.
    pub high: f32,
    /// Share of the values that lie beyond the last code of their side, 0 to 1.
    pub saturation: f64,
    /// [Signal to noise](Noise::decibels) over all values.
    pub sqnr_db: Option<f64>,
}

impl Report {
    /// Looks at each layer of `model` with the scales that `calibration` gives it, and at `file`, the same model as
    /// bytes.
    ///
    /// # Errors
    /// [`QuantizeError`].
    pub fn new(
        model: &FloatModel,
        calibration: &[Calibration],
        file: &[u8],
        images: &Images,
    ) -> Result<Self, QuantizeError> {
        let scales = layer_scales(model, calibration)?;
        let seen = see(model, &scales, images)?;
        let float = evaluate::float(model, images)?;
        let answered = |answers: Answers| Answered {
            score: answers.score.over(images.len()),
            agreement_with_float: answers.agreement(&float),
        };
        let mut copy = FloatModel::new(model.architecture().clone(), 0)?;
        copy.fold()?;
        let mut layers = Vec::with_capacity(scales.len());
        for (index, (scales, seen)) in scales.iter().zip(seen).enumerate() {
            let Some(scales) = scales else { continue };
            copy.restore(&model.snapshot()?)?;
            let weights = match scales.weights[..] {
                [] => None,
                ref scales => Some(quantize_weights(&copy, index, scales)?),
            };
            let answers = evaluate::float_by(&copy, images, |inputs| {
                copy.forward_edited(inputs, |at, activation| match scales.output {
                    Some(codes) if at == index => quantize_activation(&activation, codes),
                    _ => Ok(activation),
                })
            })?;
            layers.push(LayerReport {
                layer: index,
                name: model.architecture().layers[index].layer.folded().to_string(),
                weights,
                activation: seen.report(scales.output),
                alone: answered(answers),
            });
        }
        let int8 = answered(evaluate::int8(file, images)?);
        Ok(Self { images: images.len(), int8, layers, float: answered(float.clone()) })
    }

    /// The layer that alone takes the most answers away from the float network's; `None` where none takes any.
    ///
    /// The loss would not do: a layer that clips nearly everything can lower that of a network that is too sure of itself.
    #[must_use]
    pub fn costliest(&self) -> Option<&LayerReport> {
        let agreement = |layer: &LayerReport| layer.alone.agreement_with_float;
        let costly = self.layers.iter().filter(|layer| agreement(layer) < 1.0);
        costly.min_by(|one, other| agreement(one).total_cmp(&agreement(other)))
    }
}

/// Quantizes the weights of one layer of `model` in place, and returns what they were and what that changed.
fn quantize_weights(model: &FloatModel, index: usize, scales: &[f64]) -> CandleResult<WeightReport> {
    let Some(parameters) = &model.parameters()[index] else { candle_core::bail!("layer {index} has no weights") };
    let weights = parameters.weight.flatten_all()?.to_vec1::<f32>()?;
    let mut rounded = weights.clone();
    fake_weights(&mut rounded, scales);
    let mut noise = Noise::default();
    weights.iter().zip(&rounded).for_each(|(&value, &rounded)| noise.add(value, f64::from(value) - f64::from(rounded)));
    let tensor = Tensor::from_vec(rounded, parameters.weight.dims(), parameters.weight.device())?;
    parameters.weight.set(&tensor)?;
    Ok(WeightReport {
        low: weights.iter().copied().fold(f32::INFINITY, f32::min),
        high: weights.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        smallest_scale: scales.iter().copied().fold(f64::INFINITY, f64::min),
        largest_scale: scales.iter().copied().fold(0.0, f64::max),
        sqnr_db: noise.decibels(),
    })
}

fn quantize_activation(activation: &Tensor, codes: Codes) -> CandleResult<Tensor> {
    let mut values = activation.flatten_all()?.to_vec1::<f32>()?;
    fake_activations(&mut values, codes);
    Tensor::from_vec(values, activation.dims(), activation.device())
}

/// The outputs of the float network, layer by layer.
fn see(model: &FloatModel, scales: &[Option<LayerScales>], images: &Images) -> CandleResult<Vec<Seen>> {
    let mut seen = vec![Seen::default(); scales.len()];
    let indices: Vec<usize> = (0..images.len()).collect();
    for indices in indices.chunks(model.images_at_once(BATCH)) {
        let (inputs, _) = batch::gather(images, indices)?;
        model.forward_traced(&inputs, |layer, activation| {
            let codes = scales[layer].as_ref().and_then(|scales| scales.output);
            seen[layer].add(&activation.flatten_all()?.to_vec1()?, codes);
            Ok(())
        })?;
    }
    Ok(seen)
}

/// The values of an activation, added up.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    range: Range,
    values: usize,
    clipped: usize,
    noise: Noise,
}

impl Seen {
    fn add(&mut self, values: &[f32], codes: Option<Codes>) {
        self.range.widen(values);
        self.values += values.len();
        let Some(codes) = codes else { return };
        for &value in values {
            self.clipped += usize::from(clips(value, codes));
            self.noise.add(value, f64::from(value) - f64::from(fake_activation(value, codes)));
        }
    }

    fn report(&self, codes: Option<Codes>) -> ActivationReport {
        let codes = codes.map(|codes| CodesReport {
            scale: codes.scale,
            zero_point: codes.zero_point,
            low: Range::of(codes).low,
            high: Range::of(codes).high,
            saturation: self.clipped as f64 / self.values.max(1) as f64,
            sqnr_db: self.noise.decibels(),
        });
        ActivationReport { low: self.range.low, high: self.range.high, codes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturation_is_the_share_of_values_beyond_the_codes() {
        let codes = Range { low: 0.0, high: 2.55 }.codes();
        let mut seen = Seen::default();
        seen.add(&[0.0, 1.0, 2.55, 2.6], Some(codes));
        seen.add(&[-0.2, 1.0, 9.0, 0.5], Some(codes));
        let ActivationReport { low, high, codes } = seen.report(Some(codes));
        assert_eq!((low, high, codes.unwrap().saturation), (-0.2, 9.0, 3.0 / 8.0));
    }
}
