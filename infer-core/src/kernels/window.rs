//! The codes under a filter at the four positions of a 2x2 max-pool, gathered at once.
//!
//! A maximum needs one full sum and three differences of sums, and a sum is linear: so the first position is gathered as
//! it is, and of the other three only how they differ.

use crate::stage::Conv2dStage;

/// 16-bit lanes of a pair of taps at the four positions.
const LANES_PER_PAIR: usize = 8;

/// Fills `lanes` with the window at row `y` and column `x` of the output, not pooled yet.
///
/// For each two taps: their codes at the upper left position `p0`, then the differences `p1 - p0`, `p2 - p0` and
/// `p3 - p2`, `p1` being to the right, `p2` below, `p3` both. Returns the sums of the four; `None` where all codes
/// are zero.
pub fn gather(input: &[u8], stage: &Conv2dStage<'_>, y: usize, x: usize, lanes: &mut [u16]) -> Option<[i32; 4]> {
    let channels = usize::from(stage.input.channels);
    let (height, width) = (usize::from(stage.input.height), usize::from(stage.input.width));
    let (kernel, pad) = (usize::from(stage.kernel), usize::from(stage.pad_before));
    let mut lanes = Lanes { lanes, next: 0, sums: [0; 4], seen: 0 };
    let row_len = width * channels;
    let inside = y >= pad && x >= pad && y - pad + kernel < height && x - pad + kernel < width;
    if inside {
        let span = (kernel + 1) * channels;
        let window = input.get(((y - pad) * width + (x - pad)) * channels..)?;
        if window.chunks(row_len.max(1)).take(kernel + 1).all(|row| is_zero(row.get(..span).unwrap_or_default())) {
            return None;
        }
        let mut rows = window;
        for _ in 0..kernel {
            let (upper, lower) = (rows.get(..span)?, rows.get(row_len..row_len + span)?);
            let (right, lower_right) = (upper.get(channels..)?, lower.get(channels..)?);
            for (((&p0, &p1), &p2), &p3) in upper.iter().zip(right).zip(lower).zip(lower_right) {
                lanes.push([p0, p1, p2, p3]);
            }
            rows = rows.get(row_len..)?;
        }
    } else {
        let code = |row: usize, column: usize, channel: usize| {
            let inside = row.checked_sub(pad).zip(column.checked_sub(pad)).filter(|&(r, c)| r < height && c < width);
            inside.and_then(|(row, column)| input.get((row * width + column) * channels + channel)).copied()
        };
        for tap_row in y..y + kernel {
            for tap_column in x..x + kernel {
                for channel in 0..channels {
                    let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
                    lanes.push(places.map(|(down, right)| {
                        code(tap_row + down, tap_column + right, channel).unwrap_or(stage.pad_code)
                    }));
                }
            }
        }
    }
    lanes.finish()
}

/// The lanes written so far.
struct Lanes<'l> {
    lanes: &'l mut [u16],
    next: usize,
    sums: [i32; 4],
    seen: u32,
}

impl Lanes<'_> {
    /// A tap at its four positions.
    #[inline(always)]
    fn push(&mut self, codes: [u8; 4]) {
        let [p0, p1, p2, p3] = codes.map(i32::from);
        let tap = [p0, p1 - p0, p2 - p0, p3 - p2];
        self.seen |= (p0 | p1 | p2 | p3).cast_unsigned();
        for (sum, value) in self.sums.iter_mut().zip(tap) {
            *sum += value;
        }
        if let Some([a, _, b, _, c, _, d]) = self.lanes.get_mut(self.next..self.next + LANES_PER_PAIR - 1) {
            [*a, *b, *c, *d] = tap.map(|value| value as u16);
        }
        self.next += if self.next.is_multiple_of(2) { 1 } else { LANES_PER_PAIR - 1 };
    }

    /// Fills up a last single tap.
    fn finish(mut self) -> Option<[i32; 4]> {
        if self.next % 2 == 1 {
            let (sums, seen) = (self.sums, self.seen);
            self.push([0; 4]);
            (self.sums, self.seen) = (sums, seen);
        }
        (self.seen != 0).then_some(self.sums)
    }
}

fn is_zero(codes: &[u8]) -> bool {
    let (words, rest) = codes.as_chunks::<4>();
    words.iter().all(|&word| u32::from_ne_bytes(word) == 0) && rest.iter().all(|&code| code == 0)
}
