//! The maximum of each 2x2 window, stride 2; an odd last row or column is left out.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, Window, countable};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Ports, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::MaxPool2dOperands;

/// The record of a max-pool: nothing but its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MaxPool2d;

impl<'m> Record<'m> for MaxPool2d {
    type Operands = MaxPool2dOperands;

    fn read(_reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self)
    }

    #[inline(always)]
    fn operands(&self, layer: u8, ports: &Ports, flow: &mut Flow, _: bool) -> Result<MaxPool2dOperands, Error> {
        let input = ports.input.shape;
        let output = Shape { height: input.height / 2, width: input.width / 2, channels: input.channels };
        countable(layer, output)?;
        *flow = Flow { shape: output, zero_point: ports.input.zero_point };
        Ok(MaxPool2dOperands { input, output })
    }

    fn macs(&self, _input: Shape) -> u64 {
        0
    }
}

impl Call for MaxPool2dOperands {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn output_len(&self) -> usize {
        self.output.len()
    }

    fn scratch_len(&self) -> usize {
        0
    }

    fn overlap(&self) -> Overlap {
        Overlap::Rows(Window { stride: 2, above: 0, size: 2 })
    }

    fn set_rows(&mut self, band: &Band) {
        (self.input.height, self.output.height) = (band.input_rows, band.output_rows);
    }

    #[inline]
    fn call<K: Kernels>(&self, input: &[u8], _second: &[u8], _scratch: &mut [u32], output: &mut [u8]) {
        K::max_pool2d(input, self, output);
    }
}
