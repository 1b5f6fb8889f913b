//! What a training came to, written down and printed.

use std::path::Path;

use anyhow::{Result, anyhow};
use trainer::dataset::Dataset;
use trainer::pipeline::{Outcome, guessing_loss};
use trainer::run::{Metrics, RunDirectory, RunError};
use trainer::support::interval::Interval;
use trainer::support::shell::quote_path;
use trainer::support::text::thousands;
use trainer::support::whole_file::write_whole;
use trainer::train::score::Score;
use trainer::train::selection::EpochSelection;

use super::console::{Console, console_line};
use super::folds;
use super::output::{loss, warn};
use super::reject;

/// What came out.
pub struct Results {
    /// In figures.
    pub metrics: Metrics,
    /// Why the model could not be written where the user wants it; the run is whole all the same.
    pub not_exported: Option<anyhow::Error>,
    /// Why the model has no threshold where it was to have one; the run is whole all the same.
    pub without_threshold: Option<anyhow::Error>,
}

/// Writes the model to where the user wants it and the run's results to its directory, and prints the results. `kept` is
/// what came of writing the weights.
pub fn finish(
    directory: &RunDirectory,
    outcome: &Outcome,
    dataset: &Dataset,
    kept: std::result::Result<(), RunError>,
    console: &Console,
) -> Result<Results> {
    let Outcome { model, config, file, .. } = outcome;
    // A run directory that cannot be written is no reason not to export: the errors wait.
    let exported = config.export.as_ref().map_or(Ok(()), |path| write_whole(path, file));
    kept?;
    let path = config.export.clone().filter(|_| exported.is_ok()).unwrap_or_else(|| directory.model());
    let metrics = outcome.write(directory, dataset, path)?;
    if let Err(error) = directory.write_frames(&dataset.test) {
        warn(&format!("WARNING: the model is written, but there are no test images for firmware: {error}"));
    }
    print(&metrics, console);
    if outcome.is_a_guess() {
        warn(&no_better_than_a_guess(outcome, dataset));
    }
    if let Some(selection) = outcome.selection(dataset).filter(EpochSelection::is_chance) {
        warn(&format!("WARNING: {selection}."));
    }
    console_line!(console, "everything about this run: {}", directory.path().display());
    if let Some(page) = super::report::after_fit(directory, model, config, file, dataset) {
        console_line!(console, "a page about it, for a browser: {}", page.display());
    }
    let not_exported = exported.err().map(|error| {
        let run = quote_path(directory.path());
        anyhow!("{error}; the model is in {run}: trainer export {run} --out FILE")
    });
    let without_threshold = outcome.confidence.unreachable.map(|error| {
        let run = quote_path(directory.path());
        anyhow!(
            "{error}. The model has no threshold; trainer export {run} --out FILE --reject-at WISH writes it with one"
        )
    });
    Ok(Results { metrics, not_exported, without_threshold })
}

/// What the model comes to, what a guess comes to, and what to do.
fn no_better_than_a_guess(outcome: &Outcome, dataset: &Dataset) -> String {
    let classes = dataset.class_names.len();
    let judged = dataset.with_validation();
    let labels = judged.validation.labels();
    let images_of = |class: usize| labels.iter().filter(|&&label| usize::from(label) == class).count();
    let most = (0..classes).map(images_of).max().unwrap_or(0) as f64 / labels.len().max(1) as f64;
    let float = &outcome.float;
    let (part, answers) =
        if dataset.validation.is_empty() { ("training", &float.train) } else { ("validation", &float.validation) };
    let Score { loss: of_model, accuracy, .. } = answers.score;
    format!(
        "WARNING: the model is no better than a guess: its {part} loss is {}, where equal probabilities give {}; its accuracy is \
         {accuracy:.4}, and always answering with the most frequent class gives {most:.4}. Training has diverged, or has hardly begun: \
         try a smaller --lr (it is {}), or more epochs",
        loss(of_model).trim_start(),
        loss(guessing_loss(classes)),
        outcome.config.recipe.learning_rate
    )
}

fn print(metrics: &Metrics, console: &Console) {
    console_line!(console, "\n            train             validation        test");
    console_line!(console, "            loss    accuracy  loss    accuracy  loss    accuracy");
    for (name, scores) in [("float", &metrics.float), ("int8", &metrics.int8.scores)] {
        let scores = [&scores.train, &scores.validation, &scores.test];
        let cells = scores.map(|score| match score.accuracy.is_nan() {
            true => format!("{:>6}  {:>6}  ", "-", "-"),
            false => format!("{}  {:.4}  ", loss(score.loss), score.accuracy),
        });
        console_line!(console, "{name:<10}  {}", cells.join("  ").trim_end());
        let images = metrics.images;
        let counts = [images.train, images.validation, images.test];
        let intervals = scores.into_iter().zip(counts);
        let intervals: Vec<String> = intervals
            .map(|(score, images)| Interval::of_few(score.accuracy, images))
            .map(|interval| interval.map_or_else(String::new, |interval| interval.to_string()))
            .collect();
        if intervals.iter().any(|interval| !interval.is_empty()) {
            // Below each accuracy, one column to the left.
            let cells: String = intervals.iter().map(|interval| format!("{:7}{interval:<11}", "")).collect();
            console_line!(console, "{:<12}{}", "  95%", cells.trim_end());
        }
    }
    if let Some(result) = &metrics.cross_validation {
        folds::print_accuracy(result, console);
    }
    let [float, int8] = [&metrics.float, &metrics.int8.scores].map(|scores| &scores.test);
    if let (Some(float), Some(balanced), Some(worst)) =
        (float.balanced_accuracy, int8.balanced_accuracy, &int8.worst_class)
    {
        console_line!(console, "\nbalanced accuracy on the test images: float {float:.4}, int8 {balanced:.4}");
        console_line!(console, "worst class, int8: {worst}");
    }
    let export = &metrics.export;
    if let Some(confidence) = &metrics.confidence {
        console_line!(console, "");
        for line in reject::lines(confidence) {
            console_line!(console, "{line}");
        }
    }
    console_line!(
        console,
        "\nint8 and float agree on {:.2}% of the test images",
        100.0 * metrics.int8.agreement_with_float
    );
    console_line!(
        console,
        "{}: {} bytes of flash,\n{} bytes of arena, {} multiply-accumulates",
        from_here(&export.path).display(),
        thousands(export.bytes),
        thousands(export.arena_bytes as usize),
        thousands(export.macs)
    );
}

/// A path as short as it can be written in the current directory.
fn from_here(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
