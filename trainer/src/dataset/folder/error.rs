//! What can be wrong with a folder of images.

use std::path::{Path, PathBuf};

use super::content;
use crate::dataset::class_names::spelled_out;
use crate::dataset::first_few::first_few;
use crate::image::{ImageError, ImageHeader, PreprocessError};
use crate::support::limits::MOST_CLASSES;

/// Why a folder of images cannot be trained on or tested with.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Neither of the two kinds of data.
    #[error(
        "{directory} has neither a folder per class of images nor the four IDX files (train-images-idx3-ubyte, ...){found}"
    )]
    NoData {
        /// The directory.
        directory: PathBuf,
        /// What is there, and what helps.
        found: String,
    },
    /// Nothing at all where a directory is expected.
    #[error("there is no directory {path}; give the one that has a folder per class, or IDX files")]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A file where a directory is expected.
    #[error("{path} is a file, not a directory{advice}")]
    NotADirectory {
        /// The file.
        path: PathBuf,
        /// What helps.
        advice: String,
    },
    /// A name that a model file cannot carry.
    #[error(
        "{path:?}: the name of a class must be UTF-8, be visible, and have no line break or other control \
         character; rename the folder"
    )]
    Name {
        /// The folder.
        path: PathBuf,
    },
    /// A name that no message can show as it is.
    #[error("{path:?}: the name of an image must have no line break or other control character; rename the file")]
    ImageName {
        /// The file.
        path: PathBuf,
    },
    /// A folder inside a class.
    #[error(
        "{folder} is a folder inside a class; put its images into {class} itself, or move it next to {class}{advice}"
    )]
    Nested {
        /// The folder.
        folder: PathBuf,
        /// The class that it is in.
        class: PathBuf,
        /// Which directory to give instead, where the data seem to be deeper.
        advice: String,
    },
    /// A class without an image that can be read.
    #[error("{folder} has no image that can be read{found}")]
    EmptyClass {
        /// The folder.
        folder: PathBuf,
        /// What is there, and what helps.
        found: String,
    },
    /// A part without a folder per class.
    #[error("{part} has no folder per class{found}")]
    EmptyPart {
        /// Training, validation or test folder.
        part: PathBuf,
        /// What is there, and what helps.
        found: String,
    },
    /// Two classes that no reader could distinguish, in one part or in two.
    #[error(
        "{one} and {other} look the same but differ in their characters ({} and {}); give the class one name",
        .names[0], .names[1]
    )]
    LookAlike {
        /// The folder of one class.
        one: PathBuf,
        /// The folder of the other.
        other: PathBuf,
        /// Both names, what is not ASCII spelled out.
        names: [String; 2],
    },
    /// A class that looks like one of the model.
    #[error(
        "{folder} looks like a class of the model but differs in its characters ({}, the model's is {}); rename the folder",
        .names[0], .names[1]
    )]
    LooksLikeClass {
        /// The folder.
        folder: PathBuf,
        /// Its name and that of the model's class, what is not ASCII spelled out.
        names: [String; 2],
    },
    /// Nothing to distinguish.
    #[error("{folder} is the only class; at least two are needed, each a folder of its own{advice}")]
    OneClass {
        /// The folder.
        folder: PathBuf,
        /// Which directory to give instead, where the data seem to be deeper.
        advice: String,
    },
    /// More than [`MOST_CLASSES`] classes.
    #[error("{directory} has {classes} classes; at most {MOST_CLASSES} are supported")]
    TooManyClasses {
        /// The directory, or the file of their names.
        directory: PathBuf,
        /// Its classes.
        classes: usize,
    },
    /// Two folders for the same part.
    #[error("{one} and {other} are both the same part of the data; keep one")]
    PartTwice {
        /// One folder.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Something that is no part beside the parts.
    #[error("{folder} is next to {part}; a directory has either parts (train, val, test) or classes")]
    BesideParts {
        /// What is no part.
        folder: PathBuf,
        /// One that is.
        part: PathBuf,
    },
    /// Nothing to train on.
    #[error("{directory} has no part to train on: there is no folder {}", .directory.join("train").display())]
    NoTrain {
        /// The directory.
        directory: PathBuf,
    },
    /// A class that one part has and another has not.
    #[error("{part} has no folder {class:?}, but {other} has; all parts must have the same classes")]
    ClassMissing {
        /// The part without it.
        part: PathBuf,
        /// The class.
        class: String,
        /// The part with it.
        other: PathBuf,
    },
    /// A class that the model does not have.
    #[error("{folder}: the model has no class {class:?}, only {known}{advice}")]
    UnknownClass {
        /// The folder.
        folder: PathBuf,
        /// Its name.
        class: String,
        /// The first of those that it has, in one line.
        known: String,
        /// Which directory to give instead, where the data seem to be deeper.
        advice: String,
    },
    /// Too few different images of a class to have one in each part.
    #[error(
        "{folder} has {images} images, too few to have one in each of the parts {parts}; add some: at least {needed} are needed"
    )]
    TooFew {
        /// The folder.
        folder: PathBuf,
        /// Its images.
        images: usize,
        /// The parts that they are for.
        parts: &'static str,
        /// How many parts these are.
        needed: usize,
    },
    /// The test share falls on so many images of a class that too few are left to train and validate on.
    #[error(
        "by their content, the test share {share} falls on {held_out} of the {different} different images of {folder}, \
         which leaves too few to train and validate on; add images{}", or_smaller_share(*.most)
    )]
    TestTakesAll {
        /// The folder.
        folder: PathBuf,
        /// Its different images.
        different: usize,
        /// Those that the share falls on.
        held_out: usize,
        /// The share.
        share: f64,
        /// The largest share that leaves enough images of each class.
        most: f64,
    },
    /// A folder to test on, of whose images none is known to be held out.
    #[error(
        "none of the {images} images of {directory} is known to be held out: by their content, the test share {share} of the \
         model falls on none{advice}"
    )]
    NothingHeldOut {
        /// The directory.
        directory: PathBuf,
        /// Its images.
        images: usize,
        /// The share.
        share: f64,
        /// What to do.
        advice: &'static str,
    },
    /// Sound images that are not of the size that a model takes as it is.
    #[error(
        "{count} of {images} images do not have the size that the model takes: {path} is {reason}; give a directory with images of \
         that size, or a model that was trained with --input and --resize"
    )]
    OtherSizes {
        /// All images.
        images: usize,
        /// Those of another size.
        count: usize,
        /// The first of these.
        path: PathBuf,
        /// Its size, and the model's.
        reason: String,
    },
    /// A sound file that cannot be read now.
    #[error("{path} cannot be read now, and the file is not the cause: {reason}")]
    Shortage {
        /// The file.
        path: PathBuf,
        /// What is short.
        reason: String,
    },
    /// Files that are no images, whatever their names.
    #[error(
        "{} of {images} images cannot be read; replace or remove them, or leave them out with --skip-unreadable:{}",
        .broken.len(), list(.broken)
    )]
    Broken {
        /// All images.
        images: usize,
        /// Those that cannot be read, and why.
        broken: Vec<(PathBuf, ImageError)>,
    },
    /// Images of several sizes, and nothing given about the size of the input.
    #[error(
        "{one} is {} high and {} wide, {other} {} high and {} wide; \
         give the input's size, such as --input 32x32x3 --resize crop",
        .sizes[0].height, .sizes[0].width, .sizes[1].height, .sizes[1].width
    )]
    MixedSizes {
        /// One image.
        one: PathBuf,
        /// An image of another size.
        other: PathBuf,
        /// The headers of both.
        sizes: [ImageHeader; 2],
    },
    /// Images larger than an input should be, and nothing given about its size.
    #[error(
        "{path} and all others are {} high and {} wide; sides over {most} are scaled down before they go into a network: \
         give the input's size, such as --input 32x32x3 --resize crop", .size.height, .size.width
    )]
    LargeImages {
        /// The first image.
        path: PathBuf,
        /// Its header.
        size: ImageHeader,
        /// The longest side that is taken as it is.
        most: u32,
    },
    /// An input that images cannot become.
    #[error(transparent)]
    Input(#[from] PreprocessError),
}

