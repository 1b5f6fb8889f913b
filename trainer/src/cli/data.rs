//! Which images `fit` and `eval` work on: their flags, and the way from them to a data set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use infer_core::format::Input;
use infer_core::{Metadata, Shape};
use trainer::dataset::folder::{FolderError, input_of_first};
use trainer::dataset::held_out::SplitRule;
use trainer::dataset::manifest::Manifest;
use trainer::dataset::{
    DataError, Dataset, DatasetChoice, Environment, Loaded, Request, Storage, fashion_mnist, garments, holds_idx_files,
};
use trainer::image::{Background, Conversion, Preprocessing, Resize, parse_shape};
use trainer::network::{Architecture, ArchitectureError, Template};
use trainer::run::{RunDirectory, UNKNOWN_IMAGES};
use trainer::support::whole_file;

use super::camera::CameraFlags;
use super::console::{Console, console_line};
use super::destination::{self, Output};
use super::folds;
use super::initial::Start;
use super::output::warn;
use super::unreadable::{Skipped, UnreadableFlags};
use super::values::{self, background, fraction};
use crate::Usage;

/// The data sets that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DatasetName {
    /// Zalando's Fashion-MNIST; an error where it is not available
    FashionMnist,
    /// The built-in set of drawn garments
    Garments,
}

impl From<DatasetName> for DatasetChoice {
    fn from(name: DatasetName) -> Self {
        match name {
            DatasetName::FashionMnist => Self::FashionMnist,
            DatasetName::Garments => Self::Garments,
        }
    }
}

/// How images are brought to the size of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ResizeMode {
    /// Scale both sides, each by its own factor
    Stretch,
    /// Scale until the whole image is inside, in the middle of the background
    Fit,
    /// Scale until the image fills the input, and cut off what is outside
    Crop,
}

impl From<ResizeMode> for Resize {
    fn from(mode: ResizeMode) -> Self {
        match mode {
            ResizeMode::Stretch => Self::Stretch,
            ResizeMode::Fit => Self::Fit,
            ResizeMode::Crop => Self::Crop,
        }
    }
}

/// What to train on.
#[derive(Clone, clap::Args)]
pub struct TrainingData {
    /// Data set [default: Fashion-MNIST, or the built-in garments if it is not available]
    #[arg(long, value_enum, conflicts_with = "data")]
    dataset: Option<DatasetName>,
    /// Directory of your own data: a folder per class of images, or of frames of a camera, NAME.FORMAT.WIDTHxHEIGHT.raw
    /// (in train, val and test, or without these), or IDX files (plain or gzip)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Input of the network, such as 28x28x1 (gray) or 32x32x3 (RGB) [default: the images' own size]
    #[arg(long, value_name = "HxWxC", value_parser = input)]
    input: Option<Shape>,
    /// How images are resized to the input [default: stretch]
    #[arg(long, value_enum, requires = "input")]
    resize: Option<ResizeMode>,
    /// Background of transparent images, and around images with --resize fit: black, white, another name of a color, or
    /// #rrggbb [default: black]
    #[arg(long, value_name = "COLOR", value_parser = background)]
    background: Option<Background>,
    #[command(flatten)]
    camera: CameraFlags,
    /// Share of a folder of images held out for the test, if the folder has no test part; the content of each image decides
    /// [default: 0.15]
    #[arg(long, value_name = "SHARE", value_parser = fraction)]
    test_fraction: Option<f64>,
    /// Memory for decoded images, such as 500M or 4G; larger sets are kept in a file next to the run, which makes training
    /// slower [default: half of the available memory]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    #[command(flatten)]
    pub unreadable: UnreadableFlags,
}

/// How validation images are held out.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidationSplit {
    /// Their share of the training images.
    pub fraction: f64,
    /// The flags on the command line that change it.
    pub stated_by: Vec<&'static str>,
    /// The seed that they are drawn by.
    pub seed: u64,
    /// How, of a folder of images.
    pub rule: SplitRule,
    /// Whether folds of the training images take their place, so that none are held out.
    pub is_by_folds: bool,
}

