//! Two-dimensional convolution, stride 1, with its activation, and the 2x2 max-pool after it if there is one.
//!
//! With a pool the maximum of the accumulators is taken first and requantized once, and the large map between the two
//! never exists. As every multiplier is positive, that gives the same bits as running the layers apart.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, Window, countable, exactly, requantize};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Blob, Padding, Ports, Requantize, Shape};
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
    /// Whether a 2x2 max-pool, stride 2, follows; it leaves out an odd last row or column.
    pub pool: bool,
    /// How accumulators become codes.
    pub requantize: Requantize<'a>,
    /// Weights `[output_channels, kernel * kernel * input_channels]`, [packed](crate::packing).
    #[serde(borrow)]
    pub weights: Blob<'a>,
}

impl Conv2d<'_> {
    /// The shape before the pool.
    fn unpooled(&self, input: Shape) -> Shape {
        let lost = match self.padding {
            Padding::Same => 0,
            Padding::Valid => u16::from(self.kernel).saturating_sub(1),
        };
        let [height, width] = [input.height, input.width].map(|side| side.saturating_sub(lost));
        Shape { height, width, channels: self.output_channels }
    }
}

impl<'m> Record<'m> for Conv2d<'m> {
    type Operands = Conv2dOperands<'m>;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            output_channels: reader.half()?,
            kernel: reader.byte()?,
            padding: reader.padding()?,
            pool: reader.flag()?,
            requantize: reader.requantize()?,
            weights: reader.blob()?,
        })
    }

    #[inline(always)]
    fn operands(&self, layer: u8, ports: &Ports, flow: &mut Flow, checked: bool) -> Result<Conv2dOperands<'m>, Error> {
        let kernel = u16::from(self.kernel);
        let input = ports.input.shape;
        let too_small = self.padding == Padding::Valid && (kernel > input.height || kernel > input.width);
        if !(1..=7).contains(&kernel) || too_small {
            return Err(Error::Kernel { layer, kernel: self.kernel });
        }
        let pad = match self.padding {
            Padding::Same => (self.kernel - 1) / 2,
            Padding::Valid => 0,
        };
        let mut output = self.unpooled(input);
        countable(layer, output)?;
        if self.pool {
            output = Shape { height: output.height / 2, width: output.width / 2, ..output };
            countable(layer.saturating_add(1), output)?;
        }
        let taps = u32::from(kernel * kernel);
        let needed = taps
            .checked_mul(input.channels.into())
            .and_then(|taps| packed_len(output.channels.into(), taps))
            .ok_or(Error::Dimensions { layer })?;
        let weights = exactly(layer, needed, self.weights.data)?;
        let (rescale, channels) = requantize(layer, output.channels, &self.requantize, checked)?;
        *flow = Flow { shape: output, zero_point: rescale.zero_point };
        let Self { kernel, pool, .. } = *self;
        let pad_code = ports.input.zero_point;
        Ok(Conv2dOperands {
            input,
            output,
            kernel,
            pad_above: pad,
            pad_left: pad,
            pad_code,
            pool,
            rescale,
            channels,
            weights,
        })
    }

    fn macs(&self, input: Shape) -> u64 {
        let taps = u64::from(self.kernel) * u64::from(self.kernel) * u64::from(input.channels);
        self.unpooled(input).values() * taps
    }
}

impl Call for Conv2dOperands<'_> {
    fn name(&self) -> &'static str {
        if self.pool { "convolution, pool" } else { "convolution" }
    }

    fn layers(&self) -> u8 {
        if self.pool { 2 } else { 1 }
    }

    fn output_len(&self) -> usize {
        self.output.len()
    }

    fn scratch_len(&self) -> usize {
        self.scratch_len()
    }

    fn overlap(&self) -> Overlap {
        // The second row of a pool's window is one row further down. `pad_above` changes with the band; above the whole input
        // is as much padding as left of it.
        let stride = if self.pool { 2 } else { 1 };
        Overlap::Rows(Window { stride, above: self.pad_left, size: self.kernel + stride - 1 })
    }

    fn set_rows(&mut self, band: &Band) {
        self.pad_above = band.above;
        (self.input.height, self.output.height) = (band.input_rows, band.output_rows);
    }

    #[inline]
    fn call<K: Kernels>(&self, input: &[u8], _second: &[u8], scratch: &mut [u32], output: &mut [u8]) {
        K::conv2d(input, self, scratch, output);
    }
}
