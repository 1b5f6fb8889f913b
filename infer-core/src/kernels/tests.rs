//! The chosen kernels, and all others that this processor runs, against the portable ones.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

extern crate std;

mod vector;

use std::vec;
use std::vec::Vec;

use super::operands::{
    AddOperands, AveragePool2dOperands, ChannelTable, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands,
    LogitsOperands, MaxPool2dOperands, Rescale, conv2d_scratch, fully_connected_scratch,
};
use super::portable::Portable;
use super::{Chosen, Kernels, Middle, Narrow, portable, scalar::Scalar};
use crate::Shape;
use crate::format::{Layout, Window};
use crate::operators::{Overlap, Stage};
use crate::packing::{pack, packed_len, winograd};

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
            ("chosen", <Chosen as Kernels>::$kernel as $type),
            ("middle", <Middle as Kernels>::$kernel as $type),
            ("narrow", <Narrow as Kernels>::$kernel as $type),
            ("scalar", <Scalar as Kernels>::$kernel as $type),
        ]
    };
}

/// As many rows as are computed at a time, and more: what is left may be one row, full blocks, or again too many.
const MANY_ROWS: [usize; 6] = [288, 289, 353, 464, 465, 1000];

#[test]
fn dense_layers_of_every_tail_give_the_codes_of_the_portable_kernel() {
    let mut coverage = Coverage::default();
    let sizes = (1..=40).flat_map(|rows| [1, 2, 3, 31, 4999].map(|inputs| (rows, inputs)));
    for (rows, inputs) in sizes.chain(MANY_ROWS.map(|rows| (rows, 333))) {
        let Numbers { codes, weights, channels, rescale } = Numbers::new(inputs, rows, inputs);
        let channels = ChannelTable::new(&channels);
        let operands =
            DenseOperands { outputs: rows as u16, rescale, channels, layout: Layout::Compact, weights: &weights };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut expected = vec![1; rows];
        portable::dense(&codes, &operands, &mut scratch, &mut expected);
        coverage.count(&expected);
        for (name, dense) in versions!(dense as Dense) {
            let mut found = vec![2; rows];
            dense(&codes, &operands, &mut scratch, &mut found);
            assert_eq!(found, expected, "{name}, {rows} rows of {inputs}");
        }
    }
}

#[test]
fn logits_of_every_tail_are_those_of_the_portable_kernel() {
    let sizes = (1..=40).flat_map(|rows| [1, 100, 333].map(|inputs| (rows, inputs)));
    for (rows, inputs) in sizes.chain(MANY_ROWS.map(|rows| (rows, 100))) {
        let Numbers { codes, weights, channels, .. } = Numbers::new(inputs, rows, inputs);
        let operands = LogitsOperands {
            classes: rows as u16,
            scale: 1.0,
            biases: &channels[..4 * rows],
            layout: Layout::Compact,
            weights: &weights,
        };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut expected = vec![1; rows];
        portable::logits(&codes, &operands, &mut scratch, &mut expected);
        for (name, logits) in versions!(logits as Logits) {
            let mut found = vec![2; rows];
            logits(&codes, &operands, &mut scratch, &mut found);
            assert_eq!(found, expected, "{name}, {rows} rows of {inputs}");
        }
    }
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

#[test]
fn convolutions_of_every_tail_give_the_codes_of_the_portable_kernel() {
    let mut coverage = Coverage::default();
    let pooled = (1..=40u16).flat_map(|output_channels| {
        [(1, 1), (3, 1), (2, 3), (3, 4), (1, 8), (3, 16)].into_iter().flat_map(move |(kernel, channels)| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(pool, same)| (output_channels, channels, square(kernel, same), pool))
        })
    });
    let strided = (1..=40u16).flat_map(|output_channels| {
        WINDOWS.map(|window| (output_channels, [4, 1, 2, 3, 8, 24][usize::from(output_channels) % 6], window, false))
    });
    for (output_channels, channels, window, pool) in pooled.chain(strided) {
        let input = Shape { height: 6, width: 7, channels };
        let Some(mut output) = output(input, window, output_channels) else { continue };
        if pool {
            output = Shape { height: output.height / 2, width: output.width / 2, ..output };
        }
        let taps = window.size.map(usize::from).iter().product::<usize>() * usize::from(channels);
        let numbers = Numbers::new(input.len(), output_channels.into(), taps);
        let operands = Conv2dOperands {
            input,
            output,
            window,
            pad_above: window.above(),
            // Zeros may be left out.
            pad_code: if output_channels.is_multiple_of(2) { 5 } else { 0 },
            pool,
            rescale: numbers.rescale,
            channels: ChannelTable::new(&numbers.channels),
            layout: Layout::Compact,
            weights: &numbers.weights,
        };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut expected = vec![1; output.len()];
        portable::conv2d(&numbers.codes, &operands, &mut scratch, &mut expected);
        coverage.count(&expected);
        for (name, conv2d) in versions!(conv2d as Convolution) {
            let mut found = vec![2; output.len()];
            conv2d(&numbers.codes, &operands, &mut scratch, &mut found);
            assert_eq!(found, expected, "{name}, {operands:?}");
        }
    }
}

