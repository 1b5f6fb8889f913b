//! What a report needs of a run beyond its other files: answers to the test images, some images, quantization errors.

use std::io;
use std::path::PathBuf;

use infer_core::format::MAX_STAGES;
use serde::{Deserialize, Serialize};

use super::ReportError;
use super::answers::{self, Answer};
use super::quantization_error::{self, LayerError};
use super::thumbnail::Thumbnail;
use crate::dataset::{Dataset, Images};
use crate::network::FloatModel;
use crate::quantize::Calibration;
use crate::run::{ANSWERS, FINDINGS, RunDirectory, RunError};
use crate::support::bounded_file;
use crate::support::limits;
use crate::support::printable::in_one_line;
use crate::train::evaluate::EvaluateError;

/// Images of a grid: five rows of five.
pub const GRID: usize = 25;

/// What `answers.csv` and `report.json` hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The answers of the model file to each test image.
    pub answers: Vec<Answer>,
    /// The text of `answers.csv`: these answers, and the file of each image.
    pub answers_csv: String,
    /// The rest.
    pub shown: Shown,
}

/// What `report.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Some training images.
    pub samples: Vec<Sample>,
    /// The wrong answers that were given with the most confidence, the most confident first.
    pub mistakes: Vec<Mistake>,
    /// What each layer loses in quantization.
    pub quantization_error: Vec<LayerError>,
}

/// A training image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its class.
    pub class: usize,
    /// Its pixels.
    pub thumbnail: Thumbnail,
}

/// A test image that got a wrong answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Its index among the test images.
    pub image: usize,
    /// Its file, below the directory of the data set; not known of images that were drawn, and of older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its pixels.
    pub thumbnail: Thumbnail,
}

impl Findings {
    /// Runs both models over the images.
    ///
    /// `file` is the model file that was made from `model` and `calibration`; all three have the shapes of `dataset`.
    ///
    /// # Errors
    /// [`ReportError::Model`], [`ReportError::Candle`], [`ReportError::Thumbnail`].
    pub fn gather(
        model: &FloatModel,
        calibration: &[Calibration],
        file: &[u8],
        dataset: &Dataset,
    ) -> Result<Self, ReportError> {
        let Dataset { train, test, .. } = dataset;
        let judged = dataset.with_validation();
        let answers = answers::classify(file, test)?;
        let thumbnail = |images: &Images, index| -> Result<Thumbnail, ReportError> {
            Ok(Thumbnail::of_image(&images.image(index).map_err(EvaluateError::Images)?, images.shape())?)
        };
        let samples = spread(train.len(), GRID)
            .into_iter()
            .map(|index| Ok(Sample { class: train.label(index).into(), thumbnail: thumbnail(train, index)? }))
            .collect::<Result<_, ReportError>>()?;
        let mistakes = answers::most_confident_mistakes(&answers, GRID)
            .into_iter()
            .map(|image| {
                let file = test.name(image).map(|name| in_one_line(name).into_owned());
                Ok(Mistake { image, file, thumbnail: thumbnail(test, image)? })
            })
            .collect::<Result<_, ReportError>>()?;
        let quantization_error = quantization_error::measure(model, calibration, file, &judged.validation)?;
        let answers_csv = answers::to_csv(&answers, test);
        Ok(Self { answers, answers_csv, shown: Shown { samples, mistakes, quantization_error } })
    }

    /// Writes `answers.csv` and `report.json`.
    ///
    /// # Errors
    /// [`ReportError::Write`], [`ReportError::Run`].
    pub fn write(&self, directory: &RunDirectory) -> Result<(), ReportError> {
        directory.write(ANSWERS, self.answers_csv.as_bytes())?;
        let path = shown_path(directory);
        let json = serde_json::to_string(&self.shown)
            .map_err(|source| RunError::Json { path: path.display().to_string(), source })?;
        Ok(directory.write(FINDINGS, json.as_bytes())?)
    }

    /// Reads what [`write`](Self::write) wrote for a model of so many classes.
    ///
    /// # Errors
    /// [`ReportError::NoFindings`], [`ReportError::Findings`], [`ReportError::Run`].
    pub fn read(directory: &RunDirectory, classes: usize) -> Result<Self, ReportError> {
        let run = || directory.path().display().to_string();
        let read = |path: PathBuf, limit| {
            let text = bounded_file::read_regular_text(&path, limit);
            let path = path.display().to_string();
            match text {
                Ok(text) => Ok((path, text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(ReportError::NoFindings { path, run: run() })
                }
                Err(source) => Err(RunError::Io { path, source }.into()),
            }
        };
        let refuse = |path, reason| ReportError::Findings { path, reason, run: run() };
        let (path, text) = read(answers_path(directory), limits::ANSWERS)?;
        let answers = answers::from_csv(&text, classes).map_err(|reason| refuse(path, reason))?;
        let answers_csv = text;
        let (path, text) = read(shown_path(directory), limits::REPORT_JSON)?;
        let mut shown: Shown = serde_json::from_str(&text).map_err(|error| refuse(path.clone(), error.to_string()))?;
        if shown.samples.len().max(shown.mistakes.len()) > GRID || shown.quantization_error.len() > MAX_STAGES {
            let reason = format!("there are more than {GRID} samples or mistakes, or more than {MAX_STAGES} layers");
            return Err(refuse(path, reason));
        }
        let samples = shown.samples.iter_mut().map(|sample| &mut sample.thumbnail);
        for thumbnail in samples.chain(shown.mistakes.iter_mut().map(|mistake| &mut mistake.thumbnail)) {
            *thumbnail = thumbnail.checked().map_err(|reason| refuse(path.clone(), reason))?;
        }
        if let Some(sample) = shown.samples.iter().find(|sample| sample.class >= classes) {
            return Err(refuse(path, format!("a sample is of class {}, but there are {classes}", sample.class)));
        }
        if let Some(mistake) = shown.mistakes.iter().find(|mistake| mistake.image >= answers.len()) {
            let images = answers.len();
            return Err(refuse(
                path,
                format!("a mistake is test image {}, but answers.csv has {images}", mistake.image),
            ));
        }
        Ok(Self { answers, answers_csv, shown })
    }
}

/// Indices of `most` things out of `count`, spread evenly: of images sorted by class they are of many classes, of
/// shuffled ones they are as good as any.
fn spread(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|index| index * count / taken).collect()
}

fn answers_path(directory: &RunDirectory) -> PathBuf {
    directory.path().join(ANSWERS)
}

fn shown_path(directory: &RunDirectory) -> PathBuf {
    directory.path().join(FINDINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_over_all_images() {
        assert_eq!(spread(100, 5), [0, 20, 40, 60, 80]);
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert!(spread(0, 5).is_empty());
        assert!(spread(57_000, 25).windows(2).all(|pair| pair[0] < pair[1]));
    }
}
