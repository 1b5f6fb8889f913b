//! The codes under a filter that are not zero, each with the distance of its weights from those of the one before: a byte each.

use super::columns::{Sums, add};
use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::sparse::STRIDE;
use crate::packing::ROWS_PER_BLOCK;

/// A code, and the bytes from the weights before to its own in a full block.
pub type Tap = [u8; 2];

/// From here on an entry of zero bridges the distance before the next pair of taps, which adds [`STRIDE`]: a byte holds that.
/// It does so where a tap follows, so that it leads to no place after those of taps.
const FAR: u32 = 0xE0;

/// From the weights of the first of two taps to those of the second, and on to the next pair's.
const STEPS: [u32; 2] = [2, STRIDE as u32 - 2];

/// How a core lists them.
pub trait Append: Sized {
    /// How far before a tap's weights the kernel of a full block is when it comes to the next entry; the entries of
    /// [`Taps`] count from there.
    const LEFT_BY: u8;

    /// Lists codes, of which there are no more than `entries`; returns how many entries it wrote. The distance of the first one
    /// needs no bridge.
    fn append(entries: &mut [Tap], codes: &[u8], state: &mut State) -> usize {
        append(entries, codes, state, Self::LEFT_BY)
    }
}

/// Codes that are not zero. Their entries lead to no place outside of a block of so many taps.
pub struct Taps<'s> {
    entries: &'s [Tap],
    taps: usize,
    total: u32,
    left_by: u8,
}

impl<'s> Taps<'s> {
    /// Lists the codes under the filter at row `y` and column `x` of the output. `entries` has one for each tap.
    #[inline(never)]
    pub fn list<L: Append>(
        input: &[u8],
        operands: &Conv2dOperands<'_>,
        [y, x]: [usize; 2],
        entries: &'s mut [Tap],
    ) -> Self {
        let channels = usize::from(operands.input.channels);
        let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
        let Window { size: [rows, columns], stride: [down, along], .. } = operands.window;
        let (columns, left) = (usize::from(columns), usize::from(operands.window.left()));
        let x = x * usize::from(along);
        // Taps that hang over on the left, and the first column that is hit.
        let overhang = left.saturating_sub(x).min(columns);
        let column = x.saturating_sub(left);
        let hit = (columns - overhang).min(width.saturating_sub(column));
        let over_the_right = (columns - overhang - hit) * channels;
        let taps = entries.len();
        let mut row = (y * usize::from(down)).wrapping_sub(operands.pad_above.into());
        let left_by = L::LEFT_BY;
        let state = State { distance: left_by.into(), total: 0, is_second: 0 };
        let mut list = Unfinished { entries, filled: 0, unseen: taps, state, left_by };
        for _ in 0..rows {
            if row < height {
                if overhang > 0 {
                    list.pad::<L>(operands.pad_code, overhang * channels);
                }
                let start = (row * width + column) * channels;
                list.append::<L>(input.get(start..start + hit * channels).unwrap_or_default());
                if over_the_right > 0 {
                    list.pad::<L>(operands.pad_code, over_the_right);
                }
            } else {
                list.pad::<L>(operands.pad_code, columns * channels);
            }
            row = row.wrapping_add(1);
        }
        let Unfinished { entries, filled, state: State { total, .. }, .. } = list;
        Self { entries: entries.get(..filled).unwrap_or_default(), taps, total, left_by }
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

/// A list that taps are still added to.
struct Unfinished<'e> {
    entries: &'e mut [Tap],
    filled: usize,
    /// Taps that were not added yet.
    unseen: usize,
    state: State,
    left_by: u8,
}

/// What is carried from one run of codes to the next one.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct State {
    /// From the weights of the last entry to those of the next tap.
    pub distance: u32,
    /// The sum of the codes.
    pub total: u32,
    /// 1 where the next tap is the second one of a pair, else 0.
    pub is_second: u32,
}

impl Unfinished<'_> {
    /// Adds codes, as many as there are taps left.
    fn append<L: Append>(&mut self, codes: &[u8]) {
        while self.state.distance >= FAR {
            if let Some(entry) = self.entries.get_mut(self.filled) {
                *entry = [0, FAR as u8];
                self.filled += 1;
            }
            self.state.distance -= FAR - u32::from(self.left_by);
        }
        let codes = codes.get(..codes.len().min(self.unseen)).unwrap_or_default();
        self.unseen -= codes.len();
        let entries = self.entries.get_mut(self.filled..).unwrap_or_default();
        self.filled += L::append(entries, codes, &mut self.state);
    }

    /// Adds the code of the padding so many times.
    #[inline(never)]
    fn pad<L: Append>(&mut self, code: u8, count: usize) {
        if code != 0 {
            for _ in 0..count {
                self.append::<L>(&[code]);
            }
            return;
        }
        let count = count.min(self.unseen);
        self.unseen -= count;
        let after = count as u32 + self.state.is_second;
        self.state.distance += after / 2 * STRIDE as u32 + after % 2 * STEPS[0] - self.state.is_second * STEPS[0];
        self.state.is_second = after % 2;
    }
}

/// Lists codes, of which there are no more than `entries`, in plain Rust; returns how many entries it wrote.
#[inline(never)]
pub fn append(entries: &mut [Tap], codes: &[u8], state: &mut State, left_by: u8) -> usize {
    let mut unfilled = entries.iter_mut();
    let room = unfilled.len();
    let State { mut total, mut distance, is_second } = *state;
    let left_by = u32::from(left_by);
    let mut put = |code: u8, distance: u32| {
        if let Some(entry) = unfilled.next() {
            *entry = [code, distance as u8];
        }
    };
    macro_rules! add {
        ($code:expr, $step:expr) => {
            if $code != 0 {
                put($code, distance);
                total = total.wrapping_add($code.into());
                distance = left_by;
            }
            distance = distance.wrapping_add($step);
        };
    }
    let (second, codes) = codes.split_at_checked((is_second & 1) as usize).unwrap_or_default();
    if let &[code] = second {
        add!(code, STEPS[1]);
        state.is_second = 0;
    }
    let (pairs, last) = codes.as_chunks::<2>();
    for &[first, second] in pairs {
        if distance >= FAR {
            put(0, distance);
            distance = left_by;
        }
        add!(first, STEPS[0]);
        add!(second, STEPS[1]);
    }
    if let &[code] = last {
        if distance >= FAR {
            put(0, distance);
            distance = left_by;
        }
        add!(code, STEPS[0]);
        state.is_second = 1;
    }
    (state.total, state.distance) = (total, distance);
    room - unfilled.len()
}
