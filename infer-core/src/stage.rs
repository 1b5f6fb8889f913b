//! From the layers of a file to stages that can run: every dimension, length and number is checked here, once.
//!
//! A stage is what one kernel call computes. A max-pool behind a convolution is fused into its stage: the maximum of
//! the accumulators is taken first and requantized once, and the large map between the two never exists. (As every
//! multiplier is positive, that gives the same bits as running the layers apart.)

use crate::format::{Codes, Input, Layer, Metadata, Padding, Requantize, Shape};
use crate::packing::packed_len;
use crate::reader::Reader;
use crate::{Error, kernels};

/// Layers that a file may hold.
pub const MAX_LAYERS: usize = 24;

/// A convolution, with the max-pool behind it if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dStage<'m> {
    /// Shape that goes in.
    pub input: Shape,
    /// Shape that comes out, behind the pool.
    pub output: Shape,
    /// Height and width of the kernel, 1 to 7.
    pub kernel: u8,
    /// Rows and columns of padding in front of the input.
    pub pad_before: u8,
    /// The code that surrounds the input: its zero point.
    pub pad_code: u8,
    /// Whether a 2x2 max-pool follows.
    pub pool: bool,
    /// Zero point and left shift.
    pub rescale: Rescale,
    /// Bias and multiplier of each output channel.
    pub channels: ChannelTable<'m>,
    /// Weights `[output channels, kernel * kernel * input channels]`, [packed](crate::packing).
    pub weights: &'m [u8],
}

/// A max-pool that no convolution stands in front of.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dStage {
    /// Shape that goes in.
    pub input: Shape,
    /// Shape that comes out.
    pub output: Shape,
}

/// A fully connected layer that puts out codes.
#[derive(Clone, Copy, Debug)]
pub struct DenseStage<'m> {
    /// Values that come out.
    pub outputs: u16,
    /// Zero point and left shift.
    pub rescale: Rescale,
    /// Bias and multiplier of each output.
    pub channels: ChannelTable<'m>,
    /// Weights `[outputs, inputs]`, [packed](crate::packing).
    pub weights: &'m [u8],
}

/// The last layer.
#[derive(Clone, Copy, Debug)]
pub struct LogitsStage<'m> {
    /// Number of classes.
    pub classes: u16,
    /// Real value of one step of a logit.
    pub scale: f32,
    /// `i32` biases, little-endian, one per class.
    pub biases: &'m [u8],
    /// Weights `[classes, inputs]`, [packed](crate::packing).
    pub weights: &'m [u8],
}

/// The part of requantizing that is the same for all channels of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Rescale {
    /// Added behind the multiplication.
    pub zero_point: u8,
    /// Left shift in front of it, 0 to 31.
    pub shift: u8,
}

/// Bias and multiplier of each output channel, read from wherever they stand in the file.
#[derive(Clone, Copy, Debug)]
pub struct ChannelTable<'m>(&'m [u8]);

impl<'m> ChannelTable<'m> {
    /// A table, a record of eight bytes for each channel.
    #[cfg(test)]
    pub(crate) const fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }

    /// The table as it stands in the file: for each channel bias and multiplier, little-endian.
    #[must_use]
    pub const fn bytes(self) -> &'m [u8] {
        self.0
    }

    /// `(bias, multiplier)` of each channel in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (i32, i32)> + use<'m> {
        self.0.as_chunks::<8>().0.iter().map(|&[b0, b1, b2, b3, m0, m1, m2, m3]| {
            (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]))
        })
    }
}

/// One kernel call.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'m> {
    /// Convolution, fused with its pool.
    Conv2d(Conv2dStage<'m>),
    /// Max-pool by itself.
    MaxPool2d(MaxPool2dStage),
    /// Fully connected layer.
    Dense(DenseStage<'m>),
}

impl Stage<'_> {
    /// Bytes that come out.
    #[must_use]
    pub fn output_len(&self) -> usize {
        match self {
            Self::Conv2d(conv) => conv.output.len(),
            Self::MaxPool2d(pool) => pool.output.len(),
            Self::Dense(dense) => usize::from(dense.outputs),
        }
    }

    /// Words of working memory.
    #[must_use]
    pub fn scratch_len(&self) -> usize {
        match self {
            Self::Conv2d(conv) => {
                let kernel = usize::from(conv.kernel);
                kernels::conv2d_scratch(kernel * kernel * usize::from(conv.input.channels), conv.pool)
            }
            Self::MaxPool2d(_) => 0,
            Self::Dense(dense) => kernels::dense_scratch(dense.outputs.into()),
        }
    }
}

