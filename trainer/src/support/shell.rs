//! Commands that people copy into a shell.

use std::path::Path;

use super::printable::in_one_line;

/// A path as a word of a command line, which no command takes for an option.
#[must_use]
pub fn quote_path(path: &Path) -> String {
    let path = path.display().to_string();
    let path = if path.starts_with('-') { format!("./{path}") } else { path };
    quote(&in_one_line(&path))
}

/// A word of a command line.
#[must_use]
pub fn quote(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_-./=+,@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quote("runs/cnn-fashion-mnist-48-1"), "runs/cnn-fashion-mnist-48-1");
        assert_eq!(quote("my runs/it's; rm"), "'my runs/it'\\''s; rm'");
        assert_eq!(quote(""), "''");
        assert_eq!(["a b", "-x", "--"].map(|path| quote_path(Path::new(path))), ["'a b'", "./-x", "./--"]);
    }
}
