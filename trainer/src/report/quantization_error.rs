//! How much of each layer's output quantization loses: its codes on the chip beside the float model's values.
//!
//! The measure is the signal-to-quantization-noise ratio, `10 log10(sum(x^2) / sum((x - y)^2))` in decibels, over the values
//! `x` of the float model and `y = scale * (code - zero_point)` of infer-core. It counts what the layer itself loses and
//! what it inherits from the layers before it; a bit more is worth 6 dB.

use candle_core::{D, Tensor};
use infer_core::format::Codes;
use serde::{Deserialize, Serialize};

use super::ReportError;
use crate::dataset::Images;
use crate::dataset::batch;
use crate::export::model_file;
use crate::network::FloatModel;
use crate::quantize::Calibration;
use crate::quantize::noise::Noise;
use crate::quantize::signal::{Signal, signals};
use crate::run::RunError;
use crate::train::evaluate::EvaluateError;

/// Images that are looked at.
pub const IMAGES: usize = 500;

/// Images per forward pass of the float model, at most.
const BATCH: usize = 50;

/// What one layer's output loses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerError {
    /// Index of the layer, counted from 0; of the pool, where a convolution and its pool are one operation.
    pub layer: usize,
    /// The signal-to-quantization-noise ratio; `None` where there is no signal, or no noise.
    pub decibels: Option<f64>,
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
    let stages = model.architecture().stages();
    let flows = signals(&stages, calibration).map_err(RunError::from)?;
    let mut noises = vec![Noise::default(); stages.len()];
    let mut arena = model_file::arena(file)?;
    let mut network = infer_core::Network::new(file, &mut arena)?;
    let indices: Vec<usize> = (0..images.len().min(IMAGES)).collect();
    for indices in indices.chunks(model.images_at_once(BATCH)) {
        let (inputs, _) = batch::gather(images, indices)?;
        let mut float: Vec<Option<Tensor>> = vec![None; model.architecture().layers.len()];
        model.forward_traced(&inputs, |layer, activation| {
            float[layer] = Some(activation.clone());
            Ok(())
        })?;
        // The float model shows a stage under its first layer, infer-core under its last one.
        let float = stages.iter().map(|stage| rows(float[stage.index].take()));
        let float: Vec<Vec<Vec<f32>>> = float.collect::<Result<_, _>>()?;
        for (row, &index) in indices.iter().enumerate() {
            let values = |stage: usize| float.get(stage).and_then(|rows| rows.get(row)).map_or(&[][..], Vec::as_slice);
            let output =
                network.classify_traced(&images.image(index).map_err(EvaluateError::Images)?, |layer, codes| {
                    let at = stages.iter().position(|stage| stage.last_index() == usize::from(layer));
                    if let Some((at, Some(signal))) = at.map(|at| (at, flows[at].output)) {
                        add(&mut noises[at], values(at), &real_values(codes, signal));
                    }
                })?;
            let logits: Vec<f32> = output.logits().iter().map(|&logit| logit as f32 * output.scale()).collect();
            if let Some(noise) = noises.last_mut() {
                add(noise, values(stages.len() - 1), &logits);
            }
        }
    }
    let errors = stages.iter().zip(&noises);
    Ok(errors.map(|(stage, noise)| LayerError { layer: stage.last_index(), decibels: noise.decibels() }).collect())
}

/// One row of values per image.
fn rows(activation: Option<Tensor>) -> candle_core::Result<Vec<Vec<f32>>> {
    match activation {
        Some(activation) => activation.flatten(1, D::Minus1)?.to_vec2(),
        None => Ok(Vec::new()),
    }
}

/// The real values of codes, in the float model's order of channels.
fn real_values(codes: &[u8], signal: Signal<'_>) -> Vec<f32> {
    let Codes { scale, zero_point } = signal.codes;
    let value = |code: u8| scale * (f32::from(code) - f32::from(zero_point));
    if signal.order.is_empty() {
        return codes.iter().map(|&code| value(code)).collect();
    }
    let mut values = vec![0.0; codes.len()];
    for (group, codes) in codes.chunks_exact(signal.order.len()).enumerate() {
        for (&channel, &code) in signal.order.iter().zip(codes) {
            values[group * signal.order.len() + channel] = value(code);
        }
    }
    values
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
        let signal = Signal { codes, order: &[2, 0, 1] };
        assert_eq!(real_values(&[2, 4, 6, 8, 0, 2], signal), [1.0, 2.0, 0.0, -1.0, 0.0, 3.0]);
    }
}
