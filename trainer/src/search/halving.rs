//! Successive halving: trials that do worse than most others at some epochs end there.
//!
//! This is ASHA (Li and others 2020, "A System for Massively Parallel Hyperparameter Tuning") as it is for trials that cannot be paused:
//! at a rung, a trial goes on if it is among the best `1 / reduction` of all that have come to this rung so far. Nothing waits for
//! others, so that no worker is idle.

use serde::{Deserialize, Serialize};

use super::pareto;

/// The rungs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halving {
    /// The epoch of the first rung; that of each further one is `reduction` times as late.
    pub first: usize,
    /// One in so many goes on.
    pub reduction: usize,
}

impl Halving {
    /// Rungs for trials of so many epochs: the first after a ninth of them, a second after a third.
    #[must_use]
    pub fn of(epochs: usize) -> Self {
        Self { first: (epochs / 9).max(1), reduction: 3 }
    }

    /// Whether there is a rung after that epoch of `epochs`. At the end there is nothing to be saved.
    #[must_use]
    pub fn is_rung(&self, epoch: usize, epochs: usize) -> bool {
        let mut rung = self.first;
        while rung < epoch {
            rung = rung.saturating_mul(self.reduction.max(2));
        }
        rung == epoch && epoch < epochs
    }

    /// Whether a trial goes on that has come to a rung, with the objectives of all that have come there, its own the last.
    #[must_use]
    pub fn goes_on(&self, at_rung: &[pareto::Objectives]) -> bool {
        let Some(own) = at_rung.len().checked_sub(1) else { return true };
        // Of too few to take one in so many, the best one.
        let places = (at_rung.len() / self.reduction.max(2)).max(1);
        pareto::order(at_rung).into_iter().take(places).any(|index| index == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_powers_apart_and_none_is_at_the_end() {
        let rungs = |halving: Halving, epochs: usize| {
            (1..=epochs).filter(|&epoch| halving.is_rung(epoch, epochs)).collect::<Vec<_>>()
        };
        assert_eq!(rungs(Halving::of(18), 18), [2, 6]);
        assert_eq!(rungs(Halving::of(27), 27), [3, 9]);
        assert_eq!(rungs(Halving::of(3), 3), [1]);
        assert_eq!(rungs(Halving::of(1), 1), Vec::<usize>::new());
        assert_eq!(rungs(Halving { first: 1, reduction: 2 }, 9), [1, 2, 4, 8]);
    }

    #[test]
    fn one_in_three_goes_on_and_the_first_ones_only_if_none_was_better() {
        let halving = Halving { first: 1, reduction: 3 };
        let errors = [0.5, 0.6, 0.4, 0.45, 0.3, 0.35, 0.7];
        let goes_on = |upto: usize| {
            let at_rung: Vec<pareto::Objectives> = errors[..upto].iter().map(|&error| vec![error]).collect();
            halving.goes_on(&at_rung)
        };
        assert_eq!((1..=7).map(goes_on).collect::<Vec<_>>(), [true, false, true, false, true, true, false]);
    }

    #[test]
    fn a_small_network_is_not_ended_by_a_large_one_that_is_more_accurate() {
        let halving = Halving { first: 1, reduction: 2 };
        let (large, medium, small) = (vec![0.1, 90_000.0], vec![0.3, 50_000.0], vec![0.2, 4_000.0]);
        assert!(halving.goes_on(&[large.clone(), medium.clone(), medium.clone(), small.clone()]));
        assert!(!halving.goes_on(&[large, small, medium.clone(), medium]));
    }
}
