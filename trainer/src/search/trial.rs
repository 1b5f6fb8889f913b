//! A trial: the training of one candidate, as a run that others can read.

use std::io;

use serde::{Deserialize, Serialize};

use super::budget::{DataFacts, Requirements, Violations};
use super::parameter::Values;
use crate::dataset::Dataset;
use crate::network::FloatModel;
use crate::pipeline::{Observer, Pipeline, PipelineError};
use crate::run::{RunConfig, RunDirectory, RunError};
use crate::train::score::Score;
use crate::train::teacher::Teacher;
use crate::train::{Epoch, History, Unfinished};

/// What is to be tried: the file of `trainer search --trial`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRequest {
    /// The values of the candidate. Those that it does not use may be there or not.
    pub parameters: Values,
    /// What everything random in the training comes from.
    pub seed: u64,
    /// Passes over the training images.
    pub epochs: usize,
    /// What `--describe` prints about the data set: with it the budget is checked before an image is read, and other images are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataFacts>,
}

/// What a trial reports, as it happens: lines of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrialEvent {
    /// It is known what the candidate takes. Where it is too much, nothing follows.
    Checked {
        /// What it takes.
        #[serde(flatten)]
        requirements: Requirements,
        /// By how much each limit is exceeded; at most 0 where it is kept.
        violations: Violations,
    },
    /// An epoch is over.
    Epoch {
        /// Counted from 1, those of quantization-aware training included.
        epoch: usize,
        /// Of the float model on the validation images, 0 to 1.
        #[serde(with = "crate::support::number")]
        validation_accuracy: f64,
    },
    /// The training is over, and the run is whole.
    Finished {
        /// Of the model file on the validation images, 0 to 1.
        #[serde(with = "crate::support::number")]
        validation_accuracy: f64,
        /// What the candidate takes.
        #[serde(flatten)]
        requirements: Requirements,
    },
    /// It came to no model: it diverged, or is too large to be trained. It would again.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A trial whose candidate fits.
pub struct Trial<'a> {
    /// Where its run is kept.
    pub directory: &'a RunDirectory,
    /// The settings of the run.
    pub config: &'a RunConfig,
    /// The images.
    pub dataset: &'a Dataset,
    /// Whom it learns from.
    pub teacher: Option<&'a Teacher>,
    /// What the candidate takes.
    pub requirements: Requirements,
}

/// Why a trial ended without a result that others would come to.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The pipeline failed for another reason than its numbers.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The run could not be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Nobody reads the reports any more.
    #[error("the trial cannot be reported: {0}")]
    Report(#[from] io::Error),
}

impl Trial<'_> {
    /// Trains, calibrates, tunes and exports, and reports each epoch and the result.
    ///
    /// # Errors
    /// [`TrialError`]; a training that diverges is none, it is reported.
    pub fn run(&self, report: &mut (dyn FnMut(TrialEvent) -> io::Result<()> + Send)) -> Result<(), TrialError> {
        let Self { directory, config, dataset, teacher, requirements } = *self;
        let mut reporter = Reporter { directory, report, reported: Ok(()), kept: Ok(()) };
        let pipeline = Pipeline { config, dataset, teacher, start: None, unknown: None };
        let outcome = pipeline.run(Unfinished::default(), &mut reporter);
        let Reporter { reported, kept, report, .. } = reporter;
        reported?;
        let outcome = match outcome {
            Err(error) if error.is_of_the_numbers() => {
                let reason = error.to_string();
                directory.write_failure(&reason)?;
                return Ok(report(TrialEvent::Failed { reason })?);
            }
            outcome => outcome?,
        };
        // Only what is interrupted has no outcome, and that had nobody to report to.
        let Some(outcome) = outcome else { return Ok(()) };
        kept?;
        outcome.write(directory, dataset, directory.model())?;
        let validation_accuracy = outcome.int8.validation.score.accuracy;
        Ok(report(TrialEvent::Finished { validation_accuracy, requirements })?)
    }
}

/// Reports epochs, and keeps what was learned.
struct Reporter<'r> {
    directory: &'r RunDirectory,
    report: &'r mut (dyn FnMut(TrialEvent) -> io::Result<()> + Send),
    reported: io::Result<()>,
    kept: Result<(), RunError>,
}

impl Observer for Reporter<'_> {
    fn step(&mut self, _: usize, _: usize, _: usize, _: Score) {}

    fn epoch(&mut self, epoch: &Epoch, _: bool) {
        if self.reported.is_ok() {
            let event = TrialEvent::Epoch { epoch: epoch.epoch, validation_accuracy: epoch.validation.accuracy };
            self.reported = (self.report)(event);
        }
    }

    fn is_interrupted(&self) -> bool {
        self.reported.is_err()
    }

    fn learned(&mut self, model: &FloatModel, history: &History) {
        self.kept = self.directory.write_weights(model).and_then(|()| self.directory.write_history(&history.epochs));
    }
}
