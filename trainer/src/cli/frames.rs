//! `trainer frames model.bin`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use trainer::dataset::tested::{Selection, Tested};
use trainer::export::{frames, model_file};
use trainer::support::text::thousands;
use trainer::support::whole_file::{directory_of, is_stream, replace_whole, write_whole};

use super::data::TestData;
use super::destination::{Content, Output};
use super::output::{print_line, print_message, warn};
use super::values::at_least_one;

/// Write test images as inputs of a model, for firmware to classify.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer frames birds.bin --data birds
  trainer frames birds.bin --data new-birds --all --count 20 --out new.frames

firmware-example shows the answers of a model to them:
  cd firmware-example && THIMBLE_MODEL=../birds.bin THIMBLE_FRAMES=../new.frames cargo run --release")]
pub struct Frames {
    /// The model file
    model: PathBuf,
    #[command(flatten)]
    data: TestData,
    /// Number of images, taking the classes in turn
    #[arg(long, default_value_t = frames::IN_A_RUN, value_name = "N", value_parser = at_least_one)]
    count: usize,
    /// File to write [default: frames.bin in the directory of the model, where the firmware reads it]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Frames {
    /// Takes the test images through the model's own preprocessing, and writes some as frames.
    pub fn run(self) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| self.model.with_file_name(frames::FILE));
        let run = directory_of(&self.model);
        let output = |flag| Some(Output { flag, path: &out, content: Content::Frames, run: Some(run) });
        match self.out {
            Some(_) => self.data.check_outputs(&self.model, output("--out"))?,
            // It is replaced, and not what it points to.
            None if out.is_symlink() => self.data.check_outputs(&self.model, None)?,
            None => self.data.check_outputs(&self.model, output(""))?,
        }
        let path = self.model.display().to_string();
        let bytes = model_file::read(&self.model).with_context(|| path.clone())?;
        let mut arena = model_file::arena(&bytes).with_context(|| path.clone())?;
        let network = infer_core::Network::new(&bytes, &mut arena).with_context(|| path.clone())?;
        let loaded = self.data.load(&self.model, &network.metadata(), &network.input())?.loaded;
        let dataset = &loaded.dataset;
        if dataset.test.is_empty() {
            bail!("{} has no test images; add some, or give --all", dataset.name);
        }
        let chosen = frames::choose(&dataset.test, frames::at_most(self.count, dataset.test.shape()));
        if chosen.len() == dataset.test.len() && chosen.len() < self.count {
            let advice = match &loaded.tested {
                Some(Tested { selection: Selection::HeldOut, .. }) => " that were held out; --all takes the others too",
                _ => "",
            };
            warn(&format!(
                "NOTE: {} frames instead of {}: there are no more test images of {}{advice}",
                chosen.len(),
                self.count,
                dataset.name
            ));
        } else if chosen.len() < self.count {
            warn(&format!(
                "NOTE: {} frames instead of {}: with more of {} the file would be over {} MB",
                chosen.len(),
                self.count,
                dataset.test.shape(),
                frames::MOST_BYTES >> 20
            ));
        }
        let file = frames::encode(&dataset.test, &chosen)?;
        // Beside a model may be a run, and what a run holds does not choose another file to be written.
        let write = if self.out.is_some() { write_whole } else { replace_whole };
        write(&out, &file)?;
        let line = format!(
            "wrote      {}: {} test images of {}, {} bytes",
            out.display(),
            chosen.len(),
            dataset.test.shape(),
            thousands(file.len())
        );
        // Not into the pipe that the frames may go into.
        if is_stream(&out) {
            print_message(&line);
        } else {
            print_line!("{line}");
        }
        Ok(())
    }
}
