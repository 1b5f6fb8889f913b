//! The files of a run directory, by name.

use crate::export::frames;
use crate::support::whole_file::BESIDE;

/// Name of the file with the state of the training.
pub(super) const UNFINISHED: &str = "unfinished";

/// Name of the file of the settings.
pub(super) const CONFIG: &str = "run.json";

/// Name of the file of a row per epoch.
pub(super) const HISTORY: &str = "history.csv";

/// Name of the file of a row per epoch of each fit of cross-validation.
pub(super) const FOLDS: &str = "folds.csv";

/// Name of the file of the logits of each training image by the fit that left it out.
pub const OUT_OF_FOLD: &str = "out_of_fold.csv";

/// Name of the file of the results.
pub(super) const METRICS: &str = "metrics.json";

/// Name of the file of the images.
pub(super) const IMAGES: &str = "images.csv";

/// Name of the file of the float weights.
pub(super) const WEIGHTS: &str = "weights.safetensors";

/// Name of the file of the quantized model.
pub const MODEL: &str = "model.bin";

/// Name of the file of the answers to the test images.
pub const ANSWERS: &str = "answers.csv";

/// Name of the file of what else the report shows.
pub const FINDINGS: &str = "report.json";

/// Name of the page about the run.
pub const PAGE: &str = "report.html";

/// Name of the file of the files that were left out.
pub const SKIPPED: &str = "skipped.txt";

/// Name of the file of why the training failed.
pub(super) const FAILED: &str = "failed.txt";

/// Name of the directory of the figures that `plot` draws.
pub const FIGURES: &str = "figures";

/// All that a run has a use for in its directory, [what is not whole yet](BESIDE) left out.
pub(super) const OWN: [&str; 15] = [
    UNFINISHED,
    CONFIG,
    HISTORY,
    FOLDS,
    OUT_OF_FOLD,
    METRICS,
    IMAGES,
    WEIGHTS,
    MODEL,
    frames::FILE,
    ANSWERS,
    FINDINGS,
    PAGE,
    SKIPPED,
    FAILED,
];

/// The directory that runs are made in where none is named.
pub const RUNS: &str = "runs";

/// Whether a run writes something of this name into its directory, or removes it there.
pub(super) fn are_of_a_run(name: &str) -> bool {
    // Some file systems take large letters for small ones.
    let name = name.to_ascii_lowercase();
    OWN.contains(&&*name) || name == FIGURES || name.starts_with(BESIDE)
}
