//! The values of a space's file: a value, a list of values, or a range.

use serde::Deserialize;

use super::error::SpaceError;
use super::parameter::{Domain, Value};

/// What a key of the file is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The same for all candidates.
    Fixed(Value),
    /// What a search chooses from.
    Open(Domain),
}

/// What the values of a key must be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One of these words.
    Words(&'static [&'static str]),
    /// Whole numbers in a range.
    Whole {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// `true` or `false`.
    Flags,
    /// A number, a word or a flag of a recipe, which checks it itself.
    Recipe,
}

/// Choices of one key at most: more is a range.
const MOST_CHOICES: usize = 256;

/// From the least to the most of a range of whole numbers, at most.
const WIDEST: i64 = 1_000_000_000;

/// The file's range.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: toml::Value,
    to: toml::Value,
    step: Option<i64>,
    scale: Option<Scale>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scale {
    Linear,
    Log,
}

impl Entry {
    /// Whether a table is a range, and no table of other keys.
    pub fn is_range(value: &toml::Value) -> bool {
        value.as_table().is_some_and(|table| table.contains_key("from") || table.contains_key("to"))
    }

    /// Reads what `key` is given.
    pub fn read(key: &str, value: &toml::Value, kind: Kind) -> Result<Self, SpaceError> {
        let refuse = |reason: String| SpaceError::Key { key: key.to_owned(), reason };
        match value {
            toml::Value::Array(items) => {
                let choices = items.iter().map(|item| scalar(item).ok_or_else(|| refuse(shape_of(kind))));
                let choices = choices.collect::<Result<Vec<_>, _>>()?;
                for (index, choice) in choices.iter().enumerate() {
                    kind.check(choice).map_err(refuse)?;
                    if choices[..index].iter().any(|other| other.is_same(choice)) {
                        return Err(refuse(format!("{choice} is in the list twice; leave one out")));
                    }
                }
                match choices.len() {
                    0 => Err(refuse("the list is empty; give one value at least".to_owned())),
                    1 => Ok(Self::Fixed(choices[0].clone())),
                    2..=MOST_CHOICES => Ok(Self::Open(Domain::Categorical { choices })),
                    many => Err(refuse(format!(
                        "{many} choices are too many, at most {MOST_CHOICES} are allowed; a range may have any number: {{ from = ..., to = ... }}"
                    ))),
                }
            }
            toml::Value::Table(_) => {
                let range: Range = value.clone().try_into().map_err(|error: toml::de::Error| {
                    refuse(format!("{}; {}", error.message().trim(), shape_of(kind)))
                })?;
                Self::range(range, kind).map_err(refuse)
            }
            _ => {
                let value = scalar(value).ok_or_else(|| refuse(shape_of(kind)))?;
                kind.check(&value).map_err(refuse)?;
                Ok(Self::Fixed(value))
            }
        }
    }

    fn range(Range { from, to, step, scale }: Range, kind: Kind) -> Result<Self, String> {
        let (Some(low), Some(high)) = (scalar(&from), scalar(&to)) else { return Err(shape_of(kind)) };
        kind.check(&low)?;
        kind.check(&high)?;
        let is_whole = matches!((&low, &high), (Value::Whole(_), Value::Whole(_)));
        let (Some(from), Some(to)) = (low.number(), high.number()) else {
            return Err("a range is from one number to another".to_owned());
        };
        if !(from.is_finite() && to.is_finite()) {
            return Err("the ends of a range must be finite".to_owned());
        }
        if from >= to {
            return Err(format!("the range from {low} to {high} is empty; from must be less than to"));
        }
        let is_log = scale == Some(Scale::Log);
        if let (true, (Some(low), Some(high)), false) = (is_whole, (low.whole(), high.whole()), is_log) {
            let step = step.unwrap_or(1);
            if high.checked_sub(low).is_none_or(|width| width > WIDEST) {
                return Err(format!("the range from {low} to {high} is too wide; its ends may be {WIDEST} apart"));
            }
            if step < 1 || step > high - low {
                return Err(format!(
                    "a step of {step} does not lead from {low} to {high}; it must be 1 to {}",
                    high - low
                ));
            }
            return Ok(Self::Open(Domain::Integer { low, high: low + (high - low) / step * step, step }));
        }
        if step.is_some() {
            return Err("a step is for ranges of whole numbers without a scale; leave it out".to_owned());
        }
        if let Kind::Whole { .. } = kind {
            return Err("whole numbers have no scale; list some: [8, 16, 32]".to_owned());
        }
        if is_log && from <= 0.0 {
            return Err(format!("a logarithmic range must begin above 0, and this one begins at {low}"));
        }
        Ok(Self::Open(Domain::Float { low: from, high: to, log: is_log }))
    }
}

