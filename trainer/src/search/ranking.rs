//! Which trials did better than others, for the sampler and for whoever reads the results.

use serde::{Deserialize, Serialize};

use super::budget::{Limits, Requirements};
use super::pareto::{self, Objectives};
use super::state::{Progress, State, TrialState};

/// What a search is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Validation accuracy: the higher, the better.
    Accuracy,
    /// Bytes of flash.
    Flash,
    /// Bytes of RAM.
    Ram,
    /// Milliseconds of an inference.
    Time,
}

/// What is to be reached, within what.
#[derive(Clone, Debug, PartialEq)]
pub struct Goals {
    /// At least one.
    pub objectives: Vec<Objective>,
    /// What must be kept to.
    pub limits: Limits,
}

/// Trials, the best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// Their numbers.
    pub order: Vec<usize>,
    /// How many of them are candidates that fit and were trained, or are.
    pub fitting: usize,
    /// How many, at the end, are candidates that do not fit.
    pub refused: usize,
}

impl Goals {
    /// The numbers of a candidate of that accuracy, the lower the better.
    #[must_use]
    pub fn values(&self, accuracy: f64, requirements: &Requirements) -> Objectives {
        let value = |objective: &Objective| match objective {
            Objective::Accuracy => -accuracy,
            Objective::Flash => requirements.flash as f64,
            Objective::Ram => requirements.ram as f64,
            Objective::Time => requirements.milliseconds,
        };
        self.objectives.iter().map(value).collect()
    }

    /// All trials, the best first, as a sampler that learns from them takes them:
    ///
    /// 1. those that were trained to the end, by the objectives;
    /// 2. those that halving ended, the ones that came further first;
    /// 3. those that run: until they are over, others stay away from them;
    /// 4. those that came to no model;
    /// 5. those that do not fit, by how much they exceed the limits.
    #[must_use]
    pub fn rank(&self, state: &State) -> Ranking {
        let of = |progress: &dyn Fn(&TrialState) -> bool| -> Vec<&TrialState> {
            state.trials.iter().filter(|trial| progress(trial)).collect()
        };
        let mut order = Vec::with_capacity(state.trials.len());
        let finished = of(&|trial| trial.progress == Progress::Finished);
        order.extend(self.by_objectives(&finished, |trial| trial.accuracy.unwrap_or_default()));
        let mut stopped = of(&|trial| trial.progress == Progress::Stopped);
        stopped.sort_by_key(|trial| std::cmp::Reverse(trial.curve.len()));
        for equally_far in stopped.chunk_by(|one, other| one.curve.len() == other.curve.len()) {
            let accuracy = |trial: &TrialState| trial.best_until(trial.curve.len()).unwrap_or_default();
            order.extend(self.by_objectives(equally_far, accuracy));
        }
        order.extend(of(&|trial| trial.progress == Progress::Running).iter().map(|trial| trial.number));
        let fitting = order.len();
        order.extend(of(&|trial| matches!(trial.progress, Progress::Failed(_))).iter().map(|trial| trial.number));
        let mut refused = of(&|trial| trial.progress == Progress::Refused);
        let excess = |trial: &TrialState| trial.requirements.as_ref().map_or(0.0, |needed| self.limits.excess(needed));
        refused.sort_by(|one, other| excess(one).total_cmp(&excess(other)));
        order.extend(refused.iter().map(|trial| trial.number));
        Ranking { order, fitting, refused: refused.len() }
    }

    fn by_objectives(&self, trials: &[&TrialState], accuracy: impl Fn(&TrialState) -> f64) -> Vec<usize> {
        let values = |trial: &&TrialState| {
            let accuracy = Some(accuracy(trial)).filter(|accuracy| accuracy.is_finite()).unwrap_or_default();
            trial.requirements.as_ref().map(|requirements| self.values(accuracy, requirements)).unwrap_or_default()
        };
        let points: Vec<Objectives> = trials.iter().map(values).collect();
        pareto::order(&points).into_iter().map(|index| trials[index].number).collect()
    }

    /// The finished trials that no other dominates, the most accurate first.
    #[must_use]
    pub fn front(&self, state: &State) -> Vec<usize> {
        let finished: Vec<&TrialState> =
            state.trials.iter().filter(|trial| trial.progress == Progress::Finished).collect();
        let accuracy = |trial: &TrialState| trial.accuracy.filter(|accuracy| accuracy.is_finite()).unwrap_or_default();
        let values = |trial: &&TrialState| {
            trial.requirements.as_ref().map(|needed| self.values(accuracy(trial), needed)).unwrap_or_default()
        };
        let points: Vec<Objectives> = finished.iter().map(values).collect();
        let mut front: Vec<&TrialState> = pareto::front(&points).into_iter().map(|index| finished[index]).collect();
        front.sort_by(|one, other| accuracy(other).total_cmp(&accuracy(one)));
        front.iter().map(|trial| trial.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameter::Values;
    use super::*;

    fn trial(number: usize, flash: usize, curve: &[f64], progress: Progress) -> TrialState {
        TrialState {
            number,
            parameters: Values::new(),
            seed: 0,
            requirements: Some(Requirements { model: flash, flash, ram: 1000, milliseconds: 1.0 }),
            curve: curve.to_vec(),
            accuracy: (progress == Progress::Finished).then(|| curve[curve.len() - 1]),
            progress,
            crashes: 0,
            seconds: 0.0,
        }
    }

    fn state() -> State {
        let trials = vec![
            trial(0, 9000, &[], Progress::Refused),
            trial(1, 3000, &[0.5, 0.7], Progress::Finished),
            trial(2, 4000, &[0.6], Progress::Stopped),
            trial(3, 2000, &[0.5, 0.8], Progress::Finished),
            trial(4, 7000, &[], Progress::Refused),
            trial(5, 4000, &[0.4], Progress::Running),
            trial(6, 4000, &[0.3, 0.3], Progress::Stopped),
            trial(7, 4000, &[], Progress::Failed("diverged".to_owned())),
            trial(8, 4900, &[0.5, 0.9], Progress::Finished),
        ];
        State { trials }
    }

    fn goals(objectives: &[Objective]) -> Goals {
        let target = crate::run::Target { chip: None, flash: Some(5000), ram: None };
        Goals { objectives: objectives.to_vec(), limits: Limits { target: Some(target), ..Limits::default() } }
    }

    #[test]
    fn what_fits_goes_before_what_does_not_and_what_came_further_before_what_was_ended_early() {
        let ranking = goals(&[Objective::Accuracy]).rank(&state());
        assert_eq!(ranking.order, [8, 3, 1, 6, 2, 5, 7, 4, 0]);
        assert_eq!((ranking.fitting, ranking.refused), (6, 2));
    }

    #[test]
    fn the_front_of_one_objective_is_its_best_and_of_two_what_neither_loses() {
        assert_eq!(goals(&[Objective::Accuracy]).front(&state()), [8]);
        assert_eq!(goals(&[Objective::Accuracy, Objective::Flash]).front(&state()), [8, 3]);
    }
}
