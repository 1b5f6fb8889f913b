//! `trainer search conv --chip nrf52840`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Arg, Args};
use infer_core::Shape;
use serde::Serialize;
use trainer::run::{RUNS, RunDirectory};
use trainer::search::engine::Ended;
use trainer::search::optuna::Sampler as OptunaSampler;
use trainer::search::record::{SearchRecord, Settings};
use trainer::search::smallest::{self, smallest};
use trainer::search::{DataFacts, Halving, Objective, Parameter, SamplerKind, Space, SpaceError};
use trainer::support::whole_file::directory_of;

use super::console::{Console, console_line};
use super::named::{SPACES, named_or_file};
use super::output::{print_file, print_json, warn};
use super::search_input::{SearchInput, check_images};
use super::search_run::Extent;
use super::search_study::{self, StudyFlags, Subject};
use super::values::{at_least_one, number, whole};
use super::{destination, search_final, search_results, search_run, search_trial};
use crate::Usage;

/// Find the best networks and recipes of a space within a chip's budget.
#[derive(clap::Args)]
#[command(mut_args = of_new_searches, after_help = "Examples:
  trainer search conv --chip nrf52840 --max-model 64K --trials 100
  trainer search conv --data birds --input 32x32x3 --max-ram 32K --out runs/birds-search
  trainer search residual --objectives accuracy,flash --hours 8 --workers 4
  trainer search --resume runs/birds-search --trials 200 --final 3
  trainer search --show runs/birds-search
  trainer search ./mine.toml --describe
  trainer search conv --data birds --chip nrf52840 --storage postgresql://user@host/searches --study birds")]
pub struct Search {
    /// Space to choose from: conv, separable, residual, or a TOML file (docs/search.md)
    #[arg(value_name = "SPACE", value_parser = SPACES, hide_possible_values = true)]
    space: Option<String>,
    #[command(flatten)]
    input: SearchInput,
    /// Directory for the search; it must be new or empty [default: runs/search-SPACE-DATASET-SEED-N]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of candidates to train, including those that end early; candidates that do not fit do not count
    /// [default: 50; with --resume as many as before]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    trials: Option<usize>,
    /// Hours after which no further trial begins
    #[arg(long, value_name = "H", value_parser = hours)]
    hours: Option<f64>,
    /// Epochs of a trial, without those of quantization-aware training
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = at_least_one)]
    epochs: usize,
    /// Number of parallel trials, each with its share of the cores and its own copy of the images [default: the number of cores, at most 8]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    workers: Option<usize>,
    /// How candidates are chosen: tpe, by the results of earlier ones; random; with --storage also nsga2
    #[arg(long, value_enum, default_value_t, value_name = "SAMPLER")]
    sampler: SamplerName,
    /// What to optimize, one or several: accuracy, flash, ram, time
    #[arg(long, value_enum, value_delimiter = ',', default_value = "accuracy", value_name = "LIST")]
    objectives: Vec<ObjectiveName>,
    /// Train every candidate to the end, not only the best third after a ninth and a third of the epochs
    #[arg(long)]
    no_halving: bool,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 48, value_name = "N", value_parser = whole::<u64>)]
    seed: u64,
    /// Then train the best N to the end with fit, with the epochs of the recipe that the space is based on, and export them
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    r#final: Option<usize>,
    /// Epochs of these trainings [default: those of the recipe, twice as many with a teacher]
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "final")]
    final_epochs: Option<usize>,
    /// Resume a search with its settings; --trials, --hours, --workers and --final may be given again
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Print the results of a search again, and write its page again
    #[arg(long, value_name = "DIR", exclusive = true)]
    show: Option<PathBuf>,
    /// Only print the parameters of the space as JSON, and with --data or --dataset a description of the images
    #[arg(long, conflicts_with = "trial")]
    describe: bool,
    /// Only print the file of the space, to start your own from
    #[arg(long, conflicts_with_all = ["trial", "describe"])]
    print: bool,
    /// Train one candidate, with the values, seed and epochs in this JSON file, and print a line of JSON for each epoch
    #[arg(long, value_name = "FILE", requires = "out")]
    trial: Option<PathBuf>,
    /// With --trial: end at once when standard input closes, as it does when the parent process ends
    #[arg(long, requires = "trial")]
    attached: bool,
    #[command(flatten)]
    study: StudyFlags,
    /// Print nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

