//! Which fold a training image is in: each fold has its share of every class, and images that are nearly the same are in one.

use std::io;

use crate::dataset::{Dataset, Images, near_duplicates};
use crate::support::limits::MOST_LOGITS;
use crate::support::printable::in_one_line;
use crate::support::rng::{self, Purpose};

/// The fold of each training image, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    of_image: Vec<usize>,
    count: usize,
}

/// Why there are no such folds.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FoldsError {
    /// One fold leaves nothing to train on.
    #[error("cross-validation needs 2 folds at least; with {folds}, nothing is left to train on")]
    Few {
        /// How many were wanted.
        folds: usize,
    },
    /// A class is in some folds only.
    #[error(
        "{folds} folds need as many images of each class that are not nearly the same, but class {} has {different}: take fewer folds, or \
         add images",
        in_one_line(.class)
    )]
    TooMany {
        /// How many were wanted.
        folds: usize,
        /// The class with the fewest.
        class: String,
        /// Its images, those that are nearly the same counted once.
        different: usize,
    },
    /// More logits than are kept.
    #[error(
        "cross-validation keeps the logits of each image after each epoch, and {images} images of {classes} classes in {epochs} epochs are \
         {} million numbers, but at most {} are kept: hold out validation images instead, or take fewer epochs",
        images * classes * epochs / 1_000_000,
        MOST_LOGITS / 1_000_000
    )]
    TooLarge {
        /// Training images.
        images: usize,
        /// Classes.
        classes: usize,
        /// Epochs of the recipe.
        epochs: usize,
    },
    /// The images are in a file that cannot be read.
    #[error(transparent)]
    Images(#[from] io::Error),
}

impl Folds {
    /// Deals images of classes of these names into `count` folds.
    ///
    /// Images that are [nearly the same](near_duplicates) are dealt together. The groups of a class come in an order that the seed
    /// decides, the largest first; each goes to the fold that has the fewest images of the class, of equals to the one with the fewest
    /// of all.
    ///
    /// # Errors
    /// [`FoldsError`].
    pub fn draw(images: &Images, class_names: &[String], count: usize, seed: u64) -> Result<Self, FoldsError> {
        if count < 2 {
            return Err(FoldsError::Few { folds: count });
        }
        let classes = class_names.len();
        let groups = members(&near_duplicates::groups(images)?);
        let class_of = |&image: &usize| usize::from(images.label(image));
        let mut of_class = vec![Vec::new(); classes];
        for group in groups {
            // One that is in several classes is dealt with those of its first image.
            of_class[class_of(&group[0])].push(group);
        }
        let mut folds = Self { of_image: vec![0; images.len()], count };
        // With one fold more than there are images, one is empty and all are refused below: a number of any size takes no more memory.
        let mut dealt = vec![vec![0; classes]; count.min(images.len() + 1)];
        for (class, mut groups) in of_class.into_iter().enumerate() {
            rng::shuffle(&mut groups, &mut rng::stream(seed, Purpose::Folds, class as u64));
            groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
            for group in groups {
                let load = |&fold: &usize| (dealt[fold][class], dealt[fold].iter().sum::<usize>());
                let fold = (0..dealt.len()).min_by_key(load).unwrap_or(0);
                for image in group {
                    folds.of_image[image] = fold;
                    dealt[fold][class_of(&image)] += 1;
                }
            }
        }
        let present = (0..classes).filter(|&class| dealt.iter().any(|fold| fold[class] > 0));
        let folds_with = |class: usize| dealt.iter().filter(|fold| fold[class] > 0).count();
        // A class that is in fewer folds than there are has that many groups, as each went where none was.
        match present.map(|class| (folds_with(class), class)).min() {
            Some((different, class)) if different < count => {
                Err(FoldsError::TooMany { folds: count, class: class_names[class].clone(), different })
            }
            _ => Ok(folds),
        }
    }

