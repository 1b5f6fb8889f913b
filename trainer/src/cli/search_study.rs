//! `trainer search --storage`: takes part in a study that other machines may take part in too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use trainer::dataset::download::sha256;
use trainer::run::{RUNS, RunDirectory};
use trainer::search::optuna::{Goal, Job, Python, Sampler};
use trainer::search::record::SPACE;
use trainer::search::smallest::{self, smallest};
use trainer::search::storage_url::StorageUrl;
use trainer::search::{DataFacts, Halving, Limits, Objective, Space};
use trainer::support::printable::is_control;
use trainer::support::whole_file::replace_whole;

use super::console::{Console, console_line};
use super::destination;
use super::search_run::Extent;
use super::values::at_least_one;
use crate::Usage;

/// Seconds between signs of life of a trial, where nothing is given: a lost one is repeated after three minutes.
const HEARTBEAT: usize = 60;

/// Digits of a hash that a study keeps, and a message shows.
const DIGITS: usize = 16;

/// A study of many machines.
#[derive(clap::Args)]
pub struct StudyFlags {
    /// Work on a study in Optuna's storage, together with any number of machines: postgresql://user@host/database, or
    /// sqlite:///search.db to try it out. Needs Python with optuna, and psycopg for PostgreSQL (docs/search-on-many-machines.md)
    #[arg(long, value_name = "URL", requires = "study", conflicts_with_all = ["describe", "trial", "final"])]
    pub storage: Option<String>,
    /// Name of the study; the first worker creates it
    #[arg(long, value_name = "NAME", requires = "storage")]
    study: Option<String>,
    /// Python that has optuna [default: python3 from the PATH]
    #[arg(long, value_name = "PATH", requires = "storage")]
    python: Option<PathBuf>,
    /// Seconds between heartbeats of a trial in a study; after three missed ones, others repeat it [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = at_least_one, requires = "storage")]
    heartbeat: Option<usize>,
}

/// What a search is of, besides its study.
pub struct Subject<'a> {
    /// What is chosen from.
    pub space: &'a Space,
    /// The text of its file.
    pub space_file: &'a str,
    /// What is known of the images, which takes as long as to read them.
    pub facts: &'a dyn Fn() -> Result<DataFacts>,
    /// What a network may take.
    pub limits: Limits,
    /// Runs that trials learn from.
    pub teachers: &'a [PathBuf],
    /// What is to be reached.
    pub objectives: Vec<Objective>,
    /// How candidates are chosen.
    pub sampler: Sampler,
    /// Which trials end early, where there is one objective; `None`: none do.
    pub halving: Option<Halving>,
    /// What the seeds of trials are counted from.
    pub seed: u64,
    /// Epochs of a trial.
    pub epochs: usize,
    /// Candidates that the study trains.
    pub trials: usize,
    /// Words about images, limits and teachers for the processes of trials.
    pub arguments: Vec<String>,
    /// Directory of the trials, where one is given.
    pub out: Option<&'a Path>,
}

/// Runs trials of a study until it has enough of them. Where the system can do that, this process becomes the one that runs them.
pub fn run(flags: &StudyFlags, storage: &str, subject: &Subject<'_>, extent: &Extent, console: &Console) -> Result<()> {
    let storage = StorageUrl::parse(storage).map_err(|error| Usage::error(anyhow!("--storage: {error}")))?;
    let study = flags.study.as_deref().unwrap_or_default();
    if study.is_empty() || study.contains(is_control) {
        return Err(Usage::error(anyhow!("--study: a study needs a name, without control characters")));
    }
    let is_file_name = !study.starts_with('.') && !study.contains(['/', '\\']);
    let out = match subject.out {
        Some(out) => out.to_owned(),
        None if is_file_name => Path::new(RUNS).join(study),
        None => return Err(Usage::error(anyhow!("--study {study} cannot name a directory; give one with --out"))),
    };
    destination::check_directory(&format!("--out {}", out.display()), &out)?;
    let python = Python::find(flags.python.as_deref(), &storage)?;
    let facts = (subject.facts)()?;
    let least = smallest(subject.space, &subject.limits, &facts)?;
    smallest::check(subject.space, &subject.limits, least.as_ref())?;
    let out = std::path::absolute(&out)?;
    let space = keep_space(&out, subject.space_file)?;
    let mut trial = vec![text(std::env::current_exe().context("finding this program, which trials run")?)?];
    trial.extend(["search".to_owned(), text(space)?, "--attached".to_owned()]);
    trial.extend(subject.arguments.iter().cloned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = extent.workers(cores);
    let job = Job {
        storage: storage.with_driver(),
        shown_storage: storage.to_string(),
        secrets: storage.secrets(),
        study,
        identity: identity(subject, &facts)?,
        parameters: subject.space.parameters(),
        data: &facts,
        objectives: subject.objectives.iter().copied().map(Goal::from).collect(),
        sampler: subject.sampler,
        halving: subject.halving,
        trials: subject.trials,
        seconds: extent.hours.map(|hours| 3600.0 * hours),
        workers,
        threads: (cores / workers).max(1),
        seed: subject.seed,
        epochs: subject.epochs,
        heartbeat: flags.heartbeat.unwrap_or(HEARTBEAT),
        out: &out,
        trial,
        quiet: console.is_quiet(),
    };
    console_line!(console, "study      {study}, at {storage}");
    console_line!(console, "trials     {}, those of this worker in {}", subject.trials, out.display());
    let code = python.run(&job).context("starting Python")?;
    std::process::exit(code);
}

/// Writes the space to where the trials are, so that an edit of the file changes nothing while they run.
fn keep_space(out: &Path, text: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(out).with_context(|| format!("--out {}", out.display()))?;
    let path = out.join(SPACE);
    match std::fs::read_to_string(&path) {
        Ok(kept) if kept == text => {}
        Ok(_) => {
            return Err(Usage::error(anyhow!(
                "--out {} has the trials of another space; name another directory",
                out.display()
            )));
        }
        Err(_) => replace_whole(&path, text.as_bytes()).with_context(|| path.display().to_string())?,
    }
    Ok(path)
}

/// What all workers of a study must agree on, by what a message calls it.
fn identity(subject: &Subject<'_>, facts: &DataFacts) -> Result<BTreeMap<&'static str, String>> {
    let beginning = |hash: &str| hash.chars().take(DIGITS).collect::<String>();
    let or = |text: String, nothing: &str| if text.is_empty() { nothing.to_owned() } else { text };
    let names = subject.objectives.iter().copied().map(|objective| Goal::from(objective).name);
    let mut teachers = Vec::new();
    for run in subject.teachers {
        teachers.push(beginning(&sha256(&RunDirectory::open(run).weights())?));
    }
    let layout = subject.limits.layout.map_or_else(String::new, |layout| format!("{layout:?}").to_lowercase());
    Ok(BTreeMap::from([
        ("space", format!("{} {}", subject.space.name, beginning(&subject.space.fingerprint()))),
        ("data set", format!("{} {}", facts.name, beginning(&facts.sha256))),
        ("budget", or(subject.limits.in_words(), "none")),
        ("layout", or(layout, "that of the budget")),
        ("objective", names.collect::<Vec<_>>().join(", ")),
        ("number of epochs", subject.epochs.to_string()),
        ("teacher", or(teachers.join(", "), "none")),
    ]))
}

/// Text goes to the script as JSON.
fn text(path: PathBuf) -> Result<String> {
    let named = |path| Usage::error(anyhow!("{path:?}: a study can name only paths in UTF-8; rename it"));
    path.into_os_string().into_string().map_err(named)
}
