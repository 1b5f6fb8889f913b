//! Cross-validation: each training image is held out once, by a fit that never saw it.
//!
//! Of 80 validation images nobody can tell which epoch is best, nor how good it is. With `K` folds all images do both, and none is lost
//! to training:
//!
//! 1. The training images are dealt into `K` [folds](Folds), each with its share of every class.
//! 2. `K` fits by the recipe leave out one fold each, and are validated on it after every epoch.
//! 3. The length of the final training is the median of their best epochs.
//! 4. The accuracy is that of the [answers out of fold](OutOfFold): to each image by the fit that left it out, after that epoch, which
//!    all fits have in common. No fit chooses its own epoch by the images that it is measured on.
//! 5. The final network is trained on all training images for that length ([`resume_for`](super::fit::resume_for)).
//!
//! | file | what it holds |
//! |---|---|
//! | `assignment` | which fold an image is in |
//! | `fold_fit` | one of the fits, as far as it has come |
//! | `out_of_fold` | the logits of each image, and their text |

mod assignment;
mod fold_fit;
mod out_of_fold;

use candle_core::{Result as CandleResult, Tensor};
use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError, Unfinished};
use super::confusion::WorstClass;
use super::error::FitError;
use super::evaluate::Answers;
use super::fit::resume;
use super::history::Epoch;
use super::observer::Observer;
use super::recipe::Recipe;
use super::score::{Estimate, Score};
use crate::dataset::Dataset;
use crate::network::FloatModel;

pub use assignment::{Folds, FoldsError};
pub use fold_fit::FoldFit;
pub use out_of_fold::{HeldOutImage, OutOfFold};

/// What cross-validation works with.
pub struct CrossValidation<'a> {
    /// The images. Those to validate on are none: folds of the training images take their place.
    pub dataset: &'a Dataset,
    /// The fold of each training image.
    pub folds: &'a Folds,
    /// How each fit is trained, and ends.
    pub recipe: &'a Recipe,
    /// What everything random comes from, the same in each fit.
    pub seed: u64,
    /// A network that has not taken a step.
    pub model: &'a dyn Fn() -> CandleResult<FloatModel>,
}

/// Sees cross-validation as it runs.
pub trait FoldObserver: Send {
    /// A fit begins, or is resumed.
    fn begin(&mut self, part: FoldPart);
    /// As [`Observer::step`], of the fit that is under way.
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score);
    /// As [`Observer::epoch`].
    fn epoch(&mut self, epoch: &Epoch, is_best: bool);
    /// As [`Observer::is_interrupted`].
    fn is_interrupted(&self) -> bool;
    /// The state of the training: after each epoch and each fit, and where it was interrupted.
    fn unfinished(&mut self, state: &Unfinished);
    /// A fit is over.
    fn end(&mut self, fit: &FoldFit);
}

/// One of the fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldPart {
    /// The fold that it leaves out, counted from 1.
    pub fold: usize,
    /// How many folds there are.
    pub folds: usize,
    /// Images that it is trained on.
    pub train: usize,
    /// Images of the fold.
    pub held_out: usize,
}

/// What cross-validation came to, as `metrics.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidated {
    /// How many folds.
    pub folds: usize,
    /// Epochs of the final training: the median of the best epochs of the fits, of an even number the upper one.
    pub epochs: usize,
    /// The best epoch of each fit, counted from 1; 0 where none came to a number.
    pub best_epochs: Vec<usize>,
    /// Images, each held out once.
    pub images: usize,
    /// How right the answers out of fold are.
    pub score: Estimate,
    /// The same of each fold: share of right answers, 0 to 1.
    pub accuracies: Vec<f64>,
}

