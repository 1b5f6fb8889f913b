//! What a training run did, epoch by epoch.

use serde::{Deserialize, Serialize};

use super::score::Score;

/// One pass over the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Running mean over the epoch's steps, each measured before its update.
    pub train: Score,
    /// Measured after the last step.
    pub validation: Score,
    /// Wall time of the training steps, validation left out.
    pub seconds: f64,
    /// Training images per second of that time; `None` where the clock did not move.
    pub images_per_second: Option<f64>,
    /// Whether weights and activations were rounded as in the model file, in training and in validation.
    pub quantized: bool,
}

impl Epoch {
    /// The same with so many epochs before it.
    #[must_use]
    pub fn after(self, epochs: usize) -> Self {
        Self { epoch: epochs + self.epoch, ..self }
    }
}

/// What a training run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights the model has now; 0 where it has those that it started with.
    pub best_epoch: usize,
    /// Whether it ended because the validation loss no longer fell.
    pub stopped_early: bool,
    /// Whether the observer stopped it.
    pub interrupted: bool,
}
