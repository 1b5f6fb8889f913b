//! Whether any network of a space can fit, known before a search begins, and what the smallest one needs if none does.
//!
//! Of a small space every network is looked at. A larger one has too many: fewer channels, blocks, pixels and smaller kernels nearly always
//! take less, so of these the least are taken, and all combinations of what remains are looked at: how many stages, of which kind, with
//! which head. From those that come nearest, single values are changed as long as that helps.

use std::cmp::Ordering;

use infer_core::Shape;
use rayon::prelude::*;

use super::budget::{AssessError, DataFacts, Limits, Requirements};
use super::candidate::Candidate;
use super::parameter::{Domain, Parameter, Value, Values};
use super::space::Space;
use crate::support::text::thousands;

/// Combinations that are looked at, at most: a fraction of a second.
const MOST: usize = 800;

/// Values of a parameter that are looked at one by one: as many as any parameter of a network has.
const LISTED: usize = 5000;

/// Of how many of them single values are changed.
const DESCENTS: usize = 4;

/// Whole numbers of which not the least makes the smallest network: more stages may leave a smaller map, and a hidden dense layer
/// fewer weights.
const UNEVEN: [&str; 2] = ["stages", "dense"];

/// The network that exceeds the limits least, of those that were looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Smallest {
    /// The values of its candidate.
    pub values: Values,
    /// Its input.
    pub input: Shape,
    /// What it takes.
    pub requirements: Requirements,
    /// By how much that is too much; 0: it fits.
    pub excess: f64,
}

/// Why a search has no candidates.
#[derive(Debug, thiserror::Error)]
#[error(
    "no network of space {space} fits: for inputs of {input} the smallest one needs {needs}, and allowed {allowed}. A larger chip, a \
     smaller --input, or a space of smaller networks may do"
)]
pub struct NothingFits {
    space: String,
    input: Shape,
    needs: String,
    allowed: String,
}

/// The smallest network of a space, as far as one can be found at once.
///
/// # Errors
/// [`AssessError`].
pub fn smallest(space: &Space, limits: &Limits, facts: &DataFacts) -> Result<Option<Smallest>, AssessError> {
    let shaping = space.parameters().iter().filter(|parameter| !is_of_the_recipe(parameter));
    let networks = shaping.map(|parameter| all(&parameter.domain).len()).fold(1, usize::saturating_mul);
    if networks <= MOST {
        let every = combinations(space.parameters(), |_| None, MOST);
        return Ok(sorted(space, limits, facts, every).into_iter().next());
    }
    Ok(near_smallest(space, limits, facts))
}

/// The same of a space of any size, if not to the last byte.
fn near_smallest(space: &Space, limits: &Limits, facts: &DataFacts) -> Option<Smallest> {
    let fixed = |parameter: &Parameter| least(&parameter.domain).filter(|_| !UNEVEN.contains(&&*parameter.name));
    let found = sorted(space, limits, facts, combinations(space.parameters(), fixed, MOST));
    let descended = found.into_iter().take(DESCENTS).map(|found| descend(space, limits, facts, found));
    descended.reduce(|least, other| if is_less(&other, &least) { other } else { least })
}

/// The candidates of these values, the smallest first, and of equal ones the first first: the same is found each time.
fn sorted(space: &Space, limits: &Limits, facts: &DataFacts, values: Vec<Values>) -> Vec<Smallest> {
    let assess = |values| assess(space, limits, facts, values);
    let mut found: Vec<Smallest> = values.into_par_iter().filter_map(assess).collect();
    found.sort_by(|one, other| {
        if is_less(one, other) {
            Ordering::Less
        } else if is_less(other, one) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    });
    found
}