/// A stage and the layer of the file whose output it puts out.
#[derive(Clone, Copy, Debug)]
pub struct NumberedStage<'m> {
    /// Index of the layer, counted from 0; of the pool, where a convolution and a pool are fused.
    pub layer: u8,
    /// What to compute.
    pub stage: Stage<'m>,
}

/// A payload that was checked whole: whatever is in here can run.
///
/// It keeps no table of stages, which would be half a kilobyte of stack: [`stages`](Self::stages) decodes them from the
/// file again whenever they are needed, a few hundred instructions each.
#[derive(Clone, Debug)]
pub struct Plan<'m> {
    /// Where the model comes from and what its answers mean.
    pub metadata: Metadata<'m>,
    /// What goes in.
    pub input: Input,
    /// Number of classes.
    pub classes: u16,
    layers: Reader<'m>,
    layer_count: u8,
    activations_len: usize,
    scratch_len: usize,
}

impl<'m> Plan<'m> {
    /// Decodes and checks a payload.
    ///
    /// # Errors
    /// Every variant of [`Error`] that is about payload, layers, metadata.
    // Inlined, as a plan that is returned is two more plans on the stack.
    #[inline(always)]
    pub fn from_payload(payload: &'m [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let metadata = reader.metadata().ok_or(Error::Payload { left: payload.len() })?;
        let left = reader.left();
        let input = reader.input().ok_or(Error::Payload { left })?;
        let left = reader.left();
        let count = reader.word().ok_or(Error::Payload { left })?;
        if count == 0 || count > MAX_LAYERS as u32 {
            return Err(Error::LayerCount { found: count });
        }
        let length = input.shape.checked_len().filter(|&length| length > 0);
        let (Some(_), true) = (length, input.codes.scale > 0.0 && input.codes.scale.is_finite()) else {
            return Err(if length.is_none() { Error::Dimensions { layer: 0 } } else { Error::Scale { layer: 0 } });
        };
        let (layers, layer_count) = (reader, count as u8);
        let mut decoded = Stages::new(&input, layers, layer_count, false);
        let (mut activations_len, mut scratch_len, mut before) = (0, 0, 0);
        let logits = loop {
            match decoded.decode()? {
                Step::Stage(NumberedStage { stage, .. }) => {
                    // Two neighbors live at the same time, one at each end of the activations.
                    let output = stage.output_len();
                    activations_len = activations_len.max(before + output);
                    scratch_len = scratch_len.max(stage.scratch_len());
                    before = output;
                }
                Step::Logits(logits) => break logits,
            }
        };
        if decoded.layer < decoded.count {
            return Err(Error::LogitsLayer { layer: decoded.layer });
        }
        if decoded.reader.left() > 0 {
            return Err(Error::PayloadLeftOver { bytes: decoded.reader.left() });
        }
        let names = metadata.class_names().count();
        if names != usize::from(logits.classes) {
            return Err(Error::ClassNames { names, classes: logits.classes.into() });
        }
        let scratch_len = scratch_len.max(kernels::dense_scratch(logits.classes.into()));
        Ok(Self { metadata, input, classes: logits.classes, layers, layer_count, activations_len, scratch_len })
    }

    /// What runs, in order, in front of the logits.
    #[must_use]
    pub fn stages(&self) -> Stages<'m> {
        Stages::new(&self.input, self.layers, self.layer_count, true)
    }

    /// Bytes that the activations between the stages need.
    #[must_use]
    pub const fn activations_len(&self) -> usize {
        self.activations_len
    }

    /// Words of working memory that the hungriest stage needs.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        self.scratch_len
    }

    /// Bytes of arena that an inference needs: logits and scratch, aligned, and the activations. The input stays where
    /// it is.
    #[must_use]
    pub fn arena_len(&self) -> usize {
        const WORST_MISALIGNMENT: usize = align_of::<i32>() - 1;
        let words = usize::from(self.classes) + self.scratch_len();
        WORST_MISALIGNMENT + words * size_of::<i32>() + self.activations_len()
    }

    /// Multiply-accumulates of one inference: of each layer its outputs times the weights that one output sums up. Padding
    /// counts, zeros that a kernel skips count too, pools do not. The trainer prints the same figure.
    ///
    /// It is computed from the file again with each call, in the time that a few hundred instructions a layer take.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let mut flow = Flow { shape: self.input.shape, codes: self.input.codes };
        let mut reader = self.layers;
        let mut macs = 0;
        for layer in 0..self.layer_count {
            let input = flow.shape;
            // No error here: `from_payload` decoded them all before.
            let Some(record) = reader.layer() else { break };
            let (decoded, weights_per_output) = match &record {
                Layer::Conv2d(conv) => {
                    let taps = u64::from(conv.kernel) * u64::from(conv.kernel);
                    (flow.conv2d(layer, conv, true).map(drop), taps * u64::from(input.channels))
                }
                Layer::MaxPool2d => (flow.max_pool2d(layer).map(drop), 0),
                Layer::Dense(dense) => (flow.dense(layer, dense, true).map(drop), input.values()),
                Layer::Logits(last) => {
                    flow.shape = Shape::flat(last.classes);
                    (Ok(()), input.values())
                }
            };
            if decoded.is_err() {
                break;
            }
            macs += flow.shape.values() * weights_per_output;
        }
        macs
    }
}

