//! How good a model is: its answers to images, and their loss and accuracy.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use infer_core::{Network, Output};
use rayon::prelude::*;

use crate::dataset::Images;
use crate::dataset::batch;
use crate::export::model_file;
use crate::network::FloatModel;
use crate::train::confusion::Confusion;
use crate::train::score::{Balanced, Score};

/// Images per forward pass: enough to keep the cores busy, few enough to stay in the cache.
const BATCH: usize = 64;

/// Images per loaded model file: enough that checking the file is nothing beside them.
const INT8_BATCH: usize = 2000;

/// Why a model file does not classify a set of images.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// infer-core refuses the file, or images of this shape.
    #[error(transparent)]
    Model(#[from] infer_core::Error),
    /// The images are in a file that cannot be read.
    #[error(transparent)]
    Images(#[from] std::io::Error),
}

/// A model's answers to a set of images.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The class it gave each image.
    pub classes: Vec<usize>,
    /// The softmax probability of that class; of a model file to the bit as the chip has it.
    pub probabilities: Vec<f32>,
    /// Its score.
    pub score: Score,
}

/// A float model's answers.
///
/// # Errors
/// Those of candle.
pub fn float(model: &FloatModel, images: &Images) -> Result<Answers> {
    float_by(model, images, |inputs| model.forward(inputs))
}

/// The answers of `forward`, by which `model` gives logits `[n, classes]` to images `[n, height, width, channels]`.
///
/// # Errors
/// Those of candle and of `forward`.
pub fn float_by(
    model: &FloatModel,
    images: &Images,
    mut forward: impl FnMut(&Tensor) -> Result<Tensor>,
) -> Result<Answers> {
    let indices: Vec<usize> = (0..images.len()).collect();
    let mut given = Given::default();
    for indices in indices.chunks(model.images_at_once(BATCH)) {
        let (inputs, labels) = batch::gather(images, indices)?;
        let logits = forward(&inputs)?.to_vec2::<f32>()?;
        for (logits, &label) in logits.iter().zip(&labels.to_vec1::<u32>()?) {
            given.push(logits, label as usize);
        }
    }
    Ok(Answers::new(given, images))
}

/// A model file's answers, by infer-core, on all cores.
///
/// # Errors
/// [`EvaluateError`].
pub fn int8(model: &[u8], images: &Images) -> std::result::Result<Answers, EvaluateError> {
    let chunks = in_chunks(images, |indices| int8_chunk(model, images, indices))?;
    // A sum for each chunk, and then of these, as they were computed apart.
    let total = chunks.iter().map(|chunk| chunk.losses.iter().sum::<f64>()).sum();
    let mut all = Given::default();
    for chunk in chunks {
        all.classes.extend(chunk.classes);
        all.probabilities.extend(chunk.probabilities);
        all.losses.extend(chunk.losses);
    }
    Ok(Answers::of_total(all, total, images))
}

/// As [`int8`], on the calling thread alone: what a benchmark of one core needs.
///
/// # Errors
/// As [`int8`].
pub fn int8_on_one_core(model: &[u8], images: &Images) -> std::result::Result<Answers, EvaluateError> {
    let indices: Vec<usize> = (0..images.len()).collect();
    Ok(Answers::new(int8_chunk(model, images, &indices)?, images))
}

/// What `chunk` makes of the indices of images, some at a time, on all cores.
pub(crate) fn in_chunks<T: Send>(
    images: &Images,
    chunk: impl Fn(&[usize]) -> std::result::Result<T, EvaluateError> + Send + Sync,
) -> std::result::Result<Vec<T>, EvaluateError> {
    let indices: Vec<usize> = (0..images.len()).collect();
    indices.par_chunks(INT8_BATCH).map(chunk).collect()
}

