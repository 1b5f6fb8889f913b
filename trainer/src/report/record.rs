//! A run read back from its directory.

use std::path::Path;

use super::ReportError;
use super::answers;
use super::findings::Findings;
use crate::dataset::Dataset;
use crate::network::Architecture;
use crate::network::FloatModel;
use crate::run::{Metrics, RunConfig, RunDirectory, RunError};
use crate::support::printable::is_control;
use crate::train::Epoch;

/// A run: its settings, how it went, what came out.
pub struct RunRecord {
    /// Where it is.
    pub directory: RunDirectory,
    /// What it is called in tables and legends: the directory's name.
    pub name: String,
    /// The settings.
    pub config: RunConfig,
    /// The network.
    pub architecture: Architecture,
    /// A row per epoch.
    pub history: Vec<Epoch>,
    /// The results.
    pub metrics: Metrics,
}

impl RunRecord {
    /// Reads `run.json`, `history.csv` and `metrics.json`.
    ///
    /// # Errors
    /// [`ReportError::Run`].
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let directory = RunDirectory::open(path);
        let mut config = directory.read_config()?;
        let RunConfig { class_names, trainer, model, dataset, recipe, .. } = &mut config;
        let names = [trainer, model, dataset, &mut recipe.name, &mut recipe.description];
        class_names.iter_mut().chain(names).for_each(|name| *name = shown(name));
        let architecture =
            Architecture::new(config.model.clone(), config.input, &config.layers).map_err(RunError::from)?;
        let history = directory.read_history()?;
        let metrics = directory.read_metrics()?;
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = canonical.file_name().map_or_else(|| "run".to_owned(), |name| shown(&name.to_string_lossy()));
        Ok(Self { directory, name, config, architecture, history, metrics })
    }

    /// Reads several runs, and calls those by their path that have the same name.
    ///
    /// # Errors
    /// [`ReportError::Run`], [`ReportError::TooManyRuns`].
    pub fn read_all(paths: &[impl AsRef<Path>]) -> Result<Vec<Self>, ReportError> {
        match Self::read_those_with_results(paths)? {
            (runs, left_out) if left_out.is_empty() => Ok(runs),
            (_, mut left_out) => Err(left_out.remove(0).into()),
        }
    }

    /// The same, without the runs that have not come to results, and why each of these has none.
    ///
    /// # Errors
    /// [`ReportError::Run`], where something is wrong with a run, or none has results; [`ReportError::TooManyRuns`].
    pub fn read_those_with_results(paths: &[impl AsRef<Path>]) -> Result<(Vec<Self>, Vec<RunError>), ReportError> {
        let (mut runs, mut left_out) = (Vec::new(), Vec::new());
        for path in paths {
            match Self::read(path.as_ref()) {
                Err(ReportError::Run(error)) if error.is_without_results() => left_out.push(error),
                // No more are read than are refused.
                Ok(_) if runs.len() == super::MOST_RUNS => {
                    return Err(ReportError::TooManyRuns { given: paths.len() - left_out.len() });
                }
                run => runs.push(run?),
            }
        }
        if runs.is_empty() && !left_out.is_empty() {
            return Err(left_out.remove(0).into());
        }
        let names: Vec<String> = runs.iter().map(|run: &Self| run.name.clone()).collect();
        for run in &mut runs {
            if names.iter().filter(|name| **name == run.name).count() > 1 {
                run.name = shown(&run.directory.path().display().to_string());
            }
        }
        Ok((runs, left_out))
    }

    /// Reads the run's findings.
    ///
    /// # Errors
    /// As [`Findings::read`].
    pub fn findings(&self) -> Result<Findings, ReportError> {
        Findings::read(&self.directory, self.architecture.classes())
    }

    /// Gathers the run's findings anew, from its model and the data set that it was trained on, and writes them.
    ///
    /// # Errors
    /// [`ReportError::OtherImages`] where the model is not as accurate on these images as it was in the run, and
    /// those of [`Findings::gather`] and [`Findings::write`].
    pub fn refresh(&self, dataset: &Dataset) -> Result<(), ReportError> {
        let file = self.directory.read_model()?;
        let out_of_fold = self.directory.out_of_fold_of(&self.config, dataset)?;
        let findings = Findings::gather(&self.model()?, &self.config, &file, dataset, out_of_fold.as_ref())?;
        let right = answers::accuracy(&findings.answers);
        let (expected, expected_right) = (self.metrics.images.test, self.metrics.int8.scores.test.accuracy);
        if findings.answers.len() != expected || (right - expected_right).abs() > 1e-9 {
            return Err(ReportError::OtherImages {
                dataset: dataset.name.clone(),
                given: findings.answers.len(),
                right,
                expected,
                expected_right,
            });
        }
        findings.write(&self.directory)
    }

    /// The float model.
    ///
    /// # Errors
    /// [`ReportError::Run`].
    pub fn model(&self) -> Result<FloatModel, ReportError> {
        Ok(self.directory.load_weights(self.architecture.clone())?)
    }

    /// The name of a class.
    #[must_use]
    pub fn class_name(&self, class: usize) -> &str {
        self.config.class_names.get(class).map_or("?", String::as_str)
    }
}

/// A name without what no page and no figure can show: line breaks and other control characters.
fn shown(name: &str) -> String {
    name.replace(is_control, "\u{fffd}")
}
