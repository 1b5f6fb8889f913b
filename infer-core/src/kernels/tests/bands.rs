//! An output that is computed in bands, in one arena with its input.

use super::std::vec;
use super::std::vec::Vec;

use super::{Numbers, WINDOWS, output, pooled_output, square};
use crate::Shape;
use crate::format::{Layout, Window};
use crate::kernels::operands::{
    AveragePool2dOperands, ChannelTable, Conv2dOperands, DepthwiseConv2dOperands, MaxPool2dOperands, Rescale,
};
use crate::kernels::portable::Portable;
use crate::kernels::scalar::Scalar;
use crate::kernels::{Chosen, Middle, Narrow, WithoutBytes};
use crate::operators::{Overlap, Stage};

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
        let Some(shape) = pooled_output(input, window, 5, pool) else { continue };
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
        let kernels: [Run; 6] = [
            |stage, input, scratch, output| stage.call::<Chosen>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<Middle>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<Narrow>(input, &[], scratch, output),
            |stage, input, scratch, output| stage.call::<WithoutBytes>(input, &[], scratch, output),
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
