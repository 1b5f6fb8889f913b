//! What a report needs of a run beyond its other files: answers to the test images and what follows from their probabilities, some
//! images, quantization errors.

use std::io;
use std::path::PathBuf;

use infer_core::format::MAX_STAGES;
use serde::{Deserialize, Serialize};

use super::ReportError;
use super::answers::{self, Answer};
use super::mislabeled::{self, Doubt};
use super::precision_recall::PrecisionRecall;
use super::probabilities::Probabilities;
use super::quantization_error::{self, LayerError};
use super::spread::spread;
use super::thumbnail::Thumbnail;
use crate::dataset::held_out::Split;
use crate::dataset::{Dataset, Images};
use crate::network::FloatModel;
use crate::run::{ANSWERS, FINDINGS, RunConfig, RunDirectory, RunError};
use crate::support::bounded_file;
use crate::support::limits;
use crate::support::printable::in_one_line;
use crate::support::text::thousands;
use crate::train::evaluate::EvaluateError;
use crate::train::first_batch::first_batch;
use crate::train::folds::OutOfFold;

/// Images of a grid: five rows of five.
pub const GRID: usize = 25;

/// Images of a smaller grid: three rows of five.
pub const SMALL_GRID: usize = 15;

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
    /// The first training images as the network sees them; none of runs older than this, and of networks trained elsewhere.
    #[serde(default)]
    pub batch: Vec<Sample>,
    /// Training, validation and test images of each class; not known of runs older than this.
    #[serde(default)]
    pub class_images: Vec<[usize; 3]>,
    /// Precision and recall on the test images; not known of runs older than this, nor without test images.
    #[serde(default)]
    pub precision_recall: Option<PrecisionRecall>,
    /// Images whose labels are doubtful; not known of runs older than this.
    #[serde(default)]
    pub suspects: Option<Suspects>,
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

/// The images whose labels are [doubtful](mislabeled), by networks that did not train on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspects {
    /// Images that were looked at.
    pub images: usize,
    /// How many of them are training images, answered by the fit that left them out; the others are validation and test images.
    #[serde(default)]
    pub out_of_fold: usize,
    /// How many of them have doubtful labels.
    pub doubtful: usize,
    /// The most doubtful ones, the most doubtful first.
    pub shown: Vec<Suspect>,
}

/// An image whose label is doubtful.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// What it was for.
    pub split: Split,
    /// Its index among those.
    pub image: usize,
    /// Its file, below the directory of the data set, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The class of its label.
    pub given: usize,
    /// The class that the network suggests.
    pub suggested: usize,
    /// Probability of its label, 0 to 1.
    pub given_probability: f32,
    /// Probability of the suggested class.
    pub suggested_probability: f32,
    /// Its pixels.
    pub thumbnail: Thumbnail,
}

impl Suspects {
    /// The images that were looked at: `1,200 validation and test images`, or `1,100 training and 200 test images`.
    #[must_use]
    pub fn of_what(&self) -> String {
        match self.out_of_fold {
            0 => format!("{} validation and test images", thousands(self.images)),
            training if training == self.images => format!("{} training images", thousands(training)),
            training => {
                format!("{} training and {} test images", thousands(training), thousands(self.images - training))
            }
        }
    }
}

