//! The maximum of what each window has of the input, channel by channel.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, countable};
use super::window::{overlap, pool_positions};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Ports, Shape, Window};
use crate::kernels::Kernels;
use crate::kernels::operands::MaxPool2dOperands;

/// The record of a max-pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MaxPool2d {
    /// The window; [`Window::WHOLE`], the whole input. Padding never is the maximum.
    pub window: Window,
}

impl<'m> Record<'m> for MaxPool2d {
    type Operands = MaxPool2dOperands;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self { window: reader.window()? })
    }

    #[inline(always)]
    fn operands<const OPERATORS: u32>(
        &self,
        layer: u8,
        ports: &Ports,
        flow: &mut Flow,
        _: bool,
    ) -> Result<MaxPool2dOperands, Error> {
        let (input, window) = (ports.input.shape, self.window);
        let [size, [height, width]] = pool_positions(layer, &window, input)?;
        let output = Shape { height, width, channels: input.channels };
        countable(layer, output)?;
        *flow = Flow { shape: output, zero_point: ports.input.zero_point };
        Ok(MaxPool2dOperands { input, output, size, window, pad_above: window.above() })
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
        let [rows, _] = self.size;
        overlap(&self.window, rows)
    }

    fn set_rows(&mut self, band: &Band) {
        self.pad_above = band.above;
        (self.input.height, self.output.height) = (band.input_rows, band.output_rows);
    }

    #[inline]
    fn call<K: Kernels, const OPERATORS: u32>(
        &self,
        input: &[u8],
        _second: &[u8],
        _scratch: &mut [u32],
        output: &mut [u8],
    ) {
        K::max_pool2d(input, self, output);
    }
}
