//! Numbers of a recipe that are different for one network, with a teacher, or for sets of few images.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::recipe::{Augment, Distillation, Monitor, QuantizationAware, Recipe};
use super::schedule::Schedule;

/// Numbers that take the place of the recipe's own for one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// In place of [`Recipe::epochs`].
    pub epochs: Option<usize>,
    /// In place of [`Recipe::least_steps`].
    pub least_steps: Option<usize>,
    /// In place of [`Recipe::batch_size`].
    pub batch_size: Option<usize>,
    /// In place of [`Recipe::learning_rate`].
    pub learning_rate: Option<f64>,
    /// In place of [`Recipe::weight_decay`].
    pub weight_decay: Option<f64>,
    /// In place of [`Recipe::dropout`].
    pub dropout: Option<f64>,
    /// In place of [`Recipe::label_smoothing`].
    pub label_smoothing: Option<f64>,
    /// In place of [`Recipe::mixup`].
    pub mixup: Option<f64>,
    /// In place of [`Recipe::schedule`].
    pub schedule: Option<Schedule>,
    /// In place of [`Recipe::augment`].
    pub augment: Option<Augment>,
    /// In place of [`Recipe::monitor`].
    pub monitor: Option<Monitor>,
    /// In place of [`Recipe::distillation`].
    pub distillation: Option<Distillation>,
    /// In place of [`Recipe::average`].
    pub average: Option<f64>,
    /// In place of [`Recipe::quantization_aware`].
    pub quantization_aware: Option<QuantizationAware>,
    /// What is different too where the network learns from a teacher.
    #[serde(default, deserialize_with = "distilled", skip_serializing_if = "Option::is_none")]
    pub distilled: Option<Box<Override>>,
}

/// What is different for sets of few images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeOverride {
    /// Training images at most.
    pub at_most: usize,
    /// Numbers that take the place of the recipe's own.
    #[serde(deserialize_with = "of_size")]
    pub numbers: Override,
}

/// An override for distillation, which holds no other.
fn distilled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Override>>, D::Error> {
    without_distilled(deserializer, "`distilled`").map(|numbers| Some(Box::new(numbers)))
}

/// Numbers for sets of a size, which hold none for distillation: which network has a teacher is known later.
fn of_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Override, D::Error> {
    without_distilled(deserializer, "`numbers`; it belongs to `[override.NETWORK]`")
}

fn without_distilled<'de, D: Deserializer<'de>>(deserializer: D, place: &str) -> Result<Override, D::Error> {
    let numbers = Override::deserialize(deserializer)?;
    match numbers.distilled {
        None => Ok(numbers),
        Some(_) => Err(D::Error::custom(format!("`distilled` cannot be within {place}"))),
    }
}

impl Recipe {
    /// The recipe as it is for a network of that name, with a teacher or without, its overrides applied.
    #[must_use]
    pub fn for_network(mut self, name: &str, has_teacher: bool) -> Self {
        let Some(mut numbers) = std::mem::take(&mut self.overrides).remove(name) else { return self };
        let distilled = numbers.distilled.take().filter(|_| has_teacher);
        let recipe = self.with(numbers);
        match distilled {
            Some(numbers) => recipe.with(*numbers),
            None => recipe,
        }
    }

    /// The recipe with the numbers that an override has, each as a whole: an `augment` replaces all options of the recipe's.
    pub(super) fn with(self, numbers: Override) -> Self {
        Self {
            epochs: numbers.epochs.unwrap_or(self.epochs),
            least_steps: numbers.least_steps.unwrap_or(self.least_steps),
            batch_size: numbers.batch_size.unwrap_or(self.batch_size),
            learning_rate: numbers.learning_rate.unwrap_or(self.learning_rate),
            weight_decay: numbers.weight_decay.unwrap_or(self.weight_decay),
            dropout: numbers.dropout.unwrap_or(self.dropout),
            label_smoothing: numbers.label_smoothing.unwrap_or(self.label_smoothing),
            mixup: numbers.mixup.unwrap_or(self.mixup),
            schedule: numbers.schedule.unwrap_or(self.schedule),
            augment: numbers.augment.unwrap_or(self.augment),
            monitor: numbers.monitor.unwrap_or(self.monitor),
            distillation: numbers.distillation.unwrap_or(self.distillation),
            average: numbers.average.unwrap_or(self.average),
            quantization_aware: numbers.quantization_aware.unwrap_or(self.quantization_aware),
            ..self
        }
    }
}
