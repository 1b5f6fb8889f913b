//! Precision, recall and F1 of each class, as bars.

use plotters::prelude::*;

use super::figure::{Figure, Kind, of_many};
use crate::report::chart::{self, fill};
use crate::report::drawing::{Drawing, LETTERS, Rectangle as Place, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::text::{room, shorten};
use crate::report::{Findings, ReportError, RunRecord, answers};

/// Height of a class.
const ROW: f64 = 36.0;
/// Height of one of its bars.
const BAR: f64 = 8.0;
/// The longest that the name of a class may be.
const LONGEST_NAME: f64 = 130.0;
/// Height of the legend.
const LEGEND: f64 = 26.0;
/// Room for the numbers below.
const BELOW: f64 = 24.0;
/// Room right of the bars, for half of the last number.
const RIGHT: f64 = 12.0;

/// The three rates and their colors.
const RATES: [(&str, Color); 3] = [("precision", Color::Blue), ("recall", Color::Sky), ("F1", Color::Vermillion)];

/// Draws the bars.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(run: &RunRecord, findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let names = &run.config.class_names;
    if findings.answers.is_empty() || names.is_empty() {
        return Ok(None);
    }
    let confusion = answers::confusion(&findings.answers, names.len());
    let shown = confusion.shown();
    let of_many = of_many(shown.len(), names.len(), "most mistakes");
    let rates: Vec<[Option<f64>; 3]> = shown.iter().map(|&class| answers::rates(&confusion, class)).collect();
    let names: Vec<&str> = shown.iter().map(|&class| run.class_name(class)).collect();
    let head = room(names.iter().copied(), LETTERS, LONGEST_NAME) + 8.0;
    let height = names.len() as f64 * ROW;
    let mut drawing = Drawing::new(WIDTH, LEGEND + height + BELOW);

    chart::legend_of_bars(&mut drawing, RATES);
    for (class, name) in names.iter().enumerate() {
        let y = LEGEND + (class as f64 + 0.5) * ROW;
        drawing.text((head - 8.0, y), &shorten(name, LETTERS, head - 8.0), Style::end(LETTERS, Color::Ink));
    }
    let place = Place(head, LEGEND, WIDTH - head, height + BELOW);
    chart::draw(&mut drawing, place, |canvas| {
        let mut chart = chart::lying_bars(canvas, [RIGHT, BELOW, height], 1.0, 6, &|rate| format!("{rate:.1}"))?;
        for (class, rates) in rates.iter().enumerate() {
            let top = class as f64 * ROW + (ROW - 3.0 * BAR - 2.0) / 2.0;
            for (index, (rate, (_, color))) in rates.iter().zip(RATES).enumerate() {
                let Some(rate) = *rate else { continue };
                let top = top + index as f64 * (BAR + 1.0);
                let bar = Rectangle::new([(0.0, top), (rate, top + BAR)], fill(color));
                chart.draw_series(std::iter::once(bar))?;
            }
        }
        Ok(())
    })?;
    Ok(Some(Figure::new(
        Kind::Classes,
        "Class by class",
        format!(
            "The 8-bit model on the test images. Precision: the share of the answers with the class that are right. Recall: \
             the share of the images of the class that are right. F1: their harmonic mean.{of_many}"
        ),
        drawing,
    )))
}
