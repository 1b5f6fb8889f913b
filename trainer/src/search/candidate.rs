//! A candidate: values of a space, as the network and the recipe that a training takes.

use infer_core::Shape;

use super::error::CandidateError;
use super::layers::network_file;
use super::parameter::{Value, Values};
use super::space::{Space, with_values};
use crate::export::layout::LayoutChoice;
use crate::image::{Conversion, PreprocessError, Resize};
use crate::network::{Architecture, Template};
use crate::quantize::Method;
use crate::train::recipe::Recipe;

/// Values of a space that were checked.
#[derive(Clone, Debug)]
pub struct Candidate<'s> {
    space: &'s Space,
    /// With those that are the same for all.
    values: Values,
}

impl<'s> Candidate<'s> {
    /// The candidate of these values.
    ///
    /// # Errors
    /// Those of [`Space::complete`].
    pub fn new(space: &'s Space, values: &Values) -> Result<Self, CandidateError> {
        Ok(Self { space, values: space.complete(values)? })
    }

    /// The input and how images become it, where the space decides that.
    ///
    /// # Errors
    /// Those of [`Conversion::new`].
    pub fn conversion(&self) -> Result<Option<Conversion>, PreprocessError> {
        let side = self.values.get("input.side").and_then(Value::whole).and_then(|side| u16::try_from(side).ok());
        let Some(side) = side else { return Ok(None) };
        let channels = if self.word("input.color") == Some("gray") { 1 } else { 3 };
        let resize = match self.word("input.resize") {
            Some("fit") => Resize::Fit,
            Some("crop") => Resize::Crop,
            _ => Resize::Stretch,
        };
        Conversion::new(Shape { height: side, width: side, channels }, resize).map(Some)
    }

    /// The TOML file of the network, for an input.
    #[must_use]
    pub fn network(&self, input: Shape) -> String {
        network_file(&self.space.name, &self.values, input)
    }

    /// The network for an input and so many classes.
    ///
    /// # Errors
    /// [`CandidateError::Architecture`] where it is too large to be trained.
    pub fn architecture(&self, input: Shape, classes: u16) -> Result<Architecture, CandidateError> {
        Ok(Template::from_toml(&self.network(input))?.architecture(input, classes)?)
    }

    /// The recipe for a training of so many epochs on so many images.
    ///
    /// # Errors
    /// [`CandidateError::Recipe`].
    pub fn recipe(&self, epochs: usize, images: usize) -> Result<Recipe, CandidateError> {
        let base = self.space.base.clone().for_images(images);
        let recipe = Recipe { epochs, least_steps: 0, ..with_values(&base, &self.values)? };
        recipe.check()?;
        Ok(recipe)
    }

    /// The calibration methods to choose from.
    #[must_use]
    pub fn calibration(&self) -> &'static [Method] {
        match self.word("quantization.calibration") {
            Some("range") => &[Method::Range],
            Some("percentile") => &[Method::Percentile],
            Some("error") => &[Method::Error],
            _ => &Method::ALL,
        }
    }

    /// How weights lie in the model file, where the space decides that.
    #[must_use]
    pub fn layout(&self) -> Option<LayoutChoice> {
        match self.word("quantization.layout") {
            Some("compact") => Some(LayoutChoice::Compact),
            Some("fast") => Some(LayoutChoice::Fast),
            Some("vector") => Some(LayoutChoice::Vector),
            Some("auto") => Some(LayoutChoice::Auto),
            _ => None,
        }
    }

    fn word(&self, key: &str) -> Option<&str> {
        match self.values.get(key) {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }
}
