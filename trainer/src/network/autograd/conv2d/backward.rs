//! One image backward: each output value's gradient belongs to the one position of its window that won.

use super::geometry::Geometry;
use crate::support::vector::vectorized;

/// What one task's images add to the gradients.
pub struct Gradients {
    /// `[out, taps]`.
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
    /// As the images; empty where it is not wanted.
    pub input: Vec<f32>,
}

/// What one task's images bring to the backward pass.
pub struct Pass<'a> {
    pub x: &'a [f32],
    pub y: &'a [f32],
    pub gradient: &'a [f32],
    pub winners: &'a [u8],
    /// Nothing flows where `y` is not above it: 0 with ReLU.
    pub floor: f32,
}

/// Output channels of [`by_channels`]: the lanes of a vector.
const LANES: usize = 8;

/// Taps whose sums [`by_channels`] keeps in registers.
const TAPS: usize = 9;

impl Gradients {
    pub fn new(g: &Geometry, input_len: Option<usize>) -> Self {
        Self { weight: vec![0.0; g.out * g.taps()], bias: vec![0.0; g.out], input: vec![0.0; input_len.unwrap_or(0)] }
    }

    pub fn add(&mut self, g: &Geometry, weight: &[f32], pass: Pass<'_>) {
        let mut padded = vec![0.0; g.padded_len()];
        let mut padded_gradient = vec![0.0; if self.input.is_empty() { 0 } else { g.padded_len() }];
        let images = pass.x.chunks_exact(g.input_len()).zip(pass.y.chunks_exact(g.output_len()));
        let gradients = pass.gradient.chunks_exact(g.output_len()).zip(pass.winners.chunks_exact(g.output_len()));
        for (index, ((image, y), (gradient, winners))) in images.zip(gradients).enumerate() {
            g.pad_image(image, &mut padded);
            // A row of taps that fills no vector leaves the channels to fill one.
            if self.input.is_empty() && g.kernel * g.channels < LANES {
                by_channels(g, &padded, y, gradient, winners, pass.floor, &mut self.weight, &mut self.bias);
                continue;
            }
            padded_gradient.fill(0.0);
            by_taps(
                g,
                &padded,
                weight,
                (y, gradient, winners),
                pass.floor,
                &mut self.weight,
                &mut self.bias,
                &mut padded_gradient,
            );
            if !self.input.is_empty() {
                let input = &mut self.input[index * g.input_len()..][..g.input_len()];
                g.unpad_image(&padded_gradient, input);
            }
        }
    }
}

vectorized! {
    /// Eight channels at a time: `weight_gradient[o][tap] += x[tap] * gradient[o]`, masked to the position where `o` won.
    fn by_channels(
        g: &Geometry,
        padded: &[f32],
        y: &[f32],
        gradient: &[f32],
        winners: &[u8],
        floor: f32,
        weight_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        let (segment, pitch) = (g.kernel * g.channels, g.padded_width * g.channels);
        let offsets: Vec<usize> = (0..g.taps()).map(|tap| tap / segment * pitch + tap % segment).collect();
        for block in (0..g.out).step_by(LANES) {
            let lanes = LANES.min(g.out - block);
            for (group, group_offsets) in offsets.chunks(TAPS).enumerate() {
                // A group that is not full visits its first tap again, and drops what comes of it.
                let mut taps = [group_offsets[0]; TAPS];
                taps[..group_offsets.len()].copy_from_slice(group_offsets);
                let mut sums = [[0f32; LANES]; TAPS];
                let mut bias_sum = [0f32; LANES];
                for index in 0..g.rows * g.columns {
                    let at = index * g.out + block;
                    let (mut flowing, mut winner) = ([0f32; LANES], [0u8; LANES]);
                    if let (Some(y), Some(gradient), Some(winners)) =
                        (y[at..].first_chunk::<LANES>(), gradient[at..].first_chunk::<LANES>(), winners[at..].first_chunk::<LANES>())
                    {
                        for lane in 0..LANES {
                            flowing[lane] = if y[lane] > floor { gradient[lane] } else { 0.0 };
                        }
                        winner = *winners;
                    } else {
                        for lane in 0..lanes {
                            flowing[lane] = if y[at + lane] > floor { gradient[at + lane] } else { 0.0 };
                            winner[lane] = winners[at + lane];
                        }
                    }
                    for lane in 0..LANES {
                        bias_sum[lane] += flowing[lane];
                    }
                    let (row, column) = (index / g.columns, index % g.columns);
                    for position in 0..g.window * g.window {
                        let corner = g.corner(row, column, position);
                        let mut own = [0f32; LANES];
                        for lane in 0..LANES {
                            own[lane] = if u32::from(winner[lane]) == position as u32 { flowing[lane] } else { 0.0 };
                        }
                        let values = &padded[corner..];
                        for (sums, &tap) in sums.iter_mut().zip(&taps) {
                            let value = values[tap];
                            for lane in 0..LANES {
                                sums[lane] = fma!(value, own[lane], sums[lane]);
                            }
                        }
                    }
                }
                for lane in 0..lanes {
                    let row = &mut weight_gradient[(block + lane) * g.taps() + group * TAPS..];
                    for (sum, sums) in row.iter_mut().zip(&sums[..group_offsets.len()]) {
                        *sum += sums[lane];
                    }
                    if group == 0 {
                        bias_gradient[block + lane] += bias_sum[lane];
                    }
                }
            }
        }
    }
}

vectorized! {
    /// Value by value: along the taps at the position that won, `weight_gradient[o] += gradient * x` and, where it is
    /// wanted, `padded_gradient += gradient * weight[o]`.
    fn by_taps(
        g: &Geometry,
        padded: &[f32],
        weight: &[f32],
        values: (&[f32], &[f32], &[u8]),
        floor: f32,
        weight_gradient: &mut [f32],
        bias_gradient: &mut [f32],
        padded_gradient: &mut [f32],
    ) {
        let (y, gradient, winners) = values;
        let (segment, pitch) = (g.kernel * g.channels, g.padded_width * g.channels);
        let positions = y.chunks_exact(g.out).zip(gradient.chunks_exact(g.out)).zip(winners.chunks_exact(g.out));
        for (index, ((y, gradient), winners)) in positions.enumerate() {
            let (row, column) = (index / g.columns, index % g.columns);
            for (o, ((&y, &gradient), &winner)) in y.iter().zip(gradient).zip(winners).enumerate() {
                if y <= floor || gradient == 0.0 {
                    continue;
                }
                bias_gradient[o] += gradient;
                let corner = g.corner(row, column, winner.into());
                for tap_row in 0..g.kernel {
                    let from = corner + tap_row * pitch;
                    let taps = o * g.taps() + tap_row * segment;
                    let (x, sums) = (&padded[from..][..segment], &mut weight_gradient[taps..][..segment]);
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = fma!(gradient, *x, *sum);
                    }
                    if let Some(sums) = padded_gradient.get_mut(from..from + segment) {
                        for (sum, weight) in sums.iter_mut().zip(&weight[taps..][..segment]) {
                            *sum = fma!(gradient, *weight, *sum);
                        }
                    }
                }
            }
        }
    }
}
