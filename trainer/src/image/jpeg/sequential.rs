//! Scans of whole blocks: baseline and extended sequential JPEGs.

use super::bits::{Bits, Fault};
use super::huffman::Huffman;
use super::idct;
use super::plane::Plane;
use super::scan::BlockDecoder;
use super::zigzag::ZIGZAG;

/// Bits of a difference of first coefficients, or of another coefficient, at most: a bit more than 8-bit samples need.
pub(super) const MOST_BITS: u32 = 11;

/// A first coefficient is an eighth of a sum of 64 samples of 8 bits with a sign, or a quarter more by rounding.
const MOST_DC: i32 = 1280;

/// A component of such a scan.
pub(super) struct Slot {
    /// Index in the frame.
    pub(super) index: usize,
    pub(super) dc: Huffman,
    pub(super) ac: Huffman,
    /// In natural order.
    pub(super) quantization: [u16; 64],
    pub(super) prediction: i32,
}

/// Decodes blocks straight to samples.
pub(super) struct Sequential<'a> {
    pub(super) slots: Vec<Slot>,
    /// By index in the frame.
    pub(super) planes: &'a mut [Plane],
}

impl BlockDecoder for Sequential<'_> {
    fn decode(&mut self, bits: &mut Bits, component: usize, x: usize, y: usize) -> Result<(), Fault> {
        let slot = &mut self.slots[component];
        let plane = &mut self.planes[slot.index];
        let difference = difference(bits, &slot.dc)?;
        slot.prediction = first(slot.prediction + difference)?;
        let flat = slot.prediction * i32::from(slot.quantization[0]);
        let mut position = next_position(bits, &slot.ac, 0)?;
        if position.is_none() {
            plane.set_flat_block(x, y, idct::flat_sample(flat));
            return Ok(());
        }
        let mut coefficients = [0; 64];
        coefficients[0] = flat;
        while let Some((at, size)) = position {
            let natural = usize::from(ZIGZAG[at & 63]);
            coefficients[natural] = bits.value(size)? * i32::from(slot.quantization[natural]);
            position = if at < 63 { next_position(bits, &slot.ac, at)? } else { None };
        }
        plane.set_block(x, y, &idct::samples(&coefficients));
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Fault> {
        for slot in &mut self.slots {
            slot.prediction = 0;
        }
        Ok(())
    }
}

/// A first coefficient, if an image can have it.
pub(super) fn first(coefficient: i32) -> Result<i32, Fault> {
    if coefficient.abs() > MOST_DC { Err(Fault::OutOfRange) } else { Ok(coefficient) }
}

/// The difference of a first coefficient to that of the block before.
#[inline(always)]
pub(super) fn difference(bits: &mut Bits, table: &Huffman) -> Result<i32, Fault> {
    match u32::from(bits.symbol(table)?) {
        0 => Ok(0),
        size @ 1..=MOST_BITS => bits.value(size),
        _ => Err(Fault::OutOfRange),
    }
}

/// Index and bits of the next coefficient after `last` that is not zero; `None` where the others are zero.
#[inline(always)]
fn next_position(bits: &mut Bits, table: &Huffman, last: usize) -> Result<Option<(usize, u32)>, Fault> {
    let mut at = last + 1;
    loop {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        at += zeros;
        match size {
            0 if zeros < 15 => return Ok(None),
            // The end of the block may come as 16 zeros.
            0 if at == 63 => return Ok(None),
            _ if at > 63 => return Err(Fault::PastBlock),
            0 => at += 1,
            1..=MOST_BITS => return Ok(Some((at, size))),
            _ => return Err(Fault::OutOfRange),
        }
    }
}
