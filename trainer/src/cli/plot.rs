//! `trainer plot RUN...`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::builder::PossibleValuesParser;
use trainer::report::figures::{self, curves};
use trainer::report::{Figure, Findings, Kind, RunRecord};
use trainer::run::{FIGURES, RunDirectory};
use trainer::support::whole_file::{replace_whole, write_whole};

use super::destination::{self, Content, Output};
use super::output::print_line;
use super::report::read_runs;
use crate::Usage;

/// Draw the figures of runs as SVG or PNG.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer plot runs/cnn-fashion-mnist-48-1
  trainer plot runs/cnn-fashion-mnist-48-1 --figure confusion --out confusion.png
  trainer plot runs/mlp-fashion-mnist-48-1 runs/cnn-fashion-mnist-48-1 --out curves.svg

With several runs, their training curves are drawn in one figure.")]
pub struct Plot {
    /// The directories of the runs; with several, runs without results are left out with a warning
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Figure to draw; may be repeated [default: all]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::name)))]
    figure: Vec<String>,
    /// Directory for the figures, or a file that ends in .svg or .png for a single one
    /// [default: RUN/figures; for several runs the current directory]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Format of the files [default: svg, or that of the file's name]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// The formats of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Sharp at any size
    Svg,
    /// Two pixels for each of a screen's
    Png,
}

impl Plot {
    /// Draws the requested figures and prints where they are.
    pub fn run(self) -> Result<()> {
        let kinds = self.kinds()?;
        let file = self.out.as_deref().filter(|path| extension(path).is_some());
        if let Some(out) =
            self.out.as_deref().filter(|path| path.extension().is_some() && file.is_none() && !path.is_dir())
        {
            return Err(Usage::error(anyhow!(
                "--out {}: a figure ends in .svg or .png, a directory in neither",
                out.display()
            )));
        }
        if file.is_some() && kinds.len() != 1 {
            return Err(Usage::error(anyhow!(
                "--out names one file, but there are {} figures; choose one with --figure, or name a directory",
                kinds.len()
            )));
        }
        let format = self.format(file)?;
        let runs = read_runs(&self.runs)?;
        let (directory, _lock) = match (&self.out, &self.runs[..]) {
            (Some(out), _) => (out.clone(), None),
            (None, [run]) => (figures_of(run)?, Some(RunDirectory::open_to_write(run)?)),
            (None, _) => (PathBuf::from("."), None),
        };
        let path_of = |kind: Kind| match file {
            Some(path) => path.to_owned(),
            None => directory.join(format!("{}.{}", kind.name(), format.extension())),
        };
        // What is in a run is the run's own, and is replaced.
        if self.out.is_some() || self.runs.len() > 1 {
            for &kind in &kinds {
                self.check(&path_of(kind), format, &runs)?;
            }
        }
        // What a run holds does not choose another file to be written.
        let write = if self.out.is_some() { write_whole } else { replace_whole };
        let mut findings = None;
        for kind in kinds {
            let Some(figure) = draw(kind, &runs, &mut findings)? else {
                print_line!("nothing    {}: there is nothing to draw", kind.name());
                continue;
            };
            if file.is_none() {
                fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
            }
            let path = path_of(kind);
            match format {
                Format::Svg => write(&path, figure.svg().as_bytes())?,
                Format::Png => write(&path, &figure.png()?)?,
            }
            print_line!("wrote      {}", path.display());
        }
        Ok(())
    }

    /// That a figure overwrites nothing but a figure, and is not among the images of a run.
    fn check(&self, path: &Path, format: Format, runs: &[RunRecord]) -> Result<()> {
        let flag = if self.out.is_some() { "--out" } else { "" };
        let content = match format {
            Format::Svg => Content::Svg,
            Format::Png => Content::Png,
        };
        for data in runs.iter().filter_map(|run| run.config.data_dir.as_deref()) {
            destination::check_data(flag, path, data)?;
        }
        if let Some(out) = self.out.as_deref().filter(|out| extension(out).is_none()) {
            destination::check_directory(&format!("--out {}", out.display()), out)?;
            if !out.exists() {
                // It is made for the figures and holds nothing yet.
                return Ok(());
            }
        }
        destination::check(Output { flag, path, content, run: None }, None)
    }

    fn kinds(&self) -> Result<Vec<Kind>> {
        let is_requested = |kind: &Kind| self.figure.iter().any(|name| name == kind.name());
        match (self.runs.len(), self.figure.is_empty()) {
            (1, true) => Ok(Kind::ALL.to_vec()),
            (_, true) => Ok(vec![Kind::Curves]),
            (1, false) => Ok(Kind::ALL.into_iter().filter(is_requested).collect()),
            (_, false) if self.figure.iter().all(|name| name == Kind::Curves.name()) => Ok(vec![Kind::Curves]),
            (_, false) => {
                Err(Usage::error(anyhow!("of several runs there are curves only; name one run for its other figures")))
            }
        }
    }

    /// The format that `--format` and the file's name give, as far as there are both; they must not disagree.
    fn format(&self, file: Option<&Path>) -> Result<Format> {
        match (file.and_then(extension), self.format) {
            (Some(named), Some(format)) if named != format => Err(Usage::error(anyhow!(
                "--out ends in .{}, but --format is {}",
                named.extension(),
                format.extension()
            ))),
            (Some(format), _) | (None, Some(format)) => Ok(format),
            (None, None) => Ok(Format::Svg),
        }
    }
}

/// The directory of a run's figures. A link there would lead out of the run.
fn figures_of(run: &Path) -> Result<PathBuf> {
    let figures = run.join(FIGURES);
    if figures.is_symlink() {
        bail!("{} is a link, and links in a run are not followed; give --out", figures.display());
    }
    Ok(figures)
}

/// Draws a figure; the findings of the run are read when the first figure needs them.
fn draw(kind: Kind, runs: &[RunRecord], findings: &mut Option<Findings>) -> Result<Option<Figure>> {
    let run = match runs {
        [run] if kind != Kind::Curves => run,
        _ => return Ok(curves::draw(&runs.iter().collect::<Vec<_>>())?),
    };
    let findings = match findings {
        Some(findings) => findings,
        None => findings.insert(run.findings()?),
    };
    Ok(figures::draw(kind, run, findings)?)
}

fn extension(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?;
    [Format::Svg, Format::Png].into_iter().find(|format| extension.eq_ignore_ascii_case(format.extension()))
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }
}
