//! Where pictures come from: `--data`, `FASHION_MNIST_DIR`, the cache, a download; or drawn here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use infer_core::{Metadata, Shape};

use super::content::Content;
use super::duplicates::{self, Part};
use super::held_out::SplitRule;
use super::idx_set::{self, IdxSet};
use super::manifest::Manifest;
use super::tested::{Candidates, Tested};
use super::{DataError, Dataset, Images, Storage, download, fashion_mnist, garments, idx_files, pictures, split};
use crate::image::{Background, Conversion, HeldOut, PreprocessError, Preprocessing};
use crate::support::printable::is_control;

/// Which data set is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatasetChoice {
    /// Fashion-MNIST, or garments with a warning where it cannot be had.
    #[default]
    Auto,
    /// Fashion-MNIST and nothing else.
    FashionMnist,
    /// The built-in set.
    Garments,
}

/// What to load.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which data set.
    pub choice: DatasetChoice,
    /// A directory of pictures, a folder per class, or of IDX files; goes before everything else.
    pub data_dir: Option<PathBuf>,
    /// What the pictures become; without it they stay as they are.
    pub conversion: Option<Conversion>,
    /// What transparent images of a folder are blended onto, where there is no conversion that says it.
    pub background: Background,
    /// Share of the training images held out for validation.
    pub validation_fraction: f64,
    /// Decides which those are.
    pub seed: u64,
    /// Share of a folder of pictures held out for the test, where it has no part for that.
    pub test_fraction: f64,
    /// How images of a folder are held out; by name only for runs of earlier trainers.
    pub split_rule: SplitRule,
    /// Files of a folder of images that are left out, such as those that [cannot be read](super::pictures::unreadable()).
    pub skip: BTreeSet<PathBuf>,
    /// Whether they are only to test a model with.
    pub testing: Option<Testing>,
    /// What the process' environment says.
    pub environment: Environment,
    /// Where the decoded images are kept.
    pub storage: Storage,
    /// Whether nothing is said of how far a download or the pictures are.
    pub quiet: bool,
}

/// What a model to be tested says about the pictures in a folder; nothing else is loaded of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Testing {
    /// The classes that it knows, in its order.
    pub class_names: Vec<String>,
    /// What its training held out of a folder without a part to test on; `None`: nothing is known of that.
    pub held_out: Option<HeldOut>,
    /// Whether it is tested on all images of a folder without such a part, and not only on those held out.
    pub all: bool,
    /// The images of its training, where its run is at hand.
    pub manifest: Option<Manifest>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            choice: DatasetChoice::Auto,
            data_dir: None,
            conversion: None,
            background: Background::BLACK,
            validation_fraction: 0.05,
            seed: 48,
            test_fraction: 0.15,
            split_rule: SplitRule::ByContent,
            skip: BTreeSet::new(),
            testing: None,
            environment: Environment::default(),
            storage: Storage::default(),
            quiet: false,
        }
    }
}

impl Request {
    /// Pictures to test a model on, through the preprocessing that its file names: those of a folder that were held out in
    /// its training, or `all` of them.
    ///
    /// # Errors
    /// [`PreprocessError`] where the file's preprocessing is none for its input.
    pub fn to_test(
        metadata: &Metadata<'_>,
        input: Shape,
        data_dir: Option<&Path>,
        all: bool,
    ) -> Result<Self, PreprocessError> {
        let preprocessing = Preprocessing::of_model(metadata.preprocessing, input)?;
        let is_folder = data_dir.is_some_and(|directory| !holds_idx_files(directory));
        let conversion = match preprocessing {
            Preprocessing::Bytes if !is_folder => None,
            _ => Some(preprocessing.conversion(input)?),
        };
        Ok(Self {
            data_dir: data_dir.map(Path::to_owned),
            conversion,
            testing: Some(Testing {
                class_names: metadata.class_names().map(str::to_owned).collect(),
                held_out: preprocessing.held_out(),
                all,
                manifest: None,
            }),
            ..Self::default()
        })
    }
}

/// What the process' environment says about where to look; empty in tests.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `FASHION_MNIST_DIR`: a directory of the four files.
    pub fashion_mnist_dir: Option<PathBuf>,
    /// `THIMBLE_CACHE_DIR`, or else a directory `thimble` in the user's cache.
    pub cache_dir: Option<PathBuf>,
    /// `FASHION_MNIST_URL`: a mirror, instead of the publisher.
    pub url: Option<String>,
}

