//! Weights in vectors give the codes of the same weights in the compact layout.

use super::std::vec;
use super::std::vec::Vec;

use super::{Coverage, Numbers, WINDOWS, bytes, output, pooled_output, square, taps};
use crate::Shape;
use crate::format::{Layout, Window};
use crate::kernels::operands::{ChannelTable, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands};
use crate::kernels::{Chosen, Kernels, portable};
use crate::packing::{pack, vector};

/// A matrix in both layouts, whatever its numbers.
struct Matrix {
    compact: Numbers,
    vectors: Vec<u8>,
}

impl Matrix {
    fn new(codes: usize, rows: usize, inputs: usize) -> Self {
        let mut compact = Numbers::new(codes, rows, inputs);
        let weights: Vec<i8> = bytes(codes as u32, rows * inputs).iter().map(|byte| byte.cast_signed()).collect();
        pack(&weights, inputs, &mut compact.weights);
        let mut vectors = vec![0xAA; vector::packed_len(rows as u32, inputs as u32).unwrap() as usize];
        vector::pack(&weights, inputs, &mut vectors);
        Self { compact, vectors }
    }
}

#[test]
fn dense_layers_and_logits_are_those_of_compact_weights() {
    let mut coverage = Coverage::default();
    for (rows, inputs) in (1..=20).flat_map(|rows| [1, 2, 15, 16, 17, 333].map(|inputs| (rows, inputs))) {
        let Matrix { compact, vectors } = Matrix::new(inputs, rows, inputs);
        let (channels, rescale) = (ChannelTable::new(&compact.channels), compact.rescale);
        let operands = DenseOperands {
            outputs: rows as u16,
            rescale,
            channels,
            layout: Layout::Compact,
            weights: &compact.weights,
        };
        let mut expected = vec![1; rows];
        portable::dense(&compact.codes, &operands, &mut [], &mut expected);
        coverage.count(&expected);
        let operands = DenseOperands { layout: Layout::Vector, weights: &vectors, ..operands };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut found = vec![2; rows];
        Chosen::dense_vector(&compact.codes, &operands, &mut scratch, &mut found);
        assert_eq!(found, expected, "{rows} rows of {inputs}");

        let biases = &compact.channels[..4 * rows];
        let (classes, layout, weights) = (rows as u16, Layout::Compact, &compact.weights[..]);
        let operands = LogitsOperands { classes, scale: 1.0, biases, layout, weights };
        let mut expected = vec![1; rows];
        portable::logits(&compact.codes, &operands, &mut [], &mut expected);
        let operands = LogitsOperands { layout: Layout::Vector, weights: &vectors, ..operands };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut found = vec![2; rows];
        Chosen::logits_vector(&compact.codes, &operands, &mut scratch, &mut found);
        assert_eq!(found, expected, "{rows} rows of {inputs}");
    }
}

#[test]
fn convolutions_give_the_codes_of_compact_weights() {
    let mut coverage = Coverage::default();
    let pooled =
        [1, 2, 3, 5].into_iter().flat_map(|kernel| [(square(kernel, true), true), (square(kernel, false), true)]);
    for (window, pool) in pooled.chain(WINDOWS.map(|window| (window, false))) {
        for (channels, rows) in [(1, 8u16), (2, 3), (3, 5), (7, 1), (16, 4), (17, 9)] {
            let input = Shape { height: 7, width: 6, channels };
            let Some(output) = pooled_output(input, window, rows, pool) else { continue };
            let taps = taps(window, channels);
            let Matrix { compact: numbers, vectors } = Matrix::new(input.len(), rows.into(), taps);
            let compact = numbers.conv2d(input, output, window, pool, if rows.is_multiple_of(2) { 5 } else { 0 });
            let mut scratch = vec![0xDEAD_BEEF; compact.scratch_len()];
            let mut expected = vec![1; output.len()];
            portable::conv2d(&numbers.codes, &compact, &mut scratch, &mut expected);
            coverage.count(&expected);
            let operands = Conv2dOperands { layout: Layout::Vector, weights: &vectors, ..compact };
            let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
            let mut found = vec![2; output.len()];
            Chosen::conv2d_vector(&numbers.codes, &operands, &mut scratch, &mut found);
            assert_eq!(found, expected, "{operands:?}");
        }
    }
}

#[test]
fn depthwise_convolutions_give_the_codes_of_compact_weights() {
    let mut coverage = Coverage::default();
    let windows: [Window; 3] =
        [square(3, true), Window { padding: [1, 0, 2, 1], ..Window::square(3, 2) }, Window::square(2, 1)];
    for window in windows {
        for (channels, multiplier, pad_code) in [(1, 1, 0), (3, 1, 7), (8, 1, 0), (17, 1, 255), (5, 3, 9)] {
            let input = Shape { height: 5, width: 6, channels };
            let Some(output) = output(input, window, channels * multiplier) else { continue };
            let taps = window.size.map(usize::from).iter().product::<usize>();
            let rows = usize::from(output.channels);
            let numbers = Numbers::new(input.len(), rows, 18);
            let plain = &numbers.weights[..taps * rows];
            let weights: Vec<i8> = plain.iter().map(|byte| byte.cast_signed()).collect();
            let mut vectors = vec![0xAA; vector::depthwise_len(rows as u32, taps as u32).unwrap() as usize];
            vector::pack_depthwise(&weights, taps, &mut vectors);
            let compact = numbers.depthwise(input, output, window, pad_code);
            let mut expected = vec![1; output.len()];
            portable::depthwise_conv2d(&numbers.codes, &compact, &mut expected);
            coverage.count(&expected);
            let operands = DepthwiseConv2dOperands { layout: Layout::Vector, weights: &vectors, ..compact };
            let mut found = vec![2; output.len()];
            Chosen::depthwise_conv2d_vector(&numbers.codes, &operands, &mut found);
            assert_eq!(found, expected, "{operands:?}");
        }
    }
}
