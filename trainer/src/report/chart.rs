//! Axes and curves by plotters, placed in a [`Drawing`].

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::IntoFont;

use super::ReportError;
use super::drawing::{Drawing, LETTERS, Rectangle, SMALL, Style};
use super::palette::Color;
use super::text::width;
use crate::support::text::thousands;

/// plotters counts in whole pixels: on a canvas ten times as large they are tenths.
pub const SCALE: f64 = 10.0;

/// Where a chart is drawn.
pub type Canvas<'c> = DrawingArea<SVGBackend<'c>, Shift>;

/// What goes wrong while drawing.
pub type ChartError = DrawingAreaErrorKind<std::io::Error>;

/// Lets plotters draw into `place`.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(
    drawing: &mut Drawing,
    place: Rectangle,
    chart: impl FnOnce(&Canvas<'_>) -> Result<(), ChartError>,
) -> Result<(), ReportError> {
    let Rectangle(left, top, width, height) = place;
    let mut svg = String::new();
    {
        let size = (pixels(width).cast_unsigned(), pixels(height).cast_unsigned());
        let canvas = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = chart(&canvas).and_then(|()| canvas.present());
        drawn.map_err(|error| ReportError::Chart { reason: error.to_string() })?;
    }
    // What is inside of plotters' own `<svg>`.
    let body = svg.find('>').zip(svg.rfind("</svg>")).and_then(|(begin, end)| svg.get(begin + 1..end));
    drawing.nested((left, top), 1.0 / SCALE, body.unwrap_or_default().trim_start());
    Ok(())
}

/// A chart of bars that lie, by plotters.
pub type BarChart<'a, 'c> = ChartContext<'a, SVGBackend<'c>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The frame of bars that lie: `most` is at the right end, labels in steps at the bottom, rows from the top down to `height`.
///
/// # Errors
/// The error of plotters.
pub fn lying_bars<'a, 'c>(
    canvas: &'a Canvas<'c>,
    [right, below, height]: [f64; 3],
    most: f64,
    labels_wanted: usize,
    label: &dyn Fn(&f64) -> String,
) -> Result<BarChart<'a, 'c>, ChartError> {
    let mut chart = ChartBuilder::on(canvas)
        .margin_right(pixels(right))
        .x_label_area_size(pixels(below))
        .build_cartesian_2d(0.0..most, height..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(stroke(Color::Grid, 1.0))
        .axis_style(TRANSPARENT)
        .set_all_tick_mark_size(pixels(5.0))
        .label_style(labels())
        .x_labels(labels_wanted)
        .y_labels(0)
        .x_label_formatter(&label)
        .draw()?;
    Ok(chart)
}

/// A legend of bars in one line at the top of a drawing: a square of each color, and its name.
pub fn legend_of_bars(drawing: &mut Drawing, bars: impl IntoIterator<Item = (&'static str, Color)>) {
    let mut x = 0.0;
    for (name, color) in bars {
        drawing.rectangle(Rectangle(x, 4.0, 12.0, 12.0), color, 1.0, None);
        drawing.text((x + 19.0, 10.0), name, Style::start(LETTERS, Color::Ink));
        x += 19.0 + width(name, LETTERS) + 22.0;
    }
}

/// Pixels of plotters' canvas.
#[must_use]
pub fn pixels(length: f64) -> i32 {
    (length * SCALE).round() as i32
}

/// A line of a thickness.
#[must_use]
pub fn stroke(color: Color, thickness: f64) -> ShapeStyle {
    ShapeStyle { color: rgba(color), filled: false, stroke_width: pixels(thickness).cast_unsigned() }
}

/// An area.
#[must_use]
pub fn fill(color: Color) -> ShapeStyle {
    ShapeStyle { color: rgba(color), filled: true, stroke_width: 0 }
}

fn rgba(color: Color) -> RGBAColor {
    let RGBColor(red, green, blue) = color.rgb();
    RGBAColor(red, green, blue, 1.0)
}

/// What axes are labeled with.
#[must_use]
pub fn labels() -> TextStyle<'static> {
    // plotters writes a font size of 1/1.24 of what it is given.
    ("sans-serif", SMALL * SCALE * 1.24).into_font().color(&Color::Muted.rgb())
}

/// A label for a whole number; none for others, which have no place on an axis of counts.
#[must_use]
pub fn whole(value: f64) -> String {
    if (value - value.round()).abs() < 1e-9 { thousands(value.round().max(0.0) as usize) } else { String::new() }
}

/// Decimals that distinguish the labels of an axis of this span.
#[must_use]
pub fn decimals(span: f64) -> usize {
    if span > 0.0 { (1.0 - (span / 1.5).log10().floor()).clamp(0.0, 6.0) as usize } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_of_a_count_have_labels() {
        assert_eq!([0.0, 0.5, 1200.0].map(whole), ["0", "", "1,200"]);
    }

    #[test]
    fn labels_have_the_decimals_that_distinguish_them() {
        assert_eq!([20.0, 2.0, 1.0, 0.3, 0.1, 0.01, 0.0].map(decimals), [0, 1, 2, 2, 3, 4, 2]);
    }
}
