//! From float weights to codes: the host's side of the arithmetic contract.
//!
//! | module | what it decides |
//! |---|---|
//! | [`range`] | which real values the codes of an activation span |
//! | [`distribution`] | what range follows from the values that were seen |
//! | [`calibrate`](mod@calibrate) | what training images tell of each activation |
//! | [`choose`](mod@choose) | which calibration is the best on the validation images |
//! | [`channel_order`] | in which order a layer's output channels stand in the file |
//! | [`weights`] | `i8` weights and one scale per output channel |
//! | [`rescale`] | the integer multiplier and shift that take accumulators to codes |
//! | [`scales`] | all scales of a file, by layer |
//! | [`fake`] | what rounding to codes leaves of float numbers |
//! | [`noise`] | how much of a signal that is |
//! | [`report`] | what each layer's codes cost the network |
//! | [`rounding`] | a float model that computes with rounded numbers |
//! | [`aware`] | training that goes on with them |
//!
//! [`QuantizedModel::new`] puts them together, folds the input's zero point into the biases, and proves for every
//! channel that no input can overflow the 32-bit accumulator.

pub mod aware;
pub mod calibrate;
pub mod channel_order;
pub mod choose;
pub mod distribution;
pub mod fake;
pub mod noise;
pub mod range;
pub mod report;
pub mod rescale;
pub mod rounding;
pub mod scales;
pub mod weights;

use infer_core::format::{self, Blob, Codes, Input, Metadata, Requantize};
use infer_core::operators;
use infer_core::packing;

use crate::architecture::{Conv, Dense, Layer, Padding, ShapedLayer};
use crate::batch::PIXEL_CODES;
use crate::evaluate::EvaluateError;
use crate::model::{FloatModel, Parameters};
use crate::model_file::{self, ModelFileError};
use crate::tensor_error::one_line;

pub use calibrate::{Calibration, Method, calibrate};
pub use choose::{Choice, choose};
pub use range::Range;
pub use report::Report;

/// A model in the numbers that infer-core computes with.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedModel {
    /// What goes in.
    pub input: Input,
    /// The layers in order.
    pub layers: Vec<QuantizedLayer>,
}

/// A layer and the bytes it owns; the fields are those of [`operators::Layer`].
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

