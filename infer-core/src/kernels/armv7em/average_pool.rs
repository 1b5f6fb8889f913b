//! The mean of each window, four channels at a time.
//!
//! UXTAB16 adds two of the four codes in a word to lanes of 16 bits, which hold the sum of 257 codes.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::asm;

use super::cpu::{cpu, requantize};
use crate::kernels::operands::AveragePool2dOperands;
use crate::kernels::portable::{Mean, each_mean};

/// Codes that are summed in a lane.
const CODES_PER_FOLD: usize = 256;

/// The mean of what each window has of the input, channel by channel.
#[inline(never)]
pub fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
    let (width, channels) = (usize::from(operands.input.width), usize::from(operands.input.channels).max(1));
    each_mean(operands, output, |Mean { rows, columns, bias, multiplier }, means| {
        // Whole rows follow each other.
        let (runs, run) =
            if columns.len() == width { (1, rows.len() * columns.len()) } else { (rows.len(), columns.len()) };
        let start = (rows.start * width + columns.start) * channels;
        let codes = input.get(start..).unwrap_or_default();
        let runs = Runs { codes, row_len: width * channels, channels, runs, run };
        for (number, means) in means.chunks_mut(4).enumerate() {
            let channel = 4 * number;
            let sums = match means.len() {
                4 => runs.four(channel),
                _ => [0, 1, 2, 3].map(|next| runs.one(channel + next)),
            };
            for (code, sum) in means.iter_mut().zip(sums) {
                *code = requantize(bias.wrapping_add(sum.cast_signed()), multiplier, operands.rescale);
            }
        }
    });
}

/// A window: so many `runs` of so many codes of each channel.
struct Runs<'i> {
    /// From the first code on.
    codes: &'i [u8],
    /// Bytes from the start of a run to that of the next one.
    row_len: usize,
    /// Bytes from one code of a channel to the next one.
    channels: usize,
    runs: usize,
    run: usize,
}

impl Runs<'_> {
    /// The sums of four channels from `channel` on.
    #[inline(always)]
    fn four(&self, channel: usize) -> [u32; 4] {
        let (mut sums, mut lanes, mut room) = ([0; 4], [0; 2], CODES_PER_FOLD);
        for run in 0..self.runs {
            let (mut at, mut left) = (run * self.row_len + channel, self.run);
            while left > 0 {
                let count = left.min(room);
                let codes = self.codes.get(at..).unwrap_or_default();
                add_words(codes, self.channels, count, &mut lanes);
                at += count * self.channels;
                left -= count;
                room -= count;
                if room == 0 {
                    fold(&mut sums, &mut lanes);
                    room = CODES_PER_FOLD;
                }
            }
        }
        fold(&mut sums, &mut lanes);
        sums
    }

    /// The sum of one channel; past the last one of any codes.
    #[inline(never)]
    fn one(&self, channel: usize) -> u32 {
        let mut sum = 0u32;
        for run in 0..self.runs {
            let mut unread = self.codes.get(run * self.row_len + channel..).unwrap_or_default();
            for _ in 0..self.run {
                let Some(&code) = unread.first() else { break };
                sum = sum.wrapping_add(code.into());
                unread = unread.get(self.channels..).unwrap_or_default();
            }
        }
        sum
    }
}

/// Adds `count` words, each `stride` bytes after the one before: the first and the third byte of them to the lanes of one sum,
/// the others to those of the other.
#[inline(always)]
fn add_words(codes: &[u8], stride: usize, count: usize, lanes: &mut [u32; 2]) {
    if count == 0 || codes.len() < (count - 1) * stride + 4 {
        return;
    }
    let [even, odd] = lanes;
    // SAFETY: the words are in `codes`, as their length was compared.
    unsafe {
        asm!(
            cpu!(),
            "2:",
            "ldr {word}, [{codes}]",
            "add {codes}, {codes}, {stride}",
            "uxtab16 {even}, {even}, {word}",
            "uxtab16 {odd}, {odd}, {word}, ror #8",
            "subs {count}, {count}, #1",
            "bne 2b",
            word = out(reg) _,
            codes = inout(reg) codes.as_ptr() => _,
            stride = in(reg) stride,
            even = inout(reg) *even,
            odd = inout(reg) *odd,
            count = inout(reg) count => _,
            options(readonly, nostack),
        );
    }
}

/// Adds the sums in lanes to those of four channels.
fn fold(sums: &mut [u32; 4], lanes: &mut [u32; 2]) {
    let [even, odd] = core::mem::take(lanes);
    let found = [even & 0xFFFF, odd & 0xFFFF, even >> 16, odd >> 16];
    sums.iter_mut().zip(found).for_each(|(sum, found)| *sum = sum.wrapping_add(found));
}
