//! Which images of a folder are trained on, validated on and tested on, where its user did not decide: each image by itself.
//!
//! An image is a test image if its [`ContentHash`] has a position under the share of the test. That depends on nothing else: not on
//! its name, not on other images, not on the seed. So an image that was trained on is never a test image later, whatever
//! comes and goes around it. Validation images are drawn from the rest in the same way, by another position that the seed
//! moves. Equal images have equal positions, and are on one side.
//!
//! Such a rule gives a class of `n` images a test share only on average, and none at all with a probability of
//! `(1 - share)^n`: 0.2 for 10 images. The image whose position is next then *stands in*. A stand-in is the one exception to
//! the independence above: an image that is added with a lower position takes its place in the next training, and where it
//! is removed, the next one is an image that was trained on. Hence whoever tests a model later relies on stand-ins only where it
//! is certain that the images are those of the training; see [`tested`](super::tested).
//!
//! A class without validation images gets a stand-in too, and one that would be all validated on keeps its last image for
//! training. Nothing is claimed of validation images later, so no exception is needed there.
//!
//! A class of many images that are copies of one or two cannot have different images on all sides. Its copies are then on
//! several sides, and it is named: its accuracy is that of images trained on.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::content::{ContentHash, Position};

/// What an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The weights are fitted to it.
    Train,
    /// The epoch is chosen by it.
    Validation,
    /// Nothing is chosen by it.
    Test,
}

/// How the images that are held out of a folder were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitRule {
    /// By the order of their names, as earlier trainers did; their runs are still resumed.
    #[default]
    ByName,
    /// By their content.
    ByContent,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Draw {
    /// Share of the images for the test; `None` where the user has test images.
    pub test: Option<f64>,
    /// Share of the others for validation, and the seed; `None` where the user has validation images.
    pub validation: Option<(f64, u64)>,
}

/// What each image is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Of each image.
    pub splits: Vec<Split>,
    /// Classes on no image of which the test share falls.
    pub stand_ins: Vec<StandIn>,
    /// Classes whose equal images are on several sides.
    pub copied: Vec<CopiedClass>,
}

/// A class of enough images that are too few different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedClass {
    /// The class.
    pub class: usize,
    /// Its different images.
    pub different: usize,
}

/// The image that a class without a test image is tested on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandIn {
    /// The class.
    pub class: usize,
    /// Its index among all images.
    pub image: usize,
    /// Different images of the class.
    pub different: usize,
    /// A test share falls on it that is over this position.
    pub position: Position,
}

/// A class that cannot have an image on each side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShortClass {
    /// It has fewer images than there are sides.
    Few {
        /// The class.
        class: usize,
    },
    /// The test share falls on so many of its images that too few are left.
    TestTakesAll {
        /// The class.
        class: usize,
        /// Its different images.
        different: usize,
        /// Those that the share falls on.
        held_out: usize,
        /// The largest share that leaves enough of every class; 0 where there is none.
        most: f64,
    },
}

/// Decides for each image, given the class of each.
///
/// # Errors
/// [`ShortClass`] where a class has too few images.
pub fn draw(contents: &[ContentHash], labels: &[usize], classes: usize, what: Draw) -> Result<Drawn, ShortClass> {
    let mut groups = Groups::new(contents, labels, classes);
    let sides = what.sides();
    let mut copied = groups.set_copied_apart(sides.len())?;
    let stand_ins = match what.test {
        None => Vec::new(),
        Some(share) => groups.draw_test(share),
    };
    groups.check(what)?;
    if let Some((share, seed)) = what.validation {
        groups.draw_validation(share, seed);
    }
    let mut splits: Vec<Split> = groups.group_of.iter().map(|&group| groups.splits[group]).collect();
    for &CopiedClass { class, .. } in &copied {
        groups.share_out(class, &sides, &mut splits);
    }
    // An image that is in several classes may have been taken from one for another. Test images stay what they are.
    let not_tested: Vec<Split> = sides.iter().copied().filter(|&side| side != Split::Test).collect();
    for class in groups.short_classes(&sides) {
        groups.share_out(class, &not_tested, &mut splits);
        copied.push(CopiedClass { class, different: groups.of_class[class].len() });
    }
    Ok(Drawn { splits, stand_ins, copied })
}

