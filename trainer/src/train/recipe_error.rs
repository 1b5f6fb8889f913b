//! Why a recipe is refused.

use crate::support::limits::LONGEST_NAME;
use crate::support::printable::toml_error;

/// Bytes that a step may take.
pub(super) const MOST_MEMORY: usize = 32 << 30;

/// Why a recipe was refused.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No built-in recipe of that name.
    #[error(
        "there is no recipe {name:?}; the built-in ones are tutorial, strong and folders; \
             a name with a dot or a slash is a TOML file"
    )]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The TOML is not that of a recipe.
    #[error("recipe file: {}", toml_error(.0))]
    Toml(#[from] toml::de::Error),
    /// A name that is too long.
    #[error("recipe file: its name is {bytes} bytes long, and at most {LONGEST_NAME} are read")]
    Name {
        /// Bytes of the name.
        bytes: usize,
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
