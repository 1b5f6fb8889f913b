//! What a training prints while it goes on.

use std::io::Write;
use std::path::Path;

use anstyle::AnsiColor;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use trainer::evaluate::Score;
use trainer::fit::{Epoch, History, Observer};
use trainer::quantize::aware::Gain;
use trainer::recipe::Recipe;
use trainer::run::Metrics;

use super::output::{Console, colored, say, tell};

/// A bar while an epoch runs, a row of a table when it is over.
pub struct Progress {
    console: Console,
    bar: ProgressBar,
    has_head: bool,
    epochs: usize,
    patience: usize,
    /// The first line that could not be printed; reported when training is over.
    failure: Option<std::io::Error>,
}

impl Progress {
    pub fn new(recipe: &Recipe, console: Console) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = if console.is_text() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let bar = bar.with_style(style);
        Self { console, bar, has_head: false, epochs: recipe.epochs, patience: recipe.patience, failure: None }
    }

    /// For so many epochs more than those of `history`.
    pub fn after(self, history: &History, epochs: usize) -> Self {
        Self { epochs: history.epochs.len() + epochs, ..self }
    }

    fn row(&mut self, row: &str) -> std::io::Result<()> {
        let mut stdout = anstream::stdout();
        if !self.has_head {
            self.has_head = true;
            writeln!(
                stdout,
                "         train             validation\nepoch    loss    accuracy  loss    accuracy  seconds  images/s"
            )?;
        }
        writeln!(stdout, "{row}")
    }

    fn close(self) -> Result<()> {
        self.bar.finish_and_clear();
        self.failure.map_or(Ok(()), |error| Err(error.into()))
    }

    pub fn finish_tuning(self, history: &History, gain: Option<Gain>) -> Result<()> {
        let console = self.console;
        self.close()?;
        let Some(Gain { before, after, kept }) = gain else { return Ok(()) };
        let weights =
            if kept { format!("weights of epoch {}", history.best_epoch) } else { "weights as before".to_owned() };
        tell!(
            console,
            "quantization-aware: int8 validation {:.4} {:.4}, before {:.4} {:.4}: {weights}",
            after.loss,
            after.accuracy,
            before.loss,
            before.accuracy
        );
        Ok(())
    }

    pub fn finish(self, history: &History) -> Result<()> {
        let Self { patience, console, .. } = self;
        self.close()?;
        let last = history.epochs.len();
        let best = history.best_epoch;
        match history.stopped_early {
            true => {
                tell!(
                    console,
                    "stopped at epoch {last}, best was {best}, weights restored (no improvement in {patience} epochs)"
                )
            }
            false => tell!(console, "ended at epoch {last}, best was {best}, weights restored"),
        }
        Ok(())
    }
}

impl Observer for Progress {
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        if seen == 0 || self.bar.position() == 0 || self.bar.position() >= images as u64 {
            self.bar.reset();
            self.bar.set_length(images as u64);
            self.bar.set_prefix(format!("epoch {epoch:>3}/{}", self.epochs));
        }
        self.bar.set_position(seen as u64);
        if self.bar.is_hidden() {
            return;
        }
        let speed = self.bar.per_sec();
        self.bar
            .set_message(format!("loss {:.4}  accuracy {:.4}  {speed:.0} images/s", running.loss, running.accuracy));
    }

    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        let Epoch { epoch: number, train, validation, seconds, images_per_second, quantized } = epoch;
        let quantized = if *quantized { "  quantized" } else { "" };
        let best = if is_best { colored("  best", AnsiColor::Green) } else { String::new() };
        let row = format!(
            "{number:>5}    {:.4}  {:.4}    {:.4}  {:.4}    {seconds:>7.1}  {images_per_second:>8.0}{quantized}{best}",
            train.loss, train.accuracy, validation.loss, validation.accuracy
        );
        let written = match self.console {
            Console::Text => self.bar.clone().suspend(|| self.row(&row)),
            console => console.event(&Event::Epoch { epoch, is_best }),
        };
        self.failure = self.failure.take().or(written.err());
    }
}

/// What programs are told.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// An epoch is over.
    Epoch {
        /// What it came to.
        #[serde(flatten)]
        epoch: &'a Epoch,
        /// Whether it is the best so far.
        is_best: bool,
    },
    /// The training is over, and the model written.
    Finished {
        /// The directory of the run.
        run: &'a Path,
        /// What it came to.
        #[serde(flatten)]
        metrics: &'a Metrics,
    },
    /// The user wanted an end; the run can be resumed.
    Interrupted {
        /// The directory of the run.
        run: &'a Path,
    },
}
