//! A run directory: everything that one training run left behind, enough to export the model again without training.
//!
//! | file | what it holds |
//! |---|---|
//! | `run.json` | the settings of the run, and what export needs: architecture, recipe, data, seed, calibration |
//! | `history.csv` | a row per epoch |
//! | `folds.csv`, `out_of_fold.csv` | of a run that was cross-validated: a row per epoch of each fit, and the logits of each training image by the fit that left it out |
//! | `images.csv` | what each image was for, of a user's own images: [`Manifest`] |
//! | `metrics.json` | the results |
//! | `weights.safetensors` | the float weights |
//! | `model.bin` | the quantized model |
//! | `frames.bin` | a few test images for firmware to classify: [`frames`] |
//! | `answers.csv`, `report.json`, `report.html` | the answers of the model to the test images: [`report`](crate::report) |
//! | `unfinished` | the state of the training, as long as it is not over |
//! | `failed.txt` | why the training failed, where it would fail again |
//! | `skipped.txt` | the files that `--skip-unreadable` left out |

mod config;
mod error;
mod files;
mod history;
mod lock;
mod metrics;
mod out_of_fold;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dataset::manifest::Manifest;
use crate::dataset::{Dataset, Images};
use crate::export::frames;
use crate::export::model_file::{self, LimitError, ModelFileError, ReadError};
use crate::network::FloatModel;
use crate::network::{Architecture, Dense, Layer};
use crate::quantize::QuantizedModel;
use crate::support::bounded_file::{self, FileLimit};
use crate::support::limits::{self, LONGEST_NAME, MOST_CLASSES};
use crate::support::printable::in_one_line;
use crate::support::whole_file::{BESIDE, directory_of, replace_whole};
use crate::train::Unfinished;

use self::files::{CONFIG, FAILED, IMAGES, METRICS, UNFINISHED, WEIGHTS};

pub use config::{Accuracies, ImportedNetwork, InitialRun, RunConfig, Target, UNKNOWN_IMAGES};
pub use error::RunError;
pub use files::{ANSWERS, FIGURES, FINDINGS, MODEL, OUT_OF_FOLD, PAGE, RUNS, SKIPPED};
pub use lock::RunLock;
pub use metrics::{ExportMetrics, Int8Metrics, Metrics, PerSplit};

/// A directory that a run writes to or has written to.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// Held by whoever writes, as long as the directory is in use.
    lock: Option<Arc<RunLock>>,
}

impl RunDirectory {
    /// Whether a run writes something of this name into its directory, or removes it there.
    #[must_use]
    pub fn writes(name: &str) -> bool {
        files::are_of_a_run(name)
    }

