//! The answers of a model file to each test image, and the counts that follow.

use infer_core::Output;

use super::probabilities::Probabilities;
use crate::dataset::Images;
use crate::support::printable::no_formula;
use crate::train::confusion::Confusion;
use crate::train::evaluate::{self, EvaluateError};

/// The first line of `answers.csv`.
const HEADER: &str = "image,truth,prediction,probability,file";

/// The columns that every file of answers has: its first line in runs that did not name files.
pub const COLUMNS: &str = "image,truth,prediction,probability";

/// The answer of the model to one image.
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
    Ok(each(file, images, |index, output| answer(images.label(index), output))?.into_iter().flatten().collect())
}

/// The same of a model of so many classes, with the probabilities of all of them.
///
/// # Errors
/// [`EvaluateError`].
pub fn with_probabilities(
    file: &[u8],
    images: &Images,
    classes: usize,
) -> Result<(Vec<Answer>, Probabilities), EvaluateError> {
    let kept = Probabilities::kept(images.len(), classes);
    let (answers, rows): (Vec<_>, Vec<_>) = each(file, images, |index, output| {
        let row = kept.binary_search(&index).is_ok().then(|| {
            let mut row = vec![0.0; classes];
            output.probabilities(&mut row);
            row
        });
        (answer(images.label(index), output), row)
    })?
    .into_iter()
    .unzip();
    let values = rows.into_iter().flatten().flatten().collect();
    Ok((answers.into_iter().flatten().collect(), Probabilities::new(kept, classes, values)))
}

