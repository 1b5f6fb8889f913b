//! `trainer export RUN --out model.bin`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use trainer::export::layout::LayoutChoice;
use trainer::quantize::QuantizedModel;
use trainer::quantize::choose::{Chosen, choose};
use trainer::run::{RunConfig, RunDirectory, RunError};
use trainer::support::text::thousands;
use trainer::support::whole_file::{is_stream, write_whole};
use trainer::train::evaluate;

use super::budget::BudgetFlags;
use super::calibration::CalibrationName;
use super::console::Console;
use super::destination::{self, Content, Output};
use super::output::{print_line, print_message};
use super::run_data;

/// Export the model of an earlier run, without training again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer export runs/cnn-fashion-mnist-48-1 --out model.bin
  trainer export runs/cnn-fashion-mnist-48-1 --calibration error --out model.bin
  trainer export runs/small-fashion-mnist-48-1 --layout fast --out model.bin")]
pub struct Export {
    /// The directory of the run
    run: PathBuf,
    /// Where to write the model file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Calibrate again, on the images of the run; without this the file is the run's own
    #[arg(long, value_enum, value_name = "METHOD")]
    calibration: Option<CalibrationName>,
    #[command(flatten)]
    budget: BudgetFlags,
    /// Directory of the images or IDX files that the run was trained on [default: found as fit finds it]
    #[arg(long, value_name = "DIR", requires = "calibration")]
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
        if let Some(data) = RunDirectory::open(&self.run).read_config()?.data_dir {
            destination::check_data("--out", &self.out, &data)?;
        }
        let bytes = match self.calibration {
            None => {
                let (config, model) = RunDirectory::open(&self.run).load()?;
                if config.calibration.is_empty() {
                    bail!(
                        "{} has not been calibrated, as a run of an imported network without --data; give --calibration auto and --data DIR",
                        self.run.display()
                    );
                }
                self.written(&config, &QuantizedModel::new(&model, &config.calibration)?)?
            }
            Some(calibration) => self.calibrated(calibration)?,
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

    /// The model file with a calibration of today. The run stays as it is.
    fn calibrated(&self, calibration: CalibrationName) -> Result<Vec<u8>> {
        let (mut config, model) = RunDirectory::open(&self.run).load()?;
        let dataset = run_data::load(&self.run, &config, self.data.as_deref(), None, false)?;
        let Chosen { quantized, choice, .. } =
            choose(&model, &dataset.train, &dataset.validation, config.seed, calibration.methods())?;
        self.print(&choice.to_string())?;
        // The file states its own accuracy, so it is encoded once to be measured and once to be kept.
        let int8 = evaluate::int8(&config.encode(&quantized)?, &dataset.test)?;
        config.accuracies.int8_test = Some(int8.score.accuracy as f32);
        self.written(&config, &quantized)
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
        self.budget.check(&config.architecture()?, &config, &Console::quiet())?;
        Ok(bytes)
    }
}
