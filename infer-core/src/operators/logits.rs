//! The last fully connected layer: its accumulators are the logits.

use serde::{Deserialize, Serialize};

use super::operator::{Flow, Record, fully_connected, positive};
use super::{VECTOR, layout};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Blob, Layout, Ports, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::LogitsOperands;

/// The record of the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Logits<'a> {
    /// Number of classes.
    pub classes: u16,
    /// Real value of one step of a logit, the same for all classes.
    pub scale: f32,
    /// `i32` biases, little-endian, one per class.
    #[serde(borrow)]
    pub biases: Blob<'a>,
    /// Number of the [layout](crate::format::Layout) of the weights.
    pub layout: u8,
    /// Weights `[classes, inputs]`, [packed](crate::packing).
    #[serde(borrow)]
    pub weights: Blob<'a>,
}

impl<'m> Record<'m> for Logits<'m> {
    type Operands = LogitsOperands<'m>;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            classes: reader.half()?,
            scale: reader.float()?,
            biases: reader.blob()?,
            layout: reader.byte()?,
            weights: reader.blob()?,
        })
    }

    #[inline(always)]
    fn operands<const OPERATORS: u32>(
        &self,
        layer: u8,
        ports: &Ports,
        output: &mut Flow,
        _: bool,
    ) -> Result<LogitsOperands<'m>, Error> {
        let layout = layout::<OPERATORS>(self.layout);
        let weights = fully_connected(layer, ports.input.shape, self.classes, layout, self.weights.data)?;
        let needed = usize::from(self.classes) * size_of::<i32>();
        let biases = self.biases.data;
        if biases.len() != needed {
            return Err(Error::ChannelTableLength { layer, needed, given: biases.len() });
        }
        positive(layer, self.scale)?;
        *output = Flow { shape: Shape::flat(self.classes), zero_point: 0 };
        Ok(LogitsOperands { classes: self.classes, scale: self.scale, biases, layout, weights })
    }

    fn layout(&self) -> u8 {
        self.layout
    }

    fn has(&self, layout: Layout, _input: Shape) -> bool {
        matches!(layout, Layout::Compact | Layout::Vector)
    }

    fn macs(&self, input: Shape) -> u64 {
        u64::from(self.classes) * input.values()
    }
}

impl LogitsOperands<'_> {
    /// Calls the kernel; links none for what is not in `OPERATORS`.
    #[inline]
    pub(crate) fn call<K: Kernels, const OPERATORS: u32>(&self, input: &[u8], scratch: &mut [u32], output: &mut [i32]) {
        match self.layout {
            Layout::Vector if const { OPERATORS & VECTOR > 0 } => {
                K::logits_vector(input, self, scratch, output);
            }
            Layout::Compact | Layout::Winograd | Layout::Vector => K::logits(input, self, scratch, output),
        }
    }
}