/// Trials of a search where their number is not given.
const TRIALS: usize = 50;

/// Validation images under which the best of some tens of candidates is decided by chance: the accuracy of a candidate that is right three
/// times in four varies by three points and more from one draw of them to another.
const FEW_IMAGES: usize = 200;

/// The flags that a search which is resumed takes. All others were settled when it began.
const WITH_RESUME: [&str; 7] = ["resume", "trials", "hours", "workers", "final", "final_epochs", "quiet"];

/// The same flag, excluded by `--resume` unless that takes it.
fn of_new_searches(flag: Arg) -> Arg {
    if WITH_RESUME.contains(&flag.get_id().as_str()) { flag } else { flag.conflicts_with("resume") }
}

/// How candidates are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum SamplerName {
    /// A tree-structured Parzen estimator
    #[default]
    Tpe,
    /// Evenly: a baseline
    Random,
    /// A genetic algorithm, for several objectives and many trials; with --storage
    Nsga2,
}

/// What is to be best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ObjectiveName {
    /// Validation accuracy
    Accuracy,
    /// Bytes of flash
    Flash,
    /// Bytes of RAM
    Ram,
    /// Estimated time of an inference
    Time,
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = number(text)?;
    if hours > 0.0 && hours.is_finite() { Ok(hours) } else { Err("it must be a number over 0, such as 1.5".to_owned()) }
}

impl From<ObjectiveName> for Objective {
    fn from(name: ObjectiveName) -> Self {
        match name {
            ObjectiveName::Accuracy => Self::Accuracy,
            ObjectiveName::Flash => Self::Flash,
            ObjectiveName::Ram => Self::Ram,
            ObjectiveName::Time => Self::Time,
        }
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
        if let Some(directory) = &self.show {
            let console = self.console();
            search_results::print(&SearchRecord::read(directory)?, &console)?;
            return console.close().context("standard output");
        }
        if let Some(directory) = &self.resume {
            // Before anything is written there.
            let SearchRecord { settings, space, .. } = SearchRecord::read(directory)?;
            let facts = SearchInput::of_words(&settings.arguments)?.facts(&space, directory)?;
            check_images(&settings.facts, &facts)
                .with_context(|| format!("{} cannot be resumed", directory.display()))?;
            return self.search(directory);
        }
        let space = self.space()?;
        if self.print {
            return print_file(self.space_file()?);
        }
        match &self.trial {
            None if self.describe => self.print_description(&space),
            Some(trial) => {
                let out = self.out.as_deref().unwrap_or(Path::new(RUNS));
                search_trial::run(&self.input, &space, trial, out, self.attached)
            }
            None if let Some(storage) = &self.study.storage => self.take_part(storage, &space),
            None => {
                let directory = self.begin(&space)?;
                self.search(&directory)
            }
        }
    }

    fn console(&self) -> Console {
        if self.quiet { Console::quiet() } else { Console::text() }
    }

    /// Searches in a directory, and trains the best to the end.
    fn search(&self, directory: &Path) -> Result<()> {
        let extent = Extent { trials: self.trials, hours: self.hours, workers: self.workers };
        let console = self.console();
        let (record, ended) = search_run::run(directory, &extent, &console)?;
        if let Some(count) = self.r#final
            && ended != Ended::Interrupted
        {
            search_final::run(&record, count, self.final_epochs, &console)?;
        }
        console.close().context("standard output")
    }

