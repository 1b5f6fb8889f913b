//! Why there are no images.

use std::io;
use std::path::PathBuf;

use super::folder::FolderError;
use super::shape::ImageShape;
use crate::image::ImageError;
use crate::support::limits::MOST_IDX_BYTES;
use crate::support::memory::{Shortage, Size};

/// Why there are no images.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or directory could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A directory lacks one of the four IDX files.
    #[error("{directory} has no {name} and no {name}.gz; name a directory with the four IDX files")]
    MissingFile {
        /// The directory.
        directory: PathBuf,
        /// Name of the file without `.gz`.
        name: String,
    },
    /// A gzip file that cannot be unpacked.
    #[error("{path}: damaged or truncated gzip file ({reason}); fetch or copy it again")]
    Gzip {
        /// The file.
        path: PathBuf,
        /// The message of the decoder.
        reason: String,
    },
    /// Not the magic number of the expected kind of IDX file.
    #[error("{path}: no IDX file of {expected}: it begins with {found:#010x}, not {magic:#010x}")]
    Magic {
        /// The file.
        path: PathBuf,
        /// Images or labels.
        expected: &'static str,
        /// What the first four bytes are.
        found: u32,
        /// What they should be.
        magic: u32,
    },
    /// Fewer bytes than the header announces.
    #[error("{path}: truncated: its header announces {needed} bytes, {given} are there; fetch or copy it again")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces, itself included.
        needed: u64,
        /// Bytes there are, unpacked.
        given: u64,
    },
    /// More bytes than the header announces.
    #[error("{path}: its header announces {needed} bytes, but more follow; is it an IDX file?")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces, itself included.
        needed: u64,
    },
    /// `FASHION_MNIST_DIR` is no directory, or lacks a file.
    #[error(
        "FASHION_MNIST_DIR {directory}: {reason}; name a directory with the four files of Fashion-MNIST, or unset the variable"
    )]
    FashionMnistDir {
        /// The directory.
        directory: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// `FASHION_MNIST_DIR` holds other IDX files.
    #[error(
        "FASHION_MNIST_DIR {directory} has other images than Fashion-MNIST; name a directory with its four files, or \
         give yours with --data"
    )]
    NotFashionMnist {
        /// The directory.
        directory: PathBuf,
    },
    /// More bytes than are read of any file.
    #[error("{path}: its header announces {needed} bytes; more than {} million are not read", MOST_IDX_BYTES / 1_000_000)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces, itself included.
        needed: u64,
    },
    /// No images at all.
    #[error("{path}: has no images (its header states {count} of {height}x{width})")]
    Empty {
        /// The file.
        path: PathBuf,
        /// Images in the header.
        count: u32,
        /// Rows in the header.
        height: u32,
        /// Columns in the header.
        width: u32,
    },
    /// Not one label for each image.
    #[error("{images_path} has {images} images, but {labels_path} {labels} labels; the two do not belong together")]
    CountMismatch {
        /// File of images.
        images_path: PathBuf,
        /// Images in it.
        images: usize,
        /// File of labels.
        labels_path: PathBuf,
        /// Labels in it.
        labels: usize,
    },
    /// A label that no class has.
    #[error("{path}: label number {index} is {label}, but there are {classes} classes (0 to {})", .classes - 1)]
    LabelOutOfRange {
        /// The file.
        path: PathBuf,
        /// Which label, counted from 0.
        index: usize,
        /// The label.
        label: u16,
        /// Number of classes.
        classes: usize,
    },
    /// Training and test images of different sizes.
    #[error("{path} has images of {test}, but the training images are {train}")]
    SizeMismatch {
        /// File of test images.
        path: PathBuf,
        /// Their shape.
        test: ImageShape,
        /// Shape of the training images.
        train: ImageShape,
    },
    /// Files of several sets.
    #[error(
        "{directory} has the files of several sets, {one} and {other}; put the four files of one set into their own directory"
    )]
    SeveralSets {
        /// The directory.
        directory: PathBuf,
        /// A file of one.
        one: String,
        /// A file of another.
        other: String,
    },
    /// A list of names that cannot be read.
    #[error("{path}: {reason}")]
    ClassList {
        /// The list.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A name that no model file, no terminal or no report could carry.
    #[error("{path}, class {class}: the name {name:?} {reason}")]
    ClassName {
        /// The file of names.
        path: PathBuf,
        /// Which one, counted from 0.
        class: usize,
        /// The name, or its beginning.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Two names that look the same.
    #[error("{path}: classes {} and {} have the same name, or names that look the same ({} and {}); rename one",
        .classes[0], .classes[1], .names[0], .names[1])]
    SameName {
        /// The file of names.
        path: PathBuf,
        /// Which two, counted from 0.
        classes: [usize; 2],
        /// Both, what is not ASCII spelled out.
        names: [String; 2],
    },
    /// A class that there are no images of.
    #[error("{path}: no training image has label {labels}; {advice}")]
    ClassWithoutImages {
        /// The file of labels.
        path: PathBuf,
        /// The labels, with their names where they have some.
        labels: String,
        /// What to do.
        advice: String,
    },
    /// Only one class: nothing to distinguish.
    #[error("{path}: all images are of one class; at least two are needed")]
    OneClass {
        /// File of labels.
        path: PathBuf,
    },
    /// Not a share.
    #[error("a share of {fraction} cannot be held out: it must be over 0 and under 1")]
    Fraction {
        /// The share that was given.
        fraction: f64,
    },
    /// The split leaves one side without an image of some class.
    #[error(
        "class {class} has {images} images, too few to train on some and validate on others; \
         add images or change --val-fraction"
    )]
    TooFew {
        /// The class.
        class: usize,
        /// Its images.
        images: usize,
    },
    /// Less memory than the images take.
    #[error("the decoded images do not fit: {0}; with --memory SIZE, images beyond that size are kept in a file")]
    Memory(Shortage),
    /// Less memory than a file takes.
    #[error("{path}: {shortage}")]
    FileMemory {
        /// The file.
        path: PathBuf,
        /// How much there is.
        shortage: Shortage,
    },
    /// Less room on the disk than the images take.
    #[error(
        "the decoded images take {needed}, more than may be kept in memory, and the disk of {directory} has room for \
         {available}; make room there, or allow more memory with --memory"
    )]
    CacheRoom {
        /// The directory of the file that would take them.
        directory: PathBuf,
        /// What they take.
        needed: Size,
        /// What is free for users.
        available: Size,
    },
    /// The file of the decoded images cannot be read.
    #[error("{0}")]
    Pixels(io::Error),
    /// A folder of images that cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An image that cannot be converted.
    #[error("{name}: {source}")]
    Image {
        /// The data set.
        name: String,
        /// What is wrong.
        source: ImageError,
    },
    /// A file could not be fetched.
    #[error("cannot fetch {url}: {reason}")]
    Download {
        /// Where from.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// A fetched file is not the published one.
    #[error("{url} is not the published file: SHA-256 {found}, expected {expected}; nothing was kept")]
    Hash {
        /// Where from.
        url: String,
        /// Its hash.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The cache holds something else than what was fetched into it.
    #[error(
        "the cache does not have Fashion-MNIST as it was fetched: {reason}. \
         Remove {directory} to fetch it again"
    )]
    Cache {
        /// The directory of the cache.
        directory: PathBuf,
        /// What is wrong there.
        reason: String,
    },
    /// Fashion-MNIST was requested and is nowhere.
    #[error(
        "Fashion-MNIST is not available: {reason}. \
         Set FASHION_MNIST_DIR or give --data with a directory of its four IDX files, or use --dataset garments"
    )]
    Unavailable {
        /// What was tried.
        reason: String,
    },
}
