//! How good a model is: loss, accuracy, and which classes it takes for which.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::Images;
use crate::dataset::batch;
use crate::export::model_file;
use crate::network::FloatModel;
use crate::support::limits::{MATRIX_CLASSES, SHOWN_CLASSES};
use crate::train::score::Score;

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
            let class = argmax(logits);
            given.classes.push(class);
            given.probabilities.push((-cross_entropy(logits, class)).exp() as f32);
            given.loss += cross_entropy(logits, label as usize);
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
    let mut all = Given { loss: chunks.iter().map(|chunk| chunk.loss).sum(), ..Given::default() };
    for chunk in chunks {
        all.classes.extend(chunk.classes);
        all.probabilities.extend(chunk.probabilities);
    }
    Ok(Answers::new(all, images))
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

/// What a model gave some images.
#[derive(Default)]
struct Given {
    classes: Vec<usize>,
    probabilities: Vec<f32>,
    /// The sum of their losses.
    loss: f64,
}

fn int8_chunk(model: &[u8], images: &Images, indices: &[usize]) -> std::result::Result<Given, EvaluateError> {
    let mut arena = model_file::arena(model)?;
    let mut network = infer_core::Network::new(model, &mut arena)?;
    let mut given = Given::default();
    for &index in indices {
        let output = network.classify(&images.image(index)?)?;
        given.classes.push(output.class());
        given.probabilities.extend(output.top_k::<1>().first().map(|best| best.probability));
        let logits: Vec<f32> = output.logits().iter().map(|&logit| logit as f32 * output.scale()).collect();
        given.loss += cross_entropy(&logits, images.label(index).into());
    }
    Ok(given)
}

impl Answers {
    fn new(given: Given, images: &Images) -> Self {
        let Given { classes, probabilities, loss } = given;
        let right =
            classes.iter().zip(images.labels()).filter(|(class, label)| **class == usize::from(**label)).count();
        let count = images.len().max(1) as f64;
        let score = Score { loss: loss / count, accuracy: right as f64 / count };
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

/// How often each class was taken for each: memory grows with the answers and the classes, not with the square of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// How often, by truth and prediction; no entry is 0.
    counts: BTreeMap<(usize, usize), usize>,
    /// Images of each class.
    of_class: Vec<usize>,
    /// Images that were given each class.
    given_class: Vec<usize>,
}

/// A class taken for another, or for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Confused {
    /// The class that images are of.
    pub truth: usize,
    /// The class that they were given.
    pub prediction: usize,
    /// How many.
    pub count: usize,
}

impl Confusion {
    /// Counts truths and predictions of so many classes; one of any other is not counted.
    #[must_use]
    pub fn of(answers: impl IntoIterator<Item = (usize, usize)>, classes: usize) -> Self {
        let mut confusion = Self { counts: BTreeMap::new(), of_class: vec![0; classes], given_class: vec![0; classes] };
        for (truth, prediction) in answers.into_iter().filter(|&(truth, given)| truth < classes && given < classes) {
            *confusion.counts.entry((truth, prediction)).or_default() += 1;
            confusion.of_class[truth] += 1;
            confusion.given_class[prediction] += 1;
        }
        confusion
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.of_class.len()
    }

    /// How often images of one class were given the other.
    #[must_use]
    pub fn count(&self, truth: usize, prediction: usize) -> usize {
        self.counts.get(&(truth, prediction)).copied().unwrap_or(0)
    }

    /// All that was counted, in the order of truth and prediction.
    pub fn entries(&self) -> impl Iterator<Item = Confused> {
        self.counts.iter().map(|(&(truth, prediction), &count)| Confused { truth, prediction, count })
    }

    /// The wrong answers, the most frequent first, of equals in the order of truth and prediction.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Confused> {
        let mut mistakes: Vec<Confused> = self.entries().filter(|entry| entry.truth != entry.prediction).collect();
        mistakes.sort_by_key(|entry| Reverse(entry.count));
        mistakes
    }

    /// The classes that a figure has room for: all, or else those that were most often taken for others or others for them, in
    /// their order.
    #[must_use]
    pub fn shown(&self) -> Vec<usize> {
        if self.classes() <= MATRIX_CLASSES {
            return (0..self.classes()).collect();
        }
        let wrong = |class: usize| self.of_class[class] + self.given_class[class] - 2 * self.count(class, class);
        let mut classes: Vec<usize> = (0..self.classes()).collect();
        classes.sort_by_key(|&class| Reverse(wrong(class)));
        classes.truncate(SHOWN_CLASSES);
        classes.sort_unstable();
        classes
    }

    /// `[truth][prediction]`, for few classes.
    #[must_use]
    pub fn matrix(&self) -> Vec<Vec<usize>> {
        let row = |truth| (0..self.classes()).map(|prediction| self.count(truth, prediction)).collect();
        (0..self.classes()).map(row).collect()
    }

    /// Of the images given this class, the share that are of the class; `None` where none was given it.
    #[must_use]
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.given(class))
    }

    /// Of the images of this class, the share that were given it; `None` where there is none.
    #[must_use]
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.images(class))
    }

    /// Images that were given this class.
    #[must_use]
    pub fn given(&self, class: usize) -> usize {
        self.given_class.get(class).copied().unwrap_or(0)
    }

    /// Images that are of this class.
    #[must_use]
    pub fn images(&self, class: usize) -> usize {
        self.of_class.get(class).copied().unwrap_or(0)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
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
    fn precision_and_recall_follow_from_the_counts() {
        let counts = [[3, 1, 0], [2, 4, 0], [0, 0, 0]];
        let answers = (0..9).flat_map(|at| std::iter::repeat_n((at / 3, at % 3), counts[at / 3][at % 3]));
        let confusion = Confusion::of(answers.chain([(0, 3), (7, 0)]), 3);
        assert_eq!(confusion.matrix(), counts);
        let mistake = |truth, prediction, count| Confused { truth, prediction, count };
        assert_eq!(confusion.mistakes(), [mistake(1, 0, 2), mistake(0, 1, 1)]);
        assert_eq!((confusion.precision(0), confusion.recall(0)), (Some(0.6), Some(0.75)));
        assert_eq!((confusion.precision(1), confusion.recall(1)), (Some(0.8), Some(4.0 / 6.0)));
        assert_eq!((confusion.precision(2), confusion.recall(2)), (None, None));
    }

    #[test]
    fn of_many_classes_those_with_the_most_mistakes_are_shown() {
        let few = Confusion::of([(0, 1)], MATRIX_CLASSES);
        assert_eq!(few.shown().len(), MATRIX_CLASSES);
        // Class 4000 is taken for 7 twice, and the others are right.
        let answers = (0..4096).map(|class| (class, class)).chain([(4000, 7), (4000, 7)]);
        let many = Confusion::of(answers, 4096);
        let shown = many.shown();
        assert_eq!(shown.len(), SHOWN_CLASSES);
        assert!(shown.contains(&7) && shown.contains(&4000) && shown.is_sorted());
        assert_eq!(many.entries().count(), 4097, "no entry for what did not happen");
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
