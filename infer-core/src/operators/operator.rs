//! What an operator is, and the checks that operators share.

use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Codes, Requantize, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::{ChannelTable, Rescale};
use crate::packing::packed_len;

/// A layer's record in the file.
pub trait Record<'m>: Sized {
    /// What it becomes.
    type Operands;

    /// Reads what follows the record's number; `None` where that is no such record.
    fn read(reader: &mut Reader<'m>) -> Option<Self>;

    /// Checks every dimension, length and number, and takes `flow` across the layer.
    ///
    /// A `layer` that was `checked` came here before: checks that cost no time are made again, loops over channels are not.
    fn operands(&self, layer: u8, flow: &mut Flow, checked: bool) -> Result<Self::Operands, Error>;

    /// Weights that one output sums up, the record's layer having this `input`.
    fn weights_per_output(&self, input: Shape) -> u64;
}

/// The operands of a kernel that puts out codes.
pub trait Call {
    /// The operator's name, for people.
    fn name(&self) -> &'static str;

    /// Bytes that come out.
    fn output_len(&self) -> usize;

    /// Words of working memory.
    fn scratch_len(&self) -> usize;

    /// Calls the kernel.
    fn call<K: Kernels>(&self, input: &[u8], scratch: &mut [u32], output: &mut [u8]);
}

/// What flows between two layers.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// How many values.
    pub shape: Shape,
    /// What they mean.
    pub codes: Codes,
}

/// Refuses an empty shape, and one too large for its bytes to be counted together with others'.
pub fn countable(layer: u8, shape: Shape) -> Result<(), Error> {
    const MOST: u32 = 1 << 28;
    match shape.checked_len() {
        Some(1..=MOST) => Ok(()),
        _ => Err(Error::Dimensions { layer }),
    }
}

/// The weights, if there are as many bytes as needed.
pub fn exactly(layer: u8, needed: u32, weights: &[u8]) -> Result<&[u8], Error> {
    let needed = needed as usize;
    if weights.len() == needed { Ok(weights) } else { Err(Error::WeightLength { layer, needed, given: weights.len() }) }
}

/// The weights of a layer that connects each of its inputs with each of its outputs.
pub fn fully_connected(layer: u8, input: Shape, outputs: u16, weights: &[u8]) -> Result<&[u8], Error> {
    countable(layer, Shape::flat(outputs))?;
    let inputs = input.checked_len().ok_or(Error::Dimensions { layer })?;
    let needed = packed_len(outputs.into(), inputs).ok_or(Error::Dimensions { layer })?;
    exactly(layer, needed, weights)
}

/// Refuses what is no scale.
pub fn positive(layer: u8, scale: f32) -> Result<(), Error> {
    if scale > 0.0 && scale.is_finite() { Ok(()) } else { Err(Error::Scale { layer }) }
}

/// How the accumulators of `outputs` channels become codes.
pub fn requantize<'m>(
    layer: u8,
    outputs: u16,
    requantize: &Requantize<'m>,
    checked: bool,
) -> Result<(Rescale, ChannelTable<'m>), Error> {
    let Requantize { codes, relu, shift, channels } = *requantize;
    positive(layer, codes.scale)?;
    if relu && codes.zero_point != 0 {
        return Err(Error::ReluZeroPoint { layer, zero_point: codes.zero_point });
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
