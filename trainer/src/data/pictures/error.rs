//! What can be wrong with a folder of pictures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::first_few::{counted, first_few};
use crate::limits::MOST_CLASSES;
use crate::preprocess::{PictureError, PictureHeader, PreprocessError};
use crate::printable::in_one_line;

/// Why a folder of pictures cannot be trained on or tested with.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Neither of the two kinds of data.
    #[error(
        "{directory} holds neither a folder per class of pictures nor the four IDX files (train-images-idx3-ubyte, ...)"
    )]
    NoData {
        /// The directory.
        directory: PathBuf,
    },
    /// A name that a model file cannot carry.
    #[error(
        "{path:?}: the name of a class must be UTF-8 and without a line break or another control character; rename the folder"
    )]
    Name {
        /// The folder.
        path: PathBuf,
    },
    /// A name that no message can show as it is.
    #[error(
        "{path:?}: the name of a picture must be without a line break or another control character; rename the file"
    )]
    PictureName {
        /// The file.
        path: PathBuf,
    },
    /// A folder inside a class.
    #[error("{folder} is a folder inside a class; put its pictures into {class} itself, or move it beside")]
    Nested {
        /// The folder.
        folder: PathBuf,
        /// The class that it is in.
        class: PathBuf,
    },
    /// A class of nothing.
    #[error("{folder} holds no PNG, JPEG or BMP pictures; add some or remove the folder")]
    EmptyClass {
        /// The folder.
        folder: PathBuf,
    },
    /// A part without a folder per class.
    #[error("{part} holds no folder per class; its pictures must be in folders named after their classes")]
    EmptyPart {
        /// Training, validation or test folder.
        part: PathBuf,
    },
    /// Nothing to tell apart.
    #[error(
        "{folder} is the only class; at least two are needed, each a folder of its own. If it holds them, give it as --data"
    )]
    OneClass {
        /// The folder.
        folder: PathBuf,
    },
    /// More than [`MOST_CLASSES`] classes.
    #[error("{directory} holds {classes} classes; {MOST_CLASSES} are the most")]
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
    #[error("{folder} stands beside {part}; a directory holds either parts (train, val, test) or classes")]
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
    /// A class that the model does not know.
    #[error("{folder}: the model knows no class {class:?}, only {known}")]
    UnknownClass {
        /// The folder.
        folder: PathBuf,
        /// Its name.
        class: String,
        /// Those that it knows, in one line.
        known: String,
    },
    /// Too few pictures of a class to have one in each part.
    #[error(
        "{folder} holds {pictures} pictures, too few to have some in each of the parts {parts}; \
         add pictures or change --val-fraction and --test-fraction"
    )]
    TooFew {
        /// The folder.
        folder: PathBuf,
        /// Its pictures.
        pictures: usize,
        /// The parts that they are for.
        parts: &'static str,
    },
    /// Too few pictures of a class for a training to have held some out.
    #[error(
        "{folder} holds {pictures} pictures, too few to train on some and test on others; \
         add pictures, or give --all to test on all there are"
    )]
    TooFewToTest {
        /// The folder.
        folder: PathBuf,
        /// Its pictures.
        pictures: usize,
    },
    /// Files that are no pictures, whatever their names say.
    #[error("{} of {pictures} pictures cannot be read; replace or remove them:{}", .broken.len(), list(.broken))]
    Broken {
        /// All pictures.
        pictures: usize,
        /// Those that cannot be read, and why.
        broken: Vec<(PathBuf, PictureError)>,
    },
    /// Pictures of several sizes, and nothing said about the size of the input.
    #[error(
        "{one} is {} high and {} wide, {other} {} high and {} wide; \
         give the input's size, such as --input 32x32x3 --resize crop",
        .sizes[0].height, .sizes[0].width, .sizes[1].height, .sizes[1].width
    )]
    MixedSizes {
        /// One picture.
        one: PathBuf,
        /// A picture of another size.
        other: PathBuf,
        /// What both say of themselves.
        sizes: [PictureHeader; 2],
    },
    /// Pictures larger than an input should be, and nothing said about its size.
    #[error(
        "{path} and all others are {} high and {} wide; sides over {most} are scaled down before they go into a network: \
         give the input's size, such as --input 32x32x3 --resize crop", .size.height, .size.width
    )]
    LargePictures {
        /// The first picture.
        path: PathBuf,
        /// What it says of itself.
        size: PictureHeader,
        /// The longest side that is taken as it is.
        most: u32,
    },
    /// An input that pictures cannot become.
    #[error(transparent)]
    Input(#[from] PreprocessError),
}

/// The first few, each with what is wrong with it.
fn list(broken: &[(PathBuf, PictureError)]) -> String {
    let lines = broken.iter().map(|(path, error)| format!("{}: {error}", path.display()));
    first_few(lines)
}

/// What a message says of files that were not looked at.
pub(super) fn left_out(directory: &Path, files: &BTreeSet<PathBuf>) -> Option<String> {
    if files.is_empty() {
        return None;
    }
    let names = first_few(files.iter().map(|path| in_one_line(&path.display().to_string()).into_owned()));
    Some(format!(
        "NOTE: {} of {} left out, as hidden, in no class, or not named .png, .jpg, .jpeg or .bmp:{names}",
        counted(files.len(), "file"),
        directory.display(),
    ))
}