    /// Takes part in a study that other machines may take part in too.
    fn take_part(&self, storage: &str, space: &Space) -> Result<()> {
        self.check(space)?;
        let extent = Extent { trials: self.trials, hours: self.hours, workers: self.workers };
        let subject = Subject {
            space,
            space_file: &self.space_file()?,
            facts: &|| self.input.facts(space, self.runs()),
            limits: self.input.limits.limits(),
            teachers: &self.input.teacher,
            objectives: self.objectives.iter().map(|&objective| objective.into()).collect(),
            sampler: match self.sampler {
                SamplerName::Tpe => OptunaSampler::Tpe,
                SamplerName::Random => OptunaSampler::Random,
                SamplerName::Nsga2 => OptunaSampler::Nsga2,
            },
            halving: (!self.no_halving).then(|| Halving::of(self.epochs)),
            seed: self.seed,
            epochs: self.epochs,
            trials: self.trials.unwrap_or(TRIALS),
            arguments: self.input_words()?,
            out: self.out.as_deref(),
        };
        search_study::run(&self.study, storage, &subject, &extent, &self.console())
    }

    /// Refuses what no search can begin with, as far as that is known without the images: to read them may take long.
    fn check(&self, space: &Space) -> Result<()> {
        if !self.objectives.contains(&ObjectiveName::Accuracy) {
            return Err(Usage::error(anyhow!(
                "--objectives: accuracy must be one of them; without it the smallest network would be best"
            )));
        }
        let objectives = &self.objectives;
        if objectives.iter().enumerate().any(|(index, objective)| objectives[..index].contains(objective)) {
            return Err(Usage::error(anyhow!("--objectives: an objective is given twice; remove one")));
        }
        let is_ready = self.space.as_deref().is_some_and(|space| Space::ready(space).is_ok());
        if self.input.data.data.is_some() && is_ready && space.mirrors() {
            warn(&format!(
                "NOTE: candidates of space {name} are trained on mirrored images too, which harms classes that have a left and a right \
                 (letters, digits, arrows): 'trainer search {name} --print > mine.toml', set flip = 0.0 there, and search ./mine.toml",
                name = space.name
            ));
        }
        if let Some(input) = space.least_input().or_else(|| self.input.data.likely_input()) {
            let limits = self.input.limits.limits();
            let least = smallest(space, &limits, &DataFacts::least(input))?;
            smallest::check(space, &limits, least.as_ref())?;
        }
        Ok(())
    }

