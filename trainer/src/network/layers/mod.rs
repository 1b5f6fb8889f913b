//! The operators that layers are made of, one file each.
//!
//! Everything that is true of one operator alone is in its file: its keys in TOML, its shapes and parameters, its forward
//! pass, its record in the model file and its work. The list below is the only place that names all of them.
//!
//! How one is added: `docs/adding-operators.md`.

mod add;
mod conv;
mod dense;
mod max_pool;
mod operator;

use std::fmt;

use infer_core::operators;
use serde::{Deserialize, Serialize};

use self::operator::FromFile;

pub use add::Add;
pub use conv::{Conv, Padding};
pub use dense::Dense;
pub(super) use dense::FileDense;
pub use max_pool::MaxPool;
pub use operator::{Arithmetic, Forward, Operator, WeightShape};

/// Makes [`Layer`], its form in TOML, and the way from a layer to its [`Operator`], of a list of operators.
macro_rules! operators {
    ($($(#[$doc:meta])* $Name:ident,)*) => {
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
            $($Name(<$Name as FromFile>::File),)*
        }

        impl Layer {
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
    };
}

operators! {
    /// Two-dimensional convolution, stride 1.
    Conv,
    /// Maximum of each 2x2 window, stride 2.
    MaxPool,
    /// Fully connected layer.
    Dense,
    /// Sum of two inputs of one shape.
    Add,
}

impl Layer {
    /// What a layer of a model file does; `None` where no network of the trainer has such a layer.
    #[must_use]
    pub fn of_record(record: &operators::Layer<'_>) -> Option<Self> {
        Some(match record {
            operators::Layer::Conv2d(conv) => Self::Conv(conv.into()),
            operators::Layer::MaxPool2d(_) => Self::MaxPool(MaxPool {}),
            operators::Layer::Dense(dense) => Self::Dense(dense.into()),
            operators::Layer::Logits(logits) => Self::Dense(logits.into()),
            operators::Layer::Add(_) => return None,
        })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator().fmt(f)
    }
}
