//! Why a model cannot be quantized.

use crate::export::model_file::ModelFileError;
use crate::network::record::WrongNumbers;
use crate::support::tensor_error::one_line;
use crate::train::evaluate::EvaluateError;

/// Why a model cannot be quantized.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A weight or bias is infinite or no number.
    #[error("layer {layer}: a weight or bias is not finite; there is nothing to export")]
    NotFinite {
        /// Counted from 0.
        layer: usize,
    },
    /// Some input could overflow the accumulator.
    #[error(
        "layer {layer}, channel {channel}: accumulators can reach {bound}, which does not fit 32 bits; \
         the layer has too many inputs: a smaller --input, or a pool before it"
    )]
    Overflow {
        /// Counted from 0.
        layer: usize,
        /// Counted from 0.
        channel: usize,
        /// Largest magnitude that an input can lead to.
        bound: i64,
    },
    /// No multiplier of 31 bits expresses the ratio of the scales.
    #[error(
        "layer {layer}: its weights and activations differ so much in size (ratio {ratio:e}) that no integer \
         multiplier expresses it"
    )]
    Multiplier {
        /// Counted from 0.
        layer: usize,
        /// Scale of the accumulator over scale of the output.
        ratio: f64,
    },
    /// What calibration found out is about another network.
    #[error("layer {layer}: the calibration is not for this network's {channels} output channels")]
    Calibration {
        /// Counted from 0.
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
