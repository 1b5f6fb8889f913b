//! `trainer eval model.bin`

use std::cmp::Reverse;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use infer_core::Network;
use serde::Serialize;
use trainer::dataset::Dataset;
use trainer::dataset::tested::Tested;
use trainer::export::decision::Decision;
use trainer::export::model_file;
use trainer::image::Preprocessing;
use trainer::run::UNKNOWN_IMAGES;
use trainer::support::interval::{ENOUGH, Interval};
use trainer::support::limits::{MATRIX_CLASSES, SHOWN_CLASSES};
use trainer::support::number::{rate, shown};
use trainer::support::text::thousands;
use trainer::train::confidence::rejection::{Coverage, FalseAccepts, Separation};
use trainer::train::confidence::reliability::{BINS, Reliability};
use trainer::train::confidence::{Judged, Logits};
use trainer::train::confusion::{Confused, Confusion, WorstClass};
use trainer::train::evaluate;
use trainer::train::score::Estimate;

use super::data::{TestData, TestSet, describe};
use super::destination::{Content, Output};
use super::mistakes::{self, Mistake, MistakeFlags};
use super::output::{print_json, print_line, warn};
use super::reject;
use super::tested::Test;

/// Classify the test images with a model file, as the chip would.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer eval model.bin
  trainer eval birds.bin --data birds
  trainer eval birds.bin --data birds --mistakes --answers answers.csv
  trainer eval birds.bin --data birds --run runs/small-birds-48-1
  trainer eval birds.bin --data birds --unknown other-things
  trainer eval birds.bin --data more-birds --all --json")]
pub struct Eval {
    /// The model file
    model: PathBuf,
    #[command(flatten)]
    data: TestData,
    #[command(flatten)]
    single: MistakeFlags,
    /// Directory of unknown images, of none of the classes: prints how many are accepted as a class. Only half of them are used,
    /// chosen by content: fit and export choose a threshold by the other half
    #[arg(long, value_name = "DIR")]
    unknown: Option<PathBuf>,
    /// Use one core only, to measure the speed
    #[arg(long)]
    one_core: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation<'a> {
    model: String,
    architecture: &'a str,
    trained_on: &'a str,
    dataset: &'a str,
    images: usize,
    /// What is known of these images; nothing is printed about named sets, whose test images are always the same.
    tested: Option<&'a Tested>,
    #[serde(flatten)]
    score: Estimate,
    /// How true the probabilities are, and what is accepted.
    confidence: Confidence,
    images_per_second: Option<f64>,
    cores: usize,
    kernels: &'static str,
    classes: Vec<ClassReport<'a>>,
    /// `[truth][prediction]`; none of many classes.
    confusion: Option<Vec<Vec<usize>>>,
    /// The same without zeros, of any number of classes.
    confusions: Vec<Confused>,
    /// The wrong answers, with `--mistakes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mistakes: Option<Vec<Mistake<'a>>>,
}

#[derive(Serialize)]
struct Confidence {
    #[serde(flatten)]
    decision: Decision,
    #[serde(flatten)]
    reliability: Reliability,
    /// What the threshold accepts; with a threshold of 0 everything.
    coverage: Coverage,
    /// Of `--unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<Unknown>,
}

#[derive(Serialize)]
struct Unknown {
    directory: String,
    #[serde(flatten)]
    false_accepts: FalseAccepts,
    #[serde(flatten)]
    separation: Option<Separation>,
    /// The same at temperature 1, where the file has another.
    #[serde(skip_serializing_if = "Option::is_none")]
    uncalibrated: Option<Separation>,
}

#[derive(Serialize)]
struct ClassReport<'a> {
    name: &'a str,
    /// Images that were given it.
    given: usize,
    /// Images that are of the class.
    images: usize,
    precision: Option<f64>,
    precision_interval: Option<Interval>,
    recall: Option<f64>,
    recall_interval: Option<Interval>,
}

impl<'a> ClassReport<'a> {
    fn new(name: &'a str, class: usize, confusion: &Confusion) -> Self {
        let right = confusion.count(class, class);
        let (given, images) = (confusion.given(class), confusion.images(class));
        Self {
            name,
            given,
            images,
            precision: confusion.precision(class),
            precision_interval: Interval::wilson(right, given),
            recall: confusion.recall(class),
            recall_interval: Interval::wilson(right, images),
        }
    }
}

