//! Which classes a model takes for which, and the class that it recognizes worst.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::support::interval::{ENOUGH, Interval};
use crate::support::limits::{MATRIX_CLASSES, SHOWN_CLASSES};
use crate::support::printable::in_one_line;
use crate::support::text::thousands;

/// How often each class was taken for each: memory grows with the answers and the classes, not with the square of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// How often, by truth and prediction; no entry is 0.
    counts: BTreeMap<(usize, usize), usize>,
    /// Images of each class.
    of_class: Vec<usize>,
    /// Images that were given each class.
    given_class: Vec<usize>,
}

/// A class taken for another, or for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Confused {
    /// The class that images are of.
    pub truth: usize,
    /// The class that they were given.
    pub prediction: usize,
    /// How many.
    pub count: usize,
}

impl Confusion {
    /// Counts truths and predictions of so many classes; one of any other is not counted.
    #[must_use]
    pub fn of(answers: impl IntoIterator<Item = (usize, usize)>, classes: usize) -> Self {
        let mut confusion = Self { counts: BTreeMap::new(), of_class: vec![0; classes], given_class: vec![0; classes] };
        for (truth, prediction) in answers.into_iter().filter(|&(truth, given)| truth < classes && given < classes) {
            *confusion.counts.entry((truth, prediction)).or_default() += 1;
            confusion.of_class[truth] += 1;
            confusion.given_class[prediction] += 1;
        }
        confusion
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.of_class.len()
    }

    /// How often images of one class were given the other.
    #[must_use]
    pub fn count(&self, truth: usize, prediction: usize) -> usize {
        self.counts.get(&(truth, prediction)).copied().unwrap_or(0)
    }

    /// All that was counted, in the order of truth and prediction.
    pub fn entries(&self) -> impl Iterator<Item = Confused> {
        self.counts.iter().map(|(&(truth, prediction), &count)| Confused { truth, prediction, count })
    }

