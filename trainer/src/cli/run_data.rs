//! The pictures of an earlier run, split as it split them.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use trainer::data::{Dataset, DatasetChoice, Environment, Request, fashion_mnist, garments};
use trainer::preprocess::Preprocessing;
use trainer::run::RunConfig;

use super::output::warn;
use crate::Usage;

/// Loads what the run at `path` was trained on, from `data` where that is given; other pictures are an error. How far it is
/// is said unless `quiet`.
pub fn load(path: &Path, config: &RunConfig, data: Option<&Path>, quiet: bool) -> Result<Dataset> {
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
    let (conversion, test_share) = match config.preprocessing {
        Preprocessing::Pictures { conversion, test_share } => (Some(conversion), test_share),
        Preprocessing::Bytes => (None, None),
    };
    let mut loaded = trainer::data::load(&Request {
        choice,
        data_dir,
        conversion,
        validation_fraction: config.validation_fraction,
        seed: config.split_seed,
        test_fraction: test_share.unwrap_or(defaults.test_fraction),
        environment: Environment::from_process(),
        quiet,
        ..defaults
    })
    .with_context(|| format!("{path} was trained on {}", config.dataset))?;
    loaded.warnings.iter().for_each(|warning| warn(warning));
    let dataset = &mut loaded.dataset;
    if config.data_sha256.as_ref() == Some(&dataset.sha256()) {
        // What they are says more than what their directory is called.
        dataset.name.clone_from(&config.dataset);
    }
    if dataset.name != config.dataset || dataset.class_names != config.class_names {
        bail!(
            "{path} was trained on {} ({} classes), but what is {} is {} ({} classes); \
             give --data with the directory that the run was given",
            config.dataset,
            config.class_names.len(),
            loaded.origin,
            dataset.name,
            dataset.class_names.len()
        );
    }
    if dataset.train.shape() != config.input.into() {
        bail!("{path} takes pictures of {}, but those of {} are {}", config.input, dataset.name, dataset.train.shape());
    }
    if config.data_sha256.as_ref().is_some_and(|sha256| *sha256 != dataset.sha256()) {
        bail!(
            "the pictures of {} are not those that {path} was trained on: some have changed, come or gone; put them back, \
             or give --data with the directory that has them",
            config.dataset
        );
    }
    Ok(loaded.dataset)
}
