//! Numbers of a recipe that are different for one network, with a teacher, or for sets of few images.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::augment::options::Augment;
use super::recipe_parts::{Distillation, Monitor, QuantizationAware};
use super::schedule::Schedule;

/// Numbers that take the place of the recipe's own for one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// In place of the recipe's `epochs`.
    pub epochs: Option<usize>,
    /// In place of the recipe's `least_steps`.
    pub least_steps: Option<usize>,
    /// In place of the recipe's `batch_size`.
    pub batch_size: Option<usize>,
    /// In place of the recipe's `learning_rate`.
    pub learning_rate: Option<f64>,
    /// In place of the recipe's `weight_decay`.
    pub weight_decay: Option<f64>,
    /// In place of the recipe's `dropout`.
    pub dropout: Option<f64>,
    /// In place of the recipe's `label_smoothing`.
    pub label_smoothing: Option<f64>,
    /// In place of the recipe's `mixup`.
    pub mixup: Option<f64>,
    /// In place of the recipe's `schedule`.
    pub schedule: Option<Schedule>,
    /// In place of the recipe's `augment`.
    pub augment: Option<Augment>,
    /// In place of the recipe's `monitor`.
    pub monitor: Option<Monitor>,
    /// In place of the recipe's `distillation`.
    pub distillation: Option<Distillation>,
    /// In place of the recipe's `average`.
    pub average: Option<f64>,
    /// In place of the recipe's `quantization_aware`.
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