    /// The wrong answers, the most frequent first, of equals in the order of truth and prediction.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Confused> {
        let mut mistakes: Vec<Confused> = self.entries().filter(|entry| entry.truth != entry.prediction).collect();
        mistakes.sort_by_key(|entry| Reverse(entry.count));
        mistakes
    }

    /// The classes that a figure has room for: all, or else those that were most often taken for others or others for them, in
    /// their order.
    #[must_use]
    pub fn shown(&self) -> Vec<usize> {
        if self.classes() <= MATRIX_CLASSES {
            return (0..self.classes()).collect();
        }
        let wrong = |class: usize| self.of_class[class] + self.given_class[class] - 2 * self.count(class, class);
        let mut classes: Vec<usize> = (0..self.classes()).collect();
        classes.sort_by_key(|&class| Reverse(wrong(class)));
        classes.truncate(SHOWN_CLASSES);
        classes.sort_unstable();
        classes
    }

    /// `[truth][prediction]`, for few classes.
    #[must_use]
    pub fn matrix(&self) -> Vec<Vec<usize>> {
        let row = |truth| (0..self.classes()).map(|prediction| self.count(truth, prediction)).collect();
        (0..self.classes()).map(row).collect()
    }

    /// Of the images given this class, the share that are of the class; `None` where none was given it.
    #[must_use]
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.given(class))
    }

    /// Of the images of this class, the share that were given it; `None` where there is none.
    #[must_use]
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.images(class))
    }

    /// Images that were given this class.
    #[must_use]
    pub fn given(&self, class: usize) -> usize {
        self.given_class.get(class).copied().unwrap_or(0)
    }

    /// Images that are of this class.
    #[must_use]
    pub fn images(&self, class: usize) -> usize {
        self.of_class.get(class).copied().unwrap_or(0)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The class of which the smallest share of images is recognized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstClass {
    /// Its name.
    pub name: String,
    /// Share of its images that are recognized, 0 to 1.
    pub recall: f64,
    /// Its 95% interval.
    pub recall_interval: Option<Interval>,
    /// Its images.
    pub images: usize,
}

impl WorstClass {
    /// Of so many classes of these names; of equals the one with the fewest images, of those the first. `None` where there are no images.
    #[must_use]
    pub fn of(confusion: &Confusion, names: &[impl AsRef<str>]) -> Option<Self> {
        let recalls =
            names.iter().enumerate().filter_map(|(class, name)| Some((class, name, confusion.recall(class)?)));
        let images = |class: usize| confusion.images(class);
        let (class, name, recall) = recalls.min_by(|(one, _, low), (other, _, high)| {
            low.total_cmp(high).then_with(|| images(*one).cmp(&images(*other)))
        })?;
        let images = confusion.images(class);
        let recall_interval = Interval::wilson(confusion.count(class, class), images);
        Some(Self { name: name.as_ref().to_owned(), recall, recall_interval, images })
    }
}

/// Its name, its recall, and the interval where there are few images, as `crow, recall 0.4000 of 40 images, 0.264-0.554`.
impl fmt::Display for WorstClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, recall, images, .. } = self;
        let plural = if *images == 1 { "" } else { "s" };
        write!(f, "{}, recall {recall:.4} of {} image{plural}", in_one_line(name), thousands(*images))?;
        match self.recall_interval.filter(|_| *images < ENOUGH) {
            Some(interval) => write!(f, ", {interval}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_recall_follow_from_the_counts() {
        let counts = [[3, 1, 0], [2, 4, 0], [0, 0, 0]];
        let answers = (0..9).flat_map(|at| std::iter::repeat_n((at / 3, at % 3), counts[at / 3][at % 3]));
        let confusion = Confusion::of(answers.chain([(0, 3), (7, 0)]), 3);
        assert_eq!(confusion.matrix(), counts);
        let mistake = |truth, prediction, count| Confused { truth, prediction, count };
        assert_eq!(confusion.mistakes(), [mistake(1, 0, 2), mistake(0, 1, 1)]);
        assert_eq!((confusion.precision(0), confusion.recall(0)), (Some(0.6), Some(0.75)));
        assert_eq!((confusion.precision(1), confusion.recall(1)), (Some(0.8), Some(4.0 / 6.0)));
        assert_eq!((confusion.precision(2), confusion.recall(2)), (None, None));
    }

    #[test]
    fn of_many_classes_those_with_the_most_mistakes_are_shown() {
        let few = Confusion::of([(0, 1)], MATRIX_CLASSES);
        assert_eq!(few.shown().len(), MATRIX_CLASSES);
        // Class 4000 is taken for 7 twice, and the others are right.
        let answers = (0..4096).map(|class| (class, class)).chain([(4000, 7), (4000, 7)]);
        let many = Confusion::of(answers, 4096);
        let shown = many.shown();
        assert_eq!(shown.len(), SHOWN_CLASSES);
        assert!(shown.contains(&7) && shown.contains(&4000) && shown.is_sorted());
        assert_eq!(many.entries().count(), 4097, "no entry for what did not happen");
    }

    #[test]
    fn the_worst_class_has_the_lowest_recall_and_of_equals_the_fewest_images() {
        let answers = [(0, 0), (0, 0), (2, 2), (2, 0), (3, 0), (3, 3)];
        let worst = WorstClass::of(&Confusion::of(answers, 4), &["a", "b", "c", "d"]).unwrap();
        assert_eq!(worst.to_string(), "c, recall 0.5000 of 2 images, 0.095-0.905");
        // All are right, and least is known of the one with a single image.
        let worst = WorstClass::of(&Confusion::of([(0, 0), (0, 0), (1, 1), (2, 2)], 3), &["a", "b", "c"]).unwrap();
        assert_eq!(worst.to_string(), "b, recall 1.0000 of 1 image, 0.207-1.000");
        assert_eq!(WorstClass::of(&Confusion::of([], 2), &["a", "b"]), None);
    }
}
