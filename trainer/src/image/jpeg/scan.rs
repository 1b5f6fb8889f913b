//! A scan: its header, and the walk over its blocks in the order of the data.

use super::bits::{Bits, Fault};
use super::frame::Frame;
use super::refusal::damaged;
use crate::image::error::ImageError;

/// The header of a scan.
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// First coefficient of the band, in the order of the file.
    pub(super) first: usize,
    /// Last coefficient of the band, in the order of the file.
    pub(super) last: usize,
    /// Lowest bit that earlier scans gave of each coefficient, or 0 where none did.
    pub(super) high: u8,
    /// Lowest bit that this scan gives of each coefficient.
    pub(super) low: u8,
}

/// A component of a scan.
pub(super) struct ScanComponent {
    /// Index in the frame.
    pub(super) index: usize,
    /// Number of the Huffman table of the first coefficients.
    pub(super) dc: usize,
    /// Number of the Huffman table of the others.
    pub(super) ac: usize,
}

impl Scan {
    /// Reads the content of the segment of a start-of-scan marker.
    pub(super) fn parse(content: &[u8], frame: &Frame) -> Result<Self, ImageError> {
        let broken = || damaged("the header of a scan is broken");
        let (&count, rest) = content.split_first().ok_or_else(broken)?;
        let (of_components, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(broken)?;
        let &[first, last, bits] = rest else { return Err(broken()) };
        let mut components: Vec<ScanComponent> = Vec::with_capacity(usize::from(count));
        for &[id, tables] in of_components.as_chunks().0 {
            let is_new = |index: &usize| components.iter().all(|component| component.index != *index);
            let index = (0..frame.components.len())
                .filter(is_new)
                .find(|&index| frame.components[index].id == id)
                .ok_or_else(|| damaged(format!("a scan has component {id}, which the frame header lacks")))?;
            components.push(ScanComponent { index, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) });
        }
        let blocks: u32 =
            components.iter().map(|component| &frame.components[component.index]).map(|of| of.h * of.v).sum();
        if components.is_empty() || components.len() > 1 && blocks > 10 {
            return Err(damaged(format!(
                "a scan of {count} components with {blocks} blocks in an MCU; 10 are the most"
            )));
        }
        Ok(Self { components, first: usize::from(first), last: usize::from(last), high: bits >> 4, low: bits & 15 })
    }

    /// Rows and columns of MCUs.
    fn mcus(&self, frame: &Frame) -> (u32, u32) {
        match self.components[..] {
            [ScanComponent { index, .. }] => {
                let extent = frame.extent(&frame.components[index]);
                (extent.blocks_high, extent.blocks_wide)
            }
            _ => frame.mcus(),
        }
    }

    /// Blocks side by side and one above the other that each component has in an MCU.
    fn blocks_in_mcu(&self, frame: &Frame) -> Vec<(u32, u32)> {
        match self.components[..] {
            [_] => vec![(1, 1)],
            _ => self.components.iter().map(|of| &frame.components[of.index]).map(|of| (of.h, of.v)).collect(),
        }
    }

    /// Blocks of the whole scan.
    pub(super) fn blocks(&self, frame: &Frame) -> u64 {
        let (high, wide) = self.mcus(frame);
        let in_mcu: u32 = self.blocks_in_mcu(frame).into_iter().map(|(h, v)| h * v).sum();
        u64::from(high) * u64::from(wide) * u64::from(in_mcu)
    }
}

/// What decodes the blocks of one kind of scan.
pub(super) trait BlockDecoder {
    /// Decodes the next block: that of column `x` and row `y` of the component with the given index in the scan.
    fn decode(&mut self, bits: &mut Bits, component: usize, x: usize, y: usize) -> Result<(), Fault>;

    /// Begins anew at a restart marker and at the end: what the next block would have depended on is forgotten.
    fn restart(&mut self) -> Result<(), Fault>;
}

/// Where the data of a scan are, and how they are named in messages.
pub(super) struct ScanData<'a> {
    pub(super) bytes: &'a [u8],
    /// Index of the first byte after the header.
    pub(super) at: usize,
    /// MCUs between restart markers, or 0.
    pub(super) restart_interval: u32,
    /// Number of the scan in the file, from 1.
    pub(super) number: usize,
}

/// Decodes all blocks of a scan. Returns the index of the marker after the data.
pub(super) fn decode_blocks(
    frame: &Frame,
    scan: &Scan,
    data: &ScanData,
    decoder: &mut impl BlockDecoder,
) -> Result<usize, ImageError> {
    let mut bits = Bits::new(data.bytes, data.at);
    let mut done = 0;
    walk(frame, scan, data.restart_interval, &mut bits, decoder, &mut done).map_err(|fault| {
        let (number, total) = (data.number, scan.blocks(frame));
        damaged(match fault {
            Fault::Ended => format!("the data of scan {number} end after {done} of {total} blocks"),
            Fault::NoCode => {
                format!("scan {number} has bits that are not a Huffman code after {done} of {total} blocks")
            }
            Fault::PastBlock => {
                format!("scan {number} has a block of too many coefficients after {done} of {total} blocks")
            }
            Fault::OutOfRange => {
                format!("scan {number} has a coefficient that no image has after {done} of {total} blocks")
            }
            Fault::PastScan => {
                format!("scan {number} has a run of empty blocks that is too long after {done} of {total} blocks")
            }
            Fault::TooMany { bytes: 1 } => format!("scan {number} has a byte too many after {done} of {total} blocks"),
            Fault::TooMany { bytes } => {
                format!("scan {number} has {bytes} bytes too many after {done} of {total} blocks")
            }
            Fault::NoRestart { expected } => {
                format!("scan {number} lacks restart marker {expected} after {done} of {total} blocks")
            }
        })
    })
}

fn walk(
    frame: &Frame,
    scan: &Scan,
    restart_interval: u32,
    bits: &mut Bits,
    decoder: &mut impl BlockDecoder,
    done: &mut u64,
) -> Result<usize, Fault> {
    let (high, wide) = scan.mcus(frame);
    let blocks = scan.blocks_in_mcu(frame);
    let (mut until_restart, mut restarts) = (restart_interval, 0u8);
    for row in 0..high {
        for column in 0..wide {
            if restart_interval > 0 {
                if until_restart == 0 {
                    decoder.restart()?;
                    bits.restart(restarts)?;
                    (until_restart, restarts) = (restart_interval, (restarts + 1) % 8);
                }
                until_restart -= 1;
            }
            for (component, &(h, v)) in blocks.iter().enumerate() {
                for y in row * v..(row + 1) * v {
                    for x in column * h..(column + 1) * h {
                        decoder.decode(bits, component, x as usize, y as usize)?;
                        *done += 1;
                    }
                }
            }
        }
    }
    decoder.restart()?;
    let end = bits.end_of_scan()?;
    // Some encoders write one more restart marker where the last interval is full.
    Ok(if restart_interval > 0 && until_restart == 0 {
        bits.restart(restarts).map_or(end, |()| bits.at())
    } else {
        end
    })
}
