//! How often answers of a probability are right: the reliability diagram.

use plotters::prelude::*;

use super::axes::{self, Axis, LEGEND_LINE};
use super::figure::{Figure, Kind};
use crate::report::chart::{pixels, stroke};
use crate::report::drawing::{Drawing, WIDTH};
use crate::report::palette::Color;
use crate::report::{ReportError, RunRecord};
use crate::train::confidence::reliability::Reliability;
use crate::train::confidence::settle::ProbabilityMetrics;
use crate::train::confidence::{Calibrated, ConfidenceMetrics, RejectionMetrics};

/// Radius of the point of a bin that has all answers, beyond that of one that has hardly any.
const LARGEST: f64 = 10.0;

/// Draws the diagram of the test images; none where the run has no probabilities of them.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(run: &RunRecord) -> Result<Option<Figure>, ReportError> {
    let Some(confidence) = &run.metrics.confidence else { return Ok(None) };
    let Calibrated { before, after } = &confidence.test;
    if after.reliability.bins.iter().all(|bin| bin.images == 0) {
        return Ok(None);
    }
    let is_changed = confidence.temperature != 1.0;
    let mut series = vec![(after, "as in the model file", Color::Blue)];
    if is_changed {
        series.insert(0, (before, "before calibration", Color::Vermillion));
    }
    let legend = if is_changed { series.len() as f64 * LEGEND_LINE + 4.0 } else { 0.0 };
    let mut drawing = Drawing::new(WIDTH, legend + axes::HEIGHT);
    if is_changed {
        for (line, &(_, name, color)) in series.iter().enumerate() {
            axes::legend(&mut drawing, (line as f64 + 0.5) * LEGEND_LINE, name, (color, 2.0, 0.0));
        }
    }
    let x = Axis { name: "probability of the answer", range: [0.0, 1.0], label: &axes::percent };
    let y = Axis { name: "share of right answers", range: [0.0, 1.0], label: &axes::percent };
    axes::draw(&mut drawing, legend, [x, y], |chart| {
        let diagonal = [(0.0, 0.0), (1.0, 1.0)];
        chart.draw_series(DashedLineSeries::new(diagonal, pixels(4.0), pixels(4.0), stroke(Color::Muted, 1.6)))?;
        for (probabilities, _, color) in series {
            let points = points(&probabilities.reliability);
            let line = points.iter().map(|&(x, y, _)| (x, y));
            chart.draw_series(LineSeries::new(line, stroke(color, 1.0)))?;
            let circle = |&(x, y, radius): &(f64, f64, f64)| Circle::new((x, y), pixels(radius), stroke(color, 2.0));
            chart.draw_series(points.iter().map(circle))?;
        }
        Ok(())
    })?;
    let caption = caption(confidence);
    Ok(Some(Figure::new(Kind::Reliability, "Reliability of probabilities", caption, drawing)))
}

/// Of each bin that has answers their mean probability, the share of right ones, and the radius of a circle whose area grows with their
/// number.
fn points(reliability: &Reliability) -> Vec<(f64, f64, f64)> {
    let all: usize = reliability.bins.iter().map(|bin| bin.images).sum();
    let filled = reliability.bins.iter().filter(|bin| bin.images > 0);
    filled.map(|bin| (bin.probability, bin.accuracy, 2.0 + LARGEST * (bin.images as f64 / all as f64).sqrt())).collect()
}

/// What the figure shows, and which images temperature and threshold come from.
fn caption(confidence: &ConfidenceMetrics) -> String {
    let ConfidenceMetrics { temperature, test: Calibrated { before, after }, rejection, .. } = confidence;
    let temperature = *temperature;
    let error = |probabilities: &ProbabilityMetrics| format!("{:.4}", probabilities.reliability.calibration_error);
    let errors = match temperature == 1.0 {
        true => format!("The expected calibration error is {}.", error(after)),
        false => format!(
            "The expected calibration error is {}, and was {} before logits were divided by a temperature of {temperature:.3}, fitted on {}.",
            error(after),
            error(before),
            confidence.images()
        ),
    };
    let threshold =
        rejection.as_ref().map_or_else(String::new, |rejection| of_threshold(rejection, &confidence.images()));
    format!(
        "The 8-bit model's answers to test images, in bins of about the same probability; larger circles are more answers. On the dashed line \
         probabilities match the share of right answers, below it they are too high. {errors}{threshold}"
    )
}

