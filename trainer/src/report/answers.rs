//! What a model file says of each test picture, and the counts that follow.

use crate::data::Images;
use crate::evaluate::{self, Confusion, EvaluateError};
use crate::model_file;

/// The first line of `answers.csv`.
const HEADER: &str = "image,truth,prediction,probability";

/// What the model says of one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// The class it is of.
    pub truth: usize,
    /// The class that it was given.
    pub prediction: usize,
    /// Softmax probability of that class, 0 to 1.
    pub probability: f32,
}

impl Answer {
    /// Whether it is right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.truth == self.prediction
    }
}

/// The answers of a model file, by infer-core, on all cores.
///
/// # Errors
/// [`EvaluateError`].
pub fn classify(file: &[u8], images: &Images) -> Result<Vec<Answer>, EvaluateError> {
    let chunks: Vec<Vec<Answer>> = evaluate::in_chunks(images, |indices| {
        let mut arena = model_file::arena(file)?;
        let mut network = infer_core::Network::new(file, &mut arena)?;
        let mut answers = Vec::with_capacity(indices.len());
        for &index in indices {
            let output = network.classify(&images.image(index)?)?;
            let truth = images.label(index).into();
            let best = output.top_k::<1>();
            answers.extend(best.iter().map(|best| Answer {
                truth,
                prediction: best.class,
                probability: best.probability,
            }));
        }
        Ok(answers)
    })?;
    Ok(chunks.concat())
}

/// Share of right answers, 0 to 1.
#[must_use]
pub fn accuracy(answers: &[Answer]) -> f64 {
    answers.iter().filter(|answer| answer.is_right()).count() as f64 / answers.len().max(1) as f64
}

/// Which classes were taken for which.
#[must_use]
pub fn confusion(answers: &[Answer], classes: usize) -> Confusion {
    Confusion::of(answers.iter().map(|answer| (answer.truth, answer.prediction)), classes)
}

/// Precision, recall and their harmonic mean of one class; `None` where there is nothing to divide by.
#[must_use]
pub fn rates(confusion: &Confusion, class: usize) -> [Option<f64>; 3] {
    let (precision, recall) = (confusion.precision(class), confusion.recall(class));
    let f1 = precision.zip(recall).map(|(p, r)| if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 });
    [precision, recall, f1]
}

/// The indices of the wrong answers, the most confident first, of equals the first picture.
#[must_use]
pub fn most_confident_mistakes(answers: &[Answer], most: usize) -> Vec<usize> {
    let mut wrong: Vec<usize> = (0..answers.len()).filter(|&index| !answers[index].is_right()).collect();
    wrong.sort_by(|&a, &b| answers[b].probability.total_cmp(&answers[a].probability).then(a.cmp(&b)));
    wrong.truncate(most);
    wrong
}

/// The text of `answers.csv`.
#[must_use]
pub fn to_csv(answers: &[Answer]) -> String {
    let rows = answers
        .iter()
        .enumerate()
        .map(|(image, answer)| format!("{image},{},{},{:.4}\n", answer.truth, answer.prediction, answer.probability));
    format!("{HEADER}\n{}", rows.collect::<String>())
}

/// Reads what [`to_csv`] wrote.
///
/// # Errors
/// What is wrong, and in which line.
pub fn from_csv(text: &str, classes: usize) -> Result<Vec<Answer>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(format!("its first line is not {HEADER:?}"));
    }
    let read = |line: &str| {
        let (_, answer) = line.split_once(',')?;
        let (truth, answer) = answer.split_once(',')?;
        let (prediction, probability) = answer.split_once(',')?;
        let class = |text: &str| text.parse().ok().filter(|&class| class < classes);
        Some(Answer {
            truth: class(truth)?,
            prediction: class(prediction)?,
            probability: probability.parse().ok().filter(|probability| (0.0..=1.0).contains(probability))?,
        })
    };
    let refuse = |line| format!("line {line} is not image, truth and prediction of {classes} classes, probability");
    lines.enumerate().map(|(index, line)| read(line).ok_or_else(|| refuse(index + 2))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Vec<Answer> {
        [(0, 0, 0.9), (0, 1, 0.6), (1, 1, 1.0), (1, 0, 0.75), (1, 0, 0.75), (0, 0, 0.5)]
            .map(|(truth, prediction, probability)| Answer { truth, prediction, probability })
            .to_vec()
    }

    #[test]
    fn mistakes_come_most_confident_first_and_of_equals_in_the_order_of_the_pictures() {
        assert_eq!(most_confident_mistakes(&answers(), 25), [3, 4, 1]);
        assert_eq!(most_confident_mistakes(&answers(), 1), [3]);
    }

    #[test]
    fn answers_survive_the_way_into_a_file_and_back() {
        assert_eq!(from_csv(&to_csv(&answers()), 2).unwrap(), answers());
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        for row in ["1,0", "1,0,2,0.5", "1,0,-1,0.5", "1,0,1,1.5", "1,0,1,NaN", "1,0,1,0.5,9", ""] {
            let message = from_csv(&format!("{HEADER}\n0,0,1,0.5\n{row}\n"), 2).unwrap_err();
            assert!(message.starts_with("line 3 is not"), "{row:?}: {message}");
        }
        assert!(from_csv("truth\n", 2).unwrap_err().contains("first line"));
    }

    #[test]
    fn counts_and_rates_follow_from_the_answers() {
        let confusion = confusion(&answers(), 3);
        assert_eq!(confusion.counts, [[2, 1, 0], [2, 1, 0], [0, 0, 0]]);
        let [precision, recall, f1] = rates(&confusion, 0).map(Option::unwrap);
        assert_eq!((precision, recall), (0.5, 2.0 / 3.0));
        assert!((f1 - 4.0 / 7.0).abs() < 1e-12);
        assert_eq!(rates(&confusion, 2), [None; 3]);
        assert_eq!(accuracy(&answers()), 0.5);
    }
}
