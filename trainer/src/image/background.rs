//! The color that what is transparent is blended onto.

use std::fmt;
use std::str::FromStr;

use super::PreprocessError;

/// A color that shows through what is transparent, and around an image under `resize fit`.
///
/// ```
/// use trainer::image::Background;
///
/// let background: Background = "#ff8000".parse()?;
/// assert_eq!(background.rgb(), [255, 128, 0]);
/// assert_eq!("white".parse::<Background>()?.rgb(), [255; 3]);
/// // Half of 200 and half of 255, rounded.
/// assert_eq!(Background::WHITE.blend([200; 3], 128), [227; 3]);
/// # Ok::<(), trainer::image::PreprocessError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Background([u8; 3]);

/// Colors that have a name: the values are those of CSS.
const NAMES: [(&str, [u8; 3]); 9] = [
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("gray", [128, 128, 128]),
    ("red", [255, 0, 0]),
    ("green", [0, 128, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("cyan", [0, 255, 255]),
    ("magenta", [255, 0, 255]),
];

impl Background {
    /// What is used unless another is named.
    pub const BLACK: Self = Self([0; 3]);

    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Of red, green and blue.
    #[must_use]
    pub const fn of_rgb(rgb: [u8; 3]) -> Self {
        Self(rgb)
    }

    /// Red, green and blue.
    #[must_use]
    pub const fn rgb(self) -> [u8; 3] {
        self.0
    }

    /// Whether it is black, white or a gray between.
    #[must_use]
    pub const fn is_gray(self) -> bool {
        let [red, green, blue] = self.0;
        red == green && green == blue
    }

    /// What is seen of a color of this opacity, 0 to 255: `(color * alpha + background * (255 - alpha)) / 255`, rounded to the
    /// nearest.
    #[must_use]
    pub const fn blend(self, color: [u8; 3], alpha: u8) -> [u8; 3] {
        let mut blended = [0; 3];
        let mut channel = 0;
        while channel < 3 {
            let sum = color[channel] as u32 * alpha as u32 + self.0[channel] as u32 * (255 - alpha as u32);
            blended[channel] = ((sum + 127) / 255) as u8;
            channel += 1;
        }
        blended
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, color)| *color == self.0) {
            Some((name, _)) => f.write_str(name),
            None => {
                let [red, green, blue] = self.0;
                write!(f, "#{red:02x}{green:02x}{blue:02x}")
            }
        }
    }
}

impl FromStr for Background {
    type Err = PreprocessError;

    fn from_str(text: &str) -> Result<Self, PreprocessError> {
        if let Some((_, color)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self(*color));
        }
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        // Digits alone, as a number would also take a sign.
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(number) => Ok(Self([(number >> 16) as u8, (number >> 8) as u8, number as u8])),
            None => Err(PreprocessError::Background { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_have_names_or_six_digits_and_nothing_else() {
        for (text, expected, printed) in [
            ("black", [0; 3], "black"),
            ("White", [255; 3], "white"),
            ("#FFFFFF", [255; 3], "white"),
            ("#0a0B0c", [10, 11, 12], "#0a0b0c"),
            ("green", [0, 128, 0], "green"),
        ] {
            let background: Background = text.parse().unwrap();
            assert_eq!((background.rgb(), background.to_string().as_str()), (expected, printed), "{text}");
        }
        for text in ["", "#", "#fff", "#+fffff", "#ffffff0", "ffffff", "whit", "#ggffff", "#日本"] {
            let message = text.parse::<Background>().unwrap_err().to_string();
            assert!(message.contains("is not a color; write black, white"), "{text:?}: {message}");
        }
    }

    #[test]
    fn blending_is_exact_at_both_ends_and_rounds_to_the_nearest_between() {
        for background in [Background::BLACK, Background::WHITE, Background([1, 128, 254])] {
            for alpha in 0..=255 {
                for color in 0..=255 {
                    let blended = background.blend([color; 3], alpha);
                    for (blended, background) in blended.into_iter().zip(background.rgb()) {
                        let share = f64::from(alpha) / 255.0;
                        let exact = f64::from(color) * share + f64::from(background) * (1.0 - share);
                        assert!((f64::from(blended) - exact).abs() <= 0.5 + 1e-9, "{color} {alpha} on {background}");
                    }
                }
                assert_eq!(background.blend(background.rgb(), alpha), background.rgb(), "the same color stays");
            }
        }
    }
}
