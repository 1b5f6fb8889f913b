//! Images drawn with characters, for any terminal.

use core::fmt::{self, Write};

use infer_core::Shape;

/// Characters from dark to light.
const SHADES: &[u8] = b" .:-=+*#%@";

/// Columns of characters, at most. A character is about twice as high as wide, so that rows are half as many.
const WIDEST: usize = 32;

/// An image at a size that a terminal has room for: each character shows the mean brightness of the pixels that it covers.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'p> {
    pixels: &'p [u8],
    height: usize,
    width: usize,
    channels: usize,
    rows: usize,
    columns: usize,
}

impl<'p> Drawing<'p> {
    /// Draws pixels `[height, width, channels]`: one channel is gray, three are red, green and blue.
    #[must_use]
    pub fn new(shape: Shape, pixels: &'p [u8]) -> Self {
        let [height, width, channels] = [shape.height, shape.width, shape.channels].map(usize::from);
        let longest = height.max(width).max(1);
        let scaled = |side: usize| if longest <= WIDEST { side } else { side * WIDEST / longest };
        Self { pixels, height, width, channels, rows: scaled(height).div_ceil(2).max(1), columns: scaled(width).max(1) }
    }

    /// How many lines it takes.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// A line, as wide as all others; it is empty below the last row.
    #[must_use]
    pub const fn line(&self, row: usize) -> Line<'_> {
        Line { drawing: self, row }
    }

    /// The mean brightness of the pixels under a character.
    fn brightness(&self, row: usize, column: usize) -> u8 {
        let (top, bottom) = covered(row, self.rows, self.height);
        let (left, right) = covered(column, self.columns, self.width);
        let (mut sum, mut count) = (0, 0);
        for y in top..bottom {
            let start = (y * self.width + left) * self.channels;
            let end = (y * self.width + right) * self.channels;
            for pixel in self.pixels.get(start..end).unwrap_or_default().chunks_exact(self.channels.max(1)) {
                sum += luma(pixel);
                count += 1;
            }
        }
        sum.checked_div(count).unwrap_or(0) as u8
    }
}

/// The pixels of a side that cell `index` of `cells` covers: at least one.
fn covered(index: usize, cells: usize, side: usize) -> (usize, usize) {
    let first = index * side / cells;
    (first, ((index + 1) * side / cells).max(first + 1).min(side))
}

/// Brightness as the eye sees it.
fn luma(pixel: &[u8]) -> u32 {
    match *pixel {
        [red, green, blue] => (77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue)) >> 8,
        _ => pixel.iter().copied().map(u32::from).sum::<u32>().checked_div(pixel.len() as u32).unwrap_or(0),
    }
}

/// A line of a drawing.
#[derive(Clone, Copy, Debug)]
pub struct Line<'d> {
    drawing: &'d Drawing<'d>,
    row: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for column in 0..self.drawing.columns {
            let shade = match self.row < self.drawing.rows {
                true => usize::from(self.drawing.brightness(self.row, column)) * SHADES.len() / 256,
                false => 0,
            };
            f.write_char(SHADES.get(shade).copied().unwrap_or(b'?').into())?;
        }
        Ok(())
    }
}

/// A name from a file, without the characters that a terminal obeys or hides.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'t>(pub &'t str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            let hidden =
                matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
            f.write_char(if hidden || character.is_control() { '?' } else { character })?;
        }
        Ok(())
    }
}
