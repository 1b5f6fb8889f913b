//! Small data sets as IDX files, whole, for tests to break.

use std::fs;
use std::path::Path;

/// The four names, training images first.
pub const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// An IDX file of images `[count, side, side]`.
#[must_use]
pub fn images(count: u32, side: u32, pixels: &[u8]) -> Vec<u8> {
    images_of([count, side, side], pixels)
}

/// An IDX file of images `[count, height, width]`.
#[must_use]
pub fn images_of([count, height, width]: [u32; 3], pixels: &[u8]) -> Vec<u8> {
    let mut file: Vec<u8> = [0x0803, count, height, width].into_iter().flat_map(u32::to_be_bytes).collect();
    file.extend_from_slice(pixels);
    file
}

/// An IDX file of labels.
#[must_use]
pub fn labels(labels: &[u8]) -> Vec<u8> {
    let mut file: Vec<u8> = [0x0801, labels.len() as u32].into_iter().flat_map(u32::to_be_bytes).collect();
    file.extend_from_slice(labels);
    file
}

/// Writes a whole data set: `count` training and as many test images of `side` pixels square, three classes in turn.
///
/// # Panics
/// Where the files cannot be written.
pub fn write(directory: &Path, count: u32, side: u32) {
    let pixels: Vec<u8> = (0..count * side * side).map(|index| (index * 37 % 251) as u8).collect();
    let classes: Vec<u8> = (0..count).map(|index| (index % 3) as u8).collect();
    for (name, bytes) in NAMES.into_iter().zip([
        images(count, side, &pixels),
        labels(&classes),
        images(count, side, &pixels),
        labels(&classes),
    ]) {
        fs::write(directory.join(name), bytes).unwrap();
    }
}
