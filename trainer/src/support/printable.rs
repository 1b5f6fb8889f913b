//! What others named, as a terminal can show it: a character that does something instead of being shown could move the
//! cursor, color what follows, hide, turn the direction of writing, or pass a name off as another line or another name.
//!
//! One rule for all of these, wherever text is printed: they are spelled out, `\u001b`. What letters and emoji are made of stays:
//! see [`in_one_line`].

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

/// `text` in one line: control characters, line and paragraph separators, marks that turn the direction of writing, and characters
/// without a shape are spelled out as `\u001b`, in two halves above U+FFFF as JSON does.
///
/// Joiners (U+200C, U+200D) stay between two characters of scripts that have them, and of emoji: Persian and the Indic scripts
/// are not written without, and a family is one emoji. The selectors of text and emoji style (U+FE0E, U+FE0F) stay after a symbol,
/// one each. After a letter of Latin, Greek or Cyrillic either would be invisible, and is spelled out.
#[must_use]
pub fn in_one_line(text: &str) -> Cow<'_, str> {
    escaped(text, false)
}

/// The name of a file for a table, in one line. One that a spreadsheet would take for a formula begins with `./`, which names the
/// same file.
#[must_use]
pub fn no_formula(name: &str) -> Cow<'_, str> {
    let name = in_one_line(name);
    if name.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("./{name}")) } else { name }
}

/// A path as text: bytes that are no UTF-8 are spelled out, `\xff`, so that two files never share a name.
#[must_use]
pub fn path_text(path: &Path) -> String {
    let chunks = path.as_os_str().as_encoded_bytes().utf8_chunks();
    chunks.fold(String::new(), |text, chunk| format!("{text}{}{}", chunk.valid(), chunk.invalid().escape_ascii()))
}

/// As [`in_one_line`], but lines stay lines: for a text of several lines that is our own, such as JSON, in which names cannot hold
/// line breaks.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, true)
}

/// A warning or an error, which may be a list: a line break stays where two spaces follow it, and nowhere else. What it quotes
/// can so forge no line that begins as our own do.
#[must_use]
pub fn message(text: &str) -> String {
    text.split("\n  ").map(in_one_line).collect::<Vec<_>>().join("\n  ")
}

/// What is wrong with a TOML file, and where, in one line: without the lines of the file that toml's own text quotes.
#[must_use]
pub fn toml_error(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let place = text.lines().next().filter(|line| line.starts_with("TOML parse error at"));
    let what = error.message().trim().replace('\n', "; ");
    place.map_or_else(|| what.clone(), |place| format!("{place}: {what}"))
}

/// A text that was formatted by `format`, whose own line breaks stay, and those of what it quotes do not: at the beginning and at
/// the end as many as `format` has, and in between only where nothing that is quoted has any.
#[must_use]
pub fn formatted<'t>(format: &str, text: &'t str) -> Cow<'t, str> {
    let breaks = |text: &str| text.matches('\n').count();
    if breaks(format) == breaks(text) {
        return printable(text);
    }
    let leading = format.len() - format.trim_start_matches('\n').len();
    let trailing = format.len() - format.trim_end_matches('\n').len();
    let inner = text.get(leading..text.len().saturating_sub(trailing)).unwrap_or(text);
    Cow::Owned(format!("{}{}{}", "\n".repeat(leading), in_one_line(inner), "\n".repeat(trailing)))
}

/// Whether a character is never shown as itself: it does something in a terminal, or has no shape.
#[must_use]
pub fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Line and paragraph separators; marks and overrides of direction.
            '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Without a width, or with a blank where a letter is expected.
            | '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'
            | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Tags and the selectors of variants, which can carry a text of their own.
            | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether a character has a shape only together with others: a joiner, or a selector of a style.
