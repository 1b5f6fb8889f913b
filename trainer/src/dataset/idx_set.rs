//! A set of four IDX files: read, its classes named and checked, its labels numbered from 0.

use std::path::{Path, PathBuf};

use super::class_list::{self, is_heading};
use super::class_names::listed;
use super::first_few::in_a_row;
use super::idx_files::{self, IdxFiles};
use super::request::directory_name;
use super::{DataError, Images, fashion_mnist, idx};

/// The images of four IDX files.
pub(super) struct IdxSet {
    pub name: String,
    pub class_names: Vec<String>,
    pub train: Images,
    pub test: Images,
    /// Images and labels to train on, and to test on.
    pub paths: [PathBuf; 4],
    /// What the user must know of the files.
    pub notes: Vec<String>,
}

/// Reads the four IDX files of `directory`.
pub(super) fn read(directory: &Path) -> Result<IdxSet, DataError> {
    let files = idx_files::find(directory)?;
    let paths = files.paths.clone();
    let mut train = idx::read(&paths[0], &paths[1])?;
    let mut test = idx::read(&paths[2], &paths[3])?;
    if test.shape() != train.shape() {
        return Err(DataError::SizeMismatch { path: paths[2].clone(), test: test.shape(), train: train.shape() });
    }
    let mut notes = Vec::new();
    let (name, class_names) = if is_fashion_mnist(&train, &test) {
        (fashion_mnist::NAME.to_owned(), fashion_mnist::CLASS_NAMES.map(str::to_owned).to_vec())
    } else {
        let Classes { names, first_label } = classes(directory, &paths, &train, &test, &mut notes)?;
        let labels = usize::from(first_label) + names.len();
        idx::check_labels(&train, labels, &paths[1])?;
        idx::check_labels(&test, labels, &paths[3])?;
        if first_label > 0 {
            // No label is lower: classes() has looked.
            (train, test) =
                (train.map_labels(|label| label - first_label), test.map_labels(|label| label - first_label));
        }
        (directory_name(directory), names)
    };
    if files.is_emnist() {
        notes.push(emnist_note(&files));
        let transposed = |images: &Images| images.transposed().map_err(DataError::Pixels);
        (train, test) = (transposed(&train)?, transposed(&test)?);
    }
    let named = |images: Images, file| {
        let count = images.len();
        images.with_names((0..count).map(|index| format!("image {index} of {}", files.name(file))))
    };
    let (train, test) = (named(train, 0), named(test, 2));
    Ok(IdxSet { name, class_names, train, test, paths, notes })
}

/// EMNIST's publisher stores images as MATLAB does, column by column.
fn emnist_note(files: &IdxFiles) -> String {
    format!(
        "NOTE: {} is from EMNIST, whose files store each image with rows and columns exchanged; they are exchanged back, so \
         that letters are upright. Call the files train-images-idx3-ubyte and so on to have them as they are",
        files.name(0)
    )
}

/// Whether these are the published images, however their files were packed.
fn is_fashion_mnist(train: &Images, test: &Images) -> bool {
    let [train_images, train_labels, test_images, test_labels] = fashion_mnist::UNPACKED_SHA256;
    // The labels first: they are small, and distinguish another set as well as the images do.
    idx::labels_sha256(train) == train_labels
        && idx::labels_sha256(test) == test_labels
        && idx::images_sha256(train).is_ok_and(|sha256| sha256 == train_images)
        && idx::images_sha256(test).is_ok_and(|sha256| sha256 == test_images)
}

/// The classes of a set, and the label of the first.
struct Classes {
    names: Vec<String>,
    first_label: u16,
}

