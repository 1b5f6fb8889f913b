//! [`Loops`] in assembly: what is checked before each.

#![allow(unsafe_code, reason = "calls what is written for all fourteen registers")]

use super::columns::{Codes, Window};
use super::pooled::Rows;
use super::taps::{Append, State, Tap, Taps};
use super::{Finish, Loops, depthwise};
use crate::kernels::operands::{Conv2dOperands, DepthwiseConv2dOperands, Rescale};
use crate::kernels::shared::sparse::{Entry, List, STRIDE};
use crate::kernels::shared::winograd::tiles::{self, TileLoops};
use crate::packing::ROWS_PER_BLOCK;

/// [`Rows`], in bytes.
#[repr(C)]
pub struct PlacedRows {
    /// Codes of a row.
    pub hit: usize,
    /// From a row of the input to the next one.
    pub row_len: usize,
    /// From a row of taps to the next one.
    pub taps_len: usize,
    /// As in [`Rows`].
    pub start: usize,
    /// As in [`Rows`].
    pub end: usize,
    /// As in [`Rows`].
    pub kernel: usize,
}

/// Inputs that are listed.
#[repr(C)]
pub struct Inputs {
    /// The first one that was not seen.
    pub next: *const u8,
    /// Where they end.
    pub end: *const u8,
    /// Its weights, from the first ones of a block.
    pub distance: u32,
    /// The sum of those that were listed.
    pub sum: u32,
    /// 1 where it is the second one of a pair, else 0.
    pub is_second: u32,
}

/// The loops of a core, each an assembly of its own.
pub trait Assembly: TileLoops {
    /// As [`Loops::ADVANCED`].
    const ADVANCED: u32;

    /// Lists inputs that are not zero, up to the end of the list or of the inputs; returns the end of what it wrote.
    ///
    /// # Safety
    /// `entries` has room for one at least up to `end`, at an address that is a multiple of four, and there is one input at least.
    unsafe fn fill(entries: *mut Entry, end: *mut Entry, inputs: &mut Inputs) -> *mut Entry;

    /// Convolution of each channel by itself.
    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8])
    where
        Self: Sized,
    {
        depthwise::depthwise_conv2d::<Self>(input, operands, output);
    }

    /// As [`Loops::first_positions`].
    fn first_positions(
        _input: &[u8],
        _operands: &Conv2dOperands<'_>,
        _scratch: &mut [u32],
        _output: &mut [u8],
    ) -> usize {
        0
    }

    /// Adds what a list contributes to the sums of `blocks` full blocks of `len` bytes each.
    ///
    /// # Safety
    /// There is one block at least, with eight words in `sums` for each. `list` has entries and an end, and no entry leads
    /// outside a block.
    unsafe fn blocks_over_list(list: *const Entry, weights: *const u8, sums: *mut u32, blocks: usize, len: usize);

    /// As `blocks_over_list`, for a last block of `WORDS` words for each pair of inputs, 1 to 3.
    ///
    /// # Safety
    /// `sums` has two words for each of these; `list` has entries and an end, and no entry leads outside the block.
    unsafe fn last_block_over_list<const WORDS: usize>(list: *const Entry, weights: *const u8, sums: *mut u32);

    /// As [`Append::LEFT_BY`].
    const LEFT_BY: u8;

    /// Lists `count` codes; returns the end of the list.
    ///
    /// # Safety
    /// There is one code at least, there is room for as many entries, at an even address, and the distance of the first one needs
    /// no bridge.
    unsafe fn append(entries: *mut Tap, codes: *const u8, count: usize, state: &mut State) -> *mut Tap;

    /// The codes of a full block, out of the `count` entries of a list.
    ///
    /// # Safety
    /// There is one entry at least, and none leads outside the block.
    unsafe fn block_over_taps(
        list: *const Tap,
        weights: *const u8,
        count: usize,
        finish: &Finish<'_>,
        codes: &mut [u8; ROWS_PER_BLOCK],
    );

    /// As [`Loops::put`]: the sum at upper positions is in the lower half.
    ///
    /// # Safety
    /// The rows fit the codes and the taps.
    unsafe fn put(codes: *const u8, upper: *mut u16, rows: &PlacedRows) -> u64;

    /// The codes of a full block at a pooled position.
    ///
    /// # Safety
    /// There is one tap at least, and as many weights in the block; the window's codes are at an address that is a multiple of
    /// four.
    unsafe fn block_over_window(
        window: &Window<'_>,
        weights: *const u8,
        finish: &Finish<'_>,
        codes: &mut [u8; ROWS_PER_BLOCK],
    );
}

impl<A: Assembly> Append for A {
    const LEFT_BY: u8 = A::LEFT_BY;

