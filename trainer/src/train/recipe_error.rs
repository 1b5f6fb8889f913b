//! Why a recipe is refused.

use super::built_in::BUILT_IN;
use crate::support::limits::LONGEST_NAME;
use crate::support::printable::toml_error;
use crate::support::text::names_of;

/// Bytes that a step may take.
pub(super) const MOST_MEMORY: usize = 32 << 30;

/// Keys and values of other tools, and where what they mean is written here.
const HINTS: &[(&[&str], &str)] = &[
    (&["lr", "rate"], "the learning rate is learning_rate"),
    (&["batch", "batchsize"], "images of a step are batch_size"),
    (&["optimizer", "momentum", "beta1", "beta2", "sgd"], "Adam is the only optimizer; its numbers are in [adam]"),
    (
        &["lr_schedule", "lr_scheduler", "scheduler", "reduce_lr_on_plateau", "warmup", "decay", "plateau"],
        "the learning rate follows [schedule]: warmup, and decay = \"cosine\" or \"constant\"",
    ),
    (&["early_stopping", "early_stop"], "training stops after patience epochs without improvement"),
    (&["val_loss", "val_accuracy", "val_acc", "acc"], "monitor is always about the validation images"),
    (&["class_weight", "class_weights"], "classes of unequal size are balanced by balance = \"logits\" or \"weights\""),
    (&["l2", "weight_decay_rate", "kernel_regularizer"], "weights shrink by weight_decay"),
    (&["augmentation", "transforms"], "what happens to images is in [augment]"),
    (&["ema", "ema_decay", "swa"], "the running mean of the weights is average"),
    (&["horizontal_flip", "hflip", "mirror"], "images are mirrored by flip in [augment]"),
    (&["rotation", "random_rotation"], "images are rotated by rotate in [augment], in degrees"),
    (&["qat"], "fine-tuning with 8-bit numbers is [quantization_aware]"),
    (&["loss"], "the loss is always the cross-entropy"),
];

/// What was meant by a key or a value that is unknown, or what a number has to be; empty where that is not known.
fn meant(message: &str) -> String {
    let message = message.trim_end();
    let unknown = ["unknown field `", "unknown variant `"].iter().find_map(|before| {
        let (_, after) = message.split_once(before)?;
        after.split_once('`').map(|(key, _)| key)
    });
    let hint = unknown.and_then(|key| HINTS.iter().find(|(keys, _)| keys.contains(&key))).map(|(_, hint)| *hint);
    let hint = hint.or_else(|| match message.rsplit_once("expected ")?.1 {
        "usize" => Some("it is a whole number of 0 or more, without quotes"),
        "f32" | "f64" => Some("it is a number, without quotes"),
        _ => None,
    });
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

/// Why a recipe was refused.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No built-in recipe of that name.
    #[error(
        "unknown recipe {name:?}; the built-in ones are {}; a name with a dot or a slash is a TOML file",
        names_of(&BUILT_IN)
    )]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The TOML is not that of a recipe.
    #[error("recipe file: {}{}", toml_error(.0), meant(.0.message()))]
    Toml(#[from] toml::de::Error),
    /// A name that is too long.
    #[error("recipe file: its name is {bytes} bytes long, and at most {LONGEST_NAME} are read")]
    Name {
        /// Bytes of the name.
        bytes: usize,
    },
    /// A size that no set of images would have, as the size before holds each.
    #[error(
        "recipe file: at_most = {at_most} of a [[size]] must be more than {before}{}",
        if *before > 0 { ", that of the [[size]] before it: the first one that holds a set decides" } else { "" }
    )]
    Size {
        /// Images that it holds at most.
        at_most: usize,
        /// Images that the one before holds at most, or 0.
        before: usize,
    },
    /// What is wrong in a part of the file.
    #[error("{section}: {error}")]
    Section {
        /// The part's heading.
        section: String,
        /// What is wrong there.
        error: Box<RecipeError>,
    },
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
    /// Steps of one image where a layer is normalized that has one value of each channel.
    #[error(
        "with a batch size of 1 there is nothing to normalize in {layer}, whose outputs are 1x1: each value is its own mean, and the \
         network learns nothing; choose a larger batch size"
    )]
    Alone {
        /// The first such layer.
        layer: String,
    },
    /// Steps of more images than there is memory for.
    #[error(
        "a step of {images} images takes about {gigabytes} GB with this network, and at most {} are allowed; \
         choose a smaller batch size", MOST_MEMORY >> 30
    )]
    Batch {
        /// Images of a step.
        images: usize,
        /// Memory that they take, about.
        gigabytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use crate::train::recipe::Recipe;

    #[test]
    fn keys_of_other_tools_are_answered_with_what_they_are_here() {
        for (line, hint) in [
            ("lr = 0.1", "; the learning rate is learning_rate"),
            ("optimizer = \"sgd\"", "; Adam is the only optimizer; its numbers are in [adam]"),
            ("monitor = \"val_loss\"", "; monitor is always about the validation images"),
            ("mixup = \"much\"", "; it is a number, without quotes"),
            ("least_steps = \"9\"", "expected usize; it is a whole number of 0 or more, without quotes"),
        ] {
            let message = Recipe::from_toml(&format!("{line}\nname = \"mine\"")).unwrap_err().to_string();
            assert!(message.ends_with(hint), "{message}");
        }
        let message = Recipe::from_toml("nonsense = 1").unwrap_err().to_string();
        assert!(message.ends_with("`override`"), "{message}");
    }
}
