//! Why a training stops without a result.

use super::checkpoint::CheckpointError;
use crate::support::tensor_error::one_line;

/// Why training stopped without a result.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The loss is no number any more.
    #[error(
        "the loss is {loss} at epoch {epoch}, step {step}: training has diverged; \
         try a smaller --lr (it is {learning_rate})"
    )]
    NotFinite {
        /// Counted from 1.
        epoch: usize,
        /// Step of the epoch, counted from 1.
        step: usize,
        /// The loss.
        loss: f32,
        /// Adam's learning rate.
        learning_rate: f64,
    },
    /// The checkpoint to resume from is not one of this network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A tensor operation failed.
    #[error("training: {}", one_line(.0))]
    Candle(#[from] candle_core::Error),
}
