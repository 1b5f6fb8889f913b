//! An SVG that fills up. Units are CSS pixels; colors are those on [light](Color::light) paper.

use std::fmt::Write;

use super::palette::Color;
use super::text::{escape, width};
use super::thumbnail::Thumbnail;

/// Width of a figure where nothing needs more: readable on a phone, two beside each other on a desktop.
pub const WIDTH: f64 = 460.0;

/// Size of letters.
pub const LETTERS: f64 = 12.0;
/// Size of less prominent letters.
pub const SMALL: f64 = 10.5;

/// Where a text is from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// To the right of the point.
    Start,
    /// Around it.
    Middle,
    /// To the left of the point.
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Its place.
    pub anchor: Anchor,
    /// Size of its letters.
    pub size: f64,
    /// Its color.
    pub color: Color,
    /// Whether it reads upwards.
    pub upward: bool,
}

impl Style {
    /// To the right of its point.
    #[must_use]
    pub const fn start(size: f64, color: Color) -> Self {
        Self { anchor: Anchor::Start, size, color, upward: false }
    }

    /// Around its point.
    #[must_use]
    pub const fn middle(size: f64, color: Color) -> Self {
        Self { anchor: Anchor::Middle, size, color, upward: false }
    }

    /// To the left of its point.
    #[must_use]
    pub const fn end(size: f64, color: Color) -> Self {
        Self { anchor: Anchor::End, size, color, upward: false }
    }
}

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle(pub f64, pub f64, pub f64, pub f64);

/// A drawing of a width and a height.
#[derive(Clone, Debug)]
pub struct Drawing {
    width: f64,
    height: f64,
    description: String,
    body: String,
}

