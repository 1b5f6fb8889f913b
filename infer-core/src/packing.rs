//! How weights are laid out in the file: the compact [layout](crate::format::Layout), which all kernels read as it is, and the
//! packing that the trainer does. Other layouts have modules of their own.
//!
//! A layer's weights are a matrix, `[rows, inputs]`: a row per output channel; for a convolution the inputs are the
//! taps `[kernel, kernel, channels]`. Rows are in blocks of eight, the last block with as many as are left. In a block,
//! for each two inputs `a` and `b`, two rows share a word of four bytes:
//!
//! | byte | holds |
//! |---|---|
//! | 0 | even row, input a, plus 128 |
//! | 1 | odd row, input a |
//! | 2 | even row, input b, plus 128 |
//! | 3 | odd row, input b |
//!
//! So a 16-bit lane of the word is `256 * odd + (even + 128)`. A core that multiplies 16-bit lanes gets two rows out of
//! one multiplication: summed over the inputs, the words as they are give `256 * S + U`, their low bytes alone give `U`;
//! then `S = (256 * S + U - U) >> 8` is the odd row's sum, and `U - 128 * sum(x)` the even row's. A block is contiguous,
//! so that a pair of inputs that is zero can be skipped with all its weights.
//!
//! An odd number of rows or of inputs is filled up with weights of zero.

pub mod vector;
pub mod winograd;

/// Rows of a full block.
pub const ROWS_PER_BLOCK: usize = 8;

/// Bytes that the weights `[rows, inputs]` take in the file; `None` where 32 bits do not count them.
#[must_use]
pub const fn packed_len(rows: u32, inputs: u32) -> Option<u32> {
    match (rows.checked_next_multiple_of(2), inputs.checked_next_multiple_of(2)) {
        (Some(rows), Some(inputs)) => rows.checked_mul(inputs),
        _ => None,
    }
}

/// Writes `weights`, row after row, into `packed` in the layout of the file.
///
/// `packed` needs [`packed_len`] bytes; what does not fit is left out.
pub fn pack(weights: &[i8], inputs: usize, packed: &mut [u8]) {
    packed.fill(0);
    let even_inputs = inputs.next_multiple_of(2).max(2);
    let blocks = packed.chunks_mut(ROWS_PER_BLOCK * even_inputs).zip(weights.chunks((ROWS_PER_BLOCK * inputs).max(1)));
    for (block, rows) in blocks {
        let word_pairs = block.len() / even_inputs / 2;
        block.iter_mut().step_by(2).for_each(|even| *even = 128);
        for (row, weights) in rows.chunks(inputs.max(1)).enumerate() {
            for (input, &weight) in weights.iter().enumerate() {
                let position = (input / 2 * word_pairs + row / 2) * 4 + input % 2 * 2 + row % 2;
                if let Some(byte) = block.get_mut(position) {
                    *byte = byte.wrapping_add(weight.cast_unsigned());
                }
            }
        }
    }
}