/// Refuses a search of which no candidate fits.
///
/// # Errors
/// [`NothingFits`].
pub fn check(space: &Space, limits: &Limits, found: Option<&Smallest>) -> Result<(), NothingFits> {
    let Some(Smallest { requirements, input, excess, .. }) = found else { return Ok(()) };
    if *excess == 0.0 {
        return Ok(());
    }
    let text = |name: &str, number: f64| match name {
        "milliseconds" => format!("{number:.1} ms"),
        "model" => format!("{} bytes for the model file", thousands(number as usize)),
        "ram" => format!("{} bytes of RAM", thousands(number as usize)),
        _ => format!("{} bytes of flash", thousands(number as usize)),
    };
    let exceeded: Vec<_> =
        limits.compared(requirements).into_iter().filter(|(_, needed, limit)| needed > limit).collect();
    let list = |texts: Vec<String>| texts.join(" and ");
    Err(NothingFits {
        space: space.name.clone(),
        input: *input,
        needs: list(exceeded.iter().map(|(name, needed, _)| text(name, *needed)).collect()),
        allowed: match exceeded.len() {
            1 => "are ".to_owned() + &text(exceeded[0].0, exceeded[0].2),
            _ => "are ".to_owned() + &list(exceeded.iter().map(|(name, _, limit)| text(name, *limit)).collect()),
        },
    })
}

fn is_less(one: &Smallest, other: &Smallest) -> bool {
    let size = |found: &Smallest| (found.excess, found.requirements.flash, found.requirements.ram);
    size(one) < size(other)
}

fn assess(space: &Space, limits: &Limits, facts: &DataFacts, values: Values) -> Option<Smallest> {
    // A network that is too large to be trained is not the smallest one.
    let candidate = Candidate::new(space, &values).ok()?;
    let requirements = limits.assess(&candidate, facts).ok()?;
    let input = candidate.conversion().ok()?.map_or(facts.input, |conversion| conversion.shape());
    let excess = limits.excess(&requirements);
    Some(Smallest { values, input, requirements, excess })
}

/// Whether a parameter has no part in what a network takes.
fn is_of_the_recipe(parameter: &Parameter) -> bool {
    parameter.name.starts_with("recipe.") || parameter.name == "quantization.calibration"
}

/// The least of a domain of numbers.
fn least(domain: &Domain) -> Option<Value> {
    let ends = domain.ends();
    let numbers: Option<Vec<f64>> = ends.iter().map(Value::number).collect();
    let least = numbers?.into_iter().enumerate().min_by(|one, other| one.1.total_cmp(&other.1))?;
    Some(ends[least.0].clone())
}

/// All values that a parameter may have; of a range of too many, its ends.
fn all(domain: &Domain) -> Vec<Value> {
    domain.all(LISTED).unwrap_or_else(|| domain.ends())
}

/// What is looked at, `most` at most: each a candidate, with the values that `fixed` gives. Values that a candidate does not use are in
/// it too.
fn combinations(parameters: &[Parameter], fixed: impl Fn(&Parameter) -> Option<Value>, most: usize) -> Vec<Values> {
    let mut combinations = vec![Values::new()];
    for parameter in parameters {
        let choices = match fixed(parameter) {
            _ if is_of_the_recipe(parameter) => parameter.domain.ends().into_iter().take(1).collect(),
            Some(least) => vec![least],
            None => all(&parameter.domain),
        };
        let room = (most / combinations.len()).max(1);
        // Where there are too many, the first of each further parameter stand for all; the descent tries the others.
        let choices = &choices[..choices.len().min(room)];
        let extended = combinations.iter().flat_map(|values: &Values| {
            choices.iter().map(|choice| {
                let mut values = values.clone();
                values.insert(parameter.name.clone(), choice.clone());
                values
            })
        });
        combinations = extended.collect();
    }
    combinations
}

