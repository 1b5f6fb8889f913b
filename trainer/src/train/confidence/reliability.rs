//! Whether answers are right as often as their probabilities say.

use serde::{Deserialize, Serialize};

use super::Judged;

/// Bins of equal width that probabilities are sorted into.
pub const BINS: usize = 15;

/// Answers by their probability: the data of a reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// The expected calibration error, 0 to 1: how far the mean probability of a bin is from its share of right answers, the mean over
    /// all answers.
    pub calibration_error: f64,
    /// The bins, the least probable first; empty ones too.
    pub bins: Vec<Bin>,
}

/// Answers of about the same probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of answers.
    pub images: usize,
    /// Their mean probability; 0 where there is none.
    pub probability: f64,
    /// The share of them that is right; 0 where there is none.
    pub accuracy: f64,
}

impl Reliability {
    /// All answers.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.bins.iter().map(|bin| bin.images).sum()
    }

    /// Of answers to images whose classes are known. Bin `b` holds the probabilities from `b / 15` on, the last one 1 too.
    ///
    /// `ECE = sum_b n_b / n |accuracy_b - probability_b|` (M. P. Naeini, G. F. Cooper and M. Hauskrecht, AAAI 2015, and Guo and
    /// others, ICML 2017).
    #[must_use]
    pub fn of(answers: &[Judged]) -> Self {
        let mut sums = [(0usize, 0.0, 0usize); BINS];
        for Judged { answer, is_right } in answers {
            let probability = f64::from(answer.probability);
            let (images, sum, right) = &mut sums[((probability * BINS as f64) as usize).min(BINS - 1)];
            *images += 1;
            *sum += probability;
            *right += usize::from(*is_right);
        }
        let all = answers.len().max(1) as f64;
        let gap = |&(_, sum, right): &(usize, f64, usize)| (right as f64 - sum).abs();
        let calibration_error = sums.iter().map(gap).sum::<f64>() / all;
        let bin = |(images, sum, right): (usize, f64, usize)| {
            let count = images.max(1) as f64;
            Bin { images, probability: sum / count, accuracy: right as f64 / count }
        };
        Self { calibration_error, bins: sums.map(bin).to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::confidence::Answer;

    fn judged(probability: f32, is_right: bool) -> Judged {
        Judged { answer: Answer { class: 0, probability }, is_right }
    }

    #[test]
    fn the_error_is_the_mean_gap_between_probability_and_share_of_right_answers() {
        // Three of four right at 0.95, one of two at 0.5: gaps of 0.2 and 0.
        let answers = [
            judged(0.95, true),
            judged(0.95, true),
            judged(0.95, true),
            judged(0.95, false),
            judged(0.5, true),
            judged(0.5, false),
        ];
        let Reliability { calibration_error, bins } = Reliability::of(&answers);
        assert!((calibration_error - 0.2 * 4.0 / 6.0).abs() < 1e-7, "{calibration_error}");
        assert_eq!(
            bins.iter().map(|bin| bin.images).collect::<Vec<_>>(),
            [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 4]
        );
        assert!((bins[14].probability - 0.95).abs() < 1e-7 && bins[14].accuracy == 0.75);
    }

    #[test]
    fn bins_are_of_equal_width_and_hold_both_ends() {
        let bin_of =
            |probability| Reliability::of(&[judged(probability, true)]).bins.iter().position(|bin| bin.images > 0);
        for (probability, bin) in [(0.0, 0), (0.066, 0), (0.067, 1), (0.5, 7), (0.933, 13), (0.934, 14), (1.0, 14)] {
            assert_eq!(bin_of(probability), Some(bin), "{probability}");
        }
        assert_eq!(Reliability::of(&[]).calibration_error, 0.0);
        assert_eq!(Reliability::of(&[judged(1.0, true)]).calibration_error, 0.0);
        assert_eq!(Reliability::of(&[judged(1.0, false)]).calibration_error, 1.0);
    }
}