/// What to test a model on.
#[derive(clap::Args)]
pub struct TestData {
    /// Data set [default: the one that the model was trained on]
    #[arg(long, value_enum, conflicts_with = "data")]
    dataset: Option<DatasetName>,
    /// Directory to take the test images from: a folder per class of images, or of frames of a camera,
    /// NAME.FORMAT.WIDTHxHEIGHT.raw, or IDX files (plain or gzip)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Use all images of the directory, not only those held out: for images that the model was not trained on
    #[arg(long, requires = "data")]
    all: bool,
    /// Memory for decoded images, such as 500M or 4G; larger sets are kept in a temporary file [default: half of the
    /// available memory]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Directory of the model's run, which lists the images that were trained on [default: the directory of the model, if it is a run]
    #[arg(long, value_name = "RUN", requires = "data")]
    run: Option<PathBuf>,
    #[command(flatten)]
    unreadable: UnreadableFlags,
}

/// What a model is tested on, and the run that lists its images.
pub struct TestSet {
    /// The images.
    pub loaded: Loaded,
    /// The run.
    pub run: Option<PathBuf>,
}

/// The shape of an input that images can be brought to.
pub fn input(text: &str) -> Result<Shape, String> {
    let shape = parse_shape(text).map_err(|error| error.to_string())?;
    Conversion::new(shape, Resize::default()).map_err(|error| error.to_string())?;
    Ok(shape)
}

fn size(text: &str) -> Result<u64, String> {
    values::bytes(text, "500M or 4G")
}

impl TrainingData {
    /// The directory that `--data` names, in full, so that it is found again from anywhere.
    pub fn directory(&self) -> Result<Option<PathBuf>> {
        let absolute = |path| std::path::absolute(path).context("where --data is");
        self.data.as_ref().map(absolute).transpose()
    }

    /// Whether the command line names a data set.
    pub fn is_given(&self) -> bool {
        self.data.is_some() || self.dataset.is_some()
    }

    /// The input that `--input` names.
    pub fn input(&self) -> Option<Shape> {
        self.input
    }

    /// The same, or else that of the first image of a folder: known at once, however many there are.
    pub fn likely_input(&self) -> Option<Shape> {
        self.input.or_else(|| input_of_first(self.folder()?, self.background.unwrap_or_default()))
    }

    /// The directory of images, if the data are image files in folders.
    pub fn folder(&self) -> Option<&Path> {
        self.data.as_deref().filter(|data| !holds_idx_files(data))
    }

    /// The same, but for the input and how images become it.
    pub fn with_conversion(self, conversion: &Conversion) -> Self {
        let resize = match conversion.resize() {
            Resize::Fit => ResizeMode::Fit,
            Resize::Crop => ResizeMode::Crop,
            Resize::AsTheyAre | Resize::Stretch => ResizeMode::Stretch,
        };
        Self { input: Some(conversion.shape()), resize: Some(resize), ..self }
    }