    #[inline]
    fn append(entries: &mut [Tap], codes: &[u8], state: &mut State) -> usize {
        let start = entries.as_mut_ptr();
        if codes.is_empty() || entries.len() < codes.len() || !start.addr().is_multiple_of(2) {
            return 0;
        }
        // SAFETY: the lengths were compared, and the address. A bridge takes the place of a code that is zero.
        let end = unsafe { A::append(start, codes.as_ptr(), codes.len(), state) };
        (end.addr() - start.addr()) / size_of::<Tap>()
    }
}

impl<A: Assembly> Loops for A {
    #[inline]
    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        tiles::conv2d::<A>(input, operands, scratch, output);
    }

    const ADVANCED: u32 = A::ADVANCED;

    #[inline]
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
        if entries.is_empty() || inputs.is_empty() {
            return (0, 0, 0);
        }
        let codes = inputs.as_ptr_range();
        let distance = (seen / 2 * STRIDE + seen % 2 * 2) as u32;
        let mut unseen = Inputs { next: codes.start, end: codes.end, distance, sum: 0, is_second: seen as u32 % 2 };
        let entries = entries.as_mut_ptr_range();
        // SAFETY: there is an entry and an input.
        let end = unsafe { A::fill(entries.start, entries.end, &mut unseen) };
        let filled = (end.addr() - entries.start.addr()) / size_of::<Entry>();
        (filled, unseen.next.addr() - codes.start.addr(), unseen.sum)
    }

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        A::requantize(accumulator, multiplier, rescale)
    }

    #[inline]
    fn depthwise(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        A::depthwise_conv2d(input, operands, output);
    }

    #[inline]
    fn first_positions(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) -> usize {
        A::first_positions(input, operands, scratch, output)
    }

    #[inline]
    fn full_blocks(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
        let blocks = sums.len() / ROWS_PER_BLOCK;
        let len = weights.len() / blocks.max(1);
        // SAFETY: `sparse` compared the lengths, so that the entries lead to no place outside a block, and each block has
        // eight sums; there is one block at least.
        unsafe { A::blocks_over_list(list.as_ptr(), weights.as_ptr(), sums.as_mut_ptr(), blocks, len) }
    }

    #[inline]
    fn last_block<const WORDS: usize>(list: &List<'_>, weights: &[u8], sums: &mut [u32]) {
        if sums.len() == 2 * WORDS {
            // SAFETY: `sparse` compared the lengths, so that the entries lead to no place outside the block.
            unsafe { A::last_block_over_list::<WORDS>(list.as_ptr(), weights.as_ptr(), sums.as_mut_ptr()) }
        }
    }

    #[inline]
    fn block_codes(list: &Taps<'_>, weights: &[u8], finish: &Finish<'_>, codes: &mut [u8; ROWS_PER_BLOCK]) {
        let entries = list.entries();
        if entries.is_empty() {
            finish.codes::<A>(&finish.sums(), codes);
        } else if weights.len() >= list.block_len() {
            // SAFETY: the lengths were compared; there is one entry at least.
            unsafe { A::block_over_taps(entries.as_ptr(), weights.as_ptr(), entries.len(), finish, codes) }
        }
    }

    #[inline]
    fn put(rows: &Rows<'_>, taps: &mut [Codes]) -> [i32; 2] {
        if !rows.fit(taps) {
            return [0; 2];
        }
        let taps_len = rows.taps_in_a_row * size_of::<Codes>();
        let tap = rows.start * rows.taps_in_a_row + rows.overhang;
        // Not dereferenced before the last row, which has no upper positions.
        let upper = taps.as_mut_ptr().cast::<u16>().wrapping_add(4 * tap + rows.right);
        let &Rows { row_len, hit, start, end, kernel, .. } = rows;
        let placed = PlacedRows { hit, row_len, taps_len, start, end, kernel };
        // SAFETY: they fit.
        let sums = unsafe { A::put(rows.codes.as_ptr(), upper, &placed) };
        [sums as i32, (sums >> 32) as i32]
    }

    #[inline]
    fn pooled_block_codes(window: &Window<'_>, weights: &[u8], finish: &Finish<'_>, codes: &mut [u8; ROWS_PER_BLOCK]) {
        let taps = window.codes.len();
        let is_aligned = window.codes.as_ptr().addr().is_multiple_of(4);
        if taps > 0 && weights.len() >= ROWS_PER_BLOCK * taps.next_multiple_of(2) && is_aligned {
            // SAFETY: the lengths were compared, and the address.
            unsafe { A::block_over_window(window, weights.as_ptr(), finish, codes) }
        }
    }
}
