//! Which images a directory holds, by the names of its folders and files; none is opened here.
//!
//! Either `DIR/CLASS/*.png`, or parts: `DIR/train/CLASS/*.png` with or without `DIR/val` and `DIR/test`. Classes, and the
//! images of each, come in natural order, whatever order the file system has.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::content::is_image;
use super::entries::Entries;
use super::error::FolderError;
use super::left_out::{LeftOut, Reason};
use super::level;
use super::parts::part_of;
use crate::dataset::DataError;
use crate::dataset::class_names::{listed, look_alike, look_alikes, shows_something, spelled_out};
use crate::support::limits::MOST_CLASSES;
use crate::support::printable::is_control;

/// The files of some images, and the class of each.
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
    /// What is no image of a class.
    pub left_out: LeftOut,
}

/// The parts of a directory, in the order of [`PARTS`](super::parts::PARTS).
type Parts = [Option<PathBuf>; 3];

impl Folder {
    /// Lists a directory to train on: its own folders are the classes there are.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Folder`].
    pub fn to_train(directory: &Path) -> Result<Self, DataError> {
        let mut left_out = LeftOut::default();
        let parts = parts(directory, &mut left_out)?;
        let Some(train) = &parts[0] else {
            return Err(FolderError::NoTrain { directory: directory.to_owned() }.into());
        };
        let class_names: Vec<String> = class_folders(train, &mut left_out)?.into_iter().map(|class| class.0).collect();
        match &class_names[..] {
            [only] => {
                let folder = train.join(only);
                let advice = match level::data_below(directory) {
                    Some(data) => format!("; the data seem to be in {0}: give --data {0}", data.display()),
                    None => String::new(),
                };
                return Err(FolderError::OneClass { folder, advice }.into());
            }
            names if names.len() > MOST_CLASSES => {
                return Err(FolderError::TooManyClasses { directory: train.clone(), classes: names.len() }.into());
            }
            _ => {}
        }
        let [train, validation, test] = list_parts(&parts, &class_names, &mut left_out, |part, found| {
            let missing = class_names.iter().find(|&name| !found.contains(name));
            let extra = found.iter().find(|&name| !class_names.contains(name));
            if let Some((one, other)) = looks_like(found, &class_names) {
                return Err(FolderError::look_alike(train.join(other), part.join(one)));
            }
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

    /// Lists a directory to test a model of these classes on. Not all of them need be there.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Folder`].
    pub fn to_test(directory: &Path, class_names: &[String]) -> Result<Self, DataError> {
        let mut left_out = LeftOut::default();
        let mut parts = parts(directory, &mut left_out)?;
        // Only what is tested on is looked at.
        parts[1] = None;
        if parts[2].is_some() {
            parts[0] = None;
        }
        let [train, validation, test] = list_parts(&parts, class_names, &mut left_out, |part, found| {
            let Some(class) = found.iter().find(|&name| !class_names.contains(name)) else { return Ok(()) };
            if let Some((one, other)) = looks_like(found, class_names) {
                let (folder, names) = (part.join(one), [one, other].map(spelled_out));
                return Err(FolderError::LooksLikeClass { folder, names });
            }
            let (folder, known) = (part.join(class), listed(class_names));
            let advice = match level::data_below(directory) {
                Some(data) if data != part => {
                    format!("; if the images to test on are in {0}, give --data {0}", data.display())
                }
                Some(_) | None => String::new(),
            };
            Err(FolderError::UnknownClass { folder, class: class.clone(), known, advice })
        })?;
        if train.is_none() && test.is_none() {
            return Err(FolderError::empty_part(directory).into());
        }
        Ok(Self { class_names: class_names.to_vec(), train, validation, test, left_out })
    }
}

/// The parts of a directory; one without parts is all to train on.
fn parts(directory: &Path, left_out: &mut LeftOut) -> Result<Parts, DataError> {
    match fs::metadata(directory) {
        Ok(kind) if !kind.is_dir() => return Err(FolderError::not_a_directory(directory).into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(FolderError::NoDirectory { path: directory.to_owned() }.into());
        }
        Ok(_) | Err(_) => {}
    }
    let Entries { folders, files } = Entries::of(directory, left_out)?;
    if folders.is_empty() {
        let found = level::found_in(directory);
        return Err(FolderError::NoData { directory: directory.to_owned(), found }.into());
    }
    let part = part_of;
    // A class may be called "train" too: a part is one that holds folders, or is among parts alone.
    let mut is_parted = folders.iter().all(|(name, _)| part(name).is_some());
    for (name, path) in &folders {
        is_parted |= part(name).is_some() && !Entries::of(path, &mut LeftOut::default())?.folders.is_empty();
    }
    if !is_parted {
        return Ok([Some(directory.to_owned()), None, None]);
    }
    left_out.add_all(files, &Reason::InNoClass);
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
    left_out.add_all(files, &Reason::InNoClass);
    if folders.is_empty() {
        return Err(FolderError::empty_part(part).into());
    }
    let is_bad = |(name, path): &&(String, PathBuf)| {
        path.file_name().is_some_and(|name| name.to_str().is_none())
            || name.contains(is_control)
            || !shows_something(name)
    };
    if let Some((_, path)) = folders.iter().find(is_bad) {
        return Err(FolderError::Name { path: path.clone() }.into());
    }
    let names: Vec<&str> = folders.iter().map(|(name, _)| name.as_str()).collect();
    match look_alikes(&names) {
        Some((one, other)) => Err(FolderError::look_alike(folders[one].1.clone(), folders[other].1.clone()).into()),
        None => Ok(folders),
    }
}

/// A name of `found` that is none of `class_names` and looks like one.
fn looks_like<'n>(found: &'n [String], class_names: &'n [String]) -> Option<(&'n str, &'n str)> {
    let unknown = found.iter().filter(|name| !class_names.contains(name));
    let alike =
        |name: &'n String| class_names.iter().find(|class| look_alike(name, class)).map(|class| (&**name, &**class));
    unknown.into_iter().find_map(alike)
}

/// Lists the images of each part whose classes pass `check`.
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

/// The images of each folder, labeled by the place of its name among the classes.
fn list(folders: &[(String, PathBuf)], class_names: &[String], left_out: &mut LeftOut) -> Result<Listing, DataError> {
    let mut listing = Listing { folders: vec![PathBuf::new(); class_names.len()], ..Listing::default() };
    for (label, name) in class_names.iter().enumerate() {
        let Some((_, class)) = folders.iter().find(|(folder, _)| folder == name) else { continue };
        let Entries { folders, files } = Entries::of(class, left_out)?;
        if let Some((_, folder)) = folders.into_iter().next() {
            return Err(FolderError::nested(folder, class).into());
        }
        let (mut images, mut others) = (Vec::with_capacity(files.len()), Vec::new());
        for (name, path) in files {
            match is_image(&name, &path) {
                Ok(()) => images.push((name, path)),
                Err(content) => others.push((path, content)),
            }
        }
        if let Some((_, path)) = images.iter().find(|(name, _)| name.contains(is_control)) {
            return Err(FolderError::ImageName { path: path.clone() }.into());
        }
        if images.is_empty() {
            let others: Vec<PathBuf> = others.into_iter().map(|(path, _)| path).collect();
            return Err(FolderError::empty_class(class, &others).into());
        }
        others.into_iter().for_each(|(path, content)| left_out.add(path, Reason::NoImage(content)));
        listing.labels.extend(std::iter::repeat_n(label as u16, images.len()));
        listing.files.extend(images.into_iter().map(|(_, path)| path));
        listing.folders[label].clone_from(class);
    }
    Ok(listing)
}
