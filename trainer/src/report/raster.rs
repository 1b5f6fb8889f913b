//! From SVG to PNG, with the font that is built in: a server without fonts draws the same.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::Pixmap;
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Transform, Tree};

use super::ReportError;
use super::text::FONT;

/// Pixels of a PNG for each CSS pixel.
const DENSITY: f32 = 2.0;

/// The PNG file of an SVG file.
///
/// # Errors
/// [`ReportError::Raster`].
pub fn png(svg: &str) -> Result<Vec<u8>, ReportError> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = Database::new();
        fonts.load_font_data(FONT.to_vec());
        fonts.set_sans_serif_family("Inter");
        Arc::new(fonts)
    });
    let refuse = |reason: String| ReportError::Raster { reason };
    let options = Options { fontdb: fonts.clone(), font_family: "Inter".to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| refuse(error.to_string()))?;
    let side = |length: f32| (length * DENSITY).ceil() as u32;
    let (width, height) = (side(tree.size().width()), side(tree.size().height()));
    let mut pixels =
        Pixmap::new(width, height).ok_or_else(|| refuse(format!("{width} by {height} pixels are too many")))?;
    resvg::render(&tree, Transform::from_scale(DENSITY, DENSITY), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::drawing::{Drawing, Rectangle, Style};
    use crate::report::palette::Color;
    use crate::report::thumbnail::Thumbnail;

    /// Red, green and blue of each pixel, row by row.
    fn pixels(png: &[u8]) -> (usize, Vec<[u8; 3]>) {
        let pixmap = Pixmap::decode_png(png).unwrap();
        let colors = pixmap.pixels().iter().map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]);
        (pixmap.width() as usize, colors.collect())
    }

    #[test]
    fn small_images_are_enlarged_to_squares_and_not_blurred() {
        let mut drawing = Drawing::new(90.0, 60.0);
        let thumbnail =
            Thumbnail::rgb(&[[0, 0, 0], [255, 0, 0], [0, 0, 255], [0, 255, 0], [9, 9, 9], [0, 0, 0]], 3).unwrap();
        drawing.thumbnail(Rectangle(0.0, 0.0, 90.0, 60.0), &thumbnail, "");
        let (width, pixels) = pixels(&png(&drawing.file("")).unwrap());
        // The margin and the title's line, then 60 pixels for each of the image's.
        let at = |row: usize, column: usize| pixels[(2 * 42 + row) * width + 2 * 12 + column];
        for (row, column, color) in [
            (0, 59, [0, 0, 0]),
            (0, 60, [255, 0, 0]),
            (59, 119, [255, 0, 0]),
            (59, 120, [0, 0, 255]),
            (60, 0, [0, 255, 0]),
        ] {
            assert_eq!(at(row, column), color, "row {row}, column {column}");
        }
    }

    #[test]
    fn words_are_drawn_without_any_font_of_the_machine() {
        let ink = |text: &str| {
            let mut drawing = Drawing::new(200.0, 40.0);
            drawing.text((10.0, 20.0), text, Style::start(16.0, Color::Ink));
            let (_, pixels) = pixels(&png(&drawing.inline("")).unwrap());
            pixels.iter().filter(|pixel| pixel[0] > 0 && pixel[0] < 0x40).count()
        };
        assert!(ink("Ankle boot") > 300, "{}", ink("Ankle boot"));
        assert_eq!(ink(" "), 0);
        assert!(ink("собака, σκύλος") > 300);
    }

    #[test]
    fn what_is_no_svg_is_an_error() {
        assert!(png("<svg><g></svg>").unwrap_err().to_string().contains("cannot be turned into a PNG"));
    }
}