impl Environment {
    /// The process' own.
    #[must_use]
    pub fn from_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            fashion_mnist_dir: path("FASHION_MNIST_DIR"),
            cache_dir: path("THIMBLE_CACHE_DIR").or_else(|| Some(dirs::cache_dir()?.join("thimble"))),
            url: std::env::var("FASHION_MNIST_URL").ok().filter(|url| !url.is_empty()),
        }
    }

    /// The directory of the cache that holds all files of Fashion-MNIST; an interrupted download leaves one that does not.
    #[must_use]
    pub fn fashion_mnist_in_cache(&self) -> Option<PathBuf> {
        let directory = self.cache_dir.as_ref()?.join(fashion_mnist::NAME);
        fashion_mnist::FILES.iter().all(|file| directory.join(file.name).is_file()).then_some(directory)
    }
}

/// A data set and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The pictures.
    pub dataset: Dataset,
    /// Where they came from.
    pub origin: Origin,
    /// What the user must know: that this is not the data set one would expect, that files were left out, ...
    pub warnings: Vec<String>,
    /// Of images to test a model on, what is known of them; `None` of a named set, whose test images are always the same.
    pub tested: Option<Tested>,
}

/// Where pictures came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the directory that `--data` names.
    Data(PathBuf),
    /// From the directory that `FASHION_MNIST_DIR` names.
    Environment(PathBuf),
    /// From the cache.
    Cache(PathBuf),
    /// Fetched into the cache just now.
    Download(PathBuf),
    /// Drawn by the trainer.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(path) => write!(f, "from --data {}", path.display()),
            Self::Environment(path) => write!(f, "from FASHION_MNIST_DIR {}", path.display()),
            Self::Cache(path) => write!(f, "from the cache {}", path.display()),
            Self::Download(path) => write!(f, "fetched into {}", path.display()),
            Self::BuiltIn => f.write_str("drawn by the trainer"),
        }
    }
}

/// Finds, reads, checks and splits a data set.
///
/// # Errors
/// [`DataError`]. A directory that was named and is broken is always an error; only the absence of Fashion-MNIST leads
/// to garments, and only under [`DatasetChoice::Auto`].
pub fn load(request: &Request) -> Result<Loaded, DataError> {
    if let Some(directory) = &request.data_dir {
        return match holds_idx_files(directory) {
            true => from_directory(directory, Origin::Data(directory.clone()), request),
            false => pictures::load(directory, request),
        };
    }
    if request.choice == DatasetChoice::Garments {
        return built_in(request, None);
    }
    if let Some(directory) = &request.environment.fashion_mnist_dir {
        let loaded = from_directory(directory, Origin::Environment(directory.clone()), request)?;
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

/// Fashion-MNIST in the cache, fetched where it is not there yet; or why neither is to be had.
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
            "FASHION_MNIST_DIR is not set, the cache {} does not hold it, and {error}",
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
    Ok(Loaded { dataset, origin: Origin::BuiltIn, warnings: Vec::from_iter(warning), tested: None })
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
        Ok(_) => Err(DataError::Cache { directory, reason: "it holds other images".to_owned() }),
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
    Ok(Loaded { dataset, origin, warnings, tested })
}

/// What is known of the test images of IDX files.
fn known_of_test_files(dataset: &Dataset, testing: &Testing) -> Result<Tested, DataError> {
    let contents = Content::of_each(&dataset.test).map_err(DataError::Pixels)?;
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

/// What a data set in this directory is called: as the directory is, without what no terminal can show.
pub(super) fn directory_name(directory: &Path) -> String {
    let canonical = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let name = canonical.file_name().map_or("data".into(), |name| name.to_string_lossy());
    let name = name.replace(is_control, "\u{fffd}");
    // The names of sets that are known by their content are not for others.
    if [fashion_mnist::NAME, garments::NAME].contains(&&*name) { format!("own-{name}") } else { name }
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
        preprocessing = Preprocessing::Pictures { conversion, held_out: None };
    } else {
        (train, test) = (train.kept(&request.storage)?, test.kept(&request.storage)?);
    }
    let is_own = ![fashion_mnist::NAME, garments::NAME].contains(&&*name);
    let (classes, fraction, seed) = (class_names.len(), request.validation_fraction, request.seed);
    let (train_indices, validation_indices) = match (&request.testing, request.split_rule) {
        (Some(_), _) => (Vec::new(), Vec::new()),
        (None, SplitRule::ByContent) if is_own => {
            let contents = Content::of_each(&train).map_err(DataError::Pixels)?;
            split::stratified_by_content(&contents, train.labels(), classes, fraction, seed)?
        }
        (None, SplitRule::ByContent | SplitRule::ByName) => split::stratified(train.labels(), classes, fraction, seed)?,
    };
    let validation = train.subset(&validation_indices);
    let train = train.subset(&train_indices);
    Ok(Dataset { name, class_names, preprocessing, train, validation, test })
}
