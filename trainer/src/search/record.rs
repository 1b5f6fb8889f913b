//! A search as its directory has it: settings, and every trial.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::budget::{DataFacts, Limits};
use super::halving::Halving;
use super::ranking::{Goals, Objective};
use super::sampler::SamplerKind;
use super::space::Space;
use super::state::{self, Progress, State, StateError, TrialState};
use super::{SpaceError, parameter::Value};
use crate::support::bounded_file;
use crate::support::limits::{SEARCH_JSON, TOML};
use crate::support::text::thousands;
use crate::support::whole_file::{WriteError, replace_whole};

/// The settings' name in the directory of a search.
pub const SETTINGS: &str = "search.json";

/// The space's name there.
pub const SPACE: &str = "space.toml";

/// The directory of the runs of trials there.
pub const TRIALS: &str = "trials";

/// What a search was begun with, and is resumed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Version of the trainer.
    pub trainer: String,
    /// The space, in TOML. `space.toml` is made of it, so that one file begins a search, whole or not at all.
    pub space: String,
    /// [Hash of the space](Space::fingerprint).
    pub fingerprint: String,
    /// Words of the command line about images, chip and teachers, which each trial is given again.
    pub arguments: Vec<String>,
    /// Whether there is a teacher.
    pub has_teacher: bool,
    /// What is known of the images.
    pub facts: DataFacts,
    /// What must be kept to.
    pub limits: Limits,
    /// What is to be reached.
    pub objectives: Vec<Objective>,
    /// How candidates are chosen.
    pub sampler: SamplerKind,
    /// Which trials end early; `None`: none do.
    pub halving: Option<Halving>,
    /// What everything random comes from.
    pub seed: u64,
    /// Epochs of a trial.
    pub epochs: usize,
    /// Trials that were wanted.
    pub trials: usize,
}

/// A search.
#[derive(Clone, Debug)]
pub struct SearchRecord {
    /// Where it is.
    pub path: PathBuf,
    /// What it was begun with.
    pub settings: Settings,
    /// What is chosen from.
    pub space: Space,
    /// Its trials.
    pub state: State,
}