    /// Loads the images, prints which they are, keeps them in `runs` where they are too many for memory, and makes an architecture
    /// for images of their shape and number of classes, from the template for that shape.
    pub fn load(
        &self,
        template: impl FnOnce(Shape) -> Result<Template>,
        start: Option<&Start>,
        validation: &ValidationSplit,
        runs: &Path,
        skipped: &Skipped,
        console: &Console,
    ) -> Result<(Dataset, Architecture)> {
        let background = self.background.unwrap_or_default();
        let conversion = match self.input {
            Some(shape) => {
                let resize = self.resize.map_or(Resize::default(), Into::into);
                Some(Conversion::new(shape, resize)?.with_background(background))
            }
            // A network that was trained on images of one size goes on with them; IDX files hold images as they are.
            None if self.folder().is_some() => start.and_then(Start::conversion),
            None => None,
        };
        let conversion = match conversion {
            Some(conversion) => Some(self.camera.on(conversion)),
            None if self.camera.is_given() => {
                return Err(Usage::error(anyhow!(
                    "--camera-... needs --input: without it, inputs are as large as the images, and frames of another size are refused"
                )));
            }
            None => None,
        };
        let defaults = Request::default();
        let mut loaded = trainer::dataset::load(&Request {
            choice: self.dataset.map_or(DatasetChoice::Auto, Into::into),
            data_dir: self.data.clone(),
            skip: skipped.files.clone(),
            conversion,
            background,
            validation_fraction: validation.fraction,
            seed: validation.seed,
            split_rule: validation.rule,
            test_fraction: self.test_fraction.unwrap_or(defaults.test_fraction),
            environment: Environment::from_process(),
            storage: Storage { most_memory: self.memory, directory: Some(runs.to_owned()) },
            quiet: !console.is_text(),
            ..defaults
        })
        .map_err(|error| match (start.and_then(Start::conversion), &error) {
            (Some(conversion), DataError::Folder(FolderError::OtherSizes { .. })) => {
                let shape = conversion.shape();
                anyhow!("{error}; or scale them: --input {shape} is the size that the network of --init takes, and it can be given another")
            }
            _ => error.into(),
        })?;
        loaded.warnings.iter().for_each(|warning| warn(warning));
        if validation.is_by_folds {
            loaded.dataset = folds::without_validation(loaded.dataset, loaded.draws_validation)?;
        }
        let dataset = &loaded.dataset;
        if self.test_fraction.is_some() && dataset.preprocessing.test_share().is_none() {
            warn(&format!("NOTE: --test-fraction has no effect: {} has test images of its own", dataset.name));
        }
        if !validation.stated_by.is_empty() && !loaded.draws_validation {
            let flags = validation.stated_by.join(" and ");
            let have = if validation.stated_by.len() == 1 { "has" } else { "have" };
            warn(&format!("NOTE: {flags} {have} no effect: {} has validation images of its own", dataset.name));
        }
        if self.background.is_some() && dataset.preprocessing == Preprocessing::Bytes {
            warn(&format!("NOTE: --background has no effect: the images of {} are opaque", dataset.name));
        }
        for line in describe(&loaded) {
            console_line!(console, "{line}");
        }
        let shape = dataset.train.shape();
        let side = |side: usize| u16::try_from(side).with_context(|| format!("images of {shape} are too large"));
        let shape = Shape { height: side(shape.height)?, width: side(shape.width)?, channels: side(shape.channels)? };
        let classes =
            u16::try_from(dataset.class_names.len()).context("there are more classes than a network has outputs")?;
        let template = template(shape)?;
        let architecture = template.architecture(shape, classes).map_err(|error| match error {
            ArchitectureError::Classes { .. } => anyhow::Error::from(error),
            error => anyhow::Error::from(error).context(format!(
                "model {} does not take images of {shape}; give another --input or --model",
                template.name
            )),
        })?;
        Ok((loaded.dataset, architecture))
    }
}

impl TestData {
    /// Whether the command line names a data set.
    pub fn is_given(&self) -> bool {
        self.data.is_some() || self.dataset.is_some()
    }

    /// That the list of unreadable files, and what else is written, have places of their own; also not among the images of the run that
    /// is named, or in whose directory `model` is.
    pub fn check_outputs(&self, model: &Path, written: Option<Output<'_>>) -> Result<()> {
        let outputs: Vec<Output<'_>> = written.into_iter().chain(self.unreadable.output()).collect();
        let run = self.run.as_deref().unwrap_or_else(|| whole_file::directory_of(model));
        let config = RunDirectory::open(run).read_config().ok();
        for &output in &outputs {
            if output.flag.is_empty() {
                // What nobody named is beside the model, wherever that is.
                destination::check(output, None)?;
                continue;
            }
            destination::check(output, self.data.as_deref())?;
            if let Some(data) = config.as_ref().and_then(|config| config.data_dir.as_deref()) {
                destination::check_data(output.flag, output.path, data)?;
            }
        }
        destination::check_apart(&outputs)
    }

