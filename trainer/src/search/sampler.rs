//! Which candidate is tried next.
//!
//! [`SamplerKind::Tpe`] is the tree-structured Parzen estimator of Bergstra and others 2011 (the crate `tpe`: one estimator for each
//! parameter): of values drawn from the distribution of the good trials, it takes the one that is most likely there and least likely
//! among the others. What is good is decided here, by [`Goals::rank`]: candidates that do not fit come after all that do, as in Optuna's
//! constrained TPE, and several objectives are ordered by front. A trial that did not use a parameter adds nothing to its estimate.

use serde::{Deserialize, Serialize};
use tpe::TpeOptimizerBuilder;
use tpe::density_estimation::{HistogramEstimatorBuilder, ParzenEstimatorBuilder};

use super::parameter::{Domain, Parameter, Value, Values};
use super::ranking::{Goals, Ranking};
use super::state::State;
use crate::support::rng::{self, ChaCha8Rng, Purpose, RngExt};

/// How candidates are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SamplerKind {
    /// By what earlier trials came to.
    #[default]
    Tpe,
    /// Evenly, whatever they came to.
    Random,
}

/// Trials that are drawn evenly before any is learned from.
pub const STARTUP: usize = 10;

/// Candidates that did not fit after which the sampler learns what fits, even if there were fewer trials than [`STARTUP`].
const REFUSED: usize = 20;

/// Share of the trials that count as good, and how many they are at most.
const GOOD: f64 = 0.15;
const MOST_GOOD: usize = 25;

/// Candidates that do not fit which the estimate is given, the nearest first, as a share of the trials that do. It costs milliseconds to
/// refuse one, and the best candidates are often those that hardly fit: where most do not, more of them would drive it away from there.
const REFUSED_SHARE: f64 = 0.5;

/// Share of the values that are drawn evenly all the same. An estimate of single parameters sees nothing of what only several together
/// make better, and would stay where it began.
const EVEN: f64 = 0.2;

/// Values that are drawn of each parameter, to take the one that is best by the estimate.
const DRAWN: usize = 24;

/// How often a candidate is drawn again that was tried already.
const AGAIN: usize = 32;

/// Candidates of a space up to which those are listed that were not tried, where draws find none.
const FEW: usize = 20_000;

/// Chooses candidates.
#[derive(Clone, Copy, Debug)]
pub struct Sampler<'a> {
    /// How.
    pub kind: SamplerKind,
    /// What is chosen.
    pub parameters: &'a [Parameter],
    /// What is good.
    pub goals: &'a Goals,
    /// What it draws from: the candidate of a trial depends on this, the trial's number, and the trials before it.
    pub seed: u64,
}

/// What the sampler knows of earlier trials.
struct Known<'s> {
    state: &'s State,
    ranking: Ranking,
    /// How many of the ranking are good.
    good: usize,
}

impl Sampler<'_> {
    /// The values of the next candidate; `None` where all were tried, or, of a space too large to list them, where every draw comes to
    /// one that was tried already.
    #[must_use]
    pub fn next(&self, state: &State) -> Option<Values> {
        let mut generator = rng::stream(self.seed, Purpose::Search, state.trials.len() as u64);
        let known = match self.kind {
            SamplerKind::Tpe => self.known(state),
            SamplerKind::Random => None,
        };
        let is_new = |values: &Values| !state.trials.iter().any(|trial| &trial.parameters == values);
        // Where the estimate has narrowed down to what was tried, the rest is drawn evenly.
        for known in [known.as_ref(), None] {
            for _ in 0..AGAIN {
                let values = self.draw(known, &mut generator);
                if is_new(&values) {
                    return Some(values);
                }
            }
        }
        let untried: Vec<Values> = self.all().into_iter().filter(is_new).collect();
        let chosen = (!untried.is_empty()).then(|| generator.random_range(0..untried.len()));
        chosen.and_then(|place| untried.into_iter().nth(place))
    }

    /// Every candidate, of a space that has few.
    fn all(&self) -> Vec<Values> {
        let mut all = vec![Values::new()];
        for parameter in self.parameters {
            let Some(choices) = parameter.domain.all(FEW / all.len()) else {
                return Vec::new();
            };
            let extended = all.into_iter().flat_map(|values| {
                let choices = if parameter.is_used(&values) { &choices[..] } else { &[] };
                let with = |choice: &Value| {
                    let mut values = values.clone();
                    values.insert(parameter.name.clone(), choice.clone());
                    values
                };
                let extended: Vec<Values> = choices.iter().map(with).collect();
                if extended.is_empty() { vec![values] } else { extended }
            });
            all = extended.collect();
        }
        all
    }

    /// What there is to learn from; `None` where that is too little.
    fn known<'s>(&self, state: &'s State) -> Option<Known<'s>> {
        let mut ranking = self.goals.rank(state);
        let (all, trained) = (ranking.order.len(), state.trained());
        let good = if trained >= STARTUP {
            let given = ((REFUSED_SHARE * ranking.fitting as f64) as usize).min(ranking.refused);
            ranking.order.truncate(all - ranking.refused + given);
            ((GOOD * ranking.fitting as f64).ceil() as usize).clamp(1, MOST_GOOD)
        } else if all - ranking.fitting >= REFUSED {
            // What fits is all that is known, and where nothing does, what exceeds the limits least.
            ranking.fitting.max(all.div_ceil(4)).min(MOST_GOOD)
        } else {
            return None;
        };
        Some(Known { state, ranking, good })
    }

    fn draw(&self, known: Option<&Known<'_>>, generator: &mut ChaCha8Rng) -> Values {
        let mut values = Values::new();
        for parameter in self.parameters {
            if !parameter.is_used(&values) {
                continue;
            }
            let known = known.filter(|_| generator.random::<f64>() >= EVEN);
            let learned = known.and_then(|known| known.value(parameter, generator));
            let value = learned.unwrap_or_else(|| even(&parameter.domain, generator));
            values.insert(parameter.name.clone(), value);
        }
        values
    }
}