impl Confidence {
    fn print(&self) -> Result<()> {
        let error = self.reliability.calibration_error;
        print_line!("calibration error {error:.4}, between probabilities and shares of right answers in {BINS} bins");
        if self.decision.threshold > 0.0 || !self.decision.class_thresholds.is_empty() {
            print_line!("threshold  {}", reject::of_coverage(&self.coverage));
        }
        if let Some(Unknown { false_accepts, separation, .. }) = &self.unknown {
            print_line!("unknown    {}", reject::of_unknown(false_accepts));
            if let Some(separation) = separation {
                print_line!("           {}", reject::of_separation(separation));
            }
        }
        Ok(())
    }
}

impl Eval {
    /// Runs infer-core over the test images.
    pub fn run(self) -> Result<()> {
        let answers = self.single.answers.as_deref();
        let answers = answers.map(|path| Output { flag: "--answers", path, content: Content::Answers, run: None });
        self.data.check_outputs(&self.model, answers)?;
        let path = self.model.display().to_string();
        let bytes = model_file::read(&self.model).with_context(|| path.clone())?;
        let mut arena = model_file::arena(&bytes).with_context(|| path.clone())?;
        let network = Network::new(&bytes, &mut arena).with_context(|| path.clone())?;
        let metadata = network.metadata();

        let TestSet { loaded, run } = self.data.load(&self.model, &metadata, &network.input())?;
        let dataset = &loaded.dataset;
        let test = &dataset.test;
        let claim = loaded.tested.as_ref().map(|tested| Test {
            tested,
            model: &path,
            trained_on: metadata.dataset,
            dataset: &dataset.name,
            run: run.as_deref(),
        });
        match &claim {
            Some(claim) => claim.warning().iter().for_each(|warning| warn(warning)),
            None if metadata.dataset == dataset.name || metadata.dataset == UNKNOWN_IMAGES => {}
            None => {
                warn(&format!("NOTE: {path} was trained on {}, and is tested on {}", metadata.dataset, dataset.name))
            }
        }

        let start = Instant::now();
        let answers =
            if self.one_core { evaluate::int8_on_one_core(&bytes, test)? } else { evaluate::int8(&bytes, test)? };
        let images_per_second = rate(test.len(), start.elapsed().as_secs_f64());
        let judged = Judged::of(&answers, test.labels());
        let decision = Decision::of_file(&bytes)?;
        let unknown = self.unknown(&bytes, &network, &decision, dataset, &judged)?;
        let confidence = Confidence {
            reliability: Reliability::of(&judged),
            coverage: Coverage::of(&judged, &decision),
            unknown,
            decision,
        };
        let names: Vec<&str> = metadata.class_names().collect();
        let confusion = answers.confusion(test, names.len());
        let report = Evaluation {
            model: path.clone(),
            architecture: metadata.architecture,
            trained_on: metadata.dataset,
            dataset: &dataset.name,
            images: test.len(),
            tested: loaded.tested.as_ref(),
            score: Estimate { worst_class: WorstClass::of(&confusion, &names), ..answers.score.over(test.len()) },
            confidence,
            images_per_second,
            cores: if self.one_core { 1 } else { rayon::current_num_threads() },
            kernels: infer_core::KERNELS,
            classes: names.iter().enumerate().map(|(class, name)| ClassReport::new(name, class, &confusion)).collect(),
            confusion: (names.len() <= MATRIX_CLASSES).then(|| confusion.matrix()),
            confusions: confusion.entries().collect(),
            mistakes: self.single.gather(&bytes, &loaded, &names)?,
        };
        if self.json {
            return print_json(&report);
        }
        for line in describe(&loaded) {
            print_line!("{line}");
        }
        if let Some(claim) = claim {
            for line in claim.lines().lines() {
                print_line!("{line}");
            }
        }
        report.print()
    }

    /// What a model makes of images of other things.
    fn unknown(
        &self,
        model: &[u8],
        network: &Network<'_, '_>,
        decision: &Decision,
        dataset: &Dataset,
        known: &[Judged],
    ) -> Result<Option<Unknown>> {
        let Some(directory) = &self.unknown else { return Ok(None) };
        let (metadata, input) = (network.metadata(), network.input());
        let conversion = Preprocessing::of_model(metadata.images, &input)?.conversion(input.shape)?;
        let unknown = reject::load_unknown(directory, &conversion, dataset)?;
        let logits = Logits::of(model, &unknown.testing)?;
        let answers = logits.answers(1.0);
        // Only JSON has it. The scale of the file's logits is divided by its temperature.
        let uncalibrated = match decision.temperature {
            temperature if temperature != 1.0 && self.json => {
                let test = &dataset.test;
                let known = Logits::of(model, test)?.judged(1.0 / temperature, test.labels());
                Separation::of(&known, &logits.answers(1.0 / temperature))
            }
            _ => None,
        };
        Ok(Some(Unknown {
            directory: directory.display().to_string(),
            false_accepts: FalseAccepts::of(&answers, decision),
            separation: Separation::of(known, &answers),
            uncalibrated,
        }))
    }
}