    /// Loads the images that a model is tested on, through the model's own preprocessing.
    pub fn load(&self, model: &Path, metadata: &Metadata<'_>, input: &Input) -> Result<TestSet> {
        let path = &*model.display().to_string();
        let choice = match (self.dataset, metadata.dataset) {
            (Some(name), _) => name.into(),
            (None, garments::NAME) => DatasetChoice::Garments,
            (None, fashion_mnist::NAME) => DatasetChoice::FashionMnist,
            (None, _) if self.data.is_some() => DatasetChoice::Auto,
            (None, UNKNOWN_IMAGES) => {
                return Err(Usage::error(anyhow!("{path} was imported; give a directory to test it on, --data DIR")));
            }
            (None, other) => {
                return Err(Usage::error(anyhow!(
                    "{path} was trained on {other}, which is none of the named data sets; give its directory, --data DIR"
                )));
            }
        };
        let mut request =
            Request::to_test(metadata, input, self.data.as_deref(), self.all).with_context(|| path.to_owned())?;
        let class_names: Vec<String> = metadata.class_names().map(str::to_owned).collect();
        request.skip = self.unreadable.look(self.data.as_deref(), Some(&class_names), request.quiet)?.files;
        let (run, manifest) = self.manifest(model, metadata, input)?.unzip();
        if let Some(testing) = &mut request.testing {
            testing.manifest = manifest;
        }
        let storage = Storage { most_memory: self.memory, directory: None };
        let loaded =
            trainer::dataset::load(&Request { choice, environment: Environment::from_process(), storage, ..request });
        let is_nameless =
            metadata.dataset == UNKNOWN_IMAGES && class_names.first().is_some_and(|name| name == "class 0");
        let loaded = loaded.map_err(|error| match error {
            DataError::Folder(FolderError::UnknownClass { .. }) if is_nameless => anyhow!(
                "{error}; {path} was imported without the names of its classes: import it again with --classes or --data"
            ),
            error => error.into(),
        })?;
        let dataset = &loaded.dataset;
        if dataset.test.shape() != input.shape.into() {
            bail!("{path} takes images of {}, but those of {} are {}", input.shape, dataset.name, dataset.test.shape());
        }
        let known = metadata.class_names().count();
        if known < dataset.class_names.len() {
            bail!("{path} distinguishes {known} classes, but {} has {}", dataset.name, dataset.class_names.len());
        }
        loaded.warnings.iter().for_each(|warning| warn(warning));
        Ok(TestSet { loaded, run })
    }

    /// The images of the run that is named, or in whose directory the model is.
    fn manifest(&self, model: &Path, metadata: &Metadata<'_>, input: &Input) -> Result<Option<(PathBuf, Manifest)>> {
        let classes = metadata.class_names().count();
        let Some(path) = &self.run else {
            if self.data.is_none() {
                return Ok(None);
            }
            let path = whole_file::directory_of(model);
            let directory = RunDirectory::open(path);
            let is_of_model = directory.read_config().is_ok_and(|config| config.is_of_model(metadata, input));
            let manifest = if is_of_model { directory.read_manifest(classes)? } else { None };
            return Ok(manifest.map(|manifest| (path.to_owned(), manifest)));
        };
        let directory = RunDirectory::open(path);
        let config = directory.read_config()?;
        if !config.is_of_model(metadata, input) {
            bail!(
                "{} is not a model of the run {}: that one is of {} on {} ({}), the model of {} on {} ({})",
                model.display(),
                path.display(),
                config.model,
                config.dataset,
                config.preprocessing,
                metadata.architecture,
                metadata.dataset,
                Preprocessing::of_model(metadata.images, input)?
            );
        }
        match directory.read_manifest(classes)? {
            Some(manifest) => Ok(Some((path.clone(), manifest))),
            None if config.imported.is_some() => bail!(
                "{} is an imported run: which images it was trained on is not known; leave --run out",
                path.display()
            ),
            None => bail!(
                "{} has no images.csv: it is of an earlier trainer, which did not keep which images were trained on; \
                 leave --run out",
                path.display()
            ),
        }
    }
}

/// Which images there are, where they come from, and what was done to them, a line each.
pub fn describe(loaded: &Loaded) -> Vec<String> {
    let Loaded { dataset, origin, .. } = loaded;
    let mut lines = vec![format!("data       {} ({} classes), {origin}", dataset.name, dataset.class_names.len())];
    if let Preprocessing::Converted { conversion, .. } = dataset.preprocessing {
        lines.push(format!("images     {conversion}"));
    }
    let parts = [("train", &dataset.train), ("validation", &dataset.validation), ("test", &dataset.test)];
    for (name, images) in parts.into_iter().filter(|(_, images)| !images.is_empty()) {
        lines.push(format!(
            "{name:<10} {:>7} images of {}",
            trainer::support::text::thousands(images.len()),
            images.shape()
        ));
    }
    if parts.iter().any(|(_, images)| images.is_in_file()) {
        lines.push("memory     too many images to keep in memory: they are in a file".to_owned());
    }
    lines
}