/// Changes one value at a time as long as less is exceeded.
fn descend(space: &Space, limits: &Limits, facts: &DataFacts, mut least: Smallest) -> Smallest {
    let shaping: Vec<&Parameter> = space.parameters().iter().filter(|parameter| !is_of_the_recipe(parameter)).collect();
    while least.excess > 0.0 {
        let neighbors: Vec<Values> = shaping
            .iter()
            .filter(|parameter| parameter.is_used(&least.values))
            .flat_map(|parameter| all(&parameter.domain).into_iter().map(|value| (&parameter.name, value)))
            .filter(|(name, value)| least.values.get(*name) != Some(value))
            .map(|(name, value)| {
                let mut values = least.values.clone();
                values.insert(name.clone(), value);
                values
            })
            .collect();
        let found: Vec<Smallest> =
            neighbors.into_par_iter().filter_map(|values| assess(space, limits, facts, values)).collect();
        let nearest = found.into_iter().reduce(|one, other| if is_less(&other, &one) { other } else { one });
        match nearest {
            Some(nearest) if nearest.excess < least.excess => least = nearest,
            _ => break,
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::layout::LayoutChoice;
    use crate::run::Target;

    const FEW: &str = "name = \"few\"
        [network]
        head = [\"flatten\", \"mean\"]
        dense = [0, 8]
        stages = [1, 2]
        [[stage]]
        channels = { from = 4, to = 12, step = 4 }
        padding = [\"same\", \"valid\"]
        kernel = [3, 5]
        downsample = [\"none\", \"pool\"]
        [[stage]]
        channels = [4, 8]
        block = [\"convolution\", \"separable\"]";

    fn facts() -> DataFacts {
        DataFacts::least(Shape { height: 12, width: 12, channels: 1 })
    }

    fn limits(flash: Option<usize>, ram: Option<usize>) -> Limits {
        let target = Some(Target { chip: None, flash, ram });
        Limits { target, layout: Some(LayoutChoice::Compact), ..Limits::default() }
    }

    /// Every candidate of a space of few.
    fn every(space: &Space) -> Vec<Values> {
        space.parameters().iter().fold(vec![Values::new()], |found, parameter| {
            let extended = found.iter().flat_map(|values| {
                all(&parameter.domain).into_iter().map(|value| {
                    let mut values = values.clone();
                    values.insert(parameter.name.clone(), value);
                    values
                })
            });
            extended.collect()
        })
    }

    #[test]
    fn of_a_space_small_enough_to_look_at_all_it_is_the_smallest() {
        let space = Space::from_toml(FEW).unwrap();
        let every = every(&space);
        assert!(every.len() > 300, "{}", every.len());
        for limits in [limits(Some(1), None), limits(None, Some(1)), limits(Some(20_000), Some(1))] {
            let least = every.iter().filter_map(|values| assess(&space, &limits, &facts(), values.clone()));
            let least = least.map(|found| found.excess).fold(f64::INFINITY, f64::min);
            let found = smallest(&space, &limits, &facts()).unwrap().unwrap();
            assert_eq!(found.excess, least, "{:?}", found.values);
            // Of a larger space it would be near that.
            let near = near_smallest(&space, &limits, &facts()).unwrap();
            assert!((least..=1.05 * least).contains(&near.excess), "{near:?}, and {least}");
        }
    }

    #[test]
    fn what_fits_to_the_byte_is_found_and_a_byte_less_is_refused_with_what_is_needed() {
        let space = Space::from_toml(FEW).unwrap();
        let needed = smallest(&space, &limits(None, Some(1)), &facts()).unwrap().unwrap().requirements.ram;
        let check = |ram: usize| {
            let limits = limits(None, Some(ram));
            check(&space, &limits, smallest(&space, &limits, &facts()).unwrap().as_ref())
        };
        check(needed).unwrap();
        let message = check(needed - 1).unwrap_err().to_string();
        let expected = format!(
            "no network of space few fits: for inputs of 12x12x1 the smallest one needs {} bytes of RAM, and allowed are {} bytes of RAM.",
            thousands(needed),
            thousands(needed - 1)
        );
        assert!(message.starts_with(&expected), "{message}");
    }

    #[test]
    fn every_ready_space_has_networks_for_a_small_chip() {
        // 128 KiB of flash and 32 KiB of RAM.
        let chip = crate::export::hardware::Chip::named("gd32vf103cb").unwrap();
        for (name, input) in [("conv", (28, 1)), ("separable", (32, 3)), ("residual", (32, 3))] {
            let space = Space::ready(name).unwrap();
            let facts = DataFacts::least(Shape { height: input.0, width: input.0, channels: input.1 });
            let target = Target { chip: Some(chip.name.clone()), flash: Some(chip.flash), ram: Some(chip.ram) };
            let limits = Limits { target: Some(target), ..Limits::default() };
            let found = smallest(&space, &limits, &facts).unwrap().unwrap();
            assert_eq!(found.excess, 0.0, "{name}: {found:?}");
        }
    }
}