impl CrossValidation<'_> {
    /// Takes the fits that are not over in `state`, which it keeps, and concludes; `None` where it was interrupted.
    ///
    /// # Errors
    /// Those of [`resume`], and [`CheckpointError::Folds`] where the fits in `state` left out other folds than these.
    pub fn run(
        &self,
        state: &mut Unfinished,
        observer: &mut dyn FoldObserver,
    ) -> Result<Option<(CrossValidated, OutOfFold)>, FitError> {
        self.check(state)?;
        for fold in 0..self.folds.count() {
            if state.folds.get(fold).is_some_and(|fit| fit.is_over) {
                continue;
            }
            // A state that is not of this fold's fit is none.
            let from = if state.folds.len() > fold { state.checkpoint.take() } else { None };
            if from.is_none() {
                state.folds.truncate(fold);
                state.folds.push(FoldFit::default());
            }
            let part = self.folds.part(self.dataset, fold);
            observer.begin(FoldPart {
                fold: fold + 1,
                folds: self.folds.count(),
                train: part.train.len(),
                held_out: part.validation.len(),
            });
            let model = (self.model)()?;
            let mut watched = Watched { state, observer, logits: Vec::new() };
            let history = resume(&model, &part, self.recipe, self.seed, None, from.as_ref(), &mut watched)?;
            if history.interrupted {
                return Ok(None);
            }
            if let Some(fit) = state.folds.last_mut() {
                fit.best_epoch = history.best_epoch;
                fit.is_over = true;
                observer.end(fit);
            }
            state.checkpoint = None;
            observer.unfinished(state);
        }
        Ok(Some(self.conclude(&state.folds)))
    }

    /// That the fits in `state` left out these folds: as many images each. Settings that someone changed leave others.
    fn check(&self, state: &Unfinished) -> Result<(), CheckpointError> {
        let (fits, folds) = (state.folds.len(), self.folds.count());
        let classes = self.dataset.class_names.len();
        let logits_of = |fold: usize| self.folds.held_out(fold).count() * classes;
        let is_of = |(fold, fit): (usize, &FoldFit)| {
            let expected = logits_of(fold);
            fit.logits.iter().all(|logits| logits.len() == expected)
        };
        let is_of_these = fits <= folds && state.folds.iter().enumerate().all(is_of);
        if is_of_these { Ok(()) } else { Err(CheckpointError::Folds { fits, folds }) }
    }

    fn conclude(&self, fits: &[FoldFit]) -> (CrossValidated, OutOfFold) {
        let best_epochs: Vec<usize> = fits.iter().map(|fit| fit.best_epoch).collect();
        let epochs = median(best_epochs.clone());
        let Dataset { train, class_names, .. } = self.dataset;
        let out_of_fold = OutOfFold::of(self.folds, fits, epochs, train, class_names.len());
        let answers = Answers::of_logits(out_of_fold.images.iter().map(|image| &*image.logits), train);
        let score = Estimate {
            worst_class: WorstClass::of(&answers.confusion(train, class_names.len()), class_names),
            ..answers.score.over(train.len())
        };
        let accuracies = (0..self.folds.count()).map(|fold| out_of_fold.accuracy(fold)).collect();
        let images = train.len();
        (CrossValidated { folds: fits.len(), epochs, best_epochs, images, score, accuracies }, out_of_fold)
    }
}

/// Of an even number the upper one; 0 of none.
fn median(mut numbers: Vec<usize>) -> usize {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

/// Keeps the state of a fit, its logits among it, and shows the rest.
struct Watched<'w> {
    state: &'w mut Unfinished,
    observer: &'w mut dyn FoldObserver,
    /// Of the images of the fold that were validated on after this epoch.
    logits: Vec<f32>,
}

impl Observer for Watched<'_> {
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        self.observer.step(epoch, seen, images, running);
    }

    fn validated(&mut self, logits: &Tensor) -> CandleResult<()> {
        self.logits.extend(logits.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    }

    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        if let Some(fit) = self.state.folds.last_mut() {
            fit.take(*epoch, is_best, std::mem::take(&mut self.logits));
        }
        self.observer.epoch(epoch, is_best);
    }

    fn is_interrupted(&self) -> bool {
        self.observer.is_interrupted()
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.state.checkpoint = Some(checkpoint);
        self.observer.unfinished(self.state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_the_median_of_the_best_epochs() {
        assert_eq!(median(vec![30, 1, 7]), 7);
        assert_eq!(median(vec![9, 1, 7, 3]), 7);
        assert_eq!(median(vec![]), 0);
    }
}
