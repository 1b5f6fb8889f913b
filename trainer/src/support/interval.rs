//! How uncertain an accuracy is that was measured on some images: its 95% interval.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Images from which on text leaves the interval out: its half width is then at most 3.1 points.
pub const ENOUGH: usize = 1000;

/// The standard normal quantile of 0.975.
const Z: f64 = 1.959_963_984_540_054;

/// An interval of shares, 0 to 1; in JSON `[low, high]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f64; 2]", from = "[f64; 2]")]
pub struct Interval {
    /// The lowest share.
    pub low: f64,
    /// The highest share.
    pub high: f64,
}

impl Interval {
    /// The 95% score interval of the share `right / images`; `None` where there are no images, and where more are right
    /// than there are.
    ///
    /// With `p = right / images`, `n = images` and `z = 1.96` it is
    ///
    /// ```text
    /// (p + z^2 / 2n  ±  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    /// ```
    ///
    /// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
    /// Statistical Association 22 (1927), 209-212. Unlike `p ± z sqrt(p (1 - p) / n)` it holds for few images and for shares
    /// near 0 and 1, and it never leaves 0 to 1.
    #[must_use]
    pub fn wilson(right: usize, images: usize) -> Option<Self> {
        if images == 0 || right > images {
            return None;
        }
        let n = images as f64;
        let p = right as f64 / n;
        let center = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        let [low, high] = [center - half, center + half].map(|bound| rounded((bound / scale).clamp(0.0, 1.0)));
        // At both ends the bounds are 0 and 1; rounding misses them by a hair.
        Some(Self { low: if right == 0 { 0.0 } else { low }, high: if right == images { 1.0 } else { high } })
    }

    /// As [`wilson`](Self::wilson), of an accuracy, 0 to 1, over so many images; `None` where it is no share.
    #[must_use]
    pub fn of(accuracy: f64, images: usize) -> Option<Self> {
        if !(0.0..=1.0).contains(&accuracy) {
            return None;
        }
        Self::wilson((accuracy * images as f64).round() as usize, images)
    }

    /// The interval that a text gives beside an accuracy: that of fewer than [`ENOUGH`] images, and none of more.
    #[must_use]
    pub fn of_few(accuracy: f64, images: usize) -> Option<Self> {
        if images < ENOUGH { Self::of(accuracy, images) } else { None }
    }

    /// From its lowest to its highest share.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// Whether a share lies in it; a hair outside counts as inside, as its ends are rounded.
    #[must_use]
    pub fn contains(&self, share: f64) -> bool {
        (self.low - 1e-12..=self.high + 1e-12).contains(&share)
    }

    /// In whole percent, as `71-91%`.
    #[must_use]
    pub fn percent(&self) -> String {
        format!("{:.0}-{:.0}%", 100.0 * self.low, 100.0 * self.high)
    }
}

/// To a millionth: more than an interval of a few hundred images supports, and few enough digits that a file gives the very number
/// back.
fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

impl From<[f64; 2]> for Interval {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

/// In three decimals, as `0.713-0.910`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}-{:.3}", self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_published_tables() {
        // The first four: R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3. The others: the formula
        // computed apart from this code.
        let cases = [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (7, 14, 0.2680, 0.7320),
            (10, 10, 0.7225, 1.0),
            (90, 100, 0.8256, 0.9448),
        ];
        for (right, images, low, high) in cases {
            let interval = Interval::wilson(right, images).unwrap();
            let is_close = (interval.low - low).abs() < 6e-5 && (interval.high - high).abs() < 6e-5;
            assert!(is_close, "{right} of {images}: {interval:?}, not {low} to {high}");
            assert_eq!(Interval::of(right as f64 / images as f64, images), Some(interval));
        }
    }

    #[test]
    fn what_is_no_share_has_no_interval() {
        assert_eq!(Interval::wilson(0, 0), None);
        assert_eq!(Interval::wilson(3, 2), None);
        for accuracy in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
            assert_eq!(Interval::of(accuracy, 10), None, "{accuracy}");
        }
    }

    #[test]
    fn intervals_hold_their_share_and_narrow_with_more_images() {
        for images in 1..200 {
            for right in 0..=images {
                let interval = Interval::wilson(right, images).unwrap();
                assert!(interval.contains(right as f64 / images as f64), "{right} of {images}: {interval}");
                let more = Interval::wilson(4 * right, 4 * images).unwrap();
                assert!(more.width() < interval.width(), "{right} of {images}");
            }
        }
        assert!(Interval::wilson(500, 1000).unwrap().width() < 0.062);
    }

    #[test]
    fn text_has_intervals_of_fewer_than_a_thousand_images() {
        assert_eq!(Interval::of_few(0.8, 1000), None);
        assert_eq!(Interval::of_few(0.8, 999).unwrap().to_string(), "0.774-0.823");
        assert_eq!(Interval::of_few(0.5, 14).unwrap().percent(), "27-73%");
    }
}
