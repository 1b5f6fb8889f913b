//! The list of class names beside IDX files.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::class_names::{look_alikes, shows_something, spelled_out};
use super::error::DataError;
use super::folder::FolderError;
use crate::support::bounded_file;
use crate::support::limits::{CLASSES_TXT, LONGEST_NAME, MOST_CLASSES};
use crate::support::printable::is_control;

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

/// Whether a first line heads a column and names no class.
#[must_use]
pub fn is_heading(name: &str) -> bool {
    HEADINGS.contains(&&*name.trim().to_lowercase())
}

/// Reads `classes.txt`: a name a line, in the order of the labels. Empty lines, and a byte order mark, are not part of the list.
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
        return Err(refuse("it is not UTF-8 text; one name per line is expected"));
    };
    // Old Macintosh files end their lines with a carriage return alone.
    let names: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|name| !name.is_empty()).collect();
    for (class, &name) in names.iter().enumerate() {
        let reason = match name {
            _ if name.contains(is_control) => "has a control character; leave it out".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_known_in_any_case_and_classes_are_none() {
        assert!(["class_name", "Label", " CLASSES "].into_iter().all(is_heading));
        assert!(!["circle", "classic", "0", "nameless"].into_iter().any(is_heading));
    }
}
