//! The codes at the four positions of a window before a 2x2 max-pool, and their sums, in plain Rust.

use super::columns::{self, Codes, Window};
use crate::kernels::shared::sparse::STRIDE;
use crate::packing::ROWS_PER_BLOCK;

/// Rows of the input under a window, for its positions on the left or on the right.
pub struct Rows<'i> {
    /// Codes from the first one that is hit on.
    pub codes: &'i [u8],
    /// From a row of the input to the next one.
    pub row_len: usize,
    /// Codes of a row that are hit.
    pub hit: usize,
    /// The first row of the window, which has one more than the kernel, that is inside of the input.
    pub start: usize,
    /// Where these rows end.
    pub end: usize,
    /// Rows of the kernel.
    pub kernel: usize,
    /// Taps of a row before those that are hit.
    pub overhang: usize,
    /// Taps of a row.
    pub taps_in_a_row: usize,
    /// 0 for the positions on the left, 1 for those on the right.
    pub right: usize,
}

impl Rows<'_> {
    /// Whether there is a row, whether all of their codes are there, and all taps.
    pub fn fit(&self, taps: &[Codes]) -> bool {
        self.hit > 0
            && self.start < self.end
            && self.end <= self.kernel + 1
            && self.overhang + self.hit <= self.taps_in_a_row
            && self.kernel * self.taps_in_a_row <= taps.len()
            && (self.end - self.start - 1) * self.row_len + self.hit <= self.codes.len()
    }
}

/// Puts rows of the input at the upper positions of the same rows of taps and at the lower ones of the rows before, in plain
/// Rust; returns the sums of both.
#[inline(never)]
pub fn put(rows: &Rows<'_>, taps: &mut [Codes]) -> [i32; 2] {
    let mut sums = [0; 2];
    let mut unread = rows.codes;
    for row in rows.start..rows.end {
        let codes = unread.get(..rows.hit).unwrap_or_default();
        unread = unread.get(rows.row_len..).unwrap_or_default();
        for (lower, sum) in sums.iter_mut().enumerate() {
            let Some(row) = row.checked_sub(lower).filter(|&row| row < rows.kernel) else { continue };
            let tap = row * rows.taps_in_a_row + rows.overhang;
            let slots = taps.as_flattened_mut().get_mut(4 * tap + 2 * lower + rows.right..).unwrap_or_default();
            for (slot, &code) in slots.iter_mut().step_by(4).zip(codes) {
                *slot = code.into();
                *sum += i32::from(code);
            }
        }
    }
    sums
}

/// Adds to the sums of a full block the largest of the four sums of each row, in plain Rust.
pub fn sums(window: &Window<'_>, weights: &[u8], mut sums: [u32; ROWS_PER_BLOCK]) -> [u32; ROWS_PER_BLOCK] {
    let (even, odd) = sums.split_at_mut(ROWS_PER_BLOCK / 2);
    for (word, sums) in even.iter_mut().zip(odd).enumerate() {
        let maxima = columns::maxima(window, weights.get(4 * word..).unwrap_or_default(), STRIDE);
        for (sum, maximum) in <[_; 2]>::from(sums).into_iter().zip(maxima) {
            *sum = sum.wrapping_add(maximum.cast_unsigned());
        }
    }
    sums
}
