//! What a training prints while it runs.

use std::path::Path;

use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use trainer::quantize::aware::Gain;
use trainer::run::Metrics;
use trainer::support::interval::{ENOUGH, Interval};
use trainer::support::number::shown;
use trainer::train::folds::CrossValidated;
use trainer::train::recipe::{Monitor, Recipe};
use trainer::train::score::{Estimate, Score};
use trainer::train::{Epoch, History};

use super::console::{Console, console_line};
use super::output::{accuracy, colored, loss, warn};

/// Rows of a training's table, about, where no epoch is better than those before.
const MOST_ROWS: usize = 100;

/// A bar while an epoch runs, a row of a table when it is over.
pub struct Progress {
    console: Console,
    bar: ProgressBar,
    has_head: bool,
    epochs: usize,
    patience: usize,
    monitor: Monitor,
    /// Images of the training and of the validation.
    images: [usize; 2],
}

impl Progress {
    /// Of a training by this recipe on so many images, validated on so many, with a bar where people read along.
    pub fn new(recipe: &Recipe, images: [usize; 2], console: &Console) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = if console.is_text() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let bar = bar.with_style(style);
        let (epochs, patience, monitor) = (recipe.epochs, recipe.patience, recipe.monitor);
        Self { console: console.clone(), bar, has_head: false, epochs, patience, monitor, images }
    }

    /// For so many epochs more than those of `history`.
    pub fn after(self, history: &History, epochs: usize) -> Self {
        Self { epochs: history.epochs.len() + epochs, ..self }
    }

    /// Whether there are so few validation images that rows have the interval of their accuracy, in place of images per second.
    fn has_few(&self) -> bool {
        (1..ENOUGH).contains(&self.images[1])
    }

    /// A row, after the head of the table where it is the first.
    fn row(&mut self, row: &str) {
        if !std::mem::replace(&mut self.has_head, true) {
            console_line!(self.console, "         train             validation");
            let last = if self.has_few() { "95%        seconds" } else { "seconds  images/s" };
            console_line!(self.console, "epoch    loss    accuracy  loss    accuracy  {last}");
        }
        self.console.colored_line(row);
    }

    /// Prints the result of fine-tuning, where there was any, which these images decided.
    pub fn finish_tuning(&self, history: &History, gain: Option<Gain>, images: &str) {
        self.bar.finish_and_clear();
        let Some(Gain { before, after, kept }) = gain else { return };
        let weights =
            if kept { format!("weights of epoch {}", history.best_epoch) } else { "weights unchanged".to_owned() };
        console_line!(
            self.console,
            "quantization-aware: int8 {images} loss {}, accuracy {:.4}; before, loss {}, accuracy {:.4}: {weights}",
            loss(after.loss),
            after.accuracy,
            loss(before.loss),
            before.accuracy
        );
        let intervals = [after, before].map(|score| Interval::of_few(score.accuracy, self.images[1]));
        if let [Some(after), Some(before)] = intervals {
            console_line!(self.console, "95% of the accuracies: {after}, before {before}");
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints how the training ended, and which epoch's weights it kept.
    pub fn finish(&self, history: &History) {
        self.bar.finish_and_clear();
        let (last, best, patience) = (history.epochs.len(), history.best_epoch, self.patience);
        let end = match (history.interrupted, history.stopped_early) {
            (true, _) => "interrupted after",
            (_, true) => "stopped at",
            _ => "ended at",
        };
        let why = if history.stopped_early { format!(" (no improvement in {patience} epochs)") } else { String::new() };
        let best = if best == 0 { "the start".to_owned() } else { best.to_string() };
        if self.images[1] == 0 || (self.monitor == Monitor::Last && last == history.best_epoch) {
            console_line!(self.console, "{end} epoch {last}, whose weights are kept");
        } else {
            console_line!(self.console, "{end} epoch {last}, best was {best}, weights restored{why}");
        }
        if history.best_epoch == 0 {
            warn(
                "NOTE: no epoch did better on the validation images than the weights of --init, which are kept: try a smaller --lr or \
                 --init-lr, --freeze, or more epochs and --patience",
            );
        }
    }
}

impl Progress {
    /// Moves the bar: images seen in this epoch, of how many, and the running score.
    pub fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score) {
        if seen == 0 || self.bar.position() == 0 || self.bar.position() >= images as u64 {
            self.bar.reset();
            self.bar.set_length(images as u64);
            self.bar.set_prefix(format!("epoch {epoch:>3}/{}", self.epochs));
        }
        self.bar.set_position(seen as u64);
        if self.bar.is_hidden() {
            return;
        }
        let speed = shown(Some(self.bar.per_sec()), 0);
        self.bar.set_message(format!(
            "loss {}  accuracy {:.4}  {speed} images/s",
            loss(running.loss),
            running.accuracy
        ));
    }

    /// Shows how the weights that it starts from do on the validation images, as epoch 0.
    pub fn start(&mut self, score: Score) {
        let row = format!("{:>5}    {:>14}    {}  {:.4}    the start", 0, "", loss(score.loss), score.accuracy);
        self.bar.clone().suspend(|| self.row(&row));
        self.console.event(&Event::Start { validation: score.over(self.images[1]) });
    }

    /// Shows an epoch that is over.
    pub fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        let Epoch { epoch: number, train, validation, seconds, images_per_second, quantized } = epoch;
        let speed = shown(*images_per_second, 0);
        let quantized = if *quantized { "  quantized" } else { "" };
        let is_choice = is_best && self.monitor != Monitor::Last;
        let best = if is_choice { colored("  best", AnsiColor::Green) } else { String::new() };
        let [train_images, validation_images] = self.images;
        // Where nothing is validated, every epoch is the best so far.
        let best = if validation_images == 0 { String::new() } else { best };
        let last = match Interval::of_few(validation.accuracy, validation_images) {
            Some(interval) => format!("{interval:<11} {seconds:>6.1}"),
            None => format!("{seconds:>7.1}  {speed:>8}"),
        };
        let row = format!(
            "{number:>5}    {}  {}    {}  {}    {last}{quantized}{best}",
            loss(train.loss),
            accuracy(train.accuracy),
            if validation_images == 0 { format!("{:>6}", "-") } else { loss(validation.loss) },
            accuracy(validation.accuracy)
        );
        // Epochs of few steps have a row now and then.
        let is_shown =
            is_choice || number.is_multiple_of(self.epochs.div_ceil(MOST_ROWS).max(1)) || *number >= self.epochs;
        if is_shown {
            self.bar.clone().suspend(|| self.row(&row));
        }
        self.console.event(&Event::Epoch {
            epoch: *number,
            train: train.over(train_images),
            validation: validation.over(validation_images),
            seconds: *seconds,
            images_per_second: *images_per_second,
            quantized: epoch.quantized,
            is_best,
        });
    }
}

/// What is reported to programs.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The weights that a training starts from were validated.
    Start {
        /// Before the first step.
        validation: Estimate,
    },
    /// An epoch is over.
    Epoch {
        /// Counted from 1.
        epoch: usize,
        /// Running mean over the epoch's steps.
        train: Estimate,
        /// Measured after the last step.
        validation: Estimate,
        /// Wall time of the training steps.
        seconds: f64,
        /// Training images per second of that time.
        images_per_second: Option<f64>,
        /// Whether weights and activations were rounded.
        quantized: bool,
        /// Whether it is the best so far.
        is_best: bool,
    },
    /// A fit of cross-validation begins.
    Fold {
        /// The fold that it leaves out, counted from 1.
        fold: usize,
        /// How many there are.
        folds: usize,
        /// Images that it is trained on.
        train: usize,
        /// Images of the fold.
        held_out: usize,
    },
    /// All fits of cross-validation are over.
    CrossValidated {
        /// What they came to.
        #[serde(flatten)]
        result: &'a CrossValidated,
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
