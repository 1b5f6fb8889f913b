//! The codes under a filter at the four positions of a 2x2 max-pool, gathered at once.
//!
//! How they are laid out is up to the kernel.

use crate::stage::Conv2dStage;

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

/// Calls `found`, in the order of taps, with the codes that a tap meets at the four positions of the window at row `y` and
/// column `x` of the output, not pooled yet: upper left, upper right, lower left, lower right.
#[cfg(not(kernels = "armv7em"))]
#[inline]
pub fn each_tap(input: &[u8], stage: &Conv2dStage<'_>, y: usize, x: usize, mut found: impl FnMut([u8; 4])) {
    let Some(window) = inside(input, stage, y, x) else {
        each_tap_over_an_edge(input, stage, y, x, &mut found);
        return;
    };
    let (kernel, channels) = (usize::from(stage.kernel), usize::from(stage.input.channels));
    let row_len = usize::from(stage.input.width) * channels;
    for row in 0..kernel {
        let upper = window.get(row * row_len..).unwrap_or_default();
        let lower = upper.get(row_len..).unwrap_or_default();
        let right = upper.iter().skip(channels).zip(lower.iter().skip(channels));
        for ((&a, &c), (&b, &d)) in upper.iter().zip(lower).zip(right).take(kernel * channels) {
            found([a, b, c, d]);
        }
    }
}

/// As [`each_tap`], where the window hangs over an edge: right everywhere, and slow, as edges are rare.
#[inline(never)]
pub fn each_tap_over_an_edge(
    input: &[u8],
    stage: &Conv2dStage<'_>,
    y: usize,
    x: usize,
    found: &mut dyn FnMut([u8; 4]),
) {
    let (kernel, channels) = (usize::from(stage.kernel), usize::from(stage.input.channels));
    for (row, column) in (y..y + kernel).flat_map(|row| (x..x + kernel).map(move |column| (row, column))) {
        for channel in 0..channels {
            let code = |down, right| code_at(input, stage, row + down, column + right, channel);
            found([code(0, 0), code(0, 1), code(1, 0), code(1, 1)]);
        }
    }
}

/// The code of a channel at a row and a column of the padded input.
// Not inlined: four copies of it are half a kilobyte of flash.
#[inline(never)]
fn code_at(input: &[u8], stage: &Conv2dStage<'_>, row: usize, column: usize, channel: usize) -> u8 {
    let (height, width) = (usize::from(stage.input.height), usize::from(stage.input.width));
    let pad = usize::from(stage.pad_before);
    let inside = row.checked_sub(pad).zip(column.checked_sub(pad)).filter(|&(r, c)| r < height && c < width);
    let index = inside.map(|(row, column)| (row * width + column) * usize::from(stage.input.channels) + channel);
    *index.and_then(|index| input.get(index)).unwrap_or(&stage.pad_code)
}
