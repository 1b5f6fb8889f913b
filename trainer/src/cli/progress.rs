//! What a training prints while it goes on.

use std::io::Write;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use trainer::evaluate::Score;
use trainer::fit::{Epoch, History, Observer};
use trainer::quantize::aware::Gain;
use trainer::recipe::Recipe;

use super::output::say;

/// A bar while an epoch runs, a plain line when it is over.
pub struct Progress {
    bar: ProgressBar,
    epochs: usize,
    patience: usize,
    /// The first line that could not be printed; reported when training is over.
    failure: Option<std::io::Error>,
}

impl Progress {
    pub fn new(recipe: &Recipe) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(0).with_style(style);
        Self { bar, epochs: recipe.epochs, patience: recipe.patience, failure: None }
    }

    /// For so many epochs more than those of `history`.
    pub fn after(self, history: &History, epochs: usize) -> Self {
        Self { epochs: history.epochs.len() + epochs, ..self }
    }

    fn line(&mut self, text: &str) {
        let written = self.bar.suspend(|| writeln!(std::io::stdout(), "{text}"));
        self.failure = self.failure.take().or(written.err());
    }

    fn close(self) -> Result<()> {
        self.bar.finish_and_clear();
        self.failure.map_or(Ok(()), |error| Err(error.into()))
    }

    pub fn finish_tuning(self, history: &History, gain: Option<Gain>) -> Result<()> {
        self.close()?;
        let Some(Gain { before, after, kept }) = gain else { return Ok(()) };
        let weights =
            if kept { format!("weights of epoch {}", history.best_epoch) } else { "weights as before".to_owned() };
        say!(
            "quantization-aware: int8 validation {:.4} {:.4}, before {:.4} {:.4}: {weights}",
            after.loss,
            after.accuracy,
            before.loss,
            before.accuracy
        );
        Ok(())
    }

    pub fn finish(self, history: &History) -> Result<()> {
        let patience = self.patience;
        self.close()?;
        let last = history.epochs.len();
        let best = history.best_epoch;
        match history.stopped_early {
            true => {
                say!("stopped at epoch {last}, best was {best}, weights restored (no improvement in {patience} epochs)")
            }
            false => say!("ended at epoch {last}, best was {best}, weights restored"),
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
        let Epoch { epoch, train, validation, seconds, images_per_second, quantized } = epoch;
        let quantized = if *quantized { "  quantized" } else { "" };
        let best = if is_best { "  best" } else { "" };
        self.line(&format!(
            "epoch {epoch:>3}  train {:.4} {:.4}  validation {:.4} {:.4}  {seconds:.1} s  {images_per_second:.0} images/s{quantized}{best}",
            train.loss, train.accuracy, validation.loss, validation.accuracy
        ));
    }
}
