//! Charts of curves over two axes, each with its name, and their legends.

use plotters::chart::ChartContext;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::report::ReportError;
use crate::report::chart::{self, ChartError, labels, pixels, stroke};
use crate::report::drawing::{Drawing, LETTERS, Rectangle as Place, SMALL, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::text::shorten;

/// Height of a line of a legend.
pub const LEGEND_LINE: f64 = 20.0;
/// Height of the name of the vertical axis.
const NAME: f64 = 22.0;
/// Height of a chart and the numbers below it.
const PANEL: f64 = 252.0;
/// Height of the name of the horizontal axis.
const BELOW_NAME: f64 = 18.0;
/// Room for the numbers left of a chart.
const LEFT: f64 = 48.0;
/// Room for the numbers below a chart.
const BELOW: f64 = 24.0;
/// Room right of a chart, for half of its last number.
const RIGHT: f64 = 14.0;

/// Height of a chart with the names of its axes.
pub const HEIGHT: f64 = NAME + PANEL + BELOW_NAME;

/// An axis.
pub struct Axis<'t> {
    /// What is measured, with its unit.
    pub name: &'t str,
    /// From where to where.
    pub range: [f64; 2],
    /// A number of it as text.
    pub label: &'t dyn Fn(f64) -> String,
}

/// A chart.
pub type Chart<'a, 'c> = ChartContext<'a, SVGBackend<'c>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws axes whose upper edge is at `top`, and lets `curves` draw what is between them.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(
    drawing: &mut Drawing,
    top: f64,
    [x, y]: [Axis<'_>; 2],
    curves: impl FnOnce(&mut Chart<'_, '_>) -> Result<(), ChartError>,
) -> Result<(), ReportError> {
    drawing.text((0.0, top + NAME / 2.0 - 2.0), y.name, Style::start(LETTERS, Color::Ink));
    chart::draw(drawing, Place(0.0, top + NAME, WIDTH, PANEL), |canvas| {
        let mut chart = ChartBuilder::on(canvas)
            .margin_top(pixels(6.0))
            .margin_right(pixels(RIGHT))
            .y_label_area_size(pixels(LEFT))
            .x_label_area_size(pixels(BELOW))
            .build_cartesian_2d(x.range[0]..x.range[1], y.range[0]..y.range[1])?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(stroke(Color::Grid, 1.0))
            .axis_style(TRANSPARENT)
            .set_all_tick_mark_size(pixels(6.0))
            .label_style(labels())
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| (x.label)(*value))
            .y_label_formatter(&|value| (y.label)(*value))
            .draw()?;
        curves(&mut chart)
    })?;
    let below = top + NAME + PANEL + BELOW_NAME / 2.0;
    drawing.text((WIDTH - RIGHT, below), x.name, Style::end(SMALL, Color::Muted));
    Ok(())
}

/// A line of a legend at the height `y`: a stroke as the curve has it, and its name.
pub fn legend(drawing: &mut Drawing, y: f64, name: &str, (color, thickness, dash): (Color, f64, f64)) {
    drawing.line((0.0, y), (26.0, y), color, thickness, dash);
    drawing.text((34.0, y), &shorten(name, LETTERS, WIDTH - 34.0), Style::start(LETTERS, Color::Ink));
}

/// A share of 1 in whole percent.
pub fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
