//! Layers in the numbers that infer-core computes with, as the model file has them.

use infer_core::format::{Blob, Codes, Layout, Requantize, Window};
use infer_core::packing::{self, vector, winograd};
use infer_core::{Shape, operators};

use super::inputs::Inputs;

/// A layer and the bytes it owns; the fields are those of [`operators::Layer`].
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// Convolution.
    Conv2d {
        /// Channels of its output.
        output_channels: u16,
        /// The kernel, its stride and its padding.
        window: Window,
        /// Whether a 2x2 max-pool runs with it.
        pool: bool,
        /// Whether ReLU follows.
        relu: bool,
        /// How accumulators become codes.
        requantize: Requantization,
        /// How the weights lie.
        layout: Layout,
        /// Packed weights.
        weights: Vec<u8>,
    },
    /// Convolution of each channel by itself.
    DepthwiseConv2d {
        /// Output channels for each input channel.
        multiplier: u8,
        /// The kernel, its stride and its padding.
        window: Window,
        /// Whether ReLU follows.
        relu: bool,
        /// How accumulators become codes.
        requantize: Requantization,
        /// How the weights lie.
        layout: Layout,
        /// Weights `[output channels, rows, columns]`, an `i8` each.
        weights: Vec<u8>,
    },
    /// A layer whose record owns no bytes.
    Bare(operators::Layer<'static>),
    /// Fully connected layer.
    Dense {
        /// Values of its output.
        outputs: u16,
        /// Whether ReLU follows.
        relu: bool,
        /// How accumulators become codes.
        requantize: Requantization,
        /// How the weights lie.
        layout: Layout,
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
        /// How the weights lie.
        layout: Layout,
        /// Packed weights.
        weights: Vec<u8>,
    },
}

/// How accumulators become codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantization {
    /// What the codes mean.
    pub codes: Codes,
    /// Left shift before the multiplication; or [`Requantize::TWICE`].
    pub shift: u8,
    /// Bias and multiplier of each channel, two little-endian `i32` each; those of a layer that [rounds twice](Requantize).
    pub channels: Vec<u8>,
}

/// How often what is summed up is rounded on its way to a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Once: the nearest code.
    #[default]
    Once,
    /// Twice, first to the precision of a multiplier, as TFLite's reference kernels do.
    Twice,
}

/// The numbers of a layer, of which its operator makes its record.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// It has no weights: all that it has is what the codes around it mean.
    Codes {
        /// What the codes of its inputs mean.
        inputs: Inputs<Codes>,
        /// What those of its output mean.
        output: Codes,
        /// How it rounds.
        rounding: Rounding,
    },
    /// Weights, and what takes their accumulators to codes.
    Requantized {
        /// How accumulators become codes.
        requantize: Requantization,
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

/// Why no record can be made of numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NumbersError {
    /// They are those of another operator.
    #[error("these are not the numbers of such a layer")]
    Wrong,
    /// No multiplier of 31 bits expresses the ratio of the scales.
    #[error(
        "its input and its output differ so much in size (ratio {ratio:e}) that no integer multiplier expresses it"
    )]
    Ratio {
        /// Scale of what is summed up over scale of the output.
        ratio: f64,
    },
    /// A mean that is to be rounded twice is over more than 15 rows or columns.
    #[error(
        "a mean over {rows}x{columns} values; rounded twice, it is over 15x15 at most: import it with --rounding once"
    )]
    Mean {
        /// Rows of its input.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Some input could overflow the sum.
    #[error("sums can reach {bound}, which does not fit 32 bits")]
    Overflow {
        /// Largest magnitude that an input can lead to.
        bound: i64,
    },
}

/// A layer that cannot be made of its numbers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("layer {layer} ({kind}): {source}")]
pub struct WrongNumbers {
    /// The layer, counted from 0.
    pub layer: usize,
    /// What it does.
    pub kind: String,
    /// What is wrong.
    pub source: NumbersError,
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

    /// The same layer with its weights in a layout, where it has that one on such an input and its weights are compact; else itself.
    #[must_use]
    pub fn with_layout(mut self, layout: Layout, input: Shape) -> Self {
        match layout {
            Layout::Compact => {}
            Layout::Winograd => self.transform(input),
            Layout::Vector => self.make_vectors(input),
        }
        self
    }

    fn transform(&mut self, input: Shape) {
        if let Self::Conv2d { output_channels, window, requantize, layout: layout @ Layout::Compact, weights, .. } =
            self
            && winograd::takes(window, input.channels)
            && requantize.shift != Requantize::TWICE
        {
            let (rows, channels) = (*output_channels, input.channels);
            let Some(len) = winograd::packed_len(rows.into(), channels.into()) else { return };
            let mut transformed = vec![0; len as usize];
            winograd::pack(
                &unpacked(weights, rows.into(), 9 * usize::from(channels)),
                channels.into(),
                &mut transformed,
            );
            (*layout, *weights) = (Layout::Winograd, transformed);
        }
    }

