//! How much of each layer's output quantization loses: its codes on the chip beside the float model's values.
//!
//! The measure is the signal-to-quantization-noise ratio, `10 log10(sum(x^2) / sum((x - y)^2))` in decibels, over the values
//! `x` of the float model and `y = scale * (code - zero_point)` of infer-core. It counts what the layer itself loses and
//! what it inherits from the layers in front of it; a bit more is worth 6 dB.

use candle_core::{D, Tensor};
use infer_core::format::Codes;
use serde::{Deserialize, Serialize};

use super::ReportError;
use crate::architecture::{Architecture, Layer};
use crate::batch::{self, PIXEL_CODES};
use crate::data::Images;
use crate::evaluate::EvaluateError;
use crate::model::FloatModel;
use crate::model_file;
use crate::quantize::Calibration;
use crate::quantize::noise::Noise;

/// Pictures that are looked at.
pub const PICTURES: usize = 500;

/// Pictures per forward pass of the float model.
const BATCH: usize = 50;

/// What one layer's output loses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerError {
    /// Index of the layer, counted from 0; of the pool, where a convolution and its pool are one operation.
    pub layer: usize,
    /// The signal-to-quantization-noise ratio; `None` where there is no signal, or no noise.
    pub decibels: Option<f64>,
}

/// What the codes of a layer's output mean, and where the float model has the same values.
struct Output<'c> {
    /// The layer under whose index the float model shows them.
    float_layer: usize,
    codes: Codes,
    /// The float model's channel that stands at each place of the file; empty: the same.
    order: &'c [usize],
}

/// Compares the layers of `file` with those of `model`, which it was made from, on some of `images`.
///
/// # Errors
/// [`ReportError::Model`], [`ReportError::Candle`].
pub fn measure(
    model: &FloatModel,
    calibration: &[Calibration],
    file: &[u8],
    images: &Images,
) -> Result<Vec<LayerError>, ReportError> {
    let outputs = outputs(model.architecture(), calibration);
    let mut noises = vec![Noise::default(); outputs.len()];
    let mut arena = model_file::arena(file)?;
    let mut network = infer_core::Network::new(file, &mut arena)?;
    let indices: Vec<usize> = (0..images.len().min(PICTURES)).collect();
    for indices in indices.chunks(BATCH) {
        let (pictures, _) = batch::gather(images, indices)?;
        let mut float: Vec<Option<Tensor>> = vec![None; outputs.len()];
        model.forward_traced(&pictures, |layer, activation| {
            float[layer] = Some(activation.clone());
            Ok(())
        })?;
        let float: Vec<Vec<Vec<f32>>> = float.into_iter().map(rows).collect::<Result<_, _>>()?;
        for (row, &index) in indices.iter().enumerate() {
            let values = |layer: usize| float.get(layer).and_then(|rows| rows.get(row)).map_or(&[][..], Vec::as_slice);
            let output =
                network.classify_traced(&images.image(index).map_err(EvaluateError::Images)?, |layer, codes| {
                    let layer = usize::from(layer);
                    if let (Some(output), Some(noise)) = (&outputs[layer], noises.get_mut(layer)) {
                        add(noise, values(output.float_layer), &output.values(codes));
                    }
                })?;
            let logits: Vec<f32> = output.logits().iter().map(|&logit| logit as f32 * output.scale()).collect();
            if let Some(noise) = noises.last_mut() {
                add(noise, values(outputs.len() - 1), &logits);
            }
        }
    }
    let fused = |layer: usize| is_fused(model.architecture(), layer);
    let layers = (0..noises.len()).filter(|&layer| !fused(layer));
    Ok(layers.map(|layer| LayerError { layer, decibels: noises[layer].decibels() }).collect())
}

/// One row of values per picture.
fn rows(activation: Option<Tensor>) -> candle_core::Result<Vec<Vec<f32>>> {
    match activation {
        Some(activation) => activation.flatten(1, D::Minus1)?.to_vec2(),
        None => Ok(Vec::new()),
    }
}

