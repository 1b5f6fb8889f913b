//! The layout [`Vector`](crate::format::Layout::Vector), for cores whose vectors add up the products of sixteen neighbors.
//!
//! Of a matrix `[rows, inputs]` rows are in groups of four, and inputs in vectors of sixteen. A group has for each vector of inputs the
//! weights of its four rows, one row after the other:
//!
//! ```text
//! [rows / 4][inputs / 16][4 rows][16 inputs]
//! ```
//!
//! A byte is the weight plus 128, without a sign as codes are, so that a vector multiplies both; `-128 * sum(x)` takes the 128 out again.
//! What rows and inputs are filled up with is a byte of 0, which adds nothing whatever it is multiplied with: a kernel may read
//! a vector of codes past the last one.
//!
//! Of a depthwise convolution channels are in vectors of eight, with a weight of each for each tap, signed:
//!
//! ```text
//! [channels / 8][rows * columns][8 channels]
//! ```

/// Inputs in a vector.
pub const CODES_PER_VECTOR: usize = 16;

/// Rows in a group.
pub const ROWS_PER_GROUP: usize = 4;

/// Channels of a depthwise convolution in a vector.
pub const CHANNELS_PER_VECTOR: usize = 8;

/// Bytes that the weights `[rows, inputs]` take in the file; `None` where 32 bits do not count them.
#[must_use]
pub const fn packed_len(rows: u32, inputs: u32) -> Option<u32> {
    match (
        rows.checked_next_multiple_of(ROWS_PER_GROUP as u32),
        inputs.checked_next_multiple_of(CODES_PER_VECTOR as u32),
    ) {
        (Some(rows), Some(inputs)) => rows.checked_mul(inputs),
        _ => None,
    }
}

/// Writes `weights`, row after row, into `packed`.
///
/// `packed` needs [`packed_len`] bytes; what does not fit is left out.
pub fn pack(weights: &[i8], inputs: usize, packed: &mut [u8]) {
    packed.fill(0);
    let vectors = inputs.div_ceil(CODES_PER_VECTOR);
    for (row, weights) in weights.chunks(inputs.max(1)).enumerate() {
        for (vector, weights) in weights.chunks(CODES_PER_VECTOR).enumerate() {
            let bytes = packed.get_mut(position(row, vector, vectors)..).unwrap_or_default();
            bytes.iter_mut().zip(weights).for_each(|(byte, weight)| *byte = weight.cast_unsigned().wrapping_add(128));
        }
    }
}

/// Where the weights of a row for a vector of inputs begin, of which there are `vectors`.
#[must_use]
pub const fn position(row: usize, vector: usize, vectors: usize) -> usize {
    let group = row / ROWS_PER_GROUP * vectors + vector;
    (group * ROWS_PER_GROUP + row % ROWS_PER_GROUP) * CODES_PER_VECTOR
}

/// Bytes that the weights of a depthwise convolution take in the file; `None` where 32 bits do not count them.
#[must_use]
pub const fn depthwise_len(channels: u32, taps: u32) -> Option<u32> {
    match channels.checked_next_multiple_of(CHANNELS_PER_VECTOR as u32) {
        Some(channels) => channels.checked_mul(taps),
        None => None,
    }
}

/// Writes the weights of a depthwise convolution, channel after channel, into `packed`.
///
/// `packed` needs [`depthwise_len`] bytes; what does not fit is left out.
pub fn pack_depthwise(weights: &[i8], taps: usize, packed: &mut [u8]) {
    packed.fill(0);
    for (channel, weights) in weights.chunks(taps.max(1)).enumerate() {
        let bytes = packed.get_mut(depthwise_position(channel, taps)..).unwrap_or_default();
        for (byte, weight) in bytes.iter_mut().step_by(CHANNELS_PER_VECTOR).zip(weights) {
            *byte = weight.cast_unsigned();
        }
    }
}

/// Where the first weight of a channel is; the next ones are [`CHANNELS_PER_VECTOR`] bytes apart.
#[must_use]
pub const fn depthwise_position(channel: usize, taps: usize) -> usize {
    channel / CHANNELS_PER_VECTOR * CHANNELS_PER_VECTOR * taps + channel % CHANNELS_PER_VECTOR
}
