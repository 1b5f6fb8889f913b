//! What data are wanted, and what was found.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use infer_core::Metadata;
use infer_core::format::Input;

use super::held_out::SplitRule;
use super::images::Dataset;
use super::manifest::Manifest;
use super::pixels::Storage;
use super::tested::Tested;
use super::{fashion_mnist, garments, idx_files};
use crate::image::{Background, Conversion, HeldOut, PreprocessError, Preprocessing};
use crate::support::printable::is_control;

/// Which data set is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatasetChoice {
    /// Fashion-MNIST, or garments with a warning where it is not available.
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
    /// A directory of images, a folder per class, or of IDX files; goes before everything else.
    pub data_dir: Option<PathBuf>,
    /// What the images become; without it they stay as they are.
    pub conversion: Option<Conversion>,
    /// What transparent images of a folder are blended onto, where there is no conversion that holds it.
    pub background: Background,
    /// Share of the training images held out for validation.
    pub validation_fraction: f64,
    /// Decides which those are.
    pub seed: u64,
    /// Share of a folder of images held out for the test, where it has no part for that.
    pub test_fraction: f64,
    /// How images of a folder are held out; by name only for runs of earlier trainers.
    pub split_rule: SplitRule,
    /// Files of a folder of images that are left out, such as those that [cannot be read](super::folder::unreadable()).
    pub skip: BTreeSet<PathBuf>,
    /// Whether they are only to test a model with.
    pub testing: Option<Testing>,
    /// The process' environment.
    pub environment: Environment,
    /// Where the decoded images are kept.
    pub storage: Storage,
    /// Whether the progress of a download or of reading the images is hidden.
    pub quiet: bool,
}

/// What a model to be tested holds about the images in a folder; nothing else of the folder is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Testing {
    /// Its classes, in its order.
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
    /// Images to test a model on, through the preprocessing that its file names: those of a folder that were held out in
    /// its training, or `all` images.
    ///
    /// # Errors
    /// [`PreprocessError`] where the file's preprocessing is none for its input.
    pub fn to_test(
        metadata: &Metadata<'_>,
        input: &Input,
        data_dir: Option<&Path>,
        all: bool,
    ) -> Result<Self, PreprocessError> {
        let preprocessing = Preprocessing::of_model(metadata.images, input)?;
        let is_folder = data_dir.is_some_and(|directory| !idx_files::are_in(directory));
        let conversion = match preprocessing {
            Preprocessing::Bytes if !is_folder => None,
            _ => Some(preprocessing.conversion(input.shape)?),
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

/// Where to look by the process' environment; empty in tests.
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
    /// The images.
    pub dataset: Dataset,
    /// Where they came from.
    pub origin: Origin,
    /// Whether its validation images were drawn from the training images, and not given.
    pub draws_validation: bool,
    /// What the user must know: that this is not the data set one would expect, that files were left out, ...
    pub warnings: Vec<String>,
    /// Of images to test a model on, what is known of those; `None` of a named set, whose test images are always the same.
    pub tested: Option<Tested>,
}

/// Where images came from.
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

/// What a data set in this directory is called: as the directory is, without what no terminal can show.
pub(super) fn directory_name(directory: &Path) -> String {
    let canonical = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let name = canonical.file_name().map_or("data".into(), |name| name.to_string_lossy());
    let name = name.replace(is_control, "\u{fffd}");
    // The names of sets that are known by their content are not for others.
    if [fashion_mnist::NAME, garments::NAME].contains(&&*name) { format!("own-{name}") } else { name }
}
