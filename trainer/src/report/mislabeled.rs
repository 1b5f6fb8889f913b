//! Images whose label is probably wrong, by confident learning: C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident Learning:
//! Estimating Uncertainty in Dataset Labels", Journal of Artificial Intelligence Research 70 (2021), 1373-1411.
//!
//! A class's threshold is the mean of its probability over the images that are labeled with it: how sure the network is of it when the
//! label and the network agree as often as they do. An image counts for the most probable of the classes that reach their thresholds. Where
//! that is not its label, the image is off the diagonal of the confident joint, and its label is doubtful. The network must not have
//! been trained on the images: of those it knows the labels, right or wrong.

/// An image with a doubtful label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Which of the images that were given.
    pub index: usize,
    /// The class of its label.
    pub given: usize,
    /// The class that it counts for.
    pub suggested: usize,
    /// Probability of the label, 0 to 1.
    pub given_probability: f32,
    /// Probability of the suggested class.
    pub suggested_probability: f32,
}

/// What a mean of equal numbers may be off by.
const ROUNDING: f64 = 1e-9;

/// The threshold of each class; `None` for a class that no image is labeled with, which is suggested for none.
#[must_use]
pub fn thresholds(images: &[(usize, &[f32])], classes: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0f64, 0usize); classes];
    for &(label, probabilities) in images {
        if let (Some((sum, count)), Some(&own)) = (sums.get_mut(label), probabilities.get(label)) {
            *sum += f64::from(own);
            *count += 1;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect()
}

/// The images, each with its label and its probabilities, whose labels are doubtful: first those whose label is the least probable beside
/// the suggested class (the paper's normalized margin), of equals the first image.
#[must_use]
pub fn doubtful(images: &[(usize, &[f32])], classes: usize) -> Vec<Doubt> {
    let thresholds = thresholds(images, classes);
    let doubt = |(index, &(given, probabilities)): (usize, &(usize, &[f32]))| {
        let given_probability = *probabilities.get(given)?;
        let reaches = |&(class, probability): &(usize, f32)| {
            let threshold = thresholds.get(class).copied().flatten();
            threshold.is_some_and(|threshold| f64::from(probability) >= threshold - ROUNDING)
        };
        let confident = probabilities.iter().copied().enumerate().filter(reaches);
        // Of equals the label wins, and among others the first class.
        let best = confident.max_by(|(one, a), (other, b)| {
            a.total_cmp(b).then((*one == given).cmp(&(*other == given))).then(other.cmp(one))
        });
        let (suggested, suggested_probability) = best.filter(|&(class, _)| class != given)?;
        Some(Doubt { index, given, suggested, given_probability, suggested_probability })
    };
    let mut doubts: Vec<Doubt> = images.iter().enumerate().filter_map(doubt).collect();
    let margin = |doubt: &Doubt| doubt.given_probability - doubt.suggested_probability;
    doubts.sort_by(|a, b| margin(a).total_cmp(&margin(b)));
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six images of two classes: the thresholds are (0.9 + 0.8 + 0.1) / 3 = 0.6 and (0.9 + 0.7 + 0.2) / 3 = 0.6.
    const IMAGES: [(usize, [f32; 2]); 6] =
        [(0, [0.9, 0.1]), (0, [0.8, 0.2]), (0, [0.1, 0.9]), (1, [0.1, 0.9]), (1, [0.3, 0.7]), (1, [0.8, 0.2])];

    fn rows<const N: usize>(images: &[(usize, [f32; N])]) -> Vec<(usize, &[f32])> {
        images.iter().map(|(label, row)| (*label, &row[..])).collect()
    }

    #[test]
    fn thresholds_are_the_mean_probabilities_of_the_own_class() {
        let found = thresholds(&rows(&IMAGES), 3);
        assert!(found[..2].iter().all(|threshold| (threshold.unwrap() - 0.6).abs() < 1e-7), "{found:?}");
        assert_eq!(found[2], None);
    }

    #[test]
    fn images_off_the_diagonal_come_by_their_margin() {
        let found = doubtful(&rows(&IMAGES), 2);
        let doubt = |index, given, suggested, given_probability, suggested_probability| Doubt {
            index,
            given,
            suggested,
            given_probability,
            suggested_probability,
        };
        assert_eq!(found, [doubt(2, 0, 1, 0.1, 0.9), doubt(5, 1, 0, 0.2, 0.8)]);
    }

    #[test]
    fn a_wrong_answer_below_the_threshold_is_a_mistake_and_no_doubt() {
        // Class 1 is given with 0.95 to its own images: 0.6 for an image of class 0 is no evidence.
        let images = [(0, [0.4, 0.6]), (0, [0.9, 0.1]), (1, [0.05, 0.95]), (1, [0.05, 0.95])];
        assert!(doubtful(&rows(&images), 2).is_empty());
    }

    #[test]
    fn a_class_with_a_low_threshold_is_suggested_though_another_is_more_probable() {
        // Thresholds 0.9, 0.8 and 0.3: the last image is most probably of class 0, but not as sure as class 0 is.
        let images = [(0, [0.9, 0.0, 0.1]), (1, [0.1, 0.8, 0.1]), (2, [0.4, 0.3, 0.3]), (1, [0.5, 0.1, 0.4])];
        let mut images = rows(&images);
        let found = doubtful(&images, 3);
        // Class 1's threshold is (0.8 + 0.1) / 2.
        let pairs: Vec<_> = found.iter().map(|doubt| (doubt.index, doubt.given, doubt.suggested)).collect();
        assert_eq!(pairs, [(3, 1, 2)]);
        images.truncate(3);
        assert!(doubtful(&images, 3).is_empty());
    }

    #[test]
    fn equals_are_no_doubt_and_come_in_the_order_of_the_images() {
        // Both classes reach their thresholds with the same probability: the label stays.
        let images = [(0, [0.5, 0.5]), (1, [0.5, 0.5])];
        assert!(doubtful(&rows(&images), 2).is_empty());
        // A mean of equal numbers is reached by each of them, whatever their sum is rounded to.
        let third = [(0, [0.1, 0.9]); 3];
        let images = [third[0], third[1], third[2], (1, [0.9, 0.1]), (1, [0.9, 0.1])];
        let order: Vec<usize> = doubtful(&rows(&images), 2).iter().map(|doubt| doubt.index).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn one_image_is_no_doubt_and_a_class_without_images_is_never_suggested() {
        assert!(doubtful(&rows(&[(0, [0.1, 0.9])]), 2).is_empty());
        assert!(doubtful(&rows(&[(0, [0.1, 0.8, 0.1]), (2, [0.0, 0.9, 0.1])]), 3).is_empty());
        assert!(doubtful(&[], 3).is_empty());
    }
}
