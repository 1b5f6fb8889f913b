//! From float weights to codes: the host's side of the arithmetic contract.
//!
//! | module | what it decides |
//! |---|---|
//! | [`range`] | which real values the codes of an activation span |
//! | [`distribution`] | what range follows from the values that were seen |
//! | [`calibrate`](mod@calibrate) | what training images tell of each activation |
//! | [`choose`](mod@choose) | which calibration is the best on the validation images |
//! | [`channel_order`] | in which order a layer's output channels stand in the file |
//! | [`weights`] | `i8` weights and one scale per output channel |
//! | [`rescale`] | the integer multiplier and shift that take accumulators to codes |
//! | [`signal`] | what the codes mean that flow through a network |
//! | `source` | the numbers of a layer's record |
//! | [`scales`] | all scales of a file, by layer |
//! | [`fake`] | what rounding to codes leaves of float numbers |
//! | [`noise`] | how much of a signal that is |
//! | [`report`] | what each layer's codes cost the network |
//! | `straight_through` | that rounding as an operation with a gradient |
//! | [`rounding`] | a float model that computes with rounded numbers |
//! | [`aware`] | training that goes on with them |
//!
//! [`QuantizedModel::new`] puts them together, folds the input's zero point into the biases, and proves for every
//! channel that no input can overflow the 32-bit accumulator.

pub mod aware;
pub mod calibrate;
pub mod channel_order;
pub mod choose;
pub mod distribution;
pub mod fake;
pub mod noise;
pub mod range;
pub mod report;
pub mod rescale;
pub mod rounding;
pub mod scales;
pub mod signal;
mod source;
mod straight_through;
pub mod weights;

use infer_core::format::{self, Input, Metadata};

use self::signal::signals;
use self::source::Source;
use crate::dataset::batch::PIXEL_CODES;
use crate::export::model_file::{self, ModelFileError};
use crate::network::FloatModel;
use crate::network::chain::Flow;
use crate::network::record::{Numbers, WrongNumbers, quantized_layers};
pub use crate::network::record::{QuantizedLayer, QuantizedRescale};
use crate::support::tensor_error::one_line;
use crate::train::evaluate::EvaluateError;

pub use calibrate::{Calibration, Method, calibrate};
pub use choose::{Choice, choose};
pub use range::Range;
pub use report::Report;

/// A model in the numbers that infer-core computes with.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedModel {
    /// What goes in.
    pub input: Input,
    /// The layers in order.
    pub layers: Vec<QuantizedLayer>,
}

/// Why a model cannot be quantized.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A weight or bias is infinite or no number.
    #[error("layer {layer}: a weight or bias is not finite; the model has not learned anything that can be exported")]
    NotFinite {
        /// Counted from 1.
        layer: usize,
    },
    /// Some input could overflow the accumulator.
    #[error(
        "layer {layer}, channel {channel}: accumulators can reach {bound}, more than 32 bits hold; \
         the layer has too many inputs"
    )]
    Overflow {
        /// Counted from 1.
        layer: usize,
        /// Counted from 0.
        channel: usize,
        /// Largest magnitude that an input can lead to.
        bound: i64,
    },
    /// No multiplier of 31 bits stands for the ratio of the scales.
    #[error(
        "layer {layer}: its weights and activations differ so much in size (ratio {ratio:e}) that no integer \
         multiplier stands for it"
    )]
    Multiplier {
        /// Counted from 1.
        layer: usize,
        /// Scale of the accumulator over scale of the output.
        ratio: f64,
    },
    /// What calibration found out is about another network.
    #[error("layer {layer}: the calibration is not about this network's {channels} output channels")]
    Calibration {
        /// Counted from 1.
        layer: usize,
        /// Output channels.
        channels: usize,
    },
    /// A layer has parameters that it cannot have, or lacks those that it needs.
    #[error(transparent)]
    Numbers(#[from] WrongNumbers),
    /// No calibration method to choose from.
    #[error("there is no calibration method to choose from")]
    NoMethod,
    /// The quantized model could not be encoded.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// infer-core could not run it on the images given.
    #[error("trying the quantized model: {0}")]
    Run(#[from] EvaluateError),
    /// A tensor operation failed.
    #[error("quantizing: {}", one_line(.0))]
    Candle(#[from] candle_core::Error),
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
        let layers = quantized_layers(&stages, |stage| match (&model.parameters()[stage.index], flows.next()) {
            (Some(parameters), Some(Flow { input, output })) => {
                Source::read(stage.index + 1, stage.layer, parameters, input)?.numbers(output)
            }
            (None, _) | (_, None) => Ok(Numbers::None),
        })?;
        Ok(Self { input: Input { shape: architecture.input, codes: PIXEL_CODES }, layers })
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn encode(&self, metadata: &Metadata<'_>) -> Result<Vec<u8>, ModelFileError> {
        let layers: Vec<format::Layer<'_>> = self.layers.iter().map(QuantizedLayer::borrow).collect();
        model_file::encode(metadata, &self.input, &layers)
    }
}
