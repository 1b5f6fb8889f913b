//! What every operator decides, and what it gets to do so.

use std::fmt;

use candle_core::{Result, Tensor};
use infer_core::Shape;
use infer_core::format::Layout;
use serde::de::DeserializeOwned;

use crate::network::autograd::{Output, Recorded};
use crate::network::record::{Numbers, NumbersError, QuantizedLayer};
use crate::network::work::Work;

/// What each operator decides for itself. No method has a default: a new operator does not compile until it has decided
/// all of them. Its `Display` is its row in tables.
pub trait Operator: fmt::Display {
    /// Refuses numbers that no input fits.
    ///
    /// # Errors
    /// What is wrong with them.
    fn check(&self) -> std::result::Result<(), String>;

    /// The shape that comes out, given numbers that [`check`](Self::check) accepts.
    ///
    /// # Errors
    /// Why none does.
    fn output(&self, input: Shape) -> std::result::Result<Shape, String>;

    /// Its weights, if it has any; a bias belongs to each row of them, and a scale where outputs are normalized.
    fn weights(&self, input: Shape) -> Option<WeightShape>;

    /// Whether it is the 2x2 max-pool of stride 2, which an operator before it may compute before it stores its outputs.
    fn is_pool(&self) -> bool;

    /// Whether it computes such a pool after it in the same pass.
    fn absorbs_pool(&self) -> bool;

    /// Whether it adds a residual, of the shape of its input.
    fn takes_residual(&self) -> bool;

    /// What its codes are computed from.
    fn arithmetic(&self) -> Arithmetic;

    /// Whether its activation is positively homogeneous, `f(a x) = a f(x)` for `a > 0`: none and ReLU are, ReLU6 is not. Then a channel
    /// whose weights and bias are multiplied has a multiplied output.
    fn is_homogeneous(&self) -> bool;

    /// Whether training may leave out some of its inputs.
    fn takes_dropout(&self) -> bool;

    /// Runs it on a batch, and keeps what its gradients need.
    ///
    /// # Errors
    /// Those of candle; parameters that it does not have, or the lack of those that it has.
    fn forward(&self, forward: Forward<'_>) -> Result<Recorded>;

    /// The stage that begins with it as it is in the model file.
    ///
    /// # Errors
    /// Where these are not the numbers of such a layer.
    fn quantized(
        &self,
        input: Shape,
        numbers: Numbers,
        fused: bool,
    ) -> std::result::Result<QuantizedLayer, NumbersError>;

    /// Whether its weights may be in a layout of the file.
    fn has_layout(&self, layout: Layout, input: Shape) -> bool;

    /// What a stage computes that begins with it, given the shape that comes in and the one that leaves the stage, and a layout that it
    /// has.
    fn work(&self, input: Shape, output: Shape, fused: bool, layout: Layout) -> Work;
}

/// The shape of a layer's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// `[rows, kernel height, kernel width, channels]` or `[rows, inputs]`: a row for each output channel.
    pub dimensions: Vec<usize>,
    /// Output values that one input value counts in, at most: what weights are initialized by.
    pub fan_out: usize,
    /// Whether training normalizes their output over the batch.
    pub batch_norm: bool,
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

/// What the codes of an output are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// It chooses among the codes of its input, in each channel for itself. They mean the same in its output.
    Choice,
    /// It computes with codes of the same channel, without weights. Calibration finds what its own codes mean.
    ByChannel,
    /// It computes with codes of the same channel, each code times a weight. Calibration finds what its own codes mean.
    WeightedByChannel,
    /// It sums up all channels, each code times a weight. Calibration finds what its codes mean, and the order of its channels is
    /// free.
    Weighted,
}

impl Arithmetic {
    /// Whether calibration finds codes for the output. Else they mean what those of the input mean.
    #[must_use]
    pub fn has_own_codes(self) -> bool {
        match self {
            Self::Choice => false,
            Self::ByChannel | Self::WeightedByChannel | Self::Weighted => true,
        }
    }

    /// Whether the file has the weights of several rows side by side, as kernels read them that multiply an input with many
    /// rows. Else it has them row by row.
    #[must_use]
    pub fn packs_rows(self) -> bool {
        match self {
            Self::Choice | Self::ByChannel | Self::WeightedByChannel => false,
            Self::Weighted => true,
        }
    }