/// Any weights and codes, the largest among them: the codes of the compact layout.
#[test]
fn transformed_weights_give_the_codes_of_the_compact_ones() {
    let mut coverage = Coverage::default();
    let windows = [square(3, true), square(3, false), Window { padding: [2, 0, 1, 2], ..square(3, false) }];
    for (channels, output_channels) in [4, 8, 12, 16, 32, 36, 64, 68]
        .into_iter()
        .flat_map(|channels: u16| [1, 2, 3, 4, 5, 8, 11, 16].map(|output_channels: u16| (channels, output_channels)))
    {
        for (number, (window, pool)) in
            windows.into_iter().flat_map(|window| [(window, false), (window, true)]).enumerate()
        {
            let height = 3 + (channels + output_channels) % 5;
            let input = Shape { height, width: 3 + (number as u16 + output_channels) % 7, channels };
            let Some(mut output) = output(input, window, output_channels) else { continue };
            if pool {
                output = Shape { height: output.height / 2, width: output.width / 2, ..output };
            }
            if output.is_empty() {
                continue;
            }
            let (rows, taps) = (usize::from(output_channels), 9 * usize::from(channels));
            let mut numbers = Numbers::new(input.len(), rows, taps);
            let mut plain: Vec<i8> = bytes(taps as u32, rows * taps).iter().map(|byte| byte.cast_signed()).collect();
            if number == 0 && rows == 8 {
                plain.iter_mut().for_each(|weight| *weight = if *weight < 0 { -128 } else { 127 });
                numbers.codes.fill(255);
            }
            pack(&plain, taps, &mut numbers.weights);
            let mut transformed = vec![0; winograd::packed_len(rows as u32, channels.into()).unwrap() as usize];
            winograd::pack(&plain, channels.into(), &mut transformed);
            let compact = Conv2dOperands {
                input,
                output,
                window,
                pad_above: window.above(),
                pad_code: if output_channels.is_multiple_of(2) { 5 } else { 0 },
                pool,
                rescale: numbers.rescale,
                channels: ChannelTable::new(&numbers.channels),
                layout: Layout::Compact,
                weights: &numbers.weights,
            };
            let operands = Conv2dOperands { layout: Layout::Winograd, weights: &transformed, ..compact };
            let mut scratch = vec![0xDEAD_BEEF; compact.scratch_len()];
            let mut expected = vec![1; output.len()];
            portable::conv2d(&numbers.codes, &compact, &mut scratch, &mut expected);
            coverage.count(&expected);
            let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
            for (name, conv2d) in versions!(conv2d_winograd as Convolution)
                .into_iter()
                .chain([("portable", portable::conv2d_winograd as Convolution)])
            {
                let mut found = vec![2; output.len()];
                conv2d(&numbers.codes, &operands, &mut scratch, &mut found);
                assert_eq!(found, expected, "{name}, {operands:?}");
            }
            // Kernels agree on weights that are no transformed ones too, as a hostile file may have them.
            let any = bytes(1, transformed.len());
            let operands = Conv2dOperands { weights: &any, ..operands };
            portable::conv2d_winograd(&numbers.codes, &operands, &mut scratch, &mut expected);
            for (name, conv2d) in versions!(conv2d_winograd as Convolution) {
                let mut found = vec![2; output.len()];
                conv2d(&numbers.codes, &operands, &mut scratch, &mut found);
                assert_eq!(found, expected, "{name}, any weights, {operands:?}");
            }
        }
    }
}

