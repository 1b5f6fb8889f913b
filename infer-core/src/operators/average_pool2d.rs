//! The mean of each window, channel by channel; rows and columns that no whole window covers are left out.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, Window, countable, positive};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Codes, Ports, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::{AveragePool2dOperands, Rescale};

/// The largest window that is not the whole input.
const MOST_WINDOW: u8 = 7;

/// The record of an average pool.
///
/// `q = clamp(zp + ((((sum - n * zp_in) << shift) * multiplier + 2^31) >> 32), 0, 255)`: `sum` is that of the `n` codes of a window,
/// and `multiplier` is `2^(32 - shift)` times the input's scale over `n` times the output's, rounded. One rounding, half up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AveragePool2d {
    /// Height and width of the window, 1 to 7; 0: the whole input.
    pub window: u8,
    /// Rows and columns from one window to the next; 1 where the window is the whole input.
    pub stride: u8,
    /// What the means mean.
    pub codes: Codes,
    /// Left shift of the sum, 0 to 31.
    pub shift: u8,
    /// What the shifted sum is multiplied by: a positive `i32`, little-endian.
    pub multiplier: [u8; 4],
}

impl AveragePool2d {
    /// Rows and columns of a window on this input.
    fn window(&self, input: Shape) -> [u16; 2] {
        if self.window == 0 { [input.height, input.width] } else { [self.window.into(); 2] }
    }
}

impl<'m> Record<'m> for AveragePool2d {
    type Operands = AveragePool2dOperands;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            window: reader.byte()?,
            stride: reader.byte()?,
            codes: reader.codes()?,
            shift: reader.byte()?,
            multiplier: reader.fixed()?,
        })
    }

    #[inline(always)]
    fn operands(&self, layer: u8, ports: &Ports, output: &mut Flow, _: bool) -> Result<AveragePool2dOperands, Error> {
        let (input, stride) = (ports.input.shape, u16::from(self.stride));
        countable(layer, input)?;
        if self.window > MOST_WINDOW || stride == 0 || (self.window == 0 && stride != 1) {
            return Err(Error::Dimensions { layer });
        }
        let window = self.window(input);
        let positions = |side: u16, window: u16| side.checked_sub(window).map_or(0, |left| left / stride + 1);
        let [height, width] = [positions(input.height, window[0]), positions(input.width, window[1])];
        let shape = Shape { height, width, channels: input.channels };
        countable(layer, shape)?;
        positive(layer, self.codes.scale)?;
        if self.shift > 31 {
            return Err(Error::Shift { layer, shift: self.shift });
        }
        let multiplier = i32::from_le_bytes(self.multiplier);
        if multiplier <= 0 {
            return Err(Error::Multiplier { layer, channel: 0 });
        }
        let zero_point = self.codes.zero_point;
        *output = Flow { shape, zero_point };
        // The product with the zero point may wrap, and so may the sum: their difference is right modulo 2^32.
        let values = i32::from(window[0]).wrapping_mul(window[1].into());
        let bias = values.wrapping_mul(ports.input.zero_point.into()).wrapping_neg();
        let rescale = Rescale { zero_point, shift: self.shift };
        Ok(AveragePool2dOperands { input, output: shape, window, stride, bias, multiplier, rescale })
    }

    fn macs(&self, _input: Shape) -> u64 {
        0
    }
}

impl Call for AveragePool2dOperands {
    fn name(&self) -> &'static str {
        "average"
    }

    fn output_len(&self) -> usize {
        self.output.len()
    }

    fn scratch_len(&self) -> usize {
        0
    }

    fn overlap(&self) -> Overlap {
        match [self.stride, self.window[0]].map(u8::try_from) {
            [Ok(stride), Ok(size)] => Overlap::Rows(Window { stride, above: 0, size }),
            [Err(_), _] | [_, Err(_)] => Overlap::Apart,
        }
    }

    fn set_rows(&mut self, band: &Band) {
        (self.input.height, self.output.height) = (band.input_rows, band.output_rows);
    }

    #[inline]
    fn call<K: Kernels>(&self, input: &[u8], _second: &[u8], _scratch: &mut [u32], output: &mut [u8]) {
        K::average_pool2d(input, self, output);
    }
}
