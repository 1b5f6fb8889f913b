//! Images of other things than a model's classes: what a threshold is chosen by, and tested with.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::content::ContentHash;
use super::folder::images_of;
use super::{DataError, Images};
use crate::image::{Conversion, ImageError, decode};

/// Images of no class, as inputs of a model, by the half that the content of each puts it into.
#[derive(Debug)]
pub struct UnknownImages {
    /// Those that a threshold is chosen by.
    pub choosing: Images,
    /// Those that it is tested with.
    pub testing: Images,
    /// Files that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, ImageError)>,
}

/// Files that are read of a directory with more, evenly spaced: enough for shares of a tenth of a percent.
const MOST_FILES: usize = 20_000;

/// Why there are no unknown images.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum UnknownError {
    /// The directory cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no image, or none that can be read.
    #[error("{directory} holds no images that can be read, nor do the folders in it{first}")]
    Empty {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with the first one, after a colon; empty where there is none.
        first: String,
    },
    /// All images are in one half.
    #[error(
        "the images of {directory} are too few: one half chooses the threshold and the other tests it, and one of them is empty"
    )]
    OneHalf {
        /// The directory.
        directory: PathBuf,
    },
}

impl UnknownImages {
    /// Reads all images of a directory and of the folders in it as `conversion` makes them inputs; of more than 20,000 as many,
    /// evenly spaced. Images that are the same input are one.
    ///
    /// # Errors
    /// [`UnknownError`].
    pub fn load(directory: &Path, conversion: &Conversion) -> Result<Self, UnknownError> {
        let (files, _) = images_of(directory)?;
        let read = files.len().min(MOST_FILES);
        let chosen: Vec<&PathBuf> = (0..read).map(|number| &files[number * files.len() / read]).collect();
        let background = conversion.background();
        let inputs: Vec<Result<Vec<u8>, ImageError>> =
            chosen.par_iter().map(|path| Ok(conversion.input(&decode::read_onto(path, background)?)?.0)).collect();
        let shape = conversion.shape().into();
        let mut unreadable = Vec::new();
        let mut inputs: Vec<(ContentHash, Vec<u8>, &PathBuf)> = inputs
            .into_iter()
            .zip(chosen)
            .filter_map(|(input, path)| match input {
                Ok(pixels) => Some((ContentHash::of(shape, &pixels), pixels, path)),
                Err(error) => {
                    unreadable.push((path.clone(), error));
                    None
                }
            })
            .collect();
        // Stable: of equal ones the first file stays.
        inputs.sort_by_key(|&(hash, ..)| hash);
        inputs.dedup_by_key(|&mut (hash, ..)| hash);
        let directory = directory.to_owned();
        if inputs.is_empty() {
            let first = unreadable.first().map(|(path, error)| format!(": {}: {error}", path.display()));
            return Err(UnknownError::Empty { directory, first: first.unwrap_or_default() });
        }
        let (choosing, testing): (Vec<_>, Vec<_>) =
            inputs.into_iter().partition(|(hash, ..)| hash.test_position().is_under(0.5));
        if choosing.is_empty() || testing.is_empty() {
            return Err(UnknownError::OneHalf { directory });
        }
        let images = |half: Vec<(ContentHash, Vec<u8>, &PathBuf)>| {
            let names: Vec<String> = half.iter().map(|(_, _, path)| path.display().to_string()).collect();
            let labels = vec![0; half.len()];
            let pixels = half.into_iter().flat_map(|(_, pixels, _)| pixels).collect();
            Images::new(shape, pixels, labels).with_names(names)
        };
        Ok(Self { choosing: images(choosing), testing: images(testing), unreadable })
    }
}
