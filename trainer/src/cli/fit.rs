//! `trainer fit --export model.bin`

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use sha2::{Digest, Sha256};
use trainer::architecture::{Architecture, thousands};
use trainer::data::Dataset;
use trainer::evaluate::{self, Answers, Score};
use trainer::fit::History;
use trainer::model::FloatModel;
use trainer::model_file::write_whole;
use trainer::quantize::QuantizedModel;
use trainer::quantize::aware::{FineTuning, Gain};
use trainer::quantize::choose::{Chosen, choose};
use trainer::recipe::Recipe;
use trainer::run::{Accuracies, ExportMetrics, Int8Metrics, Metrics, PerSplit, RunConfig, RunDirectory};

use super::calibration::CalibrationName;
use super::data::{TrainingData, fraction};
use super::output::say;
use super::progress::Progress;
use super::teacher::Teachers;
use crate::Usage;

/// Train a network, quantize it and export it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer fit --export model.bin
  trainer fit --model mlp --epochs 10 --out runs/quick
  trainer fit --data birds --model small --input 32x32x3 --resize crop --export birds.bin
  trainer fit --data path/to/idx-files --export model.bin")]
pub struct Fit {
    /// Built-in architecture: mlp, cnn, small or tiny
    #[arg(long, default_value = "cnn", value_name = "NAME")]
    model: String,
    #[command(flatten)]
    data: TrainingData,
    /// Training recipe: tutorial, strong, or a TOML file; the flags below override its numbers
    #[arg(long, default_value = "tutorial", value_name = "NAME")]
    recipe: String,
    /// Most passes over the training images [recipe tutorial: 100]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Images per training step [recipe tutorial: 32]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Step size of the optimizer [recipe tutorial: 0.001]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Epochs without improvement after which training stops [recipe tutorial: 5]
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// How much lower the validation loss must be to count as improvement [recipe tutorial: 0]
    #[arg(long, value_name = "LOSS")]
    min_delta: Option<f64>,
    /// Share of the training images held out for validation, between 0 and 1 [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = fraction, conflicts_with = "teacher")]
    val_fraction: Option<f64>,
    /// What everything random comes from
    #[arg(long, default_value_t = 48, value_name = "N")]
    seed: u64,
    /// Learn from the network of an earlier run too, a larger one; its validation images are this run's. May be repeated:
    /// the mean of all teachers counts
    #[arg(long, value_name = "RUN")]
    teacher: Vec<PathBuf>,
    /// How the ranges of the 8-bit activations are found; auto: whichever does best on the validation images
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    calibration: CalibrationName,
    /// Directory for the results; it must be new or empty [default: runs/MODEL-DATASET-SEED-N]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the quantized model here too
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

impl Fit {
    /// From pictures to a model file.
    pub fn run(self) -> Result<()> {
        let recipe = self.recipe()?;
        let architecture = Architecture::built_in(&self.model).map_err(Usage::error)?;
        self.check_export()?;
        let teachers = Teachers::open(&self.teacher)?;
        let (split_seed, validation_fraction) =
            teachers.as_ref().map_or((self.seed, self.val_fraction.unwrap_or(0.05)), Teachers::split);

        let (dataset, architecture) = self.data.load(architecture, validation_fraction, split_seed)?;
        if let Some(teachers) = &teachers {
            teachers.check(&dataset)?;
        }
        say!("\n{architecture}\n");

        let name = format!("{}-{}-{}", architecture.name, dataset.name, self.seed);
        let directory = RunDirectory::create(self.out.as_deref(), &name)?;
        let mut model = FloatModel::new(architecture, self.seed)?;
        let mut progress = Progress::new(&recipe);
        let teacher = teachers.as_ref().map(|teachers| &teachers.teacher);
        let mut history = trainer::fit::fit(&model, &dataset, &recipe, self.seed, teacher, &mut progress)?;
        progress.finish(&history)?;
        let methods = self.calibration.methods();
        let Chosen { calibration, choice, .. } =
            choose(&model, &dataset.train, &dataset.validation, self.seed, methods)?;
        say!("{choice}");
        let tuning =
            FineTuning { dataset: &dataset, recipe: &recipe, seed: self.seed, teacher, calibration: &calibration };
        let mut progress = Progress::new(&recipe).after(&history, recipe.quantization_aware.epochs);
        let gain = tuning.run(&mut model, &mut history, None, &mut progress)?;
        progress.finish_tuning(&history, gain)?;
        directory.write_weights(&model)?;
        directory.write_history(&history.epochs)?;

        let architecture = model.architecture();
        let config = RunConfig {
            trainer: env!("CARGO_PKG_VERSION").to_owned(),
            model: architecture.name.clone(),
            input: architecture.input,
            layers: architecture.layers.iter().map(|shaped| shaped.layer).collect(),
            recipe,
            dataset: dataset.name.clone(),
            class_names: dataset.class_names.clone(),
            preprocessing: dataset.preprocessing,
            data_dir: self.data.directory()?,
            data_sha256: Some(dataset.sha256()),
            validation_fraction,
            seed: self.seed,
            split_seed,
            teachers: teachers.as_ref().map_or_else(Vec::new, Teachers::paths),
            calibration,
            calibration_choice: Some(choice),
            accuracies: Accuracies::default(),
        };
        self.finish(&directory, &model, &dataset, config, &history, gain)
    }

