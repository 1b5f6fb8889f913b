//! Classes of unequal size: equal weights in the loss, equal numbers in an epoch, or adjusted logits.
//!
//! Of 40 images of one class and 400 of another, a network that never answers with the first is right on 91% of them. There are three
//! ways out. With [`Weights`](Balance::Weights) each image is seen once in an epoch, and steps are of very different sizes. They lose
//! their effect once the network fits its training images: the gradients are near zero, whatever they are multiplied by.
//! [`Sampling`](Balance::Sampling) takes even steps, and shows images of small classes several times, of large ones not all.
//! [`Logits`](Balance::Logits) requires a larger margin of a small class, which stays (Menon and others 2021, "Long-tail learning via
//! logit adjustment").

use serde::{Deserialize, Serialize};

use crate::dataset::split::members;
use crate::support::rng::{self, ChaCha8Rng};

/// What is done about classes of unequal size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Nothing: each image counts alike.
    #[default]
    None,
    /// The loss of an image is multiplied by the [weight of its class](class_weights).
    Weights,
    /// An epoch draws as many images [of each class](Sampler).
    Sampling,
    /// In the loss the [offset of its class](logit_offsets) is added to each logit.
    Logits,
}

impl Balance {
    /// Whether nothing is done.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// How many times as many images a large class has as a small one before a set counts as unbalanced.
const UNBALANCED: usize = 3;

/// The classes with the fewest and with the most images, where the second has at least three times as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// The class with the fewest images, and how many.
    pub fewest: (usize, usize),
    /// The class with the most images, and how many.
    pub most: (usize, usize),
}

impl Imbalance {
    /// Of images with these labels; `None` where no class has three times as many as another. Classes without images do not
    /// count.
    #[must_use]
    pub fn of(labels: &[u16], classes: usize) -> Option<Self> {
        let counts: Vec<usize> = members(labels, classes).iter().map(Vec::len).collect();
        let present = || counts.iter().copied().enumerate().filter(|&(_, count)| count > 0);
        // Of equals the first class.
        let fewest = present().min_by_key(|&(_, count)| count)?;
        let most = present().rev().max_by_key(|&(_, count)| count)?;
        (most.1 >= UNBALANCED * fewest.1).then_some(Self { fewest, most })
    }
}

/// The weight of each class: `images / (classes * images of the class)`, counting classes that have images. The mean over all images is
/// 1, so that a learning rate means what it does without weights. Classes without images have 1.
#[must_use]
pub fn class_weights(labels: &[u16], classes: usize) -> Vec<f32> {
    let members = members(labels, classes);
    let present = members.iter().filter(|members| !members.is_empty()).count();
    let weight = |members: &Vec<usize>| match members.len() {
        0 => 1.0,
        count => (labels.len() as f64 / (present * count) as f64) as f32,
    };
    members.iter().map(weight).collect()
}

/// What is added to the logit of each class in the loss: `ln(classes * images of the class / images)`, which is 0 where all classes are
/// equal. The network learns the logits without them: those of classes that are equally frequent. A class without
/// images has the offset of one with one image.
#[must_use]
pub fn logit_offsets(labels: &[u16], classes: usize) -> Vec<f32> {
    let offset = |members: &Vec<usize>| ((members.len().max(1) * classes) as f64 / labels.len() as f64).ln() as f32;
    members(labels, classes).iter().map(offset).collect()
}

/// Draws the images of an epoch: as many as there are, of each class the same number or one more.
///
/// A class with too few images is gone through several times, in a new order each time; of one with more, others are drawn in each
/// epoch. So within a class no image is drawn twice before all were drawn.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// The images of each class that has any.
    members: Vec<Vec<usize>>,
}

impl Sampler {
    /// Of images with these labels.
    #[must_use]
    pub fn new(labels: &[u16], classes: usize) -> Self {
        let mut members = members(labels, classes);
        members.retain(|members| !members.is_empty());
        Self { members }
    }

