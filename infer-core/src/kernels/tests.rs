//! The chosen kernels, and all others that this processor runs, against the portable ones.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

extern crate std;

mod add;
mod average_pool;
mod bands;
mod conv2d;
mod dense;
mod depthwise;
mod lengths;
mod vector;

use std::vec;
use std::vec::Vec;

use super::operands::{ChannelTable, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale};
use super::portable;
use crate::Shape;
use crate::format::{Layout, Window};
use crate::packing::packed_len;

/// Numbers without a pattern (Marsaglia's xorshift), as bytes.
fn bytes(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 13) as u8
    };
    core::iter::repeat_with(next).take(count).collect()
}

/// Codes, half of them zero; weights and channels of any bits.
struct Numbers {
    codes: Vec<u8>,
    weights: Vec<u8>,
    channels: Vec<u8>,
    rescale: Rescale,
}

impl Numbers {
    fn new(codes: usize, rows: usize, inputs: usize) -> Self {
        let seed = (codes * 1000 + rows * 100 + inputs) as u32;
        let keep = bytes(seed + 1, codes);
        let codes = bytes(seed, codes).iter().zip(keep).map(|(&code, keep)| code * (keep & 1)).collect();
        let weights = bytes(seed + 2, packed_len(rows as u32, inputs as u32).unwrap() as usize);
        let shift = (rows % 4) as u8;
        // What a sum of so many products of such numbers is about as large as. Biases are smaller, and multipliers spread such sums
        // over the codes: or else every code would be 0 or 255, whatever the sum.
        let typical = (74.0 * 148.0 * (inputs as f64 / 2.0).sqrt().max(1.0)) as i64;
        let mut channels = Vec::with_capacity(8 * rows);
        for record in bytes(seed + 3, 8 * rows).chunks(8) {
            let bias = i64::from(i32::from_le_bytes([record[0], record[1], record[2], record[3]])) % typical;
            let multiplier = (((100i64 << 32) / typical) >> shift) * (64 + i64::from(record[4] & 127)) / 128;
            channels
                .extend([bias as i32, multiplier.clamp(1, i64::from(i32::MAX)) as i32].map(i32::to_le_bytes).concat());
        }
        let rescale = Rescale { zero_point: if rows.is_multiple_of(3) { 77 } else { 0 }, shift };
        Self { codes, weights, channels, rescale }
    }
}

impl Numbers {
    /// A convolution with these numbers.
    fn conv2d(&self, input: Shape, output: Shape, window: Window, pool: bool, pad_code: u8) -> Conv2dOperands<'_> {
        Conv2dOperands {
            input,
            output,
            window,
            pad_above: window.above(),
            pad_code,
            pool,
            rescale: self.rescale,
            channels: ChannelTable::new(&self.channels),
            layout: Layout::Compact,
            weights: &self.weights,
        }
    }

    /// One of each channel by itself, with the first of these weights.
    fn depthwise(&self, input: Shape, output: Shape, window: Window, pad_code: u8) -> DepthwiseConv2dOperands<'_> {
        DepthwiseConv2dOperands {
            input,
            output,
            multiplier: (output.channels / input.channels) as u8,
            window,
            pad_above: window.above(),
            pad_code,
            rescale: self.rescale,
            channels: ChannelTable::new(&self.channels),
            layout: Layout::Compact,
            weights: &self.weights[..taps(window, output.channels)],
        }
    }
}

/// How many codes were compared, and how many of them the sum decides.
#[derive(Default)]
struct Coverage {
    codes: usize,
    between: usize,
}

impl Coverage {
    fn count(&mut self, codes: &[u8]) {
        self.codes += codes.len();
        self.between += codes.iter().filter(|&&code| code > 0 && code < 255).count();
    }
}

impl Drop for Coverage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(3 * self.between > self.codes, "only {} of {} codes prove anything", self.between, self.codes);
        }
    }
}

