//! The scales that a model's numbers have in its file, in the order of the float model's channels.

use infer_core::format::Codes;

use super::QuantizeError;
use super::calibrate::Calibration;
use super::signal::signals;
use super::source::Source;
use crate::network::FloatModel;

/// The scales of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerScales {
    /// Real value of one step of a weight, for each output channel; none of a layer without weights.
    pub weights: Vec<f64>,
    /// What the codes of its output mean; `None` of the last layer, whose accumulators are the logits.
    pub output: Option<Codes>,
}

/// The scales of each layer's weights and output; `None` for a layer whose output is the codes of its input.
///
/// # Errors
/// [`QuantizeError::NotFinite`], [`QuantizeError::Calibration`], [`QuantizeError::Candle`].
pub fn layer_scales(
    model: &FloatModel,
    calibration: &[Calibration],
) -> Result<Vec<Option<LayerScales>>, QuantizeError> {
    let stages = model.architecture().stages();
    let mut scales = vec![None; model.parameters().len()];
    for (stage, flow) in stages.iter().zip(signals(&stages, calibration)?) {
        let output = flow.output.map(|output| output.codes);
        let Some(parameters) = &model.parameters()[stage.index] else {
            if stage.layer.arithmetic().has_own_codes() {
                scales[stage.index] = Some(LayerScales { weights: Vec::new(), output });
            }
            continue;
        };
        let source = Source::read(stage.index, stage.layer, parameters, flow.inputs.input)?;
        let weights = match flow.output {
            Some(_) => source.scales(),
            None => vec![source.shared_scale(); stage.layer.output_channels()],
        };
        scales[stage.index] = Some(LayerScales { weights, output });
    }
    Ok(scales)
}
