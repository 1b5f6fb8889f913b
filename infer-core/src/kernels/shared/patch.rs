//! The codes under a filter, gathered in the order of its taps.

use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;

/// Fills `patch`, `[rows, columns, channels]`, with the codes under the filter placed at row `y` and column `x` of the
/// output, not pooled yet.
///
/// A row of taps inside the input is one contiguous run of `columns * channels` codes; what hangs over an edge meets
/// the padding code instead.
// Not inlined: its temporaries would stay on the stack next to those of the sums.
#[inline(never)]
pub fn gather<T: Copy + From<u8>>(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, patch: &mut [T]) {
    let channels = usize::from(operands.input.channels);
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let Window { size: [_, columns], stride: [down, along], .. } = operands.window;
    let columns = usize::from(columns);
    let (above, left) = (usize::from(operands.pad_above), usize::from(operands.window.left()));
    let (y, x) = (y * usize::from(down), x * usize::from(along));
    // Taps that hang over on the left, and the first column that is hit.
    let overhang = left.saturating_sub(x);
    let column = x.saturating_sub(left);
    let hit = columns.saturating_sub(overhang).min(width.saturating_sub(column));
    for (tap_row, taps) in patch.chunks_exact_mut((columns * channels).max(1)).enumerate() {
        let row = (y + tap_row).checked_sub(above).filter(|&row| row < height);
        let codes = row.and_then(|row| {
            let start = (row * width + column) * channels;
            input.get(start..start + hit * channels)
        });
        // Filled first, and only where something hangs over: for most patches the copy is all.
        if codes.is_none() || hit < columns {
            taps.fill(operands.pad_code.into());
        }
        if let (Some(inside), Some(codes)) = (taps.get_mut(overhang * channels..(overhang + hit) * channels), codes) {
            // By fours, where a compiler sees words.
            let ((fours, rest), (codes, last)) = (inside.as_chunks_mut::<4>(), codes.as_chunks::<4>());
            fours.iter_mut().zip(codes).for_each(|(taps, codes)| *taps = codes.map(T::from));
            rest.iter_mut().zip(last).for_each(|(tap, &code)| *tap = code.into());
        }
    }
}
