//! The temperature and the threshold of a model, and what they come to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rejection::{Coverage, FalseAccepts, RejectAt, Separation, Unreachable, class_thresholds, threshold};
use super::reliability::Reliability;
use super::temperature::{Fitted, loss_at};
use super::{Answer, Choosing, ChosenBy, Judged, Logits};
use crate::dataset::unknown::UnknownImages;
use crate::dataset::{Dataset, Images};
use crate::export::decision::Decision;
use crate::support::text::thousands;
use crate::train::evaluate::EvaluateError;
use crate::train::folds::OutOfFold;

/// How a threshold is to be chosen, as `run.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// The target.
    pub at: RejectAt,
    /// Whether each class gets its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_class: bool,
    /// The directory of images of other things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<PathBuf>,
}

/// The decision of a model file, and what it comes to.
#[derive(Clone, Debug)]
pub struct Confidence {
    /// Temperature and thresholds.
    pub decision: Decision,
    /// The figures.
    pub metrics: ConfidenceMetrics,
    /// Why there is no threshold where there should be one.
    pub unreachable: Option<Unreachable>,
}

/// How true probabilities are, and what a threshold costs and saves: part of `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceMetrics {
    /// What the scale of the logits was divided by.
    pub temperature: f32,
    /// Why it is 1, where it was not fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_kept: Option<String>,
    /// Which images temperature and threshold were chosen by.
    #[serde(default)]
    pub chosen_by: ChosenBy,
    /// Of these images.
    #[serde(alias = "validation")]
    pub choosing: Calibrated,
    /// Of the test images.
    pub test: Calibrated,
    /// The threshold, where one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<RejectionMetrics>,
}

/// ProbabilityMetrics at temperature 1 and at that of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// At 1.
    pub before: ProbabilityMetrics,
    /// At that of the file.
    pub after: ProbabilityMetrics,
}

/// How true probabilities are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityMetrics {
    /// Mean cross-entropy in nats.
    #[serde(with = "crate::support::number")]
    pub loss: f64,
    /// The data of a reliability diagram.
    #[serde(flatten)]
    pub reliability: Reliability,
}

/// What a threshold costs and saves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectionMetrics {
    /// The target.
    pub at: RejectAt,
    /// The least probability of an answer; of classes with their own the lowest.
    pub threshold: f32,
    /// Those of classes, where each has its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_thresholds: Vec<f32>,
    /// The images that it was chosen by.
    #[serde(alias = "validation")]
    pub choosing: Coverage,
    /// Test images.
    pub test: Coverage,
    /// Unknown images, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownMetrics>,
}

/// Images of other things.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnknownMetrics {
    /// Those that the threshold was chosen by.
    pub choosing: FalseAccepts,
    /// Those that it is tested with.
    pub testing: FalseAccepts,
    /// How well probabilities distinguish these from the test images; not known where no answer to them is right.
    pub separation: Option<Separation>,
}

impl ConfidenceMetrics {
    /// The images that temperature and threshold were chosen by: `the validation images`, or `1,100 images in 5 folds`.
    #[must_use]
    pub fn images(&self) -> String {
        match self.chosen_by {
            ChosenBy::Validation => format!("the {}", self.chosen_by),
            ChosenBy::Folds(_) => {
                format!("{} {}", thousands(self.choosing.before.reliability.answers()), self.chosen_by)
            }
        }
    }
}

impl Calibrated {
    /// Of images whose labels are known.
    #[must_use]
    pub fn of(logits: &Logits, labels: &[u16], temperature: f32) -> Self {
        let at = |temperature| ProbabilityMetrics {
            loss: loss_at(logits, labels, temperature),
            reliability: Reliability::of(&logits.judged(temperature, labels)),
        };
        Self { before: at(1.0), after: at(temperature) }
    }
}

