//! What a run came to: `metrics.json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::train::confidence::ConfidenceMetrics;
use crate::train::folds::CrossValidated;
use crate::train::score::Estimate;

/// The results of a run, `metrics.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Metrics {
    /// Name of the architecture.
    pub model: String,
    /// Name of the data set.
    pub dataset: String,
    /// Weights and biases.
    pub parameters: usize,
    /// What everything random came from.
    pub seed: u64,
    /// Images in each part of the data.
    pub images: PerSplit<usize>,
    /// Passes over the training images.
    pub epochs_run: usize,
    /// The one whose weights were kept, counted from 1; 0: those that the run started with.
    pub best_epoch: usize,
    /// Whether it ended because the validation loss no longer fell.
    pub stopped_early: bool,
    /// Whether the user ended it before its time; it can be resumed.
    #[serde(default)]
    pub interrupted: bool,
    /// Epochs besides the best one whose validation accuracy lies in the 95% interval of the best one's; not known of runs
    /// older than this.
    #[serde(default)]
    pub epochs_like_the_best: Option<usize>,
    /// What cross-validation came to, where there was one; there are no validation images then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<CrossValidated>,
    /// Median over the epochs, validation left out; `None` where there was none.
    pub seconds_per_epoch: Option<f64>,
    /// Training images per second of that median; `None` where the clock did not move.
    pub images_per_second: Option<f64>,
    /// The float model's scores.
    pub float: PerSplit<Estimate>,
    /// The quantized model's scores.
    pub int8: Int8Metrics,
    /// How true the model file's probabilities are; not known of runs older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<ConfidenceMetrics>,
    /// The model file.
    pub export: ExportMetrics,
}

/// One value for each part of the data.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PerSplit<T> {
    /// Training images.
    pub train: T,
    /// Validation images.
    pub validation: T,
    /// Test images.
    pub test: T,
}

/// The quantized model's scores.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Int8Metrics {
    /// Loss and accuracy.
    #[serde(flatten)]
    pub scores: PerSplit<Estimate>,
    /// Share of test images to which it gives the float model's class, 0 to 1.
    pub agreement_with_float: f64,
    /// On the validation images, before quantization-aware fine-tuning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_before_fine_tuning: Option<Estimate>,
}

/// The model file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportMetrics {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: usize,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Bytes of flash that it takes: the whole file.
    pub flash_bytes: usize,
    /// Bytes of RAM that an inference needs.
    pub arena_bytes: u32,
    /// Multiply-accumulates of an inference.
    pub macs: usize,
}
