//! What an operator is, and the checks that operators share.

use core::ops::Range;

use super::bits::TWICE;
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Codes, Layout, Ports, Requantize, Shape, Tensor};
use crate::kernels::Kernels;
use crate::kernels::operands::{ChannelTable, Rescale, Scaling};
use crate::packing::{packed_len, vector};

/// A layer's record in the file.
pub trait Record<'m>: Sized {
    /// What it becomes.
    type Operands;

    /// Whether it reads two inputs.
    const TWO_INPUTS: bool = false;

    /// Reads what follows the record's number; `None` where that is no such record.
    fn read(reader: &mut Reader<'m>) -> Option<Self>;

    /// The number of the layout of its weights; 0 where it has none.
    fn layout(&self) -> u8 {
        0
    }

    /// Whether its weights may be in a layout.
    fn has(&self, layout: Layout, _input: Shape) -> bool {
        layout == Layout::Compact
    }

    /// Given a layout that it [has](Self::has), checks every other dimension, length and number against the inputs that the `ports` describe, and sets `output`.
    ///
    /// A `layer` that was `checked` came here before: checks that cost no time are made again, loops over channels are not.
    fn operands<const OPERATORS: u32>(
        &self,
        layer: u8,
        ports: &Ports,
        output: &mut Flow,
        checked: bool,
    ) -> Result<Self::Operands, Error>;

    /// Multiply-accumulates, given the `input`: outputs times the weights that each sums up. No overflow where the record
    /// was checked.
    fn macs(&self, input: Shape) -> u64;
}

/// The operands of a kernel whose output is codes.
pub trait Call {
    /// The operator's name, for people.
    fn name(&self) -> &'static str;

    /// Layers that it computes at once.
    fn layers(&self) -> u8 {
        1
    }

    /// Bytes that come out.
    fn output_len(&self) -> usize;

    /// Words of working memory.
    fn scratch_len(&self) -> usize;

    /// How its weights lie.
    fn layout(&self) -> Layout {
        Layout::Compact
    }

    /// Whether its sums are rounded twice.
    fn rounds_twice(&self) -> bool {
        false
    }

    /// The header's bit of its kernel; 0 where the operator has one kernel for that layout.
    fn kernel_bit(&self) -> u32 {
        0
    }

    /// How the output may overlap an input.
    fn overlap(&self) -> Overlap {
        Overlap::Apart
    }

    /// Of an operator whose output may overlap in [rows](Overlap::Rows): takes these rows of output alone.
    fn set_rows(&mut self, _band: &Band) {}

    /// Of an operator whose output may be [in place](Overlap::InPlace) of an input: makes the second input the first one.
    fn swap_inputs(&mut self) {}

    /// Calls the kernel; links none for what is not in `OPERATORS`. `second` is empty where there is no second input, and
    /// where the first of two inputs is in `output` and `input` is the second.
    fn call<K: Kernels, const OPERATORS: u32>(
        &self,
        input: &[u8],
        second: &[u8],
        scratch: &mut [u32],
        output: &mut [u8],
    );
}

/// How the output of a stage may overlap an input of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Not at all.
    Apart,
    /// It may be exactly where one of two inputs is.
    InPlace,
    /// It may begin [`Rows::lead`] bytes before the input or more, and run on into rows of the input that are not read
    /// any more, computed from the first row on; or [`Rows::trail`] bytes after the input or more, computed from the last
    /// row on.
    Rows(Rows),
}

/// Which rows of input a row of output is computed from: `size` rows from row `row * stride - above` on, as far as there
/// are such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Rows of input from one row of output to the next.
    pub stride: u8,
    /// Rows before the input that the first row of output begins with.
    pub above: u8,
    /// Rows that a row of output is computed from.
    pub size: u16,
}

/// Rows of output that are computed at a time where the output overlaps the input: as many as the largest block of rows
/// that the kernels of any core compute at once.
pub const BAND_ROWS: usize = 4;

/// Rows of output that are computed at once where the output overlaps the input, from the first row on or from the last.
///
/// While a band is written, the rows of input that it needs are read and no others, so that none of the bands before it has
/// to be there.
#[derive(Clone, Debug)]
pub struct Band {
    /// Rows of padding above its input.
    pub above: u8,
    /// Its rows of input.
    pub input_rows: u16,
    /// Its rows of output.
    pub output_rows: u16,
    /// The bytes of the input that are read.
    pub input: Range<usize>,
    /// The bytes of the output that are written.
    pub output: Range<usize>,
}

