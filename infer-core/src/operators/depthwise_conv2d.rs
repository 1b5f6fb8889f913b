//! Two-dimensional convolution of each channel by itself, with its activation.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, countable, exactly, requantize};
use super::window::{MOST_OF_CONVOLUTIONS, overlap, positions};
use super::{TWICE, VECTOR, layout};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Blob, Layout, Ports, Requantize, Shape, Window};
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::{Kernels, rounded_twice};
use crate::packing::vector;

/// The record of a depthwise convolution.
///
/// Output channel `multiplier * c + j` is computed from input channel `c`, `j` being less than `multiplier`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DepthwiseConv2d<'a> {
    /// Output channels for each input channel, at least 1.
    pub multiplier: u8,
    /// The kernel, 1 to 15 rows and columns, strides of 1 to 4; padding has the input's zero point.
    pub window: Window,
    /// How accumulators become codes.
    pub requantize: Requantize<'a>,
    /// Number of the [layout](crate::format::Layout) of the weights.
    pub layout: u8,
    /// Weights `[output_channels, rows, columns]`, an `i8` each.
    #[serde(borrow)]
    pub weights: Blob<'a>,
}

impl DepthwiseConv2d<'_> {
    /// The shape that comes out.
    fn output(&self, layer: u8, input: Shape) -> Result<Shape, Error> {
        let [height, width] = positions(layer, &self.window, input, MOST_OF_CONVOLUTIONS)?;
        let channels = input.channels.checked_mul(self.multiplier.into()).ok_or(Error::Dimensions { layer })?;
        let output = Shape { height, width, channels };
        countable(layer, output)?;
        Ok(output)
    }

    /// Weights of an output channel.
    fn taps(&self) -> u32 {
        let [rows, columns] = self.window.size.map(u32::from);
        rows * columns
    }
}

impl<'m> Record<'m> for DepthwiseConv2d<'m> {
    type Operands = DepthwiseConv2dOperands<'m>;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            multiplier: reader.byte()?,
            window: reader.window()?,
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
    ) -> Result<DepthwiseConv2dOperands<'m>, Error> {
        let (input, window) = (ports.input.shape, self.window);
        let output = self.output(layer, input)?;
        let layout = layout::<OPERATORS>(self.layout);
        // At most 65,535 channels of 225 weights.
        let needed = match layout {
            Layout::Compact | Layout::Winograd => Some(u32::from(output.channels) * self.taps()),
            Layout::Vector => vector::depthwise_len(output.channels.into(), self.taps()),
        };
        let weights = exactly(layer, needed.ok_or(Error::Dimensions { layer })?, self.weights.data)?;
        let (rescale, channels) = requantize::<OPERATORS>(layer, output.channels, &self.requantize, checked)?;
        *flow = Flow { shape: output, zero_point: rescale.zero_point };
        Ok(DepthwiseConv2dOperands {
            input,
            output,
            multiplier: self.multiplier,
            window,
            pad_above: window.above(),
            pad_code: ports.input.zero_point,
            rescale,
            channels,
            layout,
            weights,
        })
    }

    fn layout(&self) -> u8 {
        self.layout
    }

    fn has(&self, layout: Layout, _input: Shape) -> bool {
        matches!(layout, Layout::Compact | Layout::Vector)
    }

    fn macs(&self, input: Shape) -> u64 {
        self.output(0, input).map_or(0, Shape::values) * u64::from(self.taps())
    }
}

impl Call for DepthwiseConv2dOperands<'_> {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn output_len(&self) -> usize {
        self.output.len()
    }

    fn scratch_len(&self) -> usize {
        0
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn rounds_twice(&self) -> bool {
        self.rescale.rounds_twice()
    }

    fn overlap(&self) -> Overlap {
        let [rows, _] = self.window.size;
        overlap(&self.window, rows.into())
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
        if const { OPERATORS & TWICE > 0 } && self.rescale.rounds_twice() {
            return match self.layout {
                Layout::Vector if const { OPERATORS & VECTOR > 0 } => {
                    rounded_twice::depthwise_conv2d_vector(input, self, output);
                }
                Layout::Compact | Layout::Winograd | Layout::Vector => {
                    rounded_twice::depthwise_conv2d(input, self, output);
                }
            };
        }
        match self.layout {
            Layout::Vector if const { OPERATORS & VECTOR > 0 } => {
                K::depthwise_conv2d_vector(input, self, output);
            }
            Layout::Compact | Layout::Winograd | Layout::Vector => K::depthwise_conv2d(input, self, output),
        }
    }
}
