//! Convolutions of every tail, and of transformed weights.

use super::std::vec;
use super::std::vec::Vec;

use super::{
    Convolution, Coverage, Numbers, WINDOWS, bytes, conv2d_of_all, depthwise_of_all, output, pooled_output, square,
    taps, versions,
};
use crate::Shape;
use crate::format::{Layout, Window};
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::portable;
use crate::packing::{pack, winograd};

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
        let Some(output) = pooled_output(input, window, output_channels, pool) else { continue };
        let taps = taps(window, channels);
        let numbers = Numbers::new(input.len(), output_channels.into(), taps);
        // Zeros may be left out.
        let pad_code = if output_channels.is_multiple_of(2) { 5 } else { 0 };
        let operands = numbers.conv2d(input, output, window, pool, pad_code);
        coverage.count(&conv2d_of_all(&numbers.codes, &operands));
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
            let Some(output) = pooled_output(input, window, output_channels, pool) else { continue };
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
            let compact =
                numbers.conv2d(input, output, window, pool, if output_channels.is_multiple_of(2) { 5 } else { 0 });
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
            let taps = taps(window, channels);
            let mut numbers = Numbers::new(input.len(), output_channels.into(), taps);
            let keep = bytes(channels.into(), input.len());
            numbers.codes.iter_mut().zip(keep).for_each(|(code, keep)| *code *= u8::from(keep % seldom == 0));
            for pad_code in [0, 9] {
                let operands = numbers.conv2d(input, shape, window, false, pad_code);
                conv2d_of_all(&numbers.codes, &operands);
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
        let shape = pooled_output(input, window, 19, pool).unwrap();
        let taps = taps(window, channels);
        let numbers = Numbers::new(input.len(), 19, taps);
        let operands = numbers.conv2d(input, shape, window, pool, 5);
        coverage.count(&conv2d_of_all(&numbers.codes, &operands));
        if pool || window.size != [3, 3] {
            continue;
        }
        let shape = Shape { channels, ..shape };
        let numbers = Numbers::new(input.len(), channels.into(), 18);
        let operands = numbers.depthwise(input, shape, window, 5);
        depthwise_of_all(&numbers.codes, &operands);
    }
}