    /// Whether each channel of the output comes from the same channel of the input, so that both have one order.
    #[must_use]
    pub fn keeps_channels(self) -> bool {
        match self {
            Self::Choice | Self::ByChannel | Self::WeightedByChannel => true,
            Self::Weighted => false,
        }
    }
}

/// What a layer runs on.
#[derive(Clone, Copy)]
pub struct Forward<'a> {
    /// `[n, ...]`.
    pub input: &'a Output,
    /// What is added to the input, of a layer that [takes one](Operator::takes_residual).
    pub residual: Option<&'a Output>,
    /// Those of a layer that has some.
    pub parameters: Option<&'a LayerTensors>,
    /// Whether the layer after it, which it [absorbs](Operator::absorbs_pool), is computed too.
    pub fused: bool,
    /// Whether the input needs a gradient. A residual always gets one.
    pub input_gradient: bool,
}

/// What a layer computes with.
pub struct LayerTensors {
    /// Weights, in the [dimensions](WeightShape::dimensions) of the operator.
    pub weight: Tensor,
    /// `[rows]`: what is added to each output channel, after the normalization where there is one.
    pub bias: Tensor,
    /// `[rows]`: what each output channel is multiplied with once it is normalized over the batch; `None` where it is not
    /// normalized.
    pub normalized: Option<Tensor>,
}

impl<'a> Forward<'a> {
    /// Its parameters.
    ///
    /// # Errors
    /// Where there are none.
    pub fn parameters(&self, layer: &dyn Operator) -> Result<&'a LayerTensors> {
        match self.parameters {
            Some(parameters) => Ok(parameters),
            None => candle_core::bail!("{layer}: it has no parameters"),
        }
    }

    /// What is added to the input.
    ///
    /// # Errors
    /// Where there is nothing.
    pub fn residual(&self, layer: &dyn Operator) -> Result<&'a Output> {
        match self.residual {
            Some(residual) => Ok(residual),
            None => candle_core::bail!("{layer}: it has no residual"),
        }
    }

    /// Refuses parameters for a layer that has none.
    ///
    /// # Errors
    /// Where there are some.
    pub fn no_parameters(&self, layer: &dyn Operator) -> Result<()> {
        match self.parameters {
            Some(_) => candle_core::bail!("{layer}: it has parameters, and needs none"),
            None => Ok(()),
        }
    }
}

/// An operator as files have it, which is not all that training knows of it.
pub(in crate::network) trait Variants: Sized {
    /// Its keys.
    type File: DeserializeOwned;

    /// The operator; `None` where the number of outputs is left to the data.
    fn from_file(file: Self::File) -> Option<Self>;

    /// The same with its channels times the `width` of the file, if it has a number of them; `None` where those are more than
    /// 65,535.
    fn widened(self, width: f64) -> Option<Self>;

    /// The same once its batch normalization is part of its weights, if it has one.
    fn folded(self) -> Self;

    /// The same, with its padding, if it has some, called `same` where that is as much on such an input: a model file has the
    /// numbers alone.
    fn with_named_padding(self, input: Shape) -> Self;
}

/// So many channels times `width`, at least one; `None` where those are more than 65,535.
pub(super) fn widened(channels: u16, width: f64) -> Option<u16> {
    let product = (f64::from(channels) * width).round().max(f64::from(channels.min(1)));
    (product <= f64::from(u16::MAX)).then_some(product as u16)
}

/// How a name ends, by what follows.
pub(super) fn then_activation(batch_norm: bool, relu: bool, relu6: bool) -> String {
    let parts = [(batch_norm, " + batch norm"), (relu, " + relu"), (relu6, " + relu6")];
    parts.iter().filter(|(follows, _)| *follows).map(|(_, name)| *name).collect()
}

/// Refuses two activations.
pub(super) fn check_activation(relu: bool, relu6: bool) -> std::result::Result<(), String> {
    if relu && relu6 { Err("it has relu and relu6; a layer has one of them".to_owned()) } else { Ok(()) }
}