/// Calls `read` with the index of each of these images and a model file's output for it, in their order, on the calling thread.
pub(crate) fn for_each_output(
    model: &[u8],
    images: &Images,
    indices: &[usize],
    mut read: impl FnMut(usize, &Output<'_>),
) -> std::result::Result<(), EvaluateError> {
    let mut arena = model_file::arena(model)?;
    let mut network = Network::new(model, &mut arena)?;
    for &index in indices {
        read(index, &network.classify(&images.image(index)?)?);
    }
    Ok(())
}

/// What a model gave some images.
#[derive(Default)]
struct Given {
    classes: Vec<usize>,
    probabilities: Vec<f32>,
    losses: Vec<f64>,
}

impl Given {
    /// Adds an image of this label, to which a float model gave these logits.
    fn push(&mut self, logits: &[f32], label: usize) {
        let class = argmax(logits);
        self.classes.push(class);
        self.probabilities.push((-cross_entropy(logits, class)).exp() as f32);
        self.losses.push(cross_entropy(logits, label));
    }
}

fn int8_chunk(model: &[u8], images: &Images, indices: &[usize]) -> std::result::Result<Given, EvaluateError> {
    let mut given = Given::default();
    for_each_output(model, images, indices, |index, output| {
        given.classes.push(output.class());
        given.probabilities.extend(output.top_k::<1>().first().map(|best| best.probability));
        let logits: Vec<f32> = output.logits().iter().map(|&logit| logit as f32 * output.scale()).collect();
        given.losses.push(cross_entropy(&logits, images.label(index).into()));
    })?;
    Ok(given)
}

impl Answers {
    /// Those that logits of each image make.
    #[must_use]
    pub fn of_logits<'l>(logits: impl Iterator<Item = &'l [f32]>, images: &Images) -> Self {
        let mut given = Given::default();
        for (logits, &label) in logits.zip(images.labels()) {
            given.push(logits, label.into());
        }
        Self::new(given, images)
    }

    fn new(given: Given, images: &Images) -> Self {
        let total = given.losses.iter().sum();
        Self::of_total(given, total, images)
    }

    /// With the sum of the losses.
    fn of_total(given: Given, total: f64, images: &Images) -> Self {
        let Given { classes, probabilities, losses } = given;
        let right =
            classes.iter().zip(images.labels()).filter(|(class, label)| **class == usize::from(**label)).count();
        let count = images.len().max(1) as f64;
        let balanced = balanced(images.labels(), &classes, &losses);
        let score = Score { loss: total / count, accuracy: right as f64 / count, balanced };
        Self { classes, probabilities, score }
    }

    /// Share of images on which both give the same class, 0 to 1.
    #[must_use]
    pub fn agreement(&self, other: &Self) -> f64 {
        let same = self.classes.iter().zip(&other.classes).filter(|(one, other)| one == other).count();
        same as f64 / self.classes.len().max(1) as f64
    }

    /// Which classes were taken for which.
    #[must_use]
    pub fn confusion(&self, images: &Images, classes: usize) -> Confusion {
        let truths = images.labels().iter().map(|&label| usize::from(label));
        Confusion::of(truths.zip(self.classes.iter().copied()), classes)
    }
}

/// Loss and accuracy of each class, and the mean over those that have images; `None` where none has.
fn balanced(labels: &[u16], classes: &[usize], losses: &[f64]) -> Option<Balanced> {
    /// Images, right answers, and the sum of the losses.
    type OfClass = (usize, usize, f64);
    let mut of_class: BTreeMap<u16, OfClass> = BTreeMap::new();
    for ((&label, &class), loss) in labels.iter().zip(classes).zip(losses) {
        let (images, right, total) = of_class.entry(label).or_default();
        *images += 1;
        *right += usize::from(class == usize::from(label));
        *total += loss;
    }
    let mean = |of: &dyn Fn(&OfClass) -> f64| {
        let sum: f64 = of_class.values().map(|class| of(class) / class.0 as f64).sum();
        sum / of_class.len() as f64
    };
    let known = !of_class.is_empty();
    known.then(|| Balanced { loss: mean(&|&(.., total)| total), accuracy: mean(&|&(_, right, _)| right as f64) })
}

/// The index of the highest value; of equals the lowest.
#[must_use]
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// `log(sum(exp(l))) - l[label]`, stable for logits of any size.
fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let maximum = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - maximum).exp()).sum();
    maximum + sum.ln() - f64::from(logits[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_is_the_mean_over_classes_however_many_images_each_has() {
        let images = |labels: Vec<u16>| {
            let shape = crate::dataset::ImageShape { height: 1, width: 1, channels: 1 };
            Images::new(shape, vec![0; labels.len()], labels)
        };
        let given = Given {
            classes: vec![0, 2, 2, 2, 2, 0],
            losses: vec![1.0, 3.0, 0.5, 0.5, 0.5, 2.5],
            probabilities: vec![0.5; 6],
        };
        let score = Answers::new(given, &images(vec![0, 0, 2, 2, 2, 2])).score;
        assert_eq!((score.loss, score.accuracy), (8.0 / 6.0, 4.0 / 6.0));
        assert_eq!(score.balanced, Some(Balanced { loss: (2.0 + 1.0) / 2.0, accuracy: (0.5 + 0.75) / 2.0 }));
        assert_eq!(Answers::new(Given::default(), &images(Vec::new())).score.balanced, None);
    }

    #[test]
    fn cross_entropy_of_even_odds_is_the_logarithm_of_their_number() {
        assert!((cross_entropy(&[7.0; 4], 2) - 4f64.ln()).abs() < 1e-12);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn of_equals_the_lowest_class_wins() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0, 2.0]), 1);
    }
}
