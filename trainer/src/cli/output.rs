//! What the subcommands print alike.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use trainer::network::Architecture;
use trainer::support::number::shown;
use trainer::support::printable::{message, printable};

/// Prints a line to standard output; a reader that has gone away is an error that `main` takes for a normal end.
///
/// Everything that is printed goes through here, [`print_json`], [`console_line`](super::console::console_line), [`print_message`] or [`warn`], which spell
/// out what a terminal would obey, line breaks too where they are not the format's own: see [`trainer::support::printable`].
macro_rules! print_line {
    ($format:literal $($argument:tt)*) => {
        writeln!(std::io::stdout(), "{}", trainer::support::printable::formatted($format, &format!($format $($argument)*)))
            .map_err(crate::cli::output::of_standard_output)?
    };
}
pub(crate) use print_line;

/// Prints a value as JSON in several lines.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", printable(&serde_json::to_string_pretty(value)?)).map_err(of_standard_output)
}

/// Prints a file or a script as it is.
pub fn print_file(bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    std::io::stdout().write_all(bytes.as_ref()).map_err(of_standard_output)
}

/// What went wrong, with where.
pub fn of_standard_output(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::from(error).context("cannot write to standard output")
}

/// Text in a color where there is a terminal that has colors, and the user (`NO_COLOR`) does not mind. The text is our own, or
/// was made printable before.
pub fn colored(text: &str, color: AnsiColor) -> String {
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

/// Writes a line to standard error. That it cannot be written is no reason for a program to end.
pub fn print_message(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", message(text));
}

/// Writes an error to standard error.
pub fn print_error(error: &str) {
    let text = for_terminal(&format!("error: {}", message(error)));
    let _ = writeln!(anstream::stderr(), "{}", text.replacen("error:", &colored("error:", AnsiColor::Red), 1));
}

/// Shows a warning that cannot be overlooked, on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "\n{}\n", colored(&for_terminal(&message(text)), AnsiColor::Yellow));
}

/// The listing of a network, each layer with the number by which `--freeze` and messages name it.
pub fn numbered(architecture: &Architecture) -> Vec<String> {
    let listing = architecture.to_string();
    // Two lines are before the first layer: the name, and the input.
    let number = |line: usize| line.checked_sub(2).filter(|&layer| layer < architecture.layers.len());
    let numbered = |(index, line)| match number(index) {
        Some(layer) => format!("{layer:>3} {line}"),
        None => format!("    {line}"),
    };
    listing.lines().enumerate().map(numbered).collect()
}

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// A message for standard error: in lines of at most 80 columns where that is a terminal, which would break it within words; else as it
/// is, so that a message stays one line of a log.
pub fn for_terminal(text: &str) -> String {
    if std::io::stderr().is_terminal() { in_lines(text, COLUMNS) } else { text.to_owned() }
}

/// Text in lines of so many characters at most, broken between words; a word that is longer, such as a path, has a line of its own.
fn in_lines(text: &str, columns: usize) -> String {
    let mut lines = String::with_capacity(text.len());
    for line in text.split('\n') {
        let mut column = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if column > 0 && column + 1 + length > columns {
                lines.push('\n');
                column = 0;
            } else if column > 0 {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(word);
            column += length;
        }
        lines.push('\n');
    }
    lines.pop();
    lines
}

/// Columns for the names of a table's rows: `least`, or more where a name needs more, with two between it and the next column.
pub fn name_columns(names: impl IntoIterator<Item = String>, least: usize) -> usize {
    names.into_iter().map(|name| name.chars().count() + 2).fold(least, usize::max)
}

/// A number in four significant digits, in at most nine characters.
pub fn significant(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e5).contains(&magnitude) {
        return format!("{number:.2e}");
    }
    let decimals = (3 - magnitude.log10().floor() as i32).max(0) as usize;
    format!("{number:.decimals$}")
}

/// An accuracy for a column of six characters; `-` where there is none.
pub fn accuracy(accuracy: f64) -> String {
    format!("{:>6}", shown(Some(accuracy), 4))
}

/// A loss for a column of six characters: with four decimals, fewer, or as `3.2e9` where a training diverges.
pub fn loss(loss: f64) -> String {
    match loss {
        ..9.99995 => format!("{loss:.4}"),
        9.99995..999.995 => format!("{loss:>6.2}"),
        _ => format!("{:>6}", format!("{loss:.1e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{in_lines, loss, significant};

    #[test]
    fn a_loss_has_six_characters_whatever_a_training_comes_to() {
        for (number, expected) in [
            (0.0, "0.0000"),
            (2.345_678, "2.3457"),
            (9.999_96, " 10.00"),
            (123.456, "123.46"),
            (3.21e9, " 3.2e9"),
            (4.4e37, "4.4e37"),
            (f64::NAN, "   NaN"),
            (f64::INFINITY, "   inf"),
        ] {
            assert_eq!(loss(number), expected);
        }
    }

    #[test]
    fn long_messages_break_between_words_and_never_within_one() {
        let text = "WARNING: 14 validation images cannot distinguish the epochs: hold out more\nof them";
        for columns in 1..100 {
            let lines = in_lines(text, columns);
            assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
            for line in lines.lines() {
                assert!(line.chars().count() <= columns || !line.contains(' '), "{columns}: {line:?}");
            }
        }
        assert_eq!(in_lines("ä öü ß", 4), "ä öü\nß");
        assert_eq!(in_lines(text, 1000), text);
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (-12.345, "-12.35"),
            (0.001_234_5, "0.001234"),
            (99_999.0, "99999"),
            (-0.000_123_45, "-1.23e-4"),
            (1e30, "1.00e30"),
        ];
        for (number, expected) in cases {
            assert_eq!(significant(number), expected);
            assert!(expected.len() <= 9);
        }
    }
}
