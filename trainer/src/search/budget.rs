//! What a candidate takes of a chip, and by how much that is too much: known before it is trained.

use std::collections::BTreeMap;

use infer_core::Shape;
use infer_core::format::Metadata;
use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::error::CandidateError;
use crate::dataset::Dataset;
use crate::export::hardware::{Chip, Footprint};
use crate::export::layout::LayoutChoice;
use crate::export::model_file::ModelFileError;
use crate::image::PreprocessError;
use crate::network::Architecture;
use crate::run::Target;
use crate::support::number::rounded;
use crate::support::text::thousands;

/// The chip whose times are given where none is named: an M4F at 64 MHz.
pub const USUAL_CHIP: &str = "nrf52840";

/// What is known of a data set without its images: enough to know how large a model file is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// What it is called.
    pub name: String,
    /// Its classes.
    pub classes: Vec<String>,
    /// Shape of an input, where the space does not decide it.
    pub input: Shape,
    /// Images that it is trained on.
    pub training_images: usize,
    /// Images that candidates are compared on.
    pub validation_images: usize,
    /// The text about the images in the model file.
    images: String,
    /// SHA-256 of all inputs and their labels; where the space decides the input, of the smallest.
    pub sha256: String,
}

/// What a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requirements {
    /// Bytes of the model file.
    pub model: usize,
    /// Bytes of flash: the model file and the program that runs it.
    pub flash: usize,
    /// Bytes of RAM: the arena, an image and the stack.
    pub ram: usize,
    /// Estimated milliseconds of an inference, at worst: the upper end of what `fit --chip` prints.
    pub milliseconds: f64,
}

/// What a network may take; what is `None` is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The chip, and bytes of its flash and RAM.
    pub target: Option<Target>,
    /// Bytes of the model file.
    pub model: Option<usize>,
    /// Milliseconds of an inference.
    pub milliseconds: Option<f64>,
    /// How weights lie in the model file, where that is given.
    pub layout: Option<LayoutChoice>,
}

/// By how much limits are exceeded, by the name of each: bytes or milliseconds, at most 0 where there is room.
pub type Violations = BTreeMap<String, f64>;

/// Why it is not known what a candidate takes.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum AssessError {
    /// There is no such candidate.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// infer-core could not run it.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// Its input is none.
    #[error(transparent)]
    Input(#[from] PreprocessError),
    /// More classes than a network has outputs.
    #[error("there are more classes than a network has outputs")]
    Classes,
}

impl DataFacts {
    /// Those of a data set that was loaded.
    ///
    /// # Errors
    /// Where its images are in a file that cannot be read.
    pub fn of(dataset: &Dataset) -> std::io::Result<Self> {
        let shape = dataset.train.shape();
        let side = |side: usize| u16::try_from(side).map_err(std::io::Error::other);
        let input = Shape { height: side(shape.height)?, width: side(shape.width)?, channels: side(shape.channels)? };
        Ok(Self {
            name: dataset.name.clone(),
            classes: dataset.class_names.clone(),
            input,
            training_images: dataset.train.len(),
            validation_images: dataset.validation.len(),
            images: dataset.preprocessing.images(),
            sha256: dataset.sha256()?,
        })
    }

