//! A model on its way onto a chip, and what is known of it.

use ::infer_core::format::{Input, Metadata};
use ::infer_core::{Header, Network};

use super::infer_core::InferCore;
use super::stub_frame::StubFrame;
use crate::export::hardware::Chip;
use crate::export::model_file;
use crate::export::test_image::TestImage;

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
    /// The class's name, after "none of these" where the answer is not sure enough.
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
    /// [`infer_core::Error`] where infer-core refuses the model.
    pub fn facts(&self) -> Result<Facts<'p>, ::infer_core::Error> {
        let header = Header::parse(self.model)?;
        let mut arena = model_file::arena(self.model)?;
        let network = Network::new(self.model, &mut arena)?;
        Ok(Facts { header, input: network.input(), metadata: network.metadata() })
    }

    /// What the chip will answer to the test image.
    ///
    /// # Errors
    /// [`infer_core::Error`] where infer-core refuses the model or the image.
    pub fn answer(&self) -> Result<Answer, ::infer_core::Error> {
        let mut arena = model_file::arena(self.model)?;
        let mut network = Network::new(self.model, &mut arena)?;
        let metadata = network.metadata();
        let output = network.classify(&self.image.bytes)?;
        let class = output.class();
        let probability = output.top_k::<1>().first().map_or(0.0, |best| best.probability);
        let guess = if output.decide().is_some() { "" } else { "none of these, best guess " };
        Ok(Answer { class: format!("{guess}{}", metadata.class_name(class).unwrap_or("?")), probability })
    }
}