impl Findings {
    /// Runs both models over the images.
    ///
    /// `file` is the model file that was made from `model` and the calibration in `config`; all three have the shapes of `dataset`.
    /// `out_of_fold` are the logits of its training images, where there are folds.
    ///
    /// # Errors
    /// [`ReportError::Model`], [`ReportError::Candle`], [`ReportError::Thumbnail`].
    pub fn gather(
        model: &FloatModel,
        config: &RunConfig,
        file: &[u8],
        dataset: &Dataset,
        out_of_fold: Option<&OutOfFold>,
    ) -> Result<Self, ReportError> {
        let Dataset { train, validation, test, .. } = dataset;
        let judged = dataset.with_validation();
        let classes = dataset.class_names.len();
        let (answers, probabilities) = answers::with_probabilities(file, test, classes)?;
        let samples = spread(train.len(), GRID)
            .into_iter()
            .map(|index| Ok(Sample { class: train.label(index).into(), thumbnail: thumbnail(train, index)? }))
            .collect::<Result<_, ReportError>>()?;
        let batch = match config.imported {
            None => first_batch(&config.recipe, train, config.seed, SMALL_GRID)?,
            Some(_) => Vec::new(),
        };
        let batch = batch
            .into_iter()
            .map(|seen| {
                let thumbnail = Thumbnail::of_image(&seen.pixels, train.shape())?;
                Ok(Sample { class: train.label(seen.index).into(), thumbnail })
            })
            .collect::<Result<_, ReportError>>()?;
        let mistakes = answers::most_confident_mistakes(&answers, GRID)
            .into_iter()
            .map(|image| Ok(Mistake { image, file: name(test, image), thumbnail: thumbnail(test, image)? }))
            .collect::<Result<_, ReportError>>()?;
        let (_, of_validation) = answers::with_probabilities(file, validation, classes)?;
        let of_train = out_of_fold.map(|out_of_fold| {
            let logits: Vec<&[f32]> = out_of_fold.images.iter().map(|image| &*image.logits).collect();
            Probabilities::of_logits(&logits, classes, config.decision.temperature)
        });
        let of_train = of_train.iter().map(|probabilities| (Split::Train, train, probabilities));
        let others = [(Split::Validation, validation, &of_validation), (Split::Test, test, &probabilities)];
        let suspects = suspects(&of_train.chain(others).collect::<Vec<_>>(), classes)?;
        let shown = Shown {
            samples,
            batch,
            class_images: class_images(dataset),
            precision_recall: PrecisionRecall::of(&probabilities, test.labels()),
            suspects: Some(suspects),
            mistakes,
            quantization_error: quantization_error::measure(model, &config.calibration, file, &judged.validation)?,
        };
        let answers_csv = answers::to_csv(&answers, test);
        Ok(Self { answers, answers_csv, shown })
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
        shown.check(classes, answers.len()).map_err(|reason| refuse(path, reason))?;
        Ok(Self { answers, answers_csv, shown })
    }
}

impl Shown {
    /// That all of it can be drawn, for a model of so many classes and with so many test images; of the files of images nothing is kept
    /// but the pixels.
    fn check(&mut self, classes: usize, answers: usize) -> Result<(), String> {
        let Self { samples, batch, class_images, precision_recall, suspects, mistakes, quantization_error } = self;
        if suspects.as_ref().is_some_and(|suspects| suspects.out_of_fold > suspects.images) {
            return Err("labels of more training images were looked at than of all images".to_owned());
        }
        let suspects = suspects.iter_mut().flat_map(|suspects| &mut suspects.shown);
        let mut suspects: Vec<&mut Suspect> = suspects.collect();
        let images = [samples.len(), batch.len(), mistakes.len(), suspects.len()];
        if images.into_iter().any(|images| images > GRID) || quantization_error.len() > MAX_STAGES {
            return Err(format!("there are more than {GRID} images in a figure, or more than {MAX_STAGES} layers"));
        }
        let of_samples = samples.iter_mut().chain(batch.iter_mut()).map(|sample| &mut sample.thumbnail);
        let of_mistakes = mistakes.iter_mut().map(|mistake| &mut mistake.thumbnail);
        let of_suspects = suspects.iter_mut().map(|suspect| &mut suspect.thumbnail);
        for thumbnail in of_samples.chain(of_mistakes).chain(of_suspects) {
            *thumbnail = thumbnail.checked()?;
        }
        if let Some(sample) = samples.iter().chain(&*batch).find(|sample| sample.class >= classes) {
            return Err(format!("a sample is of class {}, but there are {classes}", sample.class));
        }
        if let Some(suspect) = suspects.iter().find(|suspect| suspect.given.max(suspect.suggested) >= classes) {
            let class = suspect.given.max(suspect.suggested);
            return Err(format!("a doubtful label is class {class}, but there are {classes}"));
        }
        if let Some(mistake) = mistakes.iter().find(|mistake| mistake.image >= answers) {
            return Err(format!("a mistake is test image {}, but answers.csv has {answers}", mistake.image));
        }
        if !class_images.is_empty() && class_images.len() != classes {
            return Err(format!("it counts the images of {} classes, but there are {classes}", class_images.len()));
        }
        precision_recall.as_ref().map_or(Ok(()), |curves| curves.check(classes))
    }
}

/// An image for the page.
fn thumbnail(images: &Images, index: usize) -> Result<Thumbnail, ReportError> {
    Ok(Thumbnail::of_image(&images.image(index).map_err(EvaluateError::Images)?, images.shape())?)
}

/// The name of an image's file, where it has one.
fn name(images: &Images, index: usize) -> Option<String> {
    images.name(index).map(|name| in_one_line(name).into_owned())
}

