//! `trainer export RUN --out model.bin`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use trainer::model_file::write_whole;
use trainer::run::RunDirectory;

use super::output::say;

/// Export the model of an earlier run, without training again.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainer export runs/cnn-fashion-mnist-48-1 --out model.bin")]
pub struct Export {
    /// The directory of the run
    run: PathBuf,
    /// Where to write the model file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Export {
    /// Quantizes the run's weights with its own ranges: the same bytes that the run itself wrote.
    pub fn run(self) -> Result<()> {
        let bytes = RunDirectory::open(&self.run).export()?;
        write_whole(&self.out, &bytes)?;
        let header = infer_core::Header::parse(&bytes)?;
        say!(
            "exported   {}: {} bytes of flash, {} bytes of arena",
            self.out.display(),
            trainer::architecture::thousands(bytes.len()),
            trainer::architecture::thousands(header.arena_len as usize)
        );
        Ok(())
    }
}
