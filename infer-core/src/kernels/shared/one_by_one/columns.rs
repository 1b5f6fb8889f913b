//! Loops in plain Rust, two rows at a time: a column of words in a block of any width. `stride` is the bytes of weights
//! that the block has for a pair of inputs.

use crate::kernels::shared::parts;

/// The codes that a tap meets at the four positions of a window: upper left, upper right, lower left, lower right.
pub type Codes = [u16; 4];

/// The codes under a filter at the four positions of a window.
pub struct Window<'w> {
    /// Four codes for each tap.
    pub codes: &'w [Codes],
    /// At each position -128 times the sum of the codes: takes out the 128 that even rows' weights have.
    pub starts: [i32; 4],
}

/// The sum of an even row, and of the odd one next to it.
pub type Sums = [u32; 2];

/// The larger of each row's sums at the four positions of a window.
#[inline(never)]
pub fn maxima(window: &Window<'_>, column: &[u8], stride: usize) -> [i32; 2] {
    let (mut even, mut odd) = (window.starts, [0i32; 4]);
    for (codes, weights) in window.codes.chunks(2).zip(parts(column, stride)) {
        for (codes, &[even_weight, odd_weight]) in codes.iter().zip(weights.as_chunks().0) {
            let weights = [i32::from(even_weight), i32::from(odd_weight.cast_signed())];
            for ((&code, even), odd) in codes.iter().zip(&mut even).zip(&mut odd) {
                *even = even.wrapping_add(i32::from(code) * weights[0]);
                *odd = odd.wrapping_add(i32::from(code) * weights[1]);
            }
        }
    }
    [even, odd].map(|[a, b, c, d]| a.max(b).max(c.max(d)))
}

/// Adds the products of a code and its two weights.
#[inline(always)]
pub fn add([even, odd]: Sums, code: u32, [even_weight, odd_weight]: [u8; 2]) -> Sums {
    let odd_weight = i32::from(odd_weight.cast_signed()).cast_unsigned();
    [even.wrapping_add(code.wrapping_mul(even_weight.into())), odd.wrapping_add(code.wrapping_mul(odd_weight))]
}
