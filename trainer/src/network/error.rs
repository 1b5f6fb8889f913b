//! Why an architecture is refused.

use infer_core::Shape;

use super::built_in::BUILT_IN;
use super::graph::{ConnectionError, Node};
use super::hints::hint;
use crate::support::limits::{LONGEST_NAME, MOST_MACS};
use crate::support::printable::toml_error;
use crate::support::text::{names_of, thousands};

/// Weights and biases at most: a hundred times what the largest microcontroller holds.
pub const MOST_PARAMETERS: usize = 64 << 20;

/// Values of an image, or of the output of a layer, at most; a training holds those of some dozens of images at once.
pub const MOST_VALUES: usize = 4 << 20;

/// The largest factor of a network's channels.
pub const MOST_WIDTH: f64 = 64.0;

/// Why an architecture was refused.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ArchitectureError {
    /// No built-in architecture of that name.
    #[error(
        "unknown architecture {name:?}; the built-in ones are {}; a name with a dot or a slash is a TOML file",
        names_of(&BUILT_IN)
    )]
    Unknown {
        /// What was requested.
        name: String,
    },
    /// The TOML is not that of an architecture.
    #[error("architecture file: {}{}", toml_error(.0), meant(.0))]
    Toml(#[from] toml::de::Error),
    /// A name that no directory can have.
    #[error(
        "architecture file: the name {} cannot name the directory of a run; it must have 1 to {LONGEST_NAME} \
         bytes, no slash, no control character, and no dot at its beginning",
        quoted(name)
    )]
    Name {
        /// The name in the file.
        name: String,
    },
    /// A layer is not connected to others.
    #[error("architecture {name:?}, layer {layer} ({kind}): {source}")]
    Connection {
        /// Name of the architecture.
        name: String,
        /// The layer, counted from 0.
        layer: usize,
        /// What it is.
        kind: String,
        /// What is wrong with its name or with what it reads.
        source: ConnectionError,
    },
    /// A layer cannot have its input.
    #[error("architecture {name:?}, layer {layer} ({kind}): its input is {input}; {reason}")]
    Layer {
        /// Name of the architecture.
        name: String,
        /// The layer, counted from 0.
        layer: usize,
        /// What it is.
        kind: String,
        /// Shape that goes in.
        input: Shape,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer whose numbers fit no input.
    #[error("architecture {name:?}, layer {layer} ({kind}): {reason}")]
    Numbers {
        /// Name of the architecture.
        name: String,
        /// The layer, counted from 0.
        layer: usize,
        /// What it is.
        kind: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No factor of channels.
    #[error("width {width} is not above 0, or is more than {MOST_WIDTH}")]
    Width {
        /// The number in the file.
        width: f64,
    },
    /// A factor that makes too many channels.
    #[error("architecture {name:?}, layer {layer} ({kind}): with a width of {width} it has more than 65,535 channels")]
    Widened {
        /// Name of the architecture.
        name: String,
        /// Index of the layer, counted from 0.
        layer: usize,
        /// The layer as it is without the factor.
        kind: String,
        /// The factor.
        width: f64,
    },
    /// A dense layer that is not the last one does not state how many outputs it has.
    #[error("architecture {name:?}, layer {layer} (dense): outputs is missing; only the last layer may leave it out")]
    NoOutputs {
        /// Name of the architecture.
        name: String,
        /// The layer, counted from 0.
        layer: usize,
    },
    /// The last layer has another number of outputs than there are classes.
    #[error(
        "architecture {name:?}: its last layer has {outputs} outputs, but there are {classes} classes; \
         set outputs = {classes} there, or leave outputs out, which gives one per class"
    )]
    Classes {
        /// Name of the architecture.
        name: String,
        /// Outputs in the file.
        outputs: u16,
        /// Classes of the data.
        classes: u16,
    },
    /// The last layer is not a dense layer without ReLU.
    #[error("architecture {name:?} must end in a dense layer without relu, one output per class")]
    LastLayer {
        /// Name of the architecture.
        name: String,
    },
    /// More than can be trained, let alone run on a chip.
    #[error(
        "architecture {name:?}, layer {layer} ({kind}): with it there are {} weights and biases, and its output has {} values; \
         at most {} and {} can be trained", thousands(*.parameters), thousands(*.values),
        thousands(MOST_PARAMETERS), thousands(MOST_VALUES)
    )]
    TooLarge {
        /// Name of the architecture.
        name: String,
        /// The layer, counted from 0.
        layer: usize,
        /// What it is.
        kind: String,
        /// Weights and biases of it and all layers before it.
        parameters: usize,
        /// Values that leave it.
        values: usize,
    },
    /// More work than a training could do.
    #[error(
        "architecture {name:?}: an inference takes {} multiply-accumulates, and at most {} can be trained",
        thousands(*.macs), thousands(MOST_MACS as usize)
    )]
    TooSlow {
        /// Name of the architecture.
        name: String,
        /// Multiply-accumulates of an inference.
        macs: usize,
    },
    /// The input shape has a zero, or too much of everything.
    #[error("architecture {name:?}: input {input} has no values, or more than {}", thousands(MOST_VALUES))]
    Input {
        /// Name of the architecture.
        name: String,
        /// The shape in the file.
        input: Shape,
    },
}

impl ArchitectureError {
    /// That the layer with this index is not connected to others.
    pub(super) fn connection(name: &str, nodes: &[Node], layer: usize, source: ConnectionError) -> Self {
        let kind = nodes.get(layer).map_or_else(String::new, |node| node.layer.to_string());
        Self::Connection { name: name.to_owned(), layer, kind, source }
    }
}

/// What was meant by a key that is unknown, or is missing, if that is known.
fn meant(error: &toml::de::Error) -> String {
    match hint(error.message()) {
        "" => String::new(),
        hint => format!("; {hint}"),
    }
}

/// The beginning of a name, in quotes.
fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(40).collect();
    if shown.len() < name.len() { format!("{shown:?}...") } else { format!("{name:?}") }
}