/// A value of a domain, each as likely as any other.
fn even(domain: &Domain, generator: &mut ChaCha8Rng) -> Value {
    match domain {
        Domain::Categorical { choices } => choices[generator.random_range(0..choices.len())].clone(),
        Domain::Integer { low, high, step } => {
            Value::Whole(low + step * generator.random_range(0..=(high - low) / step))
        }
        Domain::Float { low, high, log: false } => number(generator.random_range(*low..=*high), *low, *high),
        Domain::Float { low, high, log: true } => {
            number(generator.random_range(low.ln()..=high.ln()).exp(), *low, *high)
        }
    }
}

/// A number of a range in as many digits as matter: those of a file are then exactly it, and a search that is resumed has the same.
fn number(number: f64, low: f64, high: f64) -> Value {
    let rounded = format!("{number:.5e}").parse().unwrap_or(number);
    Value::Number(rounded.clamp(low, high))
}

/// A domain as a range of numbers: places of choices and steps, and numbers or their logarithms.
fn range(domain: &Domain) -> (f64, f64) {
    match domain {
        Domain::Categorical { choices } => (0.0, choices.len() as f64),
        Domain::Integer { low, high, step } => (0.0, ((high - low) / step + 1) as f64),
        Domain::Float { low, high, log: false } => (*low, high.next_up()),
        Domain::Float { low, high, log: true } => (low.ln(), high.ln().next_up()),
    }
}

/// Where a value is in that range.
fn place(domain: &Domain, value: &Value) -> Option<f64> {
    match domain {
        Domain::Categorical { choices } => {
            choices.iter().position(|choice| choice.is_same(value)).map(|place| place as f64)
        }
        // In the middle of what becomes this step again.
        Domain::Integer { low, step, .. } => value.whole().map(|whole| ((whole - low) / step) as f64 + 0.5),
        Domain::Float { log: false, .. } => value.number(),
        Domain::Float { log: true, .. } => value.number().map(f64::ln),
    }
}

/// The value at a place in that range.
fn value_at(domain: &Domain, place: f64) -> Value {
    match domain {
        Domain::Categorical { choices } => choices[(place as usize).min(choices.len() - 1)].clone(),
        Domain::Integer { low, high, step } => Value::Whole((low + step * place.floor() as i64).min(*high)),
        Domain::Float { low, high, log: false } => number(place, *low, *high),
        Domain::Float { low, high, log: true } => number(place.exp(), *low, *high),
    }
}

