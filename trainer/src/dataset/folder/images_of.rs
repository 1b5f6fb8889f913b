//! All images of a directory, whatever they show: what is classified where a directory is given.

use std::path::{Path, PathBuf};

use super::content::is_image;
use super::entries::Entries;
use super::left_out::{LeftOut, Reason};
use crate::dataset::DataError;

/// The images in a directory and in the folders in it, in natural order: first its own, then folder by folder. Folders in these
/// are left out; whoever wants them names them.
///
/// # Errors
/// [`DataError::Io`].
pub fn images_of(directory: &Path) -> Result<(Vec<PathBuf>, LeftOut), DataError> {
    let mut left_out = LeftOut::default();
    let Entries { folders, files } = Entries::of(directory, &mut left_out)?;
    let mut images = Vec::new();
    add(files, &mut images, &mut left_out);
    for (_, folder) in folders {
        let Entries { folders, files } = Entries::of(&folder, &mut left_out)?;
        left_out.add_all(folders, &Reason::TooDeep);
        add(files, &mut images, &mut left_out);
    }
    Ok((images, left_out))
}

fn add(files: Vec<(String, PathBuf)>, images: &mut Vec<PathBuf>, left_out: &mut LeftOut) {
    for (name, path) in files {
        match is_image(&name, &path) {
            Ok(()) => images.push(path),
            Err(content) => left_out.add(path, Reason::NoImage(content)),
        }
    }
}
