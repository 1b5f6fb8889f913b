//! The training loop: shuffled batches, Adam, early stopping on the validation images, best weights restored.

use std::time::Instant;

use super::checkpoint::{Checkpoint, CheckpointError, Running};
use super::error::FitError;
use super::evaluate;
use super::history::{Epoch, History};
use super::observer::Observer;
use super::recipe::Recipe;
use super::score::Score;
use super::teacher::Teacher;
use super::training::{Best, Training};
use crate::dataset::{Dataset, Images};
use crate::network::{FloatModel, autograd};
use crate::support::number::rate;

/// Trains `model` on the training images of `dataset`, by a teacher's answers too where there is one, until what the recipe
/// watches on the validation images has not improved for `recipe.patience` epochs, and leaves it with the weights of the best
/// epoch.
///
/// Runs on a thread of rayon's pool, and calls `observer` there. Several trainings at once need a pool each
/// (`rayon::ThreadPool::install`): in one pool a thread that waits for an operation may run another training to its end.
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

/// As [`fit`], from the state of an interrupted training: the same history and the same bits as without the interruption, wall
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
    let beginning = from.map_or(Beginning::New, Beginning::Interrupted);
    on_pool(|| train(model, dataset, recipe, seed, teacher, Course { beginning, epochs: recipe.epochs }, observer))
}

/// As [`resume`], without validation images, of which `dataset` has none: the training has a length, `epochs` of those that the
/// recipe's schedule is laid over, and its last epoch is kept.
///
/// # Errors
/// As [`resume`].
pub fn resume_for(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    epochs: usize,
    from: Option<&Checkpoint>,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    let beginning = from.map_or(Beginning::New, Beginning::Interrupted);
    on_pool(|| train(model, dataset, recipe, seed, None, Course { beginning, epochs }, observer))
}

/// As [`resume`], of weights that are worth something before the first step: they are validated as epoch 0, and kept where no epoch
/// does better.
///
/// # Errors
/// As [`resume`].
pub fn improve(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    teacher: Option<&Teacher>,
    from: Option<&Checkpoint>,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    let beginning = from.map_or(Beginning::Learned, Beginning::Interrupted);
    on_pool(|| train(model, dataset, recipe, seed, teacher, Course { beginning, epochs: recipe.epochs }, observer))
}

/// Where a training begins, and where it ends at the latest.
struct Course<'c> {
    beginning: Beginning<'c>,
    /// At most.
    epochs: usize,
}

/// Where a training begins.
enum Beginning<'c> {
    /// With weights that have learned nothing.
    New,
    /// With weights that have.
    Learned,
    /// Where it was interrupted.
    Interrupted(&'c Checkpoint),
}

/// Runs `train` on a thread of the pool. From another thread each parallel operation is handed over and waited for, some 3,000 times a
/// second: a sixth of an epoch of `micro`. `scope` is rayon's way into the current pool, which is the global one if there is no other.
fn on_pool<R: Send>(train: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| train())
}

fn train(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    teacher: Option<&Teacher>,
    Course { beginning, epochs: most_epochs }: Course<'_>,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    let memory = autograd::KeptMemory;
    let mut training = Training::new(model, dataset, recipe, seed, teacher)?;
    let (mut epochs, mut running) = (Vec::new(), Running::default());
    let mut best = Best { epoch: 0, watched: f64::INFINITY, weights: model.snapshot()? };
    match beginning {
        Beginning::New => {}
        Beginning::Learned => {
            let score = evaluate::float(model, &dataset.validation)?.score;
            observer.start(score);
            // A loss that is no number is worse than any.
            best.watched = Some(score.watched(recipe)).filter(|watched| !watched.is_nan()).unwrap_or(best.watched);
        }
        Beginning::Interrupted(checkpoint) => {
            best = training.restore(checkpoint).map_err(CheckpointError::Other)?;
            (epochs, running) = (checkpoint.epochs.clone(), checkpoint.running);
        }
    }
    let has_patience = |epochs: &[Epoch], best: &Best| epochs.len() - best.epoch < recipe.patience;
    let mut interrupted = false;
    let is_unfinished = |epochs: &[Epoch], best: &Best| epochs.len() < most_epochs && has_patience(epochs, best);
    while is_unfinished(&epochs, &best) {
        let epoch = epochs.len() + 1;
        let (start, before) = (Instant::now(), running.seconds);
        let is_over = training.epoch(epoch, &mut running, observer)?;
        running.seconds = before + start.elapsed().as_secs_f64();
        if !is_over {
            observer.checkpoint(training.checkpoint(&epochs, running, &best)?);
            interrupted = true;
            break;
        }
        // With an average it is the average that is validated and kept; training continues from the weights themselves.
        let weights = training.exchange_for_average()?;
        let record = Epoch {
            epoch,
            train: running.score(),
            validation: validate(model, &dataset.validation, observer)?,
            seconds: running.seconds,
            images_per_second: rate(running.images, running.seconds),
            quantized: model.is_rounded(),
        };
        let watched = record.validation.watched(recipe);
        // Without validation images a training gets better until it ends.
        let is_best = dataset.validation.is_empty() || recipe.is_improvement(watched, best.watched);
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
        // Where an epoch is a single step, this is the only place between two of them.
        if is_unfinished(&epochs, &best) && observer.is_interrupted() {
            interrupted = true;
            break;
        }
    }
    drop(memory);
    model.restore(&best.weights)?;
    let stopped_early = !interrupted && !has_patience(&epochs, &best);
    Ok(History { epochs, best_epoch: best.epoch, stopped_early, interrupted })
}

/// The score of `model` on the validation images, of which the observer sees the logits; none where there are no images.
fn validate(model: &FloatModel, images: &Images, observer: &mut dyn Observer) -> Result<Score, FitError> {
    if images.is_empty() {
        return Ok(Score::NONE);
    }
    let answers = evaluate::float_by(model, images, |inputs| {
        let logits = model.forward(inputs)?;
        observer.validated(&logits)?;
        Ok(logits)
    })?;
    Ok(answers.score)
}
