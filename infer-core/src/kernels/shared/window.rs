//! A convolution before a 2x2 max-pool: the codes under its filter at the four positions of a window, gathered at once.
//!
//! How they are laid out is up to the kernel.

use core::ops::BitOr;

use crate::kernels::operands::Conv2dOperands;

/// For each pooled position what `gather` gathers in `window`, from the row and the column of the output, not pooled yet,
/// that it is given; then the codes of all channels by `put_out`.
///
/// `gather` returns the sums of the four positions, which `put_out` is given too. Zeros under the filter leave the
/// biases, so the codes are the same wherever all four sums are zero: they are computed once.
#[inline(always)]
pub fn each_pooled<W: ?Sized, S: Copy + Default + PartialEq + BitOr<Output = S>>(
    operands: &Conv2dOperands<'_>,
    window: &mut W,
    output: &mut [u8],
    gather: impl Fn(usize, usize, &mut W) -> [S; 4],
    put_out: impl Fn(&W, [S; 4], &mut [u8]),
) {
    let width = usize::from(operands.output.width).max(1);
    let channels = usize::from(operands.output.channels).max(1);
    let mut zeros = None;
    for position in 0..output.len() / channels {
        let start = position * channels;
        let Some((before, codes)) = output.split_at_mut_checked(start) else { return };
        let Some(codes) = codes.get_mut(..channels) else { return };
        let sums = gather(2 * (position / width), 2 * (position % width), window);
        let [a, b, c, d] = sums;
        // Arrays are compared in a call.
        if a | b | c | d == S::default() {
            if let Some(row) = zeros.and_then(|start: usize| before.get(start..start + channels)) {
                copy(row, codes);
                continue;
            }
            zeros = Some(start);
        }
        put_out(window, sums, codes);
    }
}

/// As `copy_from_slice`, which in the eyes of the linker can panic.
#[inline(never)]
fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

/// The window at row `y` and column `x` of the output, not pooled yet, from its first code on; `None` where it hangs
/// over an edge.
pub fn inside<'i>(input: &'i [u8], operands: &Conv2dOperands<'_>, y: usize, x: usize) -> Option<&'i [u8]> {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let kernel = operands.pooled_kernel();
    let (y, x) = (y.checked_sub(operands.pad_above.into())?, x.checked_sub(operands.window.left().into())?);
    if y + kernel >= height || x + kernel >= width {
        return None;
    }
    let channels = usize::from(operands.input.channels);
    let start = (y * width + x) * channels;
    input.get(start..start + (kernel * width + kernel + 1) * channels)
}

/// Calls `found`, in the order of taps, with the codes that a tap meets at the four positions of the window at row `y` and
/// column `x` of the output, not pooled yet: upper left, upper right, lower left, lower right.
#[inline]
pub fn each_tap(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, mut found: impl FnMut([u8; 4])) {
    let Some(window) = inside(input, operands, y, x) else {
        each_tap_over_an_edge(input, operands, y, x, &mut found);
        return;
    };
    let (kernel, channels) = (operands.pooled_kernel(), usize::from(operands.input.channels));
    let row_len = usize::from(operands.input.width) * channels;
    for row in 0..kernel {
        let upper = window.get(row * row_len..).unwrap_or_default();
        let lower = upper.get(row_len..).unwrap_or_default();
        let right = upper.iter().skip(channels).zip(lower.iter().skip(channels));
        for ((&a, &c), (&b, &d)) in upper.iter().zip(lower).zip(right).take(kernel * channels) {
            found([a, b, c, d]);
        }
    }
}

/// As [`each_tap`], where the window hangs over an edge.
#[inline(never)]
pub fn each_tap_over_an_edge(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    y: usize,
    x: usize,
    found: &mut dyn FnMut([u8; 4]),
) {
    let kernel = operands.pooled_kernel();
    for (row, column) in (y..y + kernel).flat_map(|row| (x..x + kernel).map(move |column| (row, column))) {
        let mut pixels = [&[] as &[u8]; 4];
        pixels_at(input, operands, row, column, &mut pixels);
        for channel in 0..usize::from(operands.input.channels) {
            found(pixels.map(|pixel| *pixel.get(channel).unwrap_or(&operands.pad_code)));
        }
    }
}

/// The channels that a tap meets at four positions, of which the first is at a row and a column of the padded input; none
/// outside of the input.
#[inline(never)]
fn pixels_at<'i>(
    input: &'i [u8],
    operands: &Conv2dOperands<'_>,
    row: usize,
    column: usize,
    pixels: &mut [&'i [u8]; 4],
) {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let channels = usize::from(operands.input.channels);
    let mut row = row.wrapping_sub(operands.pad_above.into());
    let column = column.wrapping_sub(operands.window.left().into());
    for pixels in pixels.chunks_mut(2) {
        for (right, pixel) in pixels.iter_mut().enumerate() {
            let column = column.wrapping_add(right);
            if row < height && column < width {
                let start = (row * width + column) * channels;
                *pixel = input.get(start..start + channels).unwrap_or_default();
            }
        }
        row = row.wrapping_add(1);
    }
}
