//! `--reject-at` and what belongs to it: the threshold of "none of these".

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use trainer::dataset::Dataset;
use trainer::dataset::unknown::UnknownImages;
use trainer::image::Conversion;
use trainer::support::interval::Interval;
use trainer::support::printable::in_one_line;
use trainer::support::text::thousands;
use trainer::train::confidence::rejection::{Coverage, FalseAccepts, RejectAt, Separation};
use trainer::train::confidence::settle::UnknownMetrics;
use trainer::train::confidence::{ChosenBy, ConfidenceMetrics, Rejection, RejectionMetrics};

use super::output::warn;
use crate::Usage;

/// How a threshold is to be chosen.
#[derive(clap::Args)]
pub struct RejectFlags {
    /// Store a threshold in the model, below which an answer is "none of these": the lowest at which this share of the accepted
    /// validation images (with --folds: training images, by the fits that left them out) is right, precision=0.99, or at most this
    /// share of the images of --unknown is accepted, false-accepts=0.01
    #[arg(long, value_name = "WISH", value_parser = str::parse::<RejectAt>)]
    pub reject_at: Option<RejectAt>,
    /// Choose a threshold for each class, by the precision of the answers with that class
    #[arg(long, requires = "reject_at")]
    pub reject_per_class: bool,
    /// Directory of unknown images, of none of the classes; half of them, by content, choose the threshold, and the others test it
    #[arg(long, value_name = "DIR", requires = "reject_at")]
    pub unknown: Option<PathBuf>,
}

impl RejectFlags {
    /// What they come to; `None` where no threshold is wanted.
    pub fn rejection(&self) -> Result<Option<Rejection>> {
        let Some(at) = self.reject_at else { return Ok(None) };
        if matches!(at, RejectAt::FalseAccepts(_)) {
            if self.unknown.is_none() {
                return Err(Usage::error(anyhow!(
                    "--reject-at {at} is a share of images of other things; give a directory of these, --unknown DIR"
                )));
            }
            if self.reject_per_class {
                return Err(Usage::error(anyhow!("--reject-per-class is for --reject-at precision=SHARE")));
            }
        }
        let unknown = self.unknown.as_deref().map(std::path::absolute).transpose().context("--unknown")?;
        Ok(Some(Rejection { at, per_class: self.reject_per_class, unknown }))
    }
}

/// Reads the images of other things, and warns of those that cannot be read, and of those that are images of `dataset`.
pub fn load_unknown(directory: &Path, conversion: &Conversion, dataset: &Dataset) -> Result<UnknownImages> {
    let unknown = UnknownImages::load(directory, conversion).context("--unknown")?;
    if let Some((path, error)) = unknown.unreadable.first() {
        warn(&format!(
            "NOTE: of --unknown {} cannot be read and will be left out, the first is {}: {error}",
            files(unknown.unreadable.len()),
            in_one_line(&path.display().to_string())
        ));
    }
    let of_classes = unknown.in_dataset(dataset).context("--unknown")?;
    if let Some(first) = of_classes.first() {
        // `eval` reads test images alone.
        let part = if dataset.train.is_empty() { "test images" } else { "images" };
        warn(&format!(
            "NOTE: {} of {} images of --unknown are {part} of {} too, the first is {}: no threshold can reject these and accept \
             the images of the classes; --unknown is for images of other things",
            thousands(of_classes.len()),
            thousands(unknown.len()),
            dataset.name,
            in_one_line(first)
        ));
    }
    Ok(unknown)
}

/// Those that a rejection names.
pub fn unknown_of(
    rejection: Option<&Rejection>,
    conversion: &Conversion,
    dataset: &Dataset,
) -> Result<Option<UnknownImages>> {
    let directory = rejection.and_then(|rejection| rejection.unknown.as_deref());
    directory.map(|directory| load_unknown(directory, conversion, dataset)).transpose()
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{} files", thousands(count)) }
}

/// Images up to which a threshold is uncertain: of 100 right answers, the 95% interval of their precision begins at 0.963.
const FEW: usize = 100;