    /// The images of an epoch, in the order in which they are drawn.
    #[must_use]
    pub fn draw(&self, generator: &mut ChaCha8Rng) -> Vec<usize> {
        let (classes, images) = (self.members.len().max(1), self.members.iter().map(Vec::len).sum::<usize>());
        // Which classes get one more is drawn too.
        let mut ranks: Vec<usize> = (0..self.members.len()).collect();
        rng::shuffle(&mut ranks, generator);
        let mut order = Vec::with_capacity(images);
        for (members, rank) in self.members.iter().zip(ranks) {
            let mut missing = images / classes + usize::from(rank < images % classes);
            while missing > 0 {
                let mut round = members.clone();
                rng::shuffle(&mut round, generator);
                round.truncate(missing);
                missing -= round.len();
                order.append(&mut round);
            }
        }
        rng::shuffle(&mut order, generator);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    /// 40 images of class 0, 400 of class 2, none of class 1.
    fn labels() -> Vec<u16> {
        (0..440).map(|index| if index % 11 == 0 { 0 } else { 2 }).collect()
    }

    #[test]
    fn classes_count_alike_and_the_mean_weight_of_an_image_is_one() {
        let (labels, weights) = (labels(), class_weights(&labels(), 3));
        assert_eq!(weights, [5.5, 1.0, 0.55]);
        let mean = labels.iter().map(|&label| f64::from(weights[usize::from(label)])).sum::<f64>() / 440.0;
        assert!((mean - 1.0).abs() < 1e-6, "{mean}");
        assert_eq!(class_weights(&[0, 1, 1, 0], 2), [1.0, 1.0]);
    }

    #[test]
    fn logits_are_adjusted_by_the_logarithms_of_the_shares() {
        let offsets = logit_offsets(&labels(), 3);
        for (offset, share) in offsets.iter().zip([40.0 / 440.0, 1.0 / 440.0, 400.0 / 440.0]) {
            assert!((offset - f32::ln(3.0 * share)).abs() < 1e-6, "{offsets:?}");
        }
        assert_eq!(logit_offsets(&[0, 1, 1, 0], 2), [0.0, 0.0]);
    }

    #[test]
    fn an_epoch_has_as_many_images_of_each_class_and_repeats_none_before_all_were_drawn() {
        let labels = labels();
        let sampler = Sampler::new(&labels, 3);
        let draw = |epoch| sampler.draw(&mut stream(48, Purpose::Shuffle, epoch));
        let order = draw(1);
        let times = |order: &[usize], image| order.iter().filter(|&&drawn| drawn == image).count();
        let of_class = |class| (0..440).filter(move |&image| labels[image] == class);
        let rare: Vec<usize> = of_class.clone()(0).map(|image| times(&order, image)).collect();
        let common: Vec<usize> = of_class(2).map(|image| times(&order, image)).collect();
        assert_eq!((order.len(), rare.iter().sum::<usize>(), common.iter().sum::<usize>()), (440, 220, 220));
        assert!(rare.iter().all(|count| (5..=6).contains(count)), "{rare:?}");
        assert!(common.iter().all(|count| (0..=1).contains(count)), "{common:?}");
        assert_eq!(draw(1), order, "by the seed alone");
        assert_ne!(draw(2), order);
    }

    #[test]
    fn what_does_not_divide_goes_to_any_class() {
        let sampler = Sampler::new(&[0, 0, 0, 0, 1], 2);
        let of_first = |epoch| {
            let order = sampler.draw(&mut stream(48, Purpose::Shuffle, epoch));
            assert_eq!(order.len(), 5);
            order.iter().filter(|&&image| image < 4).count()
        };
        let counts: Vec<usize> = (0..20).map(of_first).collect();
        assert!(counts.contains(&2) && counts.contains(&3) && counts.iter().all(|count| (2..=3).contains(count)));
        assert!(Sampler::new(&[], 2).draw(&mut stream(48, Purpose::Shuffle, 0)).is_empty());
    }

    #[test]
    fn three_times_as_many_images_are_unbalanced() {
        let imbalance = |counts: &[usize]| {
            let labels: Vec<u16> = counts.iter().enumerate().flat_map(|(class, &n)| vec![class as u16; n]).collect();
            Imbalance::of(&labels, counts.len()).map(|Imbalance { fewest, most }| (fewest, most))
        };
        assert_eq!(imbalance(&[40, 400, 0, 400]), Some(((0, 40), (1, 400))));
        assert_eq!(imbalance(&[10, 29]), None);
        assert_eq!(imbalance(&[10, 30]), Some(((0, 10), (1, 30))));
        assert_eq!(imbalance(&[0, 0]), None);
    }
}
