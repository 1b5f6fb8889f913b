//! Folders of images: which are found, what they become, and the messages about those that are no good.

mod folders;
mod inputs;
mod split;

use image::{GrayImage, Luma};
use infer_core::Shape;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use thimble_tests::image_files;
use trainer::dataset::{Dataset, Images, Loaded, Request, Testing, load};
use trainer::image::{Conversion, Resize};

/// Gray images of these names, 4 high and 3 wide, each in one shade that no other has.
pub(crate) fn folder(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    add(directory.path(), files, 1);
    directory
}

pub(crate) fn add(directory: &Path, files: &[&str], first_shade: usize) {
    for (index, file) in files.iter().enumerate() {
        save(&directory.join(file), (4, 3), (first_shade + index) as u8);
    }
}

pub(crate) fn save(path: &Path, (height, width): (u32, u32), shade: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image_files::save(GrayImage::from_pixel(width, height, Luma([shade])), path);
}

/// Two classes of four.
pub(crate) const BIRDS: [&str; 8] =
    ["crow/1.png", "crow/2.png", "crow/10.png", "crow/11.png", "wren/a.png", "wren/b.bmp", "wren/c.PNG", "wren/d.png"];

pub(crate) fn request(directory: &Path) -> Request {
    Request { data_dir: Some(directory.to_owned()), validation_fraction: 0.25, ..Request::default() }
}

pub(crate) fn loaded(directory: &TempDir) -> Loaded {
    load(&request(directory.path())).unwrap_or_else(|error| panic!("{error}"))
}

/// The message about a directory that is called `DIR`.
pub(crate) fn refusal(directory: &TempDir) -> String {
    refused(&request(directory.path()))
}

pub(crate) fn refused(request: &Request) -> String {
    let directory = request.data_dir.as_ref().unwrap().display().to_string();
    load(request).unwrap_err().to_string().replace(&directory, "DIR")
}

/// Shade and label of each image.
pub(crate) fn shades(images: &Images) -> BTreeSet<(u8, u16)> {
    (0..images.len()).map(|index| (images.image(index).unwrap()[0], images.label(index))).collect()
}

pub(crate) fn all_shades(Dataset { train, validation, test, .. }: &Dataset) -> BTreeSet<(u8, u16)> {
    [train, validation, test].into_iter().flat_map(shades).collect()
}

pub(crate) fn lens(Dataset { train, validation, test, .. }: &Dataset) -> [usize; 3] {
    [train.len(), validation.len(), test.len()]
}

/// A test by a model of these classes, whose training held nothing out of a folder.
pub(crate) fn testing(class_names: &[impl ToString]) -> Testing {
    let class_names = class_names.iter().map(ToString::to_string).collect();
    Testing { class_names, held_out: None, all: false, manifest: None }
}

/// What was done to images, without which of them there were.
pub(crate) fn without_fingerprint(dataset: &Dataset) -> String {
    let text = dataset.preprocessing.to_string();
    text.split_once(" of ").map_or(text.clone(), |(text, _)| text.to_owned())
}

pub(crate) fn conversion([height, width, channels]: [u16; 3], resize: Resize) -> Option<Conversion> {
    Some(Conversion::new(Shape { height, width, channels }, resize).unwrap())
}
