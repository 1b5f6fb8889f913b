//! How accurate the answers are where only the most confident ones count.

use plotters::prelude::*;

use super::axes::{self, Axis};
use super::figure::{Figure, Kind};
use crate::report::chart::stroke;
use crate::report::drawing::{Drawing, WIDTH};
use crate::report::palette::Color;
use crate::report::{Findings, ReportError};
use crate::support::text::thousands;
use crate::train::confidence::coverage::{self, Kept};

/// Points of the curve at most.
const MOST_POINTS: usize = 400;

/// Draws the curve.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let curve = coverage::curve(findings.answers.iter().map(|answer| (answer.probability, answer.is_right())));
    let Some(all) = curve.last().copied() else { return Ok(None) };
    let points = points(&curve, all.answers);
    let lowest = points.iter().map(|(_, accuracy)| *accuracy).fold(1.0, f64::min);
    let low = ((lowest - 0.02) * 20.0).floor().max(0.0) / 20.0;
    let mut drawing = Drawing::new(WIDTH, axes::HEIGHT);
    let x = Axis { name: "answers that are kept, the most confident first", range: [0.0, 1.0], label: &axes::percent };
    let y = Axis { name: "accuracy of the kept answers", range: [low, 1.0], label: &axes::percent };
    axes::draw(&mut drawing, 0.0, [x, y], |chart| {
        chart.draw_series(LineSeries::new(points, stroke(Color::Blue, 2.0)))?;
        Ok(())
    })?;
    let title = "Accuracy of the most confident answers";
    Ok(Some(Figure::new(Kind::Coverage, title, caption(&curve, all), drawing)))
}

fn caption(curve: &[Kept], all: Kept) -> String {
    let reach = |wanted: f64| match coverage::most_at(curve, wanted) {
        Some(kept) if kept.answers == all.answers => None,
        Some(kept) => Some(format!(
            "At least {} of the answers with a probability of {:.3} or more are right: {:.1}% of all answers.",
            axes::percent(wanted),
            kept.confidence,
            100.0 * kept.answers as f64 / all.answers as f64
        )),
        None => Some(format!("No threshold reaches {}.", axes::percent(wanted))),
    };
    let reached: Vec<String> = [0.95, 0.99].into_iter().filter_map(reach).collect();
    format!(
        "The 8-bit model's {} answers to test images, left out one by one from the least probable on. {}",
        thousands(all.answers),
        reached.join(" ")
    )
    .trim_end()
    .to_owned()
}

/// Shares of the answers with their accuracies, of many as many as can be seen. Answers of one confidence are in no order, so the first
/// have the accuracy of all that have the highest.
fn points(curve: &[Kept], answers: usize) -> Vec<(f64, f64)> {
    let Some(first) = curve.first() else { return Vec::new() };
    let apart = answers.div_ceil(MOST_POINTS);
    let mut points = vec![(0.0, first.accuracy())];
    let mut last = 0;
    for (index, kept) in curve.iter().enumerate() {
        if index == 0 || kept.answers >= last + apart || index + 1 == curve.len() {
            points.push((kept.answers as f64 / answers.max(1) as f64, kept.accuracy()));
            last = kept.answers;
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_from_the_most_confident_answers_to_all() {
        let curve = [
            Kept { confidence: 1.0, answers: 2, right: 2 },
            Kept { confidence: 0.7, answers: 3, right: 2 },
            Kept { confidence: 0.5, answers: 4, right: 3 },
        ];
        assert_eq!(points(&curve, 4), [(0.0, 1.0), (0.5, 1.0), (0.75, 2.0 / 3.0), (1.0, 0.75)]);
        let text = caption(&curve, curve[2]);
        assert!(
            text.contains(
                "At least 95% of the answers with a probability of 1.000 or more are right: 50.0% of all answers."
            ),
            "{text}"
        );
        let many = (0..5000).map(|index| (index as f32 / 5000.0, index % 2 == 0));
        let found = points(&coverage::curve(many), 5000);
        assert!(found.len() <= MOST_POINTS + 2 && found.last() == Some(&(1.0, 0.5)), "{}", found.len());
    }

    #[test]
    fn the_caption_names_what_is_not_reached_and_leaves_out_what_all_answers_reach() {
        let wrong = [Kept { confidence: 0.9, answers: 1, right: 0 }];
        assert!(caption(&wrong, wrong[0]).ends_with("No threshold reaches 95%. No threshold reaches 99%."));
        let right = [Kept { confidence: 0.9, answers: 1, right: 1 }];
        assert!(caption(&right, right[0]).ends_with("from the least probable on."));
    }
}
