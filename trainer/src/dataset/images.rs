//! Labeled images, and a data set of three parts.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use rayon::prelude::*;

use super::error::DataError;
use super::pixels::{Pixels, Storage, Writer};
use super::shape::ImageShape;
use crate::image::{Conversion, Image, ImageError, Preprocessing};
use crate::support::text::hexadecimal;

/// Labeled images of one shape. Parts of a set share its pixels, which are in memory or in a file.
#[derive(Clone, Debug)]
pub struct Images {
    shape: ImageShape,
    pixels: Arc<Pixels>,
    /// Which of the pixels each image has.
    places: Vec<usize>,
    labels: Vec<u16>,
    /// One for each image, or none at all.
    names: Vec<Box<str>>,
}

impl Images {
    /// Images `[n, height, width, channels]` with `n` labels.
    ///
    /// # Panics
    /// Where there are not as many pixels as `n` images of that shape have: a mistake in the caller.
    #[must_use]
    pub fn new(shape: ImageShape, pixels: Vec<u8>, labels: Vec<u16>) -> Self {
        assert_eq!(pixels.len(), shape.len() * labels.len(), "pixels of {} images of {shape}", labels.len());
        Self::of(shape, Pixels::in_memory(shape.len(), pixels), 0, labels)
    }

    /// As many images as labels, of those whose pixels are there, from the one at `first`.
    pub(super) fn of(shape: ImageShape, pixels: Arc<Pixels>, first: usize, labels: Vec<u16>) -> Self {
        let places = (first..first + labels.len()).collect();
        Self { shape, pixels, places, labels, names: Vec::new() }
    }

    /// The same, each with the name that its user sees: its file, below the directory of the data set.
    ///
    /// # Panics
    /// Where there is not a name for each image: a mistake in the caller.
    #[must_use]
    pub fn with_names(self, names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<Box<str>> = names.into_iter().map(String::into_boxed_str).collect();
        assert_eq!(names.len(), self.len(), "names of {} images", self.len());
        Self { names, ..self }
    }

    /// The name of one, such as `crow/1.jpg` or `image 17 of t10k-images-idx3-ubyte`; images that were drawn have none.
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(|name| &**name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The shape of each.
    #[must_use]
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The pixels of one, `[height, width, channels]`: borrowed where they are in memory, read where they are in a file.
    ///
    /// # Errors
    /// Where the file cannot be read, or has lost its end.
    pub fn image(&self, index: usize) -> io::Result<Cow<'_, [u8]>> {
        self.pixels.image(self.places[index])
    }

    /// Whether the pixels are in a file.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        self.pixels.is_in_file()
    }

    /// The class of one.
    #[must_use]
    pub fn label(&self, index: usize) -> u16 {
        self.labels[index]
    }

    /// The class of each.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The labels as they are hashed: a byte each, or two (little-endian) where one of them needs two. A set of at most
    /// 256 classes has the hash that it had when labels were bytes, so that its earlier runs are resumed.
    #[must_use]
    pub fn label_bytes(&self) -> Vec<u8> {
        let bytes: Result<Vec<u8>, _> = self.labels.iter().map(|&label| u8::try_from(label)).collect();
        bytes.unwrap_or_else(|_| self.labels.iter().flat_map(|label| label.to_le_bytes()).collect())
    }

    /// The same images under other labels.
    #[must_use]
    pub fn map_labels(self, label: impl Fn(u16) -> u16) -> Self {
        let labels = self.labels.iter().map(|&old| label(old)).collect();
        Self { labels, ..self }
    }

    /// The same images with rows and columns exchanged, `[width, height, channels]`.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    pub fn transposed(&self) -> io::Result<Self> {
        let ImageShape { height, width, channels } = self.shape;
        let mut pixels = Vec::with_capacity(self.len() * self.shape.len());
        for index in 0..self.len() {
            let image = self.image(index)?;
            for (column, row) in (0..width).flat_map(|column| (0..height).map(move |row| (column, row))) {
                pixels.extend_from_slice(&image[(row * width + column) * channels..][..channels]);
            }
        }
        let shape = ImageShape { height: width, width: height, channels };
        Ok(Self { names: self.names.clone(), ..Self::new(shape, pixels, self.labels.clone()) })
    }

    /// Those at these indices, in this order.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let places = indices.iter().map(|&index| self.places[index]).collect();
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        let names = indices.iter().filter_map(|&index| self.names.get(index).cloned()).collect();
        // Where none is left, their memory is.
        let none = || Pixels::in_memory(self.shape.len(), Vec::new());
        let pixels = if indices.is_empty() { none() } else { Arc::clone(&self.pixels) };
        Self { shape: self.shape, pixels, places, labels, names }
    }

    /// Those of both, of parts that were drawn from one set, in the order of the set; `None` where they were not drawn from one.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Option<Self> {
        if !Arc::ptr_eq(&self.pixels, &other.pixels) || self.names.is_empty() != other.names.is_empty() {
            return None;
        }
        let both = Self {
            shape: self.shape,
            pixels: Arc::clone(&self.pixels),
            places: [&self.places[..], &other.places].concat(),
            labels: [&self.labels[..], &other.labels].concat(),
            names: [&self.names[..], &other.names].concat(),
        };
        let mut order: Vec<usize> = (0..both.len()).collect();
        order.sort_by_key(|&index| both.places[index]);
        Some(both.subset(&order))
    }

    /// Gray images, brought to another size or to three channels, and kept by `storage`.
    ///
    /// # Errors
    /// [`DataError::Image`] with `name` where the conversion takes images as they are, and those of the storage.
    ///
    /// # Panics
    /// Where they are not gray: a mistake in the caller.
    pub fn converted(&self, conversion: &Conversion, storage: &Storage, name: &str) -> Result<Self, DataError> {
        let ImageShape { height, width, .. } = self.shape;
        let shape: ImageShape = conversion.shape().into();
        let convert = |index| {
            let gray = self.image(index)?.into_owned();
            conversion.apply(&Image::from_gray_bytes(height as u32, width as u32, gray))
        };
        let refused = |source: ImageError| DataError::Image { name: name.to_owned(), source };
        let mut writer = Writer::new(shape.len(), self.len(), storage)?;
        for first in (0..self.len()).step_by(AT_ONCE) {
            let indices = first..self.len().min(first + AT_ONCE);
            let pixels: Vec<Vec<u8>> =
                indices.into_par_iter().map(convert).collect::<Result<_, _>>().map_err(refused)?;
            pixels.iter().try_for_each(|pixels| writer.push(pixels))?;
        }
        let converted = Self::of(shape, writer.finish(), 0, self.labels.clone());
        Ok(Self { names: self.names.clone(), ..converted })
    }

    /// The same, in a file where `storage` keeps so many in one.
    ///
    /// # Errors
    /// Those of the storage.
    pub(super) fn kept(self, storage: &Storage) -> Result<Self, DataError> {
        let mut writer = Writer::new(self.shape.len(), self.len(), storage)?;
        if !writer.is_in_file() {
            return Ok(self);
        }
        for index in 0..self.len() {
            writer.push(&self.image(index).map_err(DataError::Pixels)?)?;
        }
        Ok(Self { pixels: writer.finish(), places: (0..self.len()).collect(), ..self })
    }
}