/// Between codes that are not zero there may be more zeros than a list counts in a byte, up to the end or at an odd one.
#[test]
fn convolutions_of_codes_that_are_almost_all_zero_give_the_codes_of_the_portable_kernel() {
    for (channels, output_channels, seldom) in (1..=90).flat_map(|channels| [(channels, 8, 9), (channels, 11, 120)]) {
        for window in [square(1, false), square(3, true), WINDOWS[3]] {
            let input = Shape { height: 4, width: 5, channels };
            let shape = output(input, window, output_channels).unwrap();
            let taps = window.size.map(usize::from).iter().product::<usize>() * usize::from(channels);
            let mut numbers = Numbers::new(input.len(), output_channels.into(), taps);
            let keep = bytes(channels.into(), input.len());
            numbers.codes.iter_mut().zip(keep).for_each(|(code, keep)| *code *= u8::from(keep % seldom == 0));
            for pad_code in [0, 9] {
                let operands = Conv2dOperands {
                    input,
                    output: shape,
                    window,
                    pad_above: window.above(),
                    pad_code,
                    pool: false,
                    rescale: numbers.rescale,
                    channels: ChannelTable::new(&numbers.channels),
                    layout: Layout::Compact,
                    weights: &numbers.weights,
                };
                let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
                let mut expected = vec![1; shape.len()];
                portable::conv2d(&numbers.codes, &operands, &mut scratch, &mut expected);
                for (name, conv2d) in versions!(conv2d as Convolution) {
                    let mut found = vec![2; shape.len()];
                    conv2d(&numbers.codes, &operands, &mut scratch, &mut found);
                    assert_eq!(found, expected, "{name}, {operands:?}");
                }
            }
        }
    }
}

/// Kernels of hosts copy rows to the stack: some of them, or none where rows are very long.
#[test]
fn convolutions_of_large_images_give_the_codes_of_the_portable_kernel() {
    let mut coverage = Coverage::default();
    for (height, width, channels, window, pool) in [
        (40, 60, 16, square(3, true), false),
        (41, 59, 11, square(3, true), true),
        (64, 40, 8, square(1, false), false),
        (30, 90, 5, WINDOWS[4], false),
        (9, 300, 24, square(5, true), true),
        (5, 400, 40, square(3, true), false),
    ] {
        let input = Shape { height, width, channels };
        let mut shape = output(input, window, 19).unwrap();
        if pool {
            shape = Shape { height: shape.height / 2, width: shape.width / 2, ..shape };
        }
        let taps = window.size.map(usize::from).iter().product::<usize>() * usize::from(channels);
        let numbers = Numbers::new(input.len(), 19, taps);
        let operands = Conv2dOperands {
            layout: Layout::Compact,
            input,
            output: shape,
            window,
            pad_above: window.above(),
            pad_code: 5,
            pool,
            rescale: numbers.rescale,
            channels: ChannelTable::new(&numbers.channels),
            weights: &numbers.weights,
        };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut expected = vec![1; shape.len()];
        portable::conv2d(&numbers.codes, &operands, &mut scratch, &mut expected);
        coverage.count(&expected);
        for (name, conv2d) in versions!(conv2d as Convolution) {
            let mut found = vec![2; shape.len()];
            conv2d(&numbers.codes, &operands, &mut scratch, &mut found);
            assert!(found == expected, "{name}, {input:?}, {window:?}");
        }
        if pool || window.size != [3, 3] {
            continue;
        }
        let shape = Shape { channels, ..shape };
        let numbers = Numbers::new(input.len(), channels.into(), 18);
        let operands = DepthwiseConv2dOperands {
            layout: Layout::Compact,
            input,
            output: shape,
            multiplier: 1,
            window,
            pad_above: window.above(),
            pad_code: 5,
            rescale: numbers.rescale,
            channels: ChannelTable::new(&numbers.channels),
            weights: &numbers.weights[..9 * usize::from(channels)],
        };
        let mut expected = vec![1; shape.len()];
        portable::depthwise_conv2d(&numbers.codes, &operands, &mut expected);
        for (name, depthwise) in versions!(depthwise_conv2d as Depthwise) {
            let mut found = vec![2; shape.len()];
            depthwise(&numbers.codes, &operands, &mut found);
            assert!(found == expected, "{name}, {input:?}, {window:?}");
        }
    }
}

