//! A project that runs a model on a chip: everything that a `cargo build` needs but public crates.
//!
//! | module | what it holds |
//! |---|---|
//! | [`infer_core`] | where the project has infer-core from |
//! | [`name`] | the name of its package |
//! | [`test_image`] | the image that stands for the camera |
//! | [`stub_frame`] | the same as a frame of the camera |
//! | [`room`] | whether model, log and test image fit on the chip |
//! | [`templates`] | its files, from `trainer/templates/firmware` |
//! | [`directory`] | a directory that appears whole or not at all |

pub mod directory;
pub mod infer_core;
pub mod name;
pub mod room;
pub mod stub_frame;
pub mod templates;
pub mod test_image;

pub use directory::{DirectoryError, ProjectFile};
pub use infer_core::InferCore;
pub use name::package_name;
pub use stub_frame::StubFrame;
pub use test_image::TestImage;

use ::infer_core::format::{Input, Metadata};
use ::infer_core::{Header, Network};

use super::hardware::Chip;
use super::model_file;

/// A model on its way onto a chip.
#[derive(Clone, Debug)]
pub struct Project<'p> {
    /// The name of the package.
    pub name: String,
    /// The chip.
    pub chip: &'static Chip,
    /// The model file, without what may follow it.
    pub model: &'p [u8],
    /// The image that stands for the camera.
    pub image: TestImage,
    /// Where infer-core is from.
    pub infer_core: InferCore,
}

/// What the host answers to the test image.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The class's name.
    pub class: String,
    /// Its probability.
    pub probability: f32,
}

/// The numbers and names of a model that a project shows.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'m> {
    /// The header of the file.
    pub header: Header,
    /// What the model takes, and how a frame becomes it.
    pub input: Input,
    /// Names.
    pub metadata: Metadata<'m>,
}

impl Facts<'_> {
    /// Bytes of the project's arena: with a place for the scaled frame, where frames become the input.
    #[must_use]
    pub fn arena_len(&self) -> usize {
        match StubFrame::format_for(self.input.shape) {
            Some(_) => self.header.arena_with_image_len as usize,
            None => self.header.arena_len as usize,
        }
    }
}

impl<'p> Project<'p> {
    /// What the model file states.
    ///
    /// # Errors
    /// [`infer_core::Error`](::infer_core::Error) where infer-core refuses the model.
    pub fn facts(&self) -> Result<Facts<'p>, ::infer_core::Error> {
        let header = Header::parse(self.model)?;
        let mut arena = model_file::arena(self.model)?;
        let network = Network::new(self.model, &mut arena)?;
        Ok(Facts { header, input: network.input(), metadata: network.metadata() })
    }

    /// What the chip will answer to the test image.
    ///
    /// # Errors
    /// [`infer_core::Error`](::infer_core::Error) where infer-core refuses the model or the image.
    pub fn answer(&self) -> Result<Answer, ::infer_core::Error> {
        let mut arena = model_file::arena(self.model)?;
        let mut network = Network::new(self.model, &mut arena)?;
        let metadata = network.metadata();
        let output = network.classify(&self.image.bytes)?;
        let class = output.class();
        let probability = output.top_k::<1>().first().map_or(0.0, |best| best.probability);
        Ok(Answer { class: metadata.class_name(class).unwrap_or("?").to_owned(), probability })
    }

    /// All files of the project.
    ///
    /// # Errors
    /// [`infer_core::Error`](::infer_core::Error) where infer-core refuses the model.
    pub fn files(&self) -> Result<Vec<ProjectFile>, ::infer_core::Error> {
        let facts = self.facts()?;
        let mut files = templates::render(self, &facts, &self.answer()?);
        let frame = StubFrame::of(&self.image.bytes, facts.input.shape, &facts.input.preprocessing);
        files.push(("model.bin".to_owned(), self.model.to_vec()));
        files.push(("image.bin".to_owned(), frame.map_or_else(|| self.image.bytes.clone(), |frame| frame.bytes)));
        if self.infer_core == InferCore::Carried {
            let carried = infer_core::carried().into_iter();
            files.extend(carried.map(|(name, bytes)| (format!("infer-core/{name}"), bytes)));
        }
        Ok(files)
    }
}