impl Rejection {
    /// `decision` with the threshold, or with one for each of so many classes, that these answers give.
    fn choose(
        &self,
        decision: &Decision,
        known: &[Judged],
        unknown: &[Answer],
        classes: usize,
    ) -> Result<Decision, Unreachable> {
        if self.per_class {
            return Ok(decision.with_class_thresholds(class_thresholds(self.at, known, unknown, classes)?));
        }
        Ok(Decision { threshold: threshold(self.at, known, unknown)?, ..decision.clone() })
    }
}

/// Answers to unknown images.
struct UnknownAnswers {
    /// To those that a threshold is chosen by.
    choosing: Vec<Answer>,
    /// To those that it is tested with.
    testing: Vec<Answer>,
}

impl UnknownAnswers {
    fn of(draft: &[u8], images: &UnknownImages, temperature: f32) -> Result<Self, EvaluateError> {
        let answers = |images: &Images| Ok::<_, EvaluateError>(Logits::of(draft, images)?.answers(temperature));
        Ok(Self { choosing: answers(&images.choosing)?, testing: answers(&images.testing)? })
    }
}

impl RejectionMetrics {
    /// Of the thresholds in `decision`, chosen for `at` by the answers `known`; `tested` are those to the test images.
    fn of(
        at: RejectAt,
        decision: &Decision,
        known: &[Judged],
        tested: &[Judged],
        unknown: Option<&UnknownAnswers>,
    ) -> Self {
        Self {
            at,
            threshold: decision.threshold,
            class_thresholds: decision.class_thresholds.clone(),
            choosing: Coverage::of(known, decision),
            test: Coverage::of(tested, decision),
            unknown: unknown.map(|UnknownAnswers { choosing, testing }| UnknownMetrics {
                choosing: FalseAccepts::of(choosing, decision),
                testing: FalseAccepts::of(testing, decision),
                separation: Separation::of(tested, testing),
            }),
        }
    }
}

impl Confidence {
    /// Fits the temperature of a model file that has none yet, and chooses its threshold: by the validation images, or where there are
    /// folds by the training images out of them, and by the one half of the unknown images, which the file answers in both cases. Where no
    /// threshold meets the target, the file has none.
    ///
    /// # Errors
    /// Where the file does not classify the images.
    pub fn settle(
        draft: &[u8],
        dataset: &Dataset,
        out_of_fold: Option<&OutOfFold>,
        rejection: Option<&Rejection>,
        unknown: Option<&UnknownImages>,
    ) -> Result<Self, EvaluateError> {
        let Choosing { chosen_by, logits, labels } = Choosing::of(draft, dataset, out_of_fold)?;
        let (test, test_labels) = (Logits::of(draft, &dataset.test)?, dataset.test.labels());
        let Fitted { temperature, not_fitted, .. } = Fitted::of(&logits, &labels);
        let decision = Decision { temperature, ..Decision::default() };
        let mut metrics = ConfidenceMetrics {
            temperature,
            temperature_kept: not_fitted.map(|reason| reason.on(chosen_by)),
            chosen_by,
            choosing: Calibrated::of(&logits, &labels, temperature),
            test: Calibrated::of(&test, test_labels, temperature),
            rejection: None,
        };
        let Some(rejection) = rejection else {
            return Ok(Self { decision, metrics, unreachable: None });
        };
        let unknown = unknown.map(|unknown| UnknownAnswers::of(draft, unknown, temperature)).transpose()?;
        let known = logits.judged(temperature, &labels);
        let of_unknown = unknown.as_ref().map_or(&[][..], |unknown| &unknown.choosing);
        match rejection.choose(&decision, &known, of_unknown, dataset.class_names.len()) {
            Ok(decision) => {
                let tested = test.judged(temperature, test_labels);
                metrics.rejection =
                    Some(RejectionMetrics::of(rejection.at, &decision, &known, &tested, unknown.as_ref()));
                Ok(Self { decision, metrics, unreachable: None })
            }
            Err(unreachable) => Ok(Self { decision, metrics, unreachable: Some(unreachable) }),
        }
    }
}
