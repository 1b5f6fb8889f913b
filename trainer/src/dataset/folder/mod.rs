//! One's own images: a folder per class, with or without parts to train, validate and test on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`listing`] | which images there are, and of which class: by names, and by the first bytes where these do not show it |
//! | `entries`, [`content`] | what a directory holds, and what a file is |
//! | `parts` | what folders of parts may be called |
//! | `notes` | messages about a split with too few images |
//! | [`left_out`] | what is not used, and why |
//! | `read` | decoding and converting them, on all cores |
//! | `remarks` | what they look like as inputs: one flat color, few levels |
//! | [`images_of`](images_of()) | all images of a directory, whatever they show |
//! | [`unreadable`](unreadable()) | files that cannot be read, to list them or to continue without them |
//! | `level`, [`error`] | where the data are if not here, and what can be wrong with them |

pub mod content;
mod entries;
pub mod error;
mod images_of;
pub mod left_out;
mod level;
pub mod listing;
mod notes;
mod parts;
mod read;
mod remarks;
mod unreadable;

use std::path::Path;

use infer_core::Shape;

use super::content::{ContentHash, fingerprint};
use super::duplicates::{self, Part};
use super::held_out::{self, Draw, Drawn, ShortClass, Split, SplitRule};
use super::request::{Loaded, Origin, Request, Testing, directory_name};
use super::tested::{Candidates, SEED_OF_NAMES, Selection};
use super::{DataError, Dataset, Images, split};
use crate::image::{Background, Conversion, HeldOut, Preprocessing};
use listing::{Folder, Listing};

pub use error::FolderError;
pub use images_of::images_of;
pub use unreadable::{Unreadable, unreadable, unreadable_listing};

/// Reads a folder of images, to train on or to test with.
///
/// # Errors
/// [`DataError::Folder`], [`DataError::Io`], [`DataError::Fraction`].
pub fn load(directory: &Path, request: &Request) -> Result<Loaded, DataError> {
    match &request.testing {
        Some(testing) => load_to_test(directory, request, testing),
        None => load_to_train(directory, request),
    }
}

/// The input of networks for these images, as the first of them has it, before all others are looked at: they have it too, or are refused
/// without a conversion. `None` where it cannot be read.
#[must_use]
pub fn input_of_first(directory: &Path, background: Background) -> Option<Shape> {
    let listing = Folder::to_train(directory).ok()?.train.filter(|listing| !listing.files.is_empty())?;
    let size = read::own_size(&[&listing.subset(&[0])], background, true);
    size.ok().map(|conversion| conversion.shape())
}

fn load_to_train(directory: &Path, request: &Request) -> Result<Loaded, DataError> {
    let Folder { class_names, train: pool, validation, test, left_out } =
        Folder::to_train(directory)?.without(&request.skip)?;
    let pool = pool.unwrap_or_default();
    let what = Draw {
        test: test.is_none().then_some(request.test_fraction),
        validation: validation.is_none().then_some((request.validation_fraction, request.seed)),
    };
    let shares = [what.test, what.validation.map(|(share, _)| share)];
    if let Some(fraction) = shares.into_iter().flatten().find(|&share| !(share > 0.0 && share < 1.0)) {
        return Err(DataError::Fraction { fraction });
    }
    let (given_validation, given_test) = (validation.unwrap_or_default(), test.unwrap_or_default());
    let listings = [&pool, &given_validation, &given_test];
    let conversion = conversion_of(request, &listings)?;
    let (images, observed) = read::read(listings, directory, &conversion, &request.storage, request.quiet)?;
    let [mut train, mut validation, mut test] = images;

    let mut warnings = Vec::from_iter(left_out.note(directory));
    // Before duplicates, of which it may be the cause.
    warnings.extend(remarks::warnings(&read::files(&listings), &observed, &conversion));
    let mut held_out = None;
    if what != Draw::default() {
        let contents = ContentHash::of_each(&train).map_err(DataError::Pixels)?;
        let labels: Vec<usize> = train.labels().iter().map(|&label| label.into()).collect();
        let drawn = match request.split_rule {
            SplitRule::ByContent => held_out::draw(&contents, &labels, class_names.len(), what),
            SplitRule::ByName => by_name(&labels, class_names.len(), what),
        };
        let Drawn { splits, stand_ins, copied } = drawn.map_err(|short| too_few(short, &pool, what))?;
        if let Some(share) = what.test {
            let images = contents.iter().copied().zip(labels.iter().copied());
            let by_content = request.split_rule == SplitRule::ByContent;
            held_out = Some(HeldOut { share, fingerprint: by_content.then(|| fingerprint(images)) });
            warnings.extend(notes::stand_ins(&pool, &stand_ins, share));
        }
        warnings.extend(notes::copied(&pool, &copied));
        let of = |wanted: Split| -> Vec<usize> { (0..splits.len()).filter(|&index| splits[index] == wanted).collect() };
        if what.test.is_some() {
            test = train.subset(&of(Split::Test));
        }
        if what.validation.is_some() {
            validation = train.subset(&of(Split::Validation));
        }
        train = train.subset(&of(Split::Train));
    }
    let name =
        |images: &Images, index: usize| directory.join(images.name(index).unwrap_or_default()).display().to_string();
    let parts = [
        Part { images: &train, name: &|index| name(&train, index), is_drawn: true },
        Part { images: &validation, name: &|index| name(&validation, index), is_drawn: what.validation.is_some() },
        Part { images: &test, name: &|index| name(&test, index), is_drawn: what.test.is_some() },
    ];
    warnings.extend(duplicates::warnings(&parts).map_err(DataError::Pixels)?);
    warnings.extend(duplicates::near_note(&parts).map_err(DataError::Pixels)?);
    let preprocessing = Preprocessing::Converted { conversion, held_out };
    let dataset = Dataset { name: directory_name(directory), class_names, preprocessing, train, validation, test };
    let draws_validation = what.validation.is_some();
    Ok(Loaded { dataset, origin: Origin::Data(directory.to_owned()), draws_validation, warnings, tested: None })
}

