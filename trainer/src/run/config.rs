//! The settings of a run: `run.json`.

use std::io;
use std::path::PathBuf;

use infer_core::Shape;
use infer_core::format::{Input, Layout, Metadata};
use serde::{Deserialize, Serialize};

use crate::dataset::held_out::SplitRule;
use crate::dataset::{Dataset, Images};
use crate::export::decision::Decision;
use crate::export::hardware::{Budget, Chip, Footprint};
use crate::export::layout::LayoutChoice;
use crate::export::model_file::ModelFileError;
use crate::image::Preprocessing;
use crate::network::chain::with_layouts;
use crate::network::{Architecture, ArchitectureError, Node};
use crate::quantize::{Calibration, Choice, Method, QuantizedModel};
use crate::train::confidence::Rejection;
use crate::train::confusion::WorstClass;
use crate::train::evaluate::Answers;
use crate::train::initial::Initial;
use crate::train::recipe::Recipe;
use crate::train::score::Score;

/// The settings of a run, and what export needs besides the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Version of the trainer.
    pub trainer: String,
    /// Name of the architecture.
    pub model: String,
    /// Shape of an image.
    pub input: Shape,
    /// The layers.
    pub layers: Vec<Node>,
    /// How it was trained.
    pub recipe: Recipe,
    /// Name of the data set.
    pub dataset: String,
    /// Names of the classes in the order of the logits.
    pub class_names: Vec<String>,
    /// What was done to its images; runs of older versions do not have it.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// The directory that they came from, where one was named.
    #[serde(default)]
    pub data_dir: Option<PathBuf>,
    /// Whether files that cannot be read are left out; `skipped.txt` lists those that were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_unreadable: bool,
    /// [What they were](crate::dataset::Dataset::sha256); not known of runs older than this.
    #[serde(default)]
    pub data_sha256: Option<String>,
    /// Share of the training images held out for validation.
    pub validation_fraction: f64,
    /// Seed of all random numbers, except the choice of validation images.
    pub seed: u64,
    /// Seed by which the validation images were drawn: the teacher's if there was one, otherwise `--split-seed`, otherwise `seed`.
    pub split_seed: u64,
    /// How images of a folder were held out; runs older than this did it by name.
    #[serde(default)]
    pub split_rule: SplitRule,
    /// How many folds of the training images take the place of validation images, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// The runs it learned from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<PathBuf>,
    /// SHA-256 of the weights of each; not known of runs older than this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers_sha256: Vec<String>,
    /// The run that it started from; runs of older versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<InitialRun>,
    /// The file that its network is of, where it was trained elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedNetwork>,
    /// What the network has to fit, where that was given; runs of older versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// In which layout weights are written; compact in runs of older versions.
    #[serde(default, skip_serializing_if = "LayoutChoice::is_compact")]
    pub layout: LayoutChoice,
    /// Where the model is to be written besides.
    #[serde(default)]
    pub export: Option<PathBuf>,
    /// Which calibrations are to be tried.
    #[serde(default)]
    pub calibration_methods: Vec<Method>,
    /// What calibration found out about each layer's output.
    pub calibration: Vec<Calibration>,
    /// By which method, and why; not known of runs older than the methods, which went by range.
    #[serde(default)]
    pub calibration_choice: Option<Choice>,
    /// How a threshold is to be chosen, where there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// Temperature and thresholds of the model file; runs of older versions have none.
    #[serde(default, skip_serializing_if = "Decision::is_neutral")]
    pub decision: Decision,
    /// Test accuracies, as far as they are known.
    pub accuracies: Accuracies,
}

/// An earlier run of which weights were taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitialRun {
    /// Where it was.
    pub run: PathBuf,
    /// SHA-256 of its weights.
    pub weights_sha256: String,
    /// Which of them were taken, and how layers learn.
    #[serde(flatten)]
    pub initial: Initial,
}

/// What is known of a network that was trained elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedNetwork {
    /// Name of its file.
    pub file: String,
    /// Whether the names of its classes are known, and not only their number.
    pub names_classes: bool,
}

/// What runs and model files of imported networks name as the data set: nobody knows which it was.
pub const UNKNOWN_IMAGES: &str = "unknown images (imported)";

/// A chip, or a budget of its own, that a network has to fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the [chip](crate::export::hardware::Chip), where one was given.
    pub chip: Option<String>,
    /// Bytes of flash for the model and the program that runs it.
    pub flash: Option<usize>,
    /// Bytes of RAM for arena, image and stack.
    pub ram: Option<usize>,
}

impl Target {
    /// The chip, where it is one that is known here.
    #[must_use]
    pub fn chip(&self) -> Option<&'static Chip> {
        self.chip.as_deref().and_then(|name| Chip::named(name).ok())
    }

    /// What may be taken.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget { flash: self.flash, ram: self.ram, core: self.chip().map(|chip| chip.core) }
    }
}

/// What is known of the test, 0 to 1. The model file states the two accuracies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracies {
    /// Of the float model on the test images.
    pub float_test: Option<f32>,
    /// Of the quantized model on the test images.
    pub int8_test: Option<f32>,
    /// The mean recall of the classes, of the quantized model; not known of runs older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8_test_balanced: Option<f32>,
    /// The class that it recognizes worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8_test_worst_class: Option<WorstClass>,
}