/// Whether a layer is a convolution that runs as one with the pool behind it.
fn is_fused(architecture: &Architecture, layer: usize) -> bool {
    let kind = |layer: usize| architecture.layers.get(layer).map(|shaped| shaped.layer);
    matches!((kind(layer), kind(layer + 1)), (Some(Layer::Conv(_)), Some(Layer::MaxPool(_))))
}

/// For each layer what its codes mean; none for the last, which puts out logits.
fn outputs<'c>(architecture: &Architecture, calibration: &'c [Calibration]) -> Vec<Option<Output<'c>>> {
    // A pool hands on the codes that it gets. Those of the pixels are nobody's to choose.
    let (mut codes, mut order) = (PIXEL_CODES, &[][..]);
    let last = architecture.layers.len() - 1;
    let layers = architecture.layers.iter().enumerate();
    let output = |(layer, shaped): (usize, &crate::architecture::ShapedLayer)| {
        let is_pool = matches!(shaped.layer, Layer::MaxPool(_));
        if let (false, Some(calibration)) = (is_pool, calibration.get(layer)) {
            (codes, order) = (calibration.range.codes(), &calibration.channel_order);
        }
        let float_layer = if layer > 0 && is_fused(architecture, layer - 1) { layer - 1 } else { layer };
        (layer != last).then_some(Output { float_layer, codes, order })
    };
    layers.map(output).collect()
}

impl Output<'_> {
    /// The real values of codes, in the float model's order of channels.
    fn values(&self, codes: &[u8]) -> Vec<f32> {
        let Codes { scale, zero_point } = self.codes;
        let value = |code: u8| scale * (f32::from(code) - f32::from(zero_point));
        if self.order.is_empty() {
            return codes.iter().map(|&code| value(code)).collect();
        }
        let mut values = vec![0.0; codes.len()];
        for (group, codes) in codes.chunks_exact(self.order.len()).enumerate() {
            for (&channel, &code) in self.order.iter().zip(codes) {
                values[group * self.order.len() + channel] = value(code);
            }
        }
        values
    }
}

/// Takes in the values of a layer's output, as both models have them.
fn add(noise: &mut Noise, float: &[f32], quantized: &[f32]) {
    for (&float, &quantized) in float.iter().zip(quantized) {
        noise.add(float, f64::from(float - quantized));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_a_tenth_of_the_signal_is_twenty_decibels() {
        let mut noise = Noise::default();
        add(&mut noise, &[1.0, -2.0, 0.0], &[1.1, -2.2, 0.0]);
        assert!((noise.decibels().unwrap() - 20.0).abs() < 1e-4);
    }

    #[test]
    fn codes_go_back_to_where_the_float_model_has_their_channel() {
        let codes = Codes { scale: 0.5, zero_point: 2 };
        let output = Output { float_layer: 0, codes, order: &[2, 0, 1] };
        assert_eq!(output.values(&[2, 4, 6, 8, 0, 2]), [1.0, 2.0, 0.0, -1.0, 0.0, 3.0]);
    }

    #[test]
    fn a_pool_means_what_its_convolution_means_and_stands_where_the_float_model_shows_both() {
        let architecture = Architecture::built_in("cnn").unwrap();
        let calibration: Vec<Calibration> = (1..=architecture.layers.len())
            .map(|layer| crate::quantize::Range { low: 0.0, high: 255.0 * layer as f32 }.into())
            .collect();
        let outputs = outputs(&architecture, &calibration);
        let pool = outputs[1].as_ref().unwrap();
        assert_eq!((pool.float_layer, pool.codes.scale), (0, 1.0));
        let dense = outputs[2].as_ref().unwrap();
        assert_eq!((dense.float_layer, dense.codes.scale), (2, 3.0));
        assert!(outputs[3].is_none(), "the last layer puts out logits");
        let fused: Vec<bool> = (0..4).map(|layer| is_fused(&architecture, layer)).collect();
        assert_eq!(fused, [true, false, false, false]);
    }
}