/// Why a directory holds no search.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No settings.
    #[error(
        "{path} is not the directory of a search: it has no {SETTINGS}; name one that trainer search wrote with --out"
    )]
    None {
        /// The directory.
        path: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Settings that this trainer did not write.
    #[error("{path}: {source}; another version of the trainer wrote it, or it was changed")]
    Json {
        /// The file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The space is none any more.
    #[error("{path}: {reason}")]
    Space {
        /// The file.
        path: String,
        /// What is wrong.
        reason: Box<SpaceError>,
    },
    /// The space is another one.
    #[error("{path} is not the space that this search was begun with: restore it, or start another search")]
    Changed {
        /// The file.
        path: String,
    },
    /// The state is broken.
    #[error(transparent)]
    State(#[from] StateError),
}

impl SearchRecord {
    /// Whether there is a search in that directory.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        path.join(SETTINGS).is_file()
    }

    /// Writes what a search begins with.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write_settings(path: &Path, settings: &Settings) -> Result<(), WriteError> {
        let json = serde_json::to_string_pretty(settings).unwrap_or_default();
        replace_whole(&path.join(SETTINGS), format!("{json}\n").as_bytes())
    }

    /// Writes the space that trials are given, where it is not there yet: in a new search, and in one that was killed before it came to that.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write_space(&self) -> Result<(), WriteError> {
        let file = self.path.join(SPACE);
        if file.exists() { Ok(()) } else { replace_whole(&file, self.settings.space.as_bytes()) }
    }

    /// Reads a search.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        if !Self::is_at(path) {
            return Err(RecordError::None { path: path.display().to_string() });
        }
        let text = |name: &str, limit| {
            let place = path.join(name);
            let named = place.display().to_string();
            bounded_file::read_regular_text(&place, limit).map_err(|source| RecordError::Io { path: named, source })
        };
        let named = |name: &str| path.join(name).display().to_string();
        let settings: Settings = serde_json::from_str(&text(SETTINGS, SEARCH_JSON)?)
            .map_err(|source| RecordError::Json { path: named(SETTINGS), source })?;
        let space = if path.join(SPACE).exists() { text(SPACE, TOML)? } else { settings.space.clone() };
        let space = Space::from_toml(&space)
            .map_err(|reason| RecordError::Space { path: named(SPACE), reason: Box::new(reason) })?;
        let space = if settings.has_teacher { space } else { space.without_teacher() };
        if space.fingerprint() != settings.fingerprint {
            return Err(RecordError::Changed { path: named(SPACE) });
        }
        let trials = path.join(state::FILE);
        let state = if trials.exists() { state::read(&trials)?.0 } else { State::default() };
        Ok(Self { path: path.to_owned(), settings, space, state })
    }

    /// What is to be reached, within what.
    #[must_use]
    pub fn goals(&self) -> Goals {
        let Settings { objectives, limits, .. } = &self.settings;
        Goals { objectives: objectives.clone(), limits: limits.clone() }
    }

    /// The run of a trial.
    #[must_use]
    pub fn run(&self, trial: usize) -> PathBuf {
        run(&self.path, trial)
    }

    /// The finished trials that none dominates, the most accurate first: by the objectives, and where accuracy is the only one, by
    /// flash, RAM and time too, so that there is something to choose from.
    #[must_use]
    pub fn front(&self) -> Vec<usize> {
        let objectives = match &self.settings.objectives[..] {
            [_] => vec![Objective::Accuracy, Objective::Flash, Objective::Ram, Objective::Time],
            several => several.to_vec(),
        };
        Goals { objectives, limits: self.settings.limits.clone() }.front(&self.state)
    }

    /// The accuracy of a trial that was trained: of the model file, or else the best of its epochs.
    #[must_use]
    pub fn accuracy(&self, trial: &TrialState) -> Option<f64> {
        let accuracy = match trial.progress {
            Progress::Finished => trial.accuracy,
            Progress::Stopped => trial.best_until(trial.curve.len()),
            Progress::Running | Progress::Refused | Progress::Failed(_) => None,
        };
        accuracy.filter(|accuracy| accuracy.is_finite())
    }

    /// The values of a candidate in one line.
    #[must_use]
    pub fn values(&self, trial: &TrialState) -> String {
        let value = |parameter: &super::Parameter| {
            let value: &Value = trial.parameters.get(&parameter.name)?;
            Some(format!("{} {value}", parameter.name.trim_start_matches("recipe.")))
        };
        self.space.parameters().iter().filter_map(value).collect::<Vec<_>>().join(", ")
    }

    /// How many trials there were, and what came of them, in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |is: &dyn Fn(&TrialState) -> bool| self.state.trials.iter().filter(|trial| is(trial)).count();
        let finished = count(&|trial| trial.progress == Progress::Finished);
        let stopped = count(&|trial| trial.progress == Progress::Stopped);
        let failed = count(&|trial| matches!(trial.progress, Progress::Failed(_)));
        let refused = count(&|trial| trial.progress == Progress::Refused);
        let counted =
            |count: usize, noun: &str| format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" });
        let (trials, epochs) = (counted(self.state.trained(), "trial"), counted(self.settings.epochs, "epoch"));
        let mut text = format!("{trials} of {epochs}: {finished} finished, {stopped} ended early");
        if failed > 0 {
            text += &format!(", {failed} without a model");
        }
        match refused {
            0 => text + ".",
            refused => text + &format!("; {} did not fit.", counted(refused, "candidate")),
        }
    }

    /// What was to be kept to, in words; empty where nothing was.
    #[must_use]
    pub fn limits(&self) -> String {
        self.settings.limits.in_words()
    }
}

/// The run of a trial, in the directory of a search.
#[must_use]
pub fn run(search: &Path, trial: usize) -> PathBuf {
    search.join(TRIALS).join(format!("{trial:05}"))
}
