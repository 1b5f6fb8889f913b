//! Which pictures a directory holds, by the names of its folders and files; none is opened here.
//!
//! Either `DIR/CLASS/*.png`, or parts: `DIR/train/CLASS/*.png` with or without `DIR/val` and `DIR/test`. Classes, and the
//! pictures of each, come in natural order, whatever order the file system has.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::FolderError;
use crate::data::DataError;
use crate::limits::MOST_CLASSES;
use crate::printable::is_control;

/// The files of some pictures, and the class of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, class by class.
    pub files: Vec<PathBuf>,
    /// The class of each.
    pub labels: Vec<u16>,
    /// The folder of each class, empty where there is none.
    pub folders: Vec<PathBuf>,
}

impl Listing {
    /// Those at these indices.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        Self {
            files: indices.iter().map(|&index| self.files[index].clone()).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            folders: self.folders.clone(),
        }
    }
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The classes in the order of the labels.
    pub class_names: Vec<String>,
    /// What to train on; everything, where the directory has no parts.
    pub train: Option<Listing>,
    /// What to validate on, where it has a folder of its own.
    pub validation: Option<Listing>,
    /// What to test on, where it has a folder of its own.
    pub test: Option<Listing>,
    /// What is no picture of a class.
    pub left_out: BTreeSet<PathBuf>,
}

/// What is no picture of a class; a folder that is looked at twice names it once.
type LeftOut = BTreeSet<PathBuf>;

/// The parts of a directory, in the order of [`PARTS`].
type Parts = [Option<PathBuf>; 3];

/// What folders of parts may be called: to train on, to validate on, to test on.
const PARTS: [&[&str]; 3] = [&["train", "training"], &["val", "valid", "validation"], &["test", "testing"]];

/// How the files of pictures end.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];

impl Folder {
    /// Lists a directory to train on: its own folders say which classes there are.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Folder`].
    pub fn to_train(directory: &Path) -> Result<Self, DataError> {
        let mut left_out = LeftOut::new();
        let parts = parts(directory, &mut left_out)?;
        let Some(train) = &parts[0] else {
            return Err(FolderError::NoTrain { directory: directory.to_owned() }.into());
        };
        let class_names: Vec<String> = class_folders(train, &mut left_out)?.into_iter().map(|class| class.0).collect();
        match &class_names[..] {
            [only] => return Err(FolderError::OneClass { folder: train.join(only) }.into()),
            names if names.len() > MOST_CLASSES => {
                return Err(FolderError::TooManyClasses { directory: train.clone(), classes: names.len() }.into());
            }
            _ => {}
        }
        let [train, validation, test] = list_parts(&parts, &class_names, &mut left_out, |part, found| {
            let missing = class_names.iter().find(|&name| !found.contains(name));
            let extra = found.iter().find(|&name| !class_names.contains(name));
            match (missing, extra) {
                (None, None) => Ok(()),
                (Some(class), _) => {
                    Err(FolderError::ClassMissing { part: part.to_owned(), class: class.clone(), other: train.clone() })
                }
                (None, Some(class)) => {
                    Err(FolderError::ClassMissing { part: train.clone(), class: class.clone(), other: part.to_owned() })
                }
            }
        })?;
        Ok(Self { class_names, train, validation, test, left_out })
    }

    /// Lists a directory to test a model on that knows these classes. Not all of them need be there.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Folder`].
    pub fn to_test(directory: &Path, class_names: &[String]) -> Result<Self, DataError> {
        let mut left_out = LeftOut::new();
        let mut parts = parts(directory, &mut left_out)?;
        // Only what is tested on is looked at.
        parts[1] = None;
        if parts[2].is_some() {
            parts[0] = None;
        }
        let [train, validation, test] = list_parts(&parts, class_names, &mut left_out, |part, found| {
            let Some(class) = found.iter().find(|&name| !class_names.contains(name)) else { return Ok(()) };
            let (folder, known) = (part.join(class), class_names.join(", "));
            Err(FolderError::UnknownClass { folder, class: class.clone(), known })
        })?;
        if train.is_none() && test.is_none() {
            return Err(FolderError::EmptyPart { part: directory.to_owned() }.into());
        }
        Ok(Self { class_names: class_names.to_vec(), train, validation, test, left_out })
    }
}

/// The parts of a directory; one without parts is all to train on.
fn parts(directory: &Path, left_out: &mut LeftOut) -> Result<Parts, DataError> {
    let Entries { folders, files } = Entries::of(directory, left_out)?;
    if folders.is_empty() {
        return Err(FolderError::NoData { directory: directory.to_owned() }.into());
    }
    let part = |name: &str| PARTS.iter().position(|names| names.contains(&&*name.to_lowercase()));
    // A class may be called "train" too: a part is one that holds folders, or stands among parts alone.
    let mut is_parted = folders.iter().all(|(name, _)| part(name).is_some());
    for (name, path) in &folders {
        is_parted |= part(name).is_some() && !Entries::of(path, &mut LeftOut::new())?.folders.is_empty();
    }
    if !is_parted {
        return Ok([Some(directory.to_owned()), None, None]);
    }
    left_out.extend(files.into_iter().map(|(_, path)| path));
    let mut parts = Parts::default();
    for (name, path) in &folders {
        let Some(index) = part(name) else {
            let part = folders.iter().find(|(name, _)| part(name).is_some()).map_or(directory, |(_, path)| path);
            return Err(FolderError::BesideParts { folder: path.clone(), part: part.to_owned() }.into());
        };
        if let Some(one) = parts[index].replace(path.clone()) {
            return Err(FolderError::PartTwice { one, other: path.clone() }.into());
        }
    }
    Ok(parts)
}