    /// Refuses sets of which the logits after so many epochs are more than are kept.
    ///
    /// # Errors
    /// [`FoldsError::TooLarge`].
    pub fn check_logits(images: usize, classes: usize, epochs: usize) -> Result<(), FoldsError> {
        match images.saturating_mul(classes).saturating_mul(epochs) > MOST_LOGITS {
            true => Err(FoldsError::TooLarge { images, classes, epochs }),
            false => Ok(()),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The fold of each image.
    #[must_use]
    pub fn of_image(&self) -> &[usize] {
        &self.of_image
    }

    /// The images of a fold, in ascending order.
    pub fn held_out(&self, fold: usize) -> impl Iterator<Item = usize> {
        (0..self.of_image.len()).filter(move |&image| self.of_image[image] == fold)
    }

    /// What the fit is trained and validated on that leaves out this fold; test images are none of its business.
    #[must_use]
    pub fn part(&self, dataset: &Dataset, fold: usize) -> Dataset {
        let (held_out, trained): (Vec<usize>, Vec<usize>) =
            (0..self.of_image.len()).partition(|&image| self.of_image[image] == fold);
        Dataset {
            train: dataset.train.subset(&trained),
            validation: dataset.train.subset(&held_out),
            test: dataset.test.subset(&[]),
            ..dataset.clone()
        }
    }
}

/// The images of each group.
fn members(groups: &[usize]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); groups.iter().max().map_or(0, |last| last + 1)];
    for (image, &group) in groups.iter().enumerate() {
        members[group].push(image);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ImageShape;
    use crate::support::rng::{RngExt, stream};

    const SHAPE: ImageShape = ImageShape { height: 6, width: 6, channels: 1 };

    /// Images of these classes, those of one number equal.
    fn images(labels: &[u16], numbers: &[u64]) -> Images {
        let pixels = numbers.iter().flat_map(|&number| {
            let mut generator = stream(number, Purpose::Garments, 0);
            (0..SHAPE.len()).map(|_| generator.random()).collect::<Vec<u8>>()
        });
        Images::new(SHAPE, pixels.collect(), labels.to_vec())
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    #[test]
    fn every_fold_has_its_share_of_every_class() {
        let labels: Vec<u16> = (0..103).map(|image| if image % 10 == 0 { 0 } else { 1 + image % 2 }).collect();
        let images = images(&labels, &(0..103).collect::<Vec<_>>());
        let folds = Folds::draw(&images, &names(3), 5, 48).unwrap();
        for class in 0..3 {
            let of_class = labels.iter().filter(|&&label| label == class).count();
            for fold in 0..5 {
                let held_out = folds.held_out(fold).filter(|&image| labels[image] == class).count();
                assert!((of_class / 5..=of_class.div_ceil(5)).contains(&held_out), "{held_out} of {of_class}");
            }
        }
        assert!((0..5).all(|fold| (20..=21).contains(&folds.held_out(fold).count())));
        assert_eq!(Folds::draw(&images, &names(3), 5, 48).unwrap(), folds);
        assert_ne!(Folds::draw(&images, &names(3), 5, 49).unwrap(), folds);
    }

    #[test]
    fn equal_images_are_in_one_fold_under_two_classes_too() {
        let numbers: Vec<u64> = (0..60).map(|image| image / 3).collect();
        let labels: Vec<u16> = (0..60).map(|image| u16::from(image % 3 == 0 && image < 6) ^ (image / 30)).collect();
        let folds = Folds::draw(&images(&labels, &numbers), &names(2), 4, 48).unwrap();
        for image in 1..60 {
            if numbers[image] == numbers[image - 1] {
                assert_eq!(folds.of_image()[image], folds.of_image()[image - 1], "image {image}");
            }
        }
    }

    #[test]
    fn no_image_is_trained_on_and_held_out_by_one_fit() {
        let labels: Vec<u16> = (0..40).map(|image| image % 2).collect();
        let train = images(&labels, &(0..40).collect::<Vec<_>>()).with_names((0..40).map(|image| image.to_string()));
        let dataset = Dataset {
            name: "noise".to_owned(),
            class_names: names(2),
            preprocessing: crate::image::Preprocessing::Bytes,
            validation: train.subset(&[]),
            test: train.subset(&[0, 1]),
            train,
        };
        let folds = Folds::draw(&dataset.train, &dataset.class_names, 4, 48).unwrap();
        let names = |images: &Images| -> Vec<String> {
            (0..images.len()).map(|image| images.name(image).unwrap().to_owned()).collect()
        };
        let mut held_out = Vec::new();
        for fold in 0..4 {
            let part = folds.part(&dataset, fold);
            assert!(names(&part.validation).iter().all(|name| !names(&part.train).contains(name)));
            assert_eq!((part.train.len(), part.validation.len(), part.test.len()), (30, 10, 0));
            held_out.extend(names(&part.validation));
        }
        held_out.sort_by_key(|name| name.parse::<usize>().unwrap());
        assert_eq!(held_out, names(&dataset.train), "each is held out once");
    }

    #[test]
    fn more_folds_than_a_class_has_different_images_are_refused_with_its_name() {
        let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        let images = images(&labels, &[0, 1, 2, 3, 4, 5, 6, 6, 7, 8]);
        assert!(Folds::draw(&images, &names(2), 3, 48).is_ok());
        let message = Folds::draw(&images, &names(2), 4, 48).unwrap_err().to_string();
        assert!(message.contains("4 folds") && message.contains("class class 1 has 3: take fewer"), "{message}");
        let message = Folds::draw(&images, &names(2), usize::MAX, 48).unwrap_err().to_string();
        assert!(message.contains("class class 1 has 3: take fewer"), "{message}");
        for few in [0, 1] {
            assert!(matches!(Folds::draw(&images, &names(2), few, 48), Err(FoldsError::Few { .. })));
        }
        assert!(Folds::check_logits(400, 10, 100).is_ok());
        let message = Folds::check_logits(60_000, 10, 100).unwrap_err().to_string();
        assert!(message.contains("60 million numbers, but at most 16 are kept"), "{message}");
    }
}
