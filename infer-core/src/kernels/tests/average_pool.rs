//! Means of windows.

use super::std::vec;

use super::{Rescale, bytes, portable, versions};
use crate::Shape;
use crate::format::Window;
use crate::kernels::operands::AveragePool2dOperands;

type AveragePool2d = fn(&[u8], &AveragePool2dOperands, &mut [u8]);

#[test]
fn means_are_the_portable_ones_for_windows_of_more_codes_than_a_lane_holds_and_at_odd_addresses() {
    for (height, width, channels, [rows, columns], stride, pad) in [
        (5, 7, 8, [3, 3], 2, 1),
        (1, 300, 4, [1, 255], 1, 0),
        (40, 40, 4, [40, 40], 1, 0),
        (6, 6, 3, [2, 2], 2, 0),
        (4, 5, 12, [2, 3], 1, 1),
    ] {
        let input = Shape { height, width, channels };
        let places = |side: u16, window: u16| (side + 2 * pad - window) / stride + 1;
        let output = Shape { height: places(height, rows), width: places(width, columns), channels };
        let codes = bytes(height.into(), input.len() + 1);
        let [stride, pad] = [stride, pad].map(|number| number as u8);
        let window = Window { size: [rows as u8, columns as u8], stride: [stride; 2], padding: [pad; 4] };
        let operands = AveragePool2dOperands {
            input,
            output,
            size: [rows, columns],
            window,
            pad_above: pad,
            input_zero_point: 3,
            multiplier: ((1u64 << 32) / u64::from(rows * columns)) as i32,
            rescale: Rescale { zero_point: 7, shift: 0 },
        };
        for start in [0, 1] {
            let codes = &codes[start..][..input.len()];
            let mut expected = vec![0; output.len()];
            portable::average_pool2d(codes, &operands, &mut expected);
            assert!(expected.iter().all(|&code| (1..255).contains(&code)), "means and no limits: {operands:?}");
            for (name, average_pool2d) in versions!(average_pool2d as AveragePool2d) {
                let mut found = vec![1; output.len()];
                average_pool2d(codes, &operands, &mut found);
                assert_eq!(found, expected, "{name}, {operands:?}");
            }
        }
    }
}