/// The folders of a part, by name.
fn class_folders(part: &Path, left_out: &mut LeftOut) -> Result<Vec<(String, PathBuf)>, DataError> {
    let Entries { folders, files } = Entries::of(part, left_out)?;
    left_out.extend(files.into_iter().map(|(_, path)| path));
    if folders.is_empty() {
        return Err(FolderError::EmptyPart { part: part.to_owned() }.into());
    }
    match folders.iter().find(|(name, _)| name.contains(is_control)) {
        Some((_, path)) => Err(FolderError::Name { path: path.clone() }.into()),
        None => Ok(folders),
    }
}

/// Lists the pictures of each part whose classes pass `check`.
fn list_parts(
    parts: &Parts,
    class_names: &[String],
    left_out: &mut LeftOut,
    check: impl Fn(&Path, &[String]) -> Result<(), FolderError>,
) -> Result<[Option<Listing>; 3], DataError> {
    let mut listings = [None, None, None];
    for (part, listing) in parts.iter().zip(&mut listings) {
        let Some(part) = part else { continue };
        let folders = class_folders(part, left_out)?;
        let found: Vec<String> = folders.iter().map(|(name, _)| name.clone()).collect();
        check(part, &found)?;
        *listing = Some(list(&folders, class_names, left_out)?);
    }
    Ok(listings)
}

/// The pictures of each folder, labeled by the place of its name among the classes.
fn list(folders: &[(String, PathBuf)], class_names: &[String], left_out: &mut LeftOut) -> Result<Listing, DataError> {
    let mut listing = Listing { folders: vec![PathBuf::new(); class_names.len()], ..Listing::default() };
    for (label, name) in class_names.iter().enumerate() {
        let Some((_, class)) = folders.iter().find(|(folder, _)| folder == name) else { continue };
        let Entries { folders, files } = Entries::of(class, left_out)?;
        if let Some((_, folder)) = folders.into_iter().next() {
            return Err(FolderError::Nested { folder, class: class.clone() }.into());
        }
        let (pictures, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| is_picture(name));
        left_out.extend(others.into_iter().map(|(_, path)| path));
        if let Some((_, path)) = pictures.iter().find(|(name, _)| name.contains(is_control)) {
            return Err(FolderError::PictureName { path: path.clone() }.into());
        }
        if pictures.is_empty() {
            return Err(FolderError::EmptyClass { folder: class.clone() }.into());
        }
        listing.labels.extend(std::iter::repeat_n(label as u16, pictures.len()));
        listing.files.extend(pictures.into_iter().map(|(_, path)| path));
        listing.folders[label].clone_from(class);
    }
    Ok(listing)
}

fn is_picture(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension))
}

/// What stands in a directory, in natural order.
struct Entries {
    folders: Vec<(String, PathBuf)>,
    files: Vec<(String, PathBuf)>,
}

impl Entries {
    /// Reads a directory; what is hidden, and what is no file, goes to `left_out`.
    fn of(directory: &Path, left_out: &mut LeftOut) -> Result<Self, DataError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| DataError::Io { path, source }
        };
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(directory).map_err(io_error(directory))? {
            let path = entry.map_err(io_error(directory))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                left_out.insert(path);
                continue;
            }
            // Follows links, as opening does.
            let kind = fs::metadata(&path).map_err(io_error(&path))?;
            let is_folder = kind.is_dir();
            if !is_folder && !kind.is_file() {
                // A pipe or a device: whoever opens one may wait for ever.
                left_out.insert(path);
                continue;
            }
            if is_folder && path.file_name().is_some_and(|name| name.to_str().is_none()) {
                return Err(FolderError::Name { path }.into());
            }
            if is_folder { folders.push((name, path)) } else { files.push((name, path)) }
        }
        for entries in [&mut folders, &mut files] {
            entries.sort_by(|(one, _), (other, _)| natural_order(one, other));
        }
        Ok(Self { folders, files })
    }
}

/// As a person sorts names: digits by the number that they are, the rest by letters, whatever their case.
fn natural_order(one: &str, other: &str) -> Ordering {
    let pieces = |name: &str| -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = name;
        while let Some(first) = rest.chars().next() {
            let is_digit = |c: &char| c.is_ascii_digit();
            let end = rest.find(|c: char| is_digit(&c) != is_digit(&first)).unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(end);
            let digits = piece.trim_start_matches('0');
            pieces.push(match is_digit(&first) {
                // A longer number is a greater one.
                true => Piece::Number(digits.len(), digits.to_owned()),
                false => Piece::Letters(piece.to_lowercase()),
            });
            rest = behind;
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