impl Rows {
    /// Number of bands.
    pub(crate) fn bands(output: Shape) -> usize {
        usize::from(output.height).div_ceil(BAND_ROWS)
    }

    /// A band, counted from 0; `None` after the last one.
    // Not inlined, for size: most models have no use for it.
    #[inline(never)]
    #[must_use]
    pub fn band(self, number: usize, input: Shape, output: Shape) -> Option<Band> {
        let (stride, above, height) = (usize::from(self.stride), usize::from(self.above), usize::from(output.height));
        let first = number.checked_mul(BAND_ROWS).filter(|&first| first < height)?;
        let end = height.min(first + BAND_ROWS);
        let from = (first * stride).saturating_sub(above);
        let to = ((end - 1) * stride + usize::from(self.size)).saturating_sub(above).min(input.height.into());
        let row = |shape: Shape| usize::from(shape.width) * usize::from(shape.channels);
        Some(Band {
            above: above.saturating_sub(first * stride) as u8,
            input_rows: to.saturating_sub(from) as u16,
            output_rows: (end - first) as u16,
            input: from * row(input)..to * row(input),
            output: first * row(output)..end * row(output),
        })
    }

    /// The most that the end of a band of output is past the first byte of input which that band reads, were output and
    /// input to begin at the same byte.
    #[inline(never)]
    #[must_use]
    pub fn lead(self, input: Shape, output: Shape) -> usize {
        // From band to band the difference grows or shrinks by the same, but for the first bands, whose rows of input begin
        // at row 0, and for the last one, which may be shorter: so the bands at both ends of either are enough.
        let padded = usize::from(self.above) / (BAND_ROWS * usize::from(self.stride).max(1));
        let last = Self::bands(output).saturating_sub(1);
        let mut lead = 0;
        for number in [0, padded, padded + 1, last.saturating_sub(1), last] {
            if let Some(band) = self.band(number, input, output) {
                lead = lead.max(band.output.end.saturating_sub(band.input.start));
            }
        }
        lead
    }

    /// The most that the end of the input which a band reads is past the first byte of its output, were output and input to
    /// begin at the same byte.
    #[inline(never)]
    #[must_use]
    pub fn trail(self, input: Shape, output: Shape) -> usize {
        // The difference changes by the same from band to band, up to the first one whose window reaches the end of the input.
        let stride = usize::from(self.stride).max(1);
        let before_end = usize::from(input.height) + usize::from(self.above);
        let reaching = before_end.saturating_sub(self.size.into()) / stride / BAND_ROWS;
        let last = Self::bands(output).saturating_sub(1);
        let mut trail = 0;
        for number in [0, reaching.saturating_sub(1), reaching, reaching + 1, last.saturating_sub(1), last] {
            if let Some(band) = self.band(number, input, output) {
                trail = trail.max(band.input.end.saturating_sub(band.output.start));
            }
        }
        trail
    }
}

/// The output of a stage.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// How many values.
    pub shape: Shape,
    /// The code that means 0.
    pub zero_point: u8,
}

/// Refuses an empty shape, and one too large for its bytes to be counted together with others'.
pub fn countable(layer: u8, shape: Shape) -> Result<(), Error> {
    if is_countable(shape) { Ok(()) } else { Err(Error::Dimensions { layer }) }
}

// Not inlined, for size, nor is `is_scale`.
#[inline(never)]
const fn is_countable(shape: Shape) -> bool {
    const MOST: u32 = 1 << 28;
    matches!(shape.checked_len(), Some(1..=MOST))
}

/// The weights, if there are as many bytes as needed.
pub fn exactly(layer: u8, needed: u32, weights: &[u8]) -> Result<&[u8], Error> {
    let needed = needed as usize;
    if weights.len() == needed { Ok(weights) } else { Err(Error::WeightLength { layer, needed, given: weights.len() }) }
}

/// The weights of a layer that connects each of its inputs with each of its outputs.
#[inline(always)]
pub fn fully_connected(layer: u8, input: Shape, outputs: u16, layout: Layout, weights: &[u8]) -> Result<&[u8], Error> {
    countable(layer, Shape::flat(outputs))?;
    let inputs = input.checked_len().ok_or(Error::Dimensions { layer })?;
    let needed = match layout {
        Layout::Compact | Layout::Winograd => packed_len(outputs.into(), inputs),
        Layout::Vector => vector::packed_len(outputs.into(), inputs),
    };
    exactly(layer, needed.ok_or(Error::Dimensions { layer })?, weights)
}