/// Why a model cannot be quantized.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A weight or bias is infinite or no number.
    #[error("layer {layer}: a weight or bias is not finite; the model has not learned anything that can be exported")]
    NotFinite {
        /// Counted from 1.
        layer: usize,
    },
    /// Some input could overflow the accumulator.
    #[error(
        "layer {layer}, channel {channel}: accumulators can reach {bound}, more than 32 bits hold; \
         the layer has too many inputs"
    )]
    Overflow {
        /// Counted from 1.
        layer: usize,
        /// Counted from 0.
        channel: usize,
        /// Largest magnitude that an input can lead to.
        bound: i64,
    },
    /// No multiplier of 31 bits stands for the ratio of the scales.
    #[error(
        "layer {layer}: its weights and activations differ so much in size (ratio {ratio:e}) that no integer \
         multiplier stands for it"
    )]
    Multiplier {
        /// Counted from 1.
        layer: usize,
        /// Scale of the accumulator over scale of the output.
        ratio: f64,
    },
    /// What calibration found out is about another network.
    #[error("layer {layer}: the calibration is not about this network's {channels} output channels")]
    Calibration {
        /// Counted from 1.
        layer: usize,
        /// Output channels.
        channels: usize,
    },
    /// No calibration method to choose from.
    #[error("there is no calibration method to choose from")]
    NoMethod,
    /// The quantized model could not be encoded.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// infer-core could not run it on the images given.
    #[error("trying the quantized model: {0}")]
    Run(#[from] EvaluateError),
    /// A tensor operation failed.
    #[error("quantizing: {}", one_line(.0))]
    Candle(#[from] candle_core::Error),
}

impl QuantizedModel {
    /// Quantizes `model`, given what [`calibrate`](calibrate()) found out about each layer's activation.
    ///
    /// # Errors
    /// [`QuantizeError`].
    pub fn new(model: &FloatModel, calibration: &[Calibration]) -> Result<Self, QuantizeError> {
        let architecture = model.architecture();
        let pixels = PIXEL_CODES;
        let mut flow = pixels;
        // In which order the channels arrive: that of the pixels' is nobody's to choose.
        let mut arriving: &[usize] = &[];
        let mut layers = Vec::with_capacity(architecture.layers.len());
        let last = architecture.layers.len() - 1;
        for (index, (shaped, parameters)) in architecture.layers.iter().zip(model.parameters()).enumerate() {
            let Some(parameters) = parameters else {
                layers.push(QuantizedLayer::MaxPool2d);
                continue;
            };
            let mut source = Source::read(index + 1, shaped, parameters, flow)?;
            source.reorder_inputs(arriving);
            if index == last {
                layers.push(source.logits()?);
            } else {
                let channels = shaped.output_channels();
                let Calibration { range, channel_order } = calibration_of(calibration, index, channels)?;
                source.reorder_outputs(channel_order);
                let (layer, codes) = source.requantized(shaped.layer, *range)?;
                layers.push(layer);
                (flow, arriving) = (codes, channel_order);
            }
        }
        Ok(Self { input: Input { shape: architecture.input, codes: pixels }, layers })
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn encode(&self, metadata: &Metadata<'_>) -> Result<Vec<u8>, ModelFileError> {
        let layers: Vec<operators::Layer<'_>> = self.layers.iter().map(QuantizedLayer::borrow).collect();
        model_file::encode(metadata, &self.input, &layers)
    }
}

/// What is known of the output of the layer at `index`, which has so many channels.
fn calibration_of(calibration: &[Calibration], index: usize, channels: usize) -> Result<&Calibration, QuantizeError> {
    let calibration = calibration.get(index).filter(|calibration| calibration.is_about(channels));
    calibration.ok_or(QuantizeError::Calibration { layer: index + 1, channels })
}

impl QuantizedLayer {
    fn borrow(&self) -> operators::Layer<'_> {
        match self {
            Self::Conv2d { conv, rescale, weights } => operators::Layer::Conv2d(operators::Conv2d {
                output_channels: conv.channels,
                kernel: conv.kernel,
                padding: match conv.padding {
                    Padding::Valid => format::Padding::Valid,
                    Padding::Same => format::Padding::Same,
                },
                requantize: rescale.borrow(conv.relu),
                weights: Blob::unpadded(weights),
            }),
            Self::MaxPool2d => operators::Layer::MaxPool2d(operators::MaxPool2d),
            Self::Dense { dense, rescale, weights } => operators::Layer::Dense(operators::Dense {
                outputs: dense.outputs,
                requantize: rescale.borrow(dense.relu),
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

/// A layer's float parameters and what flows into it.
struct Source {
    layer: usize,
    input: Codes,
    /// One row of weights per output channel.
    rows: Vec<Vec<f32>>,
    biases: Vec<f32>,
}

impl Source {
    fn read(layer: usize, shaped: &ShapedLayer, parameters: &Parameters, input: Codes) -> Result<Self, QuantizeError> {
        let rows = parameters.weight.reshape((shaped.output_channels(), shaped.fan_in()))?.to_vec2::<f32>()?;
        let biases = parameters.bias.to_vec1::<f32>()?;
        if rows.iter().flatten().chain(&biases).any(|value| !value.is_finite()) {
            return Err(QuantizeError::NotFinite { layer });
        }
        Ok(Self { layer, input, rows, biases })
    }

    /// Puts weights where the input's channels are. Channels are the innermost dimension of every input, so a row is any
    /// number of groups of them.
    fn reorder_inputs(&mut self, order: &[usize]) {
        if !order.is_empty() {
            for group in self.rows.iter_mut().flat_map(|row| row.chunks_exact_mut(order.len())) {
                let reordered: Vec<f32> = order.iter().map(|&channel| group[channel]).collect();
                group.copy_from_slice(&reordered);
            }
        }
    }

    /// Puts output channels into another order.
    fn reorder_outputs(&mut self, order: &[usize]) {
        if !order.is_empty() {
            self.rows = order.iter().map(|&channel| std::mem::take(&mut self.rows[channel])).collect();
            self.biases = order.iter().map(|&channel| self.biases[channel]).collect();
        }
    }

    fn scales(&self) -> Vec<f64> {
        weights::scales(&self.rows, &self.biases, self.input.scale)
    }

    /// One scale for all rows, so that their sums compare.
    fn shared_scale(&self) -> f64 {
        weights::largest(&self.scales())
    }

    fn logits(&self) -> Result<QuantizedLayer, QuantizeError> {
        let scale = self.shared_scale();
        let rows: Vec<Vec<i8>> = self.rows.iter().map(|row| weights::quantize(row, scale)).collect();
        let biases = self.fold_biases(&rows, &vec![scale; rows.len()])?;
        Ok(QuantizedLayer::Logits {
            classes: rows.len() as u16,
            scale: (scale * f64::from(self.input.scale)) as f32,
            biases: biases.iter().flat_map(|bias| bias.to_le_bytes()).collect(),
            weights: pack(&rows),
        })
    }

    fn requantized(&self, layer: Layer, range: Range) -> Result<(QuantizedLayer, Codes), QuantizeError> {
        let scales = self.scales();
        let rows: Vec<Vec<i8>> =
            self.rows.iter().zip(&scales).map(|(row, &scale)| weights::quantize(row, scale)).collect();
        let biases = self.fold_biases(&rows, &scales)?;
        let codes = range.codes();
        let ratios: Vec<f64> =
            scales.iter().map(|scale| scale * f64::from(self.input.scale) / f64::from(codes.scale)).collect();
        let rescale::Multipliers { shift, multipliers } =
            rescale::multipliers(&ratios).map_err(|ratio| QuantizeError::Multiplier { layer: self.layer, ratio })?;
        self.prove_no_overflow(&rows, &biases, shift)?;
        let channels = biases
            .iter()
            .zip(&multipliers)
            .flat_map(|(&bias, &multiplier)| [bias, multiplier])
            .flat_map(i32::to_le_bytes);
        let rescale = QuantizedRescale { codes, shift, channels: channels.collect() };
        let weights = pack(&rows);
        let layer = match layer {
            Layer::Conv(conv) => QuantizedLayer::Conv2d { conv, rescale, weights },
            Layer::Dense(dense) => QuantizedLayer::Dense { dense, rescale, weights },
            Layer::MaxPool(_) => QuantizedLayer::MaxPool2d,
        };
        Ok((layer, codes))
    }

    /// Biases in steps of the accumulator, with the input's zero point folded in:
    /// `sum((q - zp) * w) + b = sum(q * w) + (b - zp * sum(w))`.
    fn fold_biases(&self, rows: &[Vec<i8>], scales: &[f64]) -> Result<Vec<i32>, QuantizeError> {
        let channels = rows.iter().zip(scales).zip(&self.biases).enumerate();
        channels
            .map(|(channel, ((row, scale), &bias))| {
                let steps = (f64::from(bias) / (scale * f64::from(self.input.scale))).round() as i64;
                let sum: i64 = row.iter().map(|&weight| i64::from(weight)).sum();
                let folded = steps.saturating_sub(i64::from(self.input.zero_point) * sum);
                let bound = rescale::accumulator_bound(row, folded);
                i32::try_from(folded).ok().filter(|_| bound <= i64::from(i32::MAX)).ok_or(QuantizeError::Overflow {
                    layer: self.layer,
                    channel,
                    bound,
                })
            })
            .collect()
    }

    /// The proof that kernels may shift accumulators left without losing bits, whatever the input.
    fn prove_no_overflow(&self, rows: &[Vec<i8>], biases: &[i32], shift: u8) -> Result<(), QuantizeError> {
        for (channel, (row, &bias)) in rows.iter().zip(biases).enumerate() {
            let bound = rescale::accumulator_bound(row, bias.into()) << shift;
            if bound > i64::from(i32::MAX) {
                return Err(QuantizeError::Overflow { layer: self.layer, channel, bound });
            }
        }
        Ok(())
    }
}

/// The rows as they stand in the file.
fn pack(rows: &[Vec<i8>]) -> Vec<u8> {
    let inputs = rows.first().map_or(0, Vec::len);
    let mut packed = vec![0; packing::packed_len(rows.len() as u32, inputs as u32).unwrap_or(0) as usize];
    packing::pack(&rows.concat(), inputs, &mut packed);
    packed
}