#[test]
fn depthwise_convolutions_give_the_codes_of_the_portable_kernel() {
    let mut coverage = Coverage::default();
    let paddings = [[0; 4], [1; 4], [0, 0, 1, 1], [2, 2, 2, 2], [2, 0, 1, 2], [0, 1, 2, 0], [1, 2, 0, 1], [3, 3, 3, 3]];
    let sides = [(1, 1), (1, 5), (2, 2), (3, 3), (5, 1), (4, 6), (6, 7), (9, 10), (7, 13)];
    let strides = [[1, 1], [2, 2], [1, 2], [2, 1], [3, 3]];
    let cases = sides
        .into_iter()
        .flat_map(|side| paddings.into_iter().flat_map(move |padding| strides.map(|stride| (side, padding, stride))));
    for ((height, width), padding, stride) in cases {
        for (channels, multiplier, pad_code) in [(1, 1, 0), (3, 1, 7), (8, 1, 0), (13, 1, 3), (33, 1, 255), (2, 3, 9)] {
            let input = Shape { height, width, channels };
            let window = Window { size: [3, 3], stride, padding };
            let Some(shape) = output(input, window, channels * multiplier) else { continue };
            let numbers = Numbers::new(input.len(), shape.channels.into(), 18);
            let operands = DepthwiseConv2dOperands {
                input,
                output: shape,
                multiplier: multiplier as u8,
                window,
                pad_above: window.above(),
                pad_code,
                rescale: numbers.rescale,
                channels: ChannelTable::new(&numbers.channels),
                layout: Layout::Compact,
                weights: &numbers.weights[..9 * usize::from(shape.channels)],
            };
            let mut expected = vec![1; shape.len()];
            portable::depthwise_conv2d(&numbers.codes, &operands, &mut expected);
            coverage.count(&expected);
            for (name, depthwise) in versions!(depthwise_conv2d as Depthwise) {
                let mut found = vec![2; shape.len()];
                depthwise(&numbers.codes, &operands, &mut found);
                assert_eq!(found, expected, "{name}, {operands:?}");
            }
        }
    }
}