/// What `read` makes of the index of each image and the output for it.
fn each<T: Send>(
    file: &[u8],
    images: &Images,
    read: impl Fn(usize, &Output<'_>) -> T + Send + Sync,
) -> Result<Vec<T>, EvaluateError> {
    let chunks: Vec<Vec<T>> = evaluate::in_chunks(images, |indices| {
        let mut chunk = Vec::with_capacity(indices.len());
        evaluate::for_each_output(file, images, indices, |index, output| chunk.push(read(index, output)))?;
        Ok(chunk)
    })?;
    Ok(chunks.into_iter().flatten().collect())
}

/// The answer for an image with this label; `None` for a network without classes.
fn answer(label: u16, output: &Output<'_>) -> Option<Answer> {
    let best = output.top_k::<1>();
    best.first().map(|best| Answer { truth: label.into(), prediction: best.class, probability: best.probability })
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

/// The indices of the wrong answers, the most confident first, of equals the first image.
#[must_use]
pub fn most_confident_mistakes(answers: &[Answer], most: usize) -> Vec<usize> {
    let mut wrong: Vec<usize> = (0..answers.len()).filter(|&index| !answers[index].is_right()).collect();
    wrong.sort_by(|&a, &b| answers[b].probability.total_cmp(&answers[a].probability).then(a.cmp(&b)));
    wrong.truncate(most);
    wrong
}

/// The text of `answers.csv`. `images` are those that were classified; the last column names the file of each, below the
/// directory of the data set.
#[must_use]
pub fn to_csv(answers: &[Answer], images: &Images) -> String {
    let row = |(image, answer): (usize, &Answer)| {
        let file = quoted(images.name(image).unwrap_or_default());
        format!("{image},{},{},{:.4},{file}\n", answer.truth, answer.prediction, answer.probability)
    };
    format!("{HEADER}\n{}", answers.iter().enumerate().map(row).collect::<String>())
}

/// A name as a field of CSV (RFC 4180), in one line and no formula.
fn quoted(name: &str) -> String {
    let name = no_formula(name);
    if name.contains(['"', ',', ';']) || name.starts_with(' ') || name.ends_with(' ') {
        return format!("\"{}\"", name.replace('"', "\"\""));
    }
    name.into_owned()
}

/// Reads what [`to_csv`] wrote, without the names of the files.
///
/// # Errors
/// What is wrong, and in which line.
pub fn from_csv(text: &str, classes: usize) -> Result<Vec<Answer>, String> {
    let mut lines = text.lines();
    let has_files = match lines.next() {
        Some(HEADER) => true,
        Some(COLUMNS) => false,
        Some(_) | None => return Err(format!("its first line is not {HEADER:?}")),
    };
    let read = |line: &str| {
        let (_, answer) = line.split_once(',')?;
        let (truth, answer) = answer.split_once(',')?;
        let (prediction, answer) = answer.split_once(',')?;
        let probability = if has_files { answer.split_once(',')?.0 } else { answer };
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

/// The file of each answer in a text of answers that [`from_csv`] reads; empty where it names none.
#[must_use]
pub fn files(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let has_files = lines.next() == Some(HEADER);
    let field = |line: &str| if has_files { line.splitn(5, ',').nth(4).map(unquoted) } else { None };
    lines.map(|line| field(line).unwrap_or_default()).collect()
}

/// The name in a field of CSV.
fn unquoted(field: &str) -> String {
    match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
        Some(inside) => inside.replace("\"\"", "\""),
        None => field.to_owned(),
    }
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
    fn mistakes_come_most_confident_first_and_of_equals_in_the_order_of_the_images() {
        assert_eq!(most_confident_mistakes(&answers(), 25), [3, 4, 1]);
        assert_eq!(most_confident_mistakes(&answers(), 1), [3]);
    }

    /// Images of one pixel with these names.
    fn named(names: &[&str]) -> Images {
        let shape = crate::dataset::ImageShape { height: 1, width: 1, channels: 1 };
        let images = Images::new(shape, vec![0; names.len()], vec![0; names.len()]);
        images.with_names(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn answers_survive_the_way_into_a_file_and_back_whatever_the_names_of_the_files() {
        let names = [
            "crow/1.png",
            "=cmd|' /C calc'!A0/1.png",
            "a,b/\"c\".png",
            "x\ny,0,0,1.0,z/1.png",
            "wren/ü.png",
            " w/1.png",
        ];
        let csv = to_csv(&answers(), &named(&names));
        assert_eq!(from_csv(&csv, 2).unwrap(), answers());
        let files: Vec<&str> = csv.lines().skip(1).map(|line| line.splitn(5, ',').last().unwrap()).collect();
        let expected = [
            "crow/1.png",
            "./=cmd|' /C calc'!A0/1.png",
            "\"a,b/\"\"c\"\".png\"",
            "\"x\\u000ay,0,0,1.0,z/1.png\"",
            "wren/ü.png",
            "\" w/1.png\"",
        ];
        assert_eq!(files, expected);
        let names = [
            "crow/1.png",
            "./=cmd|' /C calc'!A0/1.png",
            "a,b/\"c\".png",
            "x\\u000ay,0,0,1.0,z/1.png",
            "wren/ü.png",
            " w/1.png",
        ];
        assert_eq!(super::files(&csv), names);
    }

    #[test]
    fn answers_of_older_runs_are_read_and_images_without_names_leave_the_column_empty() {
        let shape = crate::dataset::ImageShape { height: 1, width: 1, channels: 1 };
        let csv = to_csv(&answers(), &Images::new(shape, vec![0; 6], vec![0; 6]));
        assert!(csv.starts_with("image,truth,prediction,probability,file\n0,0,0,0.9000,\n"), "{csv}");
        let older = csv.replace(",file\n", "\n").replace(",\n", "\n");
        assert_eq!(from_csv(&older, 2).unwrap(), answers());
        assert_eq!([files(&csv), files(&older)], [vec![String::new(); 6], vec![String::new(); 6]]);
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        for row in ["1,0", "1,0,2,0.5,", "1,0,-1,0.5,", "1,0,1,1.5,", "1,0,1,NaN,", "1,0,1,0.5", ""] {
            let message = from_csv(&format!("{HEADER}\n0,0,1,0.5,a\n{row}\n"), 2).unwrap_err();
            assert!(message.starts_with("line 3 is not"), "{row:?}: {message}");
        }
        assert!(from_csv("truth\n", 2).unwrap_err().contains("first line"));
    }

    #[test]
    fn counts_and_rates_follow_from_the_answers() {
        let confusion = confusion(&answers(), 3);
        assert_eq!(confusion.matrix(), [[2, 1, 0], [2, 1, 0], [0, 0, 0]]);
        let [precision, recall, f1] = rates(&confusion, 0).map(Option::unwrap);
        assert_eq!((precision, recall), (0.5, 2.0 / 3.0));
        assert!((f1 - 4.0 / 7.0).abs() < 1e-12);
        assert_eq!(rates(&confusion, 2), [None; 3]);
        assert_eq!(accuracy(&answers()), 0.5);
    }
}
