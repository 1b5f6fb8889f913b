//! The operators that layers are made of, one file each.
//!
//! Everything that is true of one operator alone is in its file: its keys in TOML, its shapes and parameters, its forward
//! pass, its record in the model file and its work. The list below is the only place that names all of them.
//!
//! How one is added: `docs/adding-operators.md`.

mod add;
mod average_pool;
mod conv;
pub(crate) mod convolution;
mod dense;
mod depthwise_conv;
mod max_pool;
mod operator;
mod pool;
mod window;

use std::fmt;

use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use self::operator::Variants;
use super::record::LayerRecord;

pub use add::Add;
pub use average_pool::AveragePool;
pub use conv::Conv;
pub use dense::Dense;
pub(super) use dense::FileDense;
pub use depthwise_conv::DepthwiseConv;
pub use max_pool::MaxPool;
pub use operator::{Arithmetic, Forward, LayerTensors, Operator, WeightShape};
pub use pool::Pool;
pub use window::{Padding, Pair, Placed, Window};

/// Makes, of a list of operators and of the records that each becomes in a model file: [`Layer`], its form in TOML, the way from a
/// layer to its [`Operator`], and the way from a record to its [`LayerRecord`].
macro_rules! operators {
    ($($(#[$doc:meta])* $Name:ident => $($Record:ident)|+,)*) => {
        /// What a layer does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Layer {
            $($(#[$doc])* $Name($Name),)*
        }

        /// A layer as it is in an architecture file.
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum FileLayer {
            $($Name(<$Name as Variants>::File),)*
        }

        impl Layer {
            /// The same with its channels times `width`, if it has a number of them; `None` where those are too many.
            #[must_use]
            pub(super) fn widened(self, width: f64) -> Option<Self> {
                match self {
                    $(Self::$Name(operator) => operator.widened(width).map(Self::$Name),)*
                }
            }

            /// The same once its batch normalization is part of its weights, if it has one.
            #[must_use]
            pub fn folded(self) -> Self {
                match self {
                    $(Self::$Name(operator) => Self::$Name(operator.folded()),)*
                }
            }

            /// The same, with its padding, if it has some, called `same` where that is as much on such an input: a model file has
            /// the numbers alone.
            #[must_use]
            pub fn with_named_padding(self, input: Shape) -> Self {
                match self {
                    $(Self::$Name(operator) => Self::$Name(operator.with_named_padding(input)),)*
                }
            }

            /// The operator with its numbers.
            #[must_use]
            pub fn operator(&self) -> &dyn Operator {
                match self {
                    $(Self::$Name(operator) => operator,)*
                }
            }
        }

        impl FileLayer {
            /// The layer; `None` where the number of outputs is left to the data.
            pub(super) fn layer(self) -> Option<Layer> {
                match self {
                    $(Self::$Name(file) => $Name::from_file(file).map(Layer::$Name),)*
                }
            }
        }

        /// The layer of an architecture that becomes such a layer of a model file.
        impl From<&operators::Layer<'_>> for Layer {
            fn from(layer: &operators::Layer<'_>) -> Self {
                match layer {
                    $($(operators::Layer::$Record(record) => Self::$Name(record.into()),)+)*
                }
            }
        }

        /// What a layer of a model file is to the trainer.
        #[must_use]
        pub fn record<'l, 'a>(layer: &'l operators::Layer<'a>) -> &'l dyn LayerRecord<'a> {
            match layer {
                $($(operators::Layer::$Record(record) => record,)+)*
            }
        }

        /// As [`record`], to change it.
        pub fn record_mut<'l, 'a>(layer: &'l mut operators::Layer<'a>) -> &'l mut dyn LayerRecord<'a> {
            match layer {
                $($(operators::Layer::$Record(record) => record,)+)*
            }
        }
    };
}

operators! {
    /// Two-dimensional convolution.
    Conv => Conv2d,
    /// Convolution of each channel by itself.
    DepthwiseConv => DepthwiseConv2d,
    /// Maximum of each window, or of the whole input.
    MaxPool => MaxPool2d,
    /// Fully connected layer.
    Dense => Dense | Logits,
    /// Sum of two inputs of one shape.
    Add => Add | AddRescaled,
    /// Mean of each window, or of the whole input.
    AveragePool => AveragePool2d,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator().fmt(f)
    }
}