type Convolution = fn(&[u8], &Conv2dOperands<'_>, &mut [u32], &mut [u8]);
type Depthwise = fn(&[u8], &DepthwiseConv2dOperands<'_>, &mut [u8]);
type Dense = fn(&[u8], &DenseOperands<'_>, &mut [u32], &mut [u8]);
type Logits = fn(&[u8], &LogitsOperands<'_>, &mut [u32], &mut [i32]);

/// The versions of a kernel that this processor runs, by name.
macro_rules! versions {
    ($kernel:ident as $type:ty) => {
        [
            ("chosen", <$crate::kernels::Chosen as $crate::kernels::Kernels>::$kernel as $type),
            ("middle", <$crate::kernels::Middle as $crate::kernels::Kernels>::$kernel as $type),
            ("narrow", <$crate::kernels::Narrow as $crate::kernels::Kernels>::$kernel as $type),
            ("without VBMI", <$crate::kernels::WithoutBytes as $crate::kernels::Kernels>::$kernel as $type),
            ("scalar", <$crate::kernels::scalar::Scalar as $crate::kernels::Kernels>::$kernel as $type),
        ]
    };
}
use versions;

/// The versions of a convolution with or without a pool.
fn convolutions(pool: bool) -> [(&'static str, Convolution); 5] {
    if pool { versions!(pooled_conv2d as Convolution) } else { versions!(conv2d as Convolution) }
}

/// The codes of a convolution, which are the same of all versions.
fn conv2d_of_all(codes: &[u8], operands: &Conv2dOperands<'_>) -> Vec<u8> {
    let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
    let mut expected = vec![1; operands.output.len()];
    portable::conv2d(codes, operands, &mut scratch, &mut expected);
    for (name, conv2d) in convolutions(operands.pool) {
        let mut found = vec![2; expected.len()];
        conv2d(codes, operands, &mut scratch, &mut found);
        assert!(found == expected, "{name}, {operands:?}");
    }
    expected
}

/// The same of one of each channel by itself.
fn depthwise_of_all(codes: &[u8], operands: &DepthwiseConv2dOperands<'_>) -> Vec<u8> {
    let mut expected = vec![1; operands.output.len()];
    portable::depthwise_conv2d(codes, operands, &mut expected);
    for (name, depthwise) in versions!(depthwise_conv2d as Depthwise) {
        let mut found = vec![2; expected.len()];
        depthwise(codes, operands, &mut found);
        assert!(found == expected, "{name}, {operands:?}");
    }
    expected
}

/// Weights of so many channels under a window.
fn taps(window: Window, channels: u16) -> usize {
    window.size.map(usize::from).iter().product::<usize>() * usize::from(channels)
}

/// The output of a window on an input, after a pool if there is one; `None` where it does not fit.
fn pooled_output(input: Shape, window: Window, channels: u16, pool: bool) -> Option<Shape> {
    let shape = output(input, window, channels)?;
    Some(if pool { Shape { height: shape.height / 2, width: shape.width / 2, ..shape } } else { shape })
}

/// The output of a window on an input, before a pool; `None` where it does not fit.
fn output(input: Shape, window: Window, channels: u16) -> Option<Shape> {
    let [above, left, below, right] = window.padding.map(u16::from);
    let [rows, columns] = window.size.map(u16::from);
    let [down, along] = window.stride.map(u16::from);
    let height = (input.height + above + below).checked_sub(rows)? / down + 1;
    let width = (input.width + left + right).checked_sub(columns)? / along + 1;
    Some(Shape { height, width, channels })
}

/// A window of a convolution that a pool may follow: `same` or no padding.
fn square(kernel: u8, same: bool) -> Window {
    let (before, after) = if same { ((kernel - 1) / 2, kernel / 2) } else { (0, 0) };
    Window { padding: [before, before, after, after], ..Window::square(kernel, 1) }
}

/// Windows that are not square, with strides and paddings.
const WINDOWS: [Window; 8] = [
    Window::square(1, 2),
    Window { size: [1, 5], stride: [1, 2], padding: [0, 4, 0, 1] },
    Window { size: [4, 3], stride: [3, 1], padding: [2, 0, 3, 2] },
    Window { size: [3, 3], stride: [2, 2], padding: [0, 0, 1, 1] },
    Window { size: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
    Window { size: [5, 2], stride: [4, 4], padding: [1, 1, 4, 0] },
    Window { size: [15, 15], stride: [1, 3], padding: [14, 7, 14, 7] },
    Window { size: [2, 7], stride: [2, 1], padding: [1, 3, 0, 6] },
];