pub(crate) fn joins(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Whether joiners are written next to a character: the scripts from Arabic on have them, and emoji.
fn is_joined(character: char) -> bool {
    character >= '\u{600}' && !is_control(character) && !character.is_whitespace() && !joins(character)
}

/// Whether a character has a text and an emoji style: a symbol, or what a keycap shows.
fn has_styles(character: char) -> bool {
    (character >= '\u{2000}' && is_joined(character)) || matches!(character, '0'..='9' | '#' | '*' | '©' | '®')
}

/// Whether a character stays as it is between these.
fn stays(character: char, before: [Option<char>; 2], next: Option<char>) -> bool {
    let [last, last_but_one] = before;
    match character {
        '\u{fe0e}' | '\u{fe0f}' => last.is_some_and(has_styles),
        '\u{200c}' | '\u{200d}' => {
            let styled = matches!(last, Some('\u{fe0e}' | '\u{fe0f}'));
            let base = if styled { last_but_one } else { last };
            base.is_some_and(is_joined) && next.is_some_and(is_joined)
        }
        other => !is_control(other),
    }
}

fn escaped(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    if !text.contains(|character| is_control(character) && !(keeps_lines && character == '\n') || joins(character)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    let mut before = [None; 2];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if (keeps_lines && character == '\n') || stays(character, before, characters.peek().copied()) {
            escaped.push(character);
        } else {
            for half in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{half:04x}");
            }
        }
        before = [Some(character), before[0]];
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
            ("next\u{85}line\u{2028}and\u{2029}paragraph", "next\\u0085line\\u2028and\\u2029paragraph"),
            ("ze\u{200b}ro\u{feff} so\u{ad}ft \u{2060}", "ze\\u200bro\\ufeff so\\u00adft \\u2060"),
            ("left\u{200e}right\u{200f}\u{61c}\u{2066}", "left\\u200eright\\u200f\\u061c\\u2066"),
            ("tag\u{e0041}", "tag\\udb40\\udc41"),
            ("blank \u{3164}\u{115f}", "blank \\u3164\\u115f"),
        ];
        for (text, expected) in cases {
            assert_eq!((printable(text), in_one_line(text)), (expected.into(), expected.into()));
        }
        assert_eq!(printable("a\nb\rc"), "a\nb\\u000dc");
        assert_eq!(in_one_line("a\nb"), "a\\u000ab");
    }

    #[test]
    fn what_scripts_and_emoji_are_made_of_stays_and_is_spelled_out_elsewhere() {
        for text in [
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "☀\u{fe0f} sun",
            "1\u{fe0f}\u{20e3}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "©\u{fe0f}",
        ] {
            assert_eq!(in_one_line(text), text);
        }
        for (text, expected) in [
            ("bi\u{200d}rd", "bi\\u200drd"),
            ("б\u{200d}б", "б\\u200dб"),
            ("👨\u{200d}", "👨\\u200d"),
            ("\u{200c}می", "\\u200cمی"),
            ("👨\u{200d}\u{200d}👧", "👨\\u200d\\u200d👧"),
            ("☀\u{fe0f}\u{fe0f}", "☀\u{fe0f}\\ufe0f"),
            ("a\u{fe0f}", "a\\ufe0f"),
            ("👨\u{200d} 👧", "👨\\u200d 👧"),
        ] {
            assert_eq!(in_one_line(text), expected);
        }
    }

    #[test]
    fn line_breaks_are_those_of_the_format_and_none_of_what_it_quotes() {
        for (format, text, expected) in [
            ("model {}", "model a", "model a"),
            ("model {}", "model a\nerror: b", "model a\\u000aerror: b"),
            ("\nmodel {}\n", "\nmodel a\n", "\nmodel a\n"),
            ("\nmodel {}\n", "\nmodel a\nb\n", "\nmodel a\\u000ab\n"),
            ("{}\n{}", "a\nb", "a\nb"),
            ("{}\n{}", "a\nb\nc", "a\\u000ab\\u000ac"),
            ("{}", "\nerror: forged", "\\u000aerror: forged"),
            ("{}", "", ""),
        ] {
            assert_eq!(formatted(format, text), expected);
        }
    }

    #[test]
    fn lines_of_a_message_are_indented_or_spelled_out() {
        assert_eq!(message("two files:\n  a\n  b"), "two files:\n  a\n  b");
        assert_eq!(message("no file x\nerror: forged\n y"), "no file x\\u000aerror: forged\\u000a y");
    }

    #[test]
    fn json_stays_json() {
        let texts = ["\u{9b}2J", "\u{1b}", "\u{202e}", "\u{e0041}", "\u{2028}", "a\u{200d}"];
        let json = serde_json::to_string(&texts).unwrap();
        let printed = printable(&json);
        assert!(!printed.contains(is_control) && !printed.contains(joins));
        assert_eq!(serde_json::from_str::<Vec<String>>(&printed).unwrap(), texts);
    }
}
