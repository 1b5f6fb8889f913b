//! What one file, folder or network may require of the host: one constant each. Those of images and networks alone are where
//! these are read: [`decode`](crate::image::decode), [`architecture`](crate::network::architecture).
//!
//! A file is compared with its limit before it is read, and a count before memory is taken for it. `docs/security.md` has the
//! same table for users.

use crate::support::bounded_file::FileLimit;

/// Classes of a data set, of a model file and of a run, at most. ImageNet's usual 1,000 are a quarter of that.
pub const MOST_CLASSES: usize = 4096;

/// Bytes of an IDX file at most, unpacked: over two million images of 28x28. A file that claims more is refused unread.
pub const MOST_IDX_BYTES: u64 = 2 << 30;

/// Bytes of a name at most: of a class, a data set, a network. Folders have the same limit on the usual file systems.
pub const LONGEST_NAME: usize = 255;

/// Classes of which a table or a figure shows each against each, at most; beyond it is about [`SHOWN_CLASSES`].
pub const MATRIX_CLASSES: usize = 100;

/// Classes that a figure shows where there are too many for all: those with the most mistakes. In a terminal, the classes up to
/// which a table of each against each is printed, and the confusions that are listed instead.
pub const SHOWN_CLASSES: usize = 30;

/// Multiply-accumulates of one inference at most, with those that its pools and additions [count as](MACS_A_VALUE): seconds of one
/// core for an image. A network for a microcontroller has a thousandth of that.
pub const MOST_MACS: u64 = 10_000_000_000;

/// Multiply-accumulates that take about as long as one value that a pool or an addition reads: those are vectors of the processor,
/// this is not.
pub const MACS_A_VALUE: u64 = 10;

/// Bytes of an arena on the host at most: no network that can be trained needs as many.
pub const ARENA_BYTES: usize = 256 << 20;

/// A model file: four times what the most weights take that can be trained.
pub const MODEL: FileLimit = FileLimit { bytes: 256 << 20, what: "model" };

/// `frames.bin` beside a model: the most bytes of images that are written, and their names.
pub const FRAMES: FileLimit = FileLimit { bytes: 32 << 20, what: "frames.bin" };

/// A TFLite file: the most weights that can be trained, four bytes each, and what describes them.
pub const TFLITE: FileLimit = FileLimit { bytes: 256 << 20, what: "TFLite file of a network for a microcontroller" };

/// `run.json`: the most names, each of its letters escaped, twice over.
pub const RUN_JSON: FileLimit = FileLimit { bytes: 16 << 20, what: "run.json" };

/// `metrics.json`.
pub const METRICS: FileLimit = FileLimit { bytes: 1 << 20, what: "metrics.json" };

/// `history.csv`: a million epochs.
pub const HISTORY: FileLimit = FileLimit { bytes: 128 << 20, what: "history.csv" };

/// `answers.csv`: some millions of test images.
pub const ANSWERS: FileLimit = FileLimit { bytes: 256 << 20, what: "answers.csv" };

/// `images.csv`: some millions of images.
pub const IMAGES: FileLimit = FileLimit { bytes: 512 << 20, what: "images.csv" };

/// `folds.csv`.
pub const FOLDS: FileLimit = FileLimit { bytes: 128 << 20, what: "folds.csv" };

/// `out_of_fold.csv`.
pub const OUT_OF_FOLD: FileLimit = FileLimit { bytes: 512 << 20, what: "out_of_fold.csv" };

/// Logits that cross-validation keeps: those of each image after each epoch.
pub const MOST_LOGITS: usize = 16_000_000;

/// `search.json`: the most names of classes, and paths.
pub const SEARCH_JSON: FileLimit = FileLimit { bytes: 16 << 20, what: "search.json" };

/// `trials.jsonl`: hundreds of thousands of trials.
pub const TRIALS: FileLimit = FileLimit { bytes: 512 << 20, what: "trials.jsonl" };

/// `report.json`.
pub const REPORT_JSON: FileLimit = FileLimit { bytes: 16 << 20, what: "report.json" };

/// `failed.txt`: a message.
pub const FAILED: FileLimit = FileLimit { bytes: 64 << 10, what: "failed.txt" };

/// A network or a recipe in TOML.
pub const TOML: FileLimit = FileLimit { bytes: 1 << 20, what: "network or recipe" };

/// `classes.txt`: the most names, each of the longest, twice over.
pub const CLASSES_TXT: FileLimit = FileLimit { bytes: 2 << 20, what: "list of classes" };

/// `weights.safetensors` of so many weights and biases: four bytes each, and a header.
#[must_use]
pub fn weights_file(parameters: usize) -> FileLimit {
    FileLimit { bytes: 4 * parameters as u64 + (1 << 20), what: "weights file of this network" }
}

/// `unfinished` of so many weights and biases: those of now, of the best epoch, of the main training and their average, two
/// moments each, the epochs, and the logits of cross-validation.
#[must_use]
pub fn unfinished_file(parameters: usize) -> FileLimit {
    FileLimit {
        bytes: 6 * 4 * parameters as u64 + HISTORY.bytes + FOLDS.bytes + 4 * MOST_LOGITS as u64,
        what: "checkpoint of this network",
    }
}
