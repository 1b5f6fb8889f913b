//! One image forward: some output channels at a time, all positions of a window together, the highest and which it was.

use super::geometry::Geometry;
use crate::support::vector::{multiply_add, vectorized};

/// Output channels whose sums stay in registers together: at four positions, eight vectors.
const LANES: usize = 16;

/// `[out, taps]` to `[out / LANES, taps, LANES]`, filled up with zeros.
pub fn by_lanes(weight: &[f32], g: &Geometry) -> Vec<[f32; LANES]> {
    let mut blocks = vec![[0.0; LANES]; g.out.div_ceil(LANES) * g.taps()];
    for (o, row) in weight.chunks_exact(g.taps()).enumerate() {
        let block = &mut blocks[o / LANES * g.taps()..];
        for (lanes, &weight) in block.iter_mut().zip(row) {
            lanes[o % LANES] = weight;
        }
    }
    blocks
}

vectorized! {
    /// `weight` is that of [`by_lanes`].
    pub fn forward(
        g: &Geometry,
        padded: &[f32],
        weight: &[[f32; LANES]],
        bias: &[f32],
        floor: f32,
        output: &mut [f32],
        winners: &mut [u8],
    ) {
        for (block, weight) in weight.chunks_exact(g.taps()).enumerate() {
            let first = block * LANES;
            match g.window {
                2 => channels::<FUSED, 4>(g, padded, weight, bias, floor, first, output, winners),
                _ => channels::<FUSED, 1>(g, padded, weight, bias, floor, first, output, winners),
            }
        }
    }
}

/// The channels from `first` on, at all positions of the output.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn channels<const FUSED: bool, const POSITIONS: usize>(
    g: &Geometry,
    padded: &[f32],
    weight: &[[f32; LANES]],
    bias: &[f32],
    floor: f32,
    first: usize,
    output: &mut [f32],
    winners: &mut [u8],
) {
    let (segment, pitch) = (g.kernel * g.channels, g.padded_width * g.channels);
    let lanes = LANES.min(g.out - first);
    let mut biases = [0f32; LANES];
    biases[..lanes].copy_from_slice(&bias[first..first + lanes]);
    for row in 0..g.rows {
        for column in 0..g.columns {
            let mut sums = [[0f32; LANES]; POSITIONS];
            for (tap_row, weight) in weight.chunks_exact(segment).enumerate() {
                let values: [&[f32]; POSITIONS] = std::array::from_fn(|position| {
                    &padded[g.corner(row, column, position) + tap_row * pitch..][..segment]
                });
                for tap in 0..segment {
                    for (sums, values) in sums.iter_mut().zip(&values) {
                        for lane in 0..LANES {
                            sums[lane] = multiply_add::<FUSED>(values[tap], weight[tap][lane], sums[lane]);
                        }
                    }
                }
            }
            let mut best = sums[0];
            let mut winner = [0u32; LANES];
            for (position, sums) in (0u32..).zip(&sums).skip(1) {
                for lane in 0..LANES {
                    let higher = sums[lane] > best[lane];
                    best[lane] = if higher { sums[lane] } else { best[lane] };
                    winner[lane] = if higher { position } else { winner[lane] };
                }
            }
            let mut values = [0f32; LANES];
            for lane in 0..LANES {
                values[lane] = (best[lane] + biases[lane]).max(floor);
            }
            let at = (row * g.columns + column) * g.out + first;
            output[at..at + lanes].copy_from_slice(&values[..lanes]);
            winners[at..at + lanes].copy_from_slice(&winner.map(|winner| winner as u8)[..lanes]);
        }
    }
}
