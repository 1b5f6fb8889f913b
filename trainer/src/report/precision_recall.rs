//! Precision and recall of a class at every threshold of its probability.
//!
//! An image counts as given the class where the class's probability reaches the threshold, whatever the other classes have. The average
//! precision is `sum((recall_k - recall_(k-1)) * precision_k)` over the thresholds, highest first. The curves are interpolated: at a
//! recall, the highest precision of all thresholds that reach it (Manning, Raghavan and Schütze, "Introduction to Information
//! Retrieval", 2008, section 8.4).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::probabilities::Probabilities;

/// Recalls that a curve has a precision at: 0, 0.01, ..., 1.
pub const LEVELS: usize = 101;

/// Classes that have a curve of their own, at most: those of the lowest average precision.
pub const WORST: usize = 5;

/// The curve of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassCurve {
    /// The class.
    pub class: usize,
    /// Average precision, 0 to 1.
    pub average_precision: f64,
    /// Precision at each of the [`LEVELS`].
    pub precisions: Vec<f32>,
}

/// The mean curve of all classes, and the curves of the worst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Test images that it is about.
    pub images: usize,
    /// Classes that have test images, which the mean is of.
    pub classes: usize,
    /// Mean of their average precisions.
    pub mean_average_precision: f64,
    /// Mean of their precisions at each of the [`LEVELS`].
    pub mean_precisions: Vec<f32>,
    /// The classes of the lowest average precision, the lowest first, of equals the first class.
    pub worst: Vec<ClassCurve>,
}

impl PrecisionRecall {
    /// Of images with these classes, `labels[index]` for the image of that index; `None` where there are no images.
    #[must_use]
    pub fn of(probabilities: &Probabilities, labels: &[u16]) -> Option<Self> {
        let label = |image: usize| labels.get(image).copied().map(usize::from);
        let mut mean_precisions = vec![0.0f64; LEVELS];
        let (mut classes, mut sum) = (0, 0.0);
        let mut worst: Vec<ClassCurve> = Vec::new();
        for class in 0..probabilities.classes() {
            let scored = probabilities.rows().map(|(image, row)| (row[class], label(image) == Some(class)));
            let Some(curve) = curve(class, scored.collect()) else { continue };
            classes += 1;
            sum += curve.average_precision;
            mean_precisions.iter_mut().zip(&curve.precisions).for_each(|(sum, one)| *sum += f64::from(*one));
            let place = worst.partition_point(|other| is_at_most(other.average_precision, curve.average_precision));
            worst.insert(place, curve);
            worst.truncate(WORST);
        }
        let mean = |sum: f64| sum / classes as f64;
        (classes > 0).then(|| Self {
            images: probabilities.len(),
            classes,
            mean_average_precision: mean(sum),
            mean_precisions: mean_precisions.into_iter().map(|sum| rounded(mean(sum))).collect(),
            worst,
        })
    }

    /// Whether a figure of so many classes can be drawn of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        let curves = || self.worst.iter().map(|curve| &curve.precisions).chain([&self.mean_precisions]);
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let averages = || self.worst.iter().map(|curve| curve.average_precision).chain([self.mean_average_precision]);
        if self.worst.len() > WORST || curves().any(|curve| curve.len() != LEVELS) {
            return Err(format!(
                "there are more than {WORST} curves of precision and recall, or one has not {LEVELS} points"
            ));
        }
        if let Some(curve) = self.worst.iter().find(|curve| curve.class >= classes) {
            return Err(format!("a curve is of class {}, but there are {classes}", curve.class));
        }
        match averages().all(is_share) && curves().flatten().all(|&precision| is_share(precision.into())) {
            true => Ok(()),
            false => Err("a precision is not 0 to 1".to_owned()),
        }
    }
}

fn is_at_most(one: f64, other: f64) -> bool {
    one.total_cmp(&other) != Ordering::Greater
}

/// Enough digits for a figure, few enough for a file.
fn rounded(precision: f64) -> f32 {
    ((precision * 1e4).round() / 1e4) as f32
}

