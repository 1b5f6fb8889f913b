//! Two-dimensional convolution with its activation, and the 2x2 max-pool after it if there is one.
//!
//! With a pool the maximum of the accumulators is taken first and requantized once, and the large map between the two
//! never exists. As every multiplier is positive, that gives the same bits as running the layers apart.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, Rows, countable, exactly, requantize};
use super::window::{MOST_OF_CONVOLUTIONS, overlap, positions};
use super::{POOLED, TWICE, UNPOOLED, VECTOR, WINOGRAD, layout};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Blob, Layout, Ports, Requantize, Shape, Window};
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::{Kernels, rounded_twice};
use crate::packing::{packed_len, vector, winograd};

/// The record of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Conv2d<'a> {
    /// Channels of its output.
    pub output_channels: u16,
    /// The kernel, 1 to 15 rows and columns, strides of 1 to 4; padding has the input's zero point.
    pub window: Window,
    /// Whether a 2x2 max-pool, stride 2, follows; it leaves out an odd last row or column. Only for a square kernel of
    /// stride 1.
    pub pool: bool,
    /// How accumulators become codes.
    pub requantize: Requantize<'a>,
    /// Number of the [layout](crate::format::Layout) of the weights.
    pub layout: u8,
    /// Weights `[output_channels, rows * columns * input_channels]`, [packed](crate::packing).
    #[serde(borrow)]
    pub weights: Blob<'a>,
}

impl Conv2d<'_> {
    /// Weights of an output channel; `None` where 32 bits do not count them.
    fn taps(&self, input: Shape) -> Option<u32> {
        let [rows, columns] = self.window.size.map(u32::from);
        (rows * columns).checked_mul(input.channels.into())
    }

    /// Whether a pool may follow.
    fn takes_pool(&self) -> bool {
        let Window { size: [rows, columns], stride, .. } = self.window;
        rows == columns && stride == [1; 2]
    }
}

impl<'m> Record<'m> for Conv2d<'m> {
    type Operands = Conv2dOperands<'m>;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            output_channels: reader.half()?,
            window: reader.window()?,
            pool: reader.flag()?,
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
        flow: &mut Flow,
        checked: bool,
    ) -> Result<Conv2dOperands<'m>, Error> {
        let (input, window) = (ports.input.shape, self.window);
        let [height, width] = positions(layer, &window, input, MOST_OF_CONVOLUTIONS)?;
        let mut output = Shape { height, width, channels: self.output_channels };
        countable(layer, output)?;
        if self.pool {
            if !self.takes_pool() {
                return Err(Error::FusedPool { layer });
            }
            output = Shape { height: output.height / 2, width: output.width / 2, ..output };
            countable(layer.saturating_add(1), output)?;
        }
        let layout = layout::<OPERATORS>(self.layout);
        let needed = match layout {
            Layout::Compact => self.taps(input).and_then(|taps| packed_len(output.channels.into(), taps)),
            Layout::Winograd => winograd::packed_len(output.channels.into(), input.channels.into()),
            Layout::Vector => self.taps(input).and_then(|taps| vector::packed_len(output.channels.into(), taps)),
        };
        let needed = needed.ok_or(Error::Dimensions { layer })?;
        let weights = exactly(layer, needed, self.weights.data)?;
        let (rescale, channels) = requantize::<OPERATORS>(layer, output.channels, &self.requantize, checked)?;
        *flow = Flow { shape: output, zero_point: rescale.zero_point };
        Ok(Conv2dOperands {
            input,
            output,
            window,
            pad_above: window.above(),
            pad_code: ports.input.zero_point,
            pool: self.pool,
            rescale,
            channels,
            layout,
            weights,
        })
    }

    fn layout(&self) -> u8 {
        self.layout
    }

    fn has(&self, layout: Layout, input: Shape) -> bool {
        match layout {
            Layout::Compact | Layout::Vector => true,
            Layout::Winograd => {
                self.requantize.shift != Requantize::TWICE && winograd::takes(&self.window, input.channels)
            }
        }
    }

    fn macs(&self, input: Shape) -> u64 {
        let [height, width] = positions(0, &self.window, input, MOST_OF_CONVOLUTIONS).unwrap_or_default();
        let output = Shape { height, width, channels: self.output_channels };
        output.values() * u64::from(self.taps(input).unwrap_or_default())
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

    fn layout(&self) -> Layout {
        self.layout
    }

    fn rounds_twice(&self) -> bool {
        self.rescale.rounds_twice()
    }

    fn kernel_bit(&self) -> u32 {
        match self.layout {
            Layout::Compact if self.rescale.rounds_twice() => 0,
            Layout::Compact if self.pool => POOLED,
            Layout::Compact => UNPOOLED,
            Layout::Winograd | Layout::Vector => 0,
        }
    }

    fn overlap(&self) -> Overlap {
        let [rows, _] = self.window.size.map(u16::from);
        // Of a stride of 1, with a pool every second row; the second row of its window is one row further down.
        match (self.pool, overlap(&self.window, rows)) {
            (true, Overlap::Rows(rows)) => Overlap::Rows(Rows { stride: 2, size: rows.size + 1, ..rows }),
            (_, overlap) => overlap,
        }
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
        scratch: &mut [u32],
        output: &mut [u8],
    ) {
        if const { OPERATORS & TWICE > 0 } && self.rescale.rounds_twice() {
            let sums = match self.layout {
                Layout::Vector if const { OPERATORS & VECTOR > 0 } => K::logits_vector,
                Layout::Compact | Layout::Winograd | Layout::Vector => K::logits,
            };
            return rounded_twice::conv2d(input, self, sums, scratch, output);
        }
        match self.layout {
            Layout::Winograd if const { OPERATORS & WINOGRAD > 0 } => {
                K::conv2d_winograd(input, self, scratch, output);
            }
            Layout::Vector if const { OPERATORS & VECTOR > 0 } => {
                K::conv2d_vector(input, self, scratch, output);
            }
            Layout::Compact | Layout::Winograd | Layout::Vector => {
                // Loading refuses a model whose header has other bits than its layers, so that the kernel is there.
                if self.pool {
                    if const { OPERATORS & POOLED > 0 } {
                        K::pooled_conv2d(input, self, scratch, output);
                    }
                } else if const { OPERATORS & UNPOOLED > 0 } {
                    K::conv2d(input, self, scratch, output);
                }
            }
        }
    }
}