/// For each class, whether there is a draw in which its test images may have copies on another side.
#[must_use]
pub fn may_be_copied(contents: &[ContentHash], labels: &[usize], classes: usize) -> Vec<bool> {
    const MOST_SIDES: usize = 3;
    let groups = Groups::new(contents, labels, classes);
    (0..classes).map(|class| groups.of_class[class].len() < MOST_SIDES.min(groups.images[class].len())).collect()
}

impl Draw {
    /// What images are drawn for; the last of them takes what is left.
    fn sides(self) -> Vec<Split> {
        let sides = [self.test.map(|_| Split::Test), self.validation.map(|_| Split::Validation), Some(Split::Train)];
        sides.into_iter().flatten().collect()
    }
}

/// Equal images, each group of them decided for once.
struct Groups {
    /// Of each image.
    group_of: Vec<usize>,
    /// What the images of each group are.
    contents: Vec<ContentHash>,
    /// What each group is for.
    splits: Vec<Split>,
    /// The groups that have images of each class.
    of_class: Vec<Vec<usize>>,
    /// The images of each class.
    images: Vec<Vec<usize>>,
    /// Classes of copies, which are shared out image by image.
    is_copied: Vec<bool>,
}

impl Groups {
    fn new(contents: &[ContentHash], labels: &[usize], classes: usize) -> Self {
        let mut numbers = HashMap::new();
        let mut groups = Self {
            group_of: Vec::with_capacity(contents.len()),
            contents: Vec::new(),
            splits: Vec::new(),
            of_class: vec![Vec::new(); classes],
            images: vec![Vec::new(); classes],
            is_copied: vec![false; classes],
        };
        for (image, (&content, &class)) in contents.iter().zip(labels).enumerate() {
            let group = *numbers.entry(content).or_insert_with(|| {
                groups.contents.push(content);
                groups.splits.push(Split::Train);
                groups.contents.len() - 1
            });
            groups.group_of.push(group);
            groups.of_class[class].push(group);
            groups.images[class].push(image);
        }
        for class in &mut groups.of_class {
            class.sort_unstable();
            class.dedup();
        }
        groups
    }

    /// Classes that have images, and are not shared out image by image.
    fn whole_classes(&self) -> impl Iterator<Item = usize> + Clone {
        (0..self.of_class.len()).filter(|&class| !self.of_class[class].is_empty() && !self.is_copied[class])
    }

    /// Finds the classes that have images for so many sides and too few different ones.
    fn set_copied_apart(&mut self, sides: usize) -> Result<Vec<CopiedClass>, ShortClass> {
        let few: Vec<usize> = self.whole_classes().filter(|&class| self.of_class[class].len() < sides).collect();
        let mut copied = Vec::new();
        for class in few {
            let different = self.of_class[class].len();
            if self.images[class].len() < sides {
                return Err(ShortClass::Few { class });
            }
            self.is_copied[class] = true;
            copied.push(CopiedClass { class, different });
        }
        Ok(copied)
    }

    /// Gives each of these sides one image of a class of copies, equal ones first, and the last side all others.
    fn share_out(&self, class: usize, sides: &[Split], splits: &mut [Split]) {
        let is_to_share = |&image: &usize| splits[image] != Split::Test || sides.contains(&Split::Test);
        let mut images: Vec<usize> = self.images[class].iter().copied().filter(is_to_share).collect();
        images.sort_by_key(|&image| (self.contents[self.group_of[image]], image));
        for (rank, image) in images.into_iter().enumerate() {
            splits[image] = sides[rank.min(sides.len() - 1)];
        }
    }

    /// Those of a class that are for something.
    fn of(&self, class: usize, split: Split) -> impl Iterator<Item = usize> {
        self.of_class[class].iter().copied().filter(move |&group| self.splits[group] == split)
    }

    /// Gives each class a test image that has two different ones.
    fn draw_test(&mut self, share: f64) -> Vec<StandIn> {
        for (split, content) in self.splits.iter_mut().zip(&self.contents) {
            if content.test_position().is_under(share) {
                *split = Split::Test;
            }
        }
        let mut stand_ins = Vec::new();
        for class in self.whole_classes().collect::<Vec<_>>() {
            let different = self.of_class[class].len();
            if different < 2 || self.of(class, Split::Test).next().is_some() {
                continue;
            }
            let next = self.of(class, Split::Train).min_by_key(|&group| self.contents[group].test_position());
            if let Some(group) = next {
                self.splits[group] = Split::Test;
                let position = self.contents[group].test_position();
                let first = self.images[class].iter().find(|&&image| self.group_of[image] == group);
                stand_ins.extend(first.map(|&image| StandIn { class, image, different, position }));
            }
        }
        stand_ins
    }

