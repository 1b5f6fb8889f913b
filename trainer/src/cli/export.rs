//! `trainer export RUN --out model.bin`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use trainer::dataset::Dataset;
use trainer::export::decision::Decision;
use trainer::export::layout::LayoutChoice;
use trainer::quantize::QuantizedModel;
use trainer::quantize::choose::{Chosen, choose};
use trainer::run::{RunConfig, RunDirectory, RunError};
use trainer::support::text::thousands;
use trainer::support::whole_file::{is_stream, write_whole};
use trainer::train::confidence::{Confidence, Rejection};
use trainer::train::evaluate;

use super::budget::{BudgetFlags, Instead};
use super::calibration::CalibrationName;
use super::console::Console;
use super::destination::{self, Content, Output};
use super::output::{print_line, print_message, warn};
use super::reject::{self, RejectFlags};
use super::run_data;
use crate::Usage;

/// Export the model of an earlier run, without training again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer export runs/cnn-fashion-mnist-48-1 --out model.bin
  trainer export runs/cnn-fashion-mnist-48-1 --calibration error --out model.bin
  trainer export runs/small-fashion-mnist-48-1 --layout fast --out model.bin
  trainer export runs/small-fashion-mnist-48-1 --reject-at precision=0.99 --out model.bin")]
pub struct Export {
    /// The directory of the run
    run: PathBuf,
    /// Where to write the model file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Calibrate again, on the images of the run [default: write the model of the run]
    #[arg(long, value_enum, value_name = "METHOD")]
    calibration: Option<CalibrationName>,
    #[command(flatten)]
    reject: RejectFlags,
    #[command(flatten)]
    budget: BudgetFlags,
    /// Directory of the images or IDX files that the run was trained on; for an imported run, any images of its classes
    /// [default: found as fit finds it]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Export {
    /// Quantizes the run's weights, with its own ranges: the same bytes that the run itself wrote; or with others.
    pub fn run(self) -> Result<()> {
        // Without another calibration it is the run's own model, which may have been lost.
        let run = self.calibration.is_none().then_some(&*self.run);
        destination::check(
            Output { flag: "--out", path: &self.out, content: Content::Model, run },
            self.data.as_deref(),
        )?;
        // A training that ends in between would give this the weights of one moment and the calibration of another. Where
        // nothing can be written nobody writes.
        let _lock = match RunDirectory::open_to_write(&self.run) {
            Err(error @ RunError::InUse { .. }) => return Err(error.into()),
            locked => locked.ok(),
        };
        let config = RunDirectory::open(&self.run).read_config()?;
        if let Some(data) = &config.data_dir {
            destination::check_data("--out", &self.out, data)?;
        }
        let rejection = self.reject.rejection()?;
        let is_calibrated = !config.calibration.is_empty();
        // An int8 network that was imported has its own codes, and no calibration.
        let has_own_codes = config.imported.is_some() && RunDirectory::open(&self.run).model().exists();
        if self.data.is_some()
            && self.calibration.is_none()
            && rejection.is_none()
            && (is_calibrated || config.imported.is_none() || has_own_codes)
        {
            return Err(Usage::error(anyhow!(
                "--data is for --calibration and --reject-at: without these export writes the run's own model"
            )));
        }
        let bytes = match self.calibration {
            None if is_calibrated || config.imported.is_none() => {
                let (config, model) = RunDirectory::open(&self.run).load()?;
                if !is_calibrated {
                    bail!("{} has not been calibrated; give --calibration auto", self.run.display());
                }
                let quantized = QuantizedModel::new(&model, &config.calibration)?;
                let config = match &rejection {
                    Some(_) => self.deciding(&config, &quantized, rejection.as_ref(), None)?,
                    None => config,
                };
                self.written(&config, &quantized)?
            }
            None if has_own_codes && rejection.is_none() => self.as_imported()?,
            None if has_own_codes => bail!(
                "{} has the model file that was imported, as it is, without a threshold; give --calibration auto as well, which \
                 calibrates its weights",
                self.run.display()
            ),
            calibration => self.calibrated(calibration.unwrap_or_default(), rejection.as_ref())?,
        };
        write_whole(&self.out, &bytes)?;
        let header = infer_core::Header::parse(&bytes)?;
        self.print(&format!(
            "exported   {}: {} bytes of flash, {} bytes of arena",
            self.out.display(),
            thousands(bytes.len()),
            thousands(header.arena_len as usize)
        ))
    }

