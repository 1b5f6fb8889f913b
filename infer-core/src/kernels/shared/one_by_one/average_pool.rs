//! The mean of each window, four channels at a time.
//!
//! Two of the four codes in a word are added to lanes of 16 bits, which hold the sum of 257 codes.

use crate::kernels::operands::AveragePool2dOperands;
use crate::kernels::portable::{self, Mean, each_mean};
use crate::kernels::shared::sparse::Sparse;

/// Codes that are summed in a lane.
const CODES_PER_FOLD: usize = 256;

/// The mean of what each window has of the input, channel by channel.
#[inline(never)]
pub fn average_pool2d<S: Sparse>(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
    let channels = usize::from(operands.input.channels);
    let Ok(words) = bytemuck::try_cast_slice::<u8, u32>(input) else {
        portable::average_pool2d(input, operands, output);
        return;
    };
    if !channels.is_multiple_of(4) {
        portable::average_pool2d(input, operands, output);
        return;
    }
    let (width, words_in_a_pixel) = (usize::from(operands.input.width), channels / 4);
    each_mean(operands, output, |Mean { rows, columns, bias, multiplier }, means| {
        for (index, codes) in means.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let mut sums = [bias; 4];
            for row in rows.clone() {
                let at = |column: usize| (row * width + column) * words_in_a_pixel;
                let mut unread = words.get(at(columns.start) + index..at(columns.end)).unwrap_or_default();
                while !unread.is_empty() {
                    let (part, rest) =
                        unread.split_at_checked(CODES_PER_FOLD * words_in_a_pixel).unwrap_or((unread, &[]));
                    add(part, words_in_a_pixel, &mut sums);
                    unread = rest;
                }
            }
            for (code, sum) in codes.iter_mut().zip(sums) {
                *code = S::requantize(sum, multiplier, operands.rescale);
            }
        }
    });
}

/// Adds every so many words, a byte of each to each sum.
fn add(words: &[u32], stride: usize, sums: &mut [i32; 4]) {
    let [mut even, mut odd] = [0u32; 2];
    for word in words.iter().step_by(stride.max(1)) {
        even += word & 0x00FF_00FF;
        odd += word >> 8 & 0x00FF_00FF;
    }
    let found = [even & 0xFFFF, odd & 0xFFFF, even >> 16, odd >> 16];
    sums.iter_mut().zip(found).for_each(|(sum, found)| *sum = sum.wrapping_add(found.cast_signed()));
}
