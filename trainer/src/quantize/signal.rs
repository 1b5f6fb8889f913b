//! What the codes mean that flow through a network, given what calibration found.

use infer_core::format::Codes;

use super::QuantizeError;
use super::calibrate::Calibration;
use crate::dataset::batch::PIXEL_CODES;
use crate::network::chain::{Flow, Stage, flow};

/// Codes on their way from one stage to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal<'c> {
    /// What they mean.
    pub codes: Codes,
    /// The float model's channel at each position of the file; empty: the same.
    pub order: &'c [usize],
}

/// The image: the order of its channels is not free.
pub const IMAGE: Signal<'static> = Signal { codes: PIXEL_CODES, order: &[] };

/// What flows into each stage and out of it.
///
/// # Errors
/// [`QuantizeError::Calibration`] where the calibration is that of another network.
pub fn signals<'c>(
    stages: &[Stage<'_>],
    calibration: &'c [Calibration],
) -> Result<Vec<Flow<Signal<'c>>>, QuantizeError> {
    flow(stages, IMAGE, |stage, inputs| {
        let channels = stage.layer.output_channels();
        let found = calibration.get(stage.index).filter(|calibration| calibration.is_about(channels));
        let Calibration { range, channel_order } =
            found.ok_or(QuantizeError::Calibration { layer: stage.index, channels })?;
        let order = match stage.layer.arithmetic().keeps_channels() {
            true => inputs.input.order,
            false if stage.has_free_order => channel_order,
            false => &[],
        };
        Ok(Signal { codes: range.codes(), order })
    })
}
