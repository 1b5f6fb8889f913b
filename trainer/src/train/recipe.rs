//! How a network is trained: the numbers that are not the network's own, read from TOML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::network::{Architecture, ShapedLayer};
use crate::support::limits::LONGEST_NAME;
pub use crate::train::augment::options::Augment;
use crate::train::balance::Balance;
use crate::train::built_in::BUILT_IN;
use crate::train::recipe_error::MOST_MEMORY;
pub use crate::train::recipe_error::RecipeError;
pub use crate::train::recipe_override::{Override, SizeOverride};
pub use crate::train::recipe_parts::{AdamNumbers, Distillation, Monitor, QuantizationAware};
use crate::train::schedule::Schedule;

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
    /// Steps at least: where the epochs come to fewer, there are more of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least_steps: usize,
    /// Images per step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Epochs without an improvement on the validation images after which training stops.
    pub patience: usize,
    /// An improvement is better than the best by more than this.
    #[serde(default)]
    pub min_delta: f64,
    /// What improves.
    #[serde(default)]
    pub monitor: Monitor,
    /// Adam's other numbers.
    #[serde(default)]
    pub adam: AdamNumbers,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: Schedule,
    /// Share of a weight, times the learning rate, that it loses at each step.
    #[serde(default)]
    pub weight_decay: f64,
    /// Share of the values before a dense layer that a step leaves out.
    #[serde(default)]
    pub dropout: f64,
    /// Share of a target that is spread over all classes (Szegedy and others 2016).
    #[serde(default)]
    pub label_smoothing: f64,
    /// Both parameters of the beta distribution that mixes two images (Zhang and others 2018); 0: none are mixed.
    #[serde(default)]
    pub mixup: f64,
    /// What is done about classes of unequal size.
    #[serde(default, skip_serializing_if = "Balance::is_none")]
    pub balance: Balance,
    /// What happens to images.
    #[serde(default)]
    pub augment: Augment,
    /// How the network learns from a teacher, where there is one.
    #[serde(default)]
    pub distillation: Distillation,
    /// What an average of the weights keeps at each step; 0: the weights are those of a step.
    #[serde(default)]
    pub average: f64,
    /// What follows when training is over.
    #[serde(default)]
    pub quantization_aware: QuantizationAware,
    /// What is different for sets of few images, the fewest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub size: Vec<SizeOverride>,
    /// What is different for some networks, by name.
    #[serde(default, rename = "override", skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Override>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Epochs at most: more than any training has patience for, few enough that their steps can be counted.
const MOST_EPOCHS: usize = 1_000_000;

/// Images of a step at most.
const MOST_BATCH: usize = 65_536;

impl Recipe {
    /// The built-in recipe of that name.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`].
    pub fn built_in(name: &str) -> Result<Self, RecipeError> {
        Self::from_toml(Self::built_in_file(name)?)
    }