/// What a threshold that was chosen by these images comes to.
fn of_threshold(rejection: &RejectionMetrics, images: &str) -> String {
    let RejectionMetrics { at, threshold, class_thresholds, test, unknown, .. } = rejection;
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let highest = class_thresholds.iter().copied().fold(*threshold, f32::max);
    let range = if class_thresholds.is_empty() { String::new() } else { format!(" to {highest:.3}, by class") };
    let right =
        test.accuracy().map_or_else(String::new, |accuracy| format!(", and {} of these are right", percent(accuracy)));
    let unknown = unknown
        .as_ref()
        .map_or_else(String::new, |unknown| format!("; of unknown images {}", percent(unknown.testing.share())));
    format!(
        " The threshold of \"none of these\" is for {at}, chosen by {images}: {threshold:.3}{range}. It accepts {} of the test images{right}{unknown}.",
        percent(test.share())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::confidence::ChosenBy;
    use crate::train::confidence::rejection::{Coverage, FalseAccepts, RejectAt};
    use crate::train::confidence::reliability::Bin;
    use crate::train::confidence::settle::UnknownMetrics;

    #[test]
    fn empty_bins_have_no_point_and_areas_grow_with_answers() {
        let bin = |images, probability, accuracy| Bin { images, probability, accuracy };
        let bins = vec![bin(0, 0.0, 0.0), bin(25, 0.5, 0.25), bin(75, 0.9, 1.0)];
        let found = points(&Reliability { calibration_error: 0.1, bins });
        let radius = |share: f64| 2.0 + LARGEST * share.sqrt();
        assert_eq!(found, [(0.5, 0.25, radius(0.25)), (0.9, 1.0, radius(0.75))]);
    }

    #[test]
    fn the_caption_has_both_errors_where_a_temperature_was_fitted_and_what_it_was_fitted_on() {
        let of = |calibration_error, images| ProbabilityMetrics {
            loss: 0.5,
            reliability: Reliability { calibration_error, bins: vec![Bin { images, probability: 0.5, accuracy: 0.5 }] },
        };
        let calibrated = |before, after, images| Calibrated { before: of(before, images), after: of(after, images) };
        let mut metrics = ConfidenceMetrics {
            temperature: 1.25,
            temperature_kept: None,
            chosen_by: ChosenBy::Folds(5),
            choosing: calibrated(0.04, 0.02, 1100),
            test: calibrated(0.05, 0.01, 600),
            rejection: None,
        };
        let text = caption(&metrics);
        assert!(text.contains("is 0.0100, and was 0.0500 before"), "{text}");
        assert!(text.ends_with("a temperature of 1.250, fitted on 1,100 images in 5 folds."), "{text}");
        metrics.chosen_by = ChosenBy::Validation;
        let coverage = Coverage { images: 1100, accepted: 1000, right: 990 };
        metrics.rejection = Some(RejectionMetrics {
            at: RejectAt::Precision(0.99),
            threshold: 0.8,
            class_thresholds: Vec::new(),
            choosing: coverage,
            test: coverage,
            unknown: None,
        });
        let text = caption(&metrics);
        assert!(text.contains("fitted on the validation images. The threshold"), "{text}");
        let expected = "is for precision=0.99, chosen by the validation images: 0.800. It accepts 90.9% of the test images, and 99.0% of \
                        these are right.";
        assert!(text.ends_with(expected), "{text}");
        let rejection = metrics.rejection.as_mut().unwrap();
        rejection.class_thresholds = vec![0.8, 0.95];
        let testing = FalseAccepts { images: 50, accepted: 4 };
        rejection.unknown = Some(UnknownMetrics { choosing: testing, testing, separation: None });
        rejection.test = Coverage { images: 10, accepted: 0, right: 0 };
        let text = caption(&metrics);
        let expected = ": 0.800 to 0.950, by class. It accepts 0.0% of the test images; of unknown images 8.0%.";
        assert!(text.ends_with(expected), "{text}");
        let metrics = ConfidenceMetrics { temperature: 1.0, rejection: None, ..metrics };
        assert!(caption(&metrics).ends_with("The expected calibration error is 0.0100."));
    }
}
