//! Other light and other cameras: brightness, contrast, saturation and hue, as one linear map of a pixel's values.
//!
//! Saturation and hue are those of the W3C's [Filter Effects](https://www.w3.org/TR/filter-effects-1/#feColorMatrixElement): of
//! a color, the luma stays, and the rest is made longer or is turned about the gray axis. With `L` the matrix whose three rows are
//! the weights of the luma, `I` the identity and `K` that of a quarter turn,
//!
//! `C = L + s (cos h (I - L) + sin h K)`, and with contrast `c`, brightness `b` and `m` the mean luma of the image
//! `p' = b (c C p + (1 - c) m)`.

use super::options::Augment;
use crate::support::rng::{ChaCha8Rng, RngExt};

/// How an image's values change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Color {
    /// Factor of all values.
    brightness: f64,
    /// Factor of the distance from the mean.
    contrast: f64,
    /// Factor of the distance from gray.
    saturation: f64,
    /// Degrees.
    hue: f64,
}

/// Share of red, green and blue in the luma.
const LUMA: [f64; 3] = [0.213, 0.715, 0.072];

/// `K`: what a quarter turn makes of what a color has beyond its luma.
const QUARTER_TURN: [[f64; 3]; 3] = [[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]];

/// Bits after the point of a factor.
const FRACTION: u32 = 16;

impl Color {
    /// One of those that the numbers allow; `None` where they allow none.
    pub fn draw(augment: &Augment, generator: &mut ChaCha8Rng) -> Option<Self> {
        if !augment.is_recolored() {
            return None;
        }
        let mut within = |most: f64| if most > 0.0 { generator.random_range(-most..=most) } else { 0.0 };
        Some(Self {
            brightness: 1.0 + within(augment.brightness),
            contrast: 1.0 + within(augment.contrast),
            saturation: 1.0 + within(augment.saturation),
            hue: within(augment.hue),
        })
    }

    /// Changes the values of an image. Of one that is not RGB, the luma is the value itself, so that saturation and hue have no effect.
    pub fn apply(&self, pixels: &mut [u8], channels: usize) {
        let is_rgb = channels == 3;
        let mean = if is_rgb { mean_luma(pixels) } else { mean(pixels) };
        let factor = self.brightness * self.contrast;
        let added = fixed(self.brightness * (1.0 - self.contrast) * mean) + (1 << (FRACTION - 1));
        if is_rgb && (self.saturation != 1.0 || self.hue != 0.0) {
            let matrix = self.matrix().map(|row| row.map(|weight| fixed(factor * weight)));
            for pixel in pixels.chunks_exact_mut(3) {
                let [red, green, blue] = [0, 1, 2].map(|channel| i32::from(pixel[channel]));
                for (value, [of_red, of_green, of_blue]) in pixel.iter_mut().zip(matrix) {
                    *value = byte(of_red * red + of_green * green + of_blue * blue + added);
                }
            }
        } else {
            let factor = fixed(factor);
            let table: [u8; 256] = std::array::from_fn(|value| byte(factor * value as i32 + added));
            pixels.iter_mut().for_each(|pixel| *pixel = table[usize::from(*pixel)]);
        }
    }

    /// `C`, whose rows are red, green and blue of the result.
    fn matrix(&self) -> [[f64; 3]; 3] {
        let (sine, cosine) = self.hue.to_radians().sin_cos();
        std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let luma = LUMA[column];
                let rest = f64::from(u8::from(row == column)) - luma;
                luma + self.saturation * (cosine * rest + sine * QUARTER_TURN[row][column])
            })
        })
    }
}

fn fixed(value: f64) -> i32 {
    (value * f64::from(1 << FRACTION)).round() as i32
}

fn byte(fixed: i32) -> u8 {
    (fixed >> FRACTION).clamp(0, 255) as u8
}

fn mean(values: &[u8]) -> f64 {
    values.iter().map(|&value| u64::from(value)).sum::<u64>() as f64 / values.len() as f64
}

