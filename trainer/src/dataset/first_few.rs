//! Lists in messages: the first few, and how many more there are.

use std::fmt::Write;

use crate::support::printable::in_one_line;

/// Entries that a message names.
const NAMED: usize = 5;

/// A line for each of the first five, and one that counts the others. Each is indented, as
/// [`message`](crate::support::printable::message) requires of lines.
pub(super) fn first_few(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(NAMED);
    let mut text = String::new();
    for line in lines.take(NAMED) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}", in_one_line(&line));
    }
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

/// The first five in one line, and how many more there are.
pub(super) fn in_a_row(entries: impl ExactSizeIterator<Item = String>) -> String {
    let more = entries.len().saturating_sub(NAMED);
    let named = entries.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}