impl Drawing {
    /// An empty one.
    #[must_use]
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, description: String::new(), body: String::new() }
    }

    /// Its width.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Adds what it shows in words, for who cannot see it.
    pub fn describe(&mut self, description: &str) {
        description.clone_into(&mut self.description);
    }

    /// A text whose letters are around the height of `y`.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, style: Style) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        // Capitals of Inter and of most fonts of systems are 0.72 of their size high.
        let shift = number(0.36 * style.size);
        let turn = if style.upward {
            format!(" transform=\"rotate(-90 {} {})\"", number(x), number(y))
        } else {
            String::new()
        };
        let (x, y, size, color) = (number(x), number(y), number(style.size), style.color.light());
        let text = escape(text);
        self.element(format_args!(
            "<text x=\"{x}\" y=\"{y}\" dy=\"{shift}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{color}\"{turn}>{text}</text>"
        ));
    }

    /// A filled rectangle, with a text for who points at it.
    pub fn rectangle(&mut self, place: Rectangle, color: Color, opacity: f64, about: Option<&str>) {
        let opacity = if opacity < 1.0 { format!(" fill-opacity=\"{}\"", number(opacity)) } else { String::new() };
        let (place, color) = (attributes(place), color.light());
        match about {
            Some(about) => {
                let about = escape(about);
                self.element(format_args!("<rect {place} fill=\"{color}\"{opacity}><title>{about}</title></rect>"));
            }
            None => self.element(format_args!("<rect {place} fill=\"{color}\"{opacity}/>")),
        }
    }

    /// The outline of a rectangle.
    pub fn frame(&mut self, place: Rectangle, color: Color, thickness: f64) {
        let (place, color, thickness) = (attributes(place), color.light(), number(thickness));
        self.element(format_args!("<rect {place} fill=\"none\" stroke=\"{color}\" stroke-width=\"{thickness}\"/>"));
    }

    /// A straight line; dashed where `dash` is not zero.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: Color, thickness: f64, dash: f64) {
        let dash = if dash > 0.0 { format!(" stroke-dasharray=\"{0} {0}\"", number(dash)) } else { String::new() };
        let [x1, y1, x2, y2, thickness] = [from.0, from.1, to.0, to.1, thickness].map(number);
        let color = color.light();
        self.element(format_args!(
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{color}\" stroke-width=\"{thickness}\"{dash}/>"
        ));
    }

    /// A line at `x` from `top` down to `bottom`, with a text for who points at it. With `aside`, another `x` and a height, it
    /// leads there and back, in curves of that height.
    pub fn connection(
        &mut self,
        x: f64,
        [top, bottom]: [f64; 2],
        aside: Option<(f64, f64)>,
        (color, thickness): (Color, f64),
        about: &str,
    ) {
        let path = match aside {
            None => format!("M{} {}V{}", number(x), number(top), number(bottom)),
            Some((lane, bend)) => {
                // Quarters of ellipses, nearly.
                let [middle, down, up] = [f64::midpoint(x, lane), top + bend / 2.0, bottom - bend / 2.0].map(number);
                let [begin, end] = [top + bend, bottom - bend].map(number);
                let [x, top, bottom, lane] = [x, top, bottom, lane].map(number);
                let curves = [
                    format!("C{middle} {top} {lane} {down} {lane} {begin}"),
                    format!("C{lane} {up} {middle} {bottom} {x} {bottom}"),
                ];
                format!("M{x} {top}{}V{end}{}", curves[0], curves[1])
            }
        };
        let (color, thickness, about) = (color.light(), number(thickness), escape(about));
        self.element(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{thickness}\"><title>{about}</title></path>"
        ));
    }

    /// A ring.
    pub fn ring(&mut self, (x, y): (f64, f64), radius: f64, color: Color) {
        let ([x, y, radius], color, paper) = ([x, y, radius].map(number), color.light(), Color::Paper.light());
        self.element(format_args!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{paper}\" stroke=\"{color}\" stroke-width=\"2\"/>"
        ));
    }

    /// An image as large as fits into `place`, its pixels as squares, with a text for who cannot see it.
    pub fn thumbnail(&mut self, place: Rectangle, thumbnail: &Thumbnail, about: &str) {
        let Rectangle(left, top, width, height) = place;
        let (columns, rows) = (thumbnail.width.max(1) as f64, thumbnail.height.max(1) as f64);
        let side = (width / columns).min(height / rows);
        let (wide, high) = (side * columns, side * rows);
        let place = Rectangle(left + (width - wide) / 2.0, top + (height - high) / 2.0, wide, high);
        self.stretched(place, thumbnail, about);
    }

    /// An image that fills `place`, whatever its proportions.
    pub fn stretched(&mut self, place: Rectangle, thumbnail: &Thumbnail, about: &str) {
        let (place, png, about) = (attributes(place), escape(&thumbnail.png), escape(about));
        self.element(format_args!(
            "<image {place} style=\"image-rendering:pixelated\" preserveAspectRatio=\"none\" \
             href=\"data:image/png;base64,{png}\"><title>{about}</title></image>"
        ));
    }

    /// SVG that was drawn elsewhere, at `(x, y)` and `scale` times its size.
    pub fn nested(&mut self, (x, y): (f64, f64), scale: f64, body: &str) {
        let [x, y, scale] = [x, y, scale].map(number);
        self.element(format_args!("<g transform=\"translate({x} {y}) scale({scale})\">\n{body}</g>"));
    }

    /// A whole SVG file with a title above the drawing.
    #[must_use]
    pub fn file(&self, title: &str) -> String {
        const MARGIN: f64 = 12.0;
        const TITLE: f64 = 30.0;
        let (wide, high) = (self.width + 2.0 * MARGIN, self.height + 2.0 * MARGIN + TITLE);
        let mut whole = Self::new(wide, high);
        whole.rectangle(Rectangle(0.0, 0.0, wide, high), Color::Paper, 1.0, None);
        let size = (14.0 * self.width / width(title, 14.0)).min(14.0);
        whole.text((MARGIN, MARGIN + 9.0), title, Style::start(size, Color::Ink));
        whole.nested((MARGIN, MARGIN + TITLE), 1.0, &self.body);
        whole.describe(&self.description);
        whole.root(title, " xmlns=\"http://www.w3.org/2000/svg\"")
    }

    /// The drawing alone, for a page; its colors are as they are.
    #[must_use]
    pub fn inline(&self, title: &str) -> String {
        self.root(title, "")
    }

    fn root(&self, title: &str, namespace: &str) -> String {
        let ([wide, high], title) = ([self.width, self.height].map(number), escape(title));
        let description = match self.description.as_str() {
            "" => String::new(),
            description => format!("<desc>{}</desc>\n", escape(description)),
        };
        format!(
            "<svg{namespace} width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" role=\"img\" \
             aria-label=\"{title}\" font-family=\"{}\">\n{description}{}</svg>\n",
            super::text::FAMILIES,
            self.body
        )
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        // A string takes whatever is written.
        let _ = writeln!(self.body, "{element}");
    }
}

fn attributes(Rectangle(left, top, width, height): Rectangle) -> String {
    let [left, top, width, height] = [left, top, width.max(0.0), height.max(0.0)].map(number);
    format!("x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"")
}

/// A number with two decimals at most.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 1.0, 2.5, 7.12345, 100.0, -0.25].map(number), ["0", "1", "2.5", "7.12", "100", "-0.25"]);
    }

    #[test]
    fn images_keep_their_proportions_and_are_in_the_middle() {
        let mut drawing = Drawing::new(100.0, 100.0);
        let thumbnail = Thumbnail::rgb(&[[1, 2, 3]; 8], 4).unwrap();
        drawing.thumbnail(Rectangle(10.0, 20.0, 40.0, 40.0), &thumbnail, "a <b>");
        let svg = drawing.inline("title");
        assert!(svg.contains("<image x=\"10\" y=\"30\" width=\"40\" height=\"20\""), "{svg}");
        assert!(svg.contains("image-rendering:pixelated") && svg.contains("<title>a &lt;b&gt;</title>"), "{svg}");
    }
}
