//! Quantization-aware fine-tuning: training continues while weights and activations are rounded as in the model file
//! (Jacob and others 2018).
//!
//! Gradients pass the rounding straight through and move the float weights that belong to it, from which the file is made. The ranges
//! of activations stay what calibration found before: the exporter takes the same, so what was trained is what runs.

use super::choose::score;
use super::rounding::FakeQuantizer;
use super::{Calibration, QuantizeError, QuantizedModel};
use crate::dataset::Dataset;
use crate::network::FloatModel;
use crate::support::rng::{self, Purpose, Rng};
use crate::support::tensor_error::one_line;
use crate::train::recipe::{QuantizationAware, Recipe};
use crate::train::schedule::{Decay, Schedule};
use crate::train::score::Score;
use crate::train::teacher::Teacher;
use crate::train::{Checkpoint, Epoch, FitError, History, Observer, resume};

/// Everything that fine-tuning needs besides the model.
pub struct FineTuning<'a> {
    /// The images.
    pub dataset: &'a Dataset,
    /// How the model was trained. Fine-tuning differs in its number of epochs, in its learning rate, and in that it ends by
    /// no patience.
    pub recipe: &'a Recipe,
    /// The run's seed.
    pub seed: u64,
    /// The teacher of the model, in training and in fine-tuning.
    pub teacher: Option<&'a Teacher>,
    /// What the exporter will know of each layer's output.
    pub calibration: &'a [Calibration],
    /// The file made of the trained weights on the validation images.
    pub before: Score,
}

/// What fine-tuning came to.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// How much better the file became.
    pub gain: Gain,
    /// The fine-tuned model, quantized; `None` where the weights before were kept.
    pub quantized: Option<QuantizedModel>,
}

/// The model file on the validation images, without fine-tuning and with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// Of the weights that fine-tuning began with.
    pub before: Score,
    /// Of the best of its epochs.
    pub after: Score,
    /// Whether that epoch's weights took their place.
    pub kept: bool,
}

/// Why fine-tuning ended without a result.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The loss is no number any more.
    #[error(
        "the loss is {loss} at epoch {epoch}, step {step}: quantization-aware training has diverged; \
         try a smaller learning_rate under [quantization_aware] (it is {learning_rate})"
    )]
    NotFinite {
        /// Counted from 1, those before fine-tuning included.
        epoch: usize,
        /// Step of the epoch, counted from 1.
        step: usize,
        /// The loss.
        loss: f32,
        /// Adam's learning rate.
        learning_rate: f64,
    },
    /// The weights have become so large, or so different, that no file holds them.
    #[error(
        "quantization-aware training has diverged by epoch {epoch}: {source}; \
         try a smaller learning_rate under [quantization_aware] (it is {learning_rate})"
    )]
    Diverged {
        /// The one with the best score, counted from 1, those before fine-tuning included.
        epoch: usize,
        /// What is wrong with its weights.
        source: QuantizeError,
        /// Adam's learning rate.
        learning_rate: f64,
    },
    /// Training failed otherwise.
    #[error(transparent)]
    Fit(FitError),
    /// The model cannot be quantized.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// A tensor operation failed.
    #[error("fine-tuning: {}", one_line(.0))]
    Candle(#[from] candle_core::Error),
}

impl FineTuning<'_> {
    /// Trains a trained `model` for as many epochs more as `recipe.quantization_aware` has, and appends them to `history`.
    ///
    /// The model ends with the weights of the epoch that did best on the validation images while rounded, provided that the
    /// file made of them does better than the file made of the weights before; else with those. `None` where the recipe
    /// has no epochs. `from` is its state when it was interrupted.
    ///
    /// # Errors
    /// [`TuneError`].
    pub fn run(
        &self,
        model: &mut FloatModel,
        history: &mut History,
        from: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Tuned>, TuneError> {
        let QuantizationAware { epochs, learning_rate } = self.recipe.quantization_aware;
        if epochs == 0 {
            return Ok(None);
        }
        let before = self.before;
        let weights = model.snapshot()?;
        let offset = history.epochs.len();

        let recipe = Recipe {
            epochs,
            learning_rate,
            schedule: Schedule { warmup: 0.0, decay: Decay::Cosine },
            patience: usize::MAX,
            ..self.recipe.clone()
        };
        let seed = rng::stream(self.seed, Purpose::FineTune, 0).next_u64();
        let improves = |score| self.improves(score, before);
        let mut continued = Continued { offset, observer, improves: &improves };
        model.set_rounding(Some(Box::new(FakeQuantizer::new(model.architecture(), self.calibration)?)));
        let tuned = resume(model, self.dataset, &recipe, seed, self.teacher, from, &mut continued);
        model.set_rounding(None);
        let tuned = tuned.map_err(|error| match error {
            FitError::NotFinite { epoch, step, loss, learning_rate } => {
                TuneError::NotFinite { epoch: offset + epoch, step, loss, learning_rate }
            }
            other => TuneError::Fit(other),
        })?;

        let best_epoch = offset + tuned.best_epoch;
        let (quantized, after) = self.validate(model).map_err(|error| match error {
            TuneError::Quantize(source) => TuneError::Diverged { epoch: best_epoch, source, learning_rate },
            other => other,
        })?;
        let kept = improves(after);
        if kept {
            history.best_epoch = best_epoch;
        } else {
            model.restore(&weights)?;
        }
        history.interrupted = tuned.interrupted;
        history.epochs.extend(tuned.epochs.into_iter().map(|epoch| epoch.after(offset)));
        Ok(Some(Tuned { gain: Gain { before, after, kept }, quantized: kept.then_some(quantized) }))
    }

    /// The model quantized, and how its file does on the validation images.
    fn validate(&self, model: &FloatModel) -> Result<(QuantizedModel, Score), TuneError> {
        let quantized = QuantizedModel::new(model, self.calibration)?;
        let score = score(&quantized, model.architecture().classes(), &self.dataset.validation)?;
        Ok((quantized, score))
    }

    /// Whether a score is an improvement on that of the weights before.
    fn improves(&self, score: Score, before: Score) -> bool {
        score.watched(self.recipe) < before.watched(self.recipe) - self.recipe.min_delta
    }
}

/// Shows an observer epochs that follow those it has seen.
struct Continued<'o> {
    offset: usize,
    observer: &'o mut dyn Observer,
    /// Whether a score is better than that of the weights before.
    improves: &'o (dyn Fn(Score) -> bool + Sync),
}

impl Observer for Continued<'_> {
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        self.observer.step(self.offset + epoch, seen, images, running);
    }

    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        self.observer.epoch(&epoch.after(self.offset), is_best && (self.improves)(epoch.validation));
    }

    fn is_interrupted(&self) -> bool {
        self.observer.is_interrupted()
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.observer.checkpoint(checkpoint);
    }
}
