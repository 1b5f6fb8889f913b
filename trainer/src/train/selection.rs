//! Whether the validation images distinguish the epochs of a training.
//!
//! The epoch that is kept is the one that does best on them. Of few images its lead is chance: on 14 of them one image more or
//! less is 7 points.

use std::fmt;

use super::Epoch;
use crate::support::interval::Interval;
use crate::support::text::thousands;

/// The width of an interval from which on an epoch is not known well enough to be chosen by it: 10 points, which about 250
/// images have at an accuracy of 0.8, 140 at 0.9 and 75 at 0.95.
const WIDEST: f64 = 0.1;

/// The best epoch of a training among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochSelection {
    /// Validation images.
    pub images: usize,
    /// The best epoch's accuracy on them, 0 to 1.
    pub accuracy: f64,
    /// Its 95% interval.
    pub interval: Interval,
    /// The other epochs.
    pub others: usize,
    /// Those of them whose accuracy lies in the interval.
    pub alike: usize,
}

impl EpochSelection {
    /// Of these epochs, of which number `best`, counted from 1, was kept; `None` where there is no such epoch, or nothing that it
    /// was validated on.
    #[must_use]
    pub fn of(epochs: &[Epoch], best: usize, images: usize) -> Option<Self> {
        let kept = epochs.get(best.checked_sub(1)?)?;
        let accuracy = kept.validation.accuracy;
        let interval = Interval::of(accuracy, images)?;
        let inside = epochs.iter().filter(|epoch| interval.contains(epoch.validation.accuracy)).count();
        // The best epoch is inside too.
        Some(Self { images, accuracy, interval, others: epochs.len() - 1, alike: inside - 1 })
    }

    /// Whether the choice is mostly chance: the interval is wider than 10 points, and holds at least half of the other epochs.
    #[must_use]
    pub fn is_chance(&self) -> bool {
        self.others > 0 && self.interval.width() > WIDEST && 2 * self.alike >= self.others
    }
}

/// What is uncertain, and what to do about it.
impl fmt::Display for EpochSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, accuracy, interval, others, alike } = self;
        let lie = match (alike, others) {
            (1, 1) => "the other epoch lies".to_owned(),
            (1, others) => format!("1 of the {others} other epochs lies"),
            (alike, others) => format!("{alike} of the {others} other epochs lie"),
        };
        write!(
            f,
            "{} validation {} cannot distinguish the epochs: the best epoch's accuracy of {accuracy:.4} has a 95% interval of \
             {interval}, {:.0} points wide, and {lie} in it; which epoch is kept is mostly \
             chance. Hold out more images for validation (--val-fraction, or more in val/), cross-validate (--folds 5), or add images",
            thousands(*images),
            if *images == 1 { "image" } else { "images" },
            100.0 * interval.width()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::score::Score;

    fn epochs(accuracies: &[f64]) -> Vec<Epoch> {
        let epoch = |(index, &accuracy): (usize, &f64)| Epoch {
            epoch: index + 1,
            train: Score::default(),
            validation: Score { loss: 1.0, accuracy, balanced: None },
            seconds: 1.0,
            images_per_second: Some(1.0),
            quantized: false,
        };
        accuracies.iter().enumerate().map(epoch).collect()
    }

    #[test]
    fn few_validation_images_make_the_choice_of_an_epoch_chance_and_many_do_not() {
        let rising = [0.2, 0.5, 0.7, 0.78, 0.8, 0.79, 0.8, 0.79];
        let cases = [
            (14, &rising[..], true),
            (100, &rising, true),
            (250, &rising, false),
            (3000, &rising, false),
            // Few images, but epochs that they do distinguish.
            (14, &[0.0, 0.1, 0.1, 1.0], false),
            // One epoch leaves no choice.
            (14, &[0.5], false),
        ];
        for (images, accuracies, expected) in cases {
            let most = accuracies.iter().copied().fold(0.0, f64::max);
            let best = accuracies.iter().position(|&accuracy| accuracy == most).unwrap() + 1;
            let selection = EpochSelection::of(&epochs(accuracies), best, images).unwrap();
            assert_eq!(selection.is_chance(), expected, "{images} images, {accuracies:?}: {selection:?}");
        }
    }

    #[test]
    fn the_message_has_the_images_the_interval_the_epochs_and_what_to_do() {
        let selection = EpochSelection::of(&epochs(&[0.0, 0.5, 0.4285714, 0.5]), 2, 14).unwrap();
        let message = selection.to_string();
        for part in [
            "14 validation images",
            "accuracy of 0.5000 has a 95% interval of 0.268-0.732, 46 points wide, and 2 of the 3 other epochs",
            "--val-fraction",
            "--folds 5",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn one_other_epoch_is_no_number_of_epochs() {
        let message = EpochSelection::of(&epochs(&[0.5, 0.5]), 1, 14).unwrap().to_string();
        assert!(message.contains("points wide, and the other epoch lies in it; which epoch is kept"), "{message}");
    }

    #[test]
    fn without_an_epoch_or_images_there_is_nothing_to_choose_by() {
        assert_eq!(EpochSelection::of(&[], 0, 14), None);
        assert_eq!(EpochSelection::of(&epochs(&[0.5]), 0, 14), None);
        assert_eq!(EpochSelection::of(&epochs(&[0.5]), 2, 14), None);
        assert_eq!(EpochSelection::of(&epochs(&[0.5]), 1, 0), None);
    }
}