/// Calls a stage with one set of kernels: input, scratch, output.
type Run = fn(&Stage<'_>, &[u8], &mut [u32], &mut [u8]);

/// What the operators state of which rows an output is computed from is true of every kernel: the output is the same where it
/// is computed in bands, in one arena, where it overwrites the input, and where all rows before those of a band are gone.
#[test]
fn bands_read_no_row_that_is_not_theirs_and_put_out_what_the_whole_does() {
    let squares = (1..=15).flat_map(|kernel| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(pool, same)| (square(kernel, same), pool))
    });
    let windows: Vec<(Window, bool)> = squares.chain(WINDOWS.map(|window| (window, false))).collect();
    for ((window, pool), height) in windows.iter().flat_map(|&window| (1..=23).map(move |height| (window, height))) {
        let input = Shape { height, width: 8, channels: 2 };
        let Some(mut shape) = output(input, window, 5) else { continue };
        if pool {
            shape = Shape { height: shape.height / 2, width: shape.width / 2, ..shape };
        }
        if shape.is_empty() {
            continue;
        }
        let taps = window.size.map(usize::from).iter().product::<usize>();
        let numbers = Numbers::new(input.len(), 6, taps * 2);
        let pad_above = window.above();
        let stage = Stage::Conv2d(Conv2dOperands {
            input,
            output: shape,
            window,
            pad_above,
            pad_code: 5,
            pool,
            rescale: numbers.rescale,
            channels: ChannelTable::new(&numbers.channels[..40]),
            layout: Layout::Compact,
            weights: &numbers.weights,
        });
        in_bands(stage, input, shape, &numbers.codes);
        if pool {
            continue;
        }
        let each = Shape { channels: 6, ..shape };
        let stage = Stage::DepthwiseConv2d(DepthwiseConv2dOperands {
            input,
            output: each,
            multiplier: 3,
            window,
            pad_above,
            pad_code: 5,
            rescale: numbers.rescale,
            channels: ChannelTable::new(&numbers.channels),
            layout: Layout::Compact,
            weights: &numbers.weights[..6 * taps],
        });
        in_bands(stage, input, each, &numbers.codes);
        let wide = Window { stride: [window.stride[0], 9], ..window };
        let size = window.size.map(u16::from);
        for (window, size) in [(window, size), (wide, size), (Window::WHOLE, [input.height, input.width])] {
            let output = if window == Window::WHOLE {
                Shape { height: 1, width: 1, channels: 2 }
            } else {
                output(input, window, 2).unwrap()
            };
            let pad_above = window.above();
            let pool = MaxPool2dOperands { input, output, size, window, pad_above };
            in_bands(Stage::MaxPool2d(pool), input, output, &numbers.codes);
            let pool = AveragePool2dOperands {
                input,
                output,
                size,
                window,
                pad_above,
                input_zero_point: 7,
                multiplier: 1 << 30,
                rescale: Rescale { zero_point: 9, shift: 2 },
            };
            in_bands(Stage::AveragePool2d(pool), input, output, &numbers.codes);
        }
    }
}

fn in_bands(stage: Stage<'_>, input: Shape, output: Shape, codes: &[u8]) {
    let Overlap::Rows(window) = stage.overlap() else { panic!("{stage:?} overlaps in rows") };
    let bands = || (0..).map_while(|number| window.band(number, input, output));
    let most = bands().map(|band| band.output.end.saturating_sub(band.input.start)).max();
    assert_eq!(Some(window.lead(input, output)), most, "{stage:?}");
    let most = bands().map(|band| band.input.end.saturating_sub(band.output.start)).max();
    assert_eq!(Some(window.trail(input, output)), most, "{stage:?}");
    let mut scratch = vec![0xDEAD_BEEF; stage.scratch_len()];
    let mut expected = vec![1; output.len()];
    stage.call::<Portable>(codes, &[], &mut scratch, &mut expected);
    // Each byte of input that is not in a band is poison when the band is computed.
    for poison in [0, 0xFF] {
        let kernels: [Run; 5] = [
            |stage, input, scratch, output| stage.call::<Chosen>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<Middle>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<Narrow>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<Scalar>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<Portable>(input, &[], scratch, output),
        ];
        for (number, call) in kernels.into_iter().enumerate() {
            let lead = window.lead(input, output);
            let mut arena = vec![poison; lead.max(output.len()) + input.len()];
            arena[lead..][..input.len()].copy_from_slice(codes);
            for band in bands() {
                let mut part = stage;
                part.set_rows(&band);
                // What is before the band's rows was read for the last time, and what it writes ends before them.
                arena[band.output.end..lead + band.input.start].fill(poison);
                assert!(band.output.end <= lead + band.input.start, "{stage:?}");
                let (written, read) = arena.split_at_mut(lead + band.input.start);
                let codes = &read[..band.input.len()];
                call(&part, codes, &mut scratch, &mut written[band.output.clone()]);
            }
            assert_eq!(arena[..output.len()], expected, "kernels {number}, {stage:?}");

            // From the last row on, where the output is after the input.
            let trail = window.trail(input, output);
            let mut arena = vec![poison; input.len().max(trail + output.len())];
            arena[..input.len()].copy_from_slice(codes);
            for band in bands().collect::<Vec<_>>().into_iter().rev() {
                let mut part = stage;
                part.set_rows(&band);
                let written = trail + band.output.start;
                assert!(band.input.end <= written, "{stage:?}");
                arena[band.input.end..written].fill(poison);
                let (read, written) = arena.split_at_mut(written);
                call(&part, &read[band.input.clone()], &mut scratch, &mut written[..band.output.len()]);
            }
            assert_eq!(arena[trail..][..output.len()], expected, "kernels {number}, {stage:?}, from the last row");
        }
    }
}