impl Evaluation<'_> {
    fn print(&self) -> Result<()> {
        print_line!("model      {} ({}, trained on {})", self.model, self.architecture, self.trained_on);
        let interval = Interval::of_few(self.score.accuracy, self.images)
            .map_or_else(String::new, |interval| format!(", 95% interval {interval}"));
        print_line!("accuracy   {:.4} of {} test images{interval}", self.score.accuracy, self.images);
        if let (Some(balanced), Some(worst)) = (self.score.balanced_accuracy, &self.score.worst_class) {
            print_line!("balanced   {balanced:.4}, the mean recall of the classes");
            print_line!("worst      {worst}");
        }
        print_line!("loss       {:.4}", self.score.loss);
        self.confidence.print()?;
        let cores = if self.cores == 1 { "one core".to_owned() } else { format!("{} cores", self.cores) };
        let speed = shown(self.images_per_second, 0);
        print_line!("speed      {speed} images/s on {cores}, {} kernels\n", self.kernels);
        let widest = self.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max(5);
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share));
        let few = self.classes.iter().any(|class| class.given.min(class.images) < ENOUGH);
        let interval = |interval: Option<Interval>, images: usize| match interval {
            Some(interval) if images < ENOUGH => format!("  {:<8}", interval.percent()),
            _ if few => format!("  {:<8}", ""),
            _ => String::new(),
        };
        let head = if few { format!("  {:<8}", "95%") } else { String::new() };
        print_line!("    {:<widest$}  precision{head}  recall{}", "class", head.trim_end());
        for (index, class) in self.classes.iter().enumerate() {
            let (precision, recall) = (percent(class.precision), percent(class.recall));
            let of_precision = interval(class.precision_interval, class.given);
            let of_recall = interval(class.recall_interval, class.images);
            let row = format!("{precision:>9}{of_precision}  {recall:>6}{of_recall}");
            print_line!("{index:>3} {:<widest$}  {}", class.name, row.trim_end());
        }
        if self.classes.len() > SHOWN_CLASSES {
            self.print_confusions()?
        } else {
            self.print_matrix(widest)?
        }
        self.mistakes.as_deref().map_or(Ok(()), mistakes::print)
    }

    /// A row and a column for each class, of few.
    fn print_matrix(&self, widest: usize) -> Result<()> {
        print_line!("\nconfusion: a row per true class, a column per predicted one");
        let most = self.confusions.iter().map(|entry| entry.count).max().unwrap_or(0);
        let cell = most.to_string().len().max(3) + 1;
        let header: String = (0..self.classes.len()).map(|index| format!("{index:>cell$}")).collect();
        print_line!("    {:<widest$}{header}", "");
        for (index, (class, row)) in self.classes.iter().zip(self.confusion.iter().flatten()).enumerate() {
            let row: String = row.iter().map(|count| format!("{count:>cell$}")).collect();
            print_line!("{index:>3} {:<widest$}{row}", class.name);
        }
        Ok(())
    }

    /// The most frequent mistakes, of many classes.
    fn print_confusions(&self) -> Result<()> {
        let mut mistakes: Vec<&Confused> =
            self.confusions.iter().filter(|entry| entry.truth != entry.prediction).collect();
        // Stable: of equals the first class comes first.
        mistakes.sort_by_key(|entry| Reverse(entry.count));
        let listed = mistakes.len().min(SHOWN_CLASSES);
        print_line!("\nconfusion: the {listed} most frequent of {} (--json has all)", thousands(mistakes.len()));
        print_line!("images  class, predicted as");
        let name = |class: usize| self.classes.get(class).map_or("?", |class| class.name);
        for Confused { truth, prediction, count } in mistakes.into_iter().take(listed) {
            print_line!("{count:>6}  {} {}, predicted as {} {}", truth, name(*truth), prediction, name(*prediction));
        }
        Ok(())
    }
}
