//! One image forward: all channels of an output position at once, the highest of a window and which it was.

use super::super::vectorized;
use super::geometry::Geometry;

/// `[rows, columns]` to `[columns, rows]`.
pub fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = vec![0.0; values.len()];
    for (row, values) in values.chunks_exact(columns).take(rows).enumerate() {
        for (column, value) in values.iter().enumerate() {
            transposed[column * rows + row] = *value;
        }
    }
    transposed
}

/// Output channels whose sums stay in registers together.
const BLOCK: usize = 32;

vectorized! {
    /// One image: for each output position the sums of all channels at once, tap by tap.
    pub fn forward(
        g: &Geometry,
        padded: &[f32],
        by_tap: &[f32],
        bias: &[f32],
        floor: f32,
        output: &mut [f32],
        winners: &mut [u8],
    ) {
        let segment = g.kernel * g.channels;
        let pitch = g.padded_width * g.channels;
        let positions = output.chunks_exact_mut(g.out).zip(winners.chunks_exact_mut(g.out)).enumerate();
        for (index, (output, winners)) in positions {
            let (row, column) = (index / g.columns, index % g.columns);
            for block in (0..g.out).step_by(BLOCK) {
                let lanes = BLOCK.min(g.out - block);
                let mut best = [f32::NEG_INFINITY; BLOCK];
                let mut winner = [0u8; BLOCK];
                for position in 0..g.window * g.window {
                    let corner = g.corner(row, column, position);
                    let mut sums = [0f32; BLOCK];
                    for tap_row in 0..g.kernel {
                        let values = &padded[corner + tap_row * pitch..][..segment];
                        let weights = &by_tap[tap_row * segment * g.out..][..segment * g.out];
                        for (&value, weights) in values.iter().zip(weights.chunks_exact(g.out)) {
                            if let Some(weights) = weights.get(block..block + BLOCK) {
                                for lane in 0..BLOCK {
                                    sums[lane] = fma!(value, weights[lane], sums[lane]);
                                }
                            } else {
                                for (sum, weight) in sums.iter_mut().zip(&weights[block..]) {
                                    *sum = fma!(value, *weight, *sum);
                                }
                            }
                        }
                    }
                    for lane in 0..BLOCK {
                        let higher = sums[lane] > best[lane];
                        best[lane] = if higher { sums[lane] } else { best[lane] };
                        winner[lane] = if higher { position as u8 } else { winner[lane] };
                    }
                }
                for lane in 0..lanes {
                    output[block + lane] = (best[lane] + bias[block + lane]).max(floor);
                    winners[block + lane] = winner[lane];
                }
            }
        }
    }
}
