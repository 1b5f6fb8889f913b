//! What the subcommands print alike.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use trainer::printable::printable;

/// Prints a line to standard output; a reader that has gone away is an error that `main` takes for a normal end.
macro_rules! say {
    ($($argument:tt)*) => {
        writeln!(std::io::stdout(), "{}", trainer::printable::printable(&format!($($argument)*)))?
    };
}
pub(crate) use say;

/// Text in a color where there is a terminal that has colors, and the user (`NO_COLOR`) does not mind.
pub fn colored(text: &str, color: AnsiColor) -> String {
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

/// Says a line of our own words on standard error. That nobody can be told is no reason for a program to end.
pub fn complain(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Shows a warning that cannot be overlooked, on standard error.
pub fn warn(text: &str) {
    complain(&format!("\n{}\n", colored(&printable(text), AnsiColor::Yellow)));
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

#[cfg(test)]
mod tests {
    use super::significant;

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
