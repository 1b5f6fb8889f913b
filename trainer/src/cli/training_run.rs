//! A training from its beginning, or from where it was interrupted, to its model file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use trainer::dataset::Dataset;
use trainer::dataset::unknown::UnknownImages;
use trainer::network::{Architecture, FloatModel};
use trainer::pipeline::{Observer, Pipeline, PipelineError};
use trainer::quantize::Choice;
use trainer::quantize::aware::Gain;
use trainer::run::{RunConfig, RunDirectory, RunError};
use trainer::train::folds::{CrossValidated, FoldFit, FoldPart};
use trainer::train::recipe::Recipe;
use trainer::train::score::Score;
use trainer::train::{Epoch, FitError, History, Unfinished};

use super::console::{Console, console_line};
use super::initial::Start;
use super::interrupt::Interrupt;
use super::output::{print_message, warn};
use super::progress::{Event, Progress};
use super::teacher::Teachers;
use super::{destination, folds, reject, results, run_data};
use crate::Usage;

/// Everything that a training works with.
pub struct TrainingRun {
    /// Where it is kept.
    pub directory: RunDirectory,
    /// The settings.
    pub config: RunConfig,
    /// The images.
    pub dataset: Dataset,
    /// Whom it learns from.
    pub teachers: Option<Teachers>,
    /// What it starts from.
    pub start: Option<Start>,
    /// Images of other things, to choose a threshold by.
    pub unknown: Option<UnknownImages>,
    /// How far it has come.
    pub unfinished: Unfinished,
    /// The console for its progress.
    pub console: Console,
}

impl TrainingRun {
    /// The run at `path`, as far as it has come, on its images or on those at `data`, of which decoded ones take `memory` bytes at
    /// most; and writes its model to `export` too.
    pub fn resume(
        path: &Path,
        data: Option<&Path>,
        memory: Option<u64>,
        export: Option<PathBuf>,
        console: Console,
    ) -> Result<Self> {
        // What is no run has no lock.
        RunDirectory::open(path).read_config()?;
        let directory = RunDirectory::open_to_write(path)?;
        warn_of_no_lock(&directory);
        let mut config = directory.read_config()?;
        if config.imported.is_some() {
            let run = path.display();
            return Err(Usage::error(anyhow!(
                "{run} is an imported run, there is nothing to resume; trainer fit --init {run} trains it further"
            )));
        }
        config.recipe.check().with_context(|| path.join("run.json").display().to_string())?;
        let architecture = Architecture::new(config.model.clone(), config.input, &config.layers)?;
        let unfinished = match directory.read_unfinished(architecture.parameters())? {
            Some(unfinished) => unfinished,
            // Interrupted before there was anything to keep.
            None if !directory.is_finished() => Unfinished::default(),
            None => {
                return Err(Usage::error(anyhow!(
                    "{} is finished, there is nothing to resume; trainer export writes its model again",
                    path.display()
                )));
            }
        };
        if let (Some(export), Some(data)) = (&export, &config.data_dir) {
            destination::check_data("--export", export, data)?;
        }
        // A run may come from elsewhere, and its files do not choose what is overwritten outside the run.
        let export_before = std::mem::replace(&mut config.export, export.map(std::path::absolute).transpose()?);
        if let (Some(before), None) = (export_before, &config.export) {
            warn(&format!(
                "NOTE: this run was begun with --export {}, which is not repeated: its model will be in {}; name --export again \
                 to write it elsewhere too",
                before.display(),
                directory.model().display()
            ));
        }
        let teachers = Teachers::open(&config.teachers)?;
        let dataset = run_data::load(path, &config, data, memory, !console.is_text())?;
        if let Some(data) = data {
            config.data_dir = Some(std::path::absolute(data)?);
        }
        if let Some(teachers) = &teachers {
            teachers.check(&dataset)?;
            if !config.teachers_sha256.is_empty() && config.teachers_sha256 != teachers.weights_sha256 {
                bail!(
                    "the weights of a teacher of {} have changed since; the run cannot be resumed to the same bytes",
                    path.display()
                );
            }
        }
        let start = config.init.as_ref().map(|initial| Start::again(initial, path)).transpose()?;
        let conversion = config.preprocessing.conversion(config.input)?;
        let unknown = reject::unknown_of(config.rejection.as_ref(), &conversion, &dataset)?;
        directory.remove_leftovers()?;
        Ok(Self { directory, config, dataset, teachers, start, unknown, unfinished, console })
    }

