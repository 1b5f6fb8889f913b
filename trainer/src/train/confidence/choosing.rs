//! The images that a temperature and a threshold are chosen by: none that the network which answers was trained on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Logits;
use crate::dataset::Dataset;
use crate::train::evaluate::EvaluateError;
use crate::train::folds::OutOfFold;

/// Which images temperature and threshold were chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// The validation images, by the answers of the model file.
    #[default]
    Validation,
    /// The training images in so many folds, each by the answer of the float network that was trained on the other folds.
    Folds(usize),
}

/// The images, as a message names them: `validation images`, or `images in 5 folds`.
impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validation => f.write_str("validation images"),
            Self::Folds(folds) => write!(f, "images in {folds} folds"),
        }
    }
}

/// The logits of these images, and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Choosing {
    /// Which images.
    pub chosen_by: ChosenBy,
    /// One row for each image.
    pub logits: Logits,
    /// The class of each.
    pub labels: Vec<u16>,
}

impl Choosing {
    /// The validation images, as a model file answers them, of a data set that is not cross-validated; else the training images, as the
    /// folds answered them.
    ///
    /// The logits of folds are those of float networks. They are real numbers on the scale on which the network learned, as logits of a
    /// model file times their scale are, so that a temperature of the one is a temperature of the other.
    ///
    /// # Errors
    /// Where the file does not classify the images.
    pub fn of(draft: &[u8], dataset: &Dataset, out_of_fold: Option<&OutOfFold>) -> Result<Self, EvaluateError> {
        let Some(out_of_fold) = out_of_fold else {
            let images = &dataset.validation;
            let logits = Logits::of(draft, images)?;
            return Ok(Self { chosen_by: ChosenBy::Validation, logits, labels: images.labels().to_vec() });
        };
        let classes = dataset.class_names.len();
        let answered = || out_of_fold.images.iter().filter(|image| image.logits.len() == classes);
        let real: Vec<f32> = answered().flat_map(|image| image.logits.iter().copied()).collect();
        let labels = answered().map(|image| image.class as u16).collect();
        Ok(Self { chosen_by: ChosenBy::Folds(out_of_fold.folds()), logits: Logits::of_real(classes, &real), labels })
    }
}
