//! One's own pictures: a folder per class, with or without parts to train, validate and test on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`folder`] | which images there are, and of which class: by names, and by the first bytes where these do not say |
//! | `entries`, [`content`] | what a directory holds, and what a file is |
//! | [`left_out`] | what is not used, and why |
//! | `read` | decoding and converting them, on all cores |
//! | `remarks` | what they look like as inputs: one flat color, few levels |
//! | [`images_of`](images_of()) | all images of a directory, whatever they show |
//! | [`unreadable`](unreadable()) | files that cannot be read, to list them or to go on without them |
//! | `level`, [`error`] | where the data are if not here, and what can be wrong with them |

pub mod content;
mod entries;
pub mod error;
pub mod folder;
mod images_of;
pub mod left_out;
mod level;
mod read;
mod remarks;
mod unreadable;

use std::path::Path;

use super::duplicates::{self, Part};
use super::source::{Loaded, Origin, Request, Testing, directory_name};
use super::{DataError, Dataset, Images, split};
use crate::preprocess::{Conversion, Preprocessing};
use folder::{Folder, Listing};

pub use error::FolderError;
pub use images_of::images_of;
pub use unreadable::{Unreadable, listing, unreadable};

/// Decides which pictures are held out for the test: always the same ones, whatever the seed of a run, so that models of
/// different seeds are compared on the same pictures, and a later test of a model finds those that it was not trained on.
const TEST_SEED: u64 = 0x7E57;

/// Reads a folder of pictures, to train on or to test with.
///
/// # Errors
/// [`DataError::Folder`], [`DataError::Io`], [`DataError::Fraction`].
pub fn load(directory: &Path, request: &Request) -> Result<Loaded, DataError> {
    match &request.testing {
        Some(testing) => load_to_test(directory, request, testing),
        None => load_to_train(directory, request),
    }
}

fn load_to_train(directory: &Path, request: &Request) -> Result<Loaded, DataError> {
    let Folder { class_names, train: all, validation, test, left_out } =
        Folder::to_train(directory)?.without(&request.skip)?;
    let all = all.unwrap_or_default();
    let parts = match (&validation, &test) {
        (None, None) => "train, validation and test",
        (None, Some(_)) => "train and validation",
        (Some(_), None) => "train and test",
        (Some(_), Some(_)) => "train",
    };
    let test_share = test.is_none().then_some(request.test_fraction);
    let (train, test) = match test {
        Some(test) => (all.clone(), test),
        None => split_off(&all, &all, request.test_fraction, TEST_SEED, parts)?,
    };
    let (train, validation) = match validation {
        Some(validation) => (train, validation),
        None => split_off(&train, &all, request.validation_fraction, request.seed, parts)?,
    };
    let listings = [&train, &validation, &test];
    let conversion = conversion_of(request, &listings)?;
    let (images, observed) = read::read(listings, directory, &conversion, &request.storage, request.quiet)?;
    let mut warnings = Vec::from_iter(left_out.note(directory));
    // Before duplicates, of which it may be the cause.
    warnings.extend(remarks::warnings(&read::files(&listings), &observed, &conversion));
    let [train_name, validation_name, test_name] =
        listings.map(|listing| |index: usize| listing.files[index].display().to_string());
    let duplicates = duplicates::warnings(&[
        Part { images: &images[0], name: &train_name },
        Part { images: &images[1], name: &validation_name },
        Part { images: &images[2], name: &test_name },
    ]);
    warnings.extend(duplicates.map_err(DataError::Pixels)?);
    let [train, validation, test] = images;
    let preprocessing = Preprocessing::Pictures { conversion, test_share };
    let dataset = Dataset { name: directory_name(directory), class_names, preprocessing, train, validation, test };
    Ok(Loaded { dataset, origin: Origin::Data(directory.to_owned()), warnings })
}

fn load_to_test(directory: &Path, request: &Request, testing: &Testing) -> Result<Loaded, DataError> {
    let Folder { class_names, train, test, left_out, .. } = Folder::to_test(directory, &testing.class_names)?;
    let listing = match (test, train.unwrap_or_default(), testing.held_out) {
        (Some(test), ..) => test,
        (None, all, Some(share)) => held_out(&all, share)?,
        (None, all, None) => all,
    };
    let conversion = conversion_of(request, &[&listing])?;
    let ([test], observed) = read::read([&listing], directory, &conversion, &request.storage, request.quiet)?;
    let mut warnings = Vec::from_iter(left_out.note(directory));
    warnings.extend(remarks::warnings(&read::files(&[&listing]), &observed, &conversion));
    let of_class = |class: usize| test.labels().iter().filter(|&&label| usize::from(label) == class).count();
    let absent: Vec<&str> =
        (0..class_names.len()).filter(|&class| of_class(class) == 0).map(|class| class_names[class].as_str()).collect();
    if !absent.is_empty() {
        warnings.push(format!("NOTE: {} holds no pictures of {}", directory.display(), absent.join(", ")));
    }
    let none = Images::new(conversion.shape().into(), Vec::new(), Vec::new());
    let dataset = Dataset {
        name: directory_name(directory),
        class_names,
        preprocessing: Preprocessing::Pictures { conversion, test_share: testing.held_out },
        train: none.clone(),
        validation: none,
        test,
    };
    Ok(Loaded { dataset, origin: Origin::Data(directory.to_owned()), warnings })
}

/// What was held out of these pictures when the model was trained on the others.
fn held_out(all: &Listing, share: f64) -> Result<Listing, DataError> {
    match split_off(all, all, share, TEST_SEED, "train and test") {
        Ok((_, held_out)) => Ok(held_out),
        Err(DataError::Folder(FolderError::TooFew { folder, pictures, .. })) => {
            Err(FolderError::TooFewToTest { folder, pictures }.into())
        }
        Err(error) => Err(error),
    }
}

fn conversion_of(request: &Request, listings: &[&Listing]) -> Result<Conversion, FolderError> {
    match request.conversion {
        Some(conversion) => Ok(conversion),
        None => read::own_size(listings, request.background),
    }
}

/// Two listings of one: a share of each class goes to the second. `all` is what there was before anything was split off.
fn split_off(
    listing: &Listing,
    all: &Listing,
    share: f64,
    seed: u64,
    parts: &'static str,
) -> Result<(Listing, Listing), DataError> {
    let indices = split::stratified(&listing.labels, all.folders.len(), share, seed);
    let (kept, held_out) = indices.map_err(|error| match error {
        DataError::TooFew { class, .. } => {
            let pictures = all.labels.iter().filter(|&&label| usize::from(label) == class).count();
            FolderError::TooFew { folder: all.folders[class].clone(), pictures, parts }.into()
        }
        error => error,
    })?;
    Ok((listing.subset(&kept), listing.subset(&held_out)))
}
