//! `--augment`: what happens to training images, over the recipe's `[augment]`.

use std::str::FromStr;

use trainer::train::recipe::Augment;

/// One of the words of `--augment`, which take effect in the order in which they are given.
#[derive(Clone, Debug, PartialEq)]
pub enum Augmentation {
    /// Nothing happens to images.
    None,
    /// What suits photographs.
    Photographs,
    /// A number of `[augment]`, `NAME=VALUE`.
    Number {
        /// Its name there.
        name: String,
        /// What it becomes.
        value: toml::Value,
    },
}

impl FromStr for Augmentation {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "none" => return Ok(Self::None),
            "photographs" => return Ok(Self::Photographs),
            _ => {}
        }
        let options = options();
        let names = || options.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let Some((name, text)) = word.split_once('=') else {
            return Err(format!("it must be none, photographs, or NAME=VALUE, with one of {}", names()));
        };
        let value = match options.get(name) {
            None => return Err(format!("unknown option {name:?}; there are {}", names())),
            Some(toml::Value::Integer(_)) => text.parse::<u32>().ok().map(|value| toml::Value::Integer(value.into())),
            Some(_) => text.parse().ok().map(toml::Value::Float),
        };
        let value = value.ok_or_else(|| match options.get(name) {
            Some(toml::Value::Integer(_)) => format!("{name} must be a whole number, such as 2"),
            _ => format!("{name} must be a number, such as 0.1"),
        })?;
        Ok(Self::Number { name: name.to_owned(), value })
    }
}

/// The numbers of `[augment]`, all of them off.
fn options() -> toml::Table {
    toml::Table::try_from(Augment::default()).unwrap_or_default()
}

/// What a recipe's augmentation becomes; whether its numbers are in range is for the recipe to check.
pub fn augmented(augment: Augment, words: &[Augmentation]) -> Result<Augment, toml::de::Error> {
    words.iter().try_fold(augment, |augment, word| match word {
        Augmentation::None => Ok(Augment::default()),
        Augmentation::Photographs => Ok(augment.for_photographs()),
        Augmentation::Number { name, value } => {
            let mut table = toml::Table::try_from(augment).unwrap_or_default();
            table.insert(name.clone(), value.clone());
            table.try_into()
        }
    })
}

/// Whether the words decide whether images are mirrored.
pub fn decide_flips(words: &[Augmentation]) -> bool {
    words.iter().any(|word| match word {
        Augmentation::None => true,
        Augmentation::Photographs => false,
        Augmentation::Number { name, .. } => name == "flip",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(augment: Augment, words: &[&str]) -> Augment {
        augmented(augment, &words.iter().map(|word| word.parse().unwrap()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn words_take_effect_in_their_order() {
        let recipe = Augment { flip: 0.5, shift: 4, ..Augment::default() };
        assert_eq!(of(recipe, &[]), recipe);
        assert_eq!(of(recipe, &["rotate=10", "shift=1"]), Augment { rotate: 10.0, shift: 1, ..recipe });
        assert_eq!(of(recipe, &["none", "rotate=1e1"]), Augment { rotate: 10.0, ..Augment::default() });
        assert_eq!(of(recipe, &["rotate=10", "none"]), Augment::default());
        assert_eq!(of(recipe, &["photographs", "hue=0"]), Augment { hue: 0.0, ..recipe.for_photographs() });
        let flips = |words: &[&str]| decide_flips(&words.iter().map(|word| word.parse().unwrap()).collect::<Vec<_>>());
        assert!(flips(&["flip=0"]) && flips(&["none"]) && !flips(&["photographs", "rotate=3"]));
    }

    #[test]
    fn each_option_is_one_and_others_are_refused_with_their_names() {
        for name in options().keys() {
            assert_ne!(of(Augment::default(), &[&format!("{name}=1")]), Augment::default(), "{name}");
        }
        let refused = |word: &str| word.parse::<Augmentation>().unwrap_err();
        assert!(
            refused("rotat=3").starts_with("unknown option \"rotat\"; there are ")
                && refused("rotat=3").contains("rotate,")
        );
        assert!(refused("rotate").starts_with("it must be none, photographs, or NAME=VALUE, with one of "));
        assert_eq!(refused("rotate=far"), "rotate must be a number, such as 0.1");
        for shift in ["shift=0.5", "shift=-1", "shift=99999999999"] {
            assert_eq!(refused(shift), "shift must be a whole number, such as 2");
        }
    }
}