    /// Whether the test leaves enough images of each class.
    fn check(&self, what: Draw) -> Result<(), ShortClass> {
        let left = 1 + usize::from(what.validation.is_some());
        for class in self.whole_classes() {
            let held_out = self.of(class, Split::Test).count();
            let different = self.of_class[class].len();
            if different - held_out < left {
                let most = self.whole_classes().map(|class| self.most_test_share(class, left)).fold(1.0, f64::min);
                return Err(ShortClass::TestTakesAll { class, different, held_out, most });
            }
        }
        Ok(())
    }

    /// The largest share that leaves so many images of a class.
    fn most_test_share(&self, class: usize, left: usize) -> f64 {
        let mut positions: Vec<Position> =
            self.of_class[class].iter().map(|&group| self.contents[group].test_position()).collect();
        positions.sort_unstable();
        positions[positions.len() - left].share()
    }

    /// Gives each class a validation image and a training image, if two different ones are left for these.
    fn draw_validation(&mut self, share: f64, seed: u64) {
        let positions: Vec<Position> = self.contents.iter().map(|content| content.validation_position(seed)).collect();
        for (split, position) in self.splits.iter_mut().zip(&positions) {
            if *split == Split::Train && position.is_under(share) {
                *split = Split::Validation;
            }
        }
        for class in self.whole_classes().collect::<Vec<_>>() {
            if self.of(class, Split::Validation).next().is_none()
                && let Some(group) = self.of(class, Split::Train).min_by_key(|&group| positions[group])
            {
                self.splits[group] = Split::Validation;
            }
            if self.of(class, Split::Train).next().is_none()
                && let Some(group) = self.of(class, Split::Validation).max_by_key(|&group| positions[group])
            {
                self.splits[group] = Split::Train;
            }
        }
    }