    /// Prints a line, but not into the pipe that the model may go into.
    fn print(&self, line: &str) -> Result<()> {
        if is_stream(&self.out) {
            print_message(line);
        } else {
            print_line!("{line}");
        }
        Ok(())
    }

    /// The model file of an int8 network: its own numbers, which the run has in no other form.
    fn as_imported(&self) -> Result<Vec<u8>> {
        if self.budget.target().is_some() || self.budget.layout().is_some() {
            bail!(
                "{} has the model file that was imported, as it is; trainer import FILE --export, with the same flags, writes it for a \
                 chip or in another layout",
                self.run.display()
            );
        }
        Ok(RunDirectory::open(&self.run).read_model()?)
    }

    /// The model file with a calibration of today. The run stays as it is.
    fn calibrated(&self, calibration: CalibrationName, rejection: Option<&Rejection>) -> Result<Vec<u8>> {
        let (mut config, model) = RunDirectory::open(&self.run).load()?;
        let dataset = run_data::load(&self.run, &config, self.data.as_deref(), None, false)?;
        let judged = dataset.with_validation();
        let Chosen { quantized, choice, .. } =
            choose(&model, &judged.train, &judged.validation, config.seed, calibration.methods())?;
        self.print(&choice.on(config.judged_on()))?;
        if let Some(imported) = &config.imported {
            if RunDirectory::open(&self.run).model().exists() {
                warn(
                    "NOTE: the codes of the imported file are replaced by calibrated ones, and its rounding by one rounding",
                );
            }
            if !imported.names_classes {
                config.class_names.clone_from(&dataset.class_names);
            }
            config.accuracies.float_test = Some(evaluate::float(&model, &dataset.test)?.score.accuracy as f32);
        }
        // The file states its own accuracy, so it is encoded once to be measured and once to be kept.
        let int8 = evaluate::int8(&config.encode(&quantized)?, &dataset.test)?;
        config.accuracies.set_int8(&int8, &dataset.test, &config.class_names);
        let config = self.deciding(&config, &quantized, rejection, Some(&dataset))?;
        self.written(&config, &quantized)
    }

    /// The configuration with the temperature, and the threshold if one is wanted, that `quantized` has by the validation images, or the
    /// run by its folds.
    fn deciding(
        &self,
        config: &RunConfig,
        quantized: &QuantizedModel,
        rejection: Option<&Rejection>,
        dataset: Option<&Dataset>,
    ) -> Result<RunConfig> {
        let loaded;
        let dataset = match dataset {
            Some(dataset) => dataset,
            None => {
                loaded = run_data::load(&self.run, config, self.data.as_deref(), None, false)?;
                &loaded
            }
        };
        let conversion = config.preprocessing.conversion(config.input)?;
        // Chosen for another target only where one is given; otherwise for that of the run.
        let rejection = rejection.or(config.rejection.as_ref());
        let unknown = reject::unknown_of(rejection, &conversion, dataset)?;
        let out_of_fold = RunDirectory::open(&self.run).out_of_fold_of(config, dataset)?;
        let draft = RunConfig { decision: Decision::default(), ..config.clone() }.encode(quantized)?;
        let confidence = Confidence::settle(&draft, dataset, out_of_fold.as_ref(), rejection, unknown.as_ref())?;
        match confidence.unreachable {
            Some(unreachable) if self.reject.reject_at.is_some() => return Err(unreachable.into()),
            Some(unreachable) => warn(&format!("NOTE: the model has no threshold: {unreachable}")),
            None => {}
        }
        for line in reject::lines(&confidence.metrics) {
            self.print(&line)?;
        }
        Ok(RunConfig { decision: confidence.decision, ..config.clone() })
    }

    /// The model file as the flags want it, which are the run's own where they are not given.
    fn written(&self, config: &RunConfig, quantized: &QuantizedModel) -> Result<Vec<u8>> {
        let mut config = config.clone();
        if let Some(target) = self.budget.target() {
            config.target = Some(target);
            config.layout = LayoutChoice::Auto;
        }
        config.layout = self.budget.layout().unwrap_or(config.layout);
        let bytes = config.encode(quantized)?;
        self.budget.check(&config.architecture()?, &config, Instead::Layout, &Console::quiet())?;
        Ok(bytes)
    }
}
