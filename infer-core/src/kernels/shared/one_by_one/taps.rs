//! The codes under a filter that are not zero, each with the distance of its weights from those of the one before: a byte each.

use core::cell::Cell;

use super::columns::{Sums, add};
use crate::kernels::shared::sparse::STRIDE;
use crate::packing::ROWS_PER_BLOCK;

/// A code, and the bytes from the weights before to its own in a full block.
pub type Tap = [u8; 2];

/// From here on an entry of zero bridges the distance. Each pair of taps adds [`STRIDE`] at most, so that a byte holds it.
const FAR: u32 = 0xE0;

/// Codes that are not zero. Their entries lead to no place outside of a block of so many taps.
pub struct Taps<'s> {
    entries: &'s [Tap],
    taps: usize,
    total: u32,
    left_by: u8,
}

impl<'s> Taps<'s> {
    /// Lists the codes in the second half of `scratch`, which is two bytes for each of `taps`, in its first half and on:
    /// what is written was read before. `left_by` is added to each distance.
    #[inline(never)]
    pub fn list(scratch: &'s mut [u8], taps: usize, left_by: u8) -> Option<Self> {
        let cells = Cell::from_mut(&mut *scratch).as_slice_of_cells();
        let codes = cells.get(taps..2 * taps)?;
        let mut entries = cells.as_chunks::<2>().0.iter();
        let (mut total, mut distance) = (0u32, u32::from(left_by));
        let mut put = |code: u8, distance: u32| {
            if let Some([first, second]) = entries.next() {
                first.set(code);
                second.set(distance as u8);
            }
        };
        let (pairs, last) = codes.as_chunks::<2>();
        for [first, second] in pairs {
            let (first, second) = (first.get(), second.get());
            if first != 0 {
                put(first, distance);
                total = total.wrapping_add(first.into());
                distance = left_by.into();
            }
            distance += 2;
            if second != 0 {
                put(second, distance);
                total = total.wrapping_add(second.into());
                distance = left_by.into();
            }
            distance += STRIDE as u32 - 2;
            if distance >= FAR {
                put(0, distance);
                distance = left_by.into();
            }
        }
        if let Some(code) = last.first().map(Cell::get).filter(|&code| code != 0) {
            put(code, distance);
            total = total.wrapping_add(code.into());
        }
        let left = entries.len();
        let entries = scratch.as_chunks().0;
        let entries = entries.get(..entries.len().checked_sub(left)?)?;
        Some(Self { entries, taps, total, left_by })
    }

    /// The entries.
    pub const fn entries(&self) -> &[Tap] {
        self.entries
    }

    /// The sum of the codes.
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Bytes of a full block's weights.
    pub const fn block_len(&self) -> usize {
        ROWS_PER_BLOCK * self.taps.next_multiple_of(2)
    }

    /// The sums of two rows, whose weights are in a column of words that has one every `stride` bytes.
    #[inline(never)]
    pub fn column(&self, column: &[u8], stride: usize) -> Sums {
        let mut sums = [0; 2];
        let mut place = 0usize;
        for &[code, distance] in self.entries {
            place = place.wrapping_add(distance.into()).wrapping_sub(self.left_by.into());
            let start = place / STRIDE * stride + place % STRIDE;
            if let Some(&weights) = column.get(start..).and_then(<[u8]>::first_chunk) {
                sums = add(sums, code.into(), weights);
            }
        }
        sums
    }
}