#[test]
fn sums_are_rounded_once_and_clamped_in_and_out_of_place() {
    let (first, second) = (bytes(1, 700), bytes(2, 700));
    for (multipliers, shift) in
        [([1, 1], 1), ([3, 5], 2), ([8000, 12000], 14), ([(1 << 22) - 1; 2], 23), ([1, 4_000_000], 1)]
    {
        for zero_points in [[0, 0], [255, 255], [0, 255], [128, 7]] {
            let zero_point = zero_points[1] / 2;
            let operands = AddOperands { len: 700, multipliers, zero_points, zero_point, shift };
            let expected: Vec<u8> = (0..700)
                .map(|at| {
                    let product = |code: u8, which: usize| {
                        i128::from(i64::from(code) - i64::from(zero_points[which])) * i128::from(multipliers[which])
                    };
                    let exact = product(first[at], 0) + product(second[at], 1);
                    let rounded = (2 * exact + (1 << shift)).div_euclid(2 << shift);
                    (rounded + i128::from(zero_point)).clamp(0, 255) as u8
                })
                .collect();
            let stage = Stage::Add(operands);
            let mut found = vec![9; 700];
            stage.call::<Chosen>(&first, &second, &mut [], &mut found);
            assert_eq!(found, expected, "{operands:?}");
            found.copy_from_slice(&first);
            stage.call::<Chosen>(&second, &[], &mut [], &mut found);
            assert_eq!(found, expected, "in place of the first, {operands:?}");
            let mut swapped = stage;
            swapped.swap_inputs();
            found.copy_from_slice(&second);
            swapped.call::<Chosen>(&first, &[], &mut [], &mut found);
            assert_eq!(found, expected, "in place of the second, {operands:?}");
        }
    }
}

/// Lengths around the one that fits, none at all, and far too many.
fn lengths(fits: usize) -> [usize; 6] {
    [0, 1, fits / 2, fits.saturating_sub(1), fits, fits + 9]
}

// Stages have public fields, so anyone can put together one that no file would give. What a kernel then computes is not defined; that it
// stays inside of its slices is, and a sanitizer sees whether it does.
#[test]
fn lengths_that_do_not_fit_each_other_are_no_panic() {
    let (rows, inputs) = (13, 11);
    let numbers = Numbers::new(40, rows, 40);
    let fits = [
        inputs,
        packed_len(13, 11).unwrap() as usize,
        8 * rows,
        fully_connected_scratch(Layout::Compact, rows as u16),
        rows,
    ];
    for (part, len) in (0..fits.len()).flat_map(|part| lengths(fits[part]).map(|len| (part, len))) {
        let mut lens = fits;
        lens[part] = len;
        let [inputs, weights, table, scratch, outputs] = lens;
        let (codes, weights) = (numbers.codes[..inputs].to_vec(), numbers.weights[..weights].to_vec());
        let channels = bytes(1, table);
        let dense = DenseOperands {
            outputs: outputs as u16,
            rescale: numbers.rescale,
            channels: ChannelTable::new(&channels),
            layout: Layout::Compact,
            weights: &weights,
        };
        let logits = LogitsOperands {
            classes: outputs as u16,
            scale: 1.0,
            biases: &channels,
            layout: Layout::Compact,
            weights: &weights,
        };
        for (_, kernel) in versions!(dense as Dense).into_iter().chain([("portable", portable::dense as Dense)]) {
            kernel(&codes, &dense, &mut vec![1; scratch], &mut vec![2; outputs]);
        }
        for (_, kernel) in versions!(logits as Logits).into_iter().chain([("portable", portable::logits as Logits)]) {
            kernel(&codes, &logits, &mut vec![1; scratch], &mut vec![2; outputs]);
        }
    }
}

