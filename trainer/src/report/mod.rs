//! What a run leaves for people to look at: figures as SVG and PNG, and one HTML page that needs nothing beside it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`findings`] | what the run's other files do not hold: answers to the test images, images, quantization errors |
//! | [`answers`], [`thumbnail`], [`quantization_error`] | the parts of that |
//! | [`probabilities`] | the softmax probabilities of all classes |
//! | [`precision_recall`], [`mislabeled`] | what follows from them: curves of classes, doubtful labels |
//! | [`against`], [`mcnemar`] | a run beside another one, image by image |
//! | [`record`] | a run read back from its directory |
//! | [`palette`], [`text`], [`drawing`], [`chart`] | colors, widths of words, SVG, axes |
//! | [`figures`] | one file per figure |
//! | [`raster`] | from SVG to PNG |
//! | [`target`] | what the network takes of its chip |
//! | [`file_links`] | links to the files of images |
//! | [`page`], `files_page`, `against_page` | the HTML page, and its tables of files and of another run |
//! | [`demo`] | the page that runs a model |
//!
//! `trainer fit` gathers the findings while it has model and data at hand, and writes them as `answers.csv` and
//! `report.json`. Everything after that is drawn from the run's directory alone.

pub mod against;
mod against_page;
pub mod answers;
pub mod chart;
pub mod demo;
pub mod drawing;
pub mod figures;
pub mod file_links;
mod files_page;
pub mod findings;
pub mod mcnemar;
pub mod mislabeled;
pub mod page;
pub mod palette;
pub mod precision_recall;
pub mod probabilities;
pub mod quantization_error;
pub mod raster;
pub mod record;
mod spread;
pub mod target;
pub mod text;
pub mod thumbnail;

pub use figures::{Figure, Kind};
pub use findings::Findings;
pub use record::RunRecord;

use crate::run::RunError;
use crate::support::tensor_error::one_line;
use crate::support::whole_file::WriteError;
use crate::train::evaluate::EvaluateError;

/// Runs that one figure can distinguish by color.
pub const MOST_RUNS: usize = palette::SERIES.len();

/// Why there is no figure or no page.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run's directory lacks a file, or holds a broken one.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run's findings were never written.
    #[error(
        "{path} is missing: the run ended before it could be written, or an older trainer made the run; \
         `trainer report --refresh {run}` writes it from the run's model and its data set"
    )]
    NoFindings {
        /// The file.
        path: String,
        /// The run's directory.
        run: String,
    },
    /// A file of findings does not hold what this trainer writes.
    #[error("{path}: {reason}; `trainer report --refresh {run}` writes it again")]
    Findings {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// The run's directory.
        run: String,
    },
    /// Images that the run was not tested on.
    #[error(
        "{dataset} is not what the run was tested on: its model is right on {right:.4} of {given} test images, \
         metrics.json has {expected_right:.4} of {expected}; name the run's own data set"
    )]
    OtherImages {
        /// Name of the data set.
        dataset: String,
        /// Its test images.
        given: usize,
        /// Share of right answers to them.
        right: f64,
        /// Test images of the run.
        expected: usize,
        /// Share of right answers that the run had.
        expected_right: f64,
    },
    /// Two runs that no image was tested on by both.
    #[error(
        "{run} and {other} have no test image in common, so they cannot be compared: images are matched by class and file, or, \
         without files, by their place in the same data set"
    )]
    NothingInCommon {
        /// A run.
        run: String,
        /// The one that it was to be compared with.
        other: String,
    },
    /// More runs than can be distinguished.
    #[error("{given} runs are too many to distinguish in one figure; name at most {MOST_RUNS}")]
    TooManyRuns {
        /// How many.
        given: usize,
    },
    /// The model file cannot be run.
    #[error("model.bin: {0}")]
    Model(#[from] infer_core::Error),
    /// The model file cannot be run on the images, or these cannot be read.
    #[error("report: {0}")]
    Evaluate(#[from] EvaluateError),
    /// A tensor operation failed.
    #[error("report: {}", one_line(.0))]
    Candle(#[from] candle_core::Error),
    /// An image could not be encoded.
    #[error("report: an image cannot be encoded: {0}")]
    Thumbnail(#[from] png::EncodingError),
    /// A chart could not be drawn.
    #[error("report: a chart cannot be drawn: {reason}")]
    Chart {
        /// The error of plotters.
        reason: String,
    },
    /// An SVG could not be turned into a PNG.
    #[error("report: a figure cannot be turned into a PNG: {reason}")]
    Raster {
        /// The error of resvg.
        reason: String,
    },
    /// The page could not be put together.
    #[error("report: {0}")]
    Page(#[from] askama::Error),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