/// The curve of images that have a probability each and are of the class or not; `None` where none is of it.
fn curve(class: usize, mut scored: Vec<(f32, bool)>) -> Option<ClassCurve> {
    let of_class = scored.iter().filter(|(_, is_of_class)| *is_of_class).count();
    if of_class == 0 {
        return None;
    }
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    // Images of equal probability pass a threshold together.
    let (mut right, mut given, mut average_precision) = (0, 0, 0.0);
    let mut points = Vec::new();
    for equals in scored.chunk_by(|(a, _), (b, _)| a == b) {
        let more = equals.iter().filter(|(_, is_of_class)| *is_of_class).count();
        right += more;
        given += equals.len();
        let precision = right as f64 / given as f64;
        average_precision += more as f64 * precision;
        points.push((right, precision));
    }
    // Divided at last: a sum of shares may be rounded to more than 1.
    average_precision /= of_class as f64;
    let mut precisions = vec![0.0; LEVELS];
    let (mut highest, mut points) = (0.0f64, points.into_iter().rev().peekable());
    for level in (0..LEVELS).rev() {
        // In whole numbers: a recall of 0.29 is not quite 29 of 100.
        while let Some((_, precision)) = points.next_if(|(right, _)| right * (LEVELS - 1) >= level * of_class) {
            highest = highest.max(precision);
        }
        precisions[level] = rounded(highest);
    }
    Some(ClassCurve { class, average_precision, precisions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_that_of_a_table_worked_by_hand() {
        // Right, wrong, right, wrong, right: precisions 1, 1/2, 2/3, 1/2, 3/5 at recalls 1/3, 1/3, 2/3, 2/3, 1.
        let scored = vec![(0.1, true), (0.9, true), (0.8, false), (0.7, true), (0.2, false)];
        let ClassCurve { average_precision, precisions, .. } = curve(0, scored).unwrap();
        assert!((average_precision - (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0).abs() < 1e-12, "{average_precision}");
        assert_eq!((precisions[0], precisions[33]), (1.0, 1.0));
        assert_eq!((precisions[34], precisions[66]), (0.6667, 0.6667));
        assert_eq!((precisions[67], precisions[100]), (0.6, 0.6));
    }

    #[test]
    fn the_average_precision_of_images_that_all_come_first_is_1_whatever_their_number() {
        for images in 1..200u16 {
            let scored = (0..images).map(|image| (1.0 / f32::from(image + 1), true)).chain([(0.0, false)]);
            assert_eq!(curve(0, scored.collect()).unwrap().average_precision, 1.0, "{images}");
        }
    }

    #[test]
    fn a_later_threshold_of_higher_precision_counts_for_all_recalls_before_it() {
        // Wrong, then right twice: precisions 0, 1/2, 2/3; the highest is that of full recall.
        let ClassCurve { average_precision, precisions, .. } =
            curve(0, vec![(0.9, false), (0.8, true), (0.7, true)]).unwrap();
        assert!((average_precision - (0.5 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!(precisions.iter().all(|&precision| precision == 0.6667), "{precisions:?}");
    }

    #[test]
    fn equal_probabilities_pass_a_threshold_together_in_whatever_order() {
        for scored in [
            vec![(0.5, true), (0.5, false), (0.5, false), (0.5, false)],
            vec![(0.5, false), (0.5, false), (0.5, true), (0.5, false)],
        ] {
            let ClassCurve { average_precision, precisions, .. } = curve(0, scored).unwrap();
            assert_eq!((average_precision, precisions[0], precisions[100]), (0.25, 0.25, 0.25));
        }
    }

    #[test]
    fn one_image_has_a_curve_and_a_class_without_images_none() {
        let ClassCurve { average_precision, precisions, .. } = curve(3, vec![(0.1, true)]).unwrap();
        assert_eq!((average_precision, precisions), (1.0, vec![1.0; LEVELS]));
        assert_eq!(curve(3, vec![(0.1, false)]), None);
        assert_eq!(curve(3, Vec::new()), None);
    }

    #[test]
    fn the_mean_leaves_out_classes_without_images_and_the_worst_are_named() {
        // Class 0 is ranked without a mistake, class 1 is second to an image of class 0, class 2 has no image.
        let values = vec![0.6, 0.4, 0.0, 0.9, 0.1, 0.0, 0.5, 0.2, 0.3];
        let probabilities = Probabilities::new(vec![0, 1, 2], 3, values);
        let found = PrecisionRecall::of(&probabilities, &[0, 0, 1]).unwrap();
        assert_eq!((found.images, found.classes), (3, 2));
        assert_eq!(found.mean_average_precision, 0.75);
        assert_eq!((found.mean_precisions[0], found.mean_precisions[100]), (0.75, 0.75));
        let worst: Vec<_> = found.worst.iter().map(|curve| (curve.class, curve.average_precision)).collect();
        assert_eq!(worst, [(1, 0.5), (0, 1.0)]);
        assert_eq!(PrecisionRecall::of(&probabilities, &[]), None);
        assert_eq!(PrecisionRecall::of(&Probabilities::new(Vec::new(), 3, Vec::new()), &[]), None);
    }

    #[test]
    fn of_many_classes_five_are_kept_and_of_equals_the_first() {
        let values: Vec<f32> = (0..64).map(|at| if at % 8 == at / 8 { 1.0 } else { 0.0 }).collect();
        let probabilities = Probabilities::new((0..8).collect(), 8, values);
        let found = PrecisionRecall::of(&probabilities, &[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
        let worst: Vec<usize> = found.worst.iter().map(|curve| curve.class).collect();
        assert_eq!((worst, found.mean_average_precision), (vec![0, 1, 2, 3, 4], 1.0));
        assert_eq!(found.check(8), Ok(()));
        assert!(found.check(4).unwrap_err().contains("a curve is of class 4, but there are 4"));
        let long = PrecisionRecall { mean_precisions: vec![1.0; LEVELS + 1], ..found.clone() };
        assert!(long.check(8).unwrap_err().contains("101 points"));
        let high = PrecisionRecall { mean_average_precision: f64::NAN, ..found };
        assert!(high.check(8).unwrap_err().contains("is not 0 to 1"));
    }
}
