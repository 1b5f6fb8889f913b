//! From images to a model file: train, calibrate, tune, export.
//!
//! A [`Pipeline`] writes and prints nothing. An [`Observer`] sees what happens and may stop it, and gets all that is needed
//! to resume it; what comes out is an [`Outcome`].

use std::collections::BTreeSet;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::dataset::unknown::UnknownImages;
use crate::dataset::{Dataset, Images};
use crate::export::decision::Decision;
use crate::export::model_file::ModelFileError;
use crate::network::model::Snapshot;
use crate::network::{ArchitectureError, FloatModel};
use crate::quantize::aware::{FineTuning, Gain, TuneError};
use crate::quantize::choose::{Chosen, choose};
use crate::quantize::{Choice, QuantizeError};
use crate::run::{Accuracies, ExportMetrics, Int8Metrics, Metrics, PerSplit, RunConfig, RunDirectory, RunError};
use crate::support::number::{finite, rate};
use crate::support::tensor_error::one_line;
use crate::support::text::hexadecimal;
use crate::train::confidence::Confidence;
use crate::train::confusion::WorstClass;
use crate::train::evaluate::{self, Answers, EvaluateError};
use crate::train::folds::{
    CrossValidated, CrossValidation, FoldFit, FoldObserver, FoldPart, Folds, FoldsError, OutOfFold,
};
use crate::train::recipe::Monitor;
use crate::train::score::{Estimate, Score};
use crate::train::selection::EpochSelection;
use crate::train::teacher::Teacher;
use crate::train::{self, Checkpoint, Epoch, FitError, History, Unfinished};

/// What a pipeline works with.
#[derive(Clone, Copy)]
pub struct Pipeline<'a> {
    /// Network, recipe, seed and calibration methods, and what the model file is to name.
    pub config: &'a RunConfig,
    /// The images.
    pub dataset: &'a Dataset,
    /// The networks that it learns from too.
    pub teacher: Option<&'a Teacher>,
    /// The network that it starts from.
    pub start: Option<&'a FloatModel>,
    /// Images of other things, to choose a threshold by.
    pub unknown: Option<&'a UnknownImages>,
}

/// Sees a pipeline as it runs.
pub trait Observer: Send {
    /// Before the first step, how the network that it starts from does on the validation images.
    fn start(&mut self, _: Score) {}

    /// After each step: images seen in this epoch, of how many, and the running score.
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score);

    /// After each epoch, those of fine-tuning included.
    fn epoch(&mut self, epoch: &Epoch, is_best: bool);

    /// Whether training is to stop here; called after each step.
    fn is_interrupted(&self) -> bool {
        false
    }

    /// A fit of cross-validation begins, or is resumed; its steps and epochs follow.
    fn fold(&mut self, _: FoldPart) {}

    /// A fit of cross-validation is over.
    fn fold_over(&mut self, _: &FoldFit) {}

    /// Cross-validation is over, and the training of the final network begins. Called where that is resumed too.
    fn cross_validated(&mut self, _: &CrossValidated) {}

    /// The state of a training, for [`Pipeline::run`] to resume it: after each epoch, and where it was interrupted.
    fn unfinished(&mut self, _: &Unfinished) {}

    /// The main training is over. Not called where that was resumed after it.
    fn trained(&mut self, _: &History) {}

    /// A calibration was chosen.
    fn calibrated(&mut self, _: &Choice) {}

    /// Fine-tuning begins, with this history before it.
    fn tuning(&mut self, _: &History) {}

    /// Fine-tuning is over; `None` where the recipe has none.
    fn tuned(&mut self, _: &History, _: Option<Gain>) {}

    /// The weights are final. What follows may still fail.
    fn learned(&mut self, _: &FloatModel, _: &History) {}
}

/// What a pipeline comes to.
pub struct Outcome {
    /// The float model.
    pub model: FloatModel,
    /// Its training.
    pub history: History,
    /// What cross-validation came to, where there was one, and the logits of each training image by the fit that left it out.
    pub cross_validation: Option<(CrossValidated, OutOfFold)>,
    /// What fine-tuning changed, where there was any.
    pub gain: Option<Gain>,
    /// The configuration, with the calibration and the accuracies in it.
    pub config: RunConfig,
    /// The float model's answers.
    pub float: PerSplit<Answers>,
    /// The quantized model's answers, at temperature 1: their loss compares with that of the float model.
    pub int8: PerSplit<Answers>,
    /// How true the model file's probabilities are, and its threshold.
    pub confidence: Confidence,
    /// The model file.
    pub file: Vec<u8>,
}

