//! Windows that move over an input: of convolutions and pools.

use super::operator::{Overlap, Rows};
use crate::Error;
use crate::format::{Shape, Window};

/// The largest kernel of a convolution, and its largest stride.
pub const MOST_OF_CONVOLUTIONS: [u8; 2] = [15, 4];

/// Rows and columns of positions of a window on an `input`, given the largest size and the largest stride of its operator.
///
/// All checks of a window are here. As padding is less than the window on each side, every position has a row and a column
/// of the input in its window.
#[inline(never)]
pub fn positions(layer: u8, window: &Window, input: Shape, most: [u8; 2]) -> Result<[u16; 2], Error> {
    let Window { size: [rows, columns], stride: [down, along], padding: [above, left, below, right] } = *window;
    let height = along_axis(input.height, [rows, down, above, below], most);
    let width = along_axis(input.width, [columns, along, left, right], most);
    if height == 0 || width == 0 { Err(Error::Window { layer, window: *window }) } else { Ok([height, width]) }
}

/// 0 where there are none, or more than a shape can have.
// Not inlined, for size.
#[inline(never)]
fn along_axis(side: u16, window: [u8; 4], most: [u8; 2]) -> u16 {
    let ([size, stride, before, after], [most_size, most_stride]) = (window, most);
    let fits = (1..=most_size).contains(&size) && (1..=most_stride).contains(&stride) && before < size && after < size;
    let padded = u32::from(side) + u32::from(before) + u32::from(after);
    let Some(steps) = padded.checked_sub(size.into()).filter(|_| fits) else { return 0 };
    // A Cortex-M0+ divides by a call, and needs none for most strides.
    let steps = match stride {
        0 | 1 => steps,
        2 => steps / 2,
        4 => steps / 4,
        // Never 0; the linker does not see that otherwise.
        _ => steps / u32::from(stride).max(1),
    };
    u16::try_from(steps + 1).unwrap_or(0)
}

/// The rows and columns of a pool's window on an `input`, and those of its positions.
pub fn pool_positions(layer: u8, window: &Window, input: Shape) -> Result<[[u16; 2]; 2], Error> {
    if *window == Window::WHOLE {
        return Ok([[input.height, input.width], [1; 2]]);
    }
    Ok([window.size.map(u16::from), positions(layer, window, input, [u8::MAX; 2])?])
}

/// How an output that is computed from windows of so many `rows` may overlap their input.
pub const fn overlap(window: &Window, rows: u16) -> Overlap {
    let Window { stride: [stride, _], padding: [above, ..], .. } = *window;
    Overlap::Rows(Rows { stride, above, size: rows })
}
