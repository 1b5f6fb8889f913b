//! Convolutions of each channel by itself.

use super::{Coverage, Numbers, depthwise_of_all, output};
use crate::Shape;
use crate::format::Window;

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
            let operands = numbers.depthwise(input, shape, window, pad_code);
            coverage.count(&depthwise_of_all(&numbers.codes, &operands));
        }
    }
}
