//! The training loop: shuffled batches, Adam, early stopping on the validation images, best weights restored.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError, Running};
use super::training::{Best, Training};
use crate::dataset::Dataset;
use crate::network::FloatModel;
use crate::support::number::rate;
use crate::support::tensor_error::one_line;
use crate::train::evaluate;
use crate::train::recipe::Recipe;
use crate::train::score::Score;
use crate::train::teacher::Teacher;

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
    /// The same with so many epochs in front of it.
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
    /// The epoch whose weights the model has now.
    pub best_epoch: usize,
    /// Whether it ended because the validation loss no longer fell.
    pub stopped_early: bool,
    /// Whether the observer stopped it.
    pub interrupted: bool,
}

/// Sees a training run as it goes.
pub trait Observer {
    /// After each step: images seen in this epoch, of how many, and the running score.
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score);
    /// After each epoch.
    fn epoch(&mut self, epoch: &Epoch, is_best: bool);
    /// Whether training is to stop here; asked after each step.
    fn is_interrupted(&self) -> bool {
        false
    }
    /// Where training stands: after each epoch, and where it was interrupted.
    fn checkpoint(&mut self, _: Checkpoint) {}
}

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
        /// Adam's step size.
        learning_rate: f64,
    },
    /// The checkpoint to go on from is not one of this network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A tensor operation failed.
    #[error("training: {}", one_line(.0))]
    Candle(#[from] candle_core::Error),
}

/// Trains `model` on the training images of `dataset`, by a teacher's answers too where there is one, until what the recipe
/// watches on the validation images has not improved for `recipe.patience` epochs, and leaves it with the weights of the best
/// epoch.
///
/// # Errors
/// [`FitError::NotFinite`], and those of candle.
pub fn fit(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    teacher: Option<&Teacher>,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    resume(model, dataset, recipe, seed, teacher, None, observer)
}

/// As [`fit`], from where an interrupted training stood: the same history and the same bits as without the interruption, wall
/// times aside.
///
/// # Errors
/// As [`fit`], and [`FitError::Checkpoint`].
pub fn resume(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    teacher: Option<&Teacher>,
    from: Option<&Checkpoint>,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    let mut training = Training::new(model, dataset, recipe, seed, teacher)?;
    let (mut epochs, mut running) = (Vec::new(), Running::default());
    let mut best = Best { epoch: 0, watched: f64::INFINITY, weights: model.snapshot()? };
    if let Some(checkpoint) = from {
        best = training.restore(checkpoint).map_err(CheckpointError::Other)?;
        (epochs, running) = (checkpoint.epochs.clone(), checkpoint.running);
    }
    let has_patience = |epochs: &[Epoch], best: &Best| epochs.len() - best.epoch < recipe.patience;
    let mut interrupted = false;
    while epochs.len() < recipe.epochs && has_patience(&epochs, &best) {
        let epoch = epochs.len() + 1;
        let (start, before) = (Instant::now(), running.seconds);
        let is_over = training.epoch(epoch, &mut running, observer)?;
        running.seconds = before + start.elapsed().as_secs_f64();
        if !is_over {
            observer.checkpoint(training.checkpoint(&epochs, running, &best)?);
            interrupted = true;
            break;
        }
        // With an average it is the average that is validated and kept; training goes on from the weights themselves.
        let weights = training.exchange_for_average()?;
        let record = Epoch {
            epoch,
            train: running.score(),
            validation: evaluate::float(model, &dataset.validation)?.score,
            seconds: running.seconds,
            images_per_second: rate(running.images, running.seconds),
            quantized: model.is_rounded(),
        };
        let watched = record.validation.watched(recipe.monitor);
        let is_best = watched < best.watched - recipe.min_delta;
        observer.epoch(&record, is_best);
        epochs.push(record);
        if is_best {
            best = Best { epoch, watched, weights: model.snapshot()? };
        }
        if let Some(weights) = weights {
            model.restore(&weights)?;
        }
        running = Running::default();
        observer.checkpoint(training.checkpoint(&epochs, running, &best)?);
    }
    model.restore(&best.weights)?;
    let stopped_early = !interrupted && !has_patience(&epochs, &best);
    Ok(History { epochs, best_epoch: best.epoch, stopped_early, interrupted })
}
