//! The state of a training, so that an interrupted run is resumed to the very bits of one without an interruption.
//!
//! Everything random is drawn from seed, purpose and step (see [`rng`](crate::support::rng)), so that no generator has a state to keep.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folds::FoldFit;
use super::{Epoch, History};
use crate::support::tensor_error::one_line;
use crate::train::adam::Moments;

/// What the file begins with; the last byte is its version.
const MAGIC: &[u8; 17] = b"thimble training\x04";

/// Values of each variable, in the order of [`FloatModel::state`](crate::network::model::FloatModel::state).
pub type Values = Vec<Vec<f32>>;

/// A run that is not over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The fits of cross-validation, where there is one; of these the last may be under way.
    pub folds: Vec<FoldFit>,
    /// What the main training came to, once it is over: its history, and the weights of its best epoch, with normalizations
    /// folded into them.
    pub trained: Option<(History, Values)>,
    /// The state of the training that is under way; none at its beginning.
    pub checkpoint: Option<Checkpoint>,
}

/// The state of a training between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The epochs that are over.
    pub epochs: Vec<Epoch>,
    /// How far the next one has come.
    pub running: Running,
    /// The weights.
    pub weights: Values,
    /// Steps of the optimizer.
    pub steps: u64,
    /// The optimizer's state for each variable.
    pub moments: Vec<Moments>,
    /// The average of the weights and the steps in it, where the recipe has one.
    pub average: Option<(u64, Values)>,
    /// The best epoch so far.
    pub best: SavedBest,
}

/// How far an epoch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Steps taken.
    pub steps: usize,
    /// Images in them.
    pub images: usize,
    /// Sum of their losses.
    pub loss: f64,
    /// How many of them were recognized.
    pub right: usize,
    /// Wall time.
    pub seconds: f64,
}

/// The epoch that did best on the validation images so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedBest {
    /// Counted from 1; 0 before the first.
    pub epoch: usize,
    /// What the recipe watches; lower is better.
    pub watched: f64,
    /// Its weights.
    pub weights: Values,
}

/// Why bytes are not a run's progress.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Something else, or what another version wrote.
    #[error(
        "this is not the checkpoint of a training, or one of another version of the trainer: the run cannot be resumed; \
         start a new training, with another --out"
    )]
    Unknown,
    /// The checksum shows that bytes have changed.
    #[error("the checkpoint is damaged: the run cannot be resumed; start a new training, with another --out")]
    Damaged,
    /// It is about another network.
    #[error(
        "the checkpoint is that of another network than run.json describes ({}): the run cannot be resumed; start the \
         training anew, with another --out",
        one_line(.0)
    )]
    Other(candle_core::Error),
    /// Its fits left out other folds.
    #[error(
        "the checkpoint is of {fits} fits of cross-validation, with other folds than the {folds} that run.json describes: the run cannot be \
         resumed; put back its run.json, or start a new training, with another --out"
    )]
    Folds {
        /// The fits in it.
        fits: usize,
        /// The folds of the run.
        folds: usize,
    },
}

impl Unfinished {
    /// Whether what is under way is a fit of cross-validation.
    #[must_use]
    pub fn is_of_a_fold(&self) -> bool {
        self.folds.last().is_some_and(|fit| !fit.is_over)
    }

    /// The epochs of the training that are over, those of a fine-tuning after the others.
    #[must_use]
    pub fn epochs(&self) -> Vec<Epoch> {
        let mut epochs = self.trained.as_ref().map_or_else(Vec::new, |(history, _)| history.epochs.clone());
        let offset = epochs.len();
        let checkpoint = self.checkpoint.iter().filter(|_| !self.is_of_a_fold());
        let under_way = checkpoint.flat_map(|checkpoint| &checkpoint.epochs);
        epochs.extend(under_way.map(|epoch| epoch.after(offset)));
        epochs
    }

    /// The bytes of a file: what it is, a SHA-256, and the values.
    ///
    /// # Errors
    /// Those of postcard.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        let payload = postcard::to_allocvec(self)?;
        Ok([&MAGIC[..], &Sha256::digest(&payload)[..], &payload].concat())
    }

    /// What [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`CheckpointError::Unknown`], [`CheckpointError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Unknown)?;
        let (checksum, payload) = rest.split_at_checked(32).ok_or(CheckpointError::Damaged)?;
        if checksum != &Sha256::digest(payload)[..] {
            return Err(CheckpointError::Damaged);
        }
        let unfinished: Self = postcard::from_bytes(payload).map_err(|_| CheckpointError::Unknown)?;
        if unfinished.is_consistent() { Ok(unfinished) } else { Err(CheckpointError::Unknown) }
    }

    /// Whether the best epochs are among those that are over.
    fn is_consistent(&self) -> bool {
        let (last, earlier) = self.folds.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
        let of_fold = last.zip(self.checkpoint.as_ref()).filter(|_| self.is_of_a_fold());
        earlier.iter().all(|fit| fit.is_over)
            && self.folds.iter().all(FoldFit::is_consistent)
            && of_fold.is_none_or(|(fit, checkpoint)| fit.epochs.len() == checkpoint.epochs.len())
            && self.trained.iter().all(|(history, _)| history.best_epoch <= history.epochs.len())
            && self.checkpoint.iter().all(|checkpoint| checkpoint.best.epoch <= checkpoint.epochs.len())
    }
}