fn mean_luma(pixels: &[u8]) -> f64 {
    let mut sums = [0u64; 3];
    for pixel in pixels.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
    }
    sums.iter().zip(LUMA).map(|(&sum, luma)| sum as f64 * luma).sum::<f64>() / (pixels.len() / 3) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    const SAME: Color = Color { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };

    fn changed(color: Color, pixels: &[u8], channels: usize) -> Vec<u8> {
        let mut pixels = pixels.to_vec();
        color.apply(&mut pixels, channels);
        pixels
    }

    #[test]
    fn nothing_changes_nothing() {
        let every: Vec<u8> = (0..=255).chain(0..=255).chain(0..=255).collect();
        assert_eq!(changed(SAME, &every, 1), every);
        assert_eq!(changed(SAME, &every, 3), every);
        // By the matrix too, whose whole turn is none.
        assert_eq!(changed(Color { hue: 360.0, ..SAME }, &every, 3), every);
    }

    #[test]
    fn brightness_multiplies_and_ends_at_white() {
        let brighter = Color { brightness: 1.5, ..SAME };
        assert_eq!(changed(brighter, &[0, 1, 100, 169, 171, 255], 1), [0, 2, 150, 254, 255, 255]);
        assert_eq!(changed(Color { brightness: 0.5, ..SAME }, &[0, 1, 100, 255], 1), [0, 1, 50, 128]);
        assert_eq!(changed(brighter, &[10, 20, 30], 3), [15, 30, 45]);
    }

    #[test]
    fn contrast_multiplies_the_distance_from_the_mean() {
        assert_eq!(changed(Color { contrast: 0.5, ..SAME }, &[0, 40, 80], 1), [20, 40, 60]);
        assert_eq!(changed(Color { contrast: 2.0, ..SAME }, &[30, 40, 50, 40], 1), [20, 40, 60, 40]);
        // Brightness multiplies what has come out.
        assert_eq!(changed(Color { contrast: 0.5, brightness: 2.0, ..SAME }, &[0, 40, 80], 1), [40, 80, 120]);
        // The mean of colors is that of their luma: 0.213 of red, 0.715 of green, 0.072 of blue.
        let flat = changed(Color { contrast: 0.0, ..SAME }, &[100, 0, 200, 0, 100, 0], 3);
        let luma = (0.213 * 100.0 + 0.715 * 100.0 + 0.072 * 200.0) / 2.0;
        assert_eq!(flat, [f64::round(luma) as u8; 6]);
    }

    #[test]
    fn without_saturation_colors_are_their_luma_and_with_more_they_are_farther_from_it() {
        let gray = changed(Color { saturation: 0.0, ..SAME }, &[255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 10, 10], 3);
        assert_eq!(gray, [54, 54, 54, 182, 182, 182, 18, 18, 18, 10, 10, 10]);
        // Luma of (100, 150, 50): 21.3 + 107.25 + 3.6 = 132.15.
        let more = changed(Color { saturation: 1.5, ..SAME }, &[100, 150, 50], 3);
        assert_eq!(more, [84, 159, 9]);
    }

    /// Values of `hue-rotate` as browsers draw them, by the matrix of the specification.
    #[test]
    fn a_hue_is_turned_as_in_the_filters_of_the_web() {
        let turned = |hue: f64, pixel: [u8; 3]| changed(Color { hue, ..SAME }, &pixel, 3);
        // A quarter turn: rows (0, 0, 1), (0.356, 0.855, -0.211), (-0.574, 1.43, 0.144).
        assert_eq!(turned(90.0, [100, 80, 60]), [60, 91, 66]);
        // Half a turn: twice the luma less the value. The luma is 82.82.
        assert_eq!(turned(180.0, [100, 80, 60]), [66, 86, 106]);
        assert_eq!(turned(-180.0, [100, 80, 60]), [66, 86, 106]);
        assert_eq!(turned(77.0, [123, 123, 123]), [123, 123, 123], "gray stays");
        let luma = |pixel: &[u8]| pixel.iter().zip(LUMA).map(|(&value, luma)| f64::from(value) * luma).sum::<f64>();
        for hue in [-150.0, -30.0, 10.0, 120.0] {
            assert!((luma(&turned(hue, [100, 120, 90])) - luma(&[100, 120, 90])).abs() < 0.6, "{hue}");
        }
    }

    #[test]
    fn images_that_are_not_rgb_have_no_saturation_and_no_hue() {
        let image = [0, 50, 100, 150, 200, 250];
        for channels in [1, 2] {
            assert_eq!(changed(Color { saturation: 0.2, hue: 90.0, ..SAME }, &image, channels), image);
        }
        assert_ne!(changed(Color { saturation: 0.2, hue: 90.0, ..SAME }, &image, 3), image);
    }

    #[test]
    fn what_is_drawn_is_within_what_is_allowed_and_nothing_is_drawn_for_nothing() {
        let augment = Augment { brightness: 0.3, contrast: 0.2, saturation: 0.5, hue: 15.0, ..Augment::default() };
        let draw = |augment: &Augment, index| Color::draw(augment, &mut stream(48, Purpose::Augment, index));
        let colors: Vec<Color> = (0..1000).filter_map(|index| draw(&augment, index)).collect();
        /// What is drawn, and its range.
        type Drawn = (fn(&Color) -> f64, f64, f64);
        let values: [Drawn; 4] = [
            (|color| color.brightness, 0.7, 1.3),
            (|color| color.contrast, 0.8, 1.2),
            (|color| color.saturation, 0.5, 1.5),
            (|color| color.hue, -15.0, 15.0),
        ];
        for (value, least, most) in values {
            let (low, high) = colors.iter().map(value).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
            let near = (most - least) * 0.02;
            assert!((least..=least + near).contains(&low) && (most - near..=most).contains(&high), "{low} to {high}");
        }
        assert_eq!(draw(&Augment { flip: 1.0, rotate: 3.0, noise: 0.1, ..Augment::default() }, 0), None);
    }
}
