//! What stands in the way of an import: all of it at once, each with the place in the file.

use std::fmt;

/// Something in a file that no network here has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The operator, by its number in the file and its name.
    pub operator: Option<(usize, String)>,
    /// The tensor, by its name, with its dimensions.
    pub tensor: Option<String>,
    /// What is wrong, and what would help.
    pub reason: String,
}

impl Problem {
    /// Of the file as a whole.
    pub fn of_file(reason: impl Into<String>) -> Self {
        Self { operator: None, tensor: None, reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((number, name)) = &self.operator {
            write!(f, "operator {number} ({name})")?;
            f.write_str(if self.tensor.is_some() { ", " } else { ": " })?;
        }
        if let Some(tensor) = &self.tensor {
            write!(f, "tensor {tensor}: ")?;
        }
        f.write_str(&self.reason)
    }
}

/// Why a file is not imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct Refused(pub Vec<Problem>);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Problems that a message lists; the rest are counted.
const MOST_LISTED: usize = 20;

fn listed(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        problems => {
            let lines: Vec<String> =
                problems.iter().take(MOST_LISTED).map(|problem| format!("\n  {problem}")).collect();
            let more = problems.len().saturating_sub(MOST_LISTED);
            let rest = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            format!("{} reasons:{}{rest}", problems.len(), lines.concat())
        }
    }
}