/// The stages of a model, decoded from its file one after the other.
#[derive(Clone, Debug)]
pub struct Stages<'m> {
    /// The layers that are not decoded yet.
    reader: Reader<'m>,
    /// The index of the first of them.
    layer: u8,
    /// Layers in the file.
    count: u8,
    /// Whether all of them were decoded once before.
    checked: bool,
    flow: Flow,
}

/// What a layer asks for.
pub(crate) enum Step<'m> {
    Stage(NumberedStage<'m>),
    Logits(LogitsStage<'m>),
}

impl<'m> Stages<'m> {
    fn new(input: &Input, reader: Reader<'m>, count: u8, checked: bool) -> Self {
        Self { reader, layer: 0, count, checked, flow: Flow { shape: input.shape, codes: input.codes } }
    }

    /// The next stage, the logits at last; or whatever is wrong with their layers, if they were not checked before.
    pub(crate) fn decode(&mut self) -> Result<Step<'m>, Error> {
        let layer = self.layer;
        if layer >= self.count {
            return Err(Error::LogitsLayer { layer: self.count.saturating_sub(1) });
        }
        self.layer += 1;
        let left = self.reader.left();
        let stage = match self.reader.layer().ok_or(Error::Payload { left })? {
            Layer::Conv2d(conv) => {
                let mut stage = self.flow.conv2d(layer, &conv, self.checked)?;
                if self.layer < self.count && self.reader.max_pool2d() {
                    let layer = self.layer;
                    self.layer += 1;
                    stage.output = self.flow.max_pool2d(layer)?.output;
                    stage.pool = true;
                    return Ok(Step::Stage(NumberedStage { layer, stage: Stage::Conv2d(stage) }));
                }
                Stage::Conv2d(stage)
            }
            Layer::MaxPool2d => Stage::MaxPool2d(self.flow.max_pool2d(layer)?),
            Layer::Dense(dense) => Stage::Dense(self.flow.dense(layer, &dense, self.checked)?),
            Layer::Logits(last) => return Ok(Step::Logits(self.flow.logits(layer, &last)?)),
        };
        Ok(Step::Stage(NumberedStage { layer, stage }))
    }
}

/// Ends in front of the logits. A plan's stages decode without an error: each of them did before.
impl<'m> Iterator for Stages<'m> {
    type Item = NumberedStage<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.decode() {
            Ok(Step::Stage(stage)) => Some(stage),
            Ok(Step::Logits(_)) | Err(_) => None,
        }
    }
}

/// What flows between two layers; each of its methods takes it across one layer.
///
/// `checked` layers were here before: the checks that cost no time are made again, the loop over the multipliers is not.
#[derive(Clone, Copy, Debug)]
struct Flow {
    shape: Shape,
    codes: Codes,
}