/// What came of temperature and threshold, line by line.
pub fn lines(metrics: &ConfidenceMetrics) -> Vec<String> {
    let error = |calibrated: &trainer::train::confidence::Calibrated| {
        [&calibrated.before, &calibrated.after].map(|at| at.reliability.calibration_error)
    };
    let ([before, after], [test, test_after]) = (error(&metrics.choosing), error(&metrics.test));
    let by = metrics.chosen_by;
    let mut lines = match &metrics.temperature_kept {
        Some(kept) => vec![
            "the temperature stays at 1:".to_owned(),
            kept.to_string(),
            format!("calibration error {before:.4} on {by}, {test:.4} on test images"),
        ],
        None => vec![
            format!("temperature {:.3}, fitted on {}: calibration error", metrics.temperature, metrics.images()),
            format!("{before:.4} before and {after:.4} after, on test images {test:.4} and {test_after:.4}"),
        ],
    };
    lines.extend(metrics.rejection.iter().flat_map(|rejection| of_rejection(rejection, by)));
    lines
}

fn of_rejection(metrics: &RejectionMetrics, by: ChosenBy) -> Vec<String> {
    let RejectionMetrics { at, threshold, class_thresholds, choosing, test, unknown } = metrics;
    let highest = class_thresholds.iter().copied().fold(*threshold, f32::max);
    let threshold = match class_thresholds.is_empty() {
        true => format!("threshold  {threshold:.4}"),
        false => format!("thresholds {threshold:.4} to {highest:.4}"),
    };
    let mut lines = vec![format!("{threshold}, for {at}: below it the answer is \"none of these\"")];
    let chosen_by = match by {
        ChosenBy::Validation => "validation".to_owned(),
        ChosenBy::Folds(folds) => format!("{folds} folds"),
    };
    lines.push(format!("{chosen_by:<10} {}", of_coverage(choosing)));
    if choosing.images < FEW && matches!(at, RejectAt::Precision(_)) {
        let more = match by {
            ChosenBy::Validation => "fit --folds 5 uses all training images",
            ChosenBy::Folds(_) => "add images",
        };
        lines.push(format!("{:<10} too few images to estimate a precision: {more}", ""));
    }
    lines.push(format!("{:<10} {}", "test", of_coverage(test)));
    if let Some(UnknownMetrics { choosing, testing, separation }) = unknown {
        lines.push(format!(
            "{:<10} {}; of those that chose it {}",
            "unknown",
            of_unknown(testing),
            percent(choosing.share())
        ));
        lines.extend(separation.iter().map(|separation| format!("{:<10} {}", "", of_separation(separation))));
    }
    lines
}

/// What is accepted, and how much of that is right.
pub fn of_coverage(coverage: &Coverage) -> String {
    let Coverage { images, accepted, right } = *coverage;
    let right = coverage.accuracy().map_or_else(
        || "none of them".to_owned(),
        |accuracy| format!("accuracy of these {accuracy:.4}{}", interval(right, accepted)),
    );
    format!("{} of {} images accepted, {right}", percent(coverage.share()), thousands(images))
}

/// What is accepted of images of other things.
pub fn of_unknown(false_accepts: &FalseAccepts) -> String {
    let FalseAccepts { images, accepted } = *false_accepts;
    format!("{} of {} accepted{}", percent(false_accepts.share()), thousands(images), interval(accepted, images))
}

/// How well known and unknown images are distinguished.
pub fn of_separation(separation: &Separation) -> String {
    let at_95 = percent(separation.at_95_percent.share());
    format!("AUROC {:.4}; {at_95} accepted at the threshold that accepts 95% of the right answers", separation.auroc)
}

fn interval(part: usize, whole: usize) -> String {
    Interval::wilson(part, whole).map_or_else(String::new, |interval| format!(" (95% interval {interval})"))
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_by_few_images_comes_with_what_to_do() {
        let lines = |at: &str, images, by| {
            let coverage = Coverage { images, accepted: images, right: images };
            let metrics = RejectionMetrics {
                at: at.parse().unwrap(),
                threshold: 0.0,
                class_thresholds: Vec::new(),
                choosing: coverage,
                test: coverage,
                unknown: None,
            };
            of_rejection(&metrics, by)
        };
        let few = "           too few images to estimate a precision: ";
        assert_eq!(
            lines("precision=0.99", 99, ChosenBy::Validation)[2],
            format!("{few}fit --folds 5 uses all training images")
        );
        assert_eq!(lines("precision=0.99", 99, ChosenBy::Folds(3))[2], format!("{few}add images"));
        for (at, images) in [("precision=0.99", 100), ("false-accepts=0.1", 20)] {
            assert_eq!(lines(at, images, ChosenBy::Validation).len(), 3, "{at} {images}");
        }
    }
}
