//! `trainer search conv --chip nrf52840`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use serde::Serialize;
use trainer::dataset::Dataset;
use trainer::dataset::held_out::SplitRule;
use trainer::network::Template;
use trainer::run::RUNS;
use trainer::search::{DataFacts, Limits, Parameter, Space};

use super::budget::BudgetFlags;
use super::console::Console;
use super::data::{TrainingData, ValidationSplit};
use super::named::{SPACES, named_or_file};
use super::output::print_line;
use super::search_study::{self, StudyFlags, Subject};
use super::teacher::Teachers;
use super::values::{bytes, fraction, number};
use crate::Usage;

/// What validation images are drawn from: the same for all trials, whatever their seeds, and as `fit` draws them by default.
const SPLIT_SEED: u64 = 48;

/// Find the networks and recipes of a space that do best within a chip's budget.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer search conv --describe
  trainer search ./mine.toml --trial candidate.json --data birds --chip nrf52840 --out runs/candidate
  trainer search conv --data birds --chip nrf52840 --storage postgresql://user@host/searches --study birds")]
pub struct Search {
    /// Space to choose from: conv, separable, residual, or a TOML file
    #[arg(value_name = "SPACE", value_parser = SPACES, hide_possible_values = true)]
    space: String,
    #[command(flatten)]
    pub data: TrainingData,
    #[command(flatten)]
    pub limits: LimitFlags,
    /// Learn from the network of an earlier run too, a larger one. May be repeated: the mean of all teachers counts
    #[arg(long, value_name = "RUN")]
    pub teacher: Vec<PathBuf>,
    /// Share of the training images held out for validation, between 0 and 1 [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = fraction, conflicts_with = "teacher")]
    val_fraction: Option<f64>,
    /// Directory for the results; it must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the parameters of the space as JSON, and with --data or --dataset what is known of the images, and end
    #[arg(long, conflicts_with = "trial")]
    describe: bool,
    /// Train one candidate, whose values, seed and epochs are in this JSON file, and print a line of JSON for each epoch
    #[arg(long, value_name = "FILE", requires = "out")]
    pub trial: Option<PathBuf>,
    /// With --trial: end at once when standard input closes, as it does when the process that began this one ends
    #[arg(long, requires = "trial")]
    pub attached: bool,
    #[command(flatten)]
    study: StudyFlags,
}

/// What a network may take, the limits that only a search has among them.
#[derive(clap::Args)]
pub struct LimitFlags {
    #[command(flatten)]
    budget: BudgetFlags,
    /// The model file alone, such as 64K
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_model: Option<usize>,
    /// Estimated time of an inference at worst, such as 150ms or 2s, on the chip, or else on an M4F at 64 MHz
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    max_time: Option<f64>,
}

fn size(text: &str) -> Result<usize, String> {
    bytes(text, "65536, 64K or 1M")
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

/// What `--describe` prints.
#[derive(Serialize)]
struct Description<'a> {
    fingerprint: String,
    parameters: &'a [Parameter],
    /// What a trial reports that a search can be about, the first of which is to be large, and the others small.
    objectives: [&'static str; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<DataFacts>,
}

impl Search {
    /// Does one of the things that a search is made of.
    pub fn run(self) -> Result<()> {
        let space = self.space()?;
        match &self.trial {
            None if self.describe => self.print_description(&space),
            Some(_) => super::search_trial::run(self, &space),
            None if let Some(storage) = &self.study.storage => {
                let subject = Subject {
                    space: &space,
                    facts: &|| self.facts(&space),
                    limits: self.limits.limits(),
                    teachers: &self.teacher,
                    out: self.out.as_deref(),
                };
                search_study::run(&self.study, storage, &subject)
            }
            None => Err(Usage::error(anyhow!("give --describe or --trial"))),
        }
    }

    /// The space, without what only a teacher gives a meaning where there is none.
    fn space(&self) -> Result<Space> {
        let space = named_or_file("space", &self.space, Space::ready, Space::from_toml)?;
        if space.least_input().is_some() && self.data.input().is_some() {
            return Err(Usage::error(anyhow!(
                "space {} decides the input: leave --input out, or [input] of the space",
                space.name
            )));
        }
        Ok(if self.teacher.is_empty() { space.without_teacher() } else { space })
    }

    fn print_description(self, space: &Space) -> Result<()> {
        let data = self.data.is_given().then(|| self.facts(space)).transpose()?;
        let objectives = ["accuracy", "flash", "ram", "milliseconds"];
        let description =
            Description { fingerprint: space.fingerprint(), parameters: space.parameters(), objectives, data };
        print_line!("{}", serde_json::to_string_pretty(&description)?);
        Ok(())
    }

    /// What is known of the images, with the smallest input where the space decides it.
    fn facts(&self, space: &Space) -> Result<DataFacts> {
        let conversion = space.least_conversion()?;
        let teachers = Teachers::open(&self.teacher)?;
        let anything = "name = \"any\"\ninput = [1, 1, 1]\nlayers = [{ dense = {} }]";
        let template = |_| Ok(Template::from_toml(anything)?);
        let data = self.data.clone();
        let data = conversion.map_or(data.clone(), |conversion| data.with_conversion(&conversion));
        Ok(DataFacts::of(&self.load(&data, template, teachers.as_ref())?)?)
    }

    /// The images of a trial.
    pub fn load(
        &self,
        data: &TrainingData,
        template: impl FnOnce(infer_core::Shape) -> Result<Template>,
        teachers: Option<&Teachers>,
    ) -> Result<Dataset> {
        let console = Console::quiet();
        let skipped = data.unreadable.look(data.data.as_deref(), None, true)?;
        let runs = self.out.as_deref().map_or(std::path::Path::new(RUNS), trainer::support::whole_file::directory_of);
        Ok(data.load(template, None, &self.split(teachers), runs, &skipped, &console)?.0)
    }

    /// How validation images are held out.
    pub fn split(&self, teachers: Option<&Teachers>) -> ValidationSplit {
        let own = ValidationSplit {
            fraction: self.val_fraction.unwrap_or(0.05),
            is_stated: self.val_fraction.is_some(),
            seed: SPLIT_SEED,
            rule: SplitRule::ByContent,
            is_by_folds: false,
        };
        teachers.map_or(own, Teachers::split)
    }
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