impl Flow {
    fn conv2d<'m>(
        &mut self,
        layer: u8,
        conv: &crate::format::Conv2d<'m>,
        checked: bool,
    ) -> Result<Conv2dStage<'m>, Error> {
        let kernel = u16::from(conv.kernel);
        let input = self.shape;
        if !(1..=7).contains(&kernel) {
            return Err(Error::Kernel { layer, kernel: conv.kernel });
        }
        let (height, width, pad_before) = match conv.padding {
            Padding::Same => (input.height, input.width, (conv.kernel - 1) / 2),
            Padding::Valid if kernel > input.height || kernel > input.width => {
                return Err(Error::Kernel { layer, kernel: conv.kernel });
            }
            Padding::Valid => (input.height - kernel + 1, input.width - kernel + 1, 0),
        };
        let output = Shape { height, width, channels: conv.output_channels };
        countable(layer, output)?;
        let taps = u32::from(kernel * kernel);
        let needed = taps
            .checked_mul(input.channels.into())
            .and_then(|taps| packed_len(output.channels.into(), taps))
            .ok_or(Error::Dimensions { layer })?;
        let weights = exactly(layer, needed, conv.weights.data)?;
        let (rescale, channels) = requantize(layer, output.channels, &conv.requantize, checked)?;
        let pad_code = self.codes.zero_point;
        *self = Self { shape: output, codes: conv.requantize.codes };
        Ok(Conv2dStage {
            input,
            output,
            kernel: conv.kernel,
            pad_before,
            pad_code,
            pool: false,
            rescale,
            channels,
            weights,
        })
    }

    /// An odd last row or column is left out.
    fn max_pool2d(&mut self, layer: u8) -> Result<MaxPool2dStage, Error> {
        let input = self.shape;
        let output = Shape { height: input.height / 2, width: input.width / 2, channels: input.channels };
        countable(layer, output)?;
        self.shape = output;
        Ok(MaxPool2dStage { input, output })
    }

    fn dense<'m>(
        &mut self,
        layer: u8,
        dense: &crate::format::Dense<'m>,
        checked: bool,
    ) -> Result<DenseStage<'m>, Error> {
        let weights = self.fully_connected(layer, dense.outputs, dense.weights.data)?;
        let (rescale, channels) = requantize(layer, dense.outputs, &dense.requantize, checked)?;
        *self = Self { shape: Shape::flat(dense.outputs), codes: dense.requantize.codes };
        Ok(DenseStage { outputs: dense.outputs, rescale, channels, weights })
    }

    fn logits<'m>(&mut self, layer: u8, last: &crate::format::Logits<'m>) -> Result<LogitsStage<'m>, Error> {
        let weights = self.fully_connected(layer, last.classes, last.weights.data)?;
        let needed = usize::from(last.classes) * size_of::<i32>();
        let biases = last.biases.data;
        if biases.len() != needed {
            return Err(Error::ChannelTableLength { layer, needed, given: biases.len() });
        }
        positive(layer, last.scale)?;
        Ok(LogitsStage { classes: last.classes, scale: last.scale, biases, weights })
    }

    fn fully_connected<'m>(&self, layer: u8, outputs: u16, weights: &'m [u8]) -> Result<&'m [u8], Error> {
        countable(layer, Shape::flat(outputs))?;
        let inputs = self.shape.checked_len().ok_or(Error::Dimensions { layer })?;
        let needed = packed_len(outputs.into(), inputs).ok_or(Error::Dimensions { layer })?;
        exactly(layer, needed, weights)
    }
}

/// Refuses an empty shape, and one too large for its bytes to be counted together with others'.
fn countable(layer: u8, shape: Shape) -> Result<(), Error> {
    const MOST: u32 = 1 << 28;
    match shape.checked_len() {
        Some(1..=MOST) => Ok(()),
        _ => Err(Error::Dimensions { layer }),
    }
}

fn exactly(layer: u8, needed: u32, weights: &[u8]) -> Result<&[u8], Error> {
    let needed = needed as usize;
    if weights.len() == needed { Ok(weights) } else { Err(Error::WeightLength { layer, needed, given: weights.len() }) }
}

fn positive(layer: u8, scale: f32) -> Result<(), Error> {
    if scale > 0.0 && scale.is_finite() { Ok(()) } else { Err(Error::Scale { layer }) }
}

fn requantize<'m>(
    layer: u8,
    outputs: u16,
    requantize: &Requantize<'m>,
    checked: bool,
) -> Result<(Rescale, ChannelTable<'m>), Error> {
    let Requantize { codes, relu, shift, channels } = *requantize;
    positive(layer, codes.scale)?;
    if relu && codes.zero_point != 0 {
        return Err(Error::ReluZeroPoint { layer, zero_point: codes.zero_point });
    }
    if shift > 31 {
        return Err(Error::Shift { layer, shift });
    }
    let needed = usize::from(outputs) * 8;
    if channels.data.len() != needed {
        return Err(Error::ChannelTableLength { layer, needed, given: channels.data.len() });
    }
    let table = ChannelTable(channels.data);
    if !checked {
        for (channel, (_, multiplier)) in (0u16..).zip(table.iter()) {
            if multiplier <= 0 {
                return Err(Error::Multiplier { layer, channel });
            }
        }
    }
    Ok((Rescale { zero_point: codes.zero_point, shift }, table))
}
