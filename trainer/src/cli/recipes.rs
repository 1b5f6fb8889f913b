//! `trainer recipes`

use std::io::Write;

use anyhow::{Result, anyhow};
use trainer::train::recipe::Recipe;

use super::named::{RECIPES, is_path, named_or_file};
use super::output::{print_file, print_line};
use crate::Usage;

/// List the built-in recipes, print the TOML file of one, or check a file of your own.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer recipes
  trainer recipes strong > mine.toml   # a beginning for a recipe of your own: fit --recipe ./mine.toml
  trainer recipes ./mine.toml          # whether fit takes it, and all of its numbers")]
pub struct Recipes {
    /// Recipe whose file to print; a name with a dot or a slash is a file of your own
    #[arg(value_parser = RECIPES, hide_possible_values = true)]
    name: Option<String>,
}

impl Recipes {
    /// Prints a list, a file, or all numbers of a file.
    pub fn run(self) -> Result<()> {
        match self.name.as_deref() {
            Some(path) if is_path(path) => {
                let recipe = named_or_file("recipe", path, Recipe::built_in, Recipe::from_toml)?;
                recipe.check_all().map_err(|error| Usage::error(anyhow!("{path}: {error}")))?;
                for line in toml::to_string(&recipe)?.lines() {
                    print_line!("{line}");
                }
            }
            Some(name) => print_file(Recipe::built_in_file(name).map_err(Usage::error)?)?,
            None => {
                for (name, text) in Recipe::built_in_files() {
                    let recipe = Recipe::from_toml(text)?;
                    print_line!("{name:<10} {}", recipe.description);
                    let length = match recipe.least_steps {
                        0 => format!("at most {} epochs", recipe.epochs),
                        steps => format!("at least {} epochs and {steps} steps", recipe.epochs),
                    };
                    let Recipe { batch_size, learning_rate, .. } = recipe;
                    print_line!("{:<10} {length} of batches of {batch_size}, learning rate {learning_rate}", "");
                    let overrides: Vec<&str> = recipe.overrides.keys().map(String::as_str).collect();
                    if !overrides.is_empty() {
                        print_line!("{:<10} with overrides for {}", "", overrides.join(", "));
                    }
                }
            }
        }
        Ok(())
    }
}