    /// Trains to the end, or until it is interrupted.
    pub fn train(mut self, interrupt: &Interrupt) -> Result<()> {
        let unfinished = std::mem::take(&mut self.unfinished);
        let Self { directory, config, dataset, console, .. } = &self;
        if let Some(checkpoint) = &unfinished.checkpoint {
            let fold =
                if unfinished.is_of_a_fold() { format!("fold {}, ", unfinished.folds.len()) } else { String::new() };
            console_line!(
                console,
                "resumes    {}: {fold}after epoch {}",
                directory.path().display(),
                checkpoint.epochs.len()
            );
        }
        let teacher = self.teachers.as_ref().map(|teachers| &teachers.teacher);
        let mut recorder = Recorder {
            progress: Progress::new(&config.recipe, [dataset.train.len(), dataset.validation.len()], console),
            run: &self,
            interrupt,
            has_warned: false,
            kept: Ok(()),
        };
        directory.remove_failure()?;
        let start = self.start.as_ref().map(|start| &start.model);
        let unknown = self.unknown.as_ref();
        let outcome = Pipeline { config, dataset, teacher, start, unknown }.run(unfinished, &mut recorder);
        if let Err(error) = &outcome
            && error.is_of_the_numbers()
        {
            // For whoever asks for the results of this run; that it cannot be written is not what went wrong.
            let _ = directory.write_failure(&error.to_string());
        }
        let Some(outcome) = outcome.map_err(|error| name_checkpoint(error, directory))? else {
            let of_folds = config.folds.map(|_| "before cross-validation was over, or ").unwrap_or_default();
            console_line!(console, "interrupted {of_folds}in the first epoch: there is no model yet");
            self.print_how_to_resume();
            return Ok(());
        };
        let results = results::finish(directory, &outcome, dataset, recorder.kept, console)?;
        if outcome.history.interrupted {
            self.print_how_to_resume();
        } else {
            directory.remove_unfinished()?;
            console.event(&Event::Finished { run: directory.path(), metrics: &results.metrics });
        }
        results.not_exported.or(results.without_threshold).map_or(Ok(()), Err)?;
        console.close().context("standard output")
    }

    fn print_how_to_resume(&self) {
        let run = self.directory.path();
        let how = format!("interrupted; to resume it: trainer fit --resume {}", run.display());
        if self.console.is_quiet() {
            print_message(&how);
        } else {
            console_line!(self.console, "{how}");
        }
        self.console.event(&Event::Interrupted { run });
    }
}

/// Shows the progress of training, keeps its state, and passes on that it is to end.
struct Recorder<'r> {
    progress: Progress,
    run: &'r TrainingRun,
    interrupt: &'r Interrupt,
    /// Whether it was reported that nothing can be kept.
    has_warned: bool,
    /// What came of writing the weights.
    kept: std::result::Result<(), RunError>,
}

impl Observer for Recorder<'_> {
    fn start(&mut self, score: Score) {
        self.progress.start(score);
    }

    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        self.progress.step(epoch, seen, images, running);
    }

    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        self.progress.epoch(epoch, is_best);
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_requested()
    }

    fn fold(&mut self, part: FoldPart) {
        let TrainingRun { config, console, .. } = self.run;
        folds::print_part(part, console);
        self.progress = Progress::new(&config.recipe, [part.train, part.held_out], console);
    }

    fn fold_over(&mut self, fit: &FoldFit) {
        self.progress.clear();
        folds::print_end(fit, &self.run.console);
    }

    fn cross_validated(&mut self, result: &CrossValidated) {
        let TrainingRun { config, dataset, console, .. } = self.run;
        folds::print_result(result, dataset.train.len(), console);
        let recipe = Recipe { epochs: result.epochs, ..config.recipe.clone() };
        self.progress = Progress::new(&recipe, [dataset.train.len(), dataset.validation.len()], console);
    }

    /// A disk that is full is no reason to lose the training too: it continues.
    fn unfinished(&mut self, unfinished: &Unfinished) {
        if let Err(error) = self.run.directory.write_unfinished(unfinished)
            && !self.has_warned
        {
            self.has_warned = true;
            warn(&format!("WARNING: this run cannot be resumed if it is interrupted: {error}"));
        }
    }

    fn trained(&mut self, history: &History) {
        self.progress.finish(history);
    }

    fn calibrated(&mut self, choice: &Choice) {
        console_line!(self.run.console, "{}", choice.on(self.run.config.judged_on()));
    }

    fn tuning(&mut self, history: &History) {
        let TrainingRun { config, dataset, console, .. } = self.run;
        let epochs = config.recipe.quantization_aware.epochs;
        let images = [dataset.train.len(), dataset.with_validation().validation.len()];
        self.progress = Progress::new(&config.recipe, images, console).after(history, epochs);
        self.has_warned = false;
    }

    fn tuned(&mut self, history: &History, gain: Option<Gain>) {
        self.progress.finish_tuning(history, gain, self.run.config.judged_on());
    }

    fn learned(&mut self, model: &FloatModel, history: &History) {
        let directory = &self.run.directory;
        self.kept = directory.write_weights(model).and_then(|()| directory.write_history(&history.epochs));
    }
}

/// The error with the file that it is about, where that is the checkpoint.
fn name_checkpoint(error: PipelineError, directory: &RunDirectory) -> anyhow::Error {
    match error {
        PipelineError::Fit(FitError::Checkpoint(error)) => {
            anyhow::Error::from(error).context(directory.unfinished().display().to_string())
        }
        error => error.into(),
    }
}

/// Prints a note where nothing keeps two processes from writing into one run.
pub fn warn_of_no_lock(directory: &RunDirectory) {
    if directory.is_unprotected() {
        warn(&format!(
            "NOTE: the file system of {} has no locks; see to it that no other process writes into this run",
            directory.path().display()
        ));
    }
}
