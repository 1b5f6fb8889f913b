//! `trainer eval model.bin`

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use trainer::data::{DatasetChoice, Environment, Request};
use trainer::evaluate::{self, Confusion, Score};

use super::output::{print_data, say, warn};

/// Classify the test images with a model file, as the chip would.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer eval model.bin
  trainer eval model.bin --data path/to/idx-files --json")]
pub struct Eval {
    /// The model file
    model: PathBuf,
    /// Data set; by default the one that the model was trained on
    #[arg(long, value_enum)]
    dataset: Option<DatasetName>,
    /// Directory of IDX files (plain or gzip) to take the test images from
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use one core only, for measuring
    #[arg(long)]
    one_core: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The data sets that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DatasetName {
    /// Zalando's Fashion-MNIST; an error where it cannot be had
    FashionMnist,
    /// The built-in set of drawn garments
    Garments,
}

impl From<DatasetName> for DatasetChoice {
    fn from(name: DatasetName) -> Self {
        match name {
            DatasetName::FashionMnist => Self::FashionMnist,
            DatasetName::Garments => Self::Garments,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    architecture: &'a str,
    trained_on: &'a str,
    dataset: &'a str,
    images: usize,
    #[serde(flatten)]
    score: Score,
    images_per_second: f64,
    cores: usize,
    kernels: &'static str,
    classes: Vec<ClassReport<'a>>,
    confusion: &'a Confusion,
}

#[derive(Serialize)]
struct ClassReport<'a> {
    name: &'a str,
    precision: Option<f64>,
    recall: Option<f64>,
}

impl Eval {
    /// Runs infer-core over the test images.
    pub fn run(self) -> Result<()> {
        let path = self.model.display().to_string();
        let bytes = std::fs::read(&self.model).with_context(|| path.clone())?;
        let mut arena = vec![0; infer_core::Header::parse(&bytes).with_context(|| path.clone())?.arena_len as usize];
        let network = infer_core::Network::new(&bytes, &mut arena).with_context(|| path.clone())?;
        let metadata = *network.metadata();
        let shape = network.input().shape;

        let choice = match (self.dataset, metadata.dataset) {
            (Some(name), _) => name.into(),
            (None, "garments") => DatasetChoice::Garments,
            (None, _) => DatasetChoice::FashionMnist,
        };
        let loaded = trainer::data::load(&Request {
            choice,
            data_dir: self.data.clone(),
            environment: Environment::from_process(),
            ..Request::default()
        })?;
        if let Some(warning) = &loaded.warning {
            warn(warning);
        }
        let dataset = &loaded.dataset;
        let test = &dataset.test;
        if test.shape() != shape.into() {
            bail!("{path} takes pictures of {shape}, but those of {} are {}", dataset.name, test.shape());
        }
        if metadata.class_names().count() < dataset.class_names.len() {
            bail!(
                "{path} tells {} classes apart, but {} has {}",
                metadata.class_names().count(),
                dataset.name,
                dataset.class_names.len()
            );
        }
        if !self.json && metadata.dataset != dataset.name {
            warn(&format!("NOTE: {path} was trained on {}, and is tested on {}", metadata.dataset, dataset.name));
        }

        let start = Instant::now();
        let answers =
            if self.one_core { evaluate::int8_on_one_core(&bytes, test)? } else { evaluate::int8(&bytes, test)? };
        let images_per_second = test.len() as f64 / start.elapsed().as_secs_f64();
        let names: Vec<&str> = metadata.class_names().collect();
        let confusion = answers.confusion(test, names.len());
        let report = Report {
            model: path,
            architecture: metadata.architecture,
            trained_on: metadata.dataset,
            dataset: &dataset.name,
            images: test.len(),
            score: answers.score,
            images_per_second,
            cores: if self.one_core { 1 } else { rayon::current_num_threads() },
            kernels: infer_core::KERNELS,
            classes: names
                .iter()
                .enumerate()
                .map(|(class, name)| ClassReport {
                    name,
                    precision: confusion.precision(class),
                    recall: confusion.recall(class),
                })
                .collect(),
            confusion: &confusion,
        };
        if self.json {
            say!("{}", serde_json::to_string_pretty(&report)?);
            return Ok(());
        }
        print_data(dataset, &loaded.origin)?;
        report.print()
    }
}

impl Report<'_> {
    fn print(&self) -> Result<()> {
        say!("model      {} ({}, trained on {})", self.model, self.architecture, self.trained_on);
        say!("accuracy   {:.4} of {} test images", self.score.accuracy, self.images);
        say!("loss       {:.4}", self.score.loss);
        let cores = if self.cores == 1 { "one core".to_owned() } else { format!("{} cores", self.cores) };
        say!("speed      {:.0} images/s on {cores}, {} kernels\n", self.images_per_second, self.kernels);
        let widest = self.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).max(5);
        say!("    {:<widest$}  precision  recall", "class");
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share));
        for (index, class) in self.classes.iter().enumerate() {
            let (precision, recall) = (percent(class.precision), percent(class.recall));
            say!("{index:>3} {:<widest$}  {precision:>9}  {recall:>6}", class.name);
        }
        say!("\nconfusion: a row per true class, a column per predicted one");
        let cell = self.confusion.counts.iter().flatten().max().map_or(1, |most| most.to_string().len()).max(3) + 1;
        let header: String = (0..self.classes.len()).map(|index| format!("{index:>cell$}")).collect();
        say!("    {:<widest$}{header}", "");
        for (index, (class, row)) in self.classes.iter().zip(&self.confusion.counts).enumerate() {
            let row: String = row.iter().map(|count| format!("{count:>cell$}")).collect();
            say!("{index:>3} {:<widest$}{row}", class.name);
        }
        Ok(())
    }
}
