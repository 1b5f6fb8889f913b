//! A fit that leaves out one fold.

use serde::{Deserialize, Serialize};

use crate::train::history::Epoch;

/// A fit that leaves out one fold, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoldFit {
    /// The epochs that are over, validated on the fold.
    pub epochs: Vec<Epoch>,
    /// The best of them, counted from 1; 0 before the first.
    pub best_epoch: usize,
    /// After each of them, the logits of the fold's images, `[images, classes]`.
    pub logits: Vec<Vec<f32>>,
    /// Whether it is over.
    pub is_over: bool,
}

impl FoldFit {
    /// Takes an epoch that is over, and the logits after it.
    pub fn take(&mut self, epoch: Epoch, is_best: bool, logits: Vec<f32>) {
        self.epochs.push(epoch);
        self.logits.push(logits);
        if is_best {
            self.best_epoch = self.epochs.len();
        }
    }

    /// The logits after so many epochs, counted from 1; after the last where the fit ended before.
    #[must_use]
    pub fn logits_after(&self, epoch: usize) -> &[f32] {
        let last = self.logits.len();
        self.logits.get(epoch.clamp(1, last.max(1)) - 1).map_or(&[], Vec::as_slice)
    }

    /// Whether its parts are of the same epochs.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.best_epoch <= self.epochs.len() && self.logits.len() == self.epochs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_that_ended_before_the_common_epoch_answers_as_it_ended() {
        let fit = FoldFit { logits: vec![vec![1.0], vec![2.0], vec![3.0]], ..FoldFit::default() };
        assert_eq!([1, 2, 3, 9].map(|epoch| fit.logits_after(epoch)[0]), [1.0, 2.0, 3.0, 3.0]);
        assert!(FoldFit::default().logits_after(4).is_empty());
    }
}
