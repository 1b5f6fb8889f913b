//! Which parameters the accuracy depends on, taken one by one.
//!
//! The trials are put into groups by the value of a parameter, and what is reported is the share of the variance of their accuracies that
//! is between the means of the groups, less what groups made by chance would have: Kelley's epsilon squared (1935),
//! `1 - (within / (n - groups)) / (total / (n - 1))`. What two parameters do only together is seen by neither.

use super::parameter::{Domain, Parameter, Value};
use super::state::State;

/// Groups into which numbers of a range are put, with as many trials in each.
const GROUPS: usize = 4;

/// Trials that must have used a parameter for anything to be said about it.
const ENOUGH: usize = 10;

/// What a parameter explains.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The parameter.
    pub name: String,
    /// Share of the variance of the accuracies that it explains by itself, 0 to 1.
    pub share: f64,
    /// The groups, by value: what they are called, their mean accuracy, and how many trials they have.
    pub groups: Vec<(String, f64, usize)>,
}

/// The parameters, the most important first; those that too few trials used are left out. Accuracies are those after `epoch`, so that
/// trials which ended early count too.
#[must_use]
pub fn importance(parameters: &[Parameter], state: &State, epoch: usize) -> Vec<Importance> {
    let mut all: Vec<Importance> = parameters.iter().filter_map(|parameter| of(parameter, state, epoch)).collect();
    all.sort_by(|one, other| other.share.total_cmp(&one.share));
    all
}

fn of(parameter: &Parameter, state: &State, epoch: usize) -> Option<Importance> {
    let used = state.trials.iter().filter_map(|trial| {
        let value = trial.parameters.get(&parameter.name)?;
        Some((value, trial.best_until(epoch)?))
    });
    let used: Vec<(&Value, f64)> = used.collect();
    if used.len() < ENOUGH {
        return None;
    }
    let groups = match &parameter.domain {
        Domain::Categorical { choices } => by_choice(choices, &used),
        Domain::Integer { .. } | Domain::Float { .. } => by_size(&used),
    };
    let share = epsilon_squared(&groups);
    let named = |(name, accuracies): (String, Vec<f64>)| {
        let mean = mean(&accuracies);
        (name, mean, accuracies.len())
    };
    Some(Importance { name: parameter.name.clone(), share, groups: groups.into_iter().map(named).collect() })
}

fn by_choice(choices: &[Value], used: &[(&Value, f64)]) -> Vec<(String, Vec<f64>)> {
    let group = |choice: &Value| {
        let accuracies: Vec<f64> =
            used.iter().filter(|(value, _)| value.is_same(choice)).map(|(_, accuracy)| *accuracy).collect();
        (choice.to_string(), accuracies)
    };
    choices.iter().map(group).filter(|(_, accuracies)| !accuracies.is_empty()).collect()
}

/// Groups of about as many trials each; equal values are in one group.
fn by_size(used: &[(&Value, f64)]) -> Vec<(String, Vec<f64>)> {
    let mut numbers: Vec<(f64, f64, &Value)> =
        used.iter().filter_map(|(value, accuracy)| Some((value.number()?, *accuracy, *value))).collect();
    numbers.sort_by(|one, other| one.0.total_cmp(&other.0));
    let size = numbers.len().div_ceil(GROUPS).max(1);
    let mut groups: Vec<Vec<(f64, f64, &Value)>> = Vec::new();
    for equal in numbers.chunk_by(|one, other| one.0 == other.0) {
        match groups.last_mut() {
            Some(last) if last.len() + equal.len() / 2 < size => last.extend(equal),
            _ => groups.push(equal.to_vec()),
        }
    }
    let named = |group: Vec<(f64, f64, &Value)>| {
        let (least, most) = (group[0].2, group[group.len() - 1].2);
        let name = if least.is_same(most) { least.to_string() } else { format!("{least} to {most}") };
        (name, group.into_iter().map(|(_, accuracy, _)| accuracy).collect())
    };
    groups.into_iter().map(named).collect()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn epsilon_squared(groups: &[(String, Vec<f64>)]) -> f64 {
    let all: Vec<f64> = groups.iter().flat_map(|(_, accuracies)| accuracies.iter().copied()).collect();
    let squares = |numbers: &[f64]| {
        let mean = mean(numbers);
        numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>()
    };
    let (total, within) = (squares(&all), groups.iter().map(|(_, accuracies)| squares(accuracies)).sum::<f64>());
    let free = all.len().saturating_sub(groups.len());
    if groups.len() < 2 || free == 0 || total <= 0.0 {
        return 0.0;
    }
    (1.0 - (within / free as f64) / (total / (all.len() - 1) as f64)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::parameter::Values;
    use super::super::state::{Progress, TrialState};
    use super::*;
    use crate::support::rng::{self, Purpose, RngExt};

    fn parameters() -> Vec<Parameter> {
        let parameter = |name: &str, domain| Parameter { name: name.to_owned(), domain, only_if: None };
        let words = ["a", "b", "c"].map(|word| Value::Word(word.to_owned())).to_vec();
        vec![
            parameter("nothing", Domain::Float { low: 0.0, high: 1.0, log: false }),
            parameter("some", Domain::Categorical { choices: words }),
            parameter("most", Domain::Float { low: 1e-4, high: 1.0, log: true }),
            parameter("never", Domain::Integer { low: 1, high: 2, step: 1 }),
        ]
    }

    fn state(trials: usize) -> State {
        let mut generator = rng::stream(7, Purpose::Search, 0);
        let trial = |number: usize| {
            let [nothing, most]: [f64; 2] = [generator.random(), generator.random()];
            let some = generator.random_range(0..3usize);
            let value = |name: &str, value| (name.to_owned(), value);
            let parameters = Values::from([
                value("nothing", Value::Number(nothing)),
                value("some", Value::Word(["a", "b", "c"][some].to_owned())),
                value("most", Value::Number(10f64.powf(-4.0 * most))),
            ]);
            let accuracy = 0.5 + 0.3 * most + 0.05 * some as f64 + 0.01 * generator.random::<f64>();
            TrialState {
                number,
                parameters,
                seed: 0,
                requirements: None,
                curve: vec![accuracy],
                accuracy: None,
                progress: Progress::Stopped,
                crashes: 0,
                seconds: 0.0,
            }
        };
        State { trials: (0..trials).map(trial).collect() }
    }

    #[test]
    fn what_the_accuracy_depends_on_comes_first_and_chance_explains_nothing() {
        let found = importance(&parameters(), &state(200), 1);
        let names: Vec<&str> = found.iter().map(|importance| importance.name.as_str()).collect();
        assert_eq!(names, ["most", "some", "nothing"]);
        assert!(found[0].share > 0.6 && (0.05..0.4).contains(&found[1].share) && found[2].share < 0.03, "{found:?}");
        assert_eq!(found[1].groups.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(found[0].groups.iter().map(|(.., trials)| trials).sum::<usize>(), 200);
    }

    #[test]
    fn too_few_trials_say_nothing() {
        assert_eq!(importance(&parameters(), &state(ENOUGH - 1), 1), []);
        assert_eq!(importance(&parameters(), &state(50), 2), [], "none has come to a second epoch");
    }
}