/// Training, validation and test images of each class.
fn class_images(dataset: &Dataset) -> Vec<[usize; 3]> {
    let mut counts = vec![[0; 3]; dataset.class_names.len()];
    for (part, images) in [&dataset.train, &dataset.validation, &dataset.test].into_iter().enumerate() {
        for &label in images.labels() {
            if let Some(counts) = counts.get_mut(usize::from(label)) {
                counts[part] += 1;
            }
        }
    }
    counts
}

/// The doubtful labels in parts of the data, by networks that were not trained on the images.
fn suspects(parts: &[(Split, &Images, &Probabilities)], classes: usize) -> Result<Suspects, ReportError> {
    let places: Vec<(Split, &Images, usize, &[f32])> = parts
        .iter()
        .flat_map(|&(split, images, probabilities)| {
            probabilities.rows().map(move |(image, row)| (split, images, image, row))
        })
        .collect();
    let labeled: Vec<(usize, &[f32])> =
        places.iter().map(|&(_, images, image, row)| (images.label(image).into(), row)).collect();
    let doubts = mislabeled::doubtful(&labeled, classes);
    let suspect = |doubt: &Doubt| {
        let (split, images, image, _) = places[doubt.index];
        Ok(Suspect {
            split,
            image,
            file: name(images, image),
            given: doubt.given,
            suggested: doubt.suggested,
            given_probability: doubt.given_probability,
            suggested_probability: doubt.suggested_probability,
            thumbnail: thumbnail(images, image)?,
        })
    };
    let shown = doubts.iter().take(SMALL_GRID).map(suspect).collect::<Result<_, ReportError>>()?;
    let out_of_fold = places.iter().filter(|(split, ..)| *split == Split::Train).count();
    Ok(Suspects { images: places.len(), out_of_fold, doubtful: doubts.len(), shown })
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

    use crate::dataset::ImageShape;
    use crate::image::Preprocessing;

    fn part(labels: &[u16]) -> Images {
        let shape = ImageShape { height: 1, width: 1, channels: 1 };
        let pixels = (0..labels.len()).map(|image| image as u8).collect();
        let names = (0..labels.len()).map(|image| format!("{image}.png"));
        Images::new(shape, pixels, labels.to_vec()).with_names(names)
    }

    #[test]
    fn images_are_counted_by_class_and_part_also_where_there_are_none() {
        let dataset = Dataset {
            name: "letters".to_owned(),
            class_names: ["a", "b", "c"].map(str::to_owned).to_vec(),
            preprocessing: Preprocessing::default(),
            train: part(&[0, 0, 1, 0]),
            validation: part(&[1]),
            test: part(&[1, 0, 1]),
        };
        assert_eq!(class_images(&dataset), [[3, 0, 1], [1, 1, 2], [0, 0, 0]]);
    }

    #[test]
    fn doubtful_labels_are_named_by_part_image_and_file() {
        // The images of 2 * 2 classes that are labeled right have 0.9; one of each part is labeled as the other class.
        let (validation, test) = (part(&[0, 1, 1]), part(&[0, 0]));
        let of_validation = Probabilities::new(vec![0, 1, 2], 2, vec![0.9, 0.1, 0.1, 0.9, 0.95, 0.05]);
        let of_test = Probabilities::new(vec![0, 1], 2, vec![0.9, 0.1, 0.1, 0.9]);
        let parts = [(Split::Validation, &validation, &of_validation), (Split::Test, &test, &of_test)];
        let found = suspects(&parts, 2).unwrap();
        assert_eq!((found.images, found.out_of_fold, found.doubtful), (5, 0, 2));
        assert_eq!(found.of_what(), "5 validation and test images");
        let Suspects { shown, .. } = found;
        let named = shown
            .iter()
            .map(|suspect| (suspect.split, suspect.image, suspect.file.as_deref(), suspect.given, suspect.suggested));
        let expected = [(Split::Validation, 2, Some("2.png"), 1, 0), (Split::Test, 1, Some("1.png"), 0, 1)];
        assert_eq!(named.collect::<Vec<_>>(), expected);
        assert_eq!((shown[1].given_probability, shown[1].suggested_probability), (0.1, 0.9));
        // By folds the first part is that of the training images.
        let parts = [(Split::Train, &validation, &of_validation), parts[1]];
        let found = suspects(&parts, 2).unwrap();
        assert_eq!((found.of_what(), found.shown[0].split), ("3 training and 2 test images".to_owned(), Split::Train));
        let none = Probabilities::new(Vec::new(), 2, Vec::new());
        let empty = suspects(&[(Split::Test, &part(&[]), &none)], 2).unwrap();
        assert_eq!((empty.images, empty.doubtful, empty.shown.len()), (0, 0, 0));
    }
}
