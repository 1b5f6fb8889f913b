//! The pictures of an earlier run, split as it split them.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use trainer::data::{Dataset, DatasetChoice, Environment, Request, fashion_mnist, garments};
use trainer::run::RunConfig;

use crate::Usage;

/// Loads what the run at `path` was trained on, from `data` where that is given; other pictures are an error.
pub fn load(path: &Path, config: &RunConfig, data: Option<&Path>) -> Result<Dataset> {
    let path = path.display();
    let choice = match config.dataset.as_str() {
        garments::NAME => DatasetChoice::Garments,
        name if name == fashion_mnist::NAME || data.is_some() => DatasetChoice::FashionMnist,
        name => {
            return Err(Usage::error(anyhow!(
                "{path} was trained on {name}; give --data with the directory of its IDX files"
            )));
        }
    };
    let loaded = trainer::data::load(&Request {
        choice,
        data_dir: data.map(Path::to_owned),
        validation_fraction: config.validation_fraction,
        seed: config.seed,
        environment: Environment::from_process(),
    })
    .with_context(|| format!("{path} was trained on {}", config.dataset))?;
    let dataset = &loaded.dataset;
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
    Ok(loaded.dataset)
}