    /// Classes without an image on one of the sides.
    fn short_classes(&self, sides: &[Split]) -> Vec<usize> {
        let is_short = |&class: &usize| sides.iter().any(|&split| self.of(class, split).next().is_none());
        self.whole_classes().filter(is_short).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::dataset::ImageShape;

    fn content(number: u32) -> ContentHash {
        ContentHash::of(ImageShape { height: 1, width: 4, channels: 1 }, &number.to_le_bytes())
    }

    const DRAW: Draw = Draw { test: Some(0.15), validation: Some((0.2, 48)) };

    /// Images of these numbers, of class `number % classes`.
    fn drawn(numbers: &[u32], classes: usize, what: Draw) -> Result<Drawn, ShortClass> {
        let contents: Vec<ContentHash> = numbers.iter().map(|&number| content(number)).collect();
        let labels: Vec<usize> = numbers.iter().map(|&number| number as usize % classes).collect();
        draw(&contents, &labels, classes, what)
    }

    /// What each number is for.
    fn by_number(numbers: &[u32], drawn: &Drawn) -> BTreeMap<u32, Split> {
        numbers.iter().copied().zip(drawn.splits.iter().copied()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A test image that is no stand-in stays one, and what is trained or validated on never becomes one, whatever is
        /// added, removed or put into another order; under another seed too.
        #[test]
        fn what_comes_and_goes_moves_nobody_into_the_test_nor_out_of_it(
            mut numbers in prop::collection::btree_set(0u32..100_000, 30..200),
            added in prop::collection::btree_set(0u32..100_000, 0..200),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            seed: u64,
        ) {
            let before: Vec<u32> = numbers.iter().copied().collect();
            for index in removed {
                let number = *index.get(&before);
                numbers.remove(&number);
            }
            // In another order, as if all were renamed.
            let mut after: Vec<u32> = numbers.union(&added).copied().collect();
            after.reverse();
            let other_seed = Draw { validation: Some((0.2, seed)), ..DRAW };
            let (Ok(one), Ok(other)) = (drawn(&before, 3, DRAW), drawn(&after, 3, other_seed)) else { return Ok(()) };
            let stand_ins = |drawn: &Drawn, numbers: &[u32]| -> BTreeSet<u32> {
                drawn.stand_ins.iter().map(|stand_in| numbers[stand_in.image]).collect()
            };
            let exceptions = &stand_ins(&one, &before) | &stand_ins(&other, &after);
            let other = by_number(&after, &other);
            for (number, split) in by_number(&before, &one) {
                let Some(later) = other.get(&number) else { continue };
                if !exceptions.contains(&number) {
                    prop_assert_eq!(split == Split::Test, *later == Split::Test);
                    prop_assert_eq!(split == Split::Test, content(number).test_position().is_under(0.15));
                }
            }
        }

        #[test]
        fn equal_images_are_on_one_side_and_every_class_is_on_all(
            numbers in prop::collection::vec(0u32..60, 40..200),
            test in prop::option::of(0.05f64..0.5),
            validation in prop::option::of((0.05f64..0.5, any::<u64>())),
        ) {
            let what = Draw { test, validation };
            match drawn(&numbers, 3, what) {
                Err(ShortClass::Few { .. } | ShortClass::TestTakesAll { .. }) => {}
                Ok(drawn) => {
                    let by_number = by_number(&numbers, &drawn);
                    let is_copied = |class: u32| drawn.copied.iter().any(|copied| copied.class == class as usize);
                    for (number, split) in numbers.iter().zip(&drawn.splits).filter(|(number, _)| !is_copied(**number % 3)) {
                        prop_assert_eq!(by_number[number], *split);
                    }
                    for class in (0..3).filter(|&class| !is_copied(class)) {
                        let found: BTreeSet<Split> =
                            by_number.iter().filter(|(number, _)| **number % 3 == class).map(|(_, split)| *split).collect();
                        let all = [
                            Some(Split::Train),
                            what.validation.map(|_| Split::Validation),
                            what.test.map(|_| Split::Test),
                        ];
                        prop_assert_eq!(found, all.into_iter().flatten().collect::<BTreeSet<_>>());
                    }
                }
            }
        }

        #[test]
        fn an_image_under_two_classes_is_on_one_side_too(
            labels in prop::collection::vec((0u32..40, 0usize..3), 30..120),
            seed: u64,
        ) {
            let contents: Vec<ContentHash> = labels.iter().map(|(number, _)| content(*number)).collect();
            let classes: Vec<usize> = labels.iter().map(|(_, class)| *class).collect();
            let what = Draw { validation: Some((0.2, seed)), ..DRAW };
            if let Ok(drawn) = draw(&contents, &classes, 3, what) {
                let is_copied = |class: &usize| drawn.copied.iter().any(|copied| copied.class == *class);
                let of_whole = || {
                    let images = contents.iter().zip(&drawn.splits).zip(&classes);
                    images.filter(|(_, class)| !is_copied(class)).map(|(image, _)| image)
                };
                let side: BTreeMap<ContentHash, Split> = of_whole().map(|(content, split)| (*content, *split)).collect();
                prop_assert!(of_whole().all(|(content, split)| side[content] == *split));
                for class in 0..3 {
                    let found: BTreeSet<Split> =
                        drawn.splits.iter().zip(&classes).filter(|(_, other)| **other == class).map(|(split, _)| *split).collect();
                    prop_assert!(found.len() == 3 || !classes.contains(&class), "every class is on all sides");
                }
            }
        }
    }

    #[test]
    fn the_seed_moves_validation_images_and_never_test_images() {
        let numbers: Vec<u32> = (0..600).collect();
        let under = |seed| drawn(&numbers, 3, Draw { validation: Some((0.2, seed)), ..DRAW }).unwrap().splits;
        let all_of = |splits: &[Split], wanted| -> Vec<usize> {
            (0..splits.len()).filter(|&index| splits[index] == wanted).collect()
        };
        let (one, other) = (under(48), under(49));
        assert_eq!(all_of(&one, Split::Test), all_of(&other, Split::Test));
        assert_ne!(all_of(&one, Split::Validation), all_of(&other, Split::Validation));
        assert_eq!(one, under(48));
        let counts = [Split::Train, Split::Validation, Split::Test].map(|split| all_of(&one, split).len());
        assert!((60..=120).contains(&counts[2]) && (70..=135).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn a_class_that_the_share_misses_is_tested_on_its_next_image_and_named() {
        // Those of ten numbers that the share falls on are left out of the first class.
        let missed: Vec<u32> =
            (0..100).step_by(2).filter(|&number| !content(number).test_position().is_under(0.15)).take(5).collect();
        let others: Vec<u32> = (1..100).step_by(2).collect();
        let numbers = [missed.clone(), others].concat();
        let drawn = drawn(&numbers, 2, DRAW).unwrap();
        let next = missed.iter().copied().min_by_key(|&number| content(number).test_position()).unwrap();
        let [stand_in] = drawn.stand_ins[..] else { panic!("{:?}", drawn.stand_ins) };
        assert_eq!((stand_in.class, numbers[stand_in.image], stand_in.different), (0, next, 5));
        assert_eq!(drawn.splits[stand_in.image], Split::Test);
        assert!(stand_in.position.share() >= 0.15);
        // The share that the message names.
        let larger = Draw { test: Some(stand_in.position.share() + 0.01), ..DRAW };
        assert_eq!(
            super::draw(
                &numbers.iter().map(|&number| content(number)).collect::<Vec<_>>(),
                &numbers.iter().map(|&number| number as usize % 2).collect::<Vec<_>>(),
                2,
                larger,
            )
            .unwrap()
            .stand_ins,
            []
        );
    }

    #[test]
    fn copies_are_on_several_sides_only_where_there_are_too_few_different_images() {
        let sides = |numbers: &[u32], what| {
            drawn(numbers, 2, what).map(|drawn| {
                let of_class: Vec<Split> = drawn
                    .splits
                    .iter()
                    .zip(numbers)
                    .filter(|(_, number)| *number % 2 == 0)
                    .map(|(split, _)| *split)
                    .collect();
                (drawn.copied, of_class.iter().copied().collect::<BTreeSet<_>>().len(), of_class)
            })
        };
        let others = [1, 3, 5, 7];
        let with = |numbers: &[u32]| [numbers, &others[..]].concat();
        let (copied, found, _) = sides(&with(&[2, 2, 2, 4]), DRAW).unwrap();
        assert_eq!((copied, found), (vec![CopiedClass { class: 0, different: 2 }], 3));
        let (copied, found, of_class) = sides(&with(&[2, 2, 2, 4]), Draw { test: None, ..DRAW }).unwrap();
        assert_eq!((copied, found), (vec![], 2));
        assert!(of_class[0] == of_class[1] && of_class[1] == of_class[2] && of_class[2] != of_class[3]);
        let (copied, found, _) = sides(&with(&[2, 2]), Draw { test: None, ..DRAW }).unwrap();
        assert_eq!((copied, found), (vec![CopiedClass { class: 0, different: 1 }], 2));
        let refused = sides(&with(&[2, 2]), DRAW).unwrap_err();
        assert_eq!(refused, ShortClass::Few { class: 0 });
        // One image in all files of both classes.
        let one = draw(&[content(1); 8], &[0, 1, 0, 1, 0, 1, 0, 1], 2, DRAW).unwrap();
        assert_eq!(one.copied.len(), 2);
        assert_eq!(
            [Split::Train, Split::Validation, Split::Test].map(|side| one
                .splits
                .iter()
                .filter(|&&s| s == side)
                .count()),
            [4, 2, 2]
        );
    }

    #[test]
    fn a_share_that_takes_a_whole_class_is_answered_with_one_that_does_not() {
        let numbers: Vec<u32> = (0..12).collect();
        let Err(ShortClass::TestTakesAll { different, held_out, most, .. }) =
            drawn(&numbers, 3, Draw { test: Some(0.99), ..DRAW })
        else {
            panic!("99% of 4 images leave two");
        };
        assert_eq!((different, held_out), (4, 4));
        assert!(most > 0.0 && most < 0.99, "{most}");
        assert!(drawn(&numbers, 3, Draw { test: Some(most), ..DRAW }).is_ok(), "{most}");
    }

    #[test]
    fn three_different_images_are_enough_for_three_sides() {
        for first in (0..300).step_by(3) {
            let numbers: Vec<u32> = (first..first + 3).collect();
            match drawn(&numbers, 1, DRAW) {
                Ok(drawn) => {
                    let mut splits = drawn.splits;
                    splits.sort_unstable();
                    assert_eq!(splits, [Split::Train, Split::Validation, Split::Test]);
                }
                Err(error) => assert!(matches!(error, ShortClass::TestTakesAll { held_out: 2.., .. }), "{error:?}"),
            }
        }
    }

    #[test]
    fn a_class_without_images_is_left_alone() {
        assert!(draw(&[content(1), content(2), content(3)], &[2; 3], 4, Draw { validation: None, ..DRAW }).is_ok());
    }
}
