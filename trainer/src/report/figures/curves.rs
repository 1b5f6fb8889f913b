//! Loss and accuracy by epoch, of one run or of several laid over each other.

use plotters::prelude::*;

use super::figure::{Figure, Kind};
use crate::report::chart::{self, Canvas, ChartError, decimals, fill, labels, pixels, stroke};
use crate::report::drawing::{Drawing, LETTERS, Rectangle as Place, SMALL, Style, WIDTH};
use crate::report::palette::{Color, SERIES};
use crate::report::text::{shorten, width};
use crate::report::{MOST_RUNS, ReportError, RunRecord};
use crate::train::Epoch;
use crate::train::score::Score;

/// Height of one of the two charts, its axis included.
const PANEL: f64 = 212.0;
/// Height of a chart's own title.
const PANEL_TITLE: f64 = 20.0;
/// Between the two.
const PANEL_GAP: f64 = 6.0;
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 20.0;
/// Room for the numbers left of a chart.
const LEFT: f64 = 42.0;
/// Room for the epochs below a chart.
const BELOW: f64 = 24.0;
/// Room right of a chart, for half of its last number.
const RIGHT: f64 = 10.0;
/// Epochs up to which each is a point on its curve.
const FEW: usize = 15;

/// What a chart shows of a score.
type Number = fn(&Score) -> f64;

/// What a run shows of itself.
struct Curves<'r> {
    epochs: &'r [Epoch],
    best_epoch: usize,
    train: Color,
    validation: Color,
}

/// Draws the curves of runs.
///
/// # Errors
/// [`ReportError::TooManyRuns`], [`ReportError::Chart`].
pub fn draw(runs: &[&RunRecord]) -> Result<Option<Figure>, ReportError> {
    if runs.len() > MOST_RUNS {
        return Err(ReportError::TooManyRuns { given: runs.len() });
    }
    let several = runs.len() > 1;
    let curves: Vec<Curves<'_>> = runs
        .iter()
        .zip(SERIES)
        .map(|(run, color)| Curves {
            epochs: &run.history,
            best_epoch: run.metrics.best_epoch,
            train: if several { color } else { Color::Blue },
            validation: if several { color } else { Color::Vermillion },
        })
        .collect();
    if curves.iter().all(|curves| curves.epochs.is_empty()) {
        return Ok(None);
    }
    let legend = LEGEND_LINE * (1 + if several { runs.len() } else { 0 }) as f64 + 6.0;
    let mut drawing = Drawing::new(WIDTH, legend + 2.0 * (PANEL_TITLE + PANEL) + PANEL_GAP + 18.0);
    draw_keys(&mut drawing, &curves, several);
    for (index, (run, curves)) in runs.iter().zip(&curves).enumerate().filter(|_| several) {
        let y = (index as f64 + 1.5) * LEGEND_LINE;
        drawing.line((0.0, y), (26.0, y), curves.validation, 2.5, 0.0);
        drawing.text((34.0, y), &shorten(&run.name, LETTERS, WIDTH - 34.0), Style::start(LETTERS, Color::Ink));
    }
    let panels: [(&str, Number); 2] = [("loss", |score| score.loss), ("accuracy", |score| score.accuracy)];
    for (index, (name, value)) in panels.into_iter().enumerate() {
        let top = legend + index as f64 * (PANEL_TITLE + PANEL + PANEL_GAP);
        drawing.text((0.0, top + PANEL_TITLE / 2.0 - 1.0), name, Style::start(LETTERS, Color::Ink));
        let place = Place(0.0, top + PANEL_TITLE, WIDTH, PANEL);
        chart::draw(&mut drawing, place, |canvas| panel(canvas, &curves, value))?;
    }
    let below = legend + 2.0 * (PANEL_TITLE + PANEL) + PANEL_GAP + 9.0;
    drawing.text((WIDTH - RIGHT, below), "epoch", Style::end(SMALL, Color::Muted));
    let caption = match is_validated(&curves) {
        true => {
            "Training: the mean over an epoch's steps, each before its update. Validation: after \
             the epoch. The ring is the epoch whose weights were kept."
        }
        false => {
            "The mean over an epoch's steps, each before its update. All images were trained on, and none were held out for validation; \
             the last weights were kept."
        }
    };
    let title = if several { "Training, run by run" } else { "Training" };
    let figure = Figure::new(Kind::Curves, title, caption, drawing);
    Ok(Some(match runs {
        [only] => Figure { run: Some(only.name.clone()), ..figure },
        _ => figure,
    }))
}

