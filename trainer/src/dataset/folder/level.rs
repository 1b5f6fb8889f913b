//! Where the data are, as seen from a directory that holds none as it is given: one level too high, or one too low.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::content;
use super::entries::Entries;
use super::error::FolderError;
use super::left_out::LeftOut;
use super::parts::part_of;
use crate::dataset::idx_files;
use crate::support::printable::in_one_line;
use crate::support::text::counted;

/// Levels below a directory that are searched.
const DEEPEST: usize = 4;

/// Directories that are looked into at most.
const MOST_DIRECTORIES: usize = 500;

/// Files of a directory that are looked at.
const MOST_FILES: usize = 100;

/// The first directory below `directory`, level by level, that could be given as it is: it holds IDX files, a folder per class,
/// or parts.
pub(super) fn data_below(directory: &Path) -> Option<PathBuf> {
    let mut queue = VecDeque::from([(directory.to_owned(), 0)]);
    let mut looked_into = 0;
    while let Some((current, depth)) = queue.pop_front() {
        looked_into += 1;
        if looked_into > MOST_DIRECTORIES {
            return None;
        }
        if depth > 0 && is_data(&current) {
            return Some(current);
        }
        if depth < DEEPEST {
            queue.extend(folders(&current).into_iter().map(|folder| (folder, depth + 1)));
        }
    }
    None
}

/// As [`data_below`], `directory` itself included.
pub(super) fn data_at_or_below(directory: &Path) -> Option<PathBuf> {
    if is_data(directory) { Some(directory.to_owned()) } else { data_below(directory) }
}

/// Whether a directory could be given as it is.
fn is_data(directory: &Path) -> bool {
    let folders = folders(directory);
    let is_training_part = |folder: &PathBuf| {
        folder.file_name().is_some_and(|name| part_of(&name.to_string_lossy()) == Some(0)) && holds_classes(folder)
    };
    idx_files::are_in(directory) || folders.iter().any(is_training_part) || holds_classes(directory)
}

/// Whether a directory holds two folders of images, and is no set of parts.
fn holds_classes(directory: &Path) -> bool {
    folders(directory).iter().filter(|folder| images_in(folder) > 0).take(2).count() == 2
}

/// Images in a directory itself, counted as far as [`MOST_FILES`].
fn images_in(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).take(MOST_FILES);
    files
        .filter(|path| path.file_name().is_some_and(|name| content::is_image(&name.to_string_lossy(), path).is_ok()))
        .count()
}

fn folders(directory: &Path) -> Vec<PathBuf> {
    let entries = Entries::of(directory, &mut LeftOut::default());
    entries.map_or_else(|_| Vec::new(), |entries| entries.folders.into_iter().map(|(_, path)| path).collect())
}

/// A message about a directory that holds no data as it is: what is there, and which directory to give instead.
pub(super) fn found_in(directory: &Path) -> String {
    let mut left_out = LeftOut::default();
    let Ok(Entries { folders, files }) = Entries::of(directory, &mut left_out) else { return String::new() };
    if let Some(data) = data_below(directory) {
        return format!("; the data seem to be in {0}: give --data {0}", data.display());
    }
    let files: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
    let images = images_in(directory);
    if images > 0 {
        let count = if images == MOST_FILES { format!("{images} images or more") } else { counted(images, "image") };
        let above = above(directory);
        let is_part = directory.file_name().is_some_and(|name| part_of(&name.to_string_lossy()).is_some());
        let one_of_many = match !is_part && holds_classes(&above) {
            true => format!("; or give --data {}, of which it is one class", above.display()),
            false => String::new(),
        };
        return format!(", but {count}; put each image into a folder that is named after its class{one_of_many}");
    }
    match (&files[..], &folders[..]) {
        ([], []) if left_out.is_empty() => "; it is empty".to_owned(),
        ([], []) => "; it has only hidden files, and folders of the system".to_owned(),
        ([], _) => String::new(),
        _ => format!(", but {}", content::describe(&files)),
    }
}

/// The directory that a directory is in, as it would be given.
fn above(directory: &Path) -> PathBuf {
    match directory.parent() {
        _ if directory.file_name().is_none() => directory.join(".."),
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

impl FolderError {
    pub(super) fn nested(folder: PathBuf, class: &Path) -> Self {
        let advice = match data_at_or_below(class) {
            Some(data) => format!("; if {0} is the data set, give --data {0}", data.display()),
            None => String::new(),
        };
        let folder = PathBuf::from(in_one_line(&folder.display().to_string()).into_owned());
        Self::Nested { folder, class: class.to_owned(), advice }
    }

    pub(super) fn empty_part(part: &Path) -> Self {
        Self::EmptyPart { part: part.to_owned(), found: found_in(part) }
    }
}
