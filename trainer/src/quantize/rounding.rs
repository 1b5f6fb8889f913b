//! A float model that computes with what the model file will hold.

use candle_core::{Device, Result, Tensor};
use infer_core::format::Codes;

use super::calibrate::Calibration;
use super::fake::{fake_biases, fake_weights};
use super::signal::signals;
use super::straight_through::fake_quantize_recorded;
use super::{QuantizeError, weights};
use crate::network::Architecture;
use crate::network::autograd::Recorded;
use crate::network::model::{Parameters, Rounding};

/// Rounds a network's parameters and activations where [`QuantizedModel`](super::QuantizedModel) does, to the same codes.
///
/// Scales of weights follow the weights from step to step, as the exporter will take them from the last. Codes of
/// activations stay those of the calibration.
#[derive(Clone, Debug)]
pub struct FakeQuantizer {
    /// `None` for a layer without codes of its own, such as a pool.
    layers: Vec<Option<FakeLayer>>,
}

#[derive(Clone, Copy, Debug)]
struct FakeLayer {
    input: Codes,
    /// `None` for the last layer, whose accumulators are the logits.
    output: Option<Codes>,
}

impl FakeQuantizer {
    /// For a network of this architecture, given what calibration found out about each layer's output.
    ///
    /// # Errors
    /// [`QuantizeError::Calibration`].
    pub fn new(architecture: &Architecture, calibration: &[Calibration]) -> std::result::Result<Self, QuantizeError> {
        let stages = architecture.stages();
        let mut layers = vec![None; architecture.layers.len()];
        for (stage, flow) in stages.iter().zip(signals(&stages, calibration)?) {
            if stage.layer.arithmetic().has_own_codes() {
                let output = flow.output.map(|output| output.codes);
                layers[stage.index] = Some(FakeLayer { input: flow.inputs.input.codes, output });
            }
        }
        Ok(Self { layers })
    }

    fn layer(&self, index: usize) -> Option<FakeLayer> {
        self.layers.get(index).copied().flatten()
    }
}

impl Rounding for FakeQuantizer {
    fn parameters(&self, index: usize, own: &Parameters) -> Result<(Tensor, Tensor)> {
        let Some(FakeLayer { input, output }) = self.layer(index) else {
            candle_core::bail!("fake quantization: layer {index} has no parameters");
        };
        let mut weight = own.weight.flatten_all()?.to_vec1::<f32>()?;
        let mut bias = own.bias.to_vec1::<f32>()?;
        let rows: Vec<&[f32]> = weight.chunks_exact(weight.len() / bias.len()).collect();
        let mut scales = weights::scales(&rows, &bias, input.scale);
        if output.is_none() {
            let shared = weights::largest(&scales);
            scales.fill(shared);
        }
        fake_weights(&mut weight, &scales);
        fake_biases(&mut bias, &scales, input.scale);
        Ok((
            Tensor::from_vec(weight, own.weight.shape(), &Device::Cpu)?,
            Tensor::from_vec(bias, own.bias.shape(), &Device::Cpu)?,
        ))
    }

    fn activation(&self, index: usize, activation: &Tensor) -> Result<Option<Recorded>> {
        let codes = self.layer(index).and_then(|layer| layer.output);
        codes.map(|codes| fake_quantize_recorded(activation, codes)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::Range;

    #[test]
    fn a_calibration_of_other_channels_is_refused_as_the_exporter_refuses_it() {
        let architecture = Architecture::built_in("mlp").unwrap();
        let mut calibration = vec![Calibration::from(Range { low: 0.0, high: 1.0 }); 2];
        assert!(FakeQuantizer::new(&architecture, &calibration).is_ok());
        calibration[0].channel_order = vec![1, 0];
        let message = FakeQuantizer::new(&architecture, &calibration).unwrap_err().to_string();
        assert_eq!(message, "layer 0: the calibration is not for this network's 350 output channels");
    }
}
