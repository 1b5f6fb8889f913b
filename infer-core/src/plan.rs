//! The stages of a model in the order they run: every dimension, length and number is checked here, once.

use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Input, MAX_LAYERS, Metadata};
use crate::kernels::operands::LogitsOperands;
use crate::operators::{self, Flow, Stage, Step};

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
                Next::Stage(NumberedStage { stage, .. }) => {
                    // Two neighbors live at the same time, one at each end of the activations.
                    let output = stage.output_len();
                    activations_len = activations_len.max(before + output);
                    scratch_len = scratch_len.max(stage.scratch_len());
                    before = output;
                }
                Next::Logits(logits) => break logits,
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
        let scratch_len = scratch_len.max(logits.scratch_len());
        Ok(Self { metadata, input, classes: logits.classes, layers, layer_count, activations_len, scratch_len })
    }

    /// What runs, in order, before the logits.
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
            // No error here: `from_payload` decoded them all before.
            let Some(more) = operators::macs(&mut reader, layer, &mut flow) else { break };
            macs += more;
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

/// What comes next.
pub(crate) enum Next<'m> {
    Stage(NumberedStage<'m>),
    Logits(LogitsOperands<'m>),
}

impl<'m> Stages<'m> {
    fn new(input: &Input, reader: Reader<'m>, count: u8, checked: bool) -> Self {
        Self { reader, layer: 0, count, checked, flow: Flow { shape: input.shape, codes: input.codes } }
    }

    /// The next stage, the logits at last; or whatever is wrong with their layers, if they were not checked before.
    pub(crate) fn decode(&mut self) -> Result<Next<'m>, Error> {
        let mut layer = self.layer;
        if layer >= self.count {
            return Err(Error::LogitsLayer { layer: self.count.saturating_sub(1) });
        }
        self.layer += 1;
        let mut step = Step::read(&mut self.reader, layer, &mut self.flow, self.checked)?;
        if self.layer < self.count && step.fuse(&mut self.reader, self.layer, &mut self.flow)? {
            layer = self.layer;
            self.layer += 1;
        }
        Ok(match step {
            Step::Stage(stage) => Next::Stage(NumberedStage { layer, stage }),
            Step::Logits(logits) => Next::Logits(logits),
        })
    }
}

/// Ends before the logits. A plan's stages decode without an error: each of them did before.
impl<'m> Iterator for Stages<'m> {
    type Item = NumberedStage<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.decode() {
            Ok(Next::Stage(stage)) => Some(stage),
            Ok(Next::Logits(_)) | Err(_) => None,
        }
    }
}
