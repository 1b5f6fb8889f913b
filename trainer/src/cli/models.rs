//! `trainer models`

use std::io::Write;

use anyhow::Result;
use trainer::architecture::{Architecture, thousands};

use super::output::say;
use crate::Usage;

/// List the built-in networks, or print the TOML file of one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer models
  trainer models small > mine.toml     # a beginning for a network of your own: fit --model ./mine.toml")]
pub struct Models {
    /// Print the file of this one
    name: Option<String>,
}

impl Models {
    /// Prints a list or a file.
    pub fn run(self) -> Result<()> {
        if let Some(name) = &self.name {
            write!(std::io::stdout(), "{}", Architecture::built_in_file(name).map_err(Usage::error)?)?;
            return Ok(());
        }
        for (name, text) in Architecture::built_in_files() {
            let architecture = Architecture::from_toml(text)?;
            say!(
                "{name:<6} {:>9} parameters {:>12} multiply-accumulates",
                thousands(architecture.parameters()),
                thousands(architecture.macs())
            );
            for shaped in &architecture.layers {
                say!("         {}", shaped.layer);
            }
        }
        Ok(())
    }
}
