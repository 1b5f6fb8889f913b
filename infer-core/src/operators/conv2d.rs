//! Two-dimensional convolution, stride 1, with its activation.

use serde::{Deserialize, Serialize};

use super::operator::{Call, Flow, Record, countable, exactly, requantize};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Blob, Padding, Requantize, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::Conv2dOperands;
use crate::packing::packed_len;

/// The record of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Conv2d<'a> {
    /// Channels it puts out.
    pub output_channels: u16,
    /// Height and width of the kernel, 1 to 7.
    pub kernel: u8,
    /// What surrounds the input.
    pub padding: Padding,
    /// How accumulators become codes.
    pub requantize: Requantize<'a>,
    /// Weights `[output_channels, kernel * kernel * input_channels]`, [packed](crate::packing).
    #[serde(borrow)]
    pub weights: Blob<'a>,
}

impl<'m> Record<'m> for Conv2d<'m> {
    type Operands = Conv2dOperands<'m>;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            output_channels: reader.half()?,
            kernel: reader.byte()?,
            padding: reader.padding()?,
            requantize: reader.requantize()?,
            weights: reader.blob()?,
        })
    }

    fn operands(&self, layer: u8, flow: &mut Flow, checked: bool) -> Result<Conv2dOperands<'m>, Error> {
        let kernel = u16::from(self.kernel);
        let input = flow.shape;
        if !(1..=7).contains(&kernel) {
            return Err(Error::Kernel { layer, kernel: self.kernel });
        }
        let (height, width, pad_before) = match self.padding {
            Padding::Same => (input.height, input.width, (self.kernel - 1) / 2),
            Padding::Valid if kernel > input.height || kernel > input.width => {
                return Err(Error::Kernel { layer, kernel: self.kernel });
            }
            Padding::Valid => (input.height - kernel + 1, input.width - kernel + 1, 0),
        };
        let output = Shape { height, width, channels: self.output_channels };
        countable(layer, output)?;
        let taps = u32::from(kernel * kernel);
        let needed = taps
            .checked_mul(input.channels.into())
            .and_then(|taps| packed_len(output.channels.into(), taps))
            .ok_or(Error::Dimensions { layer })?;
        let weights = exactly(layer, needed, self.weights.data)?;
        let (rescale, channels) = requantize(layer, output.channels, &self.requantize, checked)?;
        let pad_code = flow.codes.zero_point;
        *flow = Flow { shape: output, codes: self.requantize.codes };
        let kernel = self.kernel;
        Ok(Conv2dOperands { input, output, kernel, pad_before, pad_code, pool: false, rescale, channels, weights })
    }

    fn weights_per_output(&self, input: Shape) -> u64 {
        u64::from(self.kernel) * u64::from(self.kernel) * u64::from(input.channels)
    }
}

impl Call for Conv2dOperands<'_> {
    fn name(&self) -> &'static str {
        if self.pool { "convolution, pool" } else { "convolution" }
    }

    fn output_len(&self) -> usize {
        self.output.len()
    }

    fn scratch_len(&self) -> usize {
        self.scratch_len()
    }

    #[inline]
    fn call<K: Kernels>(&self, input: &[u8], scratch: &mut [u32], output: &mut [u8]) {
        K::conv2d(input, self, scratch, output);
    }
}
