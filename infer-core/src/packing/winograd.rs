//! The layout for fewer multiplications: Winograd's F(2x2, 3x3), in integers and exact (Lavin and Gray, 2015).
//!
//! A tile of 2x2 outputs of a 3x3 kernel is computed from 4x4 inputs `d`: with `g` a kernel,
//!
//! ```text
//! U = (2 G) g (2 G)^T          V = B^T d B          M = sum of U * V over the input channels, element by element
//! 4 * outputs = A^T M A
//!
//!       1  1  1             0  1  1  0
//! 2 G = 1 -1  1       B^T = 0 -1  1  0       A^T = 1  1  1  0
//!       2  0  0             1  0 -1  0             1 -1  0  1
//!       0  0  2             0 -1  0  1
//! ```
//!
//! 16 products instead of 36. The file has `U`, 16 bits each, transformed at export. Rows, which are output channels, are in
//! blocks of four, and input channels in groups of four. In a block, for each of the 16 elements, column by column (`U[0][0]`,
//! `U[1][0]`, ...), for each group there are eight words: four of its channels 0 and 2, a row each, then four of its channels 1
//! and 3:
//!
//! | byte | holds |
//! |---|---|
//! | 0, 1 | the element of channel 0 (1), little-endian |
//! | 2, 3 | that of channel 2 (3) |
//!
//! So a core that multiplies 16-bit lanes gets the codes that a word meets out of four codes in a row by taking every second
//! byte. Rows that are missing in the last block are zero. The number of input channels is a multiple of four.
//!
//! # Ranges
//! With codes of 8 bits without and weights of 8 bits with a sign, `U` is within 9 * 128 and `V` within 4 * 255, so both fit
//! 16 bits. Four times an output before its bias is within `4 * 255 * 128 * 9` for each input channel: with at most
//! [`MOST_CHANNELS`] it fits 32 bits. So sums may wrap on the way, modulo 2^32, and the quotient is exact. Of weights that are
//! no transformed ones, as a hostile file may have them, kernels compute the same numbers too: all of them wrap, and the
//! quotient is a shift.

use crate::format::Window;

/// Rows of a block.
pub const ROWS_PER_BLOCK: usize = 4;

/// Input channels of a group.
pub const CHANNELS_PER_GROUP: usize = 4;

/// Elements of a transformed kernel: products of a tile.
pub const PRODUCTS: usize = 16;

/// Input channels, at most.
pub const MOST_CHANNELS: u16 = (i32::MAX / (4 * 255 * 128 * 9)) as u16;

/// Whether a convolution has this layout.
#[must_use]
pub const fn takes(window: &Window, input_channels: u16) -> bool {
    matches!((window.size, window.stride), ([3, 3], [1, 1])) && takes_channels(input_channels)
}

/// Whether a convolution of so many input channels has this layout.
#[must_use]
pub const fn takes_channels(input_channels: u16) -> bool {
    input_channels.is_multiple_of(CHANNELS_PER_GROUP as u16) && input_channels <= MOST_CHANNELS
}

/// Bytes that the weights of 3x3 kernels `[rows, 3, 3, channels]` take in the file; `None` where 32 bits do not count them.
#[must_use]
pub const fn packed_len(rows: u32, channels: u32) -> Option<u32> {
    let Some(rows) = rows.checked_next_multiple_of(ROWS_PER_BLOCK as u32) else { return None };
    match rows.checked_mul(channels) {
        Some(kernels) => kernels.checked_mul(2 * PRODUCTS as u32),
        None => None,
    }
}

/// Writes `weights`, `[rows, 3, 3, channels]`, into `packed` in this layout.
///
/// `channels` is a multiple of four. `packed` needs [`packed_len`] bytes; what does not fit is left out.
pub fn pack(weights: &[i8], channels: usize, packed: &mut [u8]) {
    packed.fill(0);
    let pairs = channels / 2;
    let words = packed.as_chunks_mut::<4>().0;
    for (row, weights) in weights.chunks_exact((9 * channels).max(1)).enumerate() {
        for channel in 0..channels {
            let mut taps = weights.iter().skip(channel).step_by(channels);
            let kernel = [(); 3].map(|()| [(); 3].map(|()| i16::from(*taps.next().unwrap_or(&0))));
            for (product, element) in transformed(kernel).into_iter().enumerate() {
                let pair = (row / ROWS_PER_BLOCK * PRODUCTS + product) * pairs + channel / 4 * 2 + channel % 2;
                if let Some(word) = words.get_mut(pair * ROWS_PER_BLOCK + row % ROWS_PER_BLOCK) {
                    let [low, high] = element.to_le_bytes();
                    let [a0, a1, b0, b1] = word;
                    let (first, second) = if channel % 4 < 2 { (a0, a1) } else { (b0, b1) };
                    (*first, *second) = (low, high);
                }
            }
        }
    }
}

/// `(2 G) g (2 G)^T`, column by column.
fn transformed([first, second, third]: [[i16; 3]; 3]) -> [i16; PRODUCTS] {
    const fn by_2g([a, b, c]: [i16; 3]) -> [i16; 4] {
        [a + b + c, a - b + c, 2 * a, 2 * c]
    }
    let columns = |[a0, a1, a2]: [i16; 3], [b0, b1, b2]: [i16; 3], [c0, c1, c2]: [i16; 3]| {
        [by_2g([a0, b0, c0]), by_2g([a1, b1, c1]), by_2g([a2, b2, c2])]
    };
    let [a, b, c] = columns(first, second, third);
    let mut elements = [0; PRODUCTS];
    for (row, ((a, b), c)) in a.into_iter().zip(b).zip(c).enumerate() {
        for (element, value) in elements.iter_mut().skip(row).step_by(4).zip(by_2g([a, b, c])) {
            *element = value;
        }
    }
    elements
}
