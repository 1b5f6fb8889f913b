//! Names of classes: which two of them no reader could tell apart, and the list of them beside IDX files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::DataError;
use super::first_few::in_a_row;
use super::pictures::FolderError;
use crate::support::bounded_file;
use crate::support::limits::{CLASSES_TXT, LONGEST_NAME, MOST_CLASSES};
use crate::support::printable::{is_control, joins};

/// First lines that are a heading of a column, in lower case. "name" and the like are no classes of anybody's.
const HEADINGS: [&str; 14] = [
    "class",
    "classes",
    "class_name",
    "class_names",
    "classname",
    "class name",
    "name",
    "names",
    "label",
    "labels",
    "label_name",
    "category",
    "category_name",
    "categories",
];

/// Two names that look the same on a screen: equal after canonical composition (NFC), without what shows nothing, and with
/// runs of spaces as one. Names that differ by case stay two: there are sets of letters.
#[must_use]
pub fn look_alikes(names: &[impl AsRef<str>]) -> Option<(usize, usize)> {
    let mut seen = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(appearance(name.as_ref()), index) {
            return Some((first, index));
        }
    }
    None
}

/// Whether two names look the same.
#[must_use]
pub fn look_alike(one: &str, other: &str) -> bool {
    appearance(one) == appearance(other)
}

/// Whether a name shows something at all.
#[must_use]
pub fn shows_something(name: &str) -> bool {
    !appearance(name).is_empty()
}

/// A name as a message shows it beside another that looks the same: what is not ASCII is spelled out.
#[must_use]
pub fn spelled_out(name: &str) -> String {
    let spelled: String = name.chars().flat_map(char::escape_default).collect();
    format!("\"{spelled}\"")
}

fn appearance(name: &str) -> String {
    let visible: String = name.nfc().filter(|&character| !is_invisible(character)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters that show nothing: what is never printed as it is, and joiners and selectors, which have no shape of their own. White
/// space is left to [`appearance`], which makes one of a run of it.
fn is_invisible(character: char) -> bool {
    (is_control(character) || joins(character)) && !character.is_whitespace()
}

/// Whether a first line heads a column and names no class.
#[must_use]
pub fn is_heading(name: &str) -> bool {
    HEADINGS.contains(&&*name.trim().to_lowercase())
}

/// Reads `classes.txt`: a name a line, in the order of the labels. Empty lines, and a byte order mark, are no part of it.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::ClassList`] for what is no text in UTF-8, or too long; [`DataError::ClassName`] for a name
/// that cannot be shown; [`DataError::SameName`] for two that look the same; [`DataError::OneClass`];
/// [`FolderError::TooManyClasses`].
pub fn read(path: &Path) -> Result<Vec<String>, DataError> {
    let io_error = |source| DataError::Io { path: path.to_owned(), source };
    let refuse = |reason: &str| DataError::ClassList { path: path.to_owned(), reason: reason.to_owned() };
    let bytes = match bounded_file::read_regular(path, CLASSES_TXT) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Err(refuse("it is longer than any list of names"));
        }
        read => read.map_err(io_error)?,
    };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(refuse("it is in UTF-16; save it as UTF-8"));
    }
    let Ok(text) = std::str::from_utf8(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes)) else {
        return Err(refuse("it is no text in UTF-8; a name a line is expected"));
    };
    // Old Macintosh files end their lines with a carriage return alone.
    let names: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|name| !name.is_empty()).collect();
    for (class, &name) in names.iter().enumerate() {
        let reason = match name {
            _ if name.contains(is_control) => "holds a control character; leave it out".to_owned(),
            _ if name.len() > LONGEST_NAME => format!("is longer than {LONGEST_NAME} bytes; shorten it"),
            _ if !shows_something(name) => "shows nothing; give it letters".to_owned(),
            _ => continue,
        };
        return Err(DataError::ClassName { path: path.to_owned(), class, name: beginning(name).into_owned(), reason });
    }
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if names.len() > MOST_CLASSES {
        return Err(FolderError::TooManyClasses { directory: path.to_owned(), classes: names.len() }.into());
    }
    if let Some((one, other)) = look_alikes(&names) {
        return Err(DataError::SameName {
            path: path.to_owned(),
            classes: [one, other],
            names: [one, other].map(|class| spelled_out(&names[class])),
        });
    }
    if names.len() < 2 {
        return Err(DataError::OneClass { path: path.to_owned() });
    }
    Ok(names)
}

/// As much of a name as a message needs.
fn beginning(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(40) {
        Some((end, _)) if name.len() > LONGEST_NAME => format!("{}…", &name[..end]).into(),
        _ => name.into(),
    }
}

/// Some names of classes in a row, the others counted.
#[must_use]
pub fn listed(names: &[impl AsRef<str>]) -> String {
    in_a_row(names.iter().map(|name| name.as_ref().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_found_and_those_that_do_not_are_two() {
        let same = [
            ("M\u{f6}we", "Mo\u{308}we"),
            ("wren", "wren"),
            ("wren", "wren "),
            ("blue tit", "blue\u{a0}\u{2009} tit"),
            ("wren", "wr\u{200b}en"),
            ("wren", "\u{feff}wren\u{ad}"),
            ("\u{212b}", "\u{c5}"),
            ("ja\u{fe0f}", "ja"),
        ];
        for (one, other) in same {
            assert_eq!(look_alikes(&["owl", one, other]), Some((1, 2)), "{one:?} {other:?}");
        }
        let different = ["wren", "Wren", "wr en", "x2", "x²", "1", "\u{ff11}", "é", "e", "猫", "貓"];
        assert_eq!(look_alikes(&different), None);
        assert!(!shows_something(" \u{200b}\u{3164}") && shows_something("."));
        assert_eq!(spelled_out("Mo\u{308}we"), "\"Mo\\u{308}we\"");
    }

    #[test]
    fn headings_are_known_in_any_case_and_classes_are_none() {
        assert!(["class_name", "Label", " CLASSES "].into_iter().all(is_heading));
        assert!(!["circle", "classic", "0", "nameless"].into_iter().any(is_heading));
    }
}
