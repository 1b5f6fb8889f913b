//! An int8 network in infer-core's numbers: its own codes, weights and scales, nothing calibrated and nothing rounded again.

use infer_core::format::{Codes, Input};

use super::layers::Imported;
use super::weights::Weights;
use crate::network::Layer;
use crate::network::chain::{Flow, flow, quantized_stages};
use crate::network::record::{Numbers, Rounding};
use crate::network::requantize::accumulator_bound;
use crate::quantize::integers::Integers;
use crate::quantize::{QuantizeError, QuantizedModel};

/// The network's own numbers; `None` where it computes with floating point. With [`Rounding::Twice`] its codes are those of TFLite's
/// reference kernels, and with [`Rounding::Once`] kernels of chips are faster.
///
/// # Errors
/// [`QuantizeError`], where some input could overflow a sum of 32 bits, or a ratio of scales is one that no multiplier
/// expresses.
pub fn quantized(imported: &Imported, rounding: Rounding) -> Result<Option<QuantizedModel>, QuantizeError> {
    let Some(image) = imported.input else { return Ok(None) };
    let stages = imported.architecture.stages();
    let flows: Vec<Flow<Codes>> = flow(&stages, image, |stage, inputs| {
        Ok::<_, QuantizeError>(imported.codes.get(stage.index).copied().flatten().unwrap_or(inputs.input))
    })?;
    let mut flows = flows.into_iter();
    let stages = quantized_stages(&stages, |stage| {
        let Some(Flow { inputs, output }) = flows.next() else {
            return Err(candle_core::Error::msg("a stage without codes").into());
        };
        let Some(Weights::Codes { rows, scales, biases }) = &imported.weights[stage.index] else {
            return Ok(Numbers::Codes { inputs, output: output.unwrap_or(inputs.input), rounding });
        };
        let mut integers = Integers {
            layer: stage.index,
            input: inputs.input,
            rows: rows.clone(),
            scales: scales.clone(),
            biases: biases.clone(),
            packs_rows: stage.layer.arithmetic().packs_rows(),
        };
        match output {
            Some(codes) => {
                without_silent_rows(&mut integers, codes);
                match rounding {
                    Rounding::Twice => integers.requantized_twice(codes),
                    Rounding::Once => {
                        // TFLite's dense layers round once.
                        if !matches!(stage.layer.layer, Layer::Dense(_)) {
                            round_up_as_twice(&mut integers, codes);
                        }
                        integers.requantized(codes)
                    }
                }
            }
            None => {
                let numbers = integers.logits()?;
                Ok(scaled(numbers, imported.logit_factor))
            }
        }
    })?;
    let input = Input::new(imported.architecture.input, image);
    Ok(Some(QuantizedModel { input, stages }))
}

/// Zeros in place of rows whose sums never reach half a step of the output: converters give such channels scales that no multiplier of
/// 31 bits expresses.
fn without_silent_rows(integers: &mut Integers, output: Codes) {
    let ratios: Vec<f64> = integers.ratios(output).collect();
    let largest = ratios.iter().copied().fold(0.0, f64::max);
    for (row, &ratio) in ratios.iter().enumerate() {
        let bound = accumulator_bound(&integers.rows[row], integers.biases[row]);
        if ratio < (-32.0_f64).exp2() && bound as f64 * ratio < 0.5 {
            integers.rows[row].fill(0);
            integers.biases[row] = 0;
            integers.scales[row] *= largest / ratio;
        }
    }
}

/// A step more for the sums of convolutions, which TFLite rounds twice, first to a step of about a sum's own and then to a code: what is
/// less than half of such a step below the middle between two codes is rounded up there. One step is the nearest that a bias comes to
/// that, and leaves a third of the codes that would differ. Its dense layers round once.
fn round_up_as_twice(integers: &mut Integers, output: Codes) {
    let ratios: Vec<f64> = integers.ratios(output).collect();
    for (bias, ratio) in integers.biases.iter_mut().zip(ratios) {
        // From a half on nothing is shifted after the first rounding.
        if ratio < 0.5 {
            *bias = bias.saturating_add(1);
        }
    }
}

/// The logits, each worth `factor` times as much.
fn scaled(numbers: Numbers, factor: f32) -> Numbers {
    match numbers {
        Numbers::Logits { scale, biases, weights } => Numbers::Logits { scale: scale * factor, biases, weights },
        numbers => numbers,
    }
}