/// Whether labels, names and pixels are the same, wherever these are kept; pixels that cannot be read are the same as none.
impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        let same_pixels =
            |index| matches!((self.image(index), other.image(index)), (Ok(one), Ok(other)) if one == other);
        self.shape == other.shape
            && self.labels == other.labels
            && self.names == other.names
            && (0..self.len()).all(same_pixels)
    }
}

/// Images that are converted before they are written.
const AT_ONCE: usize = 1024;

/// What a model is trained on, chosen by and tested on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it is called.
    pub name: String,
    /// The classes in the order of the labels.
    pub class_names: Vec<String>,
    /// What was done to its images.
    pub preprocessing: Preprocessing,
    /// What the weights are fitted to.
    pub train: Images,
    /// What early stopping looks at.
    pub validation: Images,
    /// What nothing is chosen by.
    pub test: Images,
}

impl Dataset {
    /// The same where validation images are training images again, those that were drawn from them; `None` where they were not.
    #[must_use]
    pub fn without_validation(self) -> Option<Self> {
        let train = self.train.joined(&self.validation)?;
        Some(Self { validation: train.subset(&[]), train, ..self })
    }

    /// The same with the training images to validate on where there are no others: for choices that are better made by them than
    /// by nothing.
    #[must_use]
    pub fn with_validation(&self) -> Self {
        let validation = if self.validation.is_empty() { &self.train } else { &self.validation };
        Self { validation: validation.clone(), ..self.clone() }
    }

    /// SHA-256 of classes, images, labels and their split, hexadecimal: whether it is the same data again.
    ///
    /// # Errors
    /// Where images are in a file that cannot be read.
    pub fn sha256(&self) -> io::Result<String> {
        let mut hash = Sha256::new();
        hash.update(self.class_names.join("\n"));
        for images in [&self.train, &self.validation, &self.test] {
            hash.update(format!("{} of {}", images.len(), images.shape()));
            for index in 0..images.len() {
                hash.update(images.image(index)?);
            }
            hash.update(images.label_bytes());
        }
        Ok(hexadecimal(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(pixels: &[u8], labels: &[u16]) -> Images {
        Images::new(ImageShape { height: 1, width: 1, channels: 1 }, pixels.to_vec(), labels.to_vec())
    }

    fn dataset(test_label: u16) -> Dataset {
        Dataset {
            name: "birds".to_owned(),
            class_names: ["finch", "tit"].map(str::to_owned).to_vec(),
            preprocessing: Preprocessing::Bytes,
            train: images(&[10, 20], &[0, 1]),
            validation: images(&[30], &[1]),
            test: images(&[40], &[test_label]),
        }
    }

    #[test]
    fn parts_of_a_set_are_joined_in_its_order_and_others_are_not() {
        let all = images(&[10, 20, 30, 40], &[0, 1, 0, 1]).with_names(["a", "b", "c", "d"].map(str::to_owned));
        let (train, validation) = (all.subset(&[0, 3]), all.subset(&[2, 1]));
        assert_eq!(train.joined(&validation), Some(all.clone()));
        assert_eq!(train.joined(&images(&[20, 30], &[1, 0])), None);
        let split = Dataset { train, validation, ..dataset(0) };
        let joined = split.without_validation().unwrap();
        assert_eq!((&joined.train, joined.validation.len()), (&all, 0));
        assert_eq!(joined.with_validation().validation, all);
        assert_eq!(dataset(0).with_validation().validation, dataset(0).validation);
        assert!(dataset(0).without_validation().is_none());
    }

    /// The hash is that of the bytes of names, counts, shapes, pixels and labels, a byte each.
    #[test]
    fn a_set_whose_labels_fit_into_bytes_has_the_hash_that_older_runs_wrote_down() {
        let older = "48230e53f82b3ada03752dbd256183f96ffd69483d41de944e26055417df4a9a";
        assert_eq!(dataset(255).sha256().unwrap(), older);
        assert_ne!(dataset(256).sha256().unwrap(), older);
        assert_ne!(dataset(256).sha256().unwrap(), dataset(0).sha256().unwrap());
    }
}
