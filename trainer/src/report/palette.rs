//! Colors by what they are for, on light and on dark paper.
//!
//! Curves and bars take the blue and the vermillion of Okabe and Ito (2008) and four more that stay apart from them and
//! from each other, to people with protanopia, deuteranopia and tritanopia too; a test simulates that.

use plotters::style::RGBColor;

/// What a color is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// The background.
    Paper,
    /// Text.
    Ink,
    /// Less prominent text.
    Muted,
    /// Lines behind a chart.
    Grid,
    /// Curves and bars.
    Blue,
    /// Curves and bars.
    Vermillion,
    /// Curves and bars.
    Sky,
    /// Curves and bars.
    Brown,
    /// Curves and bars.
    Violet,
}

/// The colors of curves, in the order in which they are given out.
pub const SERIES: [Color; 6] = [Color::Blue, Color::Vermillion, Color::Ink, Color::Sky, Color::Brown, Color::Violet];

/// The color of a number below zero in images of weights.
pub const NEGATIVE: [u8; 3] = [0x00, 0x72, 0xB2];
/// The color of zero.
pub const ZERO: [u8; 3] = [0xF4, 0xF4, 0xF2];
/// The color of a number above zero.
pub const POSITIVE: [u8; 3] = [0xD5, 0x5E, 0x00];

impl Color {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Paper,
        Self::Ink,
        Self::Muted,
        Self::Grid,
        Self::Blue,
        Self::Vermillion,
        Self::Sky,
        Self::Brown,
        Self::Violet,
    ];

    /// Its name as a CSS variable.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Paper => "--paper",
            Self::Ink => "--ink",
            Self::Muted => "--muted",
            Self::Grid => "--grid",
            Self::Blue => "--blue",
            Self::Vermillion => "--vermillion",
            Self::Sky => "--sky",
            Self::Brown => "--brown",
            Self::Violet => "--violet",
        }
    }

    /// On light paper, `#RRGGBB`.
    #[must_use]
    pub fn light(self) -> &'static str {
        match self {
            Self::Paper => "#FFFFFF",
            Self::Ink => "#1F2328",
            Self::Muted => "#59636E",
            Self::Grid => "#DDE1E6",
            Self::Blue => "#0072B2",
            Self::Vermillion => "#D55E00",
            Self::Sky => "#3A9BD3",
            Self::Brown => "#8C2F10",
            Self::Violet => "#3A22C4",
        }
    }

    /// On dark paper, `#RRGGBB`.
    #[must_use]
    pub fn dark(self) -> &'static str {
        match self {
            Self::Paper => "#0F1419",
            Self::Ink => "#E6EDF3",
            Self::Muted => "#9AA4AF",
            Self::Grid => "#2E353D",
            Self::Blue => "#56B4E9",
            Self::Vermillion => "#FF8A3D",
            Self::Sky => "#4A6CF0",
            Self::Brown => "#B5561C",
            Self::Violet => "#F5D000",
        }
    }

    /// On light paper, for plotters.
    #[must_use]
    pub fn rgb(self) -> RGBColor {
        let [red, green, blue] = channels(self.light());
        RGBColor(red, green, blue)
    }
}

/// All colors as CSS declares variables, on light or on dark paper: `--paper:#FFFFFF;...`.
#[must_use]
pub fn declarations(value: fn(Color) -> &'static str) -> String {
    Color::ALL.map(|color| format!("{}:{}", color.variable(), value(color))).join(";")
}

/// An SVG of [light](Color::light) colors with CSS variables in their place, so that a page can exchange them.
///
/// Only attributes hold a color in quotes: a quote in a text is written `&quot;`.
#[must_use]
pub fn with_variables(svg: &str) -> String {
    Color::ALL.into_iter().fold(svg.to_owned(), |svg, color| {
        svg.replace(&format!("\"{}\"", color.light()), &format!("\"var({})\"", color.variable()))
    })
}

/// The color of a weight, `value` from -1 to 1: blue below zero, vermillion above, and paler the closer it is.
#[must_use]
pub fn diverging(value: f32) -> [u8; 3] {
    let end = if value < 0.0 { NEGATIVE } else { POSITIVE };
    let share = value.abs().min(1.0);
    let mix = |from: u8, to: u8| (f32::from(from) + share * (f32::from(to) - f32::from(from))).round() as u8;
    [mix(ZERO[0], end[0]), mix(ZERO[1], end[1]), mix(ZERO[2], end[2])]
}

fn channels(hexadecimal: &str) -> [u8; 3] {
    [1, 3, 5].map(|at| hexadecimal.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How eyes without one kind of cones see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
    const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    fn linear(hexadecimal: &str) -> [f64; 3] {
        channels(hexadecimal).map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn product(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    /// Ottosson's Oklab, in which distances are what people see as such.
    fn oklab(rgb: [f64; 3]) -> [f64; 3] {
        let cones = product(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ],
            rgb,
        );
        product(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ],
            cones.map(f64::cbrt),
        )
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |color| linear(color).iter().zip([0.2126, 0.7152, 0.0722]).map(|(a, b)| a * b).sum::<f64>();
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn curves_contrast_with_the_paper_and_text_more_so() {
        for paper in [Color::light as fn(Color) -> &'static str, Color::dark] {
            for color in SERIES {
                let contrast = contrast(paper(color), paper(Color::Paper));
                assert!(contrast >= 3.0, "{color:?}: {contrast}");
            }
            for color in [Color::Ink, Color::Muted] {
                let contrast = contrast(paper(color), paper(Color::Paper));
                assert!(contrast >= 5.5, "{color:?}: {contrast}");
            }
        }
    }

    #[test]
    fn curves_can_be_distinguished_by_color_blind_eyes_too() {
        for paper in [Color::light as fn(Color) -> &'static str, Color::dark] {
            for eyes in EYES {
                let seen = SERIES.map(|color| oklab(product(eyes, linear(paper(color))).map(|c| c.clamp(0.0, 1.0))));
                for (one, a) in SERIES.iter().zip(seen) {
                    for (other, b) in SERIES.iter().zip(seen).filter(|(other, _)| *other != one) {
                        let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        assert!(distance > 0.11, "{one:?} and {other:?}: {distance}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_color_has_a_value_of_its_own_so_that_variables_can_take_its_place() {
        for (index, color) in Color::ALL.iter().enumerate() {
            assert!(Color::ALL[..index].iter().all(|other| other.light() != color.light()), "{color:?}");
        }
        let svg = "<rect fill=\"#FFFFFF\"/><text fill=\"#1F2328\">#FFFFFF fill=&quot;#FFFFFF&quot;</text>";
        assert_eq!(
            with_variables(svg),
            "<rect fill=\"var(--paper)\"/><text fill=\"var(--ink)\">#FFFFFF fill=&quot;#FFFFFF&quot;</text>"
        );
    }

    #[test]
    fn weights_go_from_blue_through_pale_to_vermillion() {
        assert_eq!([-1.0, 0.0, 1.0, 7.0].map(diverging), [NEGATIVE, ZERO, POSITIVE, POSITIVE]);
        assert_eq!(diverging(-0.5), [0x7A, 0xB3, 0xD2]);
    }
}
