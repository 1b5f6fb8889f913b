//! Precision over recall: the mean of all classes, and the worst ones.

use plotters::prelude::*;

use super::axes::{self, Axis, LEGEND_LINE};
use super::figure::{Figure, Kind};
use crate::report::chart::stroke;
use crate::report::drawing::{Drawing, WIDTH};
use crate::report::palette::{Color, SERIES};
use crate::report::precision_recall::LEVELS;
use crate::report::{Findings, ReportError, RunRecord};
use crate::support::text::thousands;

/// The curve of the mean, before the others.
const MEAN: (Color, f64) = (Color::Ink, 2.6);

/// Draws the curves.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(run: &RunRecord, findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let Some(curves) = &findings.shown.precision_recall else { return Ok(None) };
    let colors = SERIES.into_iter().filter(|color| *color != MEAN.0);
    let worst: Vec<_> = curves.worst.iter().zip(colors).collect();
    let legend = (1 + worst.len()) as f64 * LEGEND_LINE + 4.0;
    let mut drawing = Drawing::new(WIDTH, legend + axes::HEIGHT);
    let mean = format!("mean of {} classes: {:.3}", thousands(curves.classes), curves.mean_average_precision);
    axes::legend(&mut drawing, LEGEND_LINE / 2.0, &mean, (MEAN.0, MEAN.1, 0.0));
    for (line, (curve, color)) in worst.iter().enumerate() {
        // The number is before the name, which may be longer than there is room.
        let name = format!("{:.3} {}", curve.average_precision, run.class_name(curve.class));
        axes::legend(&mut drawing, (line as f64 + 1.5) * LEGEND_LINE, &name, (*color, 2.0, 0.0));
    }
    let points = |precisions: &[f32]| -> Vec<(f64, f64)> {
        let recall = |level: usize| level as f64 / (LEVELS - 1) as f64;
        precisions.iter().enumerate().map(|(level, &precision)| (recall(level), precision.into())).collect()
    };
    let x = Axis { name: "recall", range: [0.0, 1.0], label: &axes::percent };
    let y = Axis { name: "precision", range: [0.0, 1.0], label: &axes::percent };
    axes::draw(&mut drawing, legend, [x, y], |chart| {
        for (curve, color) in &worst {
            chart.draw_series(LineSeries::new(points(&curve.precisions), stroke(*color, 1.8)))?;
        }
        chart.draw_series(LineSeries::new(points(&curves.mean_precisions), stroke(MEAN.0, MEAN.1)))?;
        Ok(())
    })?;
    let worst = match worst.len() < curves.classes {
        true => format!("the mean, and the {} lowest of {} classes", worst.len(), thousands(curves.classes)),
        false => "the mean, and each class".to_owned(),
    };
    Ok(Some(Figure::new(
        Kind::PrecisionRecall,
        "Precision and recall",
        format!(
            "For each class by itself, at every threshold of its probability; {} test images. \
             The numbers are average precisions: {worst}.",
            thousands(curves.images)
        ),
        drawing,
    )))
}
