//! A network in real numbers, to be trained further: those of a float file, or what the codes of an int8 one mean.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};
use infer_core::format::Codes;

use super::layers::Imported;
use super::weights::Weights;
use crate::network::FloatModel;
use crate::network::chain::flow;
use crate::network::inputs::Source;

/// Which real values the bytes 0 and 255 of an image are for a network that takes real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputRange {
    /// Of byte 0.
    pub low: f64,
    /// Of byte 255.
    pub high: f64,
}

impl InputRange {
    /// What networks are trained with here.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0 };

    /// That of codes.
    #[must_use]
    pub fn of(codes: Codes) -> Self {
        let scale = f64::from(codes.scale);
        let low = -scale * f64::from(codes.zero_point);
        Self { low, high: low + 255.0 * scale }
    }
}

/// The network with weights for images of 0 to 1, which is how networks are trained here: what `range` says is folded into the weights
/// that meet the image.
///
/// Where byte 0 does not mean 0 and a convolution pads the image, the edges differ: the file pads with 0, and training pads with byte 0.
///
/// # Errors
/// Those of candle.
pub fn float(imported: &Imported, range: InputRange) -> Result<FloatModel> {
    let architecture = imported.architecture.clone();
    let stages = architecture.stages();
    // What the codes that a layer reads mean, by the index of the layer.
    let mut scales = vec![1.0; architecture.layers.len()];
    if let Some(image) = imported.input {
        let flows = flow(&stages, image, |stage, inputs| {
            Result::Ok(imported.codes.get(stage.index).copied().flatten().unwrap_or(inputs.input))
        })?;
        for (stage, flow) in stages.iter().zip(flows) {
            scales[stage.index] = f64::from(flow.inputs.input.scale);
        }
    }
    let mut tensors = HashMap::new();
    for (index, (layer, weights)) in architecture.layers.iter().zip(&imported.weights).enumerate() {
        let (Some(shape), Some(weights)) = (layer.weights(), weights) else { continue };
        let (mut rows, mut biases) = real(weights, scales[index]);
        if layer.reads.input == Source::Image {
            // x = low + (high - low) * p, p from 0 to 1.
            for (row, bias) in rows.iter_mut().zip(&mut biases) {
                *bias += range.low * row.iter().sum::<f64>();
                row.iter_mut().for_each(|weight| *weight *= range.high - range.low);
            }
        }
        if index + 1 == architecture.layers.len() {
            let factor = f64::from(imported.logit_factor);
            rows.iter_mut().flatten().chain(&mut biases).for_each(|number| *number *= factor);
        }
        let rows: Vec<f32> = rows.into_iter().flatten().map(|weight| weight as f32).collect();
        let biases: Vec<f32> = biases.into_iter().map(|bias| bias as f32).collect();
        let outputs = biases.len();
        tensors.insert(format!("layers.{index}.weight"), Tensor::from_vec(rows, shape.dimensions, &Device::Cpu)?);
        tensors.insert(format!("layers.{index}.bias"), Tensor::from_vec(biases, outputs, &Device::Cpu)?);
    }
    drop(stages);
    FloatModel::from_safetensors(architecture, &safetensors::serialize(tensors, None)?)
}

/// Rows and biases as real numbers, given what a step of the input means.
fn real(weights: &Weights, input_scale: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
    match weights {
        Weights::Real { rows, biases } => (
            rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect(),
            biases.iter().copied().map(f64::from).collect(),
        ),
        Weights::Codes { rows, scales, biases } => (
            rows.iter()
                .zip(scales)
                .map(|(row, scale)| row.iter().map(|&code| f64::from(code) * scale).collect())
                .collect(),
            biases.iter().zip(scales).map(|(&bias, scale)| bias as f64 * scale * input_scale).collect(),
        ),
    }
}
