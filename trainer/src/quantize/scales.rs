//! The scales that a model's numbers have in its file, in the order of the float model's channels.

use infer_core::format::Codes;

use super::calibrate::Calibration;
use super::{QuantizeError, Source, calibration_of};
use crate::batch::PIXEL_CODES;
use crate::model::FloatModel;

/// The scales of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerScales {
    /// Real value of one step of a weight, for each output channel.
    pub weights: Vec<f64>,
    /// What the codes that it puts out mean; `None` of the last layer, whose accumulators are the logits.
    pub output: Option<Codes>,
}

/// The scales of each layer's weights and output; `None` for a layer without weights.
///
/// # Errors
/// [`QuantizeError::NotFinite`], [`QuantizeError::Calibration`], [`QuantizeError::Candle`].
pub fn layer_scales(
    model: &FloatModel,
    calibration: &[Calibration],
) -> Result<Vec<Option<LayerScales>>, QuantizeError> {
    let layers = &model.architecture().layers;
    let last = layers.len() - 1;
    let mut flow = PIXEL_CODES;
    let scales = layers.iter().zip(model.parameters()).enumerate().map(|(index, (shaped, parameters))| {
        let Some(parameters) = parameters else { return Ok(None) };
        let source = Source::read(index + 1, shaped, parameters, flow)?;
        if index == last {
            let weights = vec![source.shared_scale(); shaped.output_channels()];
            return Ok(Some(LayerScales { weights, output: None }));
        }
        flow = calibration_of(calibration, index, shaped.output_channels())?.range.codes();
        Ok(Some(LayerScales { weights: source.scales(), output: Some(flow) }))
    });
    scales.collect()
}