    /// The TOML file of the built-in recipe of that name.
    ///
    /// # Errors
    /// [`RecipeError::Unknown`].
    pub fn built_in_file(name: &str) -> Result<&'static str, RecipeError> {
        let found = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
        found.map(|(_, text)| *text).ok_or_else(|| RecipeError::Unknown { name: name.to_owned() })
    }

    /// The TOML files of the built-in recipes, by name.
    #[must_use]
    pub fn built_in_files() -> &'static [(&'static str, &'static str)] {
        &BUILT_IN
    }

    /// The recipe of a TOML text.
    ///
    /// # Errors
    /// [`RecipeError::Toml`], which names the line; [`RecipeError::Name`]; [`RecipeError::Size`].
    pub fn from_toml(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text)?;
        // The first size that holds a set is the set's: one that is not larger than the one before holds none.
        let mut before = 0;
        for &SizeOverride { at_most, .. } in &recipe.size {
            if at_most <= before {
                return Err(RecipeError::Size { at_most, before });
            }
            before = at_most;
        }
        match recipe.name.len() {
            bytes if bytes > LONGEST_NAME => Err(RecipeError::Name { bytes }),
            _ => Ok(recipe),
        }
    }

    /// Refuses steps of so many images, of `images` there are, that a host has no memory for the outputs of the layers and their
    /// gradients; and steps of one image where a layer normalizes single values.
    ///
    /// # Errors
    /// [`RecipeError::Batch`], [`RecipeError::Alone`].
    pub fn check_batch(&self, architecture: &Architecture, images: usize) -> Result<(), RecipeError> {
        let batch = self.batch_size.min(images);
        // Each value is then its channel's mean, and what is left of it is zero.
        let is_alone = |shaped: &&ShapedLayer| {
            let is_normalized = shaped.weights().is_some_and(|weights| weights.batch_norm);
            is_normalized && shaped.output.height == 1 && shaped.output.width == 1
        };
        if batch == 1
            && let Some(alone) = architecture.layers.iter().find(is_alone)
        {
            return Err(RecipeError::Alone { layer: alone.layer.to_string() });
        }
        let values: usize = architecture.layers.iter().map(|shaped| shaped.input.len() + shaped.output.len()).sum();
        // Each once as it is, once as its gradient, and as much again while an operation runs.
        let bytes = batch.saturating_mul(values).saturating_mul(4 * size_of::<f32>());
        if bytes > MOST_MEMORY { Err(RecipeError::Batch { images: batch, gigabytes: bytes >> 30 }) } else { Ok(()) }
    }

    /// Refuses numbers that no training can run with, also where only some sets of images or some networks would have them.
    ///
    /// # Errors
    /// [`RecipeError::Range`]; [`RecipeError::Section`], which names the part of the file.
    pub fn check_all(&self) -> Result<(), RecipeError> {
        self.check()?;
        let within = |section: String| |error| RecipeError::Section { section, error: Box::new(error) };
        for size in &self.size {
            let of_size = self.clone().for_images(size.at_most).check();
            of_size.map_err(within(format!("[[size]] of {}", size.at_most)))?;
        }
        for name in self.overrides.keys() {
            for has_teacher in [false, true] {
                let of_network = self.clone().for_network(name, has_teacher).check();
                of_network.map_err(within(format!("[override.{name}]")))?;
            }
        }
        Ok(())
    }

    /// Refuses numbers that no training can run with.
    ///
    /// # Errors
    /// [`RecipeError::Range`].
    pub fn check(&self) -> Result<(), RecipeError> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rate = |value: f64| (0.0..1.0).contains(&value);
        let Distillation { weight, temperature } = self.distillation;
        let rules = [
            ("epochs", self.epochs as f64, "at least 1", self.epochs > 0),
            ("epochs", self.epochs as f64, "at most 1000000", self.epochs <= MOST_EPOCHS),
            ("least_steps", self.least_steps as f64, "at most 1000000", self.least_steps <= MOST_EPOCHS),
            ("batch size", self.batch_size as f64, "at least 1", self.batch_size > 0),
            ("batch size", self.batch_size as f64, "at most 65536", self.batch_size <= MOST_BATCH),
            ("learning rate", self.learning_rate, "positive and finite", positive(self.learning_rate)),
            ("patience", self.patience as f64, "at least 1", self.patience > 0),
            ("min-delta", self.min_delta, "0 or more and finite", self.min_delta >= 0.0 && self.min_delta.is_finite()),
            ("adam.beta1", self.adam.beta1, "0 or more and under 1", rate(self.adam.beta1)),
            ("adam.beta2", self.adam.beta2, "0 or more and under 1", rate(self.adam.beta2)),
            ("schedule.warmup", self.schedule.warmup, "0 to 1", (0.0..=1.0).contains(&self.schedule.warmup)),
            (
                "weight decay",
                self.weight_decay,
                "0 or more and finite",
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
            ),
            ("dropout", self.dropout, "0 or more and under 1", rate(self.dropout)),
            ("label smoothing", self.label_smoothing, "0 or more and under 1", rate(self.label_smoothing)),
            // Outside, hardly a draw is one of the beta distribution's, and none may come for ever.
            ("mixup", self.mixup, "0, or 0.01 to 8", self.mixup == 0.0 || (0.01..=8.0).contains(&self.mixup)),
            ("distillation.weight", weight, "0 to 1", (0.0..=1.0).contains(&weight)),
            ("distillation.temperature", temperature, "0.01 to 1000", (0.01..=1000.0).contains(&temperature)),
            ("average", self.average, "0 or more and under 1", rate(self.average)),
            (
                "quantization_aware.epochs",
                self.quantization_aware.epochs as f64,
                "at most 1000000",
                self.quantization_aware.epochs <= MOST_EPOCHS,
            ),
            (
                "quantization_aware.learning_rate",
                self.quantization_aware.learning_rate,
                "positive and finite",
                positive(self.quantization_aware.learning_rate),
            ),
            ("adam.epsilon", self.adam.epsilon, "positive and finite", positive(self.adam.epsilon)),
        ];
        match rules.into_iter().chain(self.augment.rules()).find(|(.., holds)| !holds) {
            Some((what, value, range, _)) => Err(RecipeError::Range { what, value, range }),
            None => Ok(()),
        }
    }

    /// The recipe as it is for a network of that name, with a teacher or without, its overrides applied.
    #[must_use]
    pub fn for_network(mut self, name: &str, has_teacher: bool) -> Self {
        let Some(mut numbers) = std::mem::take(&mut self.overrides).remove(name) else { return self };
        let distilled = numbers.distilled.take().filter(|_| has_teacher);
        let recipe = self.with(numbers);
        match distilled {
            Some(numbers) => recipe.with(*numbers),
            None => recipe,
        }
    }

    /// The recipe with the numbers that an override has, each as a whole: an `augment` replaces all options of the recipe's.
    pub(super) fn with(self, numbers: Override) -> Self {
        Self {
            epochs: numbers.epochs.unwrap_or(self.epochs),
            least_steps: numbers.least_steps.unwrap_or(self.least_steps),
            batch_size: numbers.batch_size.unwrap_or(self.batch_size),
            learning_rate: numbers.learning_rate.unwrap_or(self.learning_rate),
            weight_decay: numbers.weight_decay.unwrap_or(self.weight_decay),
            dropout: numbers.dropout.unwrap_or(self.dropout),
            label_smoothing: numbers.label_smoothing.unwrap_or(self.label_smoothing),
            mixup: numbers.mixup.unwrap_or(self.mixup),
            schedule: numbers.schedule.unwrap_or(self.schedule),
            augment: numbers.augment.unwrap_or(self.augment),
            monitor: numbers.monitor.unwrap_or(self.monitor),
            distillation: numbers.distillation.unwrap_or(self.distillation),
            average: numbers.average.unwrap_or(self.average),
            quantization_aware: numbers.quantization_aware.unwrap_or(self.quantization_aware),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infer_core::Shape;

    use crate::network::Template;

    #[test]
    fn the_tutorials_recipe_is_the_tutorials() {
        let recipe = Recipe::built_in("tutorial").unwrap();
        recipe.check().unwrap();
        assert_eq!((recipe.epochs, recipe.batch_size, recipe.patience), (100, 32, 5));
        assert_eq!((recipe.learning_rate, recipe.min_delta), (1e-3, 0.0));
    }

    #[test]
    fn recipes_are_checked_for_every_built_in_network_and_overrides_take_effect() {
        let [strong, folders] = ["strong", "folders"].map(|name| Recipe::built_in(name).unwrap());
        let built_in = Template::built_in_files().iter().map(|&(name, _)| name);
        for name in built_in.chain(["a network of one's own"]) {
            for recipe in [&strong, &folders] {
                recipe.clone().for_network(name, false).check().unwrap();
                recipe.clone().for_network(name, true).check().unwrap();
            }
        }
        let mlp = strong.clone().for_network("mlp", false);
        assert_eq!((mlp.augment.flip, strong.augment.flip), (0.0, 0.5));
        assert!(mlp.overrides.is_empty());
        let distilled = strong.for_network("mlp", true);
        assert!(
            distilled.augment.flip > 0.0
                && distilled.epochs > mlp.epochs
                && distilled.learning_rate == mlp.learning_rate
        );
    }

    #[test]
    fn a_recipe_survives_the_way_into_a_run_and_back() {
        let recipe = Recipe::built_in("strong").unwrap().for_network("tiny", true);
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }

    #[test]
    fn what_a_recipe_leaves_out_is_as_in_plain_training() {
        let least = "name = \"mine\"\nepochs = 3\nbatch_size = 8\nlearning_rate = 0.01\npatience = 2\n";
        let recipe = Recipe::from_toml(least).unwrap();
        recipe.check().unwrap();
        let plain = Recipe::built_in("tutorial").unwrap();
        let named = Recipe { name: "mine".to_owned(), description: String::new(), ..plain };
        assert_eq!(recipe, Recipe { epochs: 3, batch_size: 8, learning_rate: 0.01, patience: 2, ..named });
        let beta = Recipe::from_toml(&format!("{least}[adam]\nbeta1 = 0.8\n")).unwrap().adam;
        assert_eq!(beta, AdamNumbers { beta1: 0.8, ..recipe.adam });
    }

    #[test]
    fn a_misspelled_number_is_named_with_its_line() {
        let text = include_str!("../../recipes/tutorial.toml").replace("patience", "patients");
        let message = Recipe::from_toml(&text).unwrap_err().to_string();
        assert!(message.contains("unknown field `patients`") && message.contains("line 6"), "{message}");
    }

    #[test]
    fn quantization_aware_training_is_off_unless_requested_and_has_its_own_numbers() {
        let with =
            |section: &str| Recipe::from_toml(&format!("{}\n{section}", include_str!("../../recipes/tutorial.toml")));
        let given = |section: &str| with(section).unwrap().for_network("mlp", false).quantization_aware;
        let numbers = |epochs, learning_rate| QuantizationAware { epochs, learning_rate };
        assert_eq!(given(""), numbers(0, 1e-4));
        assert_eq!(given("[quantization_aware]\nepochs = 2"), numbers(2, 1e-4));
        assert_eq!(
            given("[override.mlp]\nquantization_aware = { epochs = 3, learning_rate = 1e-3 }"),
            numbers(3, 1e-3)
        );
        assert_eq!(given("[override.cnn.quantization_aware]\nepochs = 3"), numbers(0, 1e-4));
        let message = with("[override.mlp.distilled.distilled]\nepochs = 2").unwrap_err().to_string();
        assert!(message.contains("`distilled` cannot be within `distilled`"), "{message}");
        let size = "[[size]]\nat_most = 9\nnumbers = ";
        let message = with(&format!("{size}{{ distilled = {{ epochs = 2 }} }}")).unwrap_err().to_string();
        assert!(message.contains("`distilled` cannot be within `numbers`"), "{message}");
        for (second, before) in [(9, "9, that of the [[size]] before it"), (8, "9, that of the [[size]] before it")] {
            let message =
                with(&format!("{size}{{ epochs = 2 }}\n[[size]]\nat_most = {second}\nnumbers = {{ epochs = 3 }}"));
            let message = message.unwrap_err().to_string();
            assert!(
                message.contains(&format!("at_most = {second} of a [[size]] must be more than {before}")),
                "{message}"
            );
        }
        let message = with("[[size]]\nat_most = 0\nnumbers = {}").unwrap_err().to_string();
        assert!(message.ends_with("at_most = 0 of a [[size]] must be more than 0"), "{message}");
        let in_sections = [
            ("[[size]]\nat_most = 9\nnumbers = { epochs = 0 }", "[[size]] of 9: epochs is 0"),
            ("[override.mlp]\ndropout = 2.0", "[override.mlp]: dropout is 2"),
            ("[override.mlp.distilled]\ndropout = 2.0", "[override.mlp]: dropout is 2"),
        ];
        for (section, expected) in in_sections {
            let message = with(section).unwrap().check_all().unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
        let message = with("[for.mlp]\nepochs = 2").unwrap_err().to_string();
        assert!(
            message.contains("unknown field `for`, expected one of") && message.contains("`override`"),
            "{message}"
        );
        let message = with("[quantization_aware]\nepoch = 2").unwrap_err().to_string();
        assert!(message.contains("unknown field `epoch`, expected `epochs` or `learning_rate`"), "{message}");
        let message = with("[quantization_aware]\nepochs = -1").unwrap_err().to_string();
        assert!(message.contains("line 16, column 10") && message.contains("`-1`, expected usize"), "{message}");
        let refused = with("[quantization_aware]\nlearning_rate = 0.0").unwrap().check().unwrap_err();
        assert_eq!(refused.to_string(), "quantization_aware.learning_rate is 0; it must be positive and finite");
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        /// Lines before the first section, a section, and the message.
        type Case = (&'static str, &'static str, &'static str);
        let cases: [Case; 28] = [
            ("least_steps = 2000000", "", "least_steps is 2000000; it must be at most 1000000"),
            (
                "",
                "[[size]]\nat_most = 9\nnumbers = { dropout = 2.0 }",
                "dropout is 2; it must be 0 or more and under 1",
            ),
            ("epochs = 0", "", "epochs is 0; it must be at least 1"),
            ("epochs = 1000000000000000000", "", "epochs is 1000000000000000000; it must be at most 1000000"),
            ("batch_size = 0", "", "batch size is 0; it must be at least 1"),
            ("batch_size = 1000000000000000000", "", "batch size is 1000000000000000000; it must be at most 65536"),
            ("learning_rate = nan", "", "learning rate is NaN; it must be positive and finite"),
            ("patience = 0", "", "patience is 0; it must be at least 1"),
            ("min_delta = -0.5", "", "min-delta is -0.5; it must be 0 or more and finite"),
            (
                "",
                "[adam]\nbeta1 = 1.0\nbeta2 = 0.9\nepsilon = 1e-7",
                "adam.beta1 is 1; it must be 0 or more and under 1",
            ),
            (
                "",
                "[adam]\nbeta1 = 0.9\nbeta2 = -1.0\nepsilon = 1e-7",
                "adam.beta2 is -1; it must be 0 or more and under 1",
            ),
            (
                "",
                "[adam]\nbeta1 = 0.9\nbeta2 = 0.9\nepsilon = nan",
                "adam.epsilon is NaN; it must be positive and finite",
            ),
            ("", "[schedule]\nwarmup = 1.5", "schedule.warmup is 1.5; it must be 0 to 1"),
            ("weight_decay = inf", "", "weight decay is inf; it must be 0 or more and finite"),
            ("dropout = 2.0", "", "dropout is 2; it must be 0 or more and under 1"),
            ("label_smoothing = 1.0", "", "label smoothing is 1; it must be 0 or more and under 1"),
            ("mixup = 1e300", "", "it must be 0, or 0.01 to 8"),
            ("mixup = 1e-300", "", "it must be 0, or 0.01 to 8"),
            ("", "[augment]\nflip = -0.5", "augment.flip is -0.5; it must be 0 to 1"),
            ("", "[augment]\nshift = 1000000", "augment.shift is 1000000; it must be 0 to 1024"),
            ("", "[augment]\nerase = nan", "augment.erase is NaN; it must be 0 to 1"),
            ("", "[distillation]\nweight = 2.0", "distillation.weight is 2; it must be 0 to 1"),
            ("", "[distillation]\ntemperature = -1.0", "distillation.temperature is -1; it must be 0.01 to 1000"),
            ("", "[distillation]\ntemperature = 1e-300", "it must be 0.01 to 1000"),
            ("average = 1.0", "", "average is 1; it must be 0 or more and under 1"),
            (
                "",
                "[quantization_aware]\nepochs = 2000000",
                "quantization_aware.epochs is 2000000; it must be at most 1000000",
            ),
            (
                "",
                "[quantization_aware]\nlearning_rate = 0.0",
                "quantization_aware.learning_rate is 0; it must be positive and finite",
            ),
            ("", "[override.mlp]\ndropout = 2.0", "dropout is 2; it must be 0 or more and under 1"),
        ];
        let own: toml::Table = include_str!("../../recipes/tutorial.toml").parse().unwrap();
        for (lines, section, expected) in cases {
            let mut table = own.clone();
            table.extend(format!("{lines}\n{section}").parse::<toml::Table>().unwrap());
            let recipe = Recipe::from_toml(&table.to_string()).unwrap().for_images(9).for_network("mlp", false);
            let message = recipe.check().unwrap_err().to_string();
            assert!(message.ends_with(expected), "{lines}{section}: {message}");
        }
    }

    #[test]
    fn a_step_of_more_images_than_there_is_memory_for_is_refused() {
        let large = Architecture::built_in("large").unwrap();
        let recipe = |batch_size| Recipe { batch_size, ..Recipe::built_in("tutorial").unwrap() };
        recipe(1000).check_batch(&large, 57_000).unwrap();
        recipe(57_000).check_batch(&large, 1000).unwrap();
        let message = recipe(57_000).check_batch(&large, 57_000).unwrap_err().to_string();
        assert!(message.starts_with("a step of 57000 images takes about "), "{message}");
        assert!(message.ends_with("; choose a smaller batch size"), "{message}");
    }

    #[test]
    fn a_step_of_one_image_is_refused_where_a_layer_normalizes_single_values() {
        let mobilenet = |side| {
            let input = Shape { height: side, width: side, channels: 3 };
            Template::built_in("mobilenet").unwrap().architecture(input, 10).unwrap()
        };
        let recipe = |batch_size| Recipe { batch_size, ..Recipe::built_in("tutorial").unwrap() };
        recipe(2).check_batch(&mobilenet(32), 100).unwrap();
        recipe(1).check_batch(&mobilenet(96), 100).unwrap();
        for (batch_size, images) in [(1, 100), (64, 1)] {
            let message = recipe(batch_size).check_batch(&mobilenet(32), images).unwrap_err().to_string();
            assert!(message.contains("nothing to normalize in depthwise 3x3 same stride 2"), "{message}");
        }
    }

    #[test]
    fn a_file_nested_without_end_is_refused_and_not_followed() {
        for text in ["epochs = ".to_owned() + &"[".repeat(100_000), "a".to_owned() + &".a".repeat(100_000) + " = 1"] {
            let message = Recipe::from_toml(&text).unwrap_err().to_string();
            assert!(message.starts_with("recipe file: ") && message.contains("recurs"), "{}", message.len());
        }
    }
}