    /// Whether there is a run in this directory, of whatever state.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        path.join(CONFIG).is_file()
    }

    /// Whether a directory that is there can become that of a new run: it is empty, but for what a process that was killed had
    /// begun to write.
    ///
    /// # Errors
    /// [`RunError::InUse`], [`RunError::Io`].
    pub fn is_free(path: &Path) -> Result<bool, RunError> {
        lock::check(path)?;
        for entry in fs::read_dir(path).map_err(io_error(path))? {
            if !is_leftover(&entry.map_err(io_error(path))?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes a new directory and locks it: `path`, or else the first free of `runs/NAME-1`, `runs/NAME-2`, ...
    ///
    /// # Errors
    /// [`RunError::Exists`] where `path` is there and not empty, [`RunError::InUse`], [`RunError::Io`].
    pub fn create(path: Option<&Path>, name: &str) -> Result<Self, RunError> {
        if let Some(path) = path {
            fs::create_dir_all(path).map_err(io_error(path))?;
            let directory = Self::open_to_write(path)?;
            if !Self::is_free(path)? {
                return Err(RunError::Exists { path: path.display().to_string() });
            }
            directory.remove_leftovers()?;
            return Ok(directory);
        }
        let runs = Path::new(RUNS);
        fs::create_dir_all(runs).map_err(io_error(runs))?;
        let mut number = 1;
        loop {
            let path = runs.join(format!("{name}-{number}"));
            // Creating is the test: two runs that start together get two directories.
            match fs::create_dir(&path) {
                Ok(()) => return Self::open_to_write(&path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(io_error(&path)(error)),
            }
        }
    }

    /// The directory of an earlier run, to be read.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None }
    }

    /// The directory of an earlier run, locked as long as this value or a clone of it lives.
    ///
    /// # Errors
    /// [`RunError::InUse`] where another process writes into it, [`RunError::Io`].
    pub fn open_to_write(path: &Path) -> Result<Self, RunError> {
        Ok(Self { path: path.to_owned(), lock: Some(Arc::new(RunLock::acquire(path)?)) })
    }

    /// Whether it was opened to be written where the file system has no locks, so that nothing keeps another process away.
    #[must_use]
    pub fn is_unprotected(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| !lock.is_held())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the float weights are.
    #[must_use]
    pub fn weights(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    /// Where the quantized model is.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Writes the float weights, whole or not at all.
    ///
    /// # Errors
    /// [`RunError::Weights`], [`RunError::Write`], [`RunError::Io`].
    pub fn write_weights(&self, model: &FloatModel) -> Result<(), RunError> {
        self.write(WEIGHTS, &model.to_safetensors().map_err(self.weights_error())?)
    }

    fn weights_error(&self) -> impl FnOnce(candle_core::Error) -> RunError {
        let path = self.weights().display().to_string();
        move |source| RunError::Weights { path, source }
    }

    /// The directory again, should somebody have removed it while the training ran: what was learned has to go somewhere.
    fn make(&self) -> Result<(), RunError> {
        fs::create_dir_all(&self.path).map_err(io_error(&self.path))
    }

    /// Writes `model.bin`.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_model(&self, bytes: &[u8]) -> Result<(), RunError> {
        self.write(MODEL, bytes)
    }

    /// Writes `frames.bin`: the first few of these test images, the classes in turn.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_frames(&self, test: &Images) -> Result<(), RunError> {
        let chosen = frames::choose(test, frames::at_most(frames::IN_A_RUN, test.shape()));
        let io_error = |source| RunError::Io { path: self.path.join(frames::FILE).display().to_string(), source };
        self.write(frames::FILE, &frames::encode(test, &chosen).map_err(io_error)?)
    }

    /// Writes a file of the run, whole or not at all. A link or a pipe in its place is replaced and not followed: what a run
    /// holds does not choose another file to be written.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.make()?;
        Ok(replace_whole(&self.path.join(name), bytes)?)
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_config(&self, config: &RunConfig) -> Result<(), RunError> {
        self.write_json(CONFIG, config)
    }

    /// Writes `images.csv`, unless it is there: a run keeps the images that it has.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_manifest(&self, dataset: &Dataset) -> Result<(), RunError> {
        if self.path.join(IMAGES).is_file() {
            return Ok(());
        }
        let unreadable = |source| RunError::Io { path: "images".to_owned(), source };
        match Manifest::of(dataset).map_err(unreadable)? {
            Some(manifest) => self.write(IMAGES, manifest.to_csv().as_bytes()),
            None => Ok(()),
        }
    }

    /// Reads `images.csv` of a run of so many classes; `None` where there is none.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Images`].
    pub fn read_manifest(&self, classes: usize) -> Result<Option<Manifest>, RunError> {
        let path = self.path.join(IMAGES).display().to_string();
        let text = match self.read(IMAGES, limits::IMAGES) {
            Err(RunError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let manifest = Manifest::from_csv(&text, classes).and_then(|manifest| self.check_whole(manifest));
        manifest.map(Some).map_err(|reason| RunError::Images { path, reason })
    }

    /// That no line is missing: what is not listed would be taken for an image that the training did not have.
    fn check_whole(&self, manifest: Manifest) -> Result<Manifest, String> {
        let Ok(metrics) = self.read_metrics() else { return Ok(manifest) };
        let expected = [metrics.images.train, metrics.images.validation, metrics.images.test];
        let found = manifest.counts();
        if found == expected {
            return Ok(manifest);
        }
        let counts = |[train, validation, test]: [usize; 3]| format!("{train}, {validation} and {test}");
        Err(format!(
            "it lists {} images to train, validate and test on, but {METRICS} has {}: lines are missing, or it is another run's",
            counts(found),
            counts(expected)
        ))
    }

    /// Writes `metrics.json`.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_metrics(&self, metrics: &Metrics) -> Result<(), RunError> {
        self.write_json(METRICS, metrics)
    }

    /// Whether the training is over and all of its results are here.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.path.join(METRICS).is_file() && !self.unfinished().exists()
    }

    /// Writes the state of the training, and the epochs that are over.
    ///
    /// # Errors
    /// [`RunError::ModelFile`], [`RunError::Write`], [`RunError::Io`].
    pub fn write_unfinished(&self, unfinished: &Unfinished) -> Result<(), RunError> {
        let bytes = unfinished.to_bytes().map_err(ModelFileError::Encode)?;
        self.write(UNFINISHED, &bytes)?;
        self.write_folds(&unfinished.folds)?;
        self.write_history(&unfinished.epochs())
    }

    /// Reads the state of the training of a network of so many parameters; `None` where there is none.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Checkpoint`].
    pub fn read_unfinished(&self, parameters: usize) -> Result<Option<Unfinished>, RunError> {
        let path = self.unfinished();
        let text = || path.display().to_string();
        match bounded_file::read_regular(&path, limits::unfinished_file(parameters)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunError::Io { path: text(), source }),
            Ok(bytes) => match Unfinished::from_bytes(&bytes) {
                Ok(unfinished) => Ok(Some(unfinished)),
                Err(source) => Err(RunError::Checkpoint { path: text(), source }),
            },
        }
    }

    /// The training is over.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn remove_unfinished(&self) -> Result<(), RunError> {
        remove(&self.unfinished())
    }

    /// Writes why the training failed, where it would fail again.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_failure(&self, reason: &str) -> Result<(), RunError> {
        self.write(FAILED, format!("{reason}\n").as_bytes())
    }

    /// The training is tried again.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn remove_failure(&self) -> Result<(), RunError> {
        remove(&self.path.join(FAILED))
    }

    /// Of a training that is not over: why it failed, or else what there is not `yet`.
    fn failed_or(&self, yet: RunError) -> RunError {
        match self.read(FAILED, limits::FAILED) {
            Ok(reason) => RunError::Failed {
                run: self.path.display().to_string(),
                reason: in_one_line(reason.trim_end()).into_owned(),
            },
            Err(_) => yet,
        }
    }

    /// Removes what a process that was killed had begun to write.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn remove_leftovers(&self) -> Result<(), RunError> {
        for entry in fs::read_dir(&self.path).map_err(io_error(&self.path))? {
            let entry = entry.map_err(io_error(&self.path))?;
            if is_leftover(&entry) && entry.path() != lock::path(&self.path) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes a run that could not be written whole, and its directory if nothing else is in it. What cannot be removed stays.
    pub fn discard(self) {
        for name in files::OWN {
            let _ = fs::remove_file(self.path.join(name));
        }
        let _ = self.remove_leftovers();
        let Self { path, lock } = self;
        drop(lock);
        let _ = fs::remove_dir(path);
    }

    /// Where it is kept how far the training has come.
    #[must_use]
    pub fn unfinished(&self) -> PathBuf {
        self.path.join(UNFINISHED)
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// [`RunError::NoRun`], [`RunError::Io`], [`RunError::Json`], [`RunError::Classes`], [`RunError::Limit`].
    pub fn read_config(&self) -> Result<RunConfig, RunError> {
        let config: RunConfig = self.read_json(CONFIG, limits::RUN_JSON).map_err(|error| self.unless_no_run(error))?;
        let names = config.class_names.len();
        let refuse = |limit| RunError::Limit { path: self.path.join(CONFIG).display().to_string(), limit };
        if names > MOST_CLASSES {
            return Err(refuse(LimitError::Classes { classes: names }));
        }
        let RunConfig { trainer, model, recipe, dataset, .. } = &config;
        let named = [("the trainer", trainer), ("the network", model), ("the recipe", &recipe.name)];
        let named = named.into_iter().chain([("the data set", dataset)]);
        for (what, name) in named.chain(config.class_names.iter().map(|name| ("a class", name))) {
            if name.len() > LONGEST_NAME {
                return Err(refuse(LimitError::Name { what, bytes: name.len() }));
            }
        }
        match config.layers.last().map(|last| last.layer) {
            Some(Layer::Dense(Dense { outputs, .. })) if usize::from(outputs) != names => {
                let path = self.path.join(CONFIG).display().to_string();
                Err(RunError::Classes { path, names, outputs: outputs.into() })
            }
            _ => Ok(config),
        }
    }

    /// Reads `metrics.json`.
    ///
    /// # Errors
    /// [`RunError::InUse`], [`RunError::NoResults`], [`RunError::Failed`], [`RunError::Io`], [`RunError::Json`].
    pub fn read_metrics(&self) -> Result<Metrics, RunError> {
        self.read_json(METRICS, limits::METRICS).map_err(|error| self.unless_unfinished(error))
    }

    /// The settings, and the float model with the weights that were kept.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Json`], [`RunError::Classes`], [`RunError::Architecture`], [`RunError::NoWeights`],
    /// [`RunError::Weights`].
    pub fn load(&self) -> Result<(RunConfig, FloatModel), RunError> {
        let config = self.read_config()?;
        let architecture = Architecture::new(config.model.clone(), config.input, &config.layers)?;
        Ok((config, self.load_weights(architecture)?))
    }

    /// The float model of this architecture, with the weights that were kept.
    ///
    /// # Errors
    /// [`RunError::InUse`], [`RunError::NoWeights`], [`RunError::Failed`], [`RunError::Weights`].
    pub fn load_weights(&self, architecture: Architecture) -> Result<FloatModel, RunError> {
        let weights = self.weights();
        if !weights.exists() && !self.is_finished() {
            lock::check(&self.path)?;
            return Err(self.failed_or(RunError::NoWeights { run: self.path.display().to_string() }));
        }
        let limit = limits::weights_file(architecture.parameters());
        let bytes = bounded_file::read_regular(&weights, limit).map_err(io_error(&weights))?;
        FloatModel::from_safetensors(architecture, &bytes).map_err(self.weights_error())
    }

    /// The bytes of `model.bin`.
    ///
    /// # Errors
    /// [`RunError::NoRun`], [`RunError::NoResults`], [`RunError::Model`], [`RunError::Io`].
    pub fn read_model(&self) -> Result<Vec<u8>, RunError> {
        let path = self.model();
        model_file::read_regular(&path).map_err(|error| match error {
            ReadError::Io(source) => self.unless_unfinished(self.unless_no_run(io_error(&path)(source))),
            source => RunError::Model { path: path.display().to_string(), source },
        })
    }

    /// The model file of this run, made again from its weights and calibration: the same bytes as the first time.
    ///
    /// # Errors
    /// Those of [`load`](Self::load), [`RunError::Quantize`], [`RunError::ModelFile`].
    pub fn export(&self) -> Result<Vec<u8>, RunError> {
        let (config, model) = self.load()?;
        Ok(config.encode(&QuantizedModel::new(&model, &config.calibration)?)?)
    }

    /// Of a file that is missing where there is no run: that, and what to give instead.
    fn unless_no_run(&self, error: RunError) -> RunError {
        let is_missing = matches!(&error, RunError::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory));
        if !is_missing || self.path.join(CONFIG).exists() {
            return error;
        }
        let parent = Some(directory_of(&self.path)).filter(|parent| parent.join(CONFIG).is_file());
        let such_as = format!("give one such as {RUNS}/NAME");
        let reason = match (self.path.is_dir(), self.path.exists(), parent) {
            (true, ..) => format!("it has no {CONFIG}; {such_as}"),
            (false, true, Some(parent)) => format!("it is a file of one; give {}", parent.display()),
            (false, true, None) if model_file::is_tflite(&self.path) => {
                "it is a TFLite file; trainer import FILE --out RUN makes a run of it".to_owned()
            }
            (false, true, None) => format!("it is a file; {such_as}"),
            (false, false, _) => format!("there is no such directory; {such_as}"),
        };
        RunError::NoRun { path: self.path.display().to_string(), reason }
    }

    /// Of a file that is missing where there is a run that is under way or can be resumed: that it has not come so far.
    fn unless_unfinished(&self, error: RunError) -> RunError {
        match error {
            RunError::Io { source, .. }
                if source.kind() == io::ErrorKind::NotFound
                    && self.path.join(CONFIG).is_file()
                    && !self.is_finished() =>
            {
                let run = self.path.display().to_string();
                match self.read_config() {
                    Ok(RunConfig { imported: Some(_), .. }) => RunError::Imported { run },
                    _ => lock::check(&self.path).err().unwrap_or_else(|| self.failed_or(RunError::NoResults { run })),
                }
            }
            error => error,
        }
    }

    fn read(&self, name: &str, limit: FileLimit) -> Result<String, RunError> {
        let path = self.path.join(name);
        bounded_file::read_regular_text(&path, limit).map_err(io_error(&path))
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str, limit: FileLimit) -> Result<T, RunError> {
        let path = self.path.join(name).display().to_string();
        serde_json::from_str(&self.read(name, limit)?).map_err(|source| RunError::Json { path, source })
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunError> {
        let path = self.path.join(name);
        let json = serde_json::to_string_pretty(value)
            .map_err(|source| RunError::Json { path: path.display().to_string(), source })?;
        self.write(name, format!("{json}\n").as_bytes())
    }
}

/// What a system's error about `path` becomes.
fn io_error(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::Io { path, source }
}

/// Whether a process that was killed had begun to write it; or the file of a lock.
fn is_leftover(entry: &fs::DirEntry) -> bool {
    let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
    entry.file_name().to_string_lossy().starts_with(BESIDE) && !is_directory
}

/// Removes a file that may be gone already.
fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RunError::Io { path: path.display().to_string(), source: error })
        }
        _ => Ok(()),
    }
}
