//! How a network is trained: the numbers that are not the network's own, read from TOML.

use serde::{Deserialize, Serialize};

/// The numbers of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What it is called.
    pub name: String,
    /// One line about it.
    #[serde(default)]
    pub description: String,
    /// Most passes over the training images.
    pub epochs: usize,
    /// Images per step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Epochs without an improvement of the validation loss after which training stops.
    pub patience: usize,
    /// An improvement is a validation loss lower than the best by more than this.
    pub min_delta: f64,
    /// Adam's other numbers.
    pub adam: AdamNumbers,
}

/// Adam's decay rates and the term that keeps its divisor from zero (Kingma and Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamNumbers {
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the root of the latter.
    pub epsilon: f64,
}

/// Why a recipe was refused.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No built-in recipe of that name.
    #[error("there is no recipe {name:?}; the built-in one is tutorial")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The TOML does not say what a recipe says.
    #[error("recipe file: {0}")]
    Toml(#[from] toml::de::Error),
    /// A number outside its range.
    #[error("{what} is {value}; it must be {range}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it must be.
        range: &'static str,
    },
}

impl Recipe {
    /// The built-in recipe of that name.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`].
    pub fn built_in(name: &str) -> Result<Self, RecipeError> {
        match name {
            "tutorial" => Ok(toml::from_str(include_str!("../recipes/tutorial.toml"))?),
            _ => Err(RecipeError::Unknown { name: name.to_owned() }),
        }
    }

    /// Refuses numbers that no training can run with.
    ///
    /// # Errors
    /// [`RecipeError::Range`].
    pub fn check(&self) -> Result<(), RecipeError> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rate = |value: f64| (0.0..1.0).contains(&value);
        let rules = [
            ("epochs", self.epochs as f64, "at least 1", self.epochs > 0),
            ("batch size", self.batch_size as f64, "at least 1", self.batch_size > 0),
            ("learning rate", self.learning_rate, "positive and finite", positive(self.learning_rate)),
            ("patience", self.patience as f64, "at least 1", self.patience > 0),
            ("min-delta", self.min_delta, "0 or more", self.min_delta >= 0.0 && self.min_delta.is_finite()),
            ("adam.beta1", self.adam.beta1, "0 or more and under 1", rate(self.adam.beta1)),
            ("adam.beta2", self.adam.beta2, "0 or more and under 1", rate(self.adam.beta2)),
            ("adam.epsilon", self.adam.epsilon, "positive and finite", positive(self.adam.epsilon)),
        ];
        match rules.into_iter().find(|(.., holds)| !holds) {
            Some((what, value, range, _)) => Err(RecipeError::Range { what, value, range }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_recipe_is_the_tutorials() {
        let recipe = Recipe::built_in("tutorial").unwrap();
        recipe.check().unwrap();
        assert_eq!((recipe.epochs, recipe.batch_size, recipe.patience), (100, 32, 5));
        assert_eq!((recipe.learning_rate, recipe.min_delta), (1e-3, 0.0));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let recipe = Recipe::built_in("tutorial").unwrap();
        let refuse = |recipe: Recipe| recipe.check().unwrap_err().to_string();
        assert_eq!(refuse(Recipe { epochs: 0, ..recipe.clone() }), "epochs is 0; it must be at least 1");
        assert_eq!(
            refuse(Recipe { learning_rate: f64::NAN, ..recipe.clone() }),
            "learning rate is NaN; it must be positive and finite"
        );
        assert_eq!(refuse(Recipe { min_delta: -0.5, ..recipe.clone() }), "min-delta is -0.5; it must be 0 or more");
        assert_eq!(refuse(Recipe { batch_size: 0, ..recipe }), "batch size is 0; it must be at least 1");
    }
}
