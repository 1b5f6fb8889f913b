//! Where images come from: `--data`, `FASHION_MNIST_DIR`, the cache, a download; or drawn here.

use std::path::{Path, PathBuf};

use super::content::ContentHash;
use super::duplicates::{self, Part};
use super::held_out::SplitRule;
use super::idx_set::{self, IdxSet};
use super::request::{DatasetChoice, Environment, Loaded, Origin, Request, Testing};
use super::tested::{Candidates, Tested};
use super::{DataError, Dataset, Images, download, fashion_mnist, folder, garments, idx_files, split};
use crate::image::Preprocessing;

/// Finds, reads, checks and splits a data set.
///
/// # Errors
/// [`DataError`]. A directory that was named and is broken is always an error; only the absence of Fashion-MNIST leads
/// to garments, and only under [`DatasetChoice::Auto`].
pub fn load(request: &Request) -> Result<Loaded, DataError> {
    if let Some(directory) = &request.data_dir {
        return match holds_idx_files(directory) {
            true => from_directory(directory, Origin::Data(directory.clone()), request),
            false => folder::load(directory, request),
        };
    }
    if request.choice == DatasetChoice::Garments {
        return built_in(request, None);
    }
    if let Some(directory) = &request.environment.fashion_mnist_dir {
        let refuse = |reason| DataError::FashionMnistDir { directory: directory.clone(), reason };
        if !directory.is_dir() {
            return Err(refuse("there is no such directory".to_owned()));
        }
        let loaded = from_directory(directory, Origin::Environment(directory.clone()), request);
        let loaded = loaded.map_err(|error| match error {
            DataError::MissingFile { name, .. } => refuse(format!("it has no {name} and no {name}.gz")),
            error => error,
        })?;
        if request.choice == DatasetChoice::FashionMnist && loaded.dataset.name != fashion_mnist::NAME {
            return Err(DataError::NotFashionMnist { directory: directory.clone() });
        }
        return Ok(loaded);
    }
    match cached(request) {
        Err(reason) if request.choice == DatasetChoice::Auto => built_in(request, Some(&reason)),
        Err(reason) => Err(DataError::Unavailable { reason }),
        Ok((directory, origin)) => from_cache(directory, origin, request),
    }
}

/// Fashion-MNIST in the cache, fetched where it is not there yet; or why neither is available.
fn cached(request: &Request) -> Result<(PathBuf, Origin), String> {
    let Environment { cache_dir, url, .. } = &request.environment;
    let Some(cache) = cache_dir else {
        return Err("FASHION_MNIST_DIR is not set and there is no cache directory to fetch it into".to_owned());
    };
    let directory = cache.join(fashion_mnist::NAME);
    if let Some(directory) = request.environment.fashion_mnist_in_cache() {
        return Ok((directory.clone(), Origin::Cache(directory)));
    }
    let url = url.as_deref().unwrap_or(fashion_mnist::URL);
    match download::download(url, &fashion_mnist::FILES, &directory, request.quiet) {
        Ok(()) => Ok((directory.clone(), Origin::Download(directory))),
        Err(error) => Err(format!(
            "FASHION_MNIST_DIR is not set, the cache {} does not have it, and {error}",
            directory.display()
        )),
    }
}

fn built_in(request: &Request, why: Option<&str>) -> Result<Loaded, DataError> {
    let (train, test) = garments::draw(garments::SEED);
    let class_names = fashion_mnist::CLASS_NAMES.map(str::to_owned).to_vec();
    let dataset = convert_and_split(garments::NAME.to_owned(), class_names, train, test, request)?;
    let warning = why.map(|why| {
        format!(
            "WARNING: this trains on the built-in set \"garments\", drawn by the trainer, NOT on Fashion-MNIST.\n  \
             Why: {why}.\n  \
             What to do: connect to the network, or set FASHION_MNIST_DIR (or give --data) to a directory with the\n  \
             four files of Fashion-MNIST. --dataset fashion-mnist makes this an error, --dataset garments silences it."
        )
    });
    Ok(Loaded {
        dataset,
        origin: Origin::BuiltIn,
        draws_validation: true,
        warnings: Vec::from_iter(warning),
        tested: None,
    })
}

/// Whether a directory holds IDX files, one at least; if not, it is taken for a folder of images.
#[must_use]
pub fn holds_idx_files(directory: &Path) -> bool {
    idx_files::are_in(directory)
}