fn load_to_test(directory: &Path, request: &Request, testing: &Testing) -> Result<Loaded, DataError> {
    let Folder { class_names, train, test, left_out, .. } =
        Folder::to_test(directory, &testing.class_names)?.without(&request.skip)?;
    let is_test_part = test.is_some();
    let listing = test.or(train).unwrap_or_default();
    let conversion = conversion_of(request, &[&listing])?;
    let ([images], observed) = read::read([&listing], directory, &conversion, &request.storage, request.quiet)?;

    let contents = ContentHash::of_each(&images).map_err(DataError::Pixels)?;
    let labels: Vec<usize> = images.labels().iter().map(|&label| label.into()).collect();
    let candidates = Candidates { contents: &contents, labels: &labels, classes: class_names.len(), is_test_part };
    let (chosen, tested) = candidates.select(testing.held_out, testing.all, testing.manifest.as_ref());
    let share = tested.share.unwrap_or_default();
    if chosen.is_empty() {
        let advice = match testing.manifest {
            Some(_) => "; add images, or, for images that it was not trained on, give --all",
            None => {
                "; give --run with the directory of the model's run, or, for images that it was not trained on, --all"
            }
        };
        let (directory, images) = (directory.to_owned(), images.len());
        return Err(FolderError::NothingHeldOut { directory, images, share, advice }.into());
    }
    let mut warnings = Vec::from_iter(left_out.note(directory));
    warnings.extend(remarks::warnings(&read::files(&[&listing]), &observed, &conversion));
    let names_without = |labels: &[usize], among: &dyn Fn(usize) -> bool| -> Vec<String> {
        let is_absent = |class: &usize| among(*class) && !labels.contains(class);
        (0..class_names.len()).filter(is_absent).map(|class| class_names[class].clone()).collect()
    };
    let absent = names_without(&labels, &|_| true);
    if !absent.is_empty() {
        warnings.push(format!("NOTE: {} has no images of {}", directory.display(), absent.join(", ")));
    }
    let tested_labels: Vec<usize> = chosen.iter().map(|&index| labels[index]).collect();
    let left = names_without(&tested_labels, &|class| labels.contains(&class));
    if !left.is_empty() {
        let advice = match testing.manifest {
            Some(_) => "",
            None => "; --run, with the directory of the model's run, shows which were",
        };
        warnings
            .push(format!("NOTE: no image of {} is tested on: none is known to be held out{advice}", left.join(", ")));
    }
    let test = if chosen.len() == images.len() { images } else { images.subset(&chosen) };
    let none = Images::new(conversion.shape().into(), Vec::new(), Vec::new());
    let held_out = testing.held_out.filter(|_| tested.selection == Selection::HeldOut);
    let dataset = Dataset {
        name: directory_name(directory),
        class_names,
        preprocessing: Preprocessing::Converted { conversion, held_out },
        train: none.clone(),
        validation: none,
        test,
    };
    let origin = Origin::Data(directory.to_owned());
    Ok(Loaded { dataset, origin, draws_validation: false, warnings, tested: Some(tested) })
}

fn conversion_of(request: &Request, listings: &[&Listing]) -> Result<Conversion, FolderError> {
    match request.conversion {
        Some(conversion) => Ok(conversion),
        None => read::own_size(listings, request.background, request.quiet),
    }
}

/// The split of earlier trainers: the order of the names and a seed decide. The runs that they made are resumed with it.
fn by_name(labels: &[usize], classes: usize, what: Draw) -> Result<Drawn, ShortClass> {
    let mut splits = vec![Split::Train; labels.len()];
    let draws = [
        what.test.map(|share| (share, SEED_OF_NAMES, Split::Test)),
        what.validation.map(|(share, seed)| (share, seed, Split::Validation)),
    ];
    for (share, seed, split) in draws.into_iter().flatten() {
        let rest: Vec<usize> = (0..labels.len()).filter(|&index| splits[index] == Split::Train).collect();
        let of_rest: Vec<u16> = rest.iter().map(|&index| labels[index] as u16).collect();
        let (_, held_out) = split::stratified(&of_rest, classes, share, seed).map_err(|error| {
            let class = if let DataError::TooFew { class, .. } = error { class } else { 0 };
            ShortClass::Few { class }
        })?;
        held_out.into_iter().for_each(|index| splits[rest[index]] = split);
    }
    Ok(Drawn { splits, stand_ins: Vec::new(), copied: Vec::new() })
}

/// The same, with the folder of the class.
fn too_few(short: ShortClass, pool: &Listing, what: Draw) -> DataError {
    let (ShortClass::Few { class, .. } | ShortClass::TestTakesAll { class, .. }) = short;
    let folder = pool.folders[class].clone();
    let images = pool.labels.iter().filter(|&&label| usize::from(label) == class).count();
    match short {
        ShortClass::Few { .. } => {
            let (parts, needed) = match (what.validation, what.test) {
                (Some(_), Some(_)) => ("train, validation and test", 3),
                (Some(_), None) => ("train and validation", 2),
                (None, Some(_)) => ("train and test", 2),
                (None, None) => ("train", 1),
            };
            FolderError::TooFew { folder, images, parts, needed }.into()
        }
        ShortClass::TestTakesAll { different, held_out, most, .. } => {
            let share = what.test.unwrap_or_default();
            FolderError::TestTakesAll { folder, different, held_out, share, most }.into()
        }
    }
}
