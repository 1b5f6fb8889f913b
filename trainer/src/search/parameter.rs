//! What a search chooses: parameters by name, the values that each may have, and the values of one candidate.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Any number.
    Number(f64),
    /// A word.
    Word(String),
}

/// The values of a candidate, by the names of their parameters.
pub type Values = BTreeMap<String, Value>;

/// The values that a parameter may have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Domain {
    /// One of these; at least two.
    Categorical {
        /// In the order of the file.
        choices: Vec<Value>,
    },
    /// A whole number: `low`, `low + step`, ... up to `high`, which is one of them.
    Integer {
        /// The least.
        low: i64,
        /// The most.
        high: i64,
        /// From one to the next.
        step: i64,
    },
    /// Any number from `low` to `high`.
    Float {
        /// The least.
        low: f64,
        /// The most.
        high: f64,
        /// Whether its logarithm is what is drawn evenly.
        log: bool,
    },
}

/// When a parameter changes anything: a candidate of which this does not hold ignores its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Another parameter, a whole number.
    pub name: String,
    /// What that must be at least.
    pub at_least: i64,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// What it is called: `stage1.channels`, `recipe.learning_rate`.
    pub name: String,
    /// What it may be.
    #[serde(flatten)]
    pub domain: Domain,
    /// When it is used; always where there is no condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Condition>,
}

impl Value {
    /// As a whole number, where it is one; `2.0` is.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Whole(whole) => Some(*whole),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
            Self::Number(_) | Self::Flag(_) | Self::Word(_) => None,
        }
    }

    /// As a number.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            Self::Flag(_) | Self::Word(_) => None,
        }
    }

    /// Whether both are the same, a whole number being the same as a number without a fraction.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.number(), other.number()) {
            (Some(this), Some(other)) => this == other,
            _ => self == other,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(whole) => whole.fmt(f),
            Self::Number(number) if *number != 0.0 && !(1e-3..1e5).contains(&number.abs()) => write!(f, "{number:.2e}"),
            Self::Number(number) => {
                let text = format!("{number:.4}");
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Domain {
    /// A value as the domain has it, if it is one of its own: engines may hold whole numbers as numbers. Of whole numbers those between
    /// two steps are its own too.
    #[must_use]
    pub fn own(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Categorical { choices } => choices.iter().find(|choice| choice.is_same(value)).cloned(),
            Self::Integer { low, high, .. } => {
                value.whole().filter(|whole| (*low..=*high).contains(whole)).map(Value::Whole)
            }
            Self::Float { low, high, .. } => {
                value.number().filter(|number| (*low..=*high).contains(number)).map(Value::Number)
            }
        }
    }

    /// All values, in order, where they are `most` or fewer.
    #[must_use]
    pub fn all(&self, most: usize) -> Option<Vec<Value>> {
        match self {
            Self::Categorical { choices } => (choices.len() <= most).then(|| choices.clone()),
            Self::Integer { low, high, step } => {
                let values = (*low..=*high).step_by(usize::try_from(*step).unwrap_or(1).max(1));
                let values: Vec<Value> = values.take(most.saturating_add(1)).map(Value::Whole).collect();
                (values.len() <= most).then_some(values)
            }
            Self::Float { .. } => None,
        }
    }

    /// The values at its ends: every choice, or the least and the most.
    #[must_use]
    pub fn ends(&self) -> Vec<Value> {
        match self {
            Self::Categorical { choices } => choices.clone(),
            Self::Integer { low, high, .. } => vec![Value::Whole(*low), Value::Whole(*high)],
            Self::Float { low, high, .. } => vec![Value::Number(*low), Value::Number(*high)],
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Categorical { choices } => {
                let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
                write!(f, "one of {}", choices.join(", "))
            }
            Self::Integer { low, high, step: 1 } => write!(f, "a whole number from {low} to {high}"),
            Self::Integer { low, high, step } => write!(f, "a whole number from {low} to {high} in steps of {step}"),
            Self::Float { low, high, .. } => {
                write!(f, "a number from {} to {}", Value::Number(*low), Value::Number(*high))
            }
        }
    }
}

impl Parameter {
    /// Whether a candidate of these values uses it.
    #[must_use]
    pub fn is_used(&self, values: &Values) -> bool {
        let Some(Condition { name, at_least }) = &self.only_if else { return true };
        values.get(name).and_then(Value::whole).is_some_and(|whole| whole >= *at_least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_json_as_they_are_written_there() {
        let text = r#"{"a":true,"b":3,"c":0.5,"d":"rgb"}"#;
        let values: Values = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&values).unwrap(), text);
        assert!(Value::Number(3.0).is_same(&values["b"]) && !Value::Flag(true).is_same(&values["b"]));
    }

    #[test]
    fn a_domain_holds_its_ends_and_nothing_beyond_them() {
        let integers = Domain::Integer { low: 2, high: 8, step: 2 };
        let floats = Domain::Float { low: 1e-4, high: 1e-2, log: true };
        let words = Domain::Categorical { choices: vec![Value::Word("mean".to_owned()), Value::Whole(3)] };
        for domain in [&integers, &floats, &words] {
            assert!(domain.ends().iter().all(|end| domain.own(end).as_ref() == Some(end)), "{domain}");
        }
        for (domain, value) in [
            (&integers, Value::Whole(9)),
            (&integers, Value::Number(2.5)),
            (&floats, Value::Number(0.011)),
            (&floats, Value::Word("0.001".to_owned())),
            (&words, Value::Word("flatten".to_owned())),
        ] {
            assert_eq!(domain.own(&value), None, "{value} of {domain}");
        }
        assert_eq!(integers.own(&Value::Number(4.0)), Some(Value::Whole(4)));
        assert_eq!(words.own(&Value::Number(3.0)), Some(Value::Whole(3)));
    }

    #[test]
    fn numbers_are_shown_in_a_few_digits() {
        let shown = [0.0, 0.25, 1.0, 0.001_5, 0.000_123_4, 64.0].map(|number| Value::Number(number).to_string());
        assert_eq!(shown, ["0", "0.25", "1", "0.0015", "1.23e-4", "64"]);
    }
}
