//! How many images each class has, as bars: training, validation and test after each other.

use super::figure::{Figure, Kind, of_many};
use crate::report::chart;
use crate::report::drawing::{Drawing, LETTERS, Rectangle, SMALL, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::text::{room, shorten};
use crate::report::{Findings, ReportError, RunRecord};
use crate::support::limits::{MATRIX_CLASSES, SHOWN_CLASSES};
use crate::support::text::thousands;

/// Height of a class.
const ROW: f64 = 24.0;
/// Height of its bar.
const BAR: f64 = 14.0;
/// The longest that the name of a class may be.
const LONGEST_NAME: f64 = 130.0;
/// Height of the legend.
const LEGEND: f64 = 26.0;
/// Room for the numbers below, and the name of the axis.
const BELOW: f64 = 42.0;

/// The three parts of the data and their colors.
const PARTS: [(&str, Color); 3] = [("training", Color::Blue), ("validation", Color::Vermillion), ("test", Color::Sky)];

/// Draws the bars.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(run: &RunRecord, findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let counts = &findings.shown.class_images;
    if counts.is_empty() {
        return Ok(None);
    }
    let shown = shown(counts);
    let names: Vec<&str> = shown.iter().map(|&class| run.class_name(class)).collect();
    let parts = filled(counts);
    let images_of = |class: usize| parts.iter().map(move |&part| (counts[class][part], PARTS[part]));
    let of_class = |&class: &usize| images_of(class).map(|(count, _)| thousands(count)).collect::<Vec<_>>().join(" + ");
    let numbers: Vec<String> = shown.iter().map(of_class).collect();
    let sum = parts.iter().map(|&part| PARTS[part].0).collect::<Vec<_>>().join(" + ");
    let most = shown.iter().map(|&class| counts[class].iter().sum::<usize>()).max().unwrap_or(0).max(1) as f64;
    let head = room(names.iter().copied(), LETTERS, LONGEST_NAME) + 8.0;
    // As wide as a browser's font may make the longest number.
    let right = room(numbers.iter().map(String::as_str), SMALL, f64::INFINITY) + 8.0;
    let (wide, height) = (WIDTH - head - right, names.len() as f64 * ROW);
    let mut drawing = Drawing::new(WIDTH, LEGEND + height + BELOW);

    chart::legend_of_bars(&mut drawing, parts.iter().map(|&part| PARTS[part]));
    let place = Rectangle(head, LEGEND, WIDTH - head, height + BELOW - 18.0);
    chart::draw(&mut drawing, place, |canvas| {
        let below = BELOW - 18.0;
        chart::lying_bars(canvas, [right, below, height], most, 4, &|images| chart::whole(*images)).map(|_| ())
    })?;
    drawing.text((head + wide, LEGEND + height + BELOW - 9.0), "images", Style::end(SMALL, Color::Muted));
    for (row, &class) in shown.iter().enumerate() {
        let y = LEGEND + (row as f64 + 0.5) * ROW;
        drawing.text((head - 8.0, y), &shorten(names[row], LETTERS, head - 8.0), Style::end(LETTERS, Color::Ink));
        let mut left = head;
        for (count, (part, color)) in images_of(class) {
            let length = count as f64 / most * wide;
            let about = format!("{}: {} {part} images", names[row], thousands(count));
            if count > 0 {
                drawing.rectangle(Rectangle(left, y - BAR / 2.0, length, BAR), color, 1.0, Some(&about));
            }
            left += length;
        }
        drawing.text((left + 6.0, y), &numbers[row], Style::start(SMALL, Color::Ink));
    }
    Ok(Some(Figure::new(
        Kind::ClassCounts,
        "Images of each class",
        format!(
            "The numbers are {sum}. {}{}",
            balance(run, counts),
            of_many(shown.len(), counts.len(), "fewest training images")
        ),
        drawing,
    )))
}

/// The parts that any class has images in: there are none to validate on where a run is cross-validated.
fn filled(counts: &[[usize; 3]]) -> Vec<usize> {
    (0..PARTS.len()).filter(|&part| counts.iter().any(|counts| counts[part] > 0)).collect()
}

/// The classes that there is room for: all, or else those with the fewest training images, in their order.
fn shown(counts: &[[usize; 3]]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..counts.len()).collect();
    if counts.len() > MATRIX_CLASSES {
        classes.sort_by_key(|&class| counts[class][0]);
        classes.truncate(SHOWN_CLASSES);
        classes.sort_unstable();
    }
    classes
}

/// How unequal the classes are in training, in words.
fn balance(run: &RunRecord, counts: &[[usize; 3]]) -> String {
    let training = || counts.iter().map(|counts| counts[0]).enumerate();
    // Of equals the first class.
    let Some((most, largest)) = training().rev().max_by_key(|(_, images)| *images) else { return String::new() };
    let Some((least, smallest)) = training().min_by_key(|(_, images)| *images) else { return String::new() };
    let [most, least] = [most, least].map(|class| run.class_name(class));
    match (largest, smallest) {
        (largest, smallest) if largest == smallest => {
            format!("All classes have {} training images.", thousands(largest))
        }
        (_, 0) => format!("{least} has no training images."),
        (largest, smallest) => {
            format!("{most} has {:.1} times as many training images as {least}.", largest as f64 / smallest as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_without_images_are_left_out() {
        assert_eq!(filled(&[[3, 1, 1], [2, 0, 0]]), [0, 1, 2]);
        assert_eq!(filled(&[[3, 0, 1], [2, 0, 0]]), [0, 2]);
    }

    #[test]
    fn of_many_classes_the_rarest_are_shown_and_of_equals_the_first() {
        assert_eq!(shown(&[[3, 0, 0], [1, 0, 0], [2, 0, 0]]), [0, 1, 2]);
        let mut counts = vec![[7, 1, 1]; MATRIX_CLASSES + 1];
        counts[MATRIX_CLASSES] = [2, 1, 1];
        let shown = shown(&counts);
        assert_eq!((shown.len(), shown[0], shown[SHOWN_CLASSES - 1]), (SHOWN_CLASSES, 0, MATRIX_CLASSES));
    }
}
