//! From float weights to codes: the host's side of the arithmetic contract.
//!
//! | module | what it decides |
//! |---|---|
//! | [`range`] | which real values the codes of an activation span |
//! | [`distribution`] | what range follows from the values that were seen |
//! | [`calibrate`](mod@calibrate) | what training images show of each activation |
//! | [`equalize`](mod@equalize) | which channels are multiplied, so that each has its share of an activation's codes |
//! | [`choose`](mod@choose) | which calibration is the best on the validation images |
//! | [`channel_order`] | in which order a layer's output channels are in the file |
//! | [`weights`] | `i8` weights and one scale per output channel |
//! | [`signal`] | what the codes mean that flow through a network |
//! | `source` | a layer's float weights in integers |
//! | [`integers`] | the numbers of a record with weights |
//! | [`scales`] | all scales of a file, by layer |
//! | [`fake`] | what rounding to codes leaves of float numbers |
//! | [`noise`] | how much of a signal that is |
//! | [`report`] | what each layer's codes cost the network |
//! | `straight_through` | that rounding as an operation with a gradient |
//! | [`rounding`] | a float model that computes with rounded numbers |
//! | [`aware`] | training that continues with them |
//!
//! [`QuantizedModel::new`] puts them together, folds the input's zero point into the biases, and proves for every
//! channel that no input can overflow the 32-bit accumulator.

pub mod aware;
pub mod calibrate;
pub mod channel_order;
pub mod choose;
pub mod distribution;
pub mod equalize;
mod error;
pub mod fake;
pub mod integers;
pub mod noise;
pub mod range;
pub mod report;
pub mod rounding;
pub mod scales;
pub mod signal;
mod source;
mod straight_through;
pub mod weights;

use infer_core::format::{Input, Metadata};

use self::signal::signals;
use self::source::Source;
use crate::dataset::batch::PIXEL_CODES;
use crate::export::model_file::{self, ModelFileError};
use crate::network::FloatModel;
use crate::network::chain::{Flow, QuantizedStage, quantized_stages};
use crate::network::inputs::{self, Inputs};
use crate::network::record::{Numbers, Rounding};
pub use crate::network::record::{QuantizedLayer, Requantization};

pub use calibrate::{Calibration, Method, calibrate};
pub use choose::{Choice, choose};
pub use equalize::equalize;
pub use error::QuantizeError;
pub use range::Range;
pub use report::Report;

/// A model in the numbers that infer-core computes with.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedModel {
    /// What goes in.
    pub input: Input,
    /// The stages in the order they run.
    pub stages: Vec<QuantizedStage>,
}

impl QuantizedModel {
    /// Quantizes `model`, given what [`calibrate`](calibrate()) found out about each layer's activation.
    ///
    /// # Errors
    /// [`QuantizeError`].
    pub fn new(model: &FloatModel, calibration: &[Calibration]) -> Result<Self, QuantizeError> {
        let architecture = model.architecture();
        let stages = architecture.stages();
        let mut flows = signals(&stages, calibration)?.into_iter();
        let stages = quantized_stages(&stages, |stage| match (&model.parameters()[stage.index], flows.next()) {
            (Some(parameters), Some(Flow { inputs, output })) => {
                Source::read(stage.index, stage.layer, parameters, inputs.input)?.numbers(output)
            }
            (None, Some(Flow { inputs, output })) => {
                let inputs = inputs.map(|signal| signal.codes);
                let output = output.map_or(inputs.input, |signal| signal.codes);
                Ok(Numbers::Codes { output, inputs, rounding: Rounding::Once })
            }
            (_, None) => {
                let inputs = Inputs::one(PIXEL_CODES);
                Ok(Numbers::Codes { inputs, output: PIXEL_CODES, rounding: Rounding::Once })
            }
        })?;
        Ok(Self { input: Input::new(architecture.input, PIXEL_CODES), stages })
    }

    /// A chain: each layer reads the one before it.
    #[must_use]
    pub fn chain(input: Input, layers: Vec<QuantizedLayer>) -> Self {
        let source = |index: usize| index.checked_sub(1).map_or(inputs::Source::Image, inputs::Source::Output);
        let stage = |(index, layer)| QuantizedStage { reads: Inputs::one(source(index)), layer };
        Self { input, stages: layers.into_iter().enumerate().map(stage).collect() }
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn encode(&self, metadata: &Metadata<'_>) -> Result<Vec<u8>, ModelFileError> {
        model_file::encode_stages(metadata, &self.input, &self.stages)
    }
}
