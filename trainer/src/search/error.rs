//! Why there is no space, or no candidate.

use crate::network::ArchitectureError;
use crate::support::limits::LONGEST_NAME;
use crate::support::printable::toml_error;
use crate::train::recipe::RecipeError;

use super::parameter::{Domain, Value};

/// What is wrong with the file of a space.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// No ready space of that name.
    #[error(
        "unknown space {name:?}; the built-in ones are conv, separable and residual; a name with a dot or a slash is a TOML file"
    )]
    Unknown {
        /// The name given.
        name: String,
    },
    /// Not the TOML of a space.
    #[error("space file: {}", toml_error(.0))]
    Toml(#[from] toml::de::Error),
    /// A name that networks of the space could not have.
    #[error(
        "space file: the name {name:?} cannot name the directory of a run; it must have 1 to {LONGEST_NAME} bytes, \
         no slash, no control character, and no dot at its beginning"
    )]
    Name {
        /// The name in the file.
        name: String,
    },
    /// A key whose value cannot be.
    #[error("space file: {key}: {reason}")]
    Key {
        /// Where: `stage 2, channels`.
        key: String,
        /// What is wrong, and what it must be.
        reason: String,
    },
    /// A recipe that no training can run with.
    #[error("space file: [recipe], {key}: {source}")]
    Recipe {
        /// The parameter.
        key: String,
        /// What is wrong.
        source: RecipeError,
    },
    /// Nothing to choose.
    #[error(
        "space file: every value is fixed, so there is one candidate; give a list, or {{ from = ..., to = ... }}, for what to search"
    )]
    NothingToChoose,
}

/// Why values are no candidate of a space.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// A value is missing that the candidate uses.
    #[error("parameter {name} is missing; it is {domain}")]
    Missing {
        /// The parameter.
        name: String,
        /// What it may be.
        domain: Domain,
    },
    /// A value outside its domain.
    #[error("parameter {name} is {value}; it must be {domain}")]
    Outside {
        /// The parameter.
        name: String,
        /// What was given.
        value: Value,
        /// What it may be.
        domain: Domain,
    },
    /// A name that is none of the space's.
    #[error("space {space} has no parameter {name}; trainer search {space} --describe lists them")]
    Unknown {
        /// The name given.
        name: String,
        /// The space.
        space: String,
    },
    /// The recipe of the candidate is none.
    #[error("its recipe: {0}")]
    Recipe(#[from] RecipeError),
    /// The network of the candidate is none.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The recipe cannot be written.
    #[error("its recipe cannot be written: {0}")]
    Write(#[from] toml::ser::Error),
}
