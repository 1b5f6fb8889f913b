//! Which images of a folder a model is tested on, and what is known of them: whether its training saw them.
//!
//! | what is at hand | what is known |
//! |---|---|
//! | the run, and so its [`Manifest`] | of each image whether it was trained on, validated on, held out, or not there |
//! | the same images as in training, by the [`Fingerprint`] in the model file | which were held out; the others were trained or validated on |
//! | other images, and the share in the model file | those that the share falls on were not trained on: held out if they were there, new if not |
//! | none of these | nothing |
//!
//! [`Fingerprint`]: crate::image::held_out::Fingerprint

use serde::Serialize;

use super::content::{ContentHash, fingerprint};
use super::held_out::{Draw, Split, draw, may_be_copied};
use super::manifest::Manifest;
use super::split;
use crate::image::held_out::HeldOut;

/// Decided the order of test images in trainers that chose them by name.
pub(super) const SEED_OF_NAMES: u64 = 0x7E57;

/// Which of the images there are a model is tested on, and what is known of them.
///
/// Of the images tested on, `untouched + trained_or_validated_on + unknown` are all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// Images there are: of the folder, or of its part to test on.
    pub available: usize,
    /// Which of them.
    pub selection: Selection,
    /// The share that the model's training held out, where it drew the test images itself.
    pub share: Option<f64>,
    /// By what the rest is known.
    pub evidence: Evidence,
    /// Images tested on that were neither trained nor validated on.
    pub untouched: usize,
    /// Those of them that the training did not have; known by the run.
    pub new: Option<usize>,
    /// Images tested on that were trained on; known by the run.
    pub trained_on: Option<usize>,
    /// Images tested on that were validated on; known by the run.
    pub validated_on: Option<usize>,
    /// Images tested on that were one or the other.
    pub trained_or_validated_on: usize,
    /// Images tested on of which neither is known.
    pub unknown: usize,
}

/// Which images a model is tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those of the folder's own part for it, or of the IDX files for it.
    TestPart,
    /// Those that the training held out.
    HeldOut,
    /// All of them.
    All,
}

/// By what is known whether the training saw an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// By the hashes that the run kept.
    Run,
    /// The images are those of the training.
    SameImages,
    /// Images came, went or changed, or are others altogether; the rule of the split still holds for each image.
    Rule,
    /// By nothing.
    Nothing,
}

/// What an image is to the training of the model.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    New,
    Untouched,
    TrainedOn,
    ValidatedOn,
    Touched,
    Unknown,
}

/// Images that a model can be tested on.
pub(super) struct Candidates<'a> {
    /// What they show.
    pub contents: &'a [ContentHash],
    /// The class of each.
    pub labels: &'a [usize],
    /// Classes of the model.
    pub classes: usize,
    /// Whether they are the folder's own test part.
    pub is_test_part: bool,
}

