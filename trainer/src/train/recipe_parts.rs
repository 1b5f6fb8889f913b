//! The parts of a recipe that have names of their own: what is monitored, Adam's numbers, distillation, rounded training.

use serde::{Deserialize, Serialize};

/// What is watched on the validation images, to stop and to choose the epoch whose weights are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// The loss falls; with [balanced](super::balance::Balance) classes the mean of their losses.
    #[default]
    Loss,
    /// The accuracy rises. For recipes whose loss rises again while the accuracy still does.
    Accuracy,
    /// The mean recall of the classes rises.
    BalancedAccuracy,
    /// Nothing: the last epoch is kept. For schedules that end in weights that need no choice, and images too few to choose by.
    Last,
}

/// How a student learns from its teachers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distillation {
    /// What counts of the loss: the teachers' answers this much, the labels the rest.
    pub weight: f64,
    /// What logits are divided by before they become probabilities: over 1 they show what else an image resembles.
    pub temperature: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { weight: 0.9, temperature: 2.0 }
    }
}

/// Training that continues with weights and activations rounded as in the model file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuantizationAware {
    /// Passes over the training images; 0: none.
    pub epochs: usize,
    /// Adam's learning rate at first; it falls to nothing along half a cosine.
    pub learning_rate: f64,
}

impl Default for QuantizationAware {
    fn default() -> Self {
        Self { epochs: 0, learning_rate: 1e-4 }
    }
}

/// Adam's decay rates and the term that keeps its divisor from zero (Kingma and Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamNumbers {
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the root of the latter.
    pub epsilon: f64,
}

/// Keras's numbers.
impl Default for AdamNumbers {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
    }
}
