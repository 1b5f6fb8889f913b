//! Numbers as people read them, and tables of one row a line.

use sha2::{Digest, Sha256};

/// `542230` as `542,230`.
#[must_use]
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// So many of what `noun` is one of: `1 image`, `2,000 images`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// The names of built-in files, separated by commas.
#[must_use]
pub fn names_of(files: &[(&str, &str)]) -> String {
    let names: Vec<&str> = files.iter().map(|&(name, _)| name).collect();
    names.join(", ")
}

/// Names one after another, in lines of at most so many characters where a name is not longer by itself.
#[must_use]
pub fn wrapped(names: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let item = if index + 1 < names.len() { format!("{name},") } else { name.clone() };
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + item.chars().count() <= columns => {
                line.push(' ');
                line.push_str(&item);
            }
            _ => lines.push(item),
        }
    }
    lines
}

/// A SHA-256 as it is written down.
#[must_use]
pub fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of a table after its header; `form` is what a row is, as in "line 2 is not ...".
///
/// # Errors
/// What is wrong, and in which line.
pub fn rows<R>(text: &str, header: &str, form: &str, read: impl Fn(&str) -> Option<R>) -> Result<Vec<R>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(header) {
        return Err(format!("its first line is not {header:?}"));
    }
    let refuse = |line| format!("line {line} is not {form}");
    lines.enumerate().map(|(index, line)| read(line).ok_or_else(|| refuse(index + 2))).collect()
}

/// What serde's `try_from = "String"` and `into = "String"` need, of a type with `FromStr` and `Display`.
macro_rules! stored_as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = <$type as std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

pub(crate) use stored_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_wrapped_between_each_other_and_never_broken() {
        let names = ["a shirt", "shoe", "bag", "something very long"].map(str::to_owned);
        assert_eq!(wrapped(&names, 14), ["a shirt, shoe,", "bag,", "something very long"]);
        assert_eq!(wrapped(&[], 14), Vec::<String>::new());
    }
}
