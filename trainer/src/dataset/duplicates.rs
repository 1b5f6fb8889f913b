//! The same image twice: on both sides of a test, or under two classes.

use std::collections::{BTreeMap, HashMap};
use std::io;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::first_few::first_few;
use super::{Images, near_duplicates};
use crate::support::text::{counted, thousands};

/// A part of a data set, and what its images are called.
pub struct Part<'a> {
    /// The images.
    pub images: &'a Images,
    /// The file of each, or what else it is known by.
    pub name: &'a dyn Fn(usize) -> String,
    /// Whether its images were drawn by the trainer, so that nobody can move them to another part.
    pub is_drawn: bool,
}

/// Where an image was seen first.
#[derive(Clone, Copy)]
struct Seen {
    part: usize,
    index: usize,
    label: u16,
}

/// A warning about images that are in two parts, and one about images of two classes; none where there are none.
///
/// The same are images with the same bytes as inputs, by their SHA-256: so a hundred thousand of them take a few megabytes here.
///
/// # Errors
/// Where images are in a file that cannot be read.
pub fn warnings(parts: &[Part<'_>]) -> io::Result<Vec<String>> {
    let mut seen = HashMap::new();
    let (mut in_two_parts, mut of_two_classes) = (Vec::new(), Vec::new());
    for (number, part) in parts.iter().enumerate() {
        let digests = (0..part.images.len()).into_par_iter().map(|index| Ok(Sha256::digest(part.images.image(index)?)));
        for (index, digest) in digests.collect::<io::Result<Vec<_>>>()?.into_iter().enumerate() {
            let this = Seen { part: number, index, label: part.images.label(index) };
            let first = *seen.entry(digest).or_insert(this);
            if first.part != this.part && !(parts[first.part].is_drawn && part.is_drawn) {
                in_two_parts.push((first, this));
            }
            if first.label != this.label {
                of_two_classes.push((first, this));
            }
        }
    }
    let list = |pairs: &[(Seen, Seen)]| {
        let name = |seen: &Seen| (parts[seen.part].name)(seen.index);
        first_few(pairs.iter().map(|(first, this)| format!("{} = {}", name(first), name(this))))
    };
    let shape = parts.first().map(|part| part.images.shape().to_string()).unwrap_or_default();
    let kinds = [
        (
            in_two_parts,
            "in two parts of the data",
            "Accuracy on images that were trained on means little; keep each image in one part.",
        ),
        (of_two_classes, "in two classes", "No network can distinguish these; keep each image in one class."),
    ];
    let warnings = kinds
        .into_iter()
        .filter(|(pairs, ..)| !pairs.is_empty())
        .map(|(pairs, what, advice)| {
            let count = counted(pairs.len(), "image");
            format!("WARNING: {count} {what}, the same at {shape}:{}\n  {advice}", list(&pairs))
        })
        .collect();
    Ok(warnings)
}

/// Images that are compared at most, so that loading does not take longer than a short training.
const MOST_COMPARED: usize = 30_000;

/// A note about images of the last part, the test images, that are nearly the same as images of another part, such as the next of a
/// burst; none where there are none, or over 30,000 images.
///
/// # Errors
/// Where images are in a file that cannot be read.
pub fn near_note(parts: &[Part<'_>]) -> io::Result<Option<String>> {
    let Some((test, others)) = parts.split_last() else { return Ok(None) };
    if parts.iter().map(|part| part.images.len()).sum::<usize>() > MOST_COMPARED {
        return Ok(None);
    }
    // Pairs of two classes come first, and take the place of others of the same image.
    let mut near = BTreeMap::new();
    for part in others {
        for (image, other) in near_duplicates::among_others(test.images, part.images)? {
            let is_of_its_class = test.images.label(image) == part.images.label(other);
            let pair = (is_of_its_class, (part.name)(other));
            near.entry(image)
                .and_modify(|found: &mut (bool, String)| {
                    if found.0 && !is_of_its_class {
                        *found = pair.clone();
                    }
                })
                .or_insert(pair);
        }
    }
    if near.is_empty() {
        return Ok(None);
    }
    let mut pairs: Vec<(bool, usize, &str)> =
        near.iter().map(|(&image, (is_of_its_class, other))| (*is_of_its_class, image, &**other)).collect();
    pairs.sort_unstable();
    let list = first_few(pairs.iter().map(|&(is_of_its_class, image, other)| {
        let class = if is_of_its_class { "" } else { ", of another class" };
        format!("{} ~ {other}{class}", (test.name)(image))
    }));
    let advice = if test.is_drawn {
        "if they are frames of one burst or photos of one object, take other photos for the test, and put them into a folder test/"
    } else {
        "keep images of one burst or one object in one part"
    };
    let about_labels = match pairs.iter().all(|&(is_of_its_class, ..)| is_of_its_class) {
        true => "",
        false => "\n  check the labels of the pairs of two classes: hardly any network can distinguish such images",
    };
    Ok(Some(format!(
        "NOTE: {} of {} {} nearly the same as images that training sees; accuracy on new images may be lower than on these:{list}\n  {advice}{about_labels}",
        thousands(near.len()),
        counted(test.images.len(), "test image"),
        if near.len() == 1 { "is" } else { "are" },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ImageShape;

    /// Images of one pixel.
    fn pixels(pixels: &[u8], labels: &[u16]) -> Images {
        Images::new(ImageShape { height: 1, width: 1, channels: 1 }, pixels.to_vec(), labels.to_vec())
    }

    fn warn(train: &Images, test: &Images) -> Vec<String> {
        warnings(&[
            Part { images: train, name: &|index| format!("train {index}"), is_drawn: false },
            Part { images: test, name: &|index| format!("test {index}"), is_drawn: false },
        ])
        .unwrap()
    }

    #[test]
    fn a_test_image_a_shade_from_a_training_image_is_noted_with_both_names() {
        let shape = ImageShape { height: 2, width: 2, channels: 1 };
        let set_of = |label, images: &[[u8; 4]]| Images::new(shape, images.concat(), vec![label; images.len()]);
        let set = |images: &[[u8; 4]]| set_of(0, images);
        let (train, validation) = (set(&[[0, 50, 100, 200], [10, 200, 30, 40]]), set(&[[80, 0, 0, 200]]));
        let note = |test: &Images, is_drawn| {
            near_note(&[
                Part { images: &train, name: &|index| format!("train {index}"), is_drawn: true },
                Part { images: &validation, name: &|index| format!("validation {index}"), is_drawn: true },
                Part { images: test, name: &|index| format!("test {index}"), is_drawn },
            ])
        };
        let test = set(&[[0, 50, 100, 200], [90, 90, 0, 7], [12, 202, 32, 42], [81, 1, 0, 200]]);
        let expected = "\
NOTE: 2 of 4 test images are nearly the same as images that training sees; accuracy on new images may be lower than on these:
  test 2 ~ train 1
  test 3 ~ validation 0
  keep images of one burst or one object in one part";
        assert_eq!(note(&test, false).unwrap().unwrap(), expected);
        assert!(note(&test, true).unwrap().unwrap().ends_with("and put them into a folder test/"));
        assert_eq!(note(&set(&[[90, 90, 0, 7]]), false).unwrap(), None);

        let expected = "\
NOTE: 1 of 1 test image is nearly the same as images that training sees; accuracy on new images may be lower than on these:
  test 0 ~ train 1, of another class
  keep images of one burst or one object in one part
  check the labels of the pairs of two classes: hardly any network can distinguish such images";
        assert_eq!(note(&set_of(1, &[[12, 202, 32, 42]]), false).unwrap().unwrap(), expected);
    }

    #[test]
    fn what_differs_or_repeats_within_a_class_and_a_part_is_no_cause_for_a_warning() {
        assert_eq!(warn(&pixels(&[1, 2, 2], &[0, 1, 1]), &pixels(&[3, 3], &[0, 0])), [""; 0]);
    }

    #[test]
    fn five_pairs_are_named_and_the_others_counted() {
        let train = pixels(&[1, 2, 3, 4, 5, 6, 7], &[0; 7]);
        let test = pixels(&[7, 6, 5, 4, 3, 2, 9], &[0; 7]);
        let expected = "\
WARNING: 6 images in two parts of the data, the same at 1x1x1:
  train 6 = test 0
  train 5 = test 1
  train 4 = test 2
  train 3 = test 3
  train 2 = test 4
  and 1 more
  Accuracy on images that were trained on means little; keep each image in one part.";
        assert_eq!(warn(&train, &test), [expected]);
    }

    #[test]
    fn an_image_under_two_classes_is_named_with_both() {
        let expected = "\
WARNING: 1 image in two classes, the same at 1x1x1:
  train 0 = train 2
  No network can distinguish these; keep each image in one class.";
        assert_eq!(warn(&pixels(&[1, 2, 1], &[0, 1, 1]), &pixels(&[3], &[0])), [expected]);
        assert_eq!(warn(&pixels(&[1], &[0]), &pixels(&[1], &[1])).len(), 2, "both at once are two warnings");
    }
}
