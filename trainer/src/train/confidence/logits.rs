//! The logits of images by a model file, and its answers at a temperature.

use infer_core::format::Thresholds;
use infer_core::{Network, Output};

use crate::dataset::Images;
use crate::export::model_file;
use crate::train::evaluate::{Answers, EvaluateError, for_each_output, in_chunks};

/// Logits `[images, classes]` in whole steps of `scale`: of a model file as the chip computes them, or of a float network.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    classes: usize,
    scale: f32,
    values: Vec<i32>,
}

/// The class that an image was given, and how probable that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// The class.
    pub class: usize,
    /// Its softmax probability, to the bit as infer-core has it.
    pub probability: f32,
}

/// An answer to an image whose class is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The answer.
    pub answer: Answer,
    /// Whether it is right.
    pub is_right: bool,
}

impl Judged {
    /// A model's answers, each with whether it is right.
    #[must_use]
    pub fn of(answers: &Answers, labels: &[u16]) -> Vec<Self> {
        let answers = answers.classes.iter().zip(&answers.probabilities);
        let answers = answers.map(|(&class, &probability)| Answer { class, probability });
        Self::each(answers, labels)
    }

    fn each(answers: impl IntoIterator<Item = Answer>, labels: &[u16]) -> Vec<Self> {
        let judge = |(answer, &label): (Answer, &u16)| Self { answer, is_right: answer.class == usize::from(label) };
        answers.into_iter().zip(labels).map(judge).collect()
    }
}

impl Logits {
    /// Of `[images, classes]` logits whose real values are `scale` times them.
    ///
    /// # Panics
    /// Where these are not whole rows: a mistake in the caller.
    #[must_use]
    pub fn new(classes: usize, scale: f32, values: Vec<i32>) -> Self {
        assert!(classes > 0 && values.len().is_multiple_of(classes), "{} logits of {classes} classes", values.len());
        Self { classes, scale, values }
    }

    /// Of real `[images, classes]` logits, in steps of a power of two: the largest has 24 bits, as a float has. What is not finite is the
    /// nearest number that is; what is no number, 0.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub fn of_real(classes: usize, logits: &[f32]) -> Self {
        let largest = logits.iter().map(|logit| logit.abs()).filter(|logit| logit.is_finite()).fold(0.0, f32::max);
        // A step of 2^(exponent - 23): the quotient of the largest is under 2^24. Smaller steps have no reciprocal in `f32`.
        let exponent = if largest > 0.0 { (largest.log2().floor() as i32).max(-100) } else { 0 };
        let scale = 2f32.powi(exponent - 23);
        let most = 2f32.powi(24);
        let values = logits.iter().map(|logit| (logit / scale).clamp(-most, most).round() as i32).collect();
        Self::new(classes, scale, values)
    }

    /// A model file's logits of these images, on all cores.
    ///
    /// # Errors
    /// [`EvaluateError`].
    pub fn of(model: &[u8], images: &Images) -> Result<Self, EvaluateError> {
        let chunks = in_chunks(images, |indices| {
            let mut values = Vec::new();
            for_each_output(model, images, indices, |_, output| values.extend_from_slice(output.logits()))?;
            Ok(values)
        })?;
        // Checked when the file is loaded: there is a class at least, and a scale.
        let mut arena = model_file::arena(model)?;
        let mut network = Network::new(model, &mut arena)?;
        let pixels = vec![0; network.input().shape.len()];
        let output = network.classify(&pixels)?;
        Ok(Self::new(output.logits().len(), output.scale(), chunks.concat()))
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The real values of each image's logits, one for each class.
    pub fn real(&self) -> impl Iterator<Item = Vec<f64>> {
        let scale = f64::from(self.scale);
        self.rows().map(move |row| row.iter().map(|&logit| f64::from(logit) * scale).collect())
    }

    /// The answers where the scale is divided by a temperature, as [`Decision::apply`](crate::export::decision::Decision::apply) does.
    #[must_use]
    pub fn answers(&self, temperature: f32) -> Vec<Answer> {
        let scale = self.scale / temperature;
        let answer = |row| {
            let best = Output::new(row, scale, 0.0, Thresholds::default()).top_k::<1>();
            // There is a class at least.
            best.first().map_or(Answer { class: 0, probability: 0.0 }, |best| Answer {
                class: best.class,
                probability: best.probability,
            })
        };
        self.rows().map(answer).collect()
    }

    /// The answers, each with whether it is right.
    #[must_use]
    pub fn judged(&self, temperature: f32, labels: &[u16]) -> Vec<Judged> {
        Judged::each(self.answers(temperature), labels)
    }

    fn rows(&self) -> impl Iterator<Item = &[i32]> {
        self.values.chunks_exact(self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_logits_are_kept_to_24_bits_and_their_answers_are_those_of_the_softmax() {
        let real = [0.75f32, -3.125, 2.0, 1.5, 1.5, -10.0];
        let logits = Logits::of_real(3, &real);
        assert_eq!(logits.real().flatten().collect::<Vec<_>>(), real.map(f64::from), "they have few bits");
        let third = [1.0f32 / 3.0, 1e-9, -100.0];
        for (kept, real) in Logits::of_real(3, &third).real().flatten().zip(third) {
            assert!((kept - f64::from(real)).abs() <= 100.0 / f64::from(1 << 24), "{kept} {real}");
        }
        let answers = logits.answers(2.0);
        let exact = |row: &[f32], class: usize| {
            let of = |logit: f32| (f64::from(logit) / 2.0).exp();
            of(row[class]) / row.iter().map(|&logit| of(logit)).sum::<f64>()
        };
        for (answer, (row, class)) in answers.iter().zip([(&real[..3], 2), (&real[3..], 0)]) {
            assert_eq!(answer.class, class);
            // The exponential of the chip is an approximation.
            assert!((f64::from(answer.probability) - exact(row, class)).abs() < 0.003, "{answer:?}");
        }
    }

    #[test]
    fn logits_of_any_size_become_numbers() {
        let logits = Logits::of_real(2, &[f32::INFINITY, 5.0, f32::NAN, -5.0, f32::NEG_INFINITY, 0.0]);
        let real: Vec<f64> = logits.real().flatten().collect();
        assert_eq!((real[1], real[2], real[3], real[5]), (5.0, 0.0, -5.0, 0.0));
        assert!(real[0] > 5.0 && real[0].is_finite() && real[4] < -5.0 && real[4].is_finite(), "{real:?}");
        for real in [[0.0, 0.0], [f32::MIN_POSITIVE, 1e-40], [f32::MAX, f32::MIN]] {
            let answer = Logits::of_real(2, &real).answers(1.0)[0];
            assert!(answer.class == 0 && (0.49..=1.0).contains(&answer.probability), "{real:?} {answer:?}");
        }
        assert!(Logits::of_real(2, &[]).is_empty());
    }
}
