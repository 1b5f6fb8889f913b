//! `trainer models`

use std::io::Write;

use anyhow::{Result, anyhow};
use trainer::network::{Architecture, Template};
use trainer::support::text::thousands;

use super::named::{MODELS, is_path, named_or_file};
use super::output::{print_file, print_line};
use crate::Usage;

/// List the built-in networks, print the TOML file of one, or check a file of your own.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer models
  trainer models small > mine.toml     # a beginning for a network of your own: fit --model ./mine.toml
  trainer models ./mine.toml           # its layers, shapes and weights, or what is wrong with it")]
pub struct Models {
    /// Network whose file to print; a name with a dot or a slash is a file of your own
    #[arg(value_parser = MODELS, hide_possible_values = true)]
    name: Option<String>,
}

impl Models {
    /// Prints a list, a file, or the table of a file.
    pub fn run(self) -> Result<()> {
        match self.name.as_deref() {
            Some(path) if is_path(path) => {
                let template = named_or_file("model", path, Template::built_in, Template::from_toml)?;
                let architecture = template.example().map_err(|error| Usage::error(anyhow!("{path}: {error}")))?;
                for line in architecture.to_string().lines() {
                    print_line!("{line}");
                }
                print_line!("\n{}; fit takes both from the data", counted(&architecture));
            }
            Some(name) => print_file(Template::built_in_file(name).map_err(Usage::error)?)?,
            None => {
                for (name, _) in Template::built_in_files() {
                    let architecture = Architecture::built_in(name)?;
                    print_line!(
                        "{name:<10} {:>9} parameters {:>12} multiply-accumulates for images of {}",
                        thousands(architecture.parameters()),
                        thousands(architecture.macs()),
                        architecture.input
                    );
                    for shaped in &architecture.layers {
                        print_line!("         {}", shaped.layer);
                    }
                }
                print_line!("\nCounted for 10 classes; fit takes the shape of images and the classes from the data.");
            }
        }
        Ok(())
    }
}

/// What the numbers of a table are for.
fn counted(architecture: &Architecture) -> String {
    format!(
        "{} multiply-accumulates, for images of {} and {} classes",
        thousands(architecture.macs()),
        architecture.input,
        architecture.classes()
    )
}
