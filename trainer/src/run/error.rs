//! Why a run cannot be written or read.

use std::io;

use crate::export::model_file::{LimitError, ModelFileError, ReadError};
use crate::network::ArchitectureError;
use crate::quantize::QuantizeError;
use crate::support::tensor_error::one_line;
use crate::support::whole_file::WriteError;
use crate::train::CheckpointError;

/// Why a run directory cannot be written or read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory is there already.
    #[error("{path} exists already, and a run never overwrites an older one; name another --out")]
    Exists {
        /// The directory.
        path: String,
    },
    /// Another process writes into the directory.
    #[error("{run} is in use by {}; wait until that ends, or stop it", by(*.process))]
    InUse {
        /// The directory.
        run: String,
        /// Which process, as far as it is known.
        process: Option<u32>,
    },
    /// There is no run.
    #[error("{path} is not the directory of a run: {reason}")]
    NoRun {
        /// What was given.
        path: String,
        /// What is there, and what to give.
        reason: String,
    },
    /// A file or directory could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
    /// `run.json` or `metrics.json` is not what this trainer writes.
    #[error("{path}: {source}; is this the directory of a run?")]
    Json {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// `run.json` contradicts itself.
    #[error("{path}: names {names} classes, but its last layer has {outputs} outputs; is it the file of this run?")]
    Classes {
        /// The file.
        path: String,
        /// Names of classes.
        names: usize,
        /// Outputs of the last layer.
        outputs: usize,
    },
    /// `run.json` requires more than the host gives.
    #[error("{path}: {limit}")]
    Limit {
        /// The file.
        path: String,
        /// What it requires.
        limit: LimitError,
    },
    /// `model.bin` cannot be read, or is no model that the host runs.
    #[error("{path}: {source}")]
    Model {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: ReadError,
    },
    /// The state of the training cannot be read.
    #[error("{path}: {source}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// A row of `history.csv` is not what this trainer writes.
    #[error("{path}, line {line}: there is no number under {column}")]
    History {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// The column that lacks one.
        column: &'static str,
    },
    /// `images.csv` is not what this trainer writes.
    #[error("{path}: {reason}; remove it, and the run is treated as one of an earlier trainer, which had no such file")]
    Images {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `out_of_fold.csv` is not what this trainer writes.
    #[error("{path}: {reason}")]
    OutOfFold {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The run's architecture is none.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The run has not come so far.
    #[error("{run} has no weights yet; trainer fit --resume {run} resumes it")]
    NoWeights {
        /// The directory of the run.
        run: String,
    },
    /// The run has not come to its results.
    #[error("{run} has no results yet; trainer fit --resume {run} resumes it")]
    NoResults {
        /// The directory of the run.
        run: String,
    },
    /// The run is of an imported network, and no training came to results.
    #[error(
        "{run} is an imported run, without the results of a training: trainer fit --init {run} trains it further, trainer export {run} \
         makes a model file of it"
    )]
    Imported {
        /// The directory of the run.
        run: String,
    },
    /// The training failed, and would again.
    #[error("{run} has no results: its training failed, and would fail again: {reason}")]
    Failed {
        /// The directory of the run.
        run: String,
        /// Why it failed.
        reason: String,
    },
    /// The weights cannot be read or are not the architecture's.
    #[error("{path}: {}", one_line(.source))]
    Weights {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: candle_core::Error,
    },
    /// The model cannot be quantized.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The model cannot be encoded, or what is kept of a training.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl RunError {
    /// Whether there is a run and nothing is wrong with its files, but it has not come to results.
    #[must_use]
    pub fn is_without_results(&self) -> bool {
        matches!(
            self,
            Self::NoResults { .. }
                | Self::NoWeights { .. }
                | Self::Imported { .. }
                | Self::Failed { .. }
                | Self::InUse { .. }
        )
    }
}

/// A process in a message.
fn by(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}