impl Candidates<'_> {
    /// Indices of those to test on, and what is known of these. `held_out` is from the model file; `all` are taken where
    /// the user wants so.
    pub fn select(&self, held_out: Option<HeldOut>, all: bool, manifest: Option<&Manifest>) -> (Vec<usize>, Tested) {
        let pool = held_out.filter(|_| !self.is_test_part);
        let same = pool.and_then(|held_out| self.same_images(held_out));
        let splits = manifest.map(Manifest::splits);
        let is_under = |index: usize| {
            held_out.is_some_and(|HeldOut { share, fingerprint }| {
                fingerprint.is_some() && self.contents[index].test_position().is_under(share)
            })
        };
        let past = |index: usize| match (&splits, &same) {
            (Some(splits), _) => match splits.get(&self.contents[index]) {
                None => Past::New,
                Some(Split::Test) => Past::Untouched,
                Some(Split::Train) => Past::TrainedOn,
                Some(Split::Validation) => Past::ValidatedOn,
            },
            (None, Some(same)) => same[index],
            (None, None) if is_under(index) => Past::Untouched,
            (None, None) => Past::Unknown,
        };
        let by_name = pool.filter(|held_out| held_out.fingerprint.is_none() && !all && splits.is_none());
        let (selection, chosen): (Selection, Vec<usize>) = match (pool, by_name) {
            _ if self.is_test_part => (Selection::TestPart, (0..self.contents.len()).collect()),
            (None, _) => (Selection::All, (0..self.contents.len()).collect()),
            _ if all => (Selection::All, (0..self.contents.len()).collect()),
            (_, Some(HeldOut { share, .. })) => (Selection::HeldOut, self.by_name(share)),
            (Some(_), None) => {
                let is_held_out = |&index: &usize| match past(index) {
                    Past::Untouched => true,
                    // An image that came later is tested on if the next training would hold it out too.
                    Past::New => is_under(index),
                    Past::TrainedOn | Past::ValidatedOn | Past::Touched | Past::Unknown => false,
                };
                (Selection::HeldOut, (0..self.contents.len()).filter(is_held_out).collect())
            }
        };
        let evidence = match (&splits, &same, held_out) {
            (Some(_), ..) => Evidence::Run,
            (None, Some(_), _) => Evidence::SameImages,
            (None, None, Some(HeldOut { fingerprint: Some(_), .. })) => Evidence::Rule,
            (None, None, _) => Evidence::Nothing,
        };
        let count = |wanted: &[Past]| chosen.iter().filter(|&&index| wanted.contains(&past(index))).count();
        let by_run = |wanted| splits.is_some().then(|| count(&[wanted]));
        let tested = Tested {
            available: self.contents.len(),
            selection,
            share: held_out.map(|held_out| held_out.share),
            evidence,
            untouched: count(&[Past::New, Past::Untouched]),
            new: by_run(Past::New),
            trained_on: by_run(Past::TrainedOn),
            validated_on: by_run(Past::ValidatedOn),
            trained_or_validated_on: count(&[Past::TrainedOn, Past::ValidatedOn, Past::Touched]),
            unknown: count(&[Past::Unknown]),
        };
        (chosen, tested)
    }

    /// What these images are to the training, if they are those that it had, to the last one.
    fn same_images(&self, HeldOut { share, fingerprint: expected }: HeldOut) -> Option<Vec<Past>> {
        let found = fingerprint(self.contents.iter().copied().zip(self.labels.iter().copied()));
        let what = Draw { test: Some(share), validation: None };
        let drawn = (Some(found) == expected).then(|| draw(self.contents, self.labels, self.classes, what).ok());
        let splits = drawn.flatten()?.splits;
        let is_copied = may_be_copied(self.contents, self.labels, self.classes);
        let past = |(&split, &class): (&Split, &usize)| match split {
            _ if is_copied[class] => Past::Unknown,
            Split::Test => Past::Untouched,
            Split::Train | Split::Validation => Past::Touched,
        };
        Some(splits.iter().zip(self.labels).map(past).collect())
    }

    /// What trainers held out that chose by name. None where there are too few images.
    fn by_name(&self, share: f64) -> Vec<usize> {
        let labels: Vec<u16> = self.labels.iter().map(|&label| label as u16).collect();
        split::stratified(&labels, self.classes, share, SEED_OF_NAMES).map_or(Vec::new(), |(_, held_out)| held_out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::manifest::Entry;
    use crate::dataset::{Dataset, ImageShape, Images};
    use crate::image::Preprocessing;

    const SHARE: f64 = 0.3;
    const SHAPE: ImageShape = ImageShape { height: 1, width: 2, channels: 1 };

    fn pixels(number: u16) -> [u8; 2] {
        number.to_le_bytes()
    }

    fn class(number: u16) -> usize {
        usize::from(number % 2)
    }

    /// A training on images of these numbers: what its model file holds, and what its run kept.
    fn training(numbers: &[u16]) -> Option<(HeldOut, Manifest)> {
        let contents: Vec<ContentHash> =
            numbers.iter().map(|&number| ContentHash::of(SHAPE, &pixels(number))).collect();
        let labels: Vec<usize> = numbers.iter().map(|&number| class(number)).collect();
        let what = Draw { test: Some(SHARE), validation: Some((0.2, 48)) };
        let drawn = draw(&contents, &labels, 2, what).ok()?;
        let part = |wanted: Split| {
            let chosen: Vec<u16> =
                (0..numbers.len()).filter(|&i| drawn.splits[i] == wanted).map(|i| numbers[i]).collect();
            let images = Images::new(
                SHAPE,
                chosen.iter().flat_map(|&number| pixels(number)).collect(),
                chosen.iter().map(|number| (number % 2) as _).collect(),
            );
            images.with_names(chosen.iter().map(u16::to_string))
        };
        let dataset = Dataset {
            name: "numbers".to_owned(),
            class_names: ["even", "odd"].map(str::to_owned).to_vec(),
            preprocessing: Preprocessing::Bytes,
            train: part(Split::Train),
            validation: part(Split::Validation),
            test: part(Split::Test),
        };
        let fingerprint = fingerprint(contents.iter().copied().zip(labels.iter().copied()));
        Some((HeldOut { share: SHARE, fingerprint: Some(fingerprint) }, Manifest::of(&dataset).unwrap()?))
    }

    /// The numbers tested on, and what is known of them.
    fn tested(
        numbers: &[u16],
        is_test_part: bool,
        held_out: Option<HeldOut>,
        all: bool,
        manifest: Option<&Manifest>,
    ) -> (Vec<u16>, Tested) {
        let contents: Vec<ContentHash> =
            numbers.iter().map(|&number| ContentHash::of(SHAPE, &pixels(number))).collect();
        let labels: Vec<usize> = numbers.iter().map(|&number| class(number)).collect();
        let candidates = Candidates { contents: &contents, labels: &labels, classes: 2, is_test_part };
        let (chosen, tested) = candidates.select(held_out, all, manifest);
        (chosen.into_iter().map(|index| numbers[index]).collect(), tested)
    }

    fn files(manifest: &Manifest, is_wanted: impl Fn(Split) -> bool) -> Vec<u16> {
        let mut numbers: Vec<u16> = manifest
            .entries()
            .iter()
            .filter(|Entry { split, .. }| is_wanted(*split))
            .map(|entry| entry.file.parse().unwrap())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever comes to a folder and goes from it, with the run at hand or without: what is tested on as held out was
        /// never trained on.
        #[test]
        fn nothing_that_was_trained_on_is_ever_tested_on_as_held_out(
            before in prop::collection::btree_set(0u16..2000, 6..80),
            added in prop::collection::btree_set(0u16..2000, 0..80),
            removed in prop::collection::btree_set(0u16..2000, 0..1000),
        ) {
            let numbers: Vec<u16> = before.iter().copied().collect();
            let Some((held_out, manifest)) = training(&numbers) else { return Ok(()) };
            let learned = files(&manifest, |split| split != Split::Test);
            let after: Vec<u16> = before.union(&added).copied().filter(|number| !removed.contains(number)).collect();
            for manifest in [None, Some(&manifest)] {
                let (chosen, tested) = tested(&after, false, Some(held_out), false, manifest);
                prop_assert!(chosen.iter().all(|number| !learned.contains(number)), "{:?}", tested);
                prop_assert_eq!((tested.untouched, tested.trained_or_validated_on, tested.unknown), (chosen.len(), 0, 0));
                prop_assert_eq!(tested.selection, Selection::HeldOut);
            }
            for (is_part, manifest) in [(false, None), (false, Some(&manifest)), (true, None), (true, Some(&manifest))] {
                let (chosen, tested) = tested(&after, is_part, Some(held_out), true, manifest);
                prop_assert_eq!(&chosen, &after);
                prop_assert_eq!(tested.untouched + tested.trained_or_validated_on + tested.unknown, after.len());
                if manifest.is_some() {
                    let of = |split| {
                        let files = files(manifest.unwrap(), |one| one == split);
                        Some(after.iter().filter(|number| files.contains(number)).count())
                    };
                    let expected = (of(Split::Train), of(Split::Validation), 0);
                    prop_assert_eq!((tested.trained_on, tested.validated_on, tested.unknown), expected);
                }
            }
        }

        #[test]
        fn the_same_images_in_any_order_are_tested_on_as_they_were_held_out(
            numbers in prop::collection::btree_set(0u16..2000, 6..80),
        ) {
            let numbers: Vec<u16> = numbers.into_iter().collect();
            let Some((held_out, manifest)) = training(&numbers) else { return Ok(()) };
            let expected = files(&manifest, |split| split == Split::Test);
            let renamed: Vec<u16> = numbers.iter().rev().copied().collect();
            let (mut chosen, tested) = tested(&renamed, false, Some(held_out), false, None);
            chosen.sort_unstable();
            prop_assert_eq!(chosen, expected);
            prop_assert_eq!(tested.evidence, Evidence::SameImages);
        }
    }

    #[test]
    fn what_is_known_is_reported_by_what_is_at_hand() {
        let numbers: Vec<u16> = (0..100).collect();
        let (held_out, manifest) = training(&numbers).unwrap();
        let older = HeldOut { fingerprint: None, ..held_out };
        let counts = |numbers: &[u16], held_out, all, manifest| {
            let (_, t) = tested(numbers, false, held_out, all, manifest);
            (t.evidence, t.selection, t.untouched, t.trained_or_validated_on, t.unknown)
        };
        let held = files(&manifest, |split| split == Split::Test).len();
        let changed: Vec<u16> = (1..100).collect();
        use Evidence::{Nothing, Rule, Run, SameImages};
        use Selection::{All, HeldOut as Held};
        assert_eq!(counts(&numbers, Some(held_out), true, Some(&manifest)), (Run, All, held, 100 - held, 0));
        assert_eq!(counts(&numbers, Some(held_out), true, None), (SameImages, All, held, 100 - held, 0));
        let (evidence, selection, untouched, learned, unknown) = counts(&changed, Some(held_out), true, None);
        assert_eq!((evidence, selection, learned, untouched + unknown), (Rule, All, 0, 99));
        assert_eq!(counts(&numbers, None, false, None), (Nothing, All, 0, 0, 100));
        assert_eq!(counts(&numbers, Some(older), true, None), (Nothing, All, 0, 0, 100));
        assert_eq!(counts(&numbers, Some(older), false, None), (Nothing, Held, 0, 0, 30));
        assert_eq!(tested(&numbers, true, None, false, None).1.selection, Selection::TestPart);
    }
}