/// Refuses what is no scale.
pub fn positive(layer: u8, scale: f32) -> Result<(), Error> {
    if is_scale(scale) { Ok(()) } else { Err(Error::Scale { layer }) }
}

/// By its bits, as a comparison of floats is a call on most chips: positive numbers have those from 1 on, infinity has the
/// first ones after them.
#[inline(never)]
const fn is_scale(scale: f32) -> bool {
    const INFINITY: u32 = f32::INFINITY.to_bits();
    matches!(scale.to_bits(), 1..INFINITY)
}

/// Refuses a zero point that would make the clamp another function than ReLU.
pub fn zero_point_under_relu(layer: u8, relu: bool, codes: Codes) -> Result<(), Error> {
    let zero_point = codes.zero_point;
    if relu && zero_point != 0 { Err(Error::ReluZeroPoint { layer, zero_point }) } else { Ok(()) }
}

/// How the accumulators of `outputs` channels become codes; twice rounded ones where the program holds that.
#[inline(always)]
pub fn requantize<'m, const OPERATORS: u32>(
    layer: u8,
    outputs: u16,
    requantize: &Requantize<'m>,
    checked: bool,
) -> Result<(Rescale, ChannelTable<'m>), Error> {
    let Requantize { codes, relu, shift, channels } = *requantize;
    positive(layer, codes.scale)?;
    zero_point_under_relu(layer, relu, codes)?;
    if const { OPERATORS & TWICE > 0 } && shift == Requantize::TWICE {
        return requantize_twice(layer, outputs, requantize, checked);
    }
    if shift > 31 {
        return Err(Error::Shift { layer, shift });
    }
    let needed = usize::from(outputs) * 8;
    if channels.data.len() != needed {
        return Err(Error::ChannelTableLength { layer, needed, given: channels.data.len() });
    }
    let table = ChannelTable::new(channels.data);
    if !checked {
        for (channel, (_, multiplier)) in (0u16..).zip(table.iter()) {
            if multiplier <= 0 {
                return Err(Error::Multiplier { layer, channel });
            }
        }
    }
    Ok((Rescale { zero_point: codes.zero_point, shift }, table))
}

/// The same of a layer that rounds twice: three words for each channel.
#[inline(never)]
fn requantize_twice<'m>(
    layer: u8,
    outputs: u16,
    requantize: &Requantize<'m>,
    checked: bool,
) -> Result<(Rescale, ChannelTable<'m>), Error> {
    let Requantize { codes, shift, channels, .. } = *requantize;
    let needed = usize::from(outputs) * 12;
    if channels.data.len() != needed {
        return Err(Error::ChannelTableLength { layer, needed, given: channels.data.len() });
    }
    let table = ChannelTable::new(channels.data);
    if !checked {
        for (channel, scaling) in (0u16..).zip(table.of_two_roundings().1) {
            is_scaling(layer, channel, scaling)?;
        }
    }
    Ok((Rescale { zero_point: codes.zero_point, shift }, table))
}

/// Refuses what is no scaling of a kernel that rounds twice.
pub fn is_scaling(layer: u8, channel: u16, Scaling { multiplier, shift }: Scaling) -> Result<(), Error> {
    if multiplier <= 0 {
        Err(Error::Multiplier { layer, channel })
    } else if !(-30..=31).contains(&shift) {
        Err(Error::Shift { layer, shift: shift as u8 })
    } else {
        Ok(())
    }
}

/// The second input of a sum with such codes: of the shape of the first one.
#[inline(always)]
pub fn second_of_sum(layer: u8, ports: &Ports, relu: bool, codes: Codes) -> Result<Tensor, Error> {
    let Some(second) = ports.second else { return Err(Error::InputCount { layer }) };
    if second.shape != ports.input.shape {
        return Err(Error::InputShapes { layer });
    }
    countable(layer, second.shape)?;
    positive(layer, codes.scale)?;
    zero_point_under_relu(layer, relu, codes)?;
    Ok(second)
}

/// Brings one input of a sum to its output, where it is not there yet, and returns the other one. `second` is empty where it is.
///
/// The copy takes about an instruction a byte, and saves a second kernel with three slices.
#[inline(always)]
pub fn beside_the_output<'a>(input: &'a [u8], second: &'a [u8], output: &mut [u8]) -> &'a [u8] {
    if second.is_empty() {
        return input;
    }
    output.iter_mut().zip(input).for_each(|(output, &input)| *output = input);
    second
}
