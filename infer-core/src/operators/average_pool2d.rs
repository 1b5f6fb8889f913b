//! The mean of what each window has of the input, channel by channel.

use serde::{Deserialize, Serialize};

use super::operator::{Band, Call, Flow, Overlap, Record, countable, positive};
use super::window::{overlap, pool_positions};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Codes, Ports, Shape, Window};
use crate::kernels::Kernels;
use crate::kernels::operands::{AveragePool2dOperands, Rescale};

/// The record of an average pool.
///
/// `q = clamp(zp + ((((sum - n * zp_in) << shift) * m + 2^31) >> 32), 0, 255)`: `sum` is that of the `n` codes of the input that are
/// in a window, and `m` is `(multiplier + n / 2) / n`, both divisions rounded down. One rounding of what comes out, half up.
///
/// TFLite rounds the mean of signed codes, and a half away from zero, which is code 128 here. With [`ABOUT_128`](Self::ABOUT_128)
/// added to the shift, `zp` and `zp_in` are 128 in what is computed: then a multiplier that is larger by `n` than that of equal scales takes a
/// half away from 128, and nothing else elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AveragePool2d {
    /// The window; [`Window::WHOLE`], the whole input.
    pub window: Window,
    /// What the means mean.
    pub codes: Codes,
    /// Left shift of the sum, 0 to 31; and [`ABOUT_128`](Self::ABOUT_128) more.
    pub shift: u8,
    /// What the shifted sum of a window with one value is multiplied by, `2^(32 - shift)` times the scale of the input over that of
    /// the output, rounded: a positive `i32`, little-endian.
    pub multiplier: [u8; 4],
}

impl AveragePool2d {
    /// Added to a [shift](Self::shift): means are computed about code 128, whatever the zero points are.
    pub const ABOUT_128: u8 = 0x80;
}

impl<'m> Record<'m> for AveragePool2d {
    type Operands = AveragePool2dOperands;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            window: reader.window()?,
            codes: reader.codes()?,
            shift: reader.byte()?,
            multiplier: reader.fixed()?,
        })
    }

    #[inline(always)]
    fn operands<const OPERATORS: u32>(
        &self,
        layer: u8,
        ports: &Ports,
        output: &mut Flow,
        _: bool,
    ) -> Result<AveragePool2dOperands, Error> {
        let (input, window) = (ports.input.shape, self.window);
        countable(layer, input)?;
        let [size, [height, width]] = pool_positions(layer, &window, input)?;
        let shape = Shape { height, width, channels: input.channels };
        countable(layer, shape)?;
        positive(layer, self.codes.scale)?;
        let (shift, is_about_128) = (self.shift & !Self::ABOUT_128, self.shift >= Self::ABOUT_128);
        if shift > 31 {
            return Err(Error::Shift { layer, shift: self.shift });
        }
        let multiplier = i32::from_le_bytes(self.multiplier);
        if multiplier <= 0 {
            return Err(Error::Multiplier { layer, channel: 0 });
        }
        let zero_point = self.codes.zero_point;
        *output = Flow { shape, zero_point };
        let [input_zero_point, zero_point] = if is_about_128 { [128; 2] } else { [ports.input.zero_point, zero_point] };
        Ok(AveragePool2dOperands {
            input,
            output: shape,
            size,
            window,
            pad_above: window.above(),
            input_zero_point,
            multiplier,
            rescale: Rescale { zero_point, shift },
        })
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
        K::average_pool2d(input, self, output);
    }
}
