//! Scans of a few coefficients, or of some of their bits: progressive JPEGs (ITU-T T.81, annex G).

use super::bits::{Bits, Fault};
use super::huffman::Huffman;
use super::refusal::damaged;
use super::scan::{BlockDecoder, Scan};
use super::sequential::{MOST_BITS, difference, first};
use super::zigzag::ZIGZAG;
use crate::image::error::ImageError;

/// Coefficients of a component, block by block, row by row.
pub(super) struct Coefficients {
    /// 64 for each block, in natural order.
    pub(super) values: Vec<i16>,
    /// Columns of blocks.
    pub(super) blocks_wide: usize,
    /// By coefficient, in the order of the file: the lowest bit that scans gave until now.
    lowest_bits: [Option<u8>; 64],
}

impl Coefficients {
    pub(super) fn new(blocks_high: u32, blocks_wide: u32) -> Self {
        let blocks_wide = blocks_wide as usize;
        Self { values: vec![0; 64 * blocks_wide * blocks_high as usize], blocks_wide, lowest_bits: [None; 64] }
    }

    fn block(&mut self, x: usize, y: usize) -> &mut [i16; 64] {
        &mut self.values.as_chunks_mut().0[y * self.blocks_wide + x]
    }

    /// Notes which bits a scan gives. No bit comes twice and none is left out in between, so that scans come to an end.
    fn note(&mut self, scan: &Scan, number: usize) -> Result<(), ImageError> {
        for (at, lowest) in (0..64).zip(&mut self.lowest_bits).take(scan.last + 1).skip(scan.first) {
            let fits = match *lowest {
                None => scan.high == 0,
                Some(lowest) => scan.high == lowest && scan.high == scan.low + 1,
            };
            if !fits {
                return Err(damaged(format!("scan {number} gives bits of coefficient {at} out of order")));
            }
            *lowest = Some(scan.low);
        }
        Ok(())
    }

    /// Whether scans gave all bits of all coefficients.
    pub(super) fn are_complete(&self) -> bool {
        self.lowest_bits == [Some(0); 64]
    }
}

/// Checks the band and the bits of a scan, and notes what its components get.
pub(super) fn begin(scan: &Scan, number: usize, coefficients: &mut [Coefficients]) -> Result<(), ImageError> {
    let is_band = match scan.first {
        0 => scan.last == 0,
        first => first <= scan.last && scan.last < 64 && scan.components.len() == 1,
    };
    if !is_band || scan.low > 13 {
        return Err(damaged(format!("scan {number} is none of a progressive JPEG")));
    }
    scan.components.iter().try_for_each(|component| coefficients[component.index].note(scan, number))
}

/// A component of a scan of first coefficients.
pub(super) struct FirstSlot {
    /// Index in the frame.
    pub(super) index: usize,
    pub(super) table: Huffman,
    pub(super) prediction: i32,
}

/// The upper bits of the first coefficient of each block.
pub(super) struct First<'a> {
    pub(super) slots: Vec<FirstSlot>,
    pub(super) low: u8,
    pub(super) coefficients: &'a mut [Coefficients],
}

impl BlockDecoder for First<'_> {
    fn decode(&mut self, bits: &mut Bits, component: usize, x: usize, y: usize) -> Result<(), Fault> {
        let slot = &mut self.slots[component];
        slot.prediction += difference(bits, &slot.table)?;
        let value = first(slot.prediction << self.low)?;
        self.coefficients[slot.index].block(x, y)[0] = value as i16;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Fault> {
        for slot in &mut self.slots {
            slot.prediction = 0;
        }
        Ok(())
    }
}

/// One more bit of the first coefficient of each block.
pub(super) struct FirstBit<'a> {
    /// Indices in the frame.
    pub(super) indices: Vec<usize>,
    pub(super) low: u8,
    pub(super) coefficients: &'a mut [Coefficients],
}

