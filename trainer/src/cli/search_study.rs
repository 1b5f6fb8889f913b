//! `trainer search --storage`: takes part in a study that other machines may take part in too.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Command};
use trainer::dataset::download::sha256;
use trainer::run::{RUNS, RunDirectory};
use trainer::search::optuna::{Job, Objective, Python, Sampler};
use trainer::search::storage_url::StorageUrl;
use trainer::search::{DataFacts, Limits, Space};
use trainer::support::printable::is_control;

use super::output::print_line;
use super::values::{count, whole};
use crate::Usage;

/// Digits of a hash that a study keeps, and a message shows.
const DIGITS: usize = 16;

/// A study of many machines.
#[derive(Args)]
pub struct StudyFlags {
    /// Take part in a study that is in Optuna's storage, which any number of workers can: postgresql://user@host/database, or
    /// sqlite:///search.db to try it out. Needs Python with optuna and, for PostgreSQL, psycopg
    #[arg(long, value_name = "URL", requires = "study", conflicts_with_all = ["describe", "trial"])]
    pub storage: Option<String>,
    /// Name of the study; the first worker begins it
    #[arg(long, value_name = "NAME", requires = "storage")]
    study: Option<String>,
    /// Candidates to be trained, by all workers of the study together; those that do not fit do not count
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 100)]
    trials: usize,
    /// Trials at the same time, each of which has its part of the cores
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1)]
    workers: usize,
    /// Epochs of a trial
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 10)]
    epochs: usize,
    /// What the seeds of trials are counted from
    #[arg(long, value_name = "N", value_parser = whole::<u64>, default_value_t = 48)]
    seed: u64,
    /// Search for little of this beside much accuracy, too: the best trials are then a Pareto front, and none is stopped early
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    minimize: Vec<Minimized>,
    /// How Optuna chooses candidates
    #[arg(long, value_enum, value_name = "NAME", requires = "storage", default_value_t)]
    sampler: SamplerName,
    /// Python that has optuna [default: python3 of the path]
    #[arg(long, value_name = "PATH", requires = "storage")]
    python: Option<PathBuf>,
    /// Seconds between signs of life of a trial; after three without one, others repeat it
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u32>, requires = "storage", default_value_t = 60)]
    heartbeat: u32,
}

/// What can be little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Minimized {
    /// Bytes of flash
    Flash,
    /// Bytes of RAM
    Ram,
    /// Estimated time of an inference
    Time,
}

/// Optuna's samplers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum SamplerName {
    /// Tree-structured Parzen estimators
    #[default]
    Tpe,
    /// A genetic algorithm, for several objectives and many trials
    Nsga2,
    /// By chance, to compare with
    Random,
}

impl Minimized {
    /// The name in what a trial reports.
    fn objective(self) -> Objective {
        let name = match self {
            Self::Flash => "flash",
            Self::Ram => "ram",
            Self::Time => "milliseconds",
        };
        Objective { name, direction: "minimize" }
    }
}

impl SamplerName {
    fn sampler(self) -> Sampler {
        match self {
            Self::Tpe => Sampler::Tpe,
            Self::Nsga2 => Sampler::Nsga2,
            Self::Random => Sampler::Random,
        }
    }
}

/// What a search is of, besides its study.
pub struct Subject<'a> {
    /// What is chosen from.
    pub space: &'a Space,
    /// What is known of the images, which takes as long as to read them.
    pub facts: &'a dyn Fn() -> Result<DataFacts>,
    /// What a network may take.
    pub limits: Limits,
    /// Runs that trials learn from.
    pub teachers: &'a [PathBuf],
    /// Directory of the trials, where one is given.
    pub out: Option<&'a Path>,
}