impl Known<'_> {
    /// A value of a parameter by the estimate; `None` where no trial that is known used it.
    fn value(&self, parameter: &Parameter, generator: &mut ChaCha8Rng) -> Option<Value> {
        let Parameter { name, domain, .. } = parameter;
        let places = self.ranking.order.iter().map(|&number| {
            let value = self.state.trials[number].parameters.get(name);
            value.and_then(|value| place(domain, value)).unwrap_or(f64::NAN)
        });
        let places: Vec<f64> = places.collect();
        let (low, high) = range(domain);
        let range = tpe::range(low, high).ok()?;
        if !places.iter().any(|&place| range.contains(place)) {
            return None;
        }
        // The crate takes `ceil(share * trials)` as good ones.
        let share = (self.good as f64 - 0.5) / places.len() as f64;
        let mut builder = TpeOptimizerBuilder::new();
        builder.gamma(share).candidates(DRAWN);
        let found = match domain {
            Domain::Categorical { .. } => {
                let mut optimizer = builder.build(HistogramEstimatorBuilder::new(), range).ok()?;
                for (rank, &place) in places.iter().enumerate() {
                    optimizer.tell(place, rank as f64).ok()?;
                }
                optimizer.ask(generator).ok()?
            }
            Domain::Integer { .. } | Domain::Float { .. } => {
                let mut optimizer = builder.build(ParzenEstimatorBuilder::new(), range).ok()?;
                for (rank, &place) in places.iter().enumerate() {
                    optimizer.tell(place, rank as f64).ok()?;
                }
                optimizer.ask(generator).ok()?
            }
        };
        Some(value_at(domain, found))
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Limits, Requirements};
    use super::super::parameter::Condition;
    use super::super::ranking::Objective;
    use super::super::state::{Event, Line};
    use super::*;
    use crate::run::Target;

    fn parameters() -> Vec<Parameter> {
        let parameter = |name: &str, domain| Parameter { name: name.to_owned(), domain, only_if: None };
        let words = ["flatten", "mean", "max", "sum"].map(|word| Value::Word(word.to_owned())).to_vec();
        let deep = Some(Condition { name: "stages".to_owned(), at_least: 3 });
        let channels = Domain::Integer { low: 4, high: 64, step: 4 };
        vec![
            parameter("stages", Domain::Integer { low: 2, high: 4, step: 1 }),
            parameter("rate", Domain::Float { low: 1e-4, high: 1.0, log: true }),
            parameter("head", Domain::Categorical { choices: words }),
            parameter("first", channels.clone()),
            Parameter { name: "third".to_owned(), domain: channels, only_if: deep },
        ]
    }

    /// An accuracy with its maximum of 1 at three stages, a rate of 0.01, the mean, 24 channels, and 40 in the third stage.
    fn accuracy(values: &Values) -> f64 {
        let number = |name: &str| values.get(name).and_then(Value::number);
        let off = |name: &str, best: f64, scale: f64| number(name).map_or(0.5, |found| ((found - best) / scale).abs());
        let rate = number("rate").map_or(1.0, |rate| ((rate / 0.01).log10() / 2.0).abs());
        let head = if values["head"] == Value::Word("mean".to_owned()) { 0.0 } else { 0.2 };
        1.0 - 0.3 * rate
            - head
            - 0.3 * off("first", 24.0, 40.0)
            - 0.2 * off("third", 40.0, 40.0)
            - 0.1 * off("stages", 3.0, 1.0)
    }

    fn requirements(values: &Values) -> Requirements {
        let channels = values.iter().filter(|(name, _)| ["first", "third"].contains(&&***name));
        let flash: i64 = channels.filter_map(|(_, value)| value.whole()).sum();
        Requirements { model: 0, flash: flash as usize, ram: 0, milliseconds: 0.0 }
    }

    fn goals(flash: Option<usize>) -> Goals {
        let target = flash.map(|flash| Target { chip: None, flash: Some(flash), ram: None });
        Goals { objectives: vec![Objective::Accuracy], limits: Limits { target, ..Limits::default() } }
    }

    /// The state after so many trainings.
    fn searched(kind: SamplerKind, goals: &Goals, seed: u64, trained: usize) -> State {
        let parameters = parameters();
        let sampler = Sampler { kind, parameters: &parameters, goals, seed };
        let mut state = State::default();
        while state.trained() < trained {
            let (trial, values) = (state.trials.len(), sampler.next(&state).unwrap());
            let requirements = requirements(&values);
            if goals.limits.excess(&requirements) > 0.0 {
                state.apply(&Line { trial, event: Event::Refused { parameters: values, requirements } }).unwrap();
                continue;
            }
            let validation_accuracy = accuracy(&values);
            state.apply(&Line { trial, event: Event::Begun { parameters: values, seed, requirements } }).unwrap();
            state.apply(&Line { trial, event: Event::Finished { validation_accuracy, seconds: 0.0 } }).unwrap();
        }
        state
    }

    fn best(state: &State) -> f64 {
        state.trials.iter().filter_map(|trial| trial.accuracy).fold(0.0, f64::max)
    }

    #[test]
    fn it_finds_the_best_of_a_known_objective_sooner_than_chance_does() {
        let seeds: Vec<u64> = (0..9).collect();
        let missing = |kind| {
            let mut missing: Vec<f64> =
                seeds.iter().map(|&seed| 1.0 - best(&searched(kind, &goals(None), seed, 60))).collect();
            missing.sort_by(f64::total_cmp);
            missing
        };
        let (tpe, random) = (missing(SamplerKind::Tpe), missing(SamplerKind::Random));
        // The median, and the second worst of nine against the median of chance.
        assert!(tpe[4] < 0.6 * random[4] && tpe[7] < random[4], "tpe {tpe:.3?}, random {random:.3?}");
    }

    #[test]
    fn it_learns_what_fits_and_finds_the_best_of_that() {
        // One in six of all candidates fits.
        let goals = goals(Some(24));
        let mut better = 0;
        for seed in 0..5 {
            let (tpe, random) = (SamplerKind::Tpe, SamplerKind::Random);
            let (tpe, random) = (searched(tpe, &goals, seed, 40), searched(random, &goals, seed, 40));
            better += usize::from(best(&tpe) >= best(&random));
        }
        assert!(better >= 4, "better than chance {better} times of 5");
    }

    #[test]
    fn where_hardly_any_candidate_fits_it_finds_some_sooner() {
        // Two in a hundred.
        let goals = goals(Some(4));
        let refused = |kind| {
            let of = |seed| {
                let state = searched(kind, &goals, seed, STARTUP);
                state.trials.len() - state.trained()
            };
            let mut refused: Vec<usize> = (0..5).map(of).collect();
            refused.sort_unstable();
            refused[2]
        };
        let (tpe, random) = (refused(SamplerKind::Tpe), refused(SamplerKind::Random));
        assert!(tpe < random / 2, "{tpe} and {random} refused");
    }

    #[test]
    fn the_same_seed_comes_to_the_same_candidates_and_another_to_others() {
        let of = |seed| searched(SamplerKind::Tpe, &goals(Some(60)), seed, 25);
        assert_eq!(of(3), of(3));
        assert_ne!(of(3).trials[0].parameters, of(4).trials[0].parameters);
        // Resumed in between, it continues in the same way.
        let whole = of(3);
        let (half, parameters, goals) = (State { trials: whole.trials[..20].to_vec() }, parameters(), goals(Some(60)));
        let sampler = Sampler { kind: SamplerKind::Tpe, parameters: &parameters, goals: &goals, seed: 3 };
        assert_eq!(sampler.next(&half).as_ref(), Some(&whole.trials[20].parameters));
    }

    #[test]
    fn values_are_of_their_domains_and_only_those_that_are_used() {
        let parameters = parameters();
        for trial in searched(SamplerKind::Tpe, &goals(Some(100)), 1, 60).trials {
            for parameter in &parameters {
                let value = trial.parameters.get(&parameter.name);
                assert_eq!(value.is_some(), parameter.is_used(&trial.parameters), "{}", parameter.name);
                assert!(value.is_none_or(|value| parameter.domain.own(value).as_ref() == Some(value)), "{value:?}");
                if let (Domain::Integer { step: 4, .. }, Some(Value::Whole(whole))) = (&parameter.domain, value) {
                    assert_eq!(whole % 4, 0);
                }
            }
        }
    }

    #[test]
    fn no_candidate_is_tried_twice_and_a_small_space_has_an_end() {
        let choices = [1, 2, 3].map(Value::Whole).to_vec();
        let parameters = ["a", "b"].map(|name| Parameter {
            name: name.to_owned(),
            domain: Domain::Categorical { choices: choices.clone() },
            only_if: None,
        });
        let goals = goals(None);
        for kind in [SamplerKind::Tpe, SamplerKind::Random] {
            let sampler = Sampler { kind, parameters: &parameters, goals: &goals, seed: 5 };
            let mut state = State::default();
            while let Some(values) = sampler.next(&state) {
                let requirements = requirements(&values);
                let trial = state.trials.len();
                state
                    .apply(&Line { trial, event: Event::Begun { parameters: values, seed: 0, requirements } })
                    .unwrap();
                let event = Event::Finished { validation_accuracy: 0.5, seconds: 0.0 };
                state.apply(&Line { trial, event }).unwrap();
            }
            assert_eq!(state.trials.len(), 9, "{kind:?}");
        }
    }
}
