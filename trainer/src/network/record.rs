//! Layers in the numbers that infer-core computes with, as the model file has them.

use std::fmt;

use infer_core::format::{self, Blob, Codes, Requantize};
use infer_core::operators;

/// A layer and the bytes it owns; the fields are those of [`operators::Layer`].
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// Convolution.
    Conv2d {
        /// Channels it puts out.
        output_channels: u16,
        /// Height and width of the kernel.
        kernel: u8,
        /// What surrounds the input.
        padding: format::Padding,
        /// Whether a 2x2 max-pool runs with it.
        pool: bool,
        /// Whether ReLU follows.
        relu: bool,
        /// How accumulators become codes.
        rescale: QuantizedRescale,
        /// Packed weights.
        weights: Vec<u8>,
    },
    /// Maximum of each 2x2 window.
    MaxPool2d,
    /// Fully connected layer.
    Dense {
        /// Values it puts out.
        outputs: u16,
        /// Whether ReLU follows.
        relu: bool,
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

impl WrongNumbers {
    /// For this layer.
    pub(super) fn of(layer: &dyn fmt::Display) -> Self {
        Self { layer: layer.to_string() }
    }
}

impl QuantizedLayer {
    /// The same layer with the max-pool after it in its stage; itself where it runs none.
    #[must_use]
    pub fn with_pool(mut self) -> Self {
        if let Self::Conv2d { pool, .. } = &mut self {
            *pool = true;
        }
        self
    }

    /// The layer as it is written.
    #[must_use]
    pub fn borrow(&self) -> operators::Layer<'_> {
        match self {
            Self::Conv2d { output_channels, kernel, padding, pool, relu, rescale, weights } => {
                operators::Layer::Conv2d(operators::Conv2d {
                    output_channels: *output_channels,
                    kernel: *kernel,
                    padding: *padding,
                    pool: *pool,
                    requantize: rescale.borrow(*relu),
                    weights: Blob::unpadded(weights),
                })
            }
            Self::MaxPool2d => operators::Layer::MaxPool2d(operators::MaxPool2d),
            Self::Dense { outputs, relu, rescale, weights } => operators::Layer::Dense(operators::Dense {
                outputs: *outputs,
                requantize: rescale.borrow(*relu),
                weights: Blob::unpadded(weights),
            }),
            Self::Logits { classes, scale, biases, weights } => operators::Layer::Logits(operators::Logits {
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
pub fn requantize<'l, 'a>(record: &'l operators::Layer<'a>) -> Option<&'l Requantize<'a>> {
    match record {
        operators::Layer::Conv2d(conv) => Some(&conv.requantize),
        operators::Layer::Dense(dense) => Some(&dense.requantize),
        operators::Layer::MaxPool2d(_) | operators::Layer::Add(_) | operators::Layer::Logits(_) => None,
    }
}

/// A layer's blobs in the order of the file.
#[must_use]
pub fn blobs<'l, 'a>(layer: &'l mut operators::Layer<'a>) -> Vec<&'l mut Blob<'a>> {
    match layer {
        operators::Layer::Conv2d(conv) => vec![&mut conv.requantize.channels, &mut conv.weights],
        operators::Layer::MaxPool2d(_) | operators::Layer::Add(_) => Vec::new(),
        operators::Layer::Dense(dense) => vec![&mut dense.requantize.channels, &mut dense.weights],
        operators::Layer::Logits(logits) => vec![&mut logits.biases, &mut logits.weights],
    }
}
