//! The codes under a filter at the four positions of a 2x2 max-pool, gathered at once.
//!
//! A maximum needs one full sum and three differences of sums, and a sum is linear: so the first position is gathered as
//! it is, and of the others only how they differ.

use crate::stage::Conv2dStage;

/// 16-bit lanes of a pair of taps at the four positions.
const LANES_PER_PAIR: usize = 8;

/// The window at row `y` and column `x` of the output, not pooled yet, from its first code on; `None` where it hangs
/// over an edge.
pub fn inside<'i>(input: &'i [u8], stage: &Conv2dStage<'_>, y: usize, x: usize) -> Option<&'i [u8]> {
    let (height, width) = (usize::from(stage.input.height), usize::from(stage.input.width));
    let (kernel, pad) = (usize::from(stage.kernel), usize::from(stage.pad_before));
    let (y, x) = (y.checked_sub(pad)?, x.checked_sub(pad)?);
    if y + kernel >= height || x + kernel >= width {
        return None;
    }
    let channels = usize::from(stage.input.channels);
    let start = (y * width + x) * channels;
    input.get(start..start + (kernel * width + kernel + 1) * channels)
}

/// Fills `lanes` with the window at row `y` and column `x` of the output, not pooled yet.
///
/// For each two taps: their codes at the upper left position `p0`, then the differences `p1 - p0`, `p2 - p0` and
/// `p3 - p2`, `p1` being to the right, `p2` below, `p3` both. Returns the sums of the four; they are all zero where,
/// and only where, all codes are.
pub fn gather(input: &[u8], stage: &Conv2dStage<'_>, y: usize, x: usize, lanes: &mut [u16]) -> [i32; 4] {
    let channels = usize::from(stage.input.channels);
    let (height, width) = (usize::from(stage.input.height), usize::from(stage.input.width));
    let (kernel, pad) = (usize::from(stage.kernel), usize::from(stage.pad_before));
    let code = |row: usize, column: usize, channel: usize| {
        let inside = row.checked_sub(pad).zip(column.checked_sub(pad)).filter(|&(r, c)| r < height && c < width);
        let code = inside.and_then(|(row, column)| input.get((row * width + column) * channels + channel));
        i32::from(*code.unwrap_or(&stage.pad_code))
    };
    let mut sums = [0; 4];
    lanes.fill(0);
    let mut next = 0;
    for tap in 0..kernel * kernel * channels {
        let (channel, pixel) = (tap % channels.max(1), tap / channels.max(1));
        let (row, column) = (y + pixel / kernel.max(1), x + pixel % kernel.max(1));
        let (p0, p1) = (code(row, column, channel), code(row, column + 1, channel));
        let (p2, p3) = (code(row + 1, column, channel), code(row + 1, column + 1, channel));
        if let Some([a, _, b, _, c, _, d]) = lanes.get_mut(next..next + LANES_PER_PAIR - 1) {
            let values = [p0, p1 - p0, p2 - p0, p3 - p2];
            [*a, *b, *c, *d] = values.map(|value| value as u16);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        next += if next.is_multiple_of(2) { 1 } else { LANES_PER_PAIR - 1 };
    }
    sums
}
