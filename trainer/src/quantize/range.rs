//! Which real values an activation's codes span.

use infer_core::format::Codes;
use serde::{Deserialize, Serialize};

/// The span of an activation's values. Zero is always inside, so that a code means exactly zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Ends")]
pub struct Range {
    /// Lowest value, at most 0.
    pub low: f32,
    /// Highest value, at least 0.
    pub high: f32,
}

/// A range as a file states it, which may be none.
#[derive(Deserialize)]
struct Ends {
    low: f32,
    high: f32,
}

impl TryFrom<Ends> for Range {
    type Error = String;

    fn try_from(Ends { low, high }: Ends) -> Result<Self, String> {
        let is_range = low <= 0.0 && high >= 0.0 && (high - low).is_finite();
        let none = || format!("{low} to {high} is not a range of activations: it must contain zero, and be finite");
        is_range.then_some(Self { low, high }).ok_or_else(none)
    }
}

impl Range {
    /// Codes that span the range: the lowest value is code 0, the highest 255.
    #[must_use]
    pub fn codes(self) -> Codes {
        let span = self.high - self.low;
        // An activation that was never anything but zero: any scale will do.
        let scale = if span > 0.0 { span / 255.0 } else { 1.0 };
        Codes { scale, zero_point: (-self.low / scale).round().clamp(0.0, 255.0) as u8 }
    }

    /// What all of these codes can express, which rounding the zero point moves by up to half a step.
    #[must_use]
    pub fn of(codes: Codes) -> Self {
        let Codes { scale, zero_point } = codes;
        Self { low: -scale * f32::from(zero_point), high: scale * f32::from(255 - zero_point) }
    }

    /// The same with these values inside.
    pub fn widen(&mut self, values: &[f32]) {
        for &value in values {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zero_point_means_zero_and_the_ends_meet_the_last_codes() {
        let codes = Range { low: -1.0, high: 3.0 }.codes();
        assert_eq!(codes.zero_point, 64);
        assert!((codes.scale * 255.0 - 4.0).abs() < 1e-6);
        assert_eq!(Range { low: 0.0, high: 2.55 }.codes().zero_point, 0);
    }

    #[test]
    fn codes_tell_what_they_were_made_for_to_half_a_step() {
        for range in [Range { low: -1.0, high: 3.0 }, Range { low: 0.0, high: 7.0 }, Range { low: -2.0, high: 0.0 }] {
            let codes = range.codes();
            let rounded = Range::of(codes);
            assert!((rounded.low - range.low).abs() <= codes.scale * 0.501, "{rounded:?}");
            assert!((rounded.high - range.high).abs() <= codes.scale * 0.501, "{rounded:?}");
        }
    }

    #[test]
    fn a_dead_activation_still_has_a_scale() {
        assert_eq!(Range::default().codes(), Codes { scale: 1.0, zero_point: 0 });
    }
}
