//! What each layer's output loses in quantization, in decibels.

use plotters::prelude::*;

use super::figure::{Figure, Kind};
use crate::network::chain::Stage;
use crate::network::layers::Layer;
use crate::report::chart::{self, fill};
use crate::report::drawing::{Drawing, LETTERS, Rectangle as Place, SMALL, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::quantization_error::IMAGES;
use crate::report::text::{room, shorten};
use crate::report::{Findings, ReportError, RunRecord};

/// Height of a layer.
const ROW: f64 = 28.0;
/// Height of its bar.
const BAR: f64 = 14.0;
/// The longest that the name of a layer may be.
const LONGEST_NAME: f64 = 190.0;
/// Room for the numbers below.
const BELOW: f64 = 24.0;
/// Room right of the longest bar, for its number.
const RIGHT: f64 = 56.0;

/// Draws the bars.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(run: &RunRecord, findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let layers: Vec<(String, Option<f64>)> = findings
        .shown
        .quantization_error
        .iter()
        .map(|error| (layer_name(run, error.layer), error.decibels.filter(|decibels| decibels.is_finite())))
        .collect();
    if layers.is_empty() {
        return Ok(None);
    }
    let head = room(layers.iter().map(|(name, _)| name.as_str()), LETTERS, LONGEST_NAME) + 8.0;
    let most = layers.iter().filter_map(|(_, decibels)| *decibels).fold(10.0, f64::max);
    let height = layers.len() as f64 * ROW;
    let wide = WIDTH - head - RIGHT;
    let mut drawing = Drawing::new(WIDTH, height + BELOW);
    chart::draw(&mut drawing, Place(head, 0.0, WIDTH - head, height + BELOW), |canvas| {
        let mut chart =
            chart::lying_bars(canvas, [RIGHT, BELOW, height], most, 5, &|decibels| format!("{decibels:.0} dB"))?;
        for (index, decibels) in layers.iter().map(|(_, decibels)| decibels).enumerate() {
            let top = index as f64 * ROW + (ROW - BAR) / 2.0;
            let end = decibels.unwrap_or(0.0).max(0.0);
            let bar = Rectangle::new([(0.0, top), (end, top + BAR)], fill(Color::Blue));
            chart.draw_series(std::iter::once(bar))?;
        }
        Ok(())
    })?;
    for (index, (name, decibels)) in layers.iter().enumerate() {
        let y = (index as f64 + 0.5) * ROW;
        drawing.text((head - 8.0, y), &shorten(name, LETTERS, head - 8.0), Style::end(LETTERS, Color::Ink));
        let end = head + decibels.unwrap_or(0.0).max(0.0) / most * wide;
        let number = decibels.map_or_else(|| "–".to_owned(), |decibels| format!("{decibels:.1} dB"));
        drawing.text((end + 6.0, y), &number, Style::start(SMALL, Color::Ink));
    }
    Ok(Some(Figure::new(
        Kind::QuantizationError,
        "Cost of quantization, layer by layer",
        format!(
            "Signal-to-quantization-noise ratio of each layer's output: the float model's values against the chip's codes, \
             on {} images. Higher is better; 6 dB are one bit.",
            images_of(run)
        ),
        drawing,
    )))
}

/// Which images were compared, and how many.
fn images_of(run: &RunRecord) -> String {
    let images = run.metrics.images;
    match images.validation {
        0 => format!("{} training", images.train.min(IMAGES)),
        validation => format!("{} validation", validation.min(IMAGES)),
    }
}

/// A stage as a row of the figure calls it, given the last layer that it computes: its ReLU left out, and a pool together with
/// the convolution that it runs with.
fn layer_name(run: &RunRecord, layer: usize) -> String {
    let name = |layer: Layer| layer.to_string().replace(" + relu", "");
    let stages = run.architecture.stages();
    match stages.iter().find(|stage| stage.last_index() == layer) {
        Some(&Stage { index, layer: first, fused: Some(_), .. }) => {
            format!("{index}–{layer} {}, pool", name(first.layer))
        }
        Some(stage) => format!("{layer} {}", name(stage.layer.layer)),
        None => format!("{layer} ?"),
    }
}
