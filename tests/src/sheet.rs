//! Images side by side in an SVG file.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use trainer::dataset::ImageShape;

/// Pixels of a drawn image's side.
pub const SIDE: usize = 64;

/// A sheet that fills up.
pub struct Sheet(String);

impl Sheet {
    /// An empty one.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
             font-size=\"10\" text-anchor=\"middle\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        ))
    }

    /// An image, gray or RGB, in a frame of a color, its upper left corner at `(x, y)`.
    ///
    /// # Panics
    /// Where `pixels` are not those of such an image of that shape.
    pub fn image(&mut self, (x, y): (usize, usize), pixels: &[u8], shape: ImageShape, color: &str) {
        let image = BASE64_STANDARD.encode(png(pixels, shape).expect("an image as large as it states"));
        self.line(&format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{image}\"/>"
        ));
        self.line(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"{color}\" \
             stroke-width=\"2\"/>"
        ));
    }

    /// Text around `(x, y)`.
    pub fn text(&mut self, (x, y): (usize, usize), text: &str, color: &str) {
        self.line(&format!("<text x=\"{x}\" y=\"{y}\" fill=\"{color}\">{text}</text>"));
    }

    /// The file.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.line("</svg>");
        self.0
    }

    fn line(&mut self, line: &str) {
        writeln!(self.0, "{line}").expect("a string takes what is written");
    }
}

fn png(pixels: &[u8], shape: ImageShape) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, shape.width as u32, shape.height as u32);
    encoder.set_color(if shape.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_compression(png::Compression::High);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}