impl Accuracies {
    /// Takes those of the quantized model from its answers to the test images, of classes of these names.
    pub fn set_int8(&mut self, answers: &Answers, test: &Images, class_names: &[String]) {
        let Score { accuracy, balanced, .. } = answers.score;
        self.int8_test = Some(accuracy as f32);
        self.int8_test_balanced = balanced.map(|balanced| balanced.accuracy as f32);
        self.int8_test_worst_class = WorstClass::of(&answers.confusion(test, class_names.len()), class_names);
    }
}

impl RunConfig {
    /// Which images decide about calibration and fine-tuning, as messages name them: the training images where the run is
    /// cross-validated and has no others.
    #[must_use]
    pub fn judged_on(&self) -> &'static str {
        if self.folds.is_some() { "training" } else { "validation" }
    }

    /// Of a run of this trainer that has not begun: images without a directory, held out by the run's own seed, no teachers, no
    /// calibration yet.
    ///
    /// # Errors
    /// Where the images are in a file that cannot be read.
    pub fn new(architecture: &Architecture, recipe: Recipe, dataset: &Dataset, seed: u64) -> io::Result<Self> {
        let held_out = dataset.validation.len() as f64;
        Ok(Self {
            trainer: env!("CARGO_PKG_VERSION").to_owned(),
            model: architecture.name.clone(),
            input: architecture.input,
            layers: architecture.nodes(),
            recipe,
            dataset: dataset.name.clone(),
            class_names: dataset.class_names.clone(),
            preprocessing: dataset.preprocessing,
            data_dir: None,
            skip_unreadable: false,
            data_sha256: Some(dataset.sha256()?),
            validation_fraction: held_out / (held_out + dataset.train.len() as f64),
            seed,
            split_seed: seed,
            split_rule: SplitRule::ByContent,
            folds: None,
            teachers: Vec::new(),
            teachers_sha256: Vec::new(),
            init: None,
            imported: None,
            target: None,
            layout: LayoutChoice::Compact,
            export: None,
            calibration_methods: Vec::new(),
            calibration: Vec::new(),
            calibration_choice: None,
            rejection: None,
            decision: Decision::default(),
            accuracies: Accuracies::default(),
        })
    }

    /// Whether a model file is one that a run like this exports, by its metadata.
    #[must_use]
    pub fn is_of_model(&self, metadata: &Metadata<'_>, input: &Input) -> bool {
        self.dataset == metadata.dataset
            && self.model == metadata.architecture
            && self.class_names.join("\n") == metadata.class_lines
            && Preprocessing::of_model(metadata.images, input).is_ok_and(|known| known == self.preprocessing)
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn encode(&self, quantized: &QuantizedModel) -> Result<Vec<u8>, ModelFileError> {
        let QuantizedModel { input, stages } = quantized.clone();
        let input = Input { preprocessing: self.preprocessing.of_frames(), ..input };
        let architecture = self.architecture()?;
        let stages = with_layouts(&architecture, stages, &self.layouts(&architecture)?);
        let file = self.with_metadata(|metadata| QuantizedModel { input, stages }.encode(metadata))?;
        self.decision.apply(&file)
    }

    /// The network.
    ///
    /// # Errors
    /// Where the layers are none.
    pub fn architecture(&self) -> Result<Architecture, ArchitectureError> {
        Architecture::new(self.model.clone(), self.input, &self.layers)
    }

    /// The layout of each stage's weights in the model file.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn layouts(&self, architecture: &Architecture) -> Result<Vec<Layout>, ModelFileError> {
        let budget = self.target.as_ref().map_or_else(Budget::default, Target::budget);
        let flash = budget.flash.map(|bytes| bytes.saturating_sub(self.own_thresholds_len()));
        self.with_metadata(|metadata| self.layout.layouts(architecture, &Budget { flash, ..budget }, metadata))
    }

    /// What a network takes on a chip, before it is trained: at most, where classes may get thresholds of their own, and otherwise to the
    /// byte.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn footprint(&self, architecture: &Architecture, layouts: &[Layout]) -> Result<Footprint, ModelFileError> {
        let footprint = self.with_metadata(|metadata| Footprint::of(architecture, layouts, metadata))?;
        Ok(Footprint { model: footprint.model + self.own_thresholds_len(), ..footprint })
    }

    /// Bytes of the thresholds that classes have of their own, or may get in training.
    fn own_thresholds_len(&self) -> usize {
        let may_get = self.rejection.as_ref().is_some_and(|rejection| rejection.per_class);
        if may_get || !self.decision.class_thresholds.is_empty() {
            self.class_names.len() * size_of::<u16>()
        } else {
            0
        }
    }

    /// What `read` makes of the metadata of the model file.
    pub fn with_metadata<T>(&self, read: impl FnOnce(&Metadata<'_>) -> T) -> T {
        read(&Metadata {
            trainer: &self.trainer,
            dataset: &self.dataset,
            architecture: &self.model,
            class_lines: &self.class_names.join("\n"),
            images: &self.preprocessing.images(),
            float_test_accuracy: self.accuracies.float_test,
            int8_test_accuracy: self.accuracies.int8_test,
        })
    }
}