/// Runs trials of a study until it has enough of them. Where the system can do that, this process becomes the one that runs them.
pub fn run(flags: &StudyFlags, storage: &str, subject: &Subject<'_>) -> Result<()> {
    let storage = StorageUrl::parse(storage).map_err(|error| Usage::error(anyhow!("--storage: {error}")))?;
    let study = flags.study.as_deref().unwrap_or_default();
    let is_file_name = !study.starts_with('.') && !study.contains(['/', '\\']);
    if study.is_empty() || study.contains(is_control) {
        return Err(Usage::error(anyhow!("--study: give it a name, without control characters")));
    }
    let out = match subject.out {
        Some(out) => out.to_owned(),
        None if is_file_name => Path::new(RUNS).join(study),
        None => return Err(Usage::error(anyhow!("--study {study} is no name for a directory; name one with --out"))),
    };
    if flags.heartbeat == 0 {
        return Err(Usage::error(anyhow!("--heartbeat: it must be a number of seconds over 0")));
    }
    let python = Python::find(flags.python.as_deref(), &storage)?;
    let facts = (subject.facts)()?;
    std::fs::create_dir_all(&out).with_context(|| format!("--out {}", out.display()))?;
    let mut objectives = vec![Objective { name: "accuracy", direction: "maximize" }];
    for minimized in &flags.minimize {
        let objective = minimized.objective();
        if !objectives.contains(&objective) {
            objectives.push(objective);
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let job = Job {
        storage: storage.with_driver(),
        shown_storage: storage.to_string(),
        secrets: storage.secrets(),
        study,
        identity: identity(flags, subject, &facts, &objectives)?,
        parameters: serde_json::to_value(subject.space.parameters())?,
        data: &facts,
        objectives: &objectives,
        sampler: flags.sampler.sampler(),
        trials: flags.trials,
        workers: flags.workers,
        threads: (cores / flags.workers).max(1),
        seed: flags.seed,
        epochs: flags.epochs,
        rung: (flags.epochs / 9).max(1),
        heartbeat: flags.heartbeat,
        out: &out,
        trial: trial_command(std::env::args_os())?,
    };
    print_line!(
        "study {study} at {storage}, {} trials of {} epochs; those of this worker are in {}",
        flags.trials,
        flags.epochs,
        out.display()
    );
    let code = python.run(&job).context("starting Python")?;
    std::process::exit(code);
}

/// What all workers of a study must agree on, by what a message calls it.
fn identity(
    flags: &StudyFlags,
    subject: &Subject<'_>,
    facts: &DataFacts,
    objectives: &[Objective],
) -> Result<BTreeMap<&'static str, String>> {
    let beginning = |hash: &str| hash.chars().take(DIGITS).collect::<String>();
    let names: Vec<&str> = objectives.iter().map(|objective| objective.name).collect();
    let mut teachers = Vec::new();
    for run in subject.teachers {
        teachers.push(beginning(&sha256(&RunDirectory::open(run).weights())?));
    }
    Ok(BTreeMap::from([
        ("space", format!("{} {}", subject.space.name, beginning(&subject.space.fingerprint()))),
        ("images", format!("{} {}", facts.name, beginning(&facts.sha256))),
        ("budget", budget(&subject.limits)),
        ("objective", names.join(", ")),
        ("number of epochs", flags.epochs.to_string()),
        ("teacher", if teachers.is_empty() { "none".to_owned() } else { teachers.join(", ") }),
    ]))
}

/// A budget in one line.
fn budget(limits: &Limits) -> String {
    let target = limits.target.as_ref();
    let bytes = |name: &str, bytes: Option<usize>| bytes.map(|bytes| format!("{name} {bytes}"));
    let parts = [
        target.and_then(|target| target.chip.clone()),
        bytes("flash", target.and_then(|target| target.flash)),
        bytes("RAM", target.and_then(|target| target.ram)),
        bytes("model", limits.model),
        limits.milliseconds.map(|time| format!("{time} ms")),
        limits.layout.map(|layout| format!("layout {layout:?}").to_lowercase()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// The command of a trial: this one without what is about the study, to be followed by the trial's file and directory.
fn trial_command(arguments: impl Iterator<Item = OsString>) -> Result<Vec<String>> {
    let program = std::env::current_exe().context("finding this program")?;
    let of_study = StudyFlags::augment_args(Command::new("study"));
    let is_dropped =
        |name: &str| name == "out" || of_study.get_arguments().any(|argument| argument.get_long() == Some(name));
    let mut command = vec![text(program.into_os_string())?, "search".to_owned(), "--attached".to_owned()];
    let mut arguments = arguments.skip(2);
    while let Some(argument) = arguments.next() {
        let argument = text(argument)?;
        match argument
            .strip_prefix("--")
            .map(|flag| flag.split_once('=').map_or((flag, false), |(name, _)| (name, true)))
        {
            // All of these have a value.
            Some((name, has_value)) if is_dropped(name) => {
                if !has_value {
                    arguments.next();
                }
            }
            Some(("", _)) => {}
            Some(_) | None => command.push(argument),
        }
    }
    Ok(command)
}

/// Text goes to the script as JSON.
fn text(word: OsString) -> Result<String> {
    word.into_string()
        .map_err(|word| anyhow!("{word:?} is no UTF-8, which a search with --storage needs: give it another name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_has_the_command_of_the_search_without_the_study() {
        let words = [
            "trainer",
            "search",
            "conv",
            "--storage",
            "postgresql://u:s3cret@h/d",
            "--data",
            "birds",
            "--study=s",
            "--trials",
            "9",
            "--max-ram=16K",
            "--out",
            "runs/s",
            "--minimize",
            "flash",
            "--teacher",
            "runs/t",
            "--heartbeat=1",
            "--skip-unreadable",
        ];
        let command = trial_command(words.iter().map(Into::into)).unwrap();
        let expected =
            ["--attached", "conv", "--data", "birds", "--max-ram=16K", "--teacher", "runs/t", "--skip-unreadable"];
        assert_eq!(command[1], "search");
        assert_eq!(command[2..], expected);
    }

    #[test]
    fn every_flag_of_a_study_has_one_value() {
        let command = StudyFlags::augment_args(Command::new("study"));
        for argument in command.get_arguments() {
            assert!(argument.get_long().is_some() && argument.get_action().takes_values(), "{argument:?}");
        }
    }
}
