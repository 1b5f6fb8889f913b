//! What a directory holds, in natural order, and what of it nobody means.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use super::content::is_named_as_image;
use super::left_out::{LeftOut, Reason};
use crate::dataset::DataError;

/// Names that operating systems, network storage and programs put between a user's own, in lower case.
const OF_THE_SYSTEM: [&str; 18] = [
    "__macosx",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "@tmp",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
    "__pycache__",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
];

/// Whether an operating system or a program put a file or folder of this name there.
pub(super) fn is_of_the_system(name: &str) -> bool {
    OF_THE_SYSTEM.contains(&&*name.to_lowercase())
}

/// The folders and files of a directory, each with its name, in natural order.
#[derive(Debug)]
pub(super) struct Entries {
    pub folders: Vec<(String, PathBuf)>,
    pub files: Vec<(String, PathBuf)>,
}

impl Entries {
    /// Reads a directory; what is hidden, of the system or no file goes to `left_out`.
    pub fn of(directory: &Path, left_out: &mut LeftOut) -> Result<Self, DataError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| DataError::Io { path, source }
        };
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(directory).map_err(io_error(directory))? {
            let path = entry.map_err(io_error(directory))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // By name alone: some of these nobody but the system may look into.
            if is_of_the_system(&name) {
                left_out.add(path, Reason::OfTheSystem);
                continue;
            }
            if name.starts_with('.') {
                left_out.add(path, Reason::Hidden);
                continue;
            }
            // Follows links, as opening does.
            let kind = match fs::metadata(&path) {
                // What is wrong with a link is reported where it is opened, as of any other image that cannot be read.
                Err(_) if path.is_symlink() && is_named_as_image(&name) => {
                    files.push((name, path));
                    continue;
                }
                kind => kind.map_err(io_error(&path))?,
            };
            if kind.is_dir() {
                folders.push((name, path));
            } else if kind.is_file() {
                files.push((name, path));
            } else {
                // A pipe or a device: whoever opens one may wait for ever.
                left_out.add(path, Reason::NoFile);
            }
        }
        for entries in [&mut folders, &mut files] {
            entries.sort_by(|(one, _), (other, _)| natural_order(one, other));
        }
        Ok(Self { folders, files })
    }
}

/// As a person sorts names: digits by the number that they are, the rest by letters, whatever their case.
pub(super) fn natural_order(one: &str, other: &str) -> Ordering {
    let pieces = |name: &str| -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = name;
        while let Some(first) = rest.chars().next() {
            let is_digit = |c: &char| c.is_ascii_digit();
            let end = rest.find(|c: char| is_digit(&c) != is_digit(&first)).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            let digits = piece.trim_start_matches('0');
            pieces.push(match is_digit(&first) {
                // A longer number is a greater one.
                true => Piece::Number(digits.len(), digits.to_owned()),
                false => Piece::Letters(piece.to_lowercase()),
            });
            rest = after;
        }
        pieces
    };
    pieces(one).cmp(&pieces(other)).then_with(|| one.cmp(other))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(usize, String),
    Letters(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_the_numbers_in_them_and_by_letters_of_any_case() {
        let sorted = ["", "0", "1", "2", "02", "10", "100000000000000000000000", "a", "A2", "a10", "b", "Ä"];
        let mut names = sorted;
        names.reverse();
        names.sort_by(|one, other| natural_order(one, other));
        // "02" and "2" are the same number: bytes decide.
        let expected = ["", "0", "1", "02", "2", "10", "100000000000000000000000", "a", "A2", "a10", "b", "Ä"];
        assert_eq!(names, expected);
    }
}
