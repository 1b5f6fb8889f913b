//! What a search and its trials are about: images, limits, teachers.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use infer_core::Shape;
use trainer::dataset::Dataset;
use trainer::dataset::held_out::SplitRule;
use trainer::network::Template;
use trainer::search::{DataFacts, Limits, Space};
use trainer::support::text::thousands;

use super::budget::{BudgetFlags, size};
use super::console::Console;
use super::data::{TrainingData, ValidationSplit};
use super::teacher::Teachers;
use super::values::{fraction, number};
use crate::Usage;

/// What validation images are drawn from: the same for all trials, whatever their seeds, and as `fit` draws them by default.
const SPLIT_SEED: u64 = 48;

/// What trials are trained on and by, and within what.
#[derive(clap::Args)]
pub struct SearchInput {
    #[command(flatten)]
    pub data: TrainingData,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Also learn from the larger network of an earlier run. May be repeated: the mean of all teachers is used
    #[arg(long, value_name = "RUN")]
    pub teacher: Vec<PathBuf>,
    /// Share of the training images held out for validation, between 0 and 1 [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = fraction, conflicts_with = "teacher")]
    val_fraction: Option<f64>,
}

/// What a network may take, the limits that only a search has among them.
#[derive(clap::Args)]
pub struct LimitFlags {
    #[command(flatten)]
    budget: BudgetFlags,
    /// Size of the model file alone, such as 64K
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_model: Option<usize>,
    /// Upper end of the estimated time of an inference, such as 150ms or 2s, on the chip, or on an M4F at 64 MHz without one
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    max_time: Option<f64>,
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let (digits, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1.0),
        (None, Some(digits)) => (digits, 1e3),
        (None, None) => (text, 1.0),
    };
    let time = number(digits.trim_end()).ok().map(|time| factor * time);
    time.filter(|&time| time > 0.0 && time.is_finite())
        .ok_or_else(|| "it must be a time over 0, such as 150ms or 2s".to_owned())
}

impl LimitFlags {
    /// What was requested.
    pub fn limits(&self) -> Limits {
        let Self { budget, max_model, max_time } = self;
        Limits { target: budget.target(), model: *max_model, milliseconds: *max_time, layout: budget.layout() }
    }
}

impl SearchInput {
    /// What is known of the images, with the smallest input where the space decides it.
    pub fn facts(&self, space: &Space, runs: &Path) -> Result<DataFacts> {
        let conversion = space.least_conversion()?;
        let teachers = Teachers::open(&self.teacher)?;
        let anything = "name = \"any\"\ninput = [1, 1, 1]\nlayers = [{ dense = {} }]";
        let template = |_| Ok(Template::from_toml(anything)?);
        let data = self.data.clone();
        let data = conversion.map_or(data.clone(), |conversion| data.with_conversion(&conversion));
        let dataset = self.load(&data, template, teachers.as_ref(), runs)?;
        if let Some(teachers) = &teachers {
            teachers.check(&dataset)?;
        }
        Ok(DataFacts::of(&dataset)?)
    }

    /// The images of a trial.
    pub fn load(
        &self,
        data: &TrainingData,
        template: impl FnOnce(Shape) -> Result<Template>,
        teachers: Option<&Teachers>,
        runs: &Path,
    ) -> Result<Dataset> {
        let console = Console::quiet();
        let skipped = data.unreadable.look(data.data.as_deref(), None, true)?;
        Ok(data.load(template, None, &self.split(teachers), runs, &skipped, &console)?.0)
    }

    /// Those of a search that was begun with these [words](Self::words).
    pub fn of_words(words: &[String]) -> Result<Self> {
        let command = Self::augment_args(Command::new("search").no_binary_name(true));
        Ok(Self::from_arg_matches(&command.try_get_matches_from(words)?)?)
    }

    /// How validation images are held out.
    pub fn split(&self, teachers: Option<&Teachers>) -> ValidationSplit {
        let own = ValidationSplit {
            fraction: self.val_fraction.unwrap_or(0.05),
            stated_by: self.val_fraction.map(|_| "--val-fraction").into_iter().collect(),
            seed: SPLIT_SEED,
            rule: SplitRule::ByContent,
            is_by_folds: false,
        };
        teachers.map_or(own, Teachers::split)
    }

    /// The words of the command line about these, with paths in full: for the processes of trials, and for `fit`.
    pub fn words(matches: &ArgMatches) -> Result<Vec<String>> {
        let mut words = Vec::new();
        let command = Self::augment_args(Command::new("input"));
        for argument in command.get_arguments() {
            let (id, Some(long)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
            // The list is written once, when the images are looked at first.
            if id == "list_unreadable" || matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            if !argument.get_action().takes_values() {
                words.push(format!("--{long}"));
                continue;
            }
            for raw in matches.get_raw(id).into_iter().flatten() {
                let is_path = ["data", "teacher"].contains(&id);
                let value = if is_path { std::path::absolute(raw)?.into_os_string() } else { raw.to_owned() };
                let value = value.into_string().map_err(|value| {
                    Usage::error(anyhow!("{value:?}: the files of a search can name only paths in UTF-8; rename it"))
                })?;
                words.push(format!("--{long}={value}"));
            }
        }
        Ok(words)
    }
}

/// Refuses images that are not those which were described when a search began.
pub fn check_images(described: &DataFacts, loaded: &DataFacts) -> Result<()> {
    if (&described.classes, &described.sha256) != (&loaded.classes, &loaded.sha256) {
        return Err(other_images(described, loaded));
    }
    Ok(())
}

/// The error where images are not those that were described.
pub fn other_images(described: &DataFacts, loaded: &DataFacts) -> anyhow::Error {
    let about = |facts: &DataFacts| {
        let DataFacts { name, classes, training_images, sha256, .. } = facts;
        let beginning: String = sha256.chars().take(8).collect();
        format!(
            "{name}, {} classes, {} training images, sha256 {beginning}...",
            classes.len(),
            thousands(*training_images)
        )
    };
    anyhow!(
        "the images are not those that were described: {}, and here is {}; the same images, split and scaled in the same way, have the same \
         sha256",
        about(described),
        about(loaded)
    )
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn times_are_milliseconds_unless_they_say_otherwise() {
        for (text, expected) in [("150", 150.0), ("150ms", 150.0), ("0.5 ms", 0.5), ("2s", 2000.0)] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        for wrong in ["", "0", "-1", "ms", "inf", "1m", "nan"] {
            assert_eq!(milliseconds(wrong), Err("it must be a time over 0, such as 150ms or 2s".to_owned()), "{wrong}");
        }
    }
}
