//! The images of an earlier run, split as it split them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use trainer::dataset::{
    Dataset, DatasetChoice, Environment, Request, Storage, fashion_mnist, garments, holds_idx_files,
};
use trainer::image::Preprocessing;
use trainer::run::{ImportedNetwork, RunConfig, RunDirectory};
use trainer::support::printable::in_one_line;
use trainer::support::text::thousands;
use trainer::support::whole_file::directory_of;

use super::folds;
use super::imported_images::ImportedImages;
use super::output::warn;
use super::unreadable::Skipped;
use crate::Usage;

/// Loads what the run at `path` was trained on, from `data` where that is given; other images are an error. Decoded images take
/// `memory` bytes at most, or what is there. The progress is shown unless `quiet`.
pub fn load(path: &Path, config: &RunConfig, data: Option<&Path>, memory: Option<u64>, quiet: bool) -> Result<Dataset> {
    if let Some(imported) = &config.imported {
        return of_imported(path, config, imported, data, memory, quiet);
    }
    let run = path;
    let path = path.display();
    let data_dir = data.map(Path::to_owned).or_else(|| config.data_dir.clone());
    let choice = match config.dataset.as_str() {
        garments::NAME => DatasetChoice::Garments,
        fashion_mnist::NAME => DatasetChoice::FashionMnist,
        _ if data_dir.is_some() => DatasetChoice::Auto,
        name => {
            return Err(Usage::error(anyhow!("{path} was trained on {name}; give its directory, --data DIR")));
        }
    };
    let defaults = Request::default();
    let conversion = match config.preprocessing {
        Preprocessing::Converted { conversion, .. } => Some(conversion),
        Preprocessing::Bytes => None,
    };
    let skip = match &data_dir {
        Some(directory) if config.skip_unreadable => Skipped::again(directory, quiet)?.files,
        Some(_) | None => BTreeSet::new(),
    };
    let mut loaded = trainer::dataset::load(&Request {
        choice,
        data_dir,
        skip,
        conversion,
        validation_fraction: config.validation_fraction,
        seed: config.split_seed,
        test_fraction: config.preprocessing.test_share().unwrap_or(defaults.test_fraction),
        split_rule: config.split_rule,
        environment: Environment::from_process(),
        storage: Storage { most_memory: memory, directory: Some(directory_of(run).to_owned()) },
        quiet,
        ..defaults
    })
    .with_context(|| format!("{path} was trained on {}", config.dataset))?;
    loaded.warnings.iter().for_each(|warning| warn(warning));
    if config.folds.is_some() {
        loaded.dataset = folds::without_validation(loaded.dataset, loaded.draws_validation)?;
    }
    let dataset = &mut loaded.dataset;
    let found = dataset.name.clone();
    let sha256 = dataset.sha256()?;
    let is_other = config.data_sha256.as_ref().is_some_and(|expected| *expected != sha256);
    let has_same_classes = dataset.class_names == config.class_names && dataset.train.shape() == config.input.into();
    if config.data_sha256.is_some() && (!is_other || has_same_classes && is_own(&config.dataset)) {
        // The name of a directory proves nothing: whether its images are the run's is known by their SHA-256.
        dataset.name.clone_from(&config.dataset);
    }
    if dataset.name != config.dataset || dataset.class_names != config.class_names {
        bail!(
            "{path} was trained on {} ({} classes), but what is {} is {} ({} classes){}; \
             give --data with the directory that the run was given",
            config.dataset,
            config.class_names.len(),
            loaded.origin,
            dataset.name,
            dataset.class_names.len(),
            difference(&config.class_names, &dataset.class_names)
        );
    }
    if dataset.train.shape() != config.input.into() {
        bail!("{path} takes images of {}, but those of {} are {}", config.input, dataset.name, dataset.train.shape());
    }
    if is_other {
        let name = if found == config.dataset { found } else { format!("{found} ({} in the run)", config.dataset) };
        let now = [dataset.train.len(), dataset.validation.len(), dataset.test.len()];
        bail!(
            "the images of {name} are not those that {path} was trained on: some were changed, added or removed{}; put them \
             back, or give --data with the directory that has them",
            counts(RunDirectory::open(run), now)
        );
    }
    Ok(loaded.dataset)
}

/// Loads images for a run of an imported network, whose own nobody knows: any that are of its classes, or of as many where it does not
/// name them.
fn of_imported(
    path: &Path,
    config: &RunConfig,
    imported: &ImportedNetwork,
    data: Option<&Path>,
    memory: Option<u64>,
    quiet: bool,
) -> Result<Dataset> {
    let run = path.display();
    let classes = config.class_names.len();
    let Some(data) = data.or(config.data_dir.as_deref()) else {
        return Err(Usage::error(anyhow!(
            "{run} was imported without images; give those to calibrate and measure it on, --data DIR: of {classes} classes"
        )));
    };
    let conversion = match config.preprocessing {
        Preprocessing::Converted { conversion, .. } if !holds_idx_files(data) => Some(conversion),
        Preprocessing::Converted { .. } | Preprocessing::Bytes => None,
    };
    let loaded = ImportedImages {
        data,
        conversion,
        class_names: imported.names_classes.then_some(&config.class_names),
        calibrates: true,
        storage: Storage { most_memory: memory, directory: Some(directory_of(path).to_owned()) },
        quiet,
    }
    .load()?;
    loaded.warnings.iter().for_each(|warning| warn(warning));
    let dataset = loaded.dataset;
    let found = dataset.class_names.len();
    if found != classes {
        bail!("{run} has {classes} outputs, and --data {} has {found} classes", data.display());
    }
    if dataset.train.shape() != config.input.into() {
        bail!("{run} takes images of {}, but those of {} are {}", config.input, data.display(), dataset.train.shape());
    }
    Ok(dataset)
}

/// What distinguishes the classes of the run from those that are there, for the end of a message.
fn difference(of_run: &[String], there: &[String]) -> String {
    /// Names that are listed.
    const NAMED: usize = 5;
    let only_in = |one: &[String], other: &[String]| {
        let known: BTreeSet<&String> = other.iter().collect();
        let names: Vec<&String> = one.iter().filter(|name| !known.contains(name)).collect();
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let listed: Vec<_> = names.iter().take(NAMED).map(|name| in_one_line(name)).collect();
        (!names.is_empty()).then(|| format!("{}{more}", listed.join(", ")))
    };
    match (only_in(of_run, there), only_in(there, of_run)) {
        (Some(missing), Some(new)) => format!(": the run's {missing} is missing, and {new} is not one of the run's"),
        (Some(missing), None) => format!(": the run's {missing} is missing"),
        (None, Some(new)) => format!(": {new} is not one of the run's"),
        (None, None) if of_run == there => String::new(),
        (None, None) => ": the classes are in another order".to_owned(),
    }
}

/// Whether a data set is one of the user's own, and not one that has a name here.
fn is_own(dataset: &str) -> bool {
    !matches!(dataset, garments::NAME | fashion_mnist::NAME)
}

/// How many images there are now and were then, where the run has these counts; which part has more or fewer shows what to look for.
fn counts(run: RunDirectory, now: [usize; 3]) -> String {
    let Ok(metrics) = run.read_metrics() else { return String::new() };
    let then = [metrics.images.train, metrics.images.validation, metrics.images.test];
    let total = |parts: [usize; 3]| thousands(parts.iter().sum());
    match now == then {
        true => format!(" (as many as then, {}: images have changed)", total(now)),
        false => format!(" ({} now, {} then)", total(now), total(then)),
    }
}
