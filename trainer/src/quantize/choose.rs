//! Which calibration a model gets: the one that does best on the validation images, in the chip's own arithmetic.
//!
//! Best is the lowest loss. Calibrations of one network give all but a few images the same class, so that its
//! accuracies on a few thousand images differ by chance if at all, while every image has its share in the loss.

use infer_core::format::Metadata;
use serde::{Deserialize, Serialize};

use super::calibrate::{Calibration, Method, observe};
use super::equalize::equalize;
use super::{QuantizeError, QuantizedModel};
use crate::dataset::Images;
use crate::network::FloatModel;
use crate::train::evaluate;
use crate::train::score::{Estimate, Score};

/// A calibration and how it came to be the one.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What it shows of each layer's output.
    pub calibration: Vec<Calibration>,
    /// The model quantized by it.
    pub quantized: QuantizedModel,
    /// Its score on the validation images.
    pub score: Score,
    /// Why this one.
    pub choice: Choice,
}

/// Why a calibration was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its method.
    pub method: Method,
    /// All that were tried.
    pub candidates: Vec<Candidate>,
}

/// A calibration that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its method.
    pub method: Method,
    /// The quantized model's score on the validation images; where the run is cross-validated, on the training images.
    pub validation: Estimate,
}

/// [Equalizes](equalize()) `model`, calibrates it on images of `train`, drawn by `seed`, by each of `methods`, and chooses among them by
/// the `validation` images.
///
/// # Errors
/// [`QuantizeError`]; [`QuantizeError::NoMethod`] where `methods` is empty.
pub fn choose(
    model: &FloatModel,
    train: &Images,
    validation: &Images,
    seed: u64,
    methods: &[Method],
) -> Result<Chosen, QuantizeError> {
    equalize(model, train, seed)?;
    let observations = observe(model, train, seed)?;
    let mut candidates = Vec::with_capacity(methods.len());
    let mut best: Option<(Score, Method, Vec<Calibration>, QuantizedModel)> = None;
    for &method in methods {
        let calibration = observations.calibration(method);
        let quantized = QuantizedModel::new(model, &calibration)?;
        let score = score(&quantized, model.architecture().classes(), validation)?;
        candidates.push(Candidate { method, validation: score.over(validation.len()) });
        // Of equals the first, which is the simplest.
        if best.as_ref().is_none_or(|(best, ..)| score.loss < best.loss) {
            best = Some((score, method, calibration, quantized));
        }
    }
    let (score, method, calibration, quantized) = best.ok_or(QuantizeError::NoMethod)?;
    Ok(Chosen { calibration, quantized, score, choice: Choice { method, candidates } })
}

/// How well a quantized model of so many classes does, as infer-core computes it.
///
/// # Errors
/// [`QuantizeError::ModelFile`], [`QuantizeError::Run`].
pub fn score(quantized: &QuantizedModel, classes: usize, images: &Images) -> Result<Score, QuantizeError> {
    // A file names its classes; what it calls them makes no difference to its answers.
    let class_lines = vec!["class"; classes].join("\n");
    let metadata = Metadata {
        trainer: "",
        dataset: "",
        architecture: "",
        class_lines: &class_lines,
        images: "",
        float_test_accuracy: None,
        int8_test_accuracy: None,
    };
    let file = quantized.encode(&metadata)?;
    Ok(evaluate::int8(&file, images)?.score)
}

impl Choice {
    /// One line: the method and its loss on `images`, such as `validation`, and the losses of the others.
    #[must_use]
    pub fn on(&self, images: &str) -> String {
        let (chosen, others): (Vec<_>, Vec<_>) =
            self.candidates.iter().partition(|candidate| candidate.method == self.method);
        let chosen = chosen.iter().map(|chosen| format!(", {images} loss {:.5}", chosen.validation.loss));
        let losses: Vec<String> =
            others.iter().map(|other| format!("{} {:.5}", other.method, other.validation.loss)).collect();
        let losses = if losses.is_empty() { String::new() } else { format!(" ({})", losses.join(", ")) };
        format!("calibrated by {}{}{losses}", self.method, chosen.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_says_on_one_line_what_each_method_came_to() {
        let candidate =
            |method, loss| Candidate { method, validation: Score { loss, accuracy: 0.9, balanced: None }.over(300) };
        let candidates = vec![candidate(Method::Range, 0.31), candidate(Method::Error, 0.299_996)];
        let choice = Choice { method: Method::Error, candidates };
        assert_eq!(choice.on("validation"), "calibrated by error, validation loss 0.30000 (range 0.31000)");
        let forced = Choice { method: Method::Range, candidates: vec![candidate(Method::Range, 0.31)] };
        assert_eq!(forced.on("training"), "calibrated by range, training loss 0.31000");
        assert_eq!(serde_json::from_str::<Choice>(&serde_json::to_string(&choice).unwrap()).unwrap(), choice);
    }
}