/// Whether any epoch was validated: none is where a run is cross-validated.
fn is_validated(curves: &[Curves<'_>]) -> bool {
    curves.iter().flat_map(|curves| curves.epochs).any(|epoch| is_drawn(epoch.validation.loss))
}

/// What dashes and rings mean, in the first line.
fn draw_keys(drawing: &mut Drawing, curves: &[Curves<'_>], several: bool) {
    let [train, validation] = match curves {
        [only] => [only.train, only.validation],
        _ => [Color::Muted; 2],
    };
    let kept = match curves {
        [only] if only.best_epoch == 0 => "the start is kept".to_owned(),
        [only] => format!("epoch {}, kept", only.best_epoch),
        _ => "epoch that was kept".to_owned(),
    };
    let y = LEGEND_LINE / 2.0;
    let mut x = 0.0;
    let words = Style::start(LETTERS, if several { Color::Muted } else { Color::Ink });
    let is_validated = is_validated(curves);
    let keys = [("validation", validation, 0.0), ("training", train, 4.0)];
    for (name, color, dash) in keys.into_iter().skip(usize::from(!is_validated)) {
        drawing.line((x, y), (x + 26.0, y), color, 2.0, dash);
        drawing.text((x + 34.0, y), name, words);
        x += 34.0 + width(name, LETTERS) + 22.0;
    }
    if is_validated {
        drawing.ring((x + 5.0, y), 4.5, validation);
        drawing.text((x + 17.0, y), &kept, words);
    }
}

fn panel(canvas: &Canvas<'_>, curves: &[Curves<'_>], value: Number) -> Result<(), ChartError> {
    let epochs = || curves.iter().flat_map(|curves| curves.epochs);
    let last = epochs().map(|epoch| epoch.epoch).max().unwrap_or(1) as i32;
    let (low, high) = span(epochs().flat_map(|epoch| [value(&epoch.train), value(&epoch.validation)]));
    // A single epoch is in the middle.
    let columns = if last > 1 { 1..last } else { 0..2 };
    let mut chart = ChartBuilder::on(canvas)
        .margin_top(pixels(6.0))
        .margin_right(pixels(RIGHT))
        .y_label_area_size(pixels(LEFT))
        .x_label_area_size(pixels(BELOW))
        .build_cartesian_2d(columns, low..high)?;
    let decimals = decimals(high - low);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(stroke(Color::Grid, 1.0))
        .axis_style(TRANSPARENT)
        .set_all_tick_mark_size(pixels(6.0))
        .label_style(labels())
        .x_labels(last.clamp(3, 11) as usize)
        .y_labels(6)
        .x_label_formatter(&|&epoch| if (1..=last).contains(&epoch) { epoch.to_string() } else { String::new() })
        .y_label_formatter(&|value| format!("{value:.decimals$}"))
        .draw()?;
    for Curves { epochs, train, validation, .. } in curves {
        let points = |value: &dyn Fn(&Epoch) -> f64| -> Vec<(i32, f64)> {
            let points = epochs.iter().map(|epoch| (epoch.epoch as i32, value(epoch)));
            points.filter(|&(_, value)| is_drawn(value)).collect()
        };
        let size = if epochs.len() <= FEW { pixels(2.4) } else { 0 };
        let dots = |points: &[(i32, f64)], color: Color| -> Vec<Circle<(i32, f64), i32>> {
            let points = if size > 0 { points } else { &[] };
            points.iter().map(|&point| Circle::new(point, size, fill(color))).collect()
        };
        let trained = points(&|epoch| value(&epoch.train));
        chart.draw_series(dots(&trained, *train))?;
        chart.draw_series(DashedLineSeries::new(trained, pixels(4.0), pixels(4.0), stroke(*train, 1.6)))?;
        let validated = points(&|epoch| value(&epoch.validation));
        chart.draw_series(dots(&validated, *validation))?;
        chart.draw_series(LineSeries::new(validated, stroke(*validation, 2.0)))?;
    }
    for Curves { epochs, best_epoch, validation, .. } in curves {
        let best = epochs.iter().filter(|epoch| epoch.epoch == *best_epoch);
        let points: Vec<(i32, f64)> = best.map(|epoch| (epoch.epoch as i32, value(&epoch.validation))).collect();
        for point in points.into_iter().filter(|&(_, value)| is_drawn(value)) {
            let ring = [(5.5, *validation), (3.5, Color::Paper)];
            chart.draw_series(ring.map(|(radius, color)| Circle::new(point, pixels(radius), fill(color))))?;
        }
    }
    Ok(())
}

/// Whether a value has a place in the figure: a loss of a training that diverged has none, and an axis that is long enough for it
/// would show nothing else.
fn is_drawn(value: f64) -> bool {
    const MOST: f64 = 1e9;
    value.abs() <= MOST
}

/// The lowest and the highest of values that are drawn, with some room around them.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|&value| is_drawn(value))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high > low { 0.06 * (high - low) } else { 0.1 * high.abs().max(0.01) };
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_spans_what_is_finite_and_never_nothing() {
        let (low, high) = span([1.0, f64::NAN, 2.0, f64::INFINITY].into_iter());
        assert!(low < 1.0 && low > 0.9 && high > 2.0 && high < 2.1);
        let (low, high) = span([0.0].into_iter());
        assert!(low < 0.0 && high > 0.0);
        assert_eq!(span([f64::NAN].into_iter()), (0.0, 1.0));
        let (low, high) = span([1.0, 1.7e308, 2.0, -1e308].into_iter());
        assert!(low > 0.9 && high < 2.1, "what diverged is left out: {low} to {high}");
    }
}
