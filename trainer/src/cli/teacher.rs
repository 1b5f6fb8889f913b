//! `--teacher RUN`: the networks of earlier runs, and whether this run may learn from them.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use trainer::dataset::Dataset;
use trainer::dataset::download::sha256;
use trainer::run::{RunConfig, RunDirectory};
use trainer::train::teacher::Teacher;

use super::data::ValidationSplit;
use crate::Usage;

/// Earlier runs, all on the same images with the same ones held out.
pub struct Teachers {
    /// Their networks.
    pub teacher: Teacher,
    /// What the runs were; at least one.
    runs: Vec<(PathBuf, RunConfig)>,
    /// SHA-256 of the weights of each.
    pub weights_sha256: Vec<String>,
}

impl Teachers {
    /// Opens the runs; none if there is no path.
    pub fn open(paths: &[PathBuf]) -> Result<Option<Self>> {
        let mut runs = Vec::new();
        let mut models = Vec::new();
        let mut weights_sha256 = Vec::new();
        for path in paths {
            let directory = RunDirectory::open(path);
            let (config, model) = directory.load()?;
            if config.folds.is_some() {
                return Err(Usage::error(anyhow!(
                    "--teacher {}: it was trained with --folds, on all images but those of the test, and a student cannot be validated on \
                     images that its teacher was trained on; train a teacher without --folds",
                    path.display()
                )));
            }
            if !model.is_finite()? {
                return Err(anyhow!(
                    "teacher {}: {} has weights that are not finite numbers; train it again",
                    path.display(),
                    directory.weights().display()
                ));
            }
            weights_sha256.push(sha256(&directory.weights())?);
            models.push((model, config.recipe.balance));
            runs.push((path.clone(), config));
        }
        if let Some((first, others)) = runs.split_first() {
            // Of equal images in equal parts, such as a val/ of their own, the same are held out whatever the seeds are.
            let are_same_parts =
                |one: &RunConfig, other: &RunConfig| one.data_sha256.is_some() && one.data_sha256 == other.data_sha256;
            for other in others {
                if split(&first.1) != split(&other.1) && !are_same_parts(&first.1, &other.1) {
                    return Err(Usage::error(anyhow!(
                        "teachers {} and {} held out different images; a student cannot be validated on images that a \
                         teacher was trained on; train them with the same --split-seed and --val-fraction",
                        first.0.display(),
                        other.0.display()
                    )));
                }
            }
        }
        Ok((!runs.is_empty()).then(|| Self { teacher: Teacher::new(models), runs, weights_sha256 }))
    }

    /// What the images held out for validation were drawn by. A student holds out the same.
    pub fn split(&self) -> ValidationSplit {
        split(&self.runs[0].1)
    }

    /// Where the runs are, in full, for the student's own record.
    pub fn paths(&self) -> Result<Vec<PathBuf>> {
        Ok(self.runs.iter().map(|(path, _)| std::path::absolute(path)).collect::<std::io::Result<_>>()?)
    }

    /// Refuses teachers of other images or other classes.
    pub fn check(&self, dataset: &Dataset) -> Result<()> {
        for (path, config) in &self.runs {
            let shape: trainer::dataset::ImageShape = config.input.into();
            // Which images an imported network was trained on is not known.
            let is_of_others = config.imported.is_none() && config.dataset != dataset.name;
            if is_of_others || config.class_names != dataset.class_names || shape != dataset.train.shape() {
                return Err(anyhow!(
                    "teacher {} was trained on {} ({} classes, images of {shape}); this run is about {} ({} classes, images of {}). A \
                     student has the data, the input and the classes of its teacher; a folder is known by its name",
                    path.display(),
                    config.dataset,
                    config.class_names.len(),
                    dataset.name,
                    dataset.class_names.len(),
                    dataset.train.shape()
                ));
            }
            if config.data_sha256.is_some() && config.data_sha256 != Some(dataset.sha256()?) {
                return Err(anyhow!(
                    "teacher {} was trained on other images of {}, or split or scaled them in another way; a student cannot be \
                     validated on images that its teacher was trained on",
                    path.display(),
                    dataset.name
                ));
            }
        }
        Ok(())
    }
}

fn split(config: &RunConfig) -> ValidationSplit {
    ValidationSplit {
        fraction: config.validation_fraction,
        stated_by: Vec::new(),
        seed: config.split_seed,
        rule: config.split_rule,
        is_by_folds: false,
    }
}
