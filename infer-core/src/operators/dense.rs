//! Fully connected layer with its activation.

use serde::{Deserialize, Serialize};

use super::operator::{Call, Flow, Record, fully_connected, requantize};
use super::{TWICE, VECTOR, layout};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Blob, Layout, Ports, Requantize, Shape};
use crate::kernels::operands::DenseOperands;
use crate::kernels::{Kernels, rounded_twice};

/// The record of a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Dense<'a> {
    /// Values of its output.
    pub outputs: u16,
    /// How accumulators become codes.
    pub requantize: Requantize<'a>,
    /// Number of the [layout](crate::format::Layout) of the weights.
    pub layout: u8,
    /// Weights `[outputs, inputs]`, [packed](crate::packing).
    #[serde(borrow)]
    pub weights: Blob<'a>,
}

impl<'m> Record<'m> for Dense<'m> {
    type Operands = DenseOperands<'m>;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            outputs: reader.half()?,
            requantize: reader.requantize()?,
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
        checked: bool,
    ) -> Result<DenseOperands<'m>, Error> {
        let layout = layout::<OPERATORS>(self.layout);
        let weights = fully_connected(layer, ports.input.shape, self.outputs, layout, self.weights.data)?;
        let (rescale, channels) = requantize::<OPERATORS>(layer, self.outputs, &self.requantize, checked)?;
        *output = Flow { shape: Shape::flat(self.outputs), zero_point: rescale.zero_point };
        Ok(DenseOperands { outputs: self.outputs, rescale, channels, layout, weights })
    }

    fn layout(&self) -> u8 {
        self.layout
    }

    fn has(&self, layout: Layout, _input: Shape) -> bool {
        matches!(layout, Layout::Compact | Layout::Vector)
    }

    fn macs(&self, input: Shape) -> u64 {
        u64::from(self.outputs) * input.values()
    }
}

impl Call for DenseOperands<'_> {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn output_len(&self) -> usize {
        usize::from(self.outputs)
    }

    fn scratch_len(&self) -> usize {
        self.scratch_len()
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn rounds_twice(&self) -> bool {
        self.rescale.rounds_twice()
    }

    #[inline]
    fn call<K: Kernels, const OPERATORS: u32>(
        &self,
        input: &[u8],
        _second: &[u8],
        scratch: &mut [u32],
        output: &mut [u8],
    ) {
        if const { OPERATORS & TWICE > 0 } && self.rescale.rounds_twice() {
            let sums = match self.layout {
                Layout::Vector if const { OPERATORS & VECTOR > 0 } => K::logits_vector,
                Layout::Compact | Layout::Winograd | Layout::Vector => K::logits,
            };
            return rounded_twice::dense(input, self, sums, scratch, output);
        }
        match self.layout {
            Layout::Vector if const { OPERATORS & VECTOR > 0 } => {
                K::dense_vector(input, self, scratch, output);
            }
            Layout::Compact | Layout::Winograd | Layout::Vector => K::dense(input, self, scratch, output),
        }
    }
}