/// The first few, each with what is wrong with it.
fn list(broken: &[(PathBuf, ImageError)]) -> String {
    let lines = broken.iter().map(|(path, error)| format!("{}: {error}", path.display()));
    first_few(lines)
}

impl FolderError {
    pub(super) fn not_a_directory(path: &Path) -> Self {
        let kind = content::kind_in_words(path);
        let advice = format!(" ({kind}); give the directory that has a folder per class, or IDX files");
        Self::NotADirectory { path: path.to_owned(), advice }
    }

    /// `others` are its files.
    pub(super) fn empty_class(folder: &Path, others: &[PathBuf]) -> Self {
        let found = match others {
            [] => "; it is empty, or has nothing but hidden files: add images or remove the folder".to_owned(),
            files => format!(
                ", only {}; put PNG, JPEG, BMP, GIF, WebP or TIFF images there, or remove the folder",
                content::describe(files)
            ),
        };
        Self::EmptyClass { folder: folder.to_owned(), found }
    }

    pub(super) fn look_alike(one: PathBuf, other: PathBuf) -> Self {
        let names = [&one, &other].map(|path| spelled_out(&path.file_name().unwrap_or_default().to_string_lossy()));
        Self::LookAlike { one, other, names }
    }
}

/// A share that is at most `most`, with as few digits as it takes; none where it would round to nothing.
fn or_smaller_share(most: f64) -> String {
    let rounded = [1e2, 1e3, 1e4].map(|digits| (most * digits).floor() / digits).into_iter().find(|&share| share > 0.0);
    rounded.map_or(String::new(), |share| format!(", or use --test-fraction {share}"))
}