impl BlockDecoder for FirstBit<'_> {
    fn decode(&mut self, bits: &mut Bits, component: usize, x: usize, y: usize) -> Result<(), Fault> {
        let index = self.indices[component];
        if bits.bit()? {
            self.coefficients[index].block(x, y)[0] |= 1 << self.low;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// The upper bits of a band of the other coefficients.
pub(super) struct Band<'a> {
    pub(super) table: Huffman,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) low: u8,
    /// Blocks that are still to come without one that is not zero.
    pub(super) empty: u32,
    pub(super) coefficients: &'a mut Coefficients,
}

impl BlockDecoder for Band<'_> {
    fn decode(&mut self, bits: &mut Bits, _: usize, x: usize, y: usize) -> Result<(), Fault> {
        if self.empty > 0 {
            self.empty -= 1;
            return Ok(());
        }
        let block = self.coefficients.block(x, y);
        let mut at = self.first;
        while at <= self.last {
            let symbol = bits.symbol(&self.table)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match size {
                0 if zeros < 15 => {
                    self.empty = (1 << zeros) - 1 + bits.bits(zeros as u32)?;
                    break;
                }
                0 if at + 15 > self.last => return Err(Fault::PastBlock),
                0 => at += 16,
                1..=MOST_BITS => {
                    at += zeros;
                    if at > self.last {
                        return Err(Fault::PastBlock);
                    }
                    let value = bits.value(size)? << self.low;
                    block[usize::from(ZIGZAG[at & 63])] = i16::try_from(value).map_err(|_| Fault::OutOfRange)?;
                    at += 1;
                }
                _ => return Err(Fault::OutOfRange),
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Fault> {
        if self.empty > 0 { Err(Fault::PastScan) } else { Ok(()) }
    }
}

/// One more bit of a band of the other coefficients.
pub(super) struct BandBit<'a> {
    pub(super) band: Band<'a>,
}

impl BlockDecoder for BandBit<'_> {
    fn decode(&mut self, bits: &mut Bits, _: usize, x: usize, y: usize) -> Result<(), Fault> {
        let Band { ref table, first, last, low, ref mut empty, ref mut coefficients } = self.band;
        let block = coefficients.block(x, y);
        let mut at = first;
        while *empty == 0 && at <= last {
            let symbol = bits.symbol(table)?;
            let (zeros, size) = (u32::from(symbol >> 4), symbol & 15);
            let value = match size {
                0 if zeros < 15 => {
                    // This block included.
                    *empty = (1 << zeros) + bits.bits(zeros)?;
                    break;
                }
                0 => 0,
                1 if bits.bit()? => 1i16 << low,
                1 => -1i16 << low,
                _ => return Err(Fault::OutOfRange),
            };
            // The value goes after so many coefficients that are zero until now; the others get a bit each on the way.
            let place = refine(bits, block, (at, last), low, zeros)?.ok_or(Fault::PastBlock)?;
            block[usize::from(ZIGZAG[place & 63])] = value;
            at = place + 1;
        }
        if *empty > 0 {
            *empty -= 1;
            refine(bits, block, (at, last), low, u32::MAX)?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Fault> {
        self.band.restart()
    }
}

/// Reads a bit for each coefficient that is not zero, up to the one that is zero after `zeros` others that are. Returns
/// the index of that one in the order of the file, if it is in the band.
#[inline(always)]
fn refine(
    bits: &mut Bits,
    block: &mut [i16; 64],
    (first, last): (usize, usize),
    low: u8,
    mut zeros: u32,
) -> Result<Option<usize>, Fault> {
    for at in first..=last {
        let coefficient = &mut block[usize::from(ZIGZAG[at & 63])];
        if *coefficient != 0 {
            if bits.bit()? {
                let bit = if *coefficient > 0 { 1i16 << low } else { -1i16 << low };
                // Only what no image has leaves 16 bits.
                *coefficient = coefficient.checked_add(bit).ok_or(Fault::OutOfRange)?;
            }
        } else if zeros == 0 {
            return Ok(Some(at));
        } else {
            zeros -= 1;
        }
    }
    Ok(None)
}