    /// The least that any data set comes to, for inputs of this shape: two classes with names of a letter.
    #[must_use]
    pub fn least(input: Shape) -> Self {
        let nothing = String::new;
        let classes = ["0", "1"].map(str::to_owned).to_vec();
        let (images, sha256) = (nothing(), nothing());
        Self { name: nothing(), classes, input, training_images: 0, validation_images: 0, images, sha256 }
    }
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.target.is_none() && self.model.is_none() && self.milliseconds.is_none()
    }

    /// In words; empty where nothing is limited.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { target, model, milliseconds, .. } = self;
        let bytes =
            |bytes: Option<usize>, what: &str| bytes.map(|bytes| format!("{} bytes of {what}", thousands(bytes)));
        let target = target.as_ref();
        let parts = [
            target.and_then(|target| target.chip.clone()),
            bytes(target.and_then(|target| target.flash), "flash"),
            bytes(target.and_then(|target| target.ram), "RAM"),
            model.map(|bytes| format!("{} bytes for the model file", thousands(bytes))),
            milliseconds.map(|time| format!("{time} ms for an inference")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The layout that a candidate is written in.
    #[must_use]
    pub fn layout(&self, candidate: &Candidate<'_>) -> LayoutChoice {
        let usual = if self.target.is_some() { LayoutChoice::Auto } else { LayoutChoice::Compact };
        let layout = candidate.layout().or(self.layout).unwrap_or(usual);
        if layout == LayoutChoice::Auto && self.target.is_none() { LayoutChoice::Compact } else { layout }
    }

    /// The chip that times are of.
    #[must_use]
    pub fn chip(&self) -> Option<&'static Chip> {
        self.target.as_ref().and_then(Target::chip).or_else(|| Chip::named(USUAL_CHIP).ok())
    }

    /// What a candidate takes, exactly as `fit` checks it: the size of the model file to the byte, the arena, and the estimated time.
    ///
    /// # Errors
    /// [`AssessError`].
    pub fn assess(&self, candidate: &Candidate<'_>, facts: &DataFacts) -> Result<Requirements, AssessError> {
        let classes = u16::try_from(facts.classes.len()).map_err(|_| AssessError::Classes)?;
        let input = candidate.conversion()?.map_or(facts.input, |conversion| conversion.shape());
        let architecture = candidate.architecture(input, classes)?;
        let metadata = Metadata {
            trainer: env!("CARGO_PKG_VERSION"),
            dataset: &facts.name,
            architecture: &architecture.name,
            class_lines: &facts.classes.join("\n"),
            images: &facts.images,
            float_test_accuracy: None,
            int8_test_accuracy: None,
        };
        Ok(self.requirements(&architecture, self.layout(candidate), &metadata)?)
    }

    fn requirements(
        &self,
        architecture: &Architecture,
        layout: LayoutChoice,
        metadata: &Metadata<'_>,
    ) -> Result<Requirements, ModelFileError> {
        let budget = self.target.as_ref().map(Target::budget).unwrap_or_default();
        let layouts = layout.layouts(architecture, &budget, metadata)?;
        let footprint = Footprint::of(architecture, &layouts, metadata)?;
        let program = budget.program(footprint.operators);
        let worst = self.chip().map(|chip| chip.estimate(architecture, &layouts)[1]).unwrap_or_default();
        Ok(Requirements {
            model: footprint.model,
            flash: footprint.flash(program),
            ram: footprint.ram(program),
            milliseconds: rounded(1e3 * worst.as_secs_f64(), 4),
        })
    }

    /// By how much a network exceeds each limit that there is.
    #[must_use]
    pub fn violations(&self, requirements: &Requirements) -> Violations {
        self.compared(requirements).into_iter().map(|(name, needed, limit)| (name.to_owned(), needed - limit)).collect()
    }

    /// The same as one number, without a unit: the sum of the shares by which limits are exceeded; 0 where all are kept.
    #[must_use]
    pub fn excess(&self, requirements: &Requirements) -> f64 {
        self.compared(requirements).into_iter().map(|(_, needed, limit)| (needed / limit - 1.0).max(0.0)).sum()
    }

    /// What is limited: its name, what is needed, what there is.
    #[must_use]
    pub fn compared(&self, requirements: &Requirements) -> Vec<(&'static str, f64, f64)> {
        let Requirements { model, flash, ram, milliseconds } = *requirements;
        let target = self.target.as_ref();
        let bytes = |bytes: Option<usize>| bytes.map(|bytes| bytes as f64);
        let all = [
            ("model", model as f64, bytes(self.model)),
            ("flash", flash as f64, bytes(target.and_then(|target| target.flash))),
            ("ram", ram as f64, bytes(target.and_then(|target| target.ram))),
            ("milliseconds", milliseconds, self.milliseconds),
        ];
        all.into_iter().filter_map(|(name, needed, limit)| Some((name, needed, limit?))).collect()
    }
}
