//! Lengths that do not fit each other, which no file gives.

use super::std::vec;

use super::{Convolution, Dense, Depthwise, Logits, Numbers, bytes, convolutions, versions};
use crate::Shape;
use crate::format::{Layout, Window};
use crate::kernels::operands::{
    AveragePool2dOperands, ChannelTable, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands,
    MaxPool2dOperands, conv2d_scratch, fully_connected_scratch,
};
use crate::kernels::portable;
use crate::packing::packed_len;

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
                for (_, conv2d) in convolutions(pool).into_iter().chain([("portable", portable::conv2d as Convolution)])
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