#[test]
fn convolutions_of_lengths_that_do_not_fit_each_other_are_no_panic() {
    let input = Shape { height: 5, width: 6, channels: 2 };
    let taps = 18;
    for (pool, output_channels) in [(false, 13), (true, 13), (true, 0), (false, 0)] {
        let output =
            Shape { height: if pool { 1 } else { 3 }, width: if pool { 2 } else { 4 }, channels: output_channels };
        let rows = usize::from(output_channels);
        let numbers = Numbers::new(input.len() + 9, 2 * rows + 9, taps);
        let weights_len = packed_len(rows as u32, taps as u32).unwrap() as usize;
        let fits = [input.len(), weights_len, 8 * rows, conv2d_scratch(taps, pool), output.len()];
        for (part, len) in (0..fits.len()).flat_map(|part| lengths(fits[part]).map(|len| (part, len))) {
            let mut lens = fits;
            lens[part] = len;
            let [codes, weights, table, scratch, outputs] = lens;
            let (codes, weights) = (numbers.codes[..codes].to_vec(), numbers.weights[..weights].to_vec());
            let table = bytes(1, table);
            for (size, stride, pad) in [([3; 2], 1, 0), ([3; 2], 1, 1), ([0; 2], 0, 0), ([255, 7], 9, 7)] {
                let window = Window { size, stride: [stride; 2], padding: [pad; 4] };
                let operands = Conv2dOperands {
                    input,
                    output,
                    window,
                    pad_above: pad,
                    pad_code: 5,
                    pool,
                    rescale: numbers.rescale,
                    channels: ChannelTable::new(&table),
                    layout: Layout::Compact,
                    weights: &weights,
                };
                for (_, conv2d) in
                    versions!(conv2d as Convolution).into_iter().chain([("portable", portable::conv2d as Convolution)])
                {
                    conv2d(&codes, &operands, &mut vec![1; scratch], &mut vec![2; outputs]);
                }
            }
            for (size, stride, pad) in
                [([2; 2], 2, 0), ([3; 2], 1, 1), ([0; 2], 0, 0), ([3, 500], 1, 1), ([255, 7], 9, 7)]
            {
                let bytes = size.map(|side: u16| side as u8);
                let window = Window { size: bytes, stride: [stride; 2], padding: [pad; 4] };
                let output = Shape { channels: 2, ..output };
                let operands = MaxPool2dOperands { input, output, size, window, pad_above: pad };
                portable::max_pool2d(&codes, &operands, &mut vec![2; outputs]);
                let operands = AveragePool2dOperands {
                    input,
                    output,
                    size,
                    window,
                    pad_above: pad,
                    input_zero_point: 3,
                    multiplier: -1,
                    rescale: numbers.rescale,
                };
                portable::average_pool2d(&codes, &operands, &mut vec![2; outputs]);
                let operands = DepthwiseConv2dOperands {
                    input,
                    output,
                    multiplier: stride,
                    window,
                    pad_above: pad,
                    pad_code: 5,
                    rescale: numbers.rescale,
                    channels: ChannelTable::new(&table),
                    layout: Layout::Compact,
                    weights: &weights,
                };
                portable::depthwise_conv2d(&codes, &operands, &mut vec![2; outputs]);
                for (_, depthwise) in versions!(depthwise_conv2d as Depthwise) {
                    depthwise(&codes, &operands, &mut vec![2; outputs]);
                }
            }
        }
    }
}