    fn make_vectors(&mut self, input: Shape) {
        let (layout, weights, packed) = match self {
            Self::Conv2d { output_channels, window, layout: layout @ Layout::Compact, weights, .. } => {
                let [rows, columns] = window.size.map(usize::from);
                let packed = vectors(weights, (*output_channels).into(), rows * columns * usize::from(input.channels));
                (layout, weights, packed)
            }
            Self::Dense { outputs: rows, layout: layout @ Layout::Compact, weights, .. }
            | Self::Logits { classes: rows, layout: layout @ Layout::Compact, weights, .. } => {
                let packed = vectors(weights, (*rows).into(), input.len());
                (layout, weights, packed)
            }
            Self::DepthwiseConv2d { multiplier, window, layout: layout @ Layout::Compact, weights, .. } => {
                let taps = window.size.map(usize::from).iter().product::<usize>();
                let channels = u32::from(input.channels) * u32::from(*multiplier);
                let packed = vector::depthwise_len(channels, taps as u32).map(|len| {
                    let plain: Vec<i8> = weights.iter().map(|weight| weight.cast_signed()).collect();
                    let mut packed = vec![0; len as usize];
                    vector::pack_depthwise(&plain, taps, &mut packed);
                    packed
                });
                (layout, weights, packed)
            }
            Self::Conv2d { .. }
            | Self::Dense { .. }
            | Self::Logits { .. }
            | Self::DepthwiseConv2d { .. }
            | Self::Bare(_) => return,
        };
        if let Some(packed) = packed {
            (*layout, *weights) = (Layout::Vector, packed);
        }
    }

    /// The layer as it is written.
    #[must_use]
    pub fn borrow(&self) -> operators::Layer<'_> {
        match self {
            Self::Conv2d { output_channels, window, pool, relu, requantize, layout, weights } => {
                operators::Layer::Conv2d(operators::Conv2d {
                    output_channels: *output_channels,
                    window: *window,
                    pool: *pool,
                    requantize: requantize.borrow(*relu),
                    layout: layout.number(),
                    weights: Blob::unpadded(weights),
                })
            }
            Self::DepthwiseConv2d { multiplier, window, relu, requantize, layout, weights } => {
                operators::Layer::DepthwiseConv2d(operators::DepthwiseConv2d {
                    multiplier: *multiplier,
                    window: *window,
                    requantize: requantize.borrow(*relu),
                    layout: layout.number(),
                    weights: Blob::unpadded(weights),
                })
            }
            Self::Bare(layer) => *layer,
            Self::Dense { outputs, relu, requantize, layout, weights } => operators::Layer::Dense(operators::Dense {
                outputs: *outputs,
                requantize: requantize.borrow(*relu),
                layout: layout.number(),
                weights: Blob::unpadded(weights),
            }),
            Self::Logits { classes, scale, biases, layout, weights } => operators::Layer::Logits(operators::Logits {
                classes: *classes,
                scale: *scale,
                biases: Blob::unpadded(biases),
                layout: layout.number(),
                weights: Blob::unpadded(weights),
            }),
        }
    }
}

/// Weights `[rows, inputs]` from their [compact](packing) layout to that of [vectors](vector).
fn vectors(packed: &[u8], rows: usize, inputs: usize) -> Option<Vec<u8>> {
    let len = vector::packed_len(u32::try_from(rows).ok()?, u32::try_from(inputs).ok()?)?;
    let mut vectors = vec![0; len as usize];
    vector::pack(&unpacked(packed, rows, inputs), inputs, &mut vectors);
    Some(vectors)
}

/// Weights `[rows, inputs]` out of their [compact](packing) layout.
fn unpacked(packed: &[u8], rows: usize, inputs: usize) -> Vec<i8> {
    let pairs = inputs.div_ceil(2);
    let at = |row: usize, input: usize| {
        let block = row / packing::ROWS_PER_BLOCK * packing::ROWS_PER_BLOCK;
        let words = (rows - block).min(packing::ROWS_PER_BLOCK).div_ceil(2);
        let word = block * pairs / 2 + input / 2 * words + (row - block) / 2;
        let byte = packed[4 * word + input % 2 * 2 + row % 2];
        if row.is_multiple_of(2) { byte.wrapping_sub(128) } else { byte }.cast_signed()
    };
    (0..rows).flat_map(|row| (0..inputs).map(move |input| (row, input))).map(|(row, input)| at(row, input)).collect()
}

impl Requantization {
    fn borrow(&self, relu: bool) -> Requantize<'_> {
        Requantize { codes: self.codes, relu, shift: self.shift, channels: Blob::unpadded(&self.channels) }
    }
}

/// What the trainer reads of a layer in a file, whichever operator it is: each record has this in the file of its operator.
pub trait LayerRecord<'a> {
    /// What its output means.
    fn scaling(&self) -> Scaling<'a>;

    /// Its blobs in the order of the file.
    fn blobs(&mut self) -> Vec<&mut Blob<'a>>;
}

/// What the output of a layer in a file means, and where that comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling<'a> {
    /// What the input means.
    OfInput,
    /// Codes, of accumulators of weights.
    Requantized {
        /// What takes them to codes.
        requantize: Requantize<'a>,
        /// How often it rounds.
        roundings: u8,
    },
    /// Codes, of something without weights.
    Codes {
        /// What they mean.
        codes: Codes,
        /// How often it rounds.
        roundings: u8,
    },
    /// Logits, and the real value of one step.
    Logits(f32),
}

impl<'a> Scaling<'a> {
    /// Of a convolution.
    #[must_use]
    pub fn of_convolution(requantize: Requantize<'a>) -> Self {
        Self::Requantized { requantize, roundings: if requantize.shift == Requantize::TWICE { 2 } else { 1 } }
    }

    /// The codes of the output, if there are any of its own.
    #[must_use]
    pub fn codes(&self) -> Option<Codes> {
        match self {
            Self::Requantized { requantize, .. } => Some(requantize.codes),
            Self::Codes { codes, .. } => Some(*codes),
            Self::OfInput | Self::Logits(_) => None,
        }
    }
}
