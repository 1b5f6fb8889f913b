//! What others named, as a terminal can show it: a control character in the name of a file or a class could move the cursor,
//! color what follows, or pass itself off as another line.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with control characters, and those that turn the direction of writing, as `\u001b`: so JSON may say them too. Lines stay
/// lines.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character != '\n' && is_control(character))
}

/// A name that is to stay in its line: as [`printable`], line breaks too.
#[must_use]
pub fn in_one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// Whether a character does something in a terminal instead of standing there.
#[must_use]
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match is_bad(character) {
            // Writing to a string cannot fail.
            true => drop(write!(escaped, "\\u{:04x}", u32::from(character))),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out_and_the_rest_left_alone() {
        let cases = [
            ("Größe 猫 📷", "Größe 猫 📷"),
            ("a\u{1b}[31mred\u{7}", "a\\u001b[31mred\\u0007"),
            ("\u{9b}2J\u{7f}", "\\u009b2J\\u007f"),
            ("gpj.\u{202e}exe", "gpj.\\u202eexe"),
        ];
        for (text, expected) in cases {
            assert_eq!((printable(text), in_one_line(text)), (expected.into(), expected.into()));
        }
        assert_eq!(printable("a\nb\rc"), "a\nb\\u000dc");
        assert_eq!(in_one_line("a\nb"), "a\\u000ab");
    }

    #[test]
    fn json_stays_json() {
        let json = serde_json::to_string(&["\u{9b}2J", "\u{1b}", "\u{202e}"]).unwrap();
        let printed = printable(&json);
        assert!(!printed.contains(is_control));
        assert_eq!(serde_json::from_str::<Vec<String>>(&printed).unwrap(), ["\u{9b}2J", "\u{1b}", "\u{202e}"]);
    }
}