/// Why a pipeline has no outcome.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The configuration describes no network.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// Every epoch diverged.
    #[error("no epoch had a finite validation loss; try a smaller --lr")]
    NoEpoch,
    /// The loss is a number, but one of weights that no integers hold.
    #[error(
        "training has diverged: the loss is {loss:.1e} after the last epoch, but guessing gives {guessing:.2}, and no model file \
         has weights of such sizes; try a smaller --lr (it is {learning_rate})"
    )]
    Diverged {
        /// Training loss of the last epoch.
        loss: f64,
        /// The loss of equal probabilities for all classes.
        guessing: f64,
        /// The optimizer's learning rate.
        learning_rate: f64,
    },
    /// The training images cannot be dealt into folds.
    #[error(transparent)]
    Folds(#[from] FoldsError),
    /// Training failed.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Fine-tuning failed.
    #[error(transparent)]
    Tune(#[from] TuneError),
    /// The model cannot be quantized.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The model cannot be encoded.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// The model file does not run on the images.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A tensor operation failed.
    #[error("{}", one_line(.0))]
    Candle(#[from] candle_core::Error),
}

impl PipelineError {
    /// Whether the training came to numbers that are none, or that no file holds: as it is the same to the byte each time, it would
    /// again.
    #[must_use]
    pub fn is_of_the_numbers(&self) -> bool {
        match self {
            Self::NoEpoch | Self::Diverged { .. } | Self::Quantize(_) => true,
            Self::Fit(error) | Self::Tune(TuneError::Fit(error)) => matches!(error, FitError::NotFinite { .. }),
            Self::Tune(TuneError::NotFinite { .. } | TuneError::Diverged { .. } | TuneError::Quantize(_)) => true,
            Self::Tune(TuneError::Candle(_))
            | Self::Architecture(_)
            | Self::Folds(_)
            | Self::ModelFile(_)
            | Self::Evaluate(_)
            | Self::Candle(_) => false,
        }
    }
}

impl Pipeline<'_> {
    /// Runs to the end, or until it is interrupted, from its state; `None` where it was interrupted before there was a
    /// model. An interrupted training is calibrated and exported too, and not tuned.
    ///
    /// # Errors
    /// [`PipelineError`].
    pub fn run(&self, from: Unfinished, observer: &mut dyn Observer) -> Result<Option<Outcome>, PipelineError> {
        let Self { config, dataset, teacher, start, unknown } = *self;
        let (recipe, seed) = (&config.recipe, config.seed);
        let mut from = from;
        let cross_validation = match config.folds {
            Some(folds) => match self.cross_validate(folds, &mut from, observer)? {
                Some(done) => Some(done),
                None => return Ok(None),
            },
            None => None,
        };
        let length = cross_validation.as_ref().map(|(cross_validated, _)| cross_validated.epochs);
        let mut model = self.model()?;
        let mut watched = Watched { unfinished: from, observer };
        let from = watched.unfinished.checkpoint.take();
        let (mut history, from) = match &watched.unfinished.trained {
            Some((history, weights)) => {
                model.fold()?;
                model.restore(&Snapshot::from_values(&model, weights)?)?;
                (history.clone(), from)
            }
            None => {
                let train = if start.is_some() { train::improve } else { train::resume };
                let history = match length {
                    Some(epochs) => {
                        train::resume_for(&model, dataset, recipe, seed, epochs, from.as_ref(), &mut watched)?
                    }
                    None => train(&model, dataset, recipe, seed, teacher, from.as_ref(), &mut watched)?,
                };
                watched.observer.trained(&history);
                model.fold()?;
                (history, None)
            }
        };
        if history.best_epoch == 0 && (start.is_none() || history.epochs.is_empty()) {
            return if history.interrupted { Ok(None) } else { Err(PipelineError::NoEpoch) };
        }
        // What is chosen from here on hardly depends on whether an image was trained on.
        let judged = dataset.with_validation();
        let (train, validation) = (&judged.train, &judged.validation);
        let methods = &config.calibration_methods;
        let Chosen { calibration, mut quantized, score, choice } = choose(&model, train, validation, seed, methods)
            .map_err(|error| self.unless_diverged(error, model.architecture().classes(), &history))?;
        watched.observer.calibrated(&choice);
        let mut gain = None;
        if !history.interrupted {
            watched.unfinished.trained = Some((history.clone(), model.snapshot()?.values()?));
            watched.unfinished.checkpoint = None;
            watched.observer.tuning(&history);
            let tuning =
                FineTuning { dataset: &judged, recipe, seed, teacher, calibration: &calibration, before: score };
            let tuned = tuning.run(&mut model, &mut history, from.as_ref(), &mut watched)?;
            gain = tuned.as_ref().map(|tuned| tuned.gain);
            quantized = tuned.and_then(|tuned| tuned.quantized).unwrap_or(quantized);
            watched.observer.tuned(&history, gain);
        }
        watched.observer.learned(&model, &history);

        let decision = Decision::default();
        let mut config = RunConfig { calibration, calibration_choice: Some(choice), decision, ..config.clone() };
        // The file states its own accuracy, so it is encoded once to be measured and once to be kept.
        let draft = config.encode(&quantized)?;
        let float = on_each(dataset, |images| Ok::<_, PipelineError>(evaluate::float(&model, images)?))?;
        let int8 = on_each(dataset, |images| Ok::<_, PipelineError>(evaluate::int8(&draft, images)?))?;
        config.accuracies = Accuracies { float_test: Some(float.test.score.accuracy as f32), ..Accuracies::default() };
        config.accuracies.set_int8(&int8.test, &dataset.test, &config.class_names);
        let out_of_fold = cross_validation.as_ref().map(|(_, out_of_fold)| out_of_fold);
        let confidence = Confidence::settle(&draft, dataset, out_of_fold, config.rejection.as_ref(), unknown)?;
        config.decision = confidence.decision.clone();
        let file = config.encode(&quantized)?;
        Ok(Some(Outcome { model, history, cross_validation, gain, config, float, int8, confidence, file }))
    }

    /// The network before its first step.
    fn model(&self) -> Result<FloatModel, PipelineError> {
        let Self { config, start, .. } = *self;
        let mut model = FloatModel::new(config.architecture()?, config.seed)?;
        if let (Some(start), Some(run)) = (start, &config.init) {
            run.initial.apply(&mut model, start)?;
        }
        Ok(model)
    }

    /// Takes the fits of cross-validation that are not over; `None` where it was interrupted.
    fn cross_validate(
        &self,
        folds: usize,
        state: &mut Unfinished,
        observer: &mut dyn Observer,
    ) -> Result<Option<(CrossValidated, OutOfFold)>, PipelineError> {
        let Self { config, dataset, .. } = *self;
        let folds = Folds::draw(&dataset.train, &dataset.class_names, folds, config.seed)?;
        let model = || self.model().map_err(candle_core::Error::wrap);
        let validation =
            CrossValidation { dataset, folds: &folds, recipe: &config.recipe, seed: config.seed, model: &model };
        let Some(done) = validation.run(state, &mut OfFolds { observer })? else { return Ok(None) };
        if done.0.best_epochs.contains(&0) {
            return Err(PipelineError::NoEpoch);
        }
        observer.cross_validated(&done.0);
        Ok(Some(done))
    }

    /// The cause of weights that cannot be quantized, where the loss shows it.
    fn unless_diverged(&self, error: QuantizeError, classes: usize, history: &History) -> PipelineError {
        /// No network that learns has a loss of so many times that of guessing.
        const TIMES: f64 = 10.0;
        let guessing = guessing_loss(classes);
        match (&error, history.epochs.last()) {
            (QuantizeError::Overflow { .. } | QuantizeError::Multiplier { .. }, Some(last))
                if last.train.loss > TIMES * guessing =>
            {
                let learning_rate = self.config.recipe.learning_rate;
                PipelineError::Diverged { loss: last.train.loss, guessing, learning_rate }
            }
            _ => error.into(),
        }
    }
}

impl Outcome {
    /// Writes the files of a run into its directory, and returns its metrics. `path` is where the model file is for the user.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn write(&self, directory: &RunDirectory, dataset: &Dataset, path: PathBuf) -> Result<Metrics, RunError> {
        directory.write_config(&self.config)?;
        directory.write_manifest(dataset)?;
        directory.write_model(&self.file)?;
        if let Some((_, out_of_fold)) = &self.cross_validation {
            directory.write_out_of_fold(out_of_fold)?;
        }
        let metrics = self.metrics(dataset, path)?;
        directory.write_metrics(&metrics)?;
        Ok(metrics)
    }

    /// Whether the validation images distinguish the epochs, where these are chosen by them.
    #[must_use]
    pub fn selection(&self, dataset: &Dataset) -> Option<EpochSelection> {
        if self.config.recipe.monitor == Monitor::Last {
            return None;
        }
        EpochSelection::of(&self.history.epochs, self.history.best_epoch, dataset.validation.len())
    }

    /// Whether the float model is no better than a guess, after a training on images enough to learn something: it gives all of them
    /// the same answer, or no epoch had a validation loss near that of a guess.
    #[must_use]
    pub fn is_a_guess(&self) -> bool {
        const ENOUGH_IMAGES: usize = 300;
        const NEAR: f64 = 1.2;
        let (train, validation) = (&self.float.train.classes, &self.float.validation.classes);
        let answers: BTreeSet<usize> = train.iter().chain(validation).copied().collect();
        let epochs = &self.history.epochs;
        let lowest = epochs.iter().map(|epoch| epoch.validation.loss).fold(f64::INFINITY, f64::min);
        // Without validation images no epoch has a loss on them.
        let is_far = lowest.is_finite() && lowest > NEAR * guessing_loss(self.model.architecture().classes());
        epochs.len() * train.len() >= ENOUGH_IMAGES && (answers.len() == 1 || is_far)
    }

    fn metrics(&self, dataset: &Dataset, path: PathBuf) -> Result<Metrics, ModelFileError> {
        let Self { model, history, gain, config, float, int8, confidence, file, .. } = self;
        let architecture = model.architecture();
        let seconds_per_epoch = median(history.epochs.iter().map(|epoch| epoch.seconds).collect());
        let header = infer_core::Header::parse(file).map_err(ModelFileError::Refused)?;
        let images =
            PerSplit { train: dataset.train.len(), validation: dataset.validation.len(), test: dataset.test.len() };
        Ok(Metrics {
            model: architecture.name.clone(),
            dataset: dataset.name.clone(),
            parameters: architecture.parameters(),
            seed: config.seed,
            images,
            epochs_run: history.epochs.len(),
            best_epoch: history.best_epoch,
            stopped_early: history.stopped_early,
            interrupted: history.interrupted,
            cross_validation: self.cross_validation.as_ref().map(|(cross_validated, _)| cross_validated.clone()),
            epochs_like_the_best: self.selection(dataset).map(|selection| selection.alike),
            seconds_per_epoch,
            images_per_second: seconds_per_epoch.and_then(|seconds| rate(dataset.train.len(), seconds)),
            float: scores(float, dataset),
            int8: Int8Metrics {
                scores: scores(int8, dataset),
                agreement_with_float: int8.test.agreement(&float.test),
                validation_before_fine_tuning: gain.map(|gain| gain.before.over(images.validation)),
            },
            confidence: Some(confidence.metrics.clone()),
            export: ExportMetrics {
                path,
                bytes: file.len(),
                sha256: hexadecimal(Sha256::new_with_prefix(file)),
                flash_bytes: file.len(),
                arena_bytes: header.arena_len,
                macs: architecture.macs(),
            },
        })
    }
}

