//! Images in rows of five, with words below each.

use crate::report::drawing::{Anchor, Drawing, Rectangle, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::text::{shorten, width};
use crate::report::thumbnail::Thumbnail;

/// Images in a row.
const COLUMNS: usize = 5;
/// Side of an image: a whole multiple of the 28 pixels that many have.
pub const SIDE: f64 = 84.0;
/// Between two images.
const GAP: f64 = (WIDTH - COLUMNS as f64 * SIDE) / (COLUMNS - 1) as f64;
/// From the image to the middle of its first line.
const FIRST_LINE: f64 = 11.0;
/// From line to line.
const LINE: f64 = 14.0;
/// Between the words of two neighbors.
const APART: f64 = 6.0;
/// Room for a line of text.
pub const ROOM: f64 = SIDE + GAP - APART;
/// Size of its letters.
pub const SIZE: f64 = 11.0;

/// An image and its words.
pub struct Cell<'p> {
    /// The image.
    pub thumbnail: &'p Thumbnail,
    /// Lines below it; the first is emphasized.
    pub lines: Vec<String>,
    /// What it shows, for who cannot see it.
    pub about: String,
}

/// A line with a class and a probability: the name is shortened to the room that the others leave.
pub fn line(class: &str, between: &str, percent: &str) -> String {
    let room = ROOM - width(percent, SIZE) - width(between, SIZE);
    format!("{}{between}{percent}", shorten(class, SIZE, room))
}

/// All cells, row by row.
#[must_use]
pub fn draw(cells: &[Cell<'_>]) -> Drawing {
    let lines = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0) as f64;
    let row_height = SIDE + FIRST_LINE + lines * LINE + 4.0;
    let mut drawing = Drawing::new(WIDTH, cells.len().div_ceil(COLUMNS) as f64 * row_height - 6.0);
    for (index, cell) in cells.iter().enumerate() {
        let (row, column) = ((index / COLUMNS) as f64, (index % COLUMNS) as f64);
        let (left, top) = (column * (SIDE + GAP), row * row_height);
        let place = Rectangle(left, top, SIDE, SIDE);
        drawing.thumbnail(place, cell.thumbnail, &cell.about);
        // Many images are black at their edges, and so may the paper be.
        drawing.frame(place, Color::Grid, 0.75);
        for (line, text) in cell.lines.iter().enumerate() {
            let color = if line == 0 { Color::Ink } else { Color::Muted };
            let style = Style { anchor: Anchor::Middle, size: SIZE, color, upward: false };
            drawing.text((left + SIDE / 2.0, top + SIDE + FIRST_LINE + line as f64 * LINE), text, style);
        }
    }
    drawing
}