/// Names the classes by `classes.txt`, one name a line, or by their labels; refuses a class that no training image has.
///
/// Labels that begin at 1, as EMNIST's letters do, are taken for what they are: label 1 is the first class. The alternative, a
/// class 0 that nothing is of, costs an output, and puts every name of `classes.txt` one place off.
fn classes(
    directory: &Path,
    paths: &[PathBuf; 4],
    train: &Images,
    test: &Images,
    notes: &mut Vec<String>,
) -> Result<Classes, DataError> {
    let [train_counts, test_counts] = [train, test].map(count_labels);
    let highest = train_counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    let begins_at_1 = train_counts[0] == 0 && test_counts[0] == 0;
    let list = directory.join("classes.txt");
    let names = if list.is_file() { Some(class_list::read(&list)?) } else { None };
    let from_1 = |from: usize| format!("NOTE: {} begin at {from}, not at 0", labels_of(paths));
    let (names, first_label) = match names {
        None if begins_at_1 => {
            notes.push(format!("{}: the first class is named \"1\"", from_1(1)));
            ((1..=highest).map(|label| label.to_string()).collect(), 1)
        }
        None => ((0..=highest).map(|label| label.to_string()).collect(), 0),
        Some(names) if begins_at_1 && names.len() == highest => {
            notes.push(format!("{}: label 1 is the first class, {:?}", from_1(1), names[0]));
            (names, 1)
        }
        Some(mut names) if begins_at_1 && names.len() == highest + 1 => {
            let first = names.remove(0);
            notes.push(format!(
                "{}: {} has one name more, and the first, {first:?}, is left out; label 1 is {:?}",
                from_1(1),
                list.display(),
                names[0]
            ));
            (names, 1)
        }
        Some(names) => (names, 0),
    };
    if names.len() < 2 {
        return Err(DataError::OneClass { path: paths[1].clone() });
    }
    let has_images =
        |counts: &[usize; 256], class: usize| counts.get(class + first_label).is_some_and(|&count| count > 0);
    let without = |counts: &[usize; 256]| -> Vec<usize> {
        (0..names.len()).filter(|&class| !has_images(counts, class)).collect()
    };
    let in_words = |classes: &[usize]| {
        in_a_row(classes.iter().map(|&class| match list.is_file() {
            true => format!("{} ({:?})", class + first_label, names[class]),
            false => format!("{}", class + first_label),
        }))
    };
    let empty = without(&train_counts);
    if !empty.is_empty() {
        let first = list.is_file().then(|| names[0].as_str());
        let is_one_too_many = empty == [names.len() - 1];
        let advice = match first {
            Some(first) if is_one_too_many && is_heading(first) => format!(
                "{} has one name too many: its first line, {first:?}, looks like a heading, which puts every name one place \
                 off; remove it",
                list.display()
            ),
            Some(first) if is_one_too_many => format!(
                "{} has one name too many: if its first line, {first:?}, is a heading, remove it, or else the last",
                list.display()
            ),
            Some(_) => {
                format!("{} must have the names of the classes in the order of labels, without a gap", list.display())
            }
            None => "number the classes from 0 (or 1) without a gap".to_owned(),
        };
        let labels = in_words(&empty);
        return Err(DataError::ClassWithoutImages { path: paths[1].clone(), labels, advice });
    }
    if list.is_file() && is_heading(&names[0]) {
        notes.push(format!(
            "NOTE: the first class is named {:?}: is the first line of {} a heading?",
            names[0],
            list.display()
        ));
    }
    let untested = without(&test_counts);
    if !untested.is_empty() {
        notes.push(format!("NOTE: {} has no images of label {}", paths[3].display(), in_words(&untested)));
    }
    Ok(Classes { names, first_label: first_label as u16 })
}

fn labels_of(paths: &[PathBuf; 4]) -> String {
    format!("the labels of {}", paths[1].display())
}

/// How many images have each label; those of IDX files are bytes.
fn count_labels(images: &Images) -> [usize; 256] {
    let mut counts = [0; 256];
    images.labels().iter().for_each(|&label| counts[usize::from(label) & 0xFF] += 1);
    counts
}

/// A set to test a model with, its labels as the model numbers its classes: by name, where the model has all of its names.
/// Otherwise they are compared by number, with a note where the names differ.
pub(super) fn as_numbered_by(known: &[String], mut set: IdxSet) -> IdxSet {
    let place = |name: &String| known.iter().position(|known| known == name);
    let places: Option<Vec<usize>> = set.class_names.iter().map(place).collect();
    match places {
        Some(places) => {
            set.train = set.train.subset(&[]);
            set.test = set.test.map_labels(|label| places[usize::from(label)] as u16);
            set.class_names = known.to_vec();
        }
        None if set.class_names.len() <= known.len() => set.notes.push(format!(
            "NOTE: the classes of {} are called {}, the model's {}; they are compared in their order",
            set.name,
            listed(&set.class_names),
            listed(known)
        )),
        // More classes than the model has are refused later, with both numbers.
        None => {}
    }
    set
}
