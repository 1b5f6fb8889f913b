//! Files of a folder that cannot be read, found before anything else: to list them all, and to continue without them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listing::{Folder, Listing};
use super::{FolderError, read};
use crate::dataset::DataError;
use crate::image::ImageError;
use crate::support::printable::in_one_line;

/// A file that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: ImageError,
}

/// Decodes every image of a folder to train on, or of one to test a model of these classes on, and returns those that
/// cannot be read. Where there are many, a bar shows how far it is, unless `quiet`.
///
/// # Errors
/// Those of [`Folder::to_train`] and [`Folder::to_test`].
pub fn unreadable(directory: &Path, class_names: Option<&[String]>, quiet: bool) -> Result<Vec<Unreadable>, DataError> {
    let Folder { train, validation, test, .. } = match class_names {
        None => Folder::to_train(directory)?,
        Some(class_names) => Folder::to_test(directory, class_names)?,
    };
    // As `eval` does, where a part is there to test on.
    let train = train.filter(|_| class_names.is_none() || test.is_none());
    let files: Vec<PathBuf> = [train, validation, test].into_iter().flatten().flat_map(|part| part.files).collect();
    let outcomes = read::try_each(&files, quiet);
    read::no_shortage(files.iter().zip(outcomes.iter().map(|outcome| outcome.as_ref().err())))?;
    let broken = files.into_iter().zip(outcomes).filter_map(|(path, outcome)| Some((path, outcome.err()?)));
    Ok(broken.map(|(path, error)| Unreadable { path, error }).collect())
}

/// A line for each: the file, a tab, and what is wrong with it.
#[must_use]
pub fn unreadable_listing(files: &[Unreadable]) -> String {
    files
        .iter()
        .map(|Unreadable { path, error }| {
            let (path, error) = (path.display().to_string(), error.to_string());
            format!("{}\t{}\n", in_one_line(&path), in_one_line(&error))
        })
        .collect()
}

impl Folder {
    /// The same without these files.
    ///
    /// # Errors
    /// [`FolderError::EmptyClass`] where a class has no others.
    pub(super) fn without(self, files: &BTreeSet<PathBuf>) -> Result<Self, FolderError> {
        if files.is_empty() {
            return Ok(self);
        }
        let keep = |listing: Option<Listing>| listing.map(|listing| without(&listing, files)).transpose();
        let Self { class_names, train, validation, test, left_out } = self;
        Ok(Self { class_names, train: keep(train)?, validation: keep(validation)?, test: keep(test)?, left_out })
    }
}

fn without(listing: &Listing, files: &BTreeSet<PathBuf>) -> Result<Listing, FolderError> {
    let kept: Vec<usize> = (0..listing.files.len()).filter(|&index| !files.contains(&listing.files[index])).collect();
    let subset = listing.subset(&kept);
    let classes: BTreeSet<u16> = subset.labels.iter().copied().collect();
    match listing.labels.iter().find(|label| !classes.contains(label)) {
        None => Ok(subset),
        Some(&label) => {
            let images = listing.labels.iter().filter(|&&other| other == label).count();
            let folder = listing.folders[usize::from(label)].clone();
            let found =
                format!(": all of its {images} are damaged or of another kind; replace them or remove the folder");
            Err(FolderError::EmptyClass { folder, found })
        }
    }
}
