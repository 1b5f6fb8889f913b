//! `trainer report RUN...`, and the report at the end of a fit.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use trainer::dataset::Dataset;
use trainer::network::FloatModel;
use trainer::report::{Findings, ReportError, RunRecord, page};
use trainer::run::{PAGE, RunConfig, RunDirectory};
use trainer::support::shell::quote_path;
use trainer::support::text::thousands;
use trainer::support::whole_file::{directory_of, write_whole};

use super::destination::{self, Content, Output};
use super::output::{print_line, warn};
use super::run_data;
use crate::Usage;

/// Write a report about runs, an HTML page.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer report runs/cnn-fashion-mnist-48-1
  trainer report runs/mlp-fashion-mnist-48-1 runs/cnn-fashion-mnist-48-1 --out comparison.html
  trainer report runs/birds-2 --against runs/birds-1
  trainer report --refresh runs/birds-1 --data path/to/idx-files")]
pub struct Report {
    /// The directories of the runs; with several, runs without results are left out with a warning
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// File for the page [default: RUN/report.html; for several runs comparison.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Add what changed against this run, by class and by image; with one RUN
    #[arg(long, value_name = "OTHER")]
    against: Option<PathBuf>,
    /// Classify the test images again, for runs of an older trainer
    #[arg(long)]
    refresh: bool,
    /// With --refresh: directory of the images or IDX files that the runs were trained on
    #[arg(long, value_name = "DIR", requires = "refresh")]
    data: Option<PathBuf>,
}

impl Report {
    /// Writes the page and prints where it is.
    pub fn run(self) -> Result<()> {
        if self.against.is_some() && self.runs.len() > 1 {
            let runs = self.runs.len();
            return Err(Usage::error(anyhow!(
                "--against compares one run with another, but {runs} are named; name one"
            )));
        }
        let page = match (&self.out, &self.runs[..]) {
            (Some(out), _) => Place::Named(out.clone()),
            (None, [run]) => Place::In(RunDirectory::open(run)),
            (None, _) => Place::Named(PathBuf::from("comparison.html")),
        };
        if let Place::Named(path) = &page {
            let flag = if self.out.is_some() { "--out" } else { "" };
            let run = match &self.runs[..] {
                [run] => Some(run.as_path()),
                _ => None,
            };
            destination::check(Output { flag, path, content: Content::Page, run }, self.data.as_deref())?;
        }
        let runs = read_runs(&self.runs)?;
        let against = self.against.as_deref().map(with_findings).transpose()?;
        if let Place::Named(path) = &page {
            let flag = if self.out.is_some() { "--out" } else { "" };
            for data in runs.iter().filter_map(|run| run.config.data_dir.as_deref()) {
                destination::check_data(flag, path, data)?;
            }
        }
        // What is no run has no lock, so they are read before.
        let is_written = self.refresh || matches!(page, Place::In(_));
        // Each once: a run that is named twice is not in use by another.
        let written: BTreeSet<&Path> = runs.iter().filter(|_| is_written).map(|run| run.directory.path()).collect();
        let _locks = written.into_iter().map(RunDirectory::open_to_write).collect::<Result<Vec<_>, _>>()?;
        if self.refresh {
            for run in &runs {
                let dataset = run_data::load(
                    run.directory.path(),
                    &run.directory.read_config()?,
                    self.data.as_deref(),
                    None,
                    false,
                )?;
                run.refresh(&dataset)?;
            }
        }
        let bytes = page.write(runs, against.as_ref())?;
        print_line!("wrote      {}, {} bytes", page.path().display(), thousands(bytes));
        Ok(())
    }
}

/// Reads runs. Of several, as `runs/*` names them, those that have not come to results are left out with a warning each.
pub fn read_runs(paths: &[PathBuf]) -> Result<Vec<RunRecord>> {
    let (runs, left_out) = RunRecord::read_those_with_results(paths)?;
    for error in left_out {
        warn(&format!("WARNING: this run is left out: {error}"));
    }
    Ok(runs)
}

/// Writes a run's findings and its page, and prints where it is. What goes wrong here is printed and costs nothing else: the model
/// is there already.
pub fn after_fit(
    directory: &RunDirectory,
    model: &FloatModel,
    config: &RunConfig,
    file: &[u8],
    dataset: &Dataset,
) -> Option<PathBuf> {
    let page = Place::In(directory.clone());
    let written = directory
        .out_of_fold_of(config, dataset)
        .map_err(ReportError::from)
        .and_then(|out_of_fold| Findings::gather(model, config, file, dataset, out_of_fold.as_ref()))
        .and_then(|findings| findings.write(directory))
        .and_then(|()| RunRecord::read_all(&[directory.path()]))
        .and_then(|runs| page.write(runs, None));
    if let Err(error) = written {
        warn(&format!(
            "WARNING: the model is written, but there is no report: {error}; \
             `trainer report --refresh {}` tries again",
            quote_path(directory.path())
        ));
        return None;
    }
    Some(page.path())
}

/// A run that another one is compared with.
fn with_findings(path: &Path) -> Result<(RunRecord, Findings)> {
    let run = RunRecord::read(path).context("--against")?;
    let findings = run.findings().context("--against")?;
    Ok((run, findings))
}

/// Where the page goes.
enum Place {
    /// Into the directory of its run.
    In(RunDirectory),
    /// Where the user wants it.
    Named(PathBuf),
}

impl Place {
    fn path(&self) -> PathBuf {
        match self {
            Self::In(run) => run.path().join(PAGE),
            Self::Named(path) => path.clone(),
        }
    }

    /// Writes the page and prints how many bytes it has.
    fn write(&self, runs: Vec<RunRecord>, against: Option<&(RunRecord, Findings)>) -> Result<usize, ReportError> {
        let with_findings = |run: RunRecord| run.findings().map(|findings| (run, findings));
        let runs = runs.into_iter().map(with_findings).collect::<Result<Vec<_>, _>>()?;
        let path = self.path();
        let html = page::html_in(directory_of(&path), &runs, against)?;
        match self {
            Self::In(run) => run.write(PAGE, html.as_bytes())?,
            Self::Named(path) => write_whole(path, html.as_bytes())?,
        }
        Ok(html.len())
    }
}