    fn recipe(&self) -> Result<Recipe> {
        let recipe = self.named_recipe()?.for_network(&self.model, !self.teacher.is_empty());
        let recipe = Recipe {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            batch_size: self.batch_size.unwrap_or(recipe.batch_size),
            learning_rate: self.lr.unwrap_or(recipe.learning_rate),
            patience: self.patience.unwrap_or(recipe.patience),
            min_delta: self.min_delta.unwrap_or(recipe.min_delta),
            ..recipe
        };
        recipe.check().map_err(Usage::error)?;
        Ok(recipe)
    }

    /// A built-in recipe, or the one in a file.
    fn named_recipe(&self) -> Result<Recipe> {
        let name = &self.recipe;
        if !name.contains(['.', '/', std::path::MAIN_SEPARATOR]) {
            return Recipe::built_in(name).map_err(Usage::error);
        }
        let text = fs::read_to_string(name).map_err(|error| Usage::error(anyhow!("recipe {name}: {error}")))?;
        Recipe::from_toml(&text).map_err(|error| Usage::error(anyhow!("{name}: {error}")))
    }

    /// Finds out before the training, not after it, that the model has nowhere to go.
    fn check_export(&self) -> Result<()> {
        let Some(path) = &self.export else { return Ok(()) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent
            && !parent.is_dir()
        {
            return Err(Usage::error(anyhow!(
                "--export {}: there is no directory {}",
                path.display(),
                parent.display()
            )));
        }
        if path.is_dir() {
            return Err(Usage::error(anyhow!("--export {} is a directory; name a file", path.display())));
        }
        Ok(())
    }

    /// Scores, quantizes, exports and writes down what came out.
    fn finish(
        &self,
        directory: &RunDirectory,
        model: &FloatModel,
        dataset: &Dataset,
        mut config: RunConfig,
        history: &History,
        gain: Option<Gain>,
    ) -> Result<()> {
        let architecture = model.architecture();
        let quantized = QuantizedModel::new(model, &config.calibration)?;
        // The file states its own accuracy, so it is encoded once to be measured and once to be kept.
        let draft = config.encode(&quantized)?;
        let float = on_each(dataset, |images| Ok(evaluate::float(model, images)?))?;
        let int8 = on_each(dataset, |images| Ok(evaluate::int8(&draft, images)?))?;
        config.accuracies = Accuracies {
            float_test: Some(float.test.score.accuracy as f32),
            int8_test: Some(int8.test.score.accuracy as f32),
        };
        let bytes = config.encode(&quantized)?;
        directory.write_config(&config)?;
        write_whole(&directory.model(), &bytes)?;
        if let Some(path) = &self.export {
            write_whole(path, &bytes)?;
        }

        let seconds_per_epoch = median(history.epochs.iter().map(|epoch| epoch.seconds).collect());
        let header = infer_core::Header::parse(&bytes)?;
        let metrics = Metrics {
            model: architecture.name.clone(),
            dataset: dataset.name.clone(),
            parameters: architecture.parameters(),
            seed: self.seed,
            images: PerSplit {
                train: dataset.train.len(),
                validation: dataset.validation.len(),
                test: dataset.test.len(),
            },
            epochs_run: history.epochs.len(),
            best_epoch: history.best_epoch,
            stopped_early: history.stopped_early,
            seconds_per_epoch,
            images_per_second: dataset.train.len() as f64 / seconds_per_epoch,
            float: scores(&float),
            int8: Int8Metrics {
                scores: scores(&int8),
                agreement_with_float: int8.test.agreement(&float.test),
                validation_before_fine_tuning: gain.map(|gain| gain.before),
            },
            export: ExportMetrics {
                path: self.export.clone().unwrap_or_else(|| directory.model()),
                bytes: bytes.len(),
                sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
                flash_bytes: bytes.len(),
                arena_bytes: header.arena_len,
                macs: architecture.macs(),
            },
        };
        directory.write_metrics(&metrics)?;
        print_results(&metrics, directory)
    }
}

fn on_each(dataset: &Dataset, score: impl Fn(&trainer::data::Images) -> Result<Answers>) -> Result<PerSplit<Answers>> {
    Ok(PerSplit { train: score(&dataset.train)?, validation: score(&dataset.validation)?, test: score(&dataset.test)? })
}

fn scores(answers: &PerSplit<Answers>) -> PerSplit<Score> {
    PerSplit { train: answers.train.score, validation: answers.validation.score, test: answers.test.score }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print_results(metrics: &Metrics, directory: &RunDirectory) -> Result<()> {
    say!("\n            train             validation        test");
    say!("            loss    accuracy  loss    accuracy  loss    accuracy");
    for (name, scores) in [("float", &metrics.float), ("int8", &metrics.int8.scores)] {
        let cells = [scores.train, scores.validation, scores.test]
            .map(|score| format!("{:.4}  {:.4}  ", score.loss, score.accuracy));
        say!("{name:<10}  {}", cells.join("  ").trim_end());
    }
    let export = &metrics.export;
    say!("\nint8 and float agree on {:.2}% of the test images", 100.0 * metrics.int8.agreement_with_float);
    say!(
        "{}: {} bytes of flash, {} bytes of arena, {} multiply-accumulates",
        export.path.display(),
        thousands(export.bytes),
        thousands(export.arena_bytes as usize),
        thousands(export.macs)
    );
    say!("everything about this run: {}", directory.path().display());
    Ok(())
}
