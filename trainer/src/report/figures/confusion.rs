//! Which classes are taken for which: a row per true class, tinted by its share.

use super::figure::{Figure, Kind, of_many};
use crate::report::drawing::{Anchor, Drawing, LETTERS, Rectangle, SMALL, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::text::{room, shorten, width};
use crate::report::{Findings, RunRecord, answers};
use crate::support::text::thousands;
use crate::train::confusion::Confusion;

/// The longest that the name of a class may be.
const LONGEST_NAME: f64 = 104.0;
/// Sides of a cell, the least and the most.
const CELL: (f64, f64) = (21.0, 62.0);
/// Between names and cells.
const GAP: f64 = 7.0;
/// Height of the legend below.
const LEGEND: f64 = 60.0;
/// Tint from which on a number is written in the color of the paper.
const FULL: f64 = 0.75;

/// Draws the matrix.
pub fn draw(run: &RunRecord, findings: &Findings) -> Option<Figure> {
    let names = &run.config.class_names;
    let confusion = answers::confusion(&findings.answers, names.len());
    let shown = confusion.shown();
    let of_many = of_many(shown.len(), names.len(), "most mistakes");
    (!findings.answers.is_empty()).then(|| {
        Figure::new(
            Kind::Confusion,
            "Confusion",
            format!(
                "A row per true class, a column per class predicted by the 8-bit model, with the numbers of {} test \
                 images, tinted by their share of the row.{of_many}",
                thousands(findings.answers.len())
            ),
            matrix(names, &confusion, &shown),
        )
    })
}

/// How full a cell of a share is: small shares are where the mistakes are, so they get more than their due, and no mistake
/// looks like none.
fn tint(share: f64) -> f64 {
    share.powf(0.6).max(0.07)
}

/// The classes that are `shown`, each against each.
fn matrix(names: &[String], confusion: &Confusion, shown: &[usize]) -> Drawing {
    let name_of = |class: usize| names.get(class).map_or("?", String::as_str);
    let names: Vec<&str> = shown.iter().map(|&class| name_of(class)).collect();
    let classes = names.len().max(1);
    let letters = if classes > 12 { SMALL } else { LETTERS };
    // The head of the columns as wide as a browser's font may make it: it begins at the very edge.
    let corner = room(["prediction →"], SMALL, f64::INFINITY);
    let head = room(names.iter().copied(), letters, LONGEST_NAME).max(corner).ceil() + GAP;
    let cell = ((WIDTH - head) / classes as f64).clamp(CELL.0, CELL.1).floor();
    let side = cell * classes as f64;
    let mut drawing = Drawing::new((head + side).max(WIDTH), head + side + LEGEND);

    drawing.text((head - GAP, head - GAP - 19.0), "prediction →", Style::end(SMALL, Color::Muted));
    drawing.text((head - GAP, head - GAP - 5.0), "truth ↓", Style::end(SMALL, Color::Muted));
    for (class, name) in names.iter().enumerate() {
        let name = shorten(name, letters, head - GAP);
        let middle = (class as f64 + 0.5) * cell;
        drawing.text((head - GAP, head + middle), &name, Style::end(letters, Color::Ink));
        let upward = Style { anchor: Anchor::Start, size: letters, color: Color::Ink, upward: true };
        drawing.text((head + middle, head - GAP), &name, upward);
    }
    let most = confusion.entries().map(|entry| entry.count).max().unwrap_or(0).to_string();
    let size = (cell * 0.42).min(LETTERS).min((cell - 4.0) / width(&most, 1.0));
    for (truth, &class) in shown.iter().enumerate() {
        let total = confusion.images(class);
        for (prediction, &given) in shown.iter().enumerate() {
            let count = confusion.count(class, given);
            let (x, y) = (head + prediction as f64 * cell, head + truth as f64 * cell);
            let place = Rectangle(x, y, cell - 1.0, cell - 1.0);
            if count == 0 {
                drawing.rectangle(place, Color::Grid, 0.2, None);
                continue;
            }
            let share = count as f64 / total as f64;
            let about = format!(
                "{}, predicted as {}: {count} of {total} ({:.1}%)",
                names[truth],
                names[prediction],
                100.0 * share
            );
            drawing.rectangle(place, Color::Blue, tint(share), Some(&about));
            let color = if tint(share) > FULL { Color::Paper } else { Color::Ink };
            let middle = (cell - 1.0) / 2.0;
            drawing.text((x + middle, y + middle), &count.to_string(), Style::middle(size, color));
        }
    }
    draw_legend(&mut drawing, (head, head + side + 16.0));
    drawing
}

/// What tints mean.
fn draw_legend(drawing: &mut Drawing, (left, top): (f64, f64)) {
    const STEP: f64 = 38.0;
    for (index, share) in [0.01, 0.05, 0.1, 0.25, 0.5, 1.0].into_iter().enumerate() {
        let x = left + index as f64 * STEP;
        drawing.rectangle(Rectangle(x, top, STEP - 2.0, 10.0), Color::Blue, tint(share), None);
        let text = format!("{:.0}%", 100.0 * share);
        drawing.text((x + STEP / 2.0 - 1.0, top + 19.0), &text, Style::middle(SMALL, Color::Muted));
    }
    drawing.text((left, top + 34.0), "share of the row", Style::start(SMALL, Color::Muted));
}