/// Reads the four IDX files of `directory`.
fn from_directory(directory: &Path, origin: Origin, request: &Request) -> Result<Loaded, DataError> {
    from_idx(idx_set::read(directory)?, origin, request)
}

/// Reads Fashion-MNIST out of the cache, which nobody fills but the trainer: what is wrong there is to be fetched again.
fn from_cache(directory: PathBuf, origin: Origin, request: &Request) -> Result<Loaded, DataError> {
    match idx_set::read(&directory) {
        Ok(set) if set.name == fashion_mnist::NAME => from_idx(set, origin, request),
        Ok(_) => Err(DataError::Cache { directory, reason: "it has other images".to_owned() }),
        Err(error) => Err(DataError::Cache { directory, reason: error.to_string() }),
    }
}

fn from_idx(set: IdxSet, origin: Origin, request: &Request) -> Result<Loaded, DataError> {
    let set = match &request.testing {
        Some(testing) => idx_set::as_numbered_by(&testing.class_names, set),
        None => set,
    };
    let IdxSet { name, class_names, train, test, paths, notes: mut warnings } = set;
    let is_own = name != fashion_mnist::NAME;
    if is_own && request.testing.is_none() {
        warnings.extend(idx_duplicates(&train, &test, &paths)?);
    }
    let dataset = convert_and_split(name, class_names, train, test, request)?;
    let tested = match &request.testing {
        Some(testing) if is_own => Some(known_of_test_files(&dataset, testing)?),
        _ => None,
    };
    Ok(Loaded { dataset, origin, draws_validation: true, warnings, tested })
}

/// What is known of the test images of IDX files.
fn known_of_test_files(dataset: &Dataset, testing: &Testing) -> Result<Tested, DataError> {
    let contents = ContentHash::of_each(&dataset.test).map_err(DataError::Pixels)?;
    let labels: Vec<usize> = dataset.test.labels().iter().map(|&label| label.into()).collect();
    let classes = dataset.class_names.len();
    let candidates = Candidates { contents: &contents, labels: &labels, classes, is_test_part: true };
    Ok(candidates.select(testing.held_out, testing.all, testing.manifest.as_ref()).1)
}

fn idx_duplicates(train: &Images, test: &Images, paths: &[PathBuf; 4]) -> Result<Vec<String>, DataError> {
    let name = |path: &Path, index: usize| format!("image {index} of {}", path.display());
    let warnings = duplicates::warnings(&[
        Part { images: train, name: &|index| name(&paths[0], index), is_drawn: false },
        Part { images: test, name: &|index| name(&paths[2], index), is_drawn: false },
    ]);
    warnings.map_err(DataError::Pixels)
}

fn convert_and_split(
    name: String,
    class_names: Vec<String>,
    mut train: Images,
    mut test: Images,
    request: &Request,
) -> Result<Dataset, DataError> {
    if request.testing.is_some() {
        // Nobody looks at them, and a class of one image is no obstacle to a test.
        train = train.subset(&[]);
    }
    let mut preprocessing = Preprocessing::Bytes;
    if let Some(conversion) = request.conversion {
        let convert = |images: &Images| images.converted(&conversion, &request.storage, &name);
        (train, test) = (convert(&train)?, convert(&test)?);
        preprocessing = Preprocessing::Converted { conversion, held_out: None };
    } else {
        (train, test) = (train.kept(&request.storage)?, test.kept(&request.storage)?);
    }
    let is_own = ![fashion_mnist::NAME, garments::NAME].contains(&&*name);
    let (classes, fraction, seed) = (class_names.len(), request.validation_fraction, request.seed);
    let (train_indices, validation_indices) = match (&request.testing, request.split_rule) {
        (Some(_), _) => (Vec::new(), Vec::new()),
        (None, SplitRule::ByContent) if is_own => {
            let contents = ContentHash::of_each(&train).map_err(DataError::Pixels)?;
            split::stratified_by_content(&contents, train.labels(), classes, fraction, seed)?
        }
        (None, SplitRule::ByContent | SplitRule::ByName) => split::stratified(train.labels(), classes, fraction, seed)?,
    };
    let validation = train.subset(&validation_indices);
    let train = train.subset(&train_indices);
    Ok(Dataset { name, class_names, preprocessing, train, validation, test })
}
