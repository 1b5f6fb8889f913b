//! Numbers in files: every one that is written can be read again.
//!
//! JSON has no number for what is not finite, and serde_json writes `null` for it, which a plain `f64` does not read back. So a figure
//! that may not be finite is an [`Option`] where there may be none, and otherwise is written with this module (`#[serde(with = "number")]`), which reads `null` as
//! not a number.
//!
//! ```
//! use trainer::support::number;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Figure {
//!     #[serde(with = "number")]
//!     loss: f64,
//! }
//! let json = serde_json::to_string(&Figure { loss: f64::INFINITY })?;
//! assert_eq!(json, r#"{"loss":null}"#);
//! assert!(serde_json::from_str::<Figure>(&json)?.loss.is_nan());
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So many things in so many seconds, per second; `None` where the clock has not moved or is no number, so that there is no rate.
#[must_use]
pub fn rate(count: usize, seconds: f64) -> Option<f64> {
    finite(count as f64 / seconds).filter(|_| seconds > 0.0)
}

/// A number, where it is finite.
#[must_use]
pub fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// A number with so many decimals. One of at most 15 digits is the same after it was written as JSON and read.
#[must_use]
pub fn rounded(number: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (number * scale).round() / scale
}

/// A finite number with so many decimals, for people; `-` where there is none.
#[must_use]
pub fn shown(number: Option<f64>, decimals: usize) -> String {
    number.and_then(finite).map_or("-".to_owned(), |number| format!("{number:.decimals$}"))
}

/// A finite number with so many decimals, for a cell of a table; empty where there is none.
#[must_use]
pub fn cell(number: Option<f64>, decimals: usize) -> String {
    number.and_then(finite).map_or(String::new(), |number| format!("{number:.decimals$}"))
}

/// What [`cell`] wrote, and what older versions wrote, `inf` and `NaN` among it.
///
/// # Errors
/// Where the text is no number.
pub fn parse_cell(text: &str) -> Result<Option<f64>, std::num::ParseFloatError> {
    if text.is_empty() { Ok(None) } else { Ok(finite(text.parse()?)) }
}

/// Writes a number, and `null` to people where it is not finite. A format of bytes holds any `f64` as it is.
///
/// # Errors
/// Those of the format.
pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() { finite(*number).serialize(serializer) } else { number.serialize(serializer) }
}

/// Reads what [`serialize`] wrote: `null` is not a number.
///
/// # Errors
/// Those of the format.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if deserializer.is_human_readable() {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    } else {
        f64::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Figure(#[serde(with = "super")] f64);

    #[test]
    fn a_stopped_clock_gives_no_rate() {
        let cases = [
            (57_000, 1.5, Some(38_000.0)),
            (0, 1.0, Some(0.0)),
            (57_000, 0.0, None),
            (0, 0.0, None),
            (57_000, -1.0, None),
            (57_000, f64::NAN, None),
            (57_000, f64::INFINITY, Some(0.0)),
            // So short a time that the rate has no end.
            (57_000, 1e-310, None),
        ];
        for (count, seconds, expected) in cases {
            assert_eq!(rate(count, seconds), expected, "{count} in {seconds} s");
        }
    }

    #[test]
    fn every_number_survives_json_or_is_no_number_there_too() {
        for number in [0.0, -0.5, 1e-300, 0.1 + 0.2, f64::MAX] {
            let json = serde_json::to_string(&Figure(number)).unwrap();
            assert_eq!(serde_json::from_str::<Figure>(&json).unwrap(), Figure(number));
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let json = serde_json::to_string(&Figure(number)).unwrap();
            assert_eq!(json, "null");
            assert!(serde_json::from_str::<Figure>(&json).unwrap().0.is_nan());
            let bytes = postcard::to_allocvec(&Figure(number)).unwrap();
            let read: Figure = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(read.0.to_bits(), number.to_bits(), "a checkpoint loses nothing");
        }
        assert!(serde_json::from_str::<Figure>("\"many\"").is_err());
    }

    #[test]
    fn a_cell_holds_a_finite_number_or_nothing() {
        for (number, text) in [(Some(1.25), "1.2"), (None, ""), (Some(f64::NAN), ""), (Some(f64::INFINITY), "")] {
            assert_eq!(cell(number, 1), text);
            assert!(parse_cell(text).is_ok());
        }
        for older in ["inf", "NaN", "-inf"] {
            assert_eq!(parse_cell(older), Ok(None));
        }
        assert!(parse_cell("many").is_err());
        assert_eq!(
            (shown(Some(1.25), 0), shown(Some(f64::INFINITY), 0), shown(None, 1)),
            ("1".into(), "-".into(), "-".into())
        );
    }
}
