//! Average pools, some channels at a time, in loops that the compiler makes vectors of.

use super::lanes::requantize_lanes;
use crate::kernels::operands::AveragePool2dOperands;
use crate::kernels::portable::{Mean, each_mean};

/// The mean of what each window has of the input, channel by channel.
#[inline(always)]
pub fn average_pool2d<const LANES: usize>(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
    let (width, channels) = (usize::from(operands.input.width), usize::from(operands.input.channels).max(1));
    each_mean(operands, output, |Mean { rows, columns, bias, multiplier }, means| {
        for (chunk, means) in means.chunks_mut(LANES).enumerate() {
            let mut sums = [bias; LANES];
            for row in rows.clone() {
                let at = |column: usize| (row * width + column) * channels;
                let pixels = input.get(at(columns.start)..at(columns.end)).unwrap_or_default();
                for pixel in pixels.chunks_exact(channels) {
                    let codes = pixel.get(chunk * LANES..).unwrap_or_default();
                    let mut lanes = [0; LANES];
                    match codes.first_chunk() {
                        Some(codes) => lanes = *codes,
                        None => lanes.iter_mut().zip(codes).for_each(|(lane, &code)| *lane = code),
                    }
                    sums.iter_mut().zip(lanes).for_each(|(sum, code)| *sum = sum.wrapping_add(code.into()));
                }
            }
            let codes = requantize_lanes(sums, &[multiplier; LANES], operands.rescale);
            means.iter_mut().zip(codes).for_each(|(mean, code)| *mean = code);
        }
    });
}
