//! The operators that layers are made of, one file each.
//!
//! Everything that is true of one operator alone is in its file: its keys in TOML, its shapes and parameters, its forward
//! pass, its record in the model file and its work. The list below is the only place that names all of them.

mod conv;
mod dense;
mod max_pool;

use std::fmt;

use candle_core::{Result as CandleResult, Tensor};
use infer_core::{Shape, format};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::record::{Numbers, QuantizedLayer, WrongNumbers};
use super::work::Work;
use crate::network::autograd::Recorded;

pub use conv::{Conv, Padding};
pub use dense::Dense;
pub(super) use dense::FileDense;
pub use max_pool::MaxPool;

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
}

/// What each operator decides for itself. No method has a default: a new operator does not compile until it has decided
/// all of them. Its `Display` is its row in tables.
pub trait Operator: fmt::Display {
    /// Refuses numbers that no input fits.
    ///
    /// # Errors
    /// What is wrong with them.
    fn check(&self) -> Result<(), String>;

    /// The shape that comes out, given numbers that [`check`](Self::check) accepts.
    ///
    /// # Errors
    /// Why none does.
    fn output(&self, input: Shape) -> Result<Shape, String>;

    /// Its weights, if it has any; a bias belongs to each row of them.
    fn weights(&self, input: Shape) -> Option<WeightShape>;

    /// Whether the operator after it is computed in the same pass, before outputs are stored.
    fn absorbs(&self, next: &Layer) -> bool;

    /// What the codes mean that it puts out.
    fn output_codes(&self) -> OutputCodes;

    /// Whether training may leave out some of its inputs.
    fn takes_dropout(&self) -> bool;

    /// Runs it on a batch, and keeps what its gradients need.
    ///
    /// # Errors
    /// Those of candle; parameters that it does not have, or the lack of those that it has.
    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded>;

    /// The layer as it is in the model file.
    ///
    /// # Errors
    /// Where these are not the numbers of such a layer.
    fn quantized(&self, numbers: Numbers) -> Result<QuantizedLayer, WrongNumbers>;

    /// What a stage computes that begins with it, given the shape that comes in and the one that leaves the stage.
    fn work(&self, input: Shape, output: Shape, fused: bool) -> Work;
}

/// The shape of a layer's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// `[rows, kernel height, kernel width, channels]` or `[rows, inputs]`: a row for each output channel.
    pub dimensions: Vec<usize>,
    /// Output values that one input value counts in, at most: what weights are initialized by.
    pub fan_out: usize,
}

impl WeightShape {
    /// Weights of a row: those that one output value is computed from.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.dimensions.iter().skip(1).product()
    }

    /// Rows, each with a bias.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.dimensions.first().copied().unwrap_or(0)
    }
}

/// What the codes mean that a layer puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputCodes {
    /// What calibration finds for it.
    Own,
    /// What those mean that come in: it chooses among them.
    OfInput,
}

/// What a layer runs on.
#[derive(Clone, Copy)]
pub struct Forward<'a> {
    /// `[n, ...]`.
    pub input: &'a Tensor,
    /// Weight and bias, of a layer that has them.
    pub parameters: Option<&'a (Tensor, Tensor)>,
    /// Whether the layer after it, which it [absorbs](Operator::absorbs), is computed too.
    pub fused: bool,
    /// Whether the input needs a gradient.
    pub input_gradient: bool,
}

impl<'a> Forward<'a> {
    /// Weight and bias.
    ///
    /// # Errors
    /// Where there are none.
    pub fn parameters(&self, layer: &dyn Operator) -> CandleResult<&'a (Tensor, Tensor)> {
        match self.parameters {
            Some(parameters) => Ok(parameters),
            None => candle_core::bail!("{layer}: it has no parameters"),
        }
    }

    /// Refuses parameters for a layer that has none.
    ///
    /// # Errors
    /// Where there are some.
    pub fn no_parameters(&self, layer: &dyn Operator) -> CandleResult<()> {
        match self.parameters {
            Some(_) => candle_core::bail!("{layer}: it has parameters, and needs none"),
            None => Ok(()),
        }
    }
}

/// An operator as an architecture file has it.
pub(super) trait FromFile: Sized {
    /// Its keys.
    type File: DeserializeOwned;

    /// The operator; `None` where the number of outputs is left to the data.
    fn from_file(file: Self::File) -> Option<Self>;
}

/// What a layer of a model file does.
impl From<&format::Layer<'_>> for Layer {
    fn from(record: &format::Layer<'_>) -> Self {
        match record {
            format::Layer::Conv2d(conv) => Self::Conv(conv.into()),
            format::Layer::MaxPool2d => Self::MaxPool(MaxPool {}),
            format::Layer::Dense(dense) => Self::Dense(dense.into()),
            format::Layer::Logits(logits) => Self::Dense(logits.into()),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator().fmt(f)
    }
}

/// How a name ends where ReLU follows.
fn then_relu(relu: bool) -> &'static str {
    if relu { " + relu" } else { "" }
}