    /// Writes down what a new search begins with; prints what it is about.
    fn begin(&self, space: &Space) -> Result<PathBuf> {
        let console = self.console();
        self.check(space)?;
        let sampler = match self.sampler {
            SamplerName::Tpe => SamplerKind::Tpe,
            SamplerName::Random => SamplerKind::Random,
            SamplerName::Nsga2 => {
                return Err(Usage::error(anyhow!("--sampler nsga2 is Optuna's: give --storage, or another sampler")));
            }
        };
        let limits = self.input.limits.limits();
        if let Some(out) = &self.out {
            let named = format!("--out {}", out.display());
            if let Some(data) = self.input.data.data.as_deref().filter(|data| destination::is_among_images(out, data)) {
                return Err(Usage::error(anyhow!(
                    "{named} is inside --data {}, among the images; name another",
                    data.display()
                )));
            }
            destination::check_directory(&named, out)?;
            if out.exists() && !RunDirectory::is_free(out)? {
                let resume = if SearchRecord::is_at(out) { ", or resume it with --resume" } else { "" };
                return Err(Usage::error(anyhow!("{named} exists already and is not empty; name another{resume}")));
            }
        }
        let facts = self.input.facts(space, self.runs())?;
        let least = smallest(space, &limits, &facts)?;
        smallest::check(space, &limits, least.as_ref())?;
        let settings = Settings {
            trainer: env!("CARGO_PKG_VERSION").to_owned(),
            space: self.space_file()?,
            fingerprint: space.fingerprint(),
            arguments: self.input_words()?,
            has_teacher: !self.input.teacher.is_empty(),
            objectives: self.objectives.iter().map(|&objective| objective.into()).collect(),
            sampler,
            halving: (!self.no_halving).then(|| Halving::of(self.epochs)),
            seed: self.seed,
            epochs: self.epochs,
            trials: self.trials.unwrap_or(TRIALS),
            limits,
            facts,
        };
        let name = format!("search-{}-{}-{}", space.name, settings.facts.name, self.seed);
        let directory = RunDirectory::create(self.out.as_deref(), &name)?;
        let path = directory.path().to_owned();
        if let Err(error) = SearchRecord::write_settings(&path, &settings) {
            directory.discard();
            return Err(error.into());
        }
        console_line!(console, "space      {}: {} parameters", space.name, space.parameters().len());
        let Shape { height, width, channels } = settings.facts.input;
        console_line!(
            console,
            "data       {} ({} classes), inputs of {height}x{width}x{channels}{}",
            settings.facts.name,
            settings.facts.classes.len(),
            if space.least_input().is_some() { " and other sizes" } else { "" }
        );
        let record = SearchRecord::read(&path)?;
        if !record.limits().is_empty() {
            console_line!(console, "within     {}", record.limits());
        }
        let images = record.settings.facts.validation_images;
        if images < FEW_IMAGES {
            warn(&format!(
                "NOTE: candidates are compared on only {images} validation images, which hardly distinguish good ones from others. With \
                 --val-fraction 0.3 there are more, unless the set has a part of its own for that."
            ));
        }
        console_line!(console, "search     {}", path.display());
        console_line!(console, "");
        Ok(path)
    }

    /// Where decoded images go that are too many for memory.
    fn runs(&self) -> &Path {
        self.out.as_deref().map_or(Path::new(RUNS), directory_of)
    }

    /// Words of the command line about images, limits and teachers, for the processes of trials and for `fit`.
    fn input_words(&self) -> Result<Vec<String>> {
        let command = Self::augment_args(clap::Command::new("search").no_binary_name(true));
        // The words that were parsed once already.
        let matches = command.try_get_matches_from(crate::words().into_iter().skip(2))?;
        SearchInput::words(&matches)
    }

    /// The name of the space, or the path of its file.
    fn space_name(&self) -> Result<&str> {
        self.space.as_deref().ok_or_else(|| {
            Usage::error(anyhow!(
                "name a space: conv, separable, residual, or a TOML file; --resume and --show take a search"
            ))
        })
    }

    /// The text of the space.
    fn space_file(&self) -> Result<String> {
        let ready = |name: &str| {
            let found = Space::ready_files().iter().find(|(ready, _)| *ready == name);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| SpaceError::Unknown { name: name.to_owned() })
        };
        named_or_file("space", self.space_name()?, ready, |text| Ok(text.to_owned()))
    }

    /// The space, without what only a teacher gives a meaning where there is none.
    fn space(&self) -> Result<Space> {
        let space = named_or_file("space", self.space_name()?, Space::ready, Space::from_toml)?;
        if space.least_input().is_some() && self.input.data.input().is_some() {
            return Err(Usage::error(anyhow!(
                "space {} decides the input: leave out --input, or [input] of the space",
                space.name
            )));
        }
        if space.inputs() > 1 && !self.input.teacher.is_empty() {
            return Err(Usage::error(anyhow!(
                "space {} has inputs of several sizes, and a teacher has one: give [input] of the space one side, one color and one resize",
                space.name
            )));
        }
        Ok(if self.input.teacher.is_empty() { space.without_teacher() } else { space })
    }

    fn print_description(self, space: &Space) -> Result<()> {
        let data = self.input.data.is_given().then(|| self.input.facts(space, self.runs())).transpose()?;
        let objectives = ["accuracy", "flash", "ram", "milliseconds"];
        let description =
            Description { fingerprint: space.fingerprint(), parameters: space.parameters(), objectives, data };
        print_json(&description)
    }
}
