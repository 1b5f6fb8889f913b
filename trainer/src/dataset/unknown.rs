//! Images of other things than a model's classes: what a threshold is chosen by, and tested with.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::content::ContentHash;
use super::folder::images_of;
use super::{DataError, Dataset, Images};
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
    #[error("{directory} has no images that can be read, nor do the folders in it{}", first_of(.first))]
    Empty {
        /// The directory.
        directory: PathBuf,
        /// The first image that cannot be read, and why; none where there is no image.
        first: Option<(PathBuf, ImageError)>,
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

/// What is wrong with the first image, and what to do.
fn first_of(first: &Option<(PathBuf, ImageError)>) -> String {
    let Some((path, error)) = first else {
        return "; those in folders further down are not read: name the folder above them".to_owned();
    };
    let what_to_do = match error {
        ImageError::OtherSize { input, .. } => {
            format!("; with --input {input} a network is made for images of any size")
        }
        _ => String::new(),
    };
    format!(": {}: {error}{what_to_do}", path.display())
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
            return Err(UnknownError::Empty { directory, first: unreadable.into_iter().next() });
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

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.choosing.len() + self.testing.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files of those that are images of a data set, in any part of it: to a network they are of a class.
    ///
    /// # Errors
    /// Where images are in a file that cannot be read.
    pub fn in_dataset(&self, dataset: &Dataset) -> io::Result<Vec<&str>> {
        let mut of_classes = BTreeSet::new();
        for part in [&dataset.train, &dataset.validation, &dataset.test] {
            of_classes.extend(ContentHash::of_each(part)?);
        }
        let mut found = Vec::new();
        for half in [&self.choosing, &self.testing] {
            let hashes = ContentHash::of_each(half)?;
            let is_of_class = |&index: &usize| of_classes.contains(&hashes[index]);
            found.extend((0..half.len()).filter(is_of_class).filter_map(|index| half.name(index)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dataset::ImageShape;
    use crate::image::{Preprocessing, Resize};

    const SHAPE: ImageShape = ImageShape { height: 6, width: 6, channels: 1 };

    fn conversion() -> Conversion {
        Conversion::new(infer_core::Shape { height: 6, width: 6, channels: 1 }, Resize::Stretch).unwrap()
    }

    /// The pixels of an image that differs from those of all other numbers.
    fn pixels(number: u8) -> Vec<u8> {
        (0..36).map(|at| if at == 0 { number } else { number.wrapping_mul(at) }).collect()
    }

    fn save(number: u8, path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_raw(6, 6, pixels(number)).unwrap().save(path).unwrap();
    }

    fn files(images: &Images) -> Vec<String> {
        let name = |index| Path::new(images.name(index).unwrap()).file_stem().unwrap().to_str().unwrap().to_owned();
        (0..images.len()).map(name).collect()
    }

    #[test]
    fn the_content_of_each_image_decides_which_half_it_is_in() {
        let home = tempfile::tempdir().unwrap();
        for number in 0..60 {
            // In folders or not.
            save(number, home.path().join(["", "a", "b/c"][usize::from(number % 3)]).join(format!("{number}.png")));
        }
        let UnknownImages { choosing, testing, .. } = UnknownImages::load(home.path(), &conversion()).unwrap();
        let halves = [files(&choosing), files(&testing)];
        let is_in_first = |number: u8| ContentHash::of(SHAPE, &pixels(number)).test_position().is_under(0.5);
        for number in (0..60).filter(|number| number % 3 < 2) {
            let holds = halves.each_ref().map(|half| half.contains(&number.to_string()));
            assert_eq!(holds, [is_in_first(number), !is_in_first(number)], "{number}");
        }
        assert!(halves.iter().all(|half| half.len() >= 12), "{halves:?}");
        assert!(!choosing.is_empty() && (0..choosing.len()).all(|index| choosing.image(index).unwrap().len() == 36));

        // Images that come move no other one; the same ones under other names are no others.
        let more = tempfile::tempdir().unwrap();
        for number in 0..90 {
            save(number, more.path().join(format!("{number}.png")));
            save(number, more.path().join("again").join(format!("{}.png", 200 - number)));
        }
        let all = UnknownImages::load(more.path(), &conversion()).unwrap();
        assert_eq!(all.len(), 90);
        let hashes = |images: &Images| ContentHash::of_each(images).unwrap();
        let (choosing, testing) = (hashes(&all.choosing), hashes(&all.testing));
        for number in 0..90 {
            let hash = ContentHash::of(SHAPE, &pixels(number));
            assert_eq!(
                [choosing.contains(&hash), testing.contains(&hash)],
                [is_in_first(number), !is_in_first(number)]
            );
        }
    }

    #[test]
    fn images_of_the_classes_are_found_among_them_whatever_they_are_called() {
        let home = tempfile::tempdir().unwrap();
        for number in 0..30 {
            save(number, home.path().join(format!("{number}.png")));
        }
        let unknown = UnknownImages::load(home.path(), &conversion()).unwrap();
        let part = |numbers: &[u8]| {
            Images::new(SHAPE, numbers.iter().copied().flat_map(pixels).collect(), vec![0; numbers.len()])
        };
        let dataset = |parts: [&[u8]; 3]| Dataset {
            name: "known".to_owned(),
            class_names: vec!["a".to_owned()],
            preprocessing: Preprocessing::default(),
            train: part(parts[0]),
            validation: part(parts[1]),
            test: part(parts[2]),
        };
        let mut found: Vec<String> = unknown
            .in_dataset(&dataset([&[3, 100], &[101, 7], &[29]]))
            .unwrap()
            .into_iter()
            .map(|path| Path::new(path).file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort();
        assert_eq!(found, ["29", "3", "7"]);
        assert!(unknown.in_dataset(&dataset([&[100], &[], &[]])).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named_and_one_half_is_not_enough() {
        let home = tempfile::tempdir().unwrap();
        let load = || UnknownImages::load(home.path(), &conversion());
        let message = load().unwrap_err().to_string();
        assert!(message.contains("no images") && message.contains("further down"), "{message}");
        fs::write(home.path().join("broken.png"), "no image").unwrap();
        let message = load().unwrap_err().to_string();
        assert!(message.contains("no images that can be read") && message.contains("broken.png: "), "{message}");
        // Of another size than the input, which takes images as they are.
        fs::remove_file(home.path().join("broken.png")).unwrap();
        image::GrayImage::from_raw(6, 6, pixels(1)).unwrap().save(home.path().join("1.png")).unwrap();
        let shape = infer_core::Shape { height: 8, width: 8, channels: 1 };
        let as_they_are = Conversion::new(shape, Resize::AsTheyAre).unwrap();
        let message = UnknownImages::load(home.path(), &as_they_are).unwrap_err().to_string();
        assert!(
            message.ends_with("takes images as they are; with --input 8x8x1 a network is made for images of any size"),
            "{message}"
        );
        fs::write(home.path().join("broken.png"), "no image").unwrap();
        save(1, home.path().join("1.png"));
        let error = load().unwrap_err();
        assert!(matches!(error, UnknownError::OneHalf { .. }), "{error}");
        for number in 2..30 {
            save(number, home.path().join(format!("{number}.png")));
        }
        let unknown = load().unwrap();
        assert_eq!((unknown.len(), unknown.unreadable.len()), (29, 1));
        assert!(unknown.unreadable[0].0.ends_with("broken.png"));
    }
}