/// The loss of equal probabilities for so many classes.
#[must_use]
pub fn guessing_loss(classes: usize) -> f64 {
    (classes as f64).ln()
}

/// Keeps the state of the training, and shows it with everything else.
struct Watched<'o> {
    unfinished: Unfinished,
    observer: &'o mut dyn Observer,
}

impl train::Observer for Watched<'_> {
    fn start(&mut self, score: Score) {
        self.observer.start(score);
    }

    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        self.observer.step(epoch, seen, images, running);
    }

    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        self.observer.epoch(epoch, is_best);
    }

    fn is_interrupted(&self) -> bool {
        self.observer.is_interrupted()
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.unfinished.checkpoint = Some(checkpoint);
        self.observer.unfinished(&self.unfinished);
    }
}

/// Shows the fits of cross-validation to the observer of a pipeline.
struct OfFolds<'o> {
    observer: &'o mut dyn Observer,
}

impl FoldObserver for OfFolds<'_> {
    fn begin(&mut self, part: FoldPart) {
        self.observer.fold(part);
    }

    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        self.observer.step(epoch, seen, images, running);
    }

    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        self.observer.epoch(epoch, is_best);
    }

    fn is_interrupted(&self) -> bool {
        self.observer.is_interrupted()
    }

    fn unfinished(&mut self, state: &Unfinished) {
        self.observer.unfinished(state);
    }

    fn end(&mut self, fit: &FoldFit) {
        self.observer.fold_over(fit);
    }
}

fn on_each<E>(dataset: &Dataset, score: impl Fn(&Images) -> Result<Answers, E>) -> Result<PerSplit<Answers>, E> {
    Ok(PerSplit { train: score(&dataset.train)?, validation: score(&dataset.validation)?, test: score(&dataset.test)? })
}

/// Each with the class that is recognized worst.
fn scores(answers: &PerSplit<Answers>, dataset: &Dataset) -> PerSplit<Estimate> {
    let names = &dataset.class_names;
    let estimate = |answers: &Answers, images: &Images| {
        let score = if images.is_empty() { Score::NONE } else { answers.score };
        let worst_class = WorstClass::of(&answers.confusion(images, names.len()), names);
        Estimate { worst_class, ..score.over(images.len()) }
    };
    PerSplit {
        train: estimate(&answers.train, &dataset.train),
        validation: estimate(&answers.validation, &dataset.validation),
        test: estimate(&answers.test, &dataset.test),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().and_then(finite)
}
