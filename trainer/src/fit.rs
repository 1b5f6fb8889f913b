//! The training loop: shuffled batches, Adam, early stopping on the validation loss, best weights restored.

use std::time::Instant;

use candle_nn::Optimizer;
use serde::Serialize;

use crate::adam::{Adam, AdamConfig};
use crate::batch;
use crate::data::Dataset;
use crate::evaluate::{self, Score, argmax};
use crate::model::{FloatModel, Pass};
use crate::recipe::Recipe;
use crate::rng::{self, Purpose};

/// One pass over the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Running mean over the epoch's steps, each measured before its update.
    pub train: Score,
    /// Measured after the last step.
    pub validation: Score,
    /// Wall time of the training steps, validation left out.
    pub seconds: f64,
    /// Training images per second of that time.
    pub images_per_second: f64,
}

/// What a training run did.
#[derive(Clone, Debug)]
pub struct History {
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights the model has now.
    pub best_epoch: usize,
    /// Whether it ended because the validation loss no longer fell.
    pub stopped_early: bool,
}

/// Sees a training run as it goes.
pub trait Observer {
    /// After each step: images seen in this epoch, of how many, and the running score.
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score);
    /// After each epoch.
    fn epoch(&mut self, epoch: &Epoch, is_best: bool);
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
    /// A tensor operation failed.
    #[error("training: {0}")]
    Candle(#[from] candle_core::Error),
}

/// Trains `model` on the training images of `dataset` until the validation loss has not fallen for
/// `recipe.patience` epochs, and leaves it with the weights of the best epoch.
///
/// # Errors
/// [`FitError::NotFinite`], and those of candle.
pub fn fit(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    let mut optimizer = Adam::new(
        model.variables(),
        AdamConfig {
            learning_rate: recipe.learning_rate,
            beta1: recipe.adam.beta1,
            beta2: recipe.adam.beta2,
            epsilon: recipe.adam.epsilon,
        },
    )?;
    let mut epochs = Vec::new();
    let mut best = Best { epoch: 0, loss: f64::INFINITY, weights: model.snapshot()? };
    let mut stopped_early = false;
    for epoch in 1..=recipe.epochs {
        let start = Instant::now();
        let train = train_epoch(model, dataset, recipe, &mut optimizer, (seed, epoch), observer)?;
        let seconds = start.elapsed().as_secs_f64();
        let validation = evaluate::float(model, &dataset.validation)?.score;
        let images_per_second = dataset.train.len() as f64 / seconds;
        let record = Epoch { epoch, train, validation, seconds, images_per_second };
        let is_best = validation.loss < best.loss - recipe.min_delta;
        observer.epoch(&record, is_best);
        epochs.push(record);
        if is_best {
            best = Best { epoch, loss: validation.loss, weights: model.snapshot()? };
        } else if epoch - best.epoch >= recipe.patience {
            stopped_early = true;
            break;
        }
    }
    model.restore(&best.weights)?;
    Ok(History { epochs, best_epoch: best.epoch, stopped_early })
}

/// The epoch with the lowest validation loss so far.
struct Best {
    epoch: usize,
    loss: f64,
    weights: crate::model::Snapshot,
}

fn train_epoch(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    optimizer: &mut Adam,
    (seed, epoch): (u64, usize),
    observer: &mut dyn Observer,
) -> Result<Score, FitError> {
    let images = &dataset.train;
    let mut order: Vec<usize> = (0..images.len()).collect();
    rng::shuffle(&mut order, &mut rng::stream(seed, Purpose::Shuffle, epoch as u64));
    let (mut seen, mut total_loss, mut right) = (0, 0.0, 0);
    for (step, indices) in order.chunks(recipe.batch_size).enumerate() {
        let (pictures, labels) = batch::gather(images, indices)?;
        let Pass { logits, loss, gradients } = model.loss_and_gradients(&pictures, &labels)?;
        if !loss.is_finite() {
            let learning_rate = recipe.learning_rate;
            return Err(FitError::NotFinite { epoch, step: step + 1, loss, learning_rate });
        }
        optimizer.step(&gradients)?;
        let rows = logits.to_vec2::<f32>()?;
        right +=
            rows.iter().zip(indices).filter(|(row, index)| argmax(row) == usize::from(images.label(**index))).count();
        total_loss += f64::from(loss) * indices.len() as f64;
        seen += indices.len();
        let running = Score { loss: total_loss / seen as f64, accuracy: right as f64 / seen as f64 };
        observer.step(epoch, seen, images.len(), running);
    }
    Ok(Score { loss: total_loss / seen as f64, accuracy: right as f64 / seen as f64 })
}
