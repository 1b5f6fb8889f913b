//! The softmax probabilities of all classes, of as many images as there is memory for.

use super::spread::spread;

/// Probabilities that are kept at most: 64 MB.
const MOST: usize = 1 << 24;

/// A row of probabilities for each of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    /// Which images, in rising order.
    images: Vec<usize>,
    classes: usize,
    /// `[images, classes]`, 0 to 1.
    values: Vec<f32>,
}

impl Probabilities {
    /// Rows of `classes` probabilities, one for each of `images`, which are indices in rising order.
    ///
    /// # Panics
    /// Where there are not as many values: a mistake in the caller.
    #[must_use]
    pub fn new(images: Vec<usize>, classes: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), images.len() * classes, "probabilities of {} images", images.len());
        Self { images, classes, values }
    }

    /// The softmax of the logits of images, divided by a temperature: of as many as are kept, without those that are not all numbers.
    #[must_use]
    pub fn of_logits(logits: &[&[f32]], classes: usize, temperature: f32) -> Self {
        let is_whole = |row: &[f32]| row.len() == classes && row.iter().all(|logit| logit.is_finite());
        let images: Vec<usize> =
            Self::kept(logits.len(), classes).into_iter().filter(|&image| is_whole(logits[image])).collect();
        let softmax = |&image: &usize| {
            let most = logits[image].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exponential = |&logit: &f32| (f64::from(logit - most) / f64::from(temperature)).exp();
            let sum: f64 = logits[image].iter().map(exponential).sum();
            logits[image].iter().map(move |logit| (exponential(logit) / sum) as f32).collect::<Vec<_>>()
        };
        let values = images.iter().flat_map(softmax).collect();
        Self::new(images, classes, values)
    }

    /// The images, out of `count`, whose probabilities are kept: all, or else some that are spread evenly.
    pub(super) fn kept(count: usize, classes: usize) -> Vec<usize> {
        spread(count, MOST / classes.max(1))
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many images have a row.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The index of each image, and its probabilities.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.images.iter().copied().zip(self.values.chunks_exact(self.classes.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_images_are_kept_as_there_is_memory_for() {
        assert_eq!(Probabilities::kept(3, 10), [0, 1, 2]);
        assert_eq!(Probabilities::kept(10_000, 4096).len(), 4096);
        assert!(Probabilities::kept(0, 0).is_empty());
    }

    #[test]
    fn logits_become_shares_at_a_temperature_and_what_is_no_number_is_left_out() {
        let logits: [&[f32]; 5] = [&[2.0, 0.0], &[f32::NAN, 1.0], &[], &[-200.0, 200.0], &[0.0, f32::INFINITY]];
        let found = Probabilities::of_logits(&logits, 2, 2.0);
        let rows: Vec<_> = found.rows().collect();
        assert_eq!(rows.iter().map(|(image, _)| *image).collect::<Vec<_>>(), [0, 3]);
        assert!((f64::from(rows[0].1[0]) - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-7, "{rows:?}");
        assert_eq!(rows[1].1, [0.0, 1.0]);
    }

    #[test]
    fn a_row_belongs_to_its_image() {
        let probabilities = Probabilities::new(vec![2, 5], 3, vec![0.1, 0.2, 0.7, 1.0, 0.0, 0.0]);
        let rows: Vec<_> = probabilities.rows().collect();
        assert_eq!(rows, [(2, &[0.1, 0.2, 0.7][..]), (5, &[1.0, 0.0, 0.0][..])]);
    }
}
