//! A recipe for a set of images of any size: how many passes over them make enough steps, and which numbers few images need.
//!
//! A network needs some thousand steps to learn, whatever the number of images; the fewer these are, the sooner it overfits, and
//! the less the validation images, a share of them, can choose an epoch.

use super::recipe::{Override, Recipe, SizeOverride};
use crate::support::text::counted;

/// What is between a recipe's description and the choices for a set of images.
const BETWEEN: &str = "; ";

impl Recipe {
    /// Whether the recipe, as its file has it, adapts to the number of images.
    #[must_use]
    pub fn is_for_any_size(&self) -> bool {
        let has_least_steps = |numbers: &Override| numbers.least_steps.is_some_and(|steps| steps > 0);
        self.least_steps > 0 || !self.size.is_empty() || self.overrides.values().any(has_least_steps)
    }

    /// The recipe as it is for so many training images, before what is different for networks: with the numbers of its first
    /// [size](Self::size) that holds as many.
    #[must_use]
    pub fn for_images(mut self, images: usize) -> Self {
        let size = std::mem::take(&mut self.size).into_iter().find(|size| images <= size.at_most);
        match size {
            Some(SizeOverride { at_most, numbers }) => {
                let choice = format!("numbers for at most {}", counted(at_most, "image"));
                self.with(numbers).with_choice(&choice)
            }
            None => self,
        }
    }

    /// The recipe with the passes over so many training images that make [`least_steps`](Self::least_steps), where its own are fewer.
    /// What was decided, and why, is in its description.
    #[must_use]
    pub fn with_enough_epochs(self, images: usize) -> Self {
        if self.least_steps == 0 {
            return self;
        }
        let steps_per_epoch = images.div_ceil(self.batch_size.max(1)).max(1);
        let epochs = self.epochs.max(self.least_steps.div_ceil(steps_per_epoch));
        let (needed, noun) = if epochs > self.epochs { (self.least_steps, "step") } else { (self.epochs, "epoch") };
        let why = format!("as {} {} needed", counted(needed, noun), if needed == 1 { "is" } else { "are" });
        let [of_all, of_each] = [counted(epochs, "epoch"), counted(steps_per_epoch, "step")];
        let choice = format!("{of_all} of {of_each} for {}, {why}", counted(images, "image"));
        Self { epochs, least_steps: 0, ..self }.with_choice(&choice)
    }

    fn with_choice(self, choice: &str) -> Self {
        let description = if self.description.is_empty() {
            choice.to_owned()
        } else {
            format!("{}{BETWEEN}{choice}", self.description)
        };
        Self { description, ..self }
    }

    /// What was decided for a set of images since the recipe's description was `description`.
    pub fn choices_since(&self, description: &str) -> impl Iterator<Item = &str> {
        let choices = self.description.strip_prefix(description).unwrap_or_default();
        choices.split(BETWEEN).filter(|choice| !choice.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(images: usize) -> Recipe {
        let recipe = Recipe::built_in("folders").unwrap();
        recipe.for_images(images).for_network("resnet8", false).with_enough_epochs(images)
    }

    #[test]
    fn few_images_and_many_have_enough_steps_and_the_recipe_states_why() {
        for images in [1, 20, 300, 3000, 20_000, 300_000] {
            let recipe = settled(images);
            recipe.check().unwrap();
            let steps = recipe.epochs * images.div_ceil(recipe.batch_size);
            assert!(steps >= 2000 && recipe.epochs >= 20, "{images}: {steps} steps");
            assert!(
                [20, 45].contains(&recipe.epochs) || steps < 2000 + images.div_ceil(recipe.batch_size),
                "{images}: {steps} steps"
            );
            assert_eq!((recipe.least_steps, recipe.size.len()), (0, 0), "nothing is left to decide");
        }
        let why = settled(380).description;
        assert!(why.contains("at most 1,000 images"), "{why}");
        assert!(why.ends_with("; 167 epochs of 12 steps for 380 images, as 2,000 steps are needed"), "{why}");
        let why = settled(3000).description;
        assert!(why.ends_with("; 45 epochs of 94 steps for 3,000 images, as 45 epochs are needed"), "{why}");
        let why = settled(300_000).description;
        assert!(why.ends_with("; 20 epochs of 9,375 steps for 300,000 images, as 20 epochs are needed"), "{why}");
    }

    #[test]
    fn fewer_images_are_changed_more_and_the_networks_own_numbers_count_most() {
        let [small, middle, large] = [1000, 1001, 10_001].map(settled);
        assert!(small.weight_decay > middle.weight_decay && middle.augment.rotate > large.augment.rotate);
        assert!(
            [&small, &middle, &large].iter().all(|recipe| recipe.learning_rate == 3e-3 && recipe.augment.flip == 0.0)
        );
        let spectrograms = Recipe::built_in("folders").unwrap().for_images(100).for_network("dscnn", false);
        assert_eq!(spectrograms.augment, Default::default());
    }

    #[test]
    fn least_steps_of_any_network_make_a_recipe_for_any_size() {
        let recipe = |more: &str| {
            let least = "name = \"mine\"\nepochs = 2\nbatch_size = 8\nlearning_rate = 0.01\npatience = 2\n";
            Recipe::from_toml(&format!("{least}{more}")).unwrap()
        };
        assert!(!recipe("[override.resnet8]\nepochs = 9").is_for_any_size());
        assert!(recipe("[override.resnet8]\nleast_steps = 40").is_for_any_size());
    }

    #[test]
    fn choices_are_what_was_added_to_a_description_whatever_it_is() {
        for (description, images) in [("", 380), ("mine; of two parts", 380), ("mine", 1)] {
            let recipe = Recipe { description: description.to_owned(), ..Recipe::built_in("folders").unwrap() };
            let settled = recipe.for_images(images).with_enough_epochs(images);
            let choices: Vec<&str> = settled.choices_since(description).collect();
            let steps = match images {
                1 => "2,000 epochs of 1 step for 1 image, as 2,000 steps are needed",
                _ => "167 epochs of 12 steps for 380 images, as 2,000 steps are needed",
            };
            assert_eq!(choices, ["numbers for at most 1,000 images", steps]);
            assert!(!settled.description.starts_with("; "));
        }
    }

    #[test]
    fn a_settled_recipe_and_one_without_steps_stay_as_they_are() {
        let recipe = settled(380);
        assert_eq!(recipe.clone().for_images(9).with_enough_epochs(9), recipe);
        assert_eq!(Recipe::from_toml(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        let tutorial = Recipe::built_in("tutorial").unwrap();
        assert_eq!(tutorial.clone().for_images(9).with_enough_epochs(9), tutorial);
        let folders = Recipe::built_in("folders").unwrap();
        assert_eq!(Recipe::from_toml(&toml::to_string(&folders).unwrap()).unwrap(), folders);
    }
}