impl Kind {
    /// Refuses a value that is not of this kind.
    fn check(self, value: &Value) -> Result<(), String> {
        let holds = match self {
            Self::Words(words) => matches!(value, Value::Word(word) if words.contains(&&**word)),
            Self::Whole { least, most } => {
                matches!(value, Value::Whole(whole) if (least..=most).contains(whole))
            }
            Self::Flags => matches!(value, Value::Flag(_)),
            Self::Recipe => true,
        };
        if holds { Ok(()) } else { Err(format!("{value} is not possible here; {}", shape_of(self))) }
    }
}

/// What a key can be given.
fn shape_of(kind: Kind) -> String {
    match kind {
        Kind::Words(words) => format!("it must be one of {}, or a list of these", words.join(", ")),
        Kind::Whole { least, most } => format!(
            "it must be a whole number from {least} to {most}, a list of these, or {{ from = ..., to = ..., step = ... }}"
        ),
        Kind::Flags => "it must be true, false, or [true, false]".to_owned(),
        Kind::Recipe => {
            "it must be a value, a list of values, or a range: { from = 0.0001, to = 0.01, scale = \"log\" }".to_owned()
        }
    }
}

fn scalar(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::Boolean(flag) => Some(Value::Flag(*flag)),
        toml::Value::Integer(whole) => Some(Value::Whole(*whole)),
        toml::Value::Float(number) => Some(Value::Number(*number)),
        toml::Value::String(word) => Some(Value::Word(word.clone())),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, kind: Kind) -> Result<Entry, String> {
        let table: toml::Table = format!("key = {text}").parse().unwrap();
        Entry::read("key", &table["key"], kind).map_err(|error| error.to_string())
    }

    const CHANNELS: Kind = Kind::Whole { least: 1, most: 65_535 };

    #[test]
    fn a_value_a_list_and_a_range_are_read() {
        let whole = |values: &[i64]| values.iter().map(|&value| Value::Whole(value)).collect::<Vec<_>>();
        assert_eq!(read("16", CHANNELS), Ok(Entry::Fixed(Value::Whole(16))));
        assert_eq!(read("[16]", CHANNELS), Ok(Entry::Fixed(Value::Whole(16))));
        let choices = Domain::Categorical { choices: whole(&[8, 16]) };
        assert_eq!(read("[8, 16]", CHANNELS), Ok(Entry::Open(choices)));
        let range = Domain::Integer { low: 8, high: 28, step: 4 };
        assert_eq!(read("{ from = 8, to = 31, step = 4 }", CHANNELS), Ok(Entry::Open(range)));
        let rate = Domain::Float { low: 1e-4, high: 1e-2, log: true };
        assert_eq!(read("{ from = 1e-4, to = 1e-2, scale = \"log\" }", Kind::Recipe), Ok(Entry::Open(rate)));
        let share = Domain::Float { low: 0.0, high: 0.5, log: false };
        assert_eq!(read("{ from = 0.0, to = 0.5 }", Kind::Recipe), Ok(Entry::Open(share)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_it_must_be() {
        let words = Kind::Words(&["mean", "flatten"]);
        for (text, kind, expected) in [
            ("0", CHANNELS, "0 is not possible here; it must be a whole number from 1 to 65535, a list of these"),
            ("[8, 8]", CHANNELS, "8 is in the list twice"),
            ("[]", CHANNELS, "the list is empty"),
            ("1.5", CHANNELS, "1.5 is not possible here"),
            ("{ from = 8, to = 8 }", CHANNELS, "is empty"),
            ("{ from = 8, to = 16, step = 9 }", CHANNELS, "a step of 9 does not lead from 8 to 16; it must be 1 to 8"),
            ("{ from = 8, to = 16, by = 2 }", CHANNELS, "unknown field `by`"),
            ("{ from = 8 }", CHANNELS, "missing field `to`"),
            ("{ from = 8, to = 64, scale = \"log\" }", CHANNELS, "list some: [8, 16, 32]"),
            ("{ from = 0.0, to = 1.0, scale = \"log\" }", Kind::Recipe, "must begin above 0, and this one begins at 0"),
            ("{ from = 0.0, to = inf }", Kind::Recipe, "must be finite"),
            ("{ from = 0.0, to = 1.0, step = 1 }", Kind::Recipe, "a step is for ranges of whole numbers"),
            ("\"max\"", words, "max is not possible here; it must be one of mean, flatten, or a list of these"),
            ("1", Kind::Flags, "it must be true, false, or [true, false]"),
            ("[[1]]", CHANNELS, "it must be a whole number"),
            (
                "{ from = -9_223_372_036_854_775_808, to = 0 }",
                Kind::Recipe,
                "is too wide; its ends may be 1000000000 apart",
            ),
            ("1979-05-27", Kind::Recipe, "it must be a value, a list of values, or a range"),
        ] {
            let message = read(text, kind).unwrap_err();
            assert!(message.starts_with("space file: key: ") && message.contains(expected), "{text}: {message}");
        }
    }
}
