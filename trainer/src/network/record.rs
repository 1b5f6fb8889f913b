//! Layers in the numbers that infer-core computes with, as the model file has them.

use infer_core::format::{self, Blob, Codes, Requantize};

use super::chain::Stage;
use super::layers::{Conv, Dense, Operator, Padding};

/// A layer and the bytes it owns; the fields are those of [`format::Layer`].
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// Convolution.
    Conv2d {
        /// What it does.
        conv: Conv,
        /// How accumulators become codes.
        rescale: QuantizedRescale,
        /// Packed weights.
        weights: Vec<u8>,
    },
    /// Maximum of each 2x2 window.
    MaxPool2d,
    /// Fully connected layer.
    Dense {
        /// What it does.
        dense: Dense,
        /// How accumulators become codes.
        rescale: QuantizedRescale,
        /// Packed weights.
        weights: Vec<u8>,
    },
    /// The last layer.
    Logits {
        /// Number of classes.
        classes: u16,
        /// Real value of one step of a logit.
        scale: f32,
        /// `i32` biases, little-endian.
        biases: Vec<u8>,
        /// Packed weights.
        weights: Vec<u8>,
    },
}

/// How accumulators become codes.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedRescale {
    /// What the codes mean.
    pub codes: Codes,
    /// Left shift in front of the multiplication.
    pub shift: u8,
    /// Bias and multiplier of each channel, two little-endian `i32` each.
    pub channels: Vec<u8>,
}

/// The numbers of a layer, of which its operator makes its record.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// It has none, and puts out the codes that it gets.
    None,
    /// Weights, and what takes their accumulators to codes.
    Requantized {
        /// How accumulators become codes.
        rescale: QuantizedRescale,
        /// Packed weights.
        weights: Vec<u8>,
    },
    /// Those of the last layer, whose accumulators are the logits.
    Logits {
        /// Real value of one step of a logit.
        scale: f32,
        /// `i32` biases, little-endian.
        biases: Vec<u8>,
        /// Packed weights.
        weights: Vec<u8>,
    },
}

/// Numbers that a layer cannot be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{layer}: these are not the numbers of such a layer")]
pub struct WrongNumbers {
    /// What the layer does.
    pub layer: String,
}

/// The layers of a model file, given the numbers of each stage. A layer that is computed in the stage of another has none.
///
/// # Errors
/// Those of `numbers`; [`WrongNumbers`].
pub fn quantized_layers<E: From<WrongNumbers>>(
    stages: &[Stage<'_>],
    mut numbers: impl FnMut(&Stage<'_>) -> Result<Numbers, E>,
) -> Result<Vec<QuantizedLayer>, E> {
    let mut layers = Vec::with_capacity(stages.len());
    for stage in stages {
        layers.push(stage.layer.layer.operator().quantized(numbers(stage)?)?);
        if let Some(fused) = stage.fused {
            layers.push(fused.layer.operator().quantized(Numbers::None)?);
        }
    }
    Ok(layers)
}

impl WrongNumbers {
    /// For this layer.
    pub(super) fn of(layer: &dyn Operator) -> Self {
        Self { layer: layer.to_string() }
    }
}

impl QuantizedLayer {
    /// The layer as it is written.
    #[must_use]
    pub fn borrow(&self) -> format::Layer<'_> {
        match self {
            Self::Conv2d { conv, rescale, weights } => format::Layer::Conv2d(format::Conv2d {
                output_channels: conv.channels,
                kernel: conv.kernel,
                padding: match conv.padding {
                    Padding::Valid => format::Padding::Valid,
                    Padding::Same => format::Padding::Same,
                },
                requantize: rescale.borrow(conv.relu),
                weights: Blob::unpadded(weights),
            }),
            Self::MaxPool2d => format::Layer::MaxPool2d,
            Self::Dense { dense, rescale, weights } => format::Layer::Dense(format::Dense {
                outputs: dense.outputs,
                requantize: rescale.borrow(dense.relu),
                weights: Blob::unpadded(weights),
            }),
            Self::Logits { classes, scale, biases, weights } => format::Layer::Logits(format::Logits {
                classes: *classes,
                scale: *scale,
                biases: Blob::unpadded(biases),
                weights: Blob::unpadded(weights),
            }),
        }
    }
}

impl QuantizedRescale {
    fn borrow(&self, relu: bool) -> Requantize<'_> {
        Requantize { codes: self.codes, relu, shift: self.shift, channels: Blob::unpadded(&self.channels) }
    }
}

/// How the accumulators of a layer of the file become codes; `None` of a layer that has no codes of its own.
#[must_use]
pub fn requantize<'l, 'a>(record: &'l format::Layer<'a>) -> Option<&'l Requantize<'a>> {
    match record {
        format::Layer::Conv2d(conv) => Some(&conv.requantize),
        format::Layer::Dense(dense) => Some(&dense.requantize),
        format::Layer::MaxPool2d | format::Layer::Logits(_) => None,
    }
}
